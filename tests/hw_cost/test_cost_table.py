"""Cost table and breakdown: hand-computed cases, sums, batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from hw_cost import (
    AcceleratorColumns,
    ColumnsError,
    EncoderShape,
    Groups,
    GroupsError,
    Technology,
    WeightPort,
    Workload,
    breakdown,
    cost_table,
    explained_gemms,
    gemm_costs,
    load_technology,
)
from hw_cost.envm_arrays import envm_arrays
from search_space import CellKind, DvfsPolicy, IdleAccounting, Scenario, adaptivfloat

MakeWorkload = Callable[..., Workload]
MakeColumns = Callable[..., AcceleratorColumns]
MakeGroups = Callable[..., Groups]
MakeScenario = Callable[..., Scenario]


@pytest.fixture(scope="session")
def layer_gemm_cycles(
    make_scenario: MakeScenario, technology: Technology
) -> Callable[[Workload, AcceleratorColumns, int], float]:
    """GEMM cycles of one layer without its exit, on one design."""

    def cycles(workload: Workload, columns: AcceleratorColumns, tokens: int) -> float:
        gemms = explained_gemms(workload, columns, tokens, make_scenario(), technology)
        names = ("qkv", "attention", "output", "ffn1", "ffn2")
        return sum(g.cycles for g in gemms if g.name in names)

    return cycles


@pytest.mark.parametrize(
    ("n", "cycles"), [(8, 14_548_992), (16, 3_637_248), (32, 909_312), (64, 227_328)]
)
def test_dense_albert_base_layer_takes_the_published_cycles(
    albert_base: EncoderShape,
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    layer_gemm_cycles: Callable[[Workload, AcceleratorColumns, int], float],
    n: int,
    cycles: int,
) -> None:
    """A layer of 128 tokens takes MACs / n^2 cycles: 43.65 ms for twelve at n = 16 and 1 GHz."""
    workload = make_workload(shape=albert_base)
    columns = make_columns({"mac_vector_size": n, "data_sram_kib": 512})
    assert layer_gemm_cycles(workload, columns, 128) == cycles
    if n == 16:
        assert round(12 * cycles / 1e6, 2) == 43.65


def test_whole_sentence_of_albert_base_adds_exits_projection_and_special_functions(
    albert_base: EncoderShape,
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    make_groups: MakeGroups,
    make_scenario: MakeScenario,
    technology: Technology,
) -> None:
    """Twelve layers at n = 16 and 1 GHz: 44.148 ms of GEMM and 3.884 ms of special functions."""
    parts = breakdown(
        make_workload(shape=albert_base),
        make_columns({}),
        make_groups((128, 12, 12)),
        np.ones(1),
        make_scenario(),
        technology,
    ).latency_ns
    exit_cycles = 48 * 48 * 16 + 48 * 16
    projection = 8 * 8 * 48 * 16
    assert parts["gemm"][0] == pytest.approx(12 * (3_637_248 + exit_cycles) + projection)
    softmax_norms_adds = 112_128 + 111_104 + 73_984
    assert softmax_norms_adds == 297_216
    gelu_tanh_entropy = 128 * 192 + 48 + 24
    embedding = 256 * (6 * 8 + 1) + 128 * (9 * 8 + 2)
    assert parts["special_functions"][0] == pytest.approx(
        12 * (softmax_norms_adds + gelu_tanh_entropy) + embedding
    )


def test_albert_base_lands_near_the_published_energy_of_a_mac(
    albert_base: EncoderShape,
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    make_groups: MakeGroups,
    make_scenario: MakeScenario,
    technology: Technology,
) -> None:
    """At n = 16, 0.8 V and without its weight store, all in, a MAC costs 0.34 to 0.42 pJ +-14 %."""
    workload = make_workload(
        shape=albert_base,
        embedding_density=0.4,
        embedding_storage=CellKind.RERAM_MLC2,
        encoder_storage=CellKind.RERAM_MLC2,
    )
    columns = make_columns({"envm_mib": 16.0})
    costs = breakdown(
        workload, columns, make_groups((128, 12, 12)), np.ones(1), make_scenario(), technology
    )
    time_ns = sum(part[0] for part in costs.latency_ns.values())
    arrays = envm_arrays(CellKind.RERAM_MLC2, columns.envm_mib, technology)
    store = costs.energy_pj["envm"][0] + arrays.leakage_mw[0] * time_ns
    total = sum(part[0] for part in costs.energy_pj.values()) - store
    assert 0.34 * 0.86 < total / (12 * 931_135_488) < 0.42 * 1.14


@dataclass(frozen=True)
class Product:
    """A GEMM that stands alone."""

    rows: int
    depth: int = 96
    columns: int = 96
    count: int = 1
    has_weights: bool = True


def test_units_share_row_blocks_or_columns_whichever_ends_first(
    make_columns: MakeColumns, technology: Technology
) -> None:
    """Three row blocks on two units take two turns; one row block is split by its columns."""
    columns = make_columns({"processing_units": 2}, {"processing_units": 4})
    port, number = WeightPort(word_bits=1e6, energy_pj_per_bit=0.0), adaptivfloat(8, 3)
    costs = gemm_costs([Product(40), Product(10)], columns, port, number, number, technology)
    # 40 rows: 3 blocks x 6 column blocks x 6 x 16 cycles of depth
    np.testing.assert_array_equal(costs.cycles, [[9 * 96, 3 * 96], [6 * 96, 2 * 96]])
    whole = costs.energy_pj["mac"] / technology.mac_energy_pj
    lanes = np.array([18 * 96 * 256, 6 * 96 * 256])
    macs = np.array([40, 10]) * 96 * 96
    expected = macs + technology.gated_mac_share * (lanes - macs)
    np.testing.assert_allclose(whole, np.broadcast_to(expected, (2, 2)))


@pytest.fixture(scope="module")
def mixed_columns(make_columns: MakeColumns) -> AcceleratorColumns:
    """Designs of every policy, one of them infeasible."""
    return make_columns(
        {"dvfs_policy": DvfsPolicy.MIN_ENERGY},
        {"dvfs_policy": DvfsPolicy.LOWEST_FEASIBLE, "mac_vector_size": 8},
        {"data_sram_kib": 1},
        {"processing_units": 4, "max_voltage_v": 1.0, "dvfs_policy": DvfsPolicy.LOWEST_FEASIBLE},
        {"mac_vector_size": 32},
        {"min_voltage_v": 0.61, "dvfs_policy": DvfsPolicy.MIN_ENERGY, "data_sram_kib": 64},
    )


@pytest.fixture(scope="module")
def all_groups(make_groups: MakeGroups) -> Groups:
    """A few lengths with every pair of layers."""
    return make_groups(
        *((t, p, a) for t in (7, 30, 64) for p in range(1, 7) for a in range(1, p + 1))
    )


@pytest.mark.parametrize("idle", list(IdleAccounting))
@pytest.mark.parametrize("distinct", [1, 6])
def test_parts_sum_to_the_means_of_the_table(
    make_shape: Callable[..., EncoderShape],
    make_workload: MakeWorkload,
    make_scenario: MakeScenario,
    mixed_columns: AcceleratorColumns,
    all_groups: Groups,
    technology: Technology,
    idle: IdleAccounting,
    distinct: int,
) -> None:
    """Energy, time and area by part add up to the table, and core energy is what the LDO leaves."""
    spans = tuple((128, 16, 4 * k, 0) for k in range(distinct))
    workload = make_workload(
        shape=make_shape(distinct_layers=distinct), head_spans=spans, encoder_density=0.5
    )
    scenario = make_scenario(deadline_ms=0.3, idle=idle)
    weights = np.random.default_rng(1).dirichlet(np.ones(len(all_groups)))
    table = cost_table(
        workload, mixed_columns, all_groups, scenario, technology, with_core_energy=True
    )
    parts = breakdown(workload, mixed_columns, all_groups, weights, scenario, technology)
    energy = sum(parts.energy_pj.values())
    np.testing.assert_allclose(energy, table.energy_pj @ weights, rtol=1e-9)
    np.testing.assert_allclose(
        sum(parts.latency_ns.values()), table.latency_ns @ weights, rtol=1e-9
    )
    np.testing.assert_allclose(sum(parts.area_mm2.values()), table.area_mm2, rtol=1e-12)
    assert table.core_energy_pj is not None
    if idle is IdleAccounting.NONE:
        np.testing.assert_allclose(
            energy - parts.energy_pj["ldo"], table.core_energy_pj @ weights, rtol=1e-9
        )
    ok = table.feasible
    assert (table.core_energy_pj[ok] < table.energy_pj[ok]).all()
    assert all((part[ok] >= 0).all() for part in parts.energy_pj.values())


@pytest.mark.parametrize("storage", [CellKind.SRAM, CellKind.RERAM_MLC2])
def test_batch_equals_one_by_one_and_order_does_not_matter(
    make_workload: MakeWorkload,
    make_scenario: MakeScenario,
    mixed_columns: AcceleratorColumns,
    all_groups: Groups,
    technology: Technology,
    storage: CellKind,
) -> None:
    """Each row of a batch is the row of the design alone; permuted designs give permuted rows."""
    workload, scenario = make_workload(encoder_storage=storage), make_scenario(deadline_ms=0.3)
    mib = np.full(len(mixed_columns), 2.0 * storage.is_envm)
    mixed_columns = replace(mixed_columns, envm_mib=mib)
    names = ("energy_pj", "latency_ns", "missed", "voltage_v", "area_mm2", "standby_power_mw")
    whole = cost_table(workload, mixed_columns, all_groups, scenario, technology)
    order = np.array([3, 0, 5, 1, 4, 2])
    shuffled = cost_table(workload, mixed_columns.take(order), all_groups, scenario, technology)
    for name in names:
        np.testing.assert_array_equal(getattr(shuffled, name), getattr(whole, name)[order])
    for d in range(len(mixed_columns)):
        alone = cost_table(
            workload, mixed_columns.take(np.array([d])), all_groups, scenario, technology
        )
        for name in names:
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(whole, name)[d])
        assert alone.reason(0) == whole.reason(d)


@pytest.mark.parametrize(
    "spans",
    [
        ((128,) * 4, (8, 8, 0, 0), (128, 0, 0, 0)),
        ((128,) * 4, (8, 8, 4, 4), (16, 16, 16, 16)),  # as many heads on in all
    ],
)
def test_layers_with_different_spans_are_summed_layer_by_layer(
    make_shape: Callable[..., EncoderShape],
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    make_groups: MakeGroups,
    make_scenario: MakeScenario,
    technology: Technology,
    spans: tuple[tuple[int, ...], ...],
) -> None:
    """Each further layer costs what it costs in an encoder made of that layer alone."""
    columns, scenario = make_columns({}), make_scenario()
    groups = make_groups((50, 3, 1), (50, 3, 2), (50, 3, 3))
    mixed = cost_table(
        make_workload(shape=make_shape(layers=3, distinct_layers=3), head_spans=spans),
        columns,
        groups,
        scenario,
        technology,
    )
    for layer in (1, 2):
        alike = make_workload(shape=make_shape(layers=3), head_spans=(spans[layer],))
        uniform = cost_table(alike, columns, groups, scenario, technology)
        np.testing.assert_allclose(
            np.diff(mixed.latency_ns[0])[layer - 1], np.diff(uniform.latency_ns[0])[0], rtol=1e-12
        )


def test_envm_time_does_not_scale_with_the_supply(
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    make_groups: MakeGroups,
    make_scenario: MakeScenario,
) -> None:
    """With slow published macros a wide array waits for weights, at 0.6 V as long as they take."""
    workload = make_workload(encoder_storage=CellKind.RERAM_SLC)
    columns = make_columns(
        *(
            {"mac_vector_size": 64, "envm_mib": 2.0, "max_voltage_v": v, "min_voltage_v": v}
            for v in (0.6, 0.8)
        )
    )
    parts = breakdown(
        workload,
        columns,
        make_groups((16, 6, 6)),
        np.ones(1),
        make_scenario(),
        load_technology("conservative"),
    ).latency_ns
    loads = parts["gemm"] + parts["memory_stall"]
    assert (parts["memory_stall"] > parts["gemm"]).all()
    assert loads[0] == pytest.approx(loads[1], rel=0.05)
    assert parts["special_functions"][0] > 1.4 * parts["special_functions"][1]


def test_sram_that_holds_weights_leaks_between_sentences_and_envm_does_not(
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    make_groups: MakeGroups,
    make_scenario: MakeScenario,
    technology: Technology,
) -> None:
    """Standby power is that of the retained SRAM: weights, and tables unless eNVM keeps them."""
    envm = {
        "embedding_storage": CellKind.RERAM_SLC,
        "encoder_storage": CellKind.RERAM_SLC,
    }
    nothing = envm | {"table_storage": CellKind.RERAM_SLC}
    groups, scenario = make_groups((16, 1, 1)), make_scenario()
    workloads = (
        make_workload(),
        make_workload(weight_format=adaptivfloat(4, 2)),
        make_workload(**envm),
        make_workload(**nothing),
    )
    power = [
        cost_table(w, make_columns({"envm_mib": mib}), groups, scenario, technology)
        for w, mib in zip(workloads, (0.0, 0.0, 2.0, 2.0), strict=True)
    ]
    tables = power[2].standby_power_mw[0]
    retained = power[0].standby_power_mw[0] - tables
    assert retained > 0
    assert tables > 0
    assert power[1].standby_power_mw[0] - tables == pytest.approx(retained / 2)
    assert power[3].standby_power_mw[0] == 0
    assert power[0].storage_bits[0] == workloads[0].stored_bits().total


def test_waiting_for_the_deadline_is_charged_when_the_scenario_says_so(
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    make_groups: MakeGroups,
    make_scenario: MakeScenario,
    technology: Technology,
) -> None:
    """Idle energy is leakage power times the time that is left, so it grows with the deadline."""
    workload, columns, groups = make_workload(), make_columns({}), make_groups((16, 2, 2))
    free = cost_table(workload, columns, groups, make_scenario(), technology)
    extra = [
        cost_table(
            workload,
            columns,
            groups,
            make_scenario(deadline_ms=ms, idle=IdleAccounting.LEAKAGE),
            technology,
        ).energy_pj[0, 0]
        - free.energy_pj[0, 0]
        for ms in (1.0, 2.0)
    ]
    slack = 1e6 - free.latency_ns[0, 0]
    assert extra[0] / slack == pytest.approx((extra[1] - extra[0]) / 1e6)


def test_groups_and_columns_that_cannot_be_are_refused(
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    make_groups: MakeGroups,
    make_scenario: MakeScenario,
    technology: Technology,
) -> None:
    """Layers, tokens, weights and columns out of range are named with what was expected."""
    columns = make_columns({})
    with pytest.raises(GroupsError, match="Group 0 leaves after layer 3, predicted 2"):
        make_groups((10, 2, 3))
    with pytest.raises(GroupsError, match="Groups with 0 tokens"):
        make_groups((0, 1, 1))
    with pytest.raises(GroupsError, match=r"Predicted layer 7 .* at most the 6 layers"):
        cost_table(make_workload(), columns, make_groups((9, 7, 1)), make_scenario(), technology)
    with pytest.raises(GroupsError, match="Group of 129 tokens: expected at most the 128"):
        cost_table(make_workload(), columns, make_groups((129, 1, 1)), make_scenario(), technology)
    with pytest.raises(GroupsError, match="with sum 1"):
        breakdown(
            make_workload(),
            columns,
            make_groups((9, 1, 1)),
            np.array([0.5]),
            make_scenario(),
            technology,
        )
    with pytest.raises(ColumnsError, match=r"Column envm_mib has shape \(2,\): expected \(1,\)."):
        replace(columns, envm_mib=np.zeros(2))


def test_rows_of_a_large_batch_do_not_depend_on_how_it_is_cut(
    make_workload: MakeWorkload,
    make_scenario: MakeScenario,
    make_columns: Callable[..., AcceleratorColumns],
    all_groups: Groups,
    technology: Technology,
) -> None:
    """Hundreds of designs of all policies, interleaved, cost the same in every order and cutting.

    Designs are worked on in blocks that gather one policy after the other, so that a block's rows
    may be anywhere in the batch.
    """
    designs = [
        {"mac_vector_size": n, "data_sram_kib": kib, "min_voltage_v": low, "dvfs_policy": policy}
        for n in (4, 8, 16)
        for kib in (64, 96, 128, 160)
        for low in (0.5, 0.55, 0.6, 0.65)
        for policy in (*DvfsPolicy, *DvfsPolicy, DvfsPolicy.LOWEST_FEASIBLE)
    ]
    columns = make_columns(*designs)
    workload, scenario = make_workload(), make_scenario(deadline_ms=0.3)
    whole = cost_table(workload, columns, all_groups, scenario, technology)
    assert whole.feasible.all()
    rng = np.random.default_rng(0)
    for size in (len(columns), 97, 31):
        order = rng.permutation(len(columns))
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            part = cost_table(workload, columns.take(rows), all_groups, scenario, technology)
            for name in ("energy_pj", "latency_ns", "voltage_v"):
                np.testing.assert_allclose(
                    getattr(part, name), getattr(whole, name)[rows], rtol=1e-12
                )


def test_leakage_doubles_with_the_stated_rise_in_temperature(
    make_workload: MakeWorkload,
    make_scenario: MakeScenario,
    make_columns: Callable[..., AcceleratorColumns],
    all_groups: Groups,
    technology: Technology,
) -> None:
    """A junction hotter by the doubling step leaks twice as much, and dynamic energy stays."""
    hot = technology.leakage_temperature_k + technology.leakage_doubling_k
    weights = np.full(len(all_groups), 1 / len(all_groups))
    cool_parts, hot_parts = (
        breakdown(
            make_workload(),
            make_columns({}),
            all_groups,
            weights,
            make_scenario(temperature_k=kelvin),
            technology,
        )
        for kelvin in (technology.leakage_temperature_k, hot)
    )
    np.testing.assert_allclose(
        hot_parts.energy_pj["leakage"], 2 * cool_parts.energy_pj["leakage"], rtol=1e-12
    )
    np.testing.assert_allclose(hot_parts.energy_pj["mac"], cool_parts.energy_pj["mac"])
