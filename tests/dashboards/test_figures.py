"""Figures show the figure data: axes, units, errors, menus."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
import pytest

from dashboards import front_figures, stack_figures
from dashboards.figure_data import front_data, history_data
from dashboards.menus import Choice, Menu
from dashboards.stack_data import Stack, breakdown_stack, exit_stack, voltage_stack
from dashboards.ticks import Window, round_ticks, window
from studies.metrics import METRICS
from studies.records import Front
from tests.dashboards.conftest import MakeFront, design, three_designs


def test_front_starts_as_accuracy_against_energy(front: Front) -> None:
    """The front opens with energy across on the study's log axis, accuracy up, and error bars."""
    figure = front_figures.front_figure(front_data(front))
    behind, designs = figure.data
    assert list(designs.x) == [40, 10, 4]
    assert list(designs.y) == [90, 85, 80]
    assert list(designs.error_y.array) == pytest.approx([0.95, 1.1, 1.26])
    assert designs.error_y.visible
    assert list(designs.error_x.array) == [0.5, 0.1, 0.1]
    assert designs.error_x.visible
    assert list(behind.x) == [50, None]
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis.title.text == "Energy per sentence (µJ), log scale"
    assert figure.layout.yaxis.title.text == "Accuracy (%), select split"


def test_front_window_holds_every_design(front: Front) -> None:
    """The window that the front opens with cuts no design off."""
    figure = front_figures.front_figure(front_data(front))
    low, high = figure.layout.xaxis.range
    assert low < math.log10(4)
    assert high > math.log10(40)
    low, high = figure.layout.yaxis.range
    assert low < 80 - 1.26
    assert high > 90.95


def test_x_menu_offers_every_cost_with_its_unit(front: Front) -> None:
    """Every metric but accuracy can go across; one without errors hides the error bars."""
    menu = front_figures.x_menu(front_data(front))
    labels = [choice.label for choice in menu.choices]
    assert set(labels) == {
        f"{metric.title} ({metric.unit})" for name, metric in METRICS.items() if name != "accuracy"
    }
    area = menu.choices[labels.index("Area (mm²)")]
    assert area.traces["x"][1] == [1.5, 1.5, 1.5]
    assert area.traces["error_x.visible"] == [False, False]
    assert area.layout["xaxis.type"] == "linear"
    latency = menu.choices[labels.index("Mean latency (ms)")]
    assert latency.traces["error_x.visible"] == [False, True]


def test_colour_menu_offers_what_varies_and_names_categories(front: Front) -> None:
    """Knobs and costs that vary can be the colour, the checkpoint first; texts keep their names."""
    menu = front_figures.colour_menu(front_data(front))
    assert [choice.label for choice in menu.choices] == [
        "Checkpoint",
        "Weight format",
        "MAC vector size",
        "Energy per sentence (µJ)",
    ]
    formats = menu.choices[1].traces
    assert formats["marker.color"] == [[0, 1, 0]]
    bar = formats["marker.colorbar"][0]
    assert bar["ticktext"] == ["adaptivfloat&lt;8,3&gt;", "adaptivfloat&lt;10,3&gt;"]
    colours = {colour for _, colour in formats["marker.colorscale"][0]}
    assert len(colours) == 2


def test_hover_card_has_the_main_figures_of_a_design(front: Front) -> None:
    """A card has id, trial, main metrics with unit and error, report accuracy, varying knobs."""
    card = front_figures.hover_cards(front_data(front))[1]
    assert card.startswith("<b>Design #1</b> of trial 11")
    for line in (
        "Accuracy (%): <b>85.0 ± 1.1</b>",
        "Accuracy on report (%): <b>84.0 ± 1.1</b>",
        "Energy per sentence (µJ): <b>10.00 ± 0.10</b>",
        "Weight format: <b>adaptivfloat&lt;10,3&gt;</b>",
        "MAC vector size: <b>16</b>",
    ):
        assert line in card
    for metric in METRICS.values():
        assert (f"{metric.title} ({metric.unit})" in card) == metric.is_headline


def test_hover_card_has_what_the_study_asks_for(make_front: MakeFront) -> None:
    """A metric that is an objective or bounded is on the card, whether a main one or not."""
    throughput = {
        "metric": "throughput_per_s",
        "direction": "maximize",
        "axis": "linear",
        "ideal": 1000,
        "reference": 1,
    }
    front = make_front(
        three_designs(),
        objectives=[throughput],
        constraints=["energy_max_pj<= 1e8", "duty_cycle >= 0"],
    )
    card = front_figures.hover_cards(front_data(front))[0]
    assert "Throughput (sentences/s): <b>333.3 ± 2.2</b>" in card
    assert "Largest energy (µJ): <b>72.00</b>" in card
    assert "Duty cycle (%): <b>0.3000 ± 0.0020</b>" in card
    assert "Energy per hour" not in card


