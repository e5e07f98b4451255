"""Figure data says what the records say, in people's units."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.figure_data import evenly_spaced, front_data, history_data, survival
from dashboards.stack_data import breakdown_stack, exit_stack, parts_of, voltage_stack
from dashboards.titles import FigureError
from studies.records import Front
from tests.dashboards.conftest import MakeFront, design, three_designs


def test_metrics_are_in_the_units_that_people_read(front: Front) -> None:
    """Energy is in µJ, accuracy in percent, each with its standard error, NaN for none."""
    data = front_data(front)
    energy, accuracy = data.metric("energy_pj"), data.metric("accuracy")
    assert energy.label == "Energy per sentence (µJ)"
    np.testing.assert_allclose(energy.values, [40, 10, 4])
    np.testing.assert_allclose(energy.errors, [0.5, 0.1, 0.1])
    np.testing.assert_allclose(accuracy.values, [90, 85, 80])
    np.testing.assert_allclose(accuracy.errors, [0.95, 1.1, 1.26])
    np.testing.assert_allclose(data.report.values, [89, 84, 79])
    assert np.isnan(data.metric("area_mm2").errors).all()


def test_axes_are_those_of_the_objectives(front: Front) -> None:
    """A metric has a log axis if it is an objective and its axis says so; objectives come first."""
    data = front_data(front)
    assert [column.name for column in data.metrics[:2]] == ["accuracy", "energy_pj"]
    assert [(c.name, c.scale) for c in data.metrics if c.scale == "log10"] == [
        ("energy_pj", "log10")
    ]


def test_a_value_of_0_makes_a_log_axis_linear(make_front: MakeFront) -> None:
    """A log axis cannot show 0, so a metric that is 0 somewhere has a linear one."""
    front = make_front([design(0), design(1, metrics={"energy_pj": (0.0, None)})])
    assert front_data(front).metric("energy_pj").scale == "linear"


def test_knobs_that_vary_and_constants_are_apart(front: Front) -> None:
    """Knobs that vary become columns, the others are listed with their one value."""
    data = front_data(front)
    assert [knob.name for knob in data.knobs] == ["checkpoint", "weight_format", "mac_vector_size"]
    assert data.constants == (("Entropy threshold (nats)", "0.3"), ("Data SRAM (KiB)", "64"))


def test_exit_knobs_that_no_policy_looks_at_are_left_out(make_front: MakeFront) -> None:
    """Of the exit knobs those are shown that some design's policy looks at."""
    exits: dict[str, Any] = {"entropy_threshold": 0.3, "confidence_threshold": 0.9, "patience": 6}
    front = make_front(
        [
            design(0, exit_policy="confidence", **exits),
            design(1, exit_policy="none", **exits | {"confidence_threshold": 0.8}),
        ]
    )
    data = front_data(front)
    titles = [knob.title for knob in data.knobs] + [title for title, _ in data.constants]
    assert "Confidence threshold" in titles
    assert "Exit policy" in titles
    assert not {"Entropy threshold (nats)", "Patience (exits)"} & set(titles)


def test_levels_are_in_the_order_of_their_numbers(front: Front) -> None:
    """Text levels sort by the numbers in them, so that 8 bits come before 10."""
    checkpoint, weight_format, size = front_data(front).knobs
    assert checkpoint.levels == ("albert-mini", "minilm-exits")
    assert weight_format.levels == ("adaptivfloat<8,3>", "adaptivfloat<10,3>")
    assert weight_format.codes.tolist() == [0, 1, 0]
    assert size.levels == (8, 16)
    assert size.values.tolist() == [16, 16, 8]


def test_dominated_designs_keep_unknown_values_unknown(front: Front) -> None:
    """A value that the sample does not have is NaN, not 0, and the sample says what it is of."""
    behind = front_data(front).dominated
    np.testing.assert_allclose(behind.column("accuracy"), [70, 75])
    np.testing.assert_allclose(behind.column("energy_pj"), [50, np.nan])
    assert np.isnan(behind.column("area_mm2")).all()
    assert (behind.n_sampled, behind.of) == (2, 497)


def test_survival_is_the_mean_drop_and_the_slope(front: Front) -> None:
    """Where every design loses one point, the drop is one point and all of a gain is left."""
    left = survival(front_data(front))
    assert left.mean_drop == pytest.approx(1.0)
    assert left.slope == pytest.approx(1.0)
    assert (left.n_within, left.n_with_errors) == (3, 3)


def test_two_designs_have_no_slope(make_front: MakeFront) -> None:
    """Two designs always lie on a line, so no slope is claimed for them."""
    assert math.isnan(survival(front_data(make_front(three_designs()[:2]))).slope)


def test_history_keeps_every_change(front: Front) -> None:
    """A point that repeats the one before it is left out, the last one never."""
    history = history_data(front)
    assert history.trials.tolist() == [1, 2, 5]
    assert history.designs_scored.tolist() == [100, 200, 500]
    assert history.front_sizes.tolist() == [1, 2, 3]
    assert history.hypervolumes.tolist() == [0.2, 0.4, 0.5]


