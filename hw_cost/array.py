"""The MAC arrays of many chips: cycles of a GEMM, and energies of their buffers' accesses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.arithmetic import mac_energy_pj
from hw_cost.memory import sram_read_energy_pj, sram_write_energy_pj
from hw_cost.technology import Technology
from hw_cost.units import BITS_PER_KIB, Bools, Floats, Ints, ceil_div
from hw_cost.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class GemmCycles:
    """Cycles of all instances of one GEMM; (n_arrays, n_token_counts).

    Attributes:
        busiest: cycles of the unit with most work: the time.
        total: cycles of all units: the energy.
        copies: units that load each weight: those that share its columns.
        by_rows: whether units share the blocks of rows; else they share those of columns.
    """

    busiest: Floats
    total: Floats
    copies: Floats
    by_rows: Bools


@dataclass(frozen=True, slots=True, kw_only=True)
class MacArrays:
    """The MAC arrays of many chips with their buffers; (n_arrays, 1) arrays, nominal supply.

    Attributes:
        n: MAC vector size.
        units: processing units.
        capacity_bits: data buffers of a chip: two for each unit.
        mask_bits: bits of one mask buffer.
        mac_pj: energy of one MAC.
        read_activations_pj: reading n activations from a data buffer.
        write_activations_pj: writing them.
        read_weights_pj: reading n weights with their mask bits, zeros left out.
        write_weights_pj: writing them.
        spill_pj: writing n partial sums and reading them again.
        table_pj: reading n words of the auxiliary SRAM.
        cycle_pj: control and clock of one unit in a GEMM cycle.
        idle_cycle_pj: clock of one unit in a special-function cycle.
    """

    n: Ints
    units: Ints
    capacity_bits: Floats
    mask_bits: Floats
    mac_pj: float
    read_activations_pj: Floats
    write_activations_pj: Floats
    read_weights_pj: Floats
    write_weights_pj: Floats
    spill_pj: Floats
    table_pj: Floats
    cycle_pj: Floats
    idle_cycle_pj: Floats


def mac_arrays(columns: AcceleratorColumns, workload: Workload, t: Technology) -> MacArrays:
    """The arrays of those designs for the formats of a workload."""
    n = columns.mac_vector_size[:, None]
    data = columns.data_sram_kib[:, None].astype(np.float64)
    mask = columns.mask_sram_kib[:, None].astype(np.float64)
    a_bits, w_bits = workload.activation_format.bits, workload.weight_format.bits
    mac_pj = mac_energy_pj(workload.weight_format, workload.activation_format, t)
    read_w, write_w = (
        sram_read_energy_pj(data, n * w_bits, t),
        sram_write_energy_pj(data, n * w_bits, t),
    )
    if workload.has_weight_mask:
        # n banks of one weight each: only those of non-zeros are touched.
        density = workload.encoder_density
        read_w = density * read_w + sram_read_energy_pj(mask, n, t)
        write_w = density * write_w + sram_write_energy_pj(mask, n, t)
    partial = n * t.accumulator_bits
    idle_cycle_pj: Floats = t.residual_energy_pj_per_lane_cycle * n.astype(np.float64)
    return MacArrays(
        n=n,
        units=columns.processing_units[:, None],
        capacity_bits=2 * data * BITS_PER_KIB * columns.processing_units[:, None],
        mask_bits=mask * BITS_PER_KIB,
        mac_pj=mac_pj,
        read_activations_pj=sram_read_energy_pj(data, n * a_bits, t),
        write_activations_pj=sram_write_energy_pj(data, n * a_bits, t),
        read_weights_pj=read_w,
        write_weights_pj=write_w,
        spill_pj=sram_read_energy_pj(data, partial, t) + sram_write_energy_pj(data, partial, t),
        table_pj=sram_read_energy_pj(
            columns.aux_sram_kib[:, None].astype(np.float64), n * t.table_word_bits, t
        ),
        cycle_pj=t.control_share * mac_pj * n**2 + idle_cycle_pj,
        idle_cycle_pj=idle_cycle_pj,
    )


def gemm_cycles(
    arrays: MacArrays, rows: Ints, depth: Ints, columns: Ints, count: int, t: Technology
) -> GemmCycles:
    """Cycles of ``count`` GEMMs rows x depth x columns on those arrays.

    An n x n x n tile takes n cycles (n rows of n-wide dot products, n^2 MACs a cycle). Units share
    either the blocks of n rows or those of n columns, whichever ends first.

    Args:
        arrays: of many chips.
        rows: (n_token_counts,) or a number.
        depth: as rows.
        columns: as rows.
        count: instances, one after another.
        t: constants.
    """
    n, units = arrays.n, arrays.units
    row_blocks, column_blocks = ceil_div(rows, n), ceil_div(columns, n)
    tile_cycles = count * n * (ceil_div(depth, n) + t.tile_fill_cycles_per_n)
    by_rows = ceil_div(row_blocks, units) * column_blocks
    by_columns = row_blocks * ceil_div(column_blocks, units)
    rows_win: Bools = by_rows <= by_columns
    copies = np.where(rows_win, np.minimum(units, row_blocks), 1)
    busiest = np.where(rows_win, by_rows, by_columns) * tile_cycles
    return GemmCycles(
        busiest=busiest.astype(np.float64),
        total=(row_blocks * column_blocks * tile_cycles).astype(np.float64),
        copies=copies.astype(np.float64),
        by_rows=rows_win,
    )