def test_dominated_designs_have_room_on_the_worse_side(make_front: MakeFront) -> None:
    """More is worse for energy, so its axis goes on to the right; for throughput to the left."""
    slow = design(0, metrics={"throughput_per_s": (100.0, None)})
    fast = design(1, metrics={"throughput_per_s": (200.0, None)})
    behind = {"columns": ["throughput_per_s"], "rows": [[90.0]], "of": 1}
    front = make_front([slow, fast], dominated=behind)
    menu = front_figures.x_menu(front_data(front))
    (throughput,) = (c for c in menu.choices if c.label == "Throughput (sentences/s)")
    low, high = throughput.layout["xaxis.range"]
    assert 100 - low > high - 200 > 0
    assert throughput.traces["x"] == [[90], [100, 200]]
    (area,) = (c for c in menu.choices if c.label == "Area (mm²)")
    assert area.traces["x"][0] == []


def test_survival_has_the_diagonal_and_a_group_for_each_checkpoint(front: Front) -> None:
    """Both axes have the same range, the diagonal joins its ends, groups have both error bars."""
    figure = front_figures.survival_figure(front_data(front))
    diagonal, albert, minilm = figure.data
    assert list(diagonal.x) == list(diagonal.y)
    assert figure.layout.xaxis.range == figure.layout.yaxis.range
    assert (albert.name, list(albert.x), list(albert.y)) == ("albert-mini", [80], [79])
    assert list(minilm.x) == [90, 85]
    assert list(minilm.error_y.array) == pytest.approx([1.1, 1.1])


def test_parallel_axes_are_what_varies_and_the_objectives(front: Front) -> None:
    """Parallel axes name categories, and draw a log objective by its logarithm."""
    (lines,) = front_figures.parallel_figure(front_data(front)).data
    assert [axis.label for axis in lines.dimensions] == [
        "Checkpoint",
        "Weight<br>format",
        "MAC vector<br>size",
        "Accuracy<br>(%)",
        "Energy per<br>sentence (µJ)",
    ]
    assert lines.dimensions[0].ticktext == ("albert-mini", "minilm-exits")
    np.testing.assert_allclose(np.round(lines.dimensions[0].values), [1, 1, 0])
    np.testing.assert_allclose(lines.dimensions[4].values, np.log10([40, 10, 4]), rtol=1e-6)
    assert list(lines.ids) == ["0", "1", "2"]


def test_many_numbers_are_a_range_not_steps(make_front: MakeFront) -> None:
    """A number knob with many values has a smooth colour and an axis of its own values."""
    designs = [design(i, entropy_threshold=i / 100) for i in range(30)]
    data = front_data(make_front(designs))
    choice = front_figures.colour_menu(data).choices[0]
    assert choice.label == "Entropy threshold (nats)"
    assert choice.traces["marker.color"][0][29] == 0.29
    (lines,) = front_figures.parallel_figure(data).data
    assert lines.dimensions[0].values[29] == 0.29


def test_history_can_go_by_designs_or_trials(front: Front) -> None:
    """Hypervolume and front size go by designs scored first, by trials on request."""
    history = history_data(front)
    figure = stack_figures.history_figure(history)
    assert list(figure.data[0].x) == [100, 200, 500]
    assert list(figure.data[0].y) == [0.2, 0.4, 0.5]
    assert list(figure.data[1].y) == [1, 2, 3]
    assert figure.layout.xaxis2.title.text == "Designs scored"
    trials = stack_figures.history_menu(history).choices[1]
    assert trials.traces["x"] == [[1, 2, 5], [1, 2, 5]]


def test_breakdown_is_stacked_with_its_unit(front: Front) -> None:
    """Each part is one stacked series in the unit of the axis."""
    stack = breakdown_stack(front, "latency_ns", "latency_mean_ns")
    figure = stack_figures.breakdown_figure(stack, "Mean latency", "ms")
    assert [(bar.name, list(bar.y)) for bar in figure.data] == [
        ("Compute", [2, 2, 2]),
        ("Stream", [1, 1, 1]),
    ]
    assert figure.layout.barmode == "stack"
    assert figure.layout.yaxis.title.text == "Mean latency (ms)"


