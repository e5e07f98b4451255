"""DVFS and dynamic energy: properties against brute force."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hw_cost import (
    AcceleratorColumns,
    EncoderShape,
    Groups,
    Technology,
    Workload,
    breakdown,
    cost_table,
)
from search_space import DvfsPolicy, IdleAccounting, Scenario, adaptivfloat

MakeWorkload = Callable[..., Workload]
MakeColumns = Callable[..., AcceleratorColumns]
MakeGroups = Callable[..., Groups]
MakeScenario = Callable[..., Scenario]
DYNAMIC = ("mac", "sram", "weight_sram", "envm", "special_functions", "control")


@pytest.fixture(scope="session")
def dynamic_pj(
    make_columns: MakeColumns,
    make_groups: MakeGroups,
    make_scenario: MakeScenario,
    technology: Technology,
) -> Callable[..., float]:
    """Dynamic core energy of a sentence of 33 tokens and three layers at a fixed supply."""

    def energy(workload: Workload, voltage_v: float = 0.8) -> float:
        # Buffers so large that every tensor is read once: the mapping is the same for all formats.
        columns = make_columns(
            {"max_voltage_v": voltage_v, "min_voltage_v": voltage_v, "data_sram_kib": 512}
        )
        parts = breakdown(
            workload, columns, make_groups((33, 3, 3)), np.ones(1), make_scenario(), technology
        ).energy_pj
        return float(sum(parts[part][0] for part in DYNAMIC))

    return energy


bits = st.integers(3, 16)
volts = st.floats(0.4, 1.0)
masked_densities = st.floats(0.0, 0.85)


@settings(max_examples=25, deadline=None)
@given(st.tuples(bits, bits), st.tuples(bits, bits), masked_densities)
def test_fewer_bits_never_cost_more_dynamic_energy(
    make_workload: MakeWorkload,
    dynamic_pj: Callable[..., float],
    weights: tuple[int, int],
    activations: tuple[int, int],
    density: float,
) -> None:
    """Narrowing weights and activations never raises the dynamic energy."""

    def energy(pick: Callable[[tuple[int, int]], int], share: float) -> float:
        return dynamic_pj(
            make_workload(
                weight_format=adaptivfloat(pick(weights), 2),
                activation_format=adaptivfloat(pick(activations), 2),
                encoder_density=share,
            )
        )

    # All widths in one stored form: dense, or masked (below 1 - 1 / 3 for the narrowest).
    assert energy(min, 1.0) <= energy(max, 1.0) * (1 + 1e-12)
    share = density * 0.75
    assert energy(min, share) <= energy(max, share) * (1 + 1e-12)


@settings(max_examples=25, deadline=None)
@given(st.tuples(volts, volts))
def test_a_lower_supply_never_costs_more_dynamic_energy(
    make_workload: MakeWorkload, dynamic_pj: Callable[..., float], pair: tuple[float, float]
) -> None:
    """Dynamic energy falls with the supply, below the SRAM's floor too."""
    low, high = (dynamic_pj(make_workload(), v) for v in sorted(pair))
    assert low <= high * (1 + 1e-12)


@settings(max_examples=25, deadline=None)
@given(st.tuples(masked_densities, masked_densities), st.tuples(masked_densities, masked_densities))
def test_more_zeros_never_cost_more_dynamic_energy(
    make_workload: MakeWorkload,
    dynamic_pj: Callable[..., float],
    encoder: tuple[float, float],
    embedding: tuple[float, float],
) -> None:
    """With weights stored as bitmask and non-zeros, dynamic energy falls with the density."""

    def energy(pick: Callable[[tuple[float, float]], float]) -> float:
        return dynamic_pj(
            make_workload(encoder_density=pick(encoder), embedding_density=pick(embedding))
        )

    assert energy(min) <= energy(max) * (1 + 1e-12)


def test_heads_off_and_short_spans_never_cost_more(
    make_workload: MakeWorkload, dynamic_pj: Callable[..., float]
) -> None:
    """Dynamic energy falls as spans shrink and heads go off."""
    spans = [(128,) * 4, (20, 20, 20, 20), (20, 5, 5, 1), (20, 5, 0, 0), (0, 0, 0, 0)]
    energy = [dynamic_pj(make_workload(head_spans=(s,))) for s in spans]
    assert energy == sorted(energy, reverse=True)


