"""What an architect may choose: gating, compaction, cells, DRAM, placement, power modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_cost import (
    AcceleratorColumns,
    Breakdown,
    CostTable,
    Groups,
    Technology,
    Workload,
    breakdown,
    cost_table,
    load_technology,
    power_on_costs,
    update_costs,
)
from hw_cost.envm_arrays import envm_arrays
from search_space import (
    CellKind,
    Compaction,
    DramKind,
    DvfsPolicy,
    MappingObjective,
    PowerMode,
    Scenario,
    ZeroGating,
)

MakeWorkload = Callable[..., Workload]
MakeColumns = Callable[..., AcceleratorColumns]
Parts = Callable[..., Breakdown]
Table = Callable[..., CostTable]
ENVM = [cell for cell in CellKind if cell.is_envm]


@pytest.fixture(scope="session")
def parts(
    make_columns: MakeColumns,
    make_groups: Callable[..., Groups],
    make_scenario: Callable[..., Scenario],
    technology: Technology,
) -> Parts:
    """Breakdown of a sentence of 33 tokens and three layers on designs given by their changes."""

    def of(workload: Workload, *designs: dict[str, Any], **scenario: Any) -> Breakdown:
        return breakdown(
            workload,
            make_columns(*designs),
            make_groups((33, 3, 3)),
            np.ones(1),
            make_scenario(**scenario),
            technology,
        )

    return of


@pytest.fixture(scope="session")
def table(
    make_columns: MakeColumns,
    make_groups: Callable[..., Groups],
    make_scenario: Callable[..., Scenario],
    technology: Technology,
) -> Table:
    """Cost table of the same sentence."""

    def of(workload: Workload, *designs: dict[str, Any], **scenario: Any) -> CostTable:
        return cost_table(
            workload,
            make_columns(*designs),
            make_groups((33, 3, 3)),
            make_scenario(**scenario),
            technology,
        )

    return of


def test_finer_gating_saves_mac_energy_and_no_time(
    make_workload: MakeWorkload, parts: Parts
) -> None:
    """At half sparsity vector gating saves padding alone, lane gating nearly half; cycles stay."""
    designs = [{"zero_gating": gating} for gating in ZeroGating]
    found = parts(make_workload(encoder_density=0.5), *designs)
    none, vector, lane = found.energy_pj["mac"]
    assert none > vector > lane
    # 33 of 48 rows work; a whole vector of 16 is zero once in 65,536
    assert vector / none > 33 / 48
    assert lane / none < 0.55
    assert len(set(found.latency_ns["gemm"])) == 1


def test_structured_zeros_are_what_vector_gating_finds(
    make_workload: MakeWorkload, parts: Parts
) -> None:
    """Heads that are off leave whole vectors of zeros in the output projection."""
    vector = {"zero_gating": ZeroGating.VECTOR}
    on, off = (
        parts(make_workload(head_spans=(spans,)), vector).energy_pj["mac"][0]
        for spans in ((128, 128, 128, 128), (128, 128, 0, 0))
    )
    assert off < on


def test_compaction_turns_zeros_into_cycles(
    make_workload: MakeWorkload, parts: Parts, technology: Technology
) -> None:
    """At 25 % density and 20 % imbalance a depth of 96 takes 2 steps of 16 instead of 6.

    The unit has an area, and a dense workload gains nothing from it.
    """
    designs = [{"compaction": choice} for choice in Compaction]
    sparse, dense = (parts(make_workload(encoder_density=d), *designs) for d in (0.25, 1.0))
    plain, compact = sparse.latency_ns["gemm"]
    assert 0.3 < compact / plain < 0.5
    assert sparse.area_mm2["compaction"][0] == 0
    mac_mm2 = sparse.area_mm2["mac"][0]
    assert sparse.area_mm2["compaction"][1] == pytest.approx(
        technology.compaction_area_share * mac_mm2
    )
    assert dense.latency_ns["gemm"][0] == dense.latency_ns["gemm"][1]
    assert dense.energy_pj["mac"][1] > dense.energy_pj["mac"][0]


@pytest.mark.parametrize("cell", ENVM)
@pytest.mark.parametrize("preset", ["optimistic", "conservative"])
def test_every_envm_cell_runs_and_the_careful_preset_never_flatters(
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    make_groups: Callable[..., Groups],
    make_scenario: Callable[..., Scenario],
    cell: CellKind,
    preset: str,
) -> None:
    """Energy of reads and area by hand; the conservative preset is never better."""
    t, hopeful = load_technology(preset), load_technology("optimistic")
    workload = make_workload(embedding_storage=cell, encoder_storage=cell)
    columns = make_columns({"envm_mib": 2.0})
    found = breakdown(workload, columns, make_groups((33, 1, 1)), np.ones(1), make_scenario(), t)
    shape = workload.shape
    weights = shape.embedding_width * shape.hidden  # projection
    weights += shape.layer_weights + shape.hidden * (shape.hidden + shape.classes)
    bits = 8 * (weights + (2 * 33 + 1) * shape.embedding_width)
    arrays, best = (envm_arrays(cell, columns.envm_mib, x) for x in (t, hopeful))
    assert found.energy_pj["envm"][0] == pytest.approx(bits * arrays.read_pj_per_bit[0])
    assert found.area_mm2["envm"][0] == pytest.approx(arrays.area_mm2[0])
    for field in ("read_pj_per_bit", "read_ns", "area_mm2", "write_ns", "write_pj_per_bit"):
        assert getattr(arrays, field)[0] >= getattr(best, field)[0]


def test_what_does_not_fit_the_weight_sram_streams_from_the_dram(
    make_workload: MakeWorkload, parts: Parts, technology: Technology
) -> None:
    """Half a weight SRAM reads half of its bits from the DRAM, in energy and in time."""
    workload = make_workload(embedding_storage=CellKind.DRAM)
    need_kib = (workload.stored_bits().encoder + workload.stored_bits().exits) / 8192
    half = int(need_kib / 2)
    designs = [
        {"dram": DramKind.LPDDR4, "weight_sram_kib": kib} for kib in (0, half, 2 * int(need_kib))
    ]
    found = parts(workload, *designs)
    whole_dram, half_dram, none = found.energy_pj["dram"]
    assert half_dram > whole_dram
    kind = technology.dram[DramKind.LPDDR4]
    per_layer = workload.shape.layer_weights + workload.shape.hidden * (workload.shape.hidden + 2)
    read_bits = 8 * (3 * per_layer + workload.shape.embedding_width * workload.shape.hidden)
    far = (1 - half / need_kib) * read_bits * kind.read_energy_pj_per_bit
    time_ns = sum(part[1] - part[0] for part in found.latency_ns.values())
    extra = half_dram - whole_dram - kind.active_standby_mw * time_ns
    assert extra == pytest.approx(far, rel=1e-6)
    assert time_ns > 0
    assert none == pytest.approx(whole_dram)
    assert found.area_mm2["weight_sram"][1] < found.area_mm2["weight_sram"][0]


def test_activations_that_do_not_fit_pass_through_from_the_dram(
    make_workload: MakeWorkload, table: Table
) -> None:
    """Buffers too small for a sentence make a chip infeasible, with a DRAM slow and dear."""
    small = {"data_sram_kib": 5}
    tables = table(
        make_workload(), small, small | {"dram": DramKind.LPDDR4}, {"dram": DramKind.LPDDR4}
    )
    assert list(tables.feasible) == [False, True, True]
    assert "too small" in str(tables.reason(0))
    assert tables.energy_pj[1, 0] > tables.energy_pj[2, 0]
    assert tables.latency_ns[1, 0] > tables.latency_ns[2, 0]


def test_exits_may_live_elsewhere(make_workload: MakeWorkload, parts: Parts) -> None:
    """Exit heads in eNVM beside an encoder in SRAM: both memories are there, and both are read."""
    found = parts(make_workload(exit_storage=CellKind.FEFET), {"envm_mib": 0.25})
    assert found.energy_pj["envm"][0] > 0
    assert found.energy_pj["weight_sram"][0] > 0
    assert found.area_mm2["envm"][0] > 0


def test_power_modes_trade_standby_for_waking_up(make_workload: MakeWorkload, table: Table) -> None:
    """Always on draws most and wakes at once; off draws least and loads everything each time."""
    design = {"dram": DramKind.LPDDR4X, "dvfs_policy": DvfsPolicy.LOWEST_FEASIBLE}
    on, retained, off = (table(make_workload(), design, power_mode=mode) for mode in PowerMode)
    standby = [x.standby_power_mw[0] for x in (on, retained, off)]
    assert standby == sorted(standby, reverse=True)
    assert on.wake_ns[0] == on.wake_pj[0] == 0
    assert 0 < retained.wake_ns[0] < off.wake_ns[0]
    assert 0 < retained.wake_pj[0] < off.wake_pj[0]
    assert on.latency_ns[0, 0] < retained.latency_ns[0, 0] < off.latency_ns[0, 0]


def test_off_needs_somewhere_to_load_from(make_workload: MakeWorkload, table: Table) -> None:
    """Weights in SRAM do not survive the mode `off` on a chip without a DRAM; eNVM does."""
    lost = table(make_workload(), {}, power_mode=PowerMode.OFF)
    assert str(lost.reason(0)).startswith("power mode 'off' loses 2")
    cells = dict.fromkeys(
        ("embedding_storage", "encoder_storage", "table_storage"), CellKind.RERAM_SLC
    )
    kept = table(make_workload(**cells), {"envm_mib": 1.0}, power_mode=PowerMode.OFF)
    assert kept.feasible[0]
    assert kept.standby_power_mw[0] == 0


def test_more_levels_never_cost_energy_at_the_best_policy(
    make_workload: MakeWorkload, table: Table
) -> None:
    """Levels of 2, 4 and 16 divide each other's steps: the finer table is never dearer."""
    designs = [
        {"dvfs_policy": DvfsPolicy.MIN_ENERGY, "dvfs_levels": levels} for levels in (2, 4, 16)
    ]
    for deadline_ms in (0.1, 0.2, 0.4):
        energy = table(make_workload(), *designs, deadline_ms=deadline_ms).energy_pj[:, 0]
        assert (np.diff(energy) <= 1e-9 * energy[:-1]).all()


