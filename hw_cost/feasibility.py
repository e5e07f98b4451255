"""Feasibility: the conditions that a chip must meet to run a workload at all, each in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.execution import Execution
from hw_cost.technology import Technology
from hw_cost.units import BITS_PER_KIB, BITS_PER_MIB, Bools, Ints
from hw_cost.workload import Workload


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
    run: Execution,
    structure: Ints,
    largest_tokens: int,
    t: Technology,
) -> tuple[Condition, ...]:
    """All conditions in the order in which they are reported.

    Args:
        workload: the encoder.
        columns: n_designs designs.
        run: execution on the distinct structures.
        structure: (n_designs,) which structure a design has.
        largest_tokens: longest sentence of the study.
        t: constants.
    """
    need_envm = run.stores.envm_need_bits
    have_envm = columns.envm_mib * BITS_PER_MIB
    # Buffers: two masks of one n x n tile each, in two buffers.
    tile_mask_bits = columns.mac_vector_size**2 * int(workload.has_weight_mask)
    mask_bits = columns.mask_sram_kib * BITS_PER_KIB
    need_data = run.least_data_bits[structure]
    have_data = 2 * columns.data_sram_kib * columns.processing_units * BITS_PER_KIB
    tables = table_bits(workload, t)
    low, high = columns.min_voltage_v, columns.max_voltage_v

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
            (need_envm <= have_envm) & ((columns.envm_mib == 0) | (need_envm > 0)),
            lambda d: str(envm_violation(workload, columns.envm_mib[d])),
        ),
        Condition(
            tile_mask_bits <= mask_bits,
            lambda d: (
                f"mask_sram_kib {columns.mask_sram_kib[d]} is too small for one tile's bitmask "
                f"of {tile_mask_bits[d] / BITS_PER_KIB:.3f} KiB"
            ),
        ),
        Condition(
            (need_data <= have_data) & run.fits[structure],
            lambda d: (
                f"data buffers of {have_data[d] / BITS_PER_KIB:.0f} KiB "
                f"(2 x {columns.processing_units[d]} x data_sram_kib {columns.data_sram_kib[d]}) "
                f"are too small for the {need_data[d] / BITS_PER_KIB:.1f} KiB of keys, values and "
                f"one row block at {largest_tokens} tokens"
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


def envm_violation(workload: Workload, envm_mib: float) -> str | None:
    """Why an eNVM of that useful capacity does not suit what is stored in it; None if it does.

    Cheap enough to ask before a cost table, which says the same.
    """
    held = workload.stored_bits()
    need = held.embeddings * workload.embedding_storage.is_envm
    need += held.encoder * workload.encoder_storage.is_envm
    if envm_mib > 0 and need == 0:
        return (
            f"envm_mib {envm_mib:g} but 0 MiB are stored in it: embeddings and "
            "encoder are both in SRAM"
        )
    if need > envm_mib * BITS_PER_MIB:
        return (
            f"envm_mib {envm_mib:g} is too small for the {need / BITS_PER_MIB:.3f} MiB stored in it"
        )
    return None


def table_bits(workload: Workload, t: Technology) -> float:
    """Bits in the auxiliary SRAM: exit and DVFS tables, spans, layer norms of the layer in work."""
    shape = workload.shape
    words = (
        t.exit_table_rows * (shape.layers - 1)
        + t.dvfs_table_rows
        + shape.distinct_layers * shape.heads
        + 4 * shape.hidden
    )
    return words * t.table_word_bits


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