@pytest.fixture(scope="session")
def levels_by_brute_force(
    make_columns: MakeColumns,
    make_scenario: MakeScenario,
    technology: Technology,
) -> Callable[..., NDArray[np.float64]]:
    """(n_levels, n_groups) latency of predicted layers for each supply, from fixed designs."""

    def latencies(workload: Workload, groups: Groups, supplies: list[float]) -> NDArray[np.float64]:
        columns = make_columns(
            *({"max_voltage_v": v, "min_voltage_v": min(supplies)} for v in supplies)
        )
        once = Groups(groups.tokens, groups.predicted_layer * 0 + 1, groups.actual_layer * 0 + 1)
        predicted = Groups(groups.tokens, groups.predicted_layer, groups.predicted_layer)
        first = cost_table(workload, columns, once, make_scenario(), technology).latency_ns
        whole = cost_table(workload, columns, predicted, make_scenario(), technology).latency_ns
        drop = supplies[0] - np.array(supplies)
        switch = technology.clock_hop_ns * (drop > 0) + technology.ldo_slew_ns_per_v * drop
        runs_on = groups.predicted_layer > 1
        latency: NDArray[np.float64] = first[0] + (whole - first) + switch[:, None] * runs_on
        return latency

    return latencies


@settings(max_examples=15, deadline=None)
@given(
    deadline_ms=st.floats(0.02, 1.0),
    idle=st.sampled_from(IdleAccounting),
    distinct=st.sampled_from([1, 6]),
)
def test_dvfs_meets_every_deadline_that_some_level_meets(
    make_shape: Callable[..., EncoderShape],
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    make_groups: MakeGroups,
    make_scenario: MakeScenario,
    technology: Technology,
    levels_by_brute_force: Callable[..., NDArray[np.float64]],
    deadline_ms: float,
    idle: IdleAccounting,
    distinct: int,
) -> None:
    """Both policies run the predicted layers in time if any level does.

    The one takes the lowest such level, the other is never dearer; where none is in time both stay
    at the highest supply and the miss is counted.
    """
    spans = tuple((64, 16, 4, k) for k in range(distinct))
    workload = make_workload(shape=make_shape(distinct_layers=distinct), head_spans=spans)
    groups = make_groups(*((t, p, p) for t in (5, 18, 60) for p in range(1, 7)))
    supplies = [round(0.8 - 0.02 * k, 6) for k in range(16)]
    latencies = levels_by_brute_force(workload, groups, supplies)
    columns = make_columns(
        {"dvfs_policy": DvfsPolicy.LOWEST_FEASIBLE}, {"dvfs_policy": DvfsPolicy.MIN_ENERGY}
    )
    table = cost_table(
        workload, columns, groups, make_scenario(deadline_ms=deadline_ms, idle=idle), technology
    )
    feasible = latencies <= deadline_ms * 1e6
    np.testing.assert_array_equal(table.missed, np.broadcast_to(~feasible.any(0), (2, len(groups))))
    lowest = np.where(feasible.any(0), feasible.sum(0) - 1, 0)
    lowest[groups.predicted_layer == 1] = 0
    np.testing.assert_allclose(table.voltage_v[0], np.array(supplies)[lowest])
    assert (table.energy_pj[1] <= table.energy_pj[0] * (1 + 1e-9)).all()
    np.testing.assert_allclose(table.latency_ns[0], latencies[lowest, np.arange(len(groups))])


def test_an_exit_before_the_predicted_layer_costs_only_the_layers_that_ran(
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    make_groups: MakeGroups,
    make_scenario: MakeScenario,
    technology: Technology,
) -> None:
    """At one predicted layer the cost is affine in the actual one; at layer 1 nothing switched."""
    columns = make_columns({"dvfs_policy": DvfsPolicy.LOWEST_FEASIBLE}, {})
    groups = make_groups(*((20, 6, a) for a in range(1, 7)))
    table = cost_table(make_workload(), columns, groups, make_scenario(), technology)
    assert table.voltage_v[0, 0] < 0.8
    assert table.latency_ns[0, 0] == table.latency_ns[1, 0]
    assert table.energy_pj[0, 0] == table.energy_pj[1, 0]
    steps = np.diff(table.latency_ns[0])
    np.testing.assert_allclose(steps[1:], steps[1])
    drop_v = 0.8 - table.voltage_v[0, 0]
    switch_ns = technology.clock_hop_ns + technology.ldo_slew_ns_per_v * drop_v
    assert steps[0] == pytest.approx(steps[1] + switch_ns)
    energy = np.diff(table.energy_pj[0])
    np.testing.assert_allclose(energy[1:], energy[1])


def test_a_slower_sentence_is_cheaper_when_leakage_is_small(
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    make_groups: MakeGroups,
    make_scenario: MakeScenario,
    technology: Technology,
) -> None:
    """A looser deadline never raises the energy of either policy, and lowers it somewhere."""
    columns = make_columns(
        {"dvfs_policy": DvfsPolicy.LOWEST_FEASIBLE}, {"dvfs_policy": DvfsPolicy.MIN_ENERGY}
    )
    groups = make_groups((40, 6, 6))
    energy = [
        cost_table(
            make_workload(), columns, groups, make_scenario(deadline_ms=ms), technology
        ).energy_pj[:, 0]
        for ms in (0.01, 0.2, 0.3, 0.4, 0.6)
    ]
    assert (np.diff(energy, axis=0)[:, 1] <= 1e-9).all()
    assert energy[-1][0] < energy[0][0]