def test_updates_wear_cells_and_cost_what_their_writes_cost(
    make_workload: MakeWorkload, make_columns: MakeColumns, technology: Technology
) -> None:
    """A whole update writes every stored bit once; only eNVM wears."""
    columns = make_columns({"envm_mib": 2.0})
    cells = {"embedding_storage": CellKind.PCM, "encoder_storage": CellKind.PCM}
    workload = make_workload(**cells)
    costs = update_costs(workload, columns, technology)
    bits, cell = workload.stored_bits().total, technology.envm[CellKind.PCM]
    arrays = envm_arrays(CellKind.PCM, columns.envm_mib, technology)
    assert costs.energy_pj[0] == pytest.approx(bits * arrays.write_pj_per_bit[0])
    assert costs.time_ns[0] == pytest.approx(bits / cell.word_bits * arrays.write_ns[0])
    assert costs.endurance_updates[0] == cell.endurance_writes
    in_sram = update_costs(make_workload(), make_columns({}), technology)
    assert np.isinf(in_sram.endurance_updates[0])
    assert in_sram.energy_pj[0] < costs.energy_pj[0]


def test_powering_up_is_free_of_loading_with_envm(
    make_workload: MakeWorkload, make_columns: MakeColumns, technology: Technology
) -> None:
    """EdgeBERT's case for eNVM: a DRAM is initialised and copied, ReRAM only wakes."""
    cells = dict.fromkeys(("embedding_storage", "encoder_storage"), CellKind.RERAM_MLC2)
    envm = power_on_costs(make_workload(**cells), make_columns({"envm_mib": 2.0}), technology)
    dram = power_on_costs(make_workload(), make_columns({"dram": DramKind.LPDDR4}), technology)
    assert dram.time_ns[0] > 100 * envm.time_ns[0]
    assert dram.energy_pj[0] > 1000 * envm.energy_pj[0]


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 1000),
    mode=st.sampled_from(list(PowerMode)),
    distinct=st.sampled_from([1, 2]),
)
def test_random_designs_cost_alike_alone_and_together_and_their_parts_add_up(
    make_shape: Callable[..., Any],
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    make_groups: Callable[..., Groups],
    make_scenario: Callable[..., Scenario],
    technology: Technology,
    seed: int,
    mode: PowerMode,
    distinct: int,
) -> None:
    """Every knob drawn at random: batch equals one by one, parts sum to the table."""
    rng = np.random.default_rng(seed)

    def pick(choices: Any) -> Any:
        return list(choices)[rng.integers(len(list(choices)))]

    designs = [
        {
            "mac_vector_size": int(rng.integers(2, 65)),
            "processing_units": int(rng.integers(1, 5)),
            "data_sram_kib": int(rng.integers(4, 64)),
            "mask_sram_kib": int(rng.integers(1, 8)),
            "envm_mib": float(rng.uniform(0.1, 0.5)),
            "weight_sram_kib": int(rng.integers(0, 200)),
            "dvfs_policy": pick(DvfsPolicy),
            "dvfs_levels": int(rng.integers(1, 20)),
            "dram": pick(DramKind),
            "zero_gating": pick(ZeroGating),
            "compaction": pick(Compaction),
            "mapping_objective": pick(MappingObjective),
            "accumulator_bits": int(rng.integers(8, 65)),
        }
        for _ in range(6)
    ]
    workload = make_workload(
        shape=make_shape(distinct_layers=distinct),
        head_spans=tuple((64, 9, 9, 3 * k) for k in range(distinct)),
        encoder_density=float(rng.uniform(0.2, 1.0)),
        embedding_storage=pick(ENVM),
        encoder_storage=pick([*ENVM, CellKind.SRAM, CellKind.DRAM]),
        exit_storage=pick([None, CellKind.SRAM, CellKind.STT_MRAM]),
        table_storage=pick([CellKind.SRAM, CellKind.RERAM_SLC]),
    )
    groups = make_groups((9, 6, 2), (33, 4, 4), (70, 6, 6), (33, 1, 1))
    weights = rng.dirichlet(np.ones(4))
    scenario = make_scenario(power_mode=mode, deadline_ms=0.3)
    columns = make_columns(*designs)
    whole = cost_table(workload, columns, groups, scenario, technology)
    found = breakdown(workload, columns, groups, weights, scenario, technology)
    np.testing.assert_allclose(sum(found.energy_pj.values()), whole.energy_pj @ weights, rtol=1e-9)
    np.testing.assert_allclose(
        sum(found.latency_ns.values()), whole.latency_ns @ weights, rtol=1e-9
    )
    np.testing.assert_allclose(sum(found.area_mm2.values()), whole.area_mm2, rtol=1e-12)
    for d, design in enumerate(designs):
        alone = cost_table(workload, make_columns(design), groups, scenario, technology)
        np.testing.assert_array_equal(alone.energy_pj[0], whole.energy_pj[d])
        assert alone.reason(0) == whole.reason(d)
