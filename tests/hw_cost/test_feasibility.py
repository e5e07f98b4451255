"""Feasibility: every reason why a chip cannot run a workload, in words and numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hw_cost import AcceleratorColumns, Groups, Technology, Workload, cost_table
from search_space import CellKind, Scenario


@pytest.mark.parametrize(
    ("workload", "design", "reason"),
    [
        (
            {},
            {"min_voltage_v": 0.9},
            "min_voltage_v 0.9 is above max_voltage_v 0.8",
        ),
        (
            {},
            {"min_voltage_v": 0.3},
            "min_voltage_v 0.3 is not above the threshold of 0.3 V: the datapath has no clock",
        ),
        (
            {},
            {"max_voltage_v": 1.1},
            "max_voltage_v 1.1 is above the 1 V that the technology stands",
        ),
        (
            {},
            {"envm_mib": 2.0},
            "envm_mib 2 but 0 MiB are stored in it: nothing is placed in eNVM",
        ),
        (
            {"embedding_storage": CellKind.RERAM_SLC},
            {"envm_mib": 0.05},
            "envm_mib 0.05 is too small for the 0.052 MiB stored in it",
        ),
        (
            {"embedding_storage": CellKind.DRAM},
            {},
            "embeddings placed in DRAM but 0 DRAM channels: the knob dram is 'none'",
        ),
        (
            {},
            {"weight_sram_kib": 64},
            "weight_sram_kib 64 is too small for the 222.6 KiB placed in it, and there is no DRAM",
        ),
        (
            {"embedding_storage": CellKind.RERAM_SLC, "encoder_storage": CellKind.RERAM_SLC},
            {"weight_sram_kib": 64, "envm_mib": 1.0},
            "weight_sram_kib 64 but 0 KiB are placed in it: nothing is stored in SRAM",
        ),
        (
            {},
            {"data_sram_kib": 8},
            "data buffers of 16 KiB (2 x 1 x data_sram_kib 8) are too small for the 26.8 KiB of "
            "keys, values and one row block at 96 tokens",
        ),
        (
            {},
            {"aux_sram_kib": 1},
            "aux_sram_kib 1 is too small for the 1.77 KiB of look-up tables",
        ),
    ],
)
def test_infeasible_designs_are_nan_and_say_why(
    make_workload: Callable[..., Workload],
    make_columns: Callable[..., AcceleratorColumns],
    make_groups: Callable[..., Groups],
    make_scenario: Callable[..., Scenario],
    technology: Technology,
    workload: dict[str, Any],
    design: dict[str, Any],
    reason: str,
) -> None:
    """A broken condition is told with both numbers; costs are NaN, never large.

    Data: input and context 2 x 96 x 96, a head 3 x 96 x 24, scores 16 x 96, weights 2 x 16 x 16.
    """
    table = cost_table(
        make_workload(**workload),
        make_columns(design),
        make_groups((20, 3, 2), (96, 6, 6)),
        make_scenario(),
        technology,
    )
    assert table.reason(0) == reason
    assert not table.feasible[0]
    assert table.missed.all()
    for values in (table.energy_pj, table.latency_ns, table.voltage_v, table.area_mm2):
        assert np.isnan(values).all()
    assert np.isnan(table.standby_power_mw).all()
    assert np.isnan(table.storage_bits).all()


def test_feasible_designs_have_no_reason(
    make_workload: Callable[..., Workload],
    make_columns: Callable[..., AcceleratorColumns],
    make_groups: Callable[..., Groups],
    make_scenario: Callable[..., Scenario],
    technology: Technology,
) -> None:
    """A design that runs has finite costs and None for a reason."""
    table = cost_table(
        make_workload(), make_columns({}), make_groups((20, 3, 2)), make_scenario(), technology
    )
    assert table.reason(0) is None
    assert table.feasible[0]
    assert np.isfinite(table.energy_pj).all()


def test_buffers_are_judged_at_the_longest_sentence(
    make_workload: Callable[..., Workload],
    make_columns: Callable[..., AcceleratorColumns],
    make_groups: Callable[..., Groups],
    make_scenario: Callable[..., Scenario],
    technology: Technology,
) -> None:
    """The same buffers serve short sentences and are too small once a long one is in the study."""
    columns = make_columns({"data_sram_kib": 8})
    short = cost_table(
        make_workload(), columns, make_groups((20, 3, 2)), make_scenario(), technology
    )
    assert short.feasible[0]
