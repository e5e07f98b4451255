"""Feasibility: the conditions that a chip must meet to run a workload at all, each in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.sleep import table_bits
from hw_cost.stores import TENSOR_CLASSES, Stores, placed_bits
from hw_cost.technology import Technology
from hw_cost.units import BITS_PER_KIB, BITS_PER_MIB, Bools, Floats, Ints
from hw_cost.workload import Workload
from search_space import CellKind, PowerMode


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on many designs.

    Attributes:
        holds: (n_designs,).
        violation: what is wrong with design d, with the two numbers.
    """

    holds: Bools
    violation: Callable[[int], str]


def conditions(
    workload: Workload,
    columns: AcceleratorColumns,
    held: Stores,
    structure: Ints,
    mode: PowerMode,
    t: Technology,
) -> tuple[Condition, ...]:
    """All conditions but that of the data buffers, in the order in which they are reported.

    Args:
        workload: the encoder.
        columns: n_designs designs.
        held: stores of the distinct structures.
        structure: (n_designs,) which structure a design has.
        mode: what stays powered between sentences.
        t: constants.
    """
    low, high = columns.min_voltage_v, columns.max_voltage_v
    has_dram = held.dram.present[structure]
    need_envm, have_envm = held.envm_need_bits, columns.envm_mib * BITS_PER_MIB
    need_sram, have_kib = held.sram_need_bits, columns.weight_sram_kib
    sram_fits = (have_kib == 0) | has_dram | (have_kib * BITS_PER_KIB >= need_sram)
    afar = [n for n, c in zip(TENSOR_CLASSES, workload.cells, strict=True) if c is CellKind.DRAM]
    afar += ["tables"] * (workload.table_storage is CellKind.DRAM)
    volatile = need_sram + table_bits(workload, t) * (workload.table_storage is CellKind.SRAM)
    lost = volatile * (mode is PowerMode.OFF)
    # Buffers: two masks of one n x n tile each, in two buffers.
    tile_mask_bits = columns.mac_vector_size**2 * int(workload.has_weight_mask)
    tables = table_bits(workload, t) + 4 * workload.shape.hidden * t.table_word_bits

    return (
        Condition(
            low <= high,
            lambda d: f"min_voltage_v {low[d]:g} is above max_voltage_v {high[d]:g}",
        ),
        Condition(
            low > t.threshold_v,
            lambda d: (
                f"min_voltage_v {low[d]:g} is not above the threshold of {t.threshold_v:g} V: "
                "the datapath has no clock"
            ),
        ),
        Condition(
            high <= t.highest_voltage_v,
            lambda d: (
                f"max_voltage_v {high[d]:g} is above the {t.highest_voltage_v:g} V that the "
                "technology stands"
            ),
        ),
        Condition(
            ((need_envm <= have_envm) | has_dram) & ((have_envm == 0) | (need_envm > 0)),
            lambda d: str(envm_violation(workload, columns.envm_mib[d], t)),
        ),
        Condition(
            sram_fits & ((have_kib == 0) | (need_sram > 0)),
            lambda d: (
                f"weight_sram_kib {have_kib[d]} but 0 KiB are placed in it: nothing is stored in "
                "SRAM"
                if need_sram == 0
                else f"weight_sram_kib {have_kib[d]} is too small for the "
                f"{need_sram / BITS_PER_KIB:.1f} KiB placed in it, and there is no DRAM"
            ),
        ),
        Condition(
            has_dram | (not afar),
            lambda _: (
                f"{' and '.join(afar)} placed in DRAM but 0 DRAM channels: the knob dram is 'none'"
            ),
        ),
        Condition(
            has_dram | (lost == 0),
            lambda _: (
                f"power mode 'off' loses {lost / BITS_PER_KIB:.1f} KiB in SRAM, and there are 0 "
                "KiB of DRAM to load them from"
            ),
        ),
        Condition(
            tile_mask_bits <= columns.mask_sram_kib * BITS_PER_KIB,
            lambda d: (
                f"mask_sram_kib {columns.mask_sram_kib[d]} is too small for one tile's bitmask "
                f"of {tile_mask_bits[d] / BITS_PER_KIB:.3f} KiB"
            ),
        ),
        Condition(
            tables <= columns.aux_sram_kib * BITS_PER_KIB,
            lambda d: (
                f"aux_sram_kib {columns.aux_sram_kib[d]} is too small for the "
                f"{tables / BITS_PER_KIB:.2f} KiB of look-up tables"
            ),
        ),
    )


def buffer_condition(
    columns: AcceleratorColumns, fits: Bools, least_bits: Floats, largest_tokens: int
) -> Condition:
    """Whether the data buffers hold some mapping of every GEMM.

    Args:
        columns: n_designs designs.
        fits: (n_designs,).
        least_bits: (n_designs,) without which nothing runs.
        largest_tokens: longest sentence of the study.
    """
    have_bits = 2 * columns.data_sram_kib * columns.processing_units * BITS_PER_KIB

    def violation(d: int) -> str:
        buffers = (
            f"data buffers of {have_bits[d] / BITS_PER_KIB:.0f} KiB "
            f"(2 x {columns.processing_units[d]} x data_sram_kib {columns.data_sram_kib[d]})"
        )
        need = f"{least_bits[d] / BITS_PER_KIB:.1f} KiB of keys, values and one row block"
        if least_bits[d] <= have_bits[d]:
            return (
                f"mask_sram_kib {columns.mask_sram_kib[d]} is too small for the weight tiles of "
                f"the {need} at {largest_tokens} tokens that {buffers} hold"
            )
        return f"{buffers} are too small for the {need} at {largest_tokens} tokens"

    return Condition(fits, violation)


def envm_violation(
    workload: Workload, envm_mib: float, t: Technology, *, has_dram: bool = False
) -> str | None:
    """Why an eNVM of that useful capacity does not suit what is placed in it; None if it does.

    Cheap enough to ask before a cost table, which says the same.
    """
    placed = placed_bits(workload, t)
    need = sum(size for cell, size in placed.items() if cell.is_envm)
    if envm_mib > 0 and need == 0:
        return f"envm_mib {envm_mib:g} but 0 MiB are stored in it: nothing is placed in eNVM"
    if need > envm_mib * BITS_PER_MIB and not has_dram:
        return (
            f"envm_mib {envm_mib:g} is too small for the {need / BITS_PER_MIB:.3f} MiB stored in it"
        )
    return None


def first_violation(checks: tuple[Condition, ...], design: int) -> str | None:
    """The first condition that a design breaks, in words; None if it breaks none."""
    for check in checks:
        if not check.holds[design]:
            return check.violation(design)
    return None


def all_hold(checks: tuple[Condition, ...]) -> Bools:
    """(n_designs,) whether every condition holds."""
    holds: Bools = np.logical_and.reduce([check.holds for check in checks])
    return holds