def test_breakdown_tells_shares(front: Front) -> None:
    """Pointing at a block tells its area and its share of the design's, whatever the axis shows."""
    figure = stack_figures.breakdown_figure(
        breakdown_stack(front, "area_mm2", "area_mm2"), "Area", "mm²"
    )
    sram, mac = figure.data
    assert (sram.name, mac.name) == ("SRAM", "MAC")
    np.testing.assert_allclose(sram.customdata, 3 * [[1.0, 200 / 3]])
    np.testing.assert_allclose(mac.customdata, 3 * [[0.5, 100 / 3]])
    assert "%{customdata[0]:.4~g} mm², %{customdata[1]:.1f} % of the total" in sram.hovertemplate


def test_more_parts_than_colours_are_summed() -> None:
    """Small parts beyond the colours are summed under one name, and nothing is lost."""
    values = np.arange(20.0, 0, -1).reshape(20, 1)
    stack = stack_figures.gathered(Stack(("#0",), tuple(f"p{i}" for i in range(20)), values, 1))
    assert len(stack.parts) == stack_figures.MAX_PARTS
    assert stack.parts[-1] == "9 smaller parts"
    assert stack.values.sum() == values.sum()


def test_shares_are_percent_with_units(front: Front) -> None:
    """Exit layers and voltages are stacked percentages, lowest first."""
    exits = stack_figures.exit_figure(exit_stack(front))
    assert [(bar.name, bar.y[0]) for bar in exits.data] == [("Layer 1", 25), ("Layer 2", 75)]
    voltages = stack_figures.voltage_figure(voltage_stack(front))
    assert [(bar.name, bar.y[0]) for bar in voltages.data] == [("0.50 V", 60), ("0.80 V", 40)]
    assert "(%)" in exits.layout.yaxis.title.text
    assert "(%)" in voltages.layout.yaxis.title.text


def test_one_design_has_a_front(make_front: MakeFront) -> None:
    """A single design is drawn in one colour inside a window around it."""
    figure = front_figures.front_figure(front_data(make_front(three_designs()[:1])))
    assert list(figure.data[1].x) == [40]
    assert figure.data[1].marker.showscale is False
    low, high = figure.layout.xaxis.range
    assert low < math.log10(40) < high


def test_a_menu_starts_a_figure_with_its_first_choice() -> None:
    """What the first choice sets is set in the figure, by dotted paths."""
    menu = Menu("Size", (0,), (Choice("large", {"marker.size": [9]}, {"xaxis.type": "log"}),))
    figure = go.Figure(go.Scatter(x=[1], y=[1]))
    menu.start(figure)
    assert figure.data[0].marker.size == 9
    assert figure.layout.xaxis.type == "log"


def test_a_menu_needs_choices_that_fit_its_traces() -> None:
    """An empty menu, or a choice with a value too few, is refused."""
    with pytest.raises(ValueError, match="Menu 'Size' is empty"):
        Menu("Size", (0,), ())
    with pytest.raises(ValueError, match=r"gives 'x' 1 values: expected one for each of the 2"):
        Menu("Size", (0, 1), (Choice("a", {"x": [1]}),))


@pytest.mark.parametrize(
    ("low", "high", "scale", "expected"),
    [
        (0.0, 10.0, "linear", (0, 2, 4, 6, 8, 10)),
        (70.2, 91.9, "linear", (75, 80, 85, 90)),
        (3.0, 150.0, "log10", (5, 10, 20, 50, 100)),
        (1.0, 1e6, "log10", (1, 100, 1e4, 1e6)),
        (1.0, 1.3, "log10", (1, 1.1, 1.2, 1.3)),
    ],
)
def test_ticks_are_round(low: float, high: float, scale: str, expected: tuple[float, ...]) -> None:
    """Ticks are round numbers inside the window, on short and long log axes too."""
    shown = Window(low, high, "log10" if scale == "log10" else "linear")
    assert round_ticks(shown) == pytest.approx(expected)


def test_a_window_has_a_length() -> None:
    """One value gets a window around it; a window without a length is refused."""
    assert window(5.0, 5.0, "linear").low < 5 < window(5.0, 5.0, "linear").high
    assert window(0.0, 0.0, "log10").scale == "linear"
    alone = window(40.0, 40.0, "log10")
    assert alone.low < 40 < alone.high
    with pytest.raises(ValueError, match=r"Axis from 2 to 1 \(linear\): expected low < high"):
        Window(2, 1, "linear")
