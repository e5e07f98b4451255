"""ZigZag as a cost model: it keeps the promises of one, and what is not its own stays ours."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hw_cost import AcceleratorColumns, AnalyticModel, Groups, Technology
from hw_cost.plugins import zigzag_model
from hw_cost.plugins.zigzag import ZigZagMissingError
from hw_cost.plugins.zigzag_model import ZigZagModel
from hw_cost.testing import check_cost_model, example_inputs
from search_space import CellKind, Compaction, DvfsPolicy, HardwareKnobs

WORKLOAD, EXAMPLES, GROUPS, SCENARIO = example_inputs()
SENTENCES = Groups(np.array([30, 64]), np.array([6, 6]), np.array([6, 6]))
SHARES = np.array([0.5, 0.5])


@pytest.fixture(scope="module")
def model(technology: Technology) -> ZigZagModel:
    """The model with few loop factors, or the test is skipped."""
    pytest.importorskip("zigzag", reason="ZigZag is not installed: pip install edge-dse[zigzag]")
    return ZigZagModel(technology, loop_factors=4)


def designs(**changes: Any) -> AcceleratorColumns:
    """One unit of 16 x 16 MACs at one supply, with some knobs replaced."""
    fields: dict[str, Any] = {
        "mac_vector_size": 16,
        "processing_units": 1,
        "data_sram_kib": 64,
        "mask_sram_kib": 16,
        "aux_sram_kib": 32,
        "envm_mib": 1.0,
        "min_voltage_v": 0.8,
        "max_voltage_v": 0.8,
        "dvfs_policy": DvfsPolicy.FIXED,
    }
    return AcceleratorColumns.from_knobs([HardwareKnobs(**(fields | changes))])


def test_it_is_a_cost_model(model: ZigZagModel) -> None:
    """It passes the conformance kit."""
    check_cost_model(model, WORKLOAD, EXAMPLES, GROUPS, SCENARIO)


def test_what_zigzag_does_not_know_is_ours(model: ZigZagModel, technology: Technology) -> None:
    """MACs, special functions, wake-up and area are to the bit ours; GEMMs and buffers alike."""
    asked = WORKLOAD, designs(), SENTENCES, SHARES, SCENARIO
    theirs, ours = model.breakdown(*asked), AnalyticModel(technology).breakdown(*asked)
    for part in ("mac", "special_functions", "wake"):
        assert theirs.energy_pj[part] == pytest.approx(ours.energy_pj[part], rel=1e-12)
    assert theirs.area_mm2 == ours.area_mm2
    assert theirs.latency_ns["special_functions"] == ours.latency_ns["special_functions"]
    for part in ("sram", "envm"):
        ratio = theirs.energy_pj[part] / ours.energy_pj[part]
        assert ratio != 1
        assert ratio == pytest.approx(1, abs=0.1)
    gemms = theirs.latency_ns["gemm"] + theirs.latency_ns["memory_stall"]
    assert gemms == pytest.approx(
        ours.latency_ns["gemm"] + ours.latency_ns["memory_stall"], rel=0.1
    )


def test_a_store_that_waits_does_not_follow_the_clock(model: ZigZagModel) -> None:
    """At a lower clock GEMMs last longer, and stand still less for an eNVM that is as fast."""
    columns = designs(mac_vector_size=64)  # asks more than the eNVM gives
    low = designs(mac_vector_size=64, min_voltage_v=0.6, max_voltage_v=0.6)
    dense = replace(
        WORKLOAD,
        encoder_density=1.0,
        encoder_storage=CellKind.RERAM_SLC,
        head_spans=((0, 0, 0, 0),),
    )
    fast, slow = (
        model.breakdown(dense, at, SENTENCES, SHARES, SCENARIO).latency_ns for at in (columns, low)
    )
    assert fast["memory_stall"] > fast["gemm"]
    assert slow["gemm"] > 1.4 * fast["gemm"]
    assert slow["memory_stall"] < fast["memory_stall"]


def test_a_compacting_unit_takes_the_packed_depth(model: ZigZagModel) -> None:
    """Half of the weights being zero, GEMMs with weights take little more than half the cycles."""
    plain, packed = (
        model.breakdown(WORKLOAD, designs(compaction=kind), SENTENCES, SHARES, SCENARIO)
        for kind in (Compaction.NONE, Compaction.WEIGHTS)
    )
    ratio = packed.latency_ns["gemm"] / plain.latency_ns["gemm"]
    assert 0.5 < ratio < 0.75


def test_buffers_too_small_are_a_reason(model: ZigZagModel) -> None:
    """A design that ZigZag cannot map is infeasible, with the two numbers."""
    table = model.cost_table(WORKLOAD, designs(data_sram_kib=4), GROUPS, SCENARIO)
    assert not table.feasible[0]
    assert "data buffers of 8 KiB (2 x 1 x data_sram_kib 4) are too small for the" in str(
        table.reason(0)
    )


def test_supply_and_policy_ask_zigzag_nothing_new(model: ZigZagModel) -> None:
    """Answers are kept by GEMM and chip."""
    model.cost_table(WORKLOAD, designs(), SENTENCES, SCENARIO)
    before = len(model._answers)
    other = designs(min_voltage_v=0.5, dvfs_policy=DvfsPolicy.MIN_ENERGY)
    model.cost_table(WORKLOAD, other, SENTENCES, SCENARIO)
    assert len(model._answers) == before


def test_without_the_package(technology: Technology, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not made without ZigZag, and says how to install it."""
    monkeypatch.setitem(sys.modules, "zigzag.stages.main", None)
    with pytest.raises(ZigZagMissingError, match=r"run `pip install edge-dse\[zigzag\]`"):
        ZigZagModel(technology)


@pytest.mark.parametrize("factors", [0, 2.5, True, "six"])
def test_loop_factors_are_whole(
    technology: Technology, monkeypatch: pytest.MonkeyPatch, factors: Any
) -> None:
    """An option of a study file that is no such number is refused."""
    monkeypatch.setattr(zigzag_model, "imported_zigzag", lambda: None)
    with pytest.raises(ValueError, match="expected a whole number from 1"):
        ZigZagModel(technology, loop_factors=factors)