def test_a_history_that_stands_still_keeps_its_ends(front: Front) -> None:
    """The last trial is shown even if nothing changed since the first."""
    still = front.model_copy(update={"history": [front.history[i] for i in (1, 2, 3)]})
    assert history_data(still).trials.tolist() == [2, 4]


def test_breakdown_has_the_largest_part_first(front: Front) -> None:
    """Parts of a cost are in its unit, ordered by size, and sum to the whole."""
    stack = breakdown_stack(front, "energy_pj", "energy_pj")
    assert stack.parts == ("mac", "sram")
    assert stack.labels == ("#0", "#1", "#2")
    np.testing.assert_allclose(stack.values, [[30, 30, 30], [10, 10, 10]])


def test_parts_of_a_design_have_their_shares(front: Front) -> None:
    """The parts of one cost of a design come with their percent, the largest first."""
    parts = parts_of(front.designs[1], "area_mm2", "area_mm2")
    assert [(part.name, part.amount) for part in parts] == [("sram", 1.0), ("mac", 0.5)]
    assert [part.percent for part in parts] == pytest.approx([200 / 3, 100 / 3])


def test_parts_of_nothing(make_front: MakeFront) -> None:
    """A part of 0 is left out, and a cost of 0 has no shares to divide by."""
    costs = {"energy_pj": {"mac": 1.0, "envm": 0.0}, "latency_ns": {"gemm": 0.0}, "area_mm2": {}}
    front = make_front([design(0) | {"breakdown": costs}])
    (mac,) = parts_of(front.designs[0], "energy_pj", "energy_pj")
    assert (mac.name, mac.percent) == ("mac", 100)
    assert parts_of(front.designs[0], "latency_ns", "latency_mean_ns") == []
    assert parts_of(front.designs[0], "area_mm2", "area_mm2") == []
    assert breakdown_stack(front, "latency_ns", "latency_mean_ns").shares.tolist() == [[0]]


def test_a_missing_layer_is_not_a_share_of_0(make_front: MakeFront) -> None:
    """A model with fewer layers has no share at the layers that it lacks."""
    longer = design(1) | {"exit_layer_shares": [0.5, 0.25, 0.25]}
    stack = exit_stack(make_front([design(0), longer]))
    assert stack.parts == ("layer 1", "layer 2", "layer 3")
    np.testing.assert_allclose(stack.values, [[25.0, 50.0], [75.0, 25.0], [np.nan, 25.0]])


def test_voltages_are_in_their_order(front: Front) -> None:
    """Voltage shares come lowest voltage first, in percent."""
    stack = voltage_stack(front)
    assert stack.parts == ("0.50", "0.80")
    np.testing.assert_allclose(stack.values[:, 0], [60, 40])


def test_a_large_front_is_thinned_evenly(make_front: MakeFront) -> None:
    """More designs than fit are shown in even steps, and the whole number is kept."""
    front = make_front([design(i) for i in range(101)])
    stack = breakdown_stack(front, "area_mm2", "area_mm2", most=5)
    assert stack.labels == ("#0", "#25", "#50", "#75", "#100")
    assert stack.n_front == 101
    data = front_data(front, most=3)
    assert data.ids.tolist() == [0, 50, 100]
    assert data.n_front == 101


@given(n=st.integers(0, 500), most=st.integers(2, 60))
def test_evenly_spaced_has_both_ends_and_no_repeats(n: int, most: int) -> None:
    """Evenly spaced indices grow strictly from the first to the last, at most so many."""
    indices = evenly_spaced(n, most)
    assert len(indices) == min(n, most)
    assert (np.diff(indices) > 0).all()
    if n:
        assert (indices[0], indices[-1]) == (0, n - 1)


def test_designs_that_are_not_alike_are_refused(make_front: MakeFront) -> None:
    """A design with another set of knobs is named together with what differs."""
    odd: dict[str, Any] = design(1, span_budget_tokens=8)
    with pytest.raises(FigureError, match=r"Design 1 has other knobs .*span_budget_tokens"):
        front_data(make_front([design(0), odd]))


def test_an_unknown_metric_is_refused(make_front: MakeFront) -> None:
    """A metric without title and unit is not drawn under its bare name."""
    with pytest.raises(FigureError, match="Metric 'beauty' has no title"):
        front_data(make_front([design(0, metrics={"beauty": (1.0, None)})]))


def test_a_short_dominated_row_is_refused(front: Front) -> None:
    """A row of the sample with other columns than the record names is said to be so."""
    dominated = front.dominated.model_copy(update={"rows": [[0.5]]})
    with pytest.raises(FigureError, match="Dominated design 0 has 1 value: expected 3"):
        front_data(front.model_copy(update={"dominated": dominated}))


def test_a_metric_that_the_front_lacks_is_named(front: Front) -> None:
    """Asking for a metric that no design has says which ones there are."""
    with pytest.raises(FigureError, match=r"no metric 'beauty': expected it beside accuracy"):
        front_data(front).metric("beauty")
