"""The chips as the compiled model reads them: one number a structure, at the nominal supply."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from hw_cost.accelerator import CHOICES, AcceleratorColumns
from hw_cost.arithmetic import mac_energy_pj
from hw_cost.compiled import compiled
from hw_cost.memory import sram_read_energy_pj, sram_write_energy_pj
from hw_cost.stores import Stores
from hw_cost.technology import Technology
from hw_cost.units import BITS_PER_KIB, Bools, Floats, Ints
from hw_cost.workload import Workload
from search_space import Compaction

EMBEDDINGS, ENCODER, EXITS = range(3)
"""Index of each tensor class, as in `hw_cost.stores.TENSOR_CLASSES`, for compiled functions."""
UNGATED, VECTOR_GATED = 0, 1
"""Index into ``CHOICES["zero_gating"]``; what is above gates single lanes."""
_COMPACTED: Final = CHOICES["compaction"].index(Compaction.WEIGHTS)


class Chips(NamedTuple):
    """Many chips; (n_structures,) arrays, those of stores (n_structures, 3) by tensor class.

    Attributes:
        n: MAC vector size.
        units: processing units.
        capacity_bits: data buffers of a chip: two for each unit.
        mask_bits: bits of one mask buffer.
        gating: index into ``CHOICES["zero_gating"]``.
        compacts: whether zero weights take no cycles.
        objective: index into ``CHOICES["mapping_objective"]``.
        partial_bits: width of a partial sum.
        mac_pj: energy of one MAC with a weight.
        activation_mac_pj: energy of one MAC of two activations, as in attention.
        read_activations_pj: reading n activations from a data buffer.
        write_activations_pj: writing them.
        read_weights_pj: reading n weights with their mask bits.
        write_weights_pj: writing them.
        spill_pj: writing n partial sums and reading them again.
        table_pj: reading n words of the auxiliary SRAM.
        cycle_pj: control and clock of one unit in a GEMM cycle.
        idle_cycle_pj: clock of one unit in a special-function cycle.
        static_mw: leakage and standby while a sentence runs, nominal supply.
        word_bits: (3,) of the memory on the chip.
        word_cycles: (3,) datapath cycles of a word.
        in_sram: (3,) whether the class is placed in SRAM.
        word_ns: time of a word, ns.
        read_pj_per_bit: of the memory on the chip.
        chip_share: share of the class that is on the chip.
        dram_read_pj: of a bit.
        dram_write_pj: of a bit.
        dram_ns_per_bit: of a stream.
        dram_latency_ns: before a stream.
        has_dram: whether there is one.
    """

    n: Ints
    units: Ints
    capacity_bits: Floats
    mask_bits: Floats
    gating: Ints
    compacts: Bools
    objective: Ints
    partial_bits: Ints
    mac_pj: Floats
    activation_mac_pj: Floats
    read_activations_pj: Floats
    write_activations_pj: Floats
    read_weights_pj: Floats
    write_weights_pj: Floats
    spill_pj: Floats
    table_pj: Floats
    cycle_pj: Floats
    idle_cycle_pj: Floats
    static_mw: Floats
    word_bits: Floats
    word_cycles: Floats
    in_sram: Bools
    word_ns: Floats
    read_pj_per_bit: Floats
    chip_share: Floats
    dram_read_pj: Floats
    dram_write_pj: Floats
    dram_ns_per_bit: Floats
    dram_latency_ns: Floats
    has_dram: Bools


class Chip(NamedTuple):
    """One of `Chips`: the same numbers of one structure; tuples by tensor class."""

    n: int
    units: int
    capacity_bits: float
    mask_bits: float
    gating: int
    compacts: bool
    objective: int
    partial_bits: int
    mac_pj: float
    activation_mac_pj: float
    read_activations_pj: float
    write_activations_pj: float
    read_weights_pj: float
    write_weights_pj: float
    spill_pj: float
    table_pj: float
    cycle_pj: float
    idle_cycle_pj: float
    static_mw: float
    word_bits: tuple[float, float, float]
    word_cycles: tuple[float, float, float]
    in_sram: tuple[bool, bool, bool]
    word_ns: tuple[float, float, float]
    read_pj_per_bit: tuple[float, float, float]
    chip_share: tuple[float, float, float]
    dram_read_pj: float
    dram_write_pj: float
    dram_ns_per_bit: float
    dram_latency_ns: float
    has_dram: bool


def chips_of(columns: AcceleratorColumns, workload: Workload, held: Stores, t: Technology) -> Chips:
    """The chips of those designs for the formats and stores of a workload.

    ``static_mw`` is 0: the floorplan knows it and fills it in.
    """
    n = columns.mac_vector_size
    data = columns.data_sram_kib.astype(np.float64)
    mask = columns.mask_sram_kib.astype(np.float64)
    a_bits, w_bits = workload.activation_format.bits, workload.weight_format.bits
    mac_pj = mac_energy_pj(
        workload.weight_format, workload.activation_format, t, columns.accumulator_bits
    )
    compacts = columns.compaction == _COMPACTED
    overhead = np.where(compacts, 1 + t.compaction_energy_share, 1.0)
    mac_pj = mac_pj * overhead
    activation_mac_pj = overhead * mac_energy_pj(
        workload.activation_format, workload.activation_format, t, columns.accumulator_bits
    )
    read_w = sram_read_energy_pj(data, n * w_bits, t)
    write_w = sram_write_energy_pj(data, n * w_bits, t)
    if workload.has_weight_mask:
        density = workload.encoder_density
        # n banks of one weight each: only those of non-zeros are touched. A compacting unit reads
        # full vectors, but fewer of them.
        read_w = read_w * np.where(compacts, 1.0, density) + sram_read_energy_pj(mask, n, t)
        write_w = density * write_w + sram_write_energy_pj(mask, n, t)
    partial = n * columns.accumulator_bits
    idle_cycle_pj: Floats = t.residual_energy_pj_per_lane_cycle * n.astype(np.float64)
    dram = held.dram
    return Chips(
        n=n,
        units=columns.processing_units,
        capacity_bits=2 * data * BITS_PER_KIB * columns.processing_units,
        mask_bits=mask * BITS_PER_KIB,
        gating=columns.zero_gating,
        compacts=compacts,
        objective=columns.mapping_objective,
        partial_bits=columns.accumulator_bits,
        mac_pj=mac_pj,
        activation_mac_pj=activation_mac_pj,
        read_activations_pj=sram_read_energy_pj(data, n * a_bits, t),
        write_activations_pj=sram_write_energy_pj(data, n * a_bits, t),
        read_weights_pj=read_w,
        write_weights_pj=write_w,
        spill_pj=sram_read_energy_pj(data, partial, t) + sram_write_energy_pj(data, partial, t),
        table_pj=sram_read_energy_pj(
            columns.aux_sram_kib.astype(np.float64), n * t.table_word_bits, t
        ),
        cycle_pj=t.control_share * mac_pj * n**2 + idle_cycle_pj,
        idle_cycle_pj=idle_cycle_pj,
        static_mw=np.zeros(len(columns)),
        word_bits=held.word_bits,
        word_cycles=held.word_cycles,
        in_sram=held.in_sram,
        word_ns=held.word_ns,
        read_pj_per_bit=held.read_pj_per_bit,
        chip_share=held.chip_share,
        dram_read_pj=dram.read_pj_per_bit,
        dram_write_pj=dram.write_pj_per_bit,
        dram_ns_per_bit=dram.ns_per_bit,
        dram_latency_ns=dram.latency_ns,
        has_dram=dram.present,
    )


def take_chips(all_chips: Chips, rows: Ints | slice) -> Chips:
    """Some of the chips."""
    shared = {"word_bits", "word_cycles", "in_sram"}
    taken: dict[str, Any] = {
        name: values if name in shared else values[rows]
        for name, values in zip(Chips._fields, all_chips, strict=True)
    }
    return Chips(**taken)


@compiled()
def chip_at(chips: Chips, d: int) -> Chip:
    """One chip of many."""
    b, y, i = chips.word_bits, chips.word_cycles, chips.in_sram
    w, p, h = chips.word_ns[d], chips.read_pj_per_bit[d], chips.chip_share[d]
    return Chip(
        chips.n[d],
        chips.units[d],
        chips.capacity_bits[d],
        chips.mask_bits[d],
        chips.gating[d],
        chips.compacts[d],
        chips.objective[d],
        chips.partial_bits[d],
        chips.mac_pj[d],
        chips.activation_mac_pj[d],
        chips.read_activations_pj[d],
        chips.write_activations_pj[d],
        chips.read_weights_pj[d],
        chips.write_weights_pj[d],
        chips.spill_pj[d],
        chips.table_pj[d],
        chips.cycle_pj[d],
        chips.idle_cycle_pj[d],
        chips.static_mw[d],
        (b[0], b[1], b[2]),
        (y[0], y[1], y[2]),
        (i[0], i[1], i[2]),
        (w[0], w[1], w[2]),
        (p[0], p[1], p[2]),
        (h[0], h[1], h[2]),
        chips.dram_read_pj[d],
        chips.dram_write_pj[d],
        chips.dram_ns_per_bit[d],
        chips.dram_latency_ns[d],
        chips.has_dram[d],
    )
