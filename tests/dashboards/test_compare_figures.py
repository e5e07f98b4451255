"""Figures that set designs side by side: bars by hand, from one total to the other."""

from __future__ import annotations

from typing import Any

import pytest

from dashboards.compare_figures import (
    MOST_BARS,
    ablation_figure,
    attainment_figure,
    roofline_figure,
    waterfall_figure,
)
from dashboards.compared_designs import difference_table
from dashboards.figure_data import front_data
from dashboards.pages.compare import unread_sentence
from dashboards.palette import CATEGORIES
from dashboards.run_views import RunViews
from hw_cost import ExplainedGemm
from search_space import parse_number_format
from studies.ablation import Step
from studies.records import Front
from tests.dashboards.fake_runs import FakeRun, made_up_snapshot, made_up_trials

NAMES = ("#12", "#3")


def test_waterfall_by_hand() -> None:
    """From 5 to 9 by +6, -3 and +1, the largest change first; blocks without change are left out.

    Names such as "#12" stay names: Plotly would take them for numbers.
    """
    first = {"mac": 2.0, "sram": 3.0, "ldo": 0.0, "idle": 0.0}
    second = {"mac": 8.0, "sram": 0.0, "ldo": 1.0, "idle": 0.0}
    figure = waterfall_figure(first, second, NAMES, "Energy", "uJ", "light")
    (bars,) = figure.data
    assert list(bars.y) == [5.0, 6.0, -3.0, 1.0, 9.0]
    assert list(bars.measure) == ["absolute", *["relative"] * 3, "total"]
    assert (bars.x[0], bars.x[-1]) == NAMES
    assert list(bars.text) == ["5", "+6", "-3", "+1", "9"]
    assert figure.layout.xaxis.type == "category"


def test_many_blocks_are_gathered() -> None:
    """Of ten blocks each has a bar; of twelve the three that change least share one."""
    for n, shown, gathered in ((10, 10, 0), (12, MOST_BARS, 1)):
        second = {f"part {k}": float(k + 1) for k in range(n)}
        (bars,) = waterfall_figure({}, second, NAMES, "Area", "mm²", "dark").data
        assert len(bars.x) == 2 + shown + gathered
        assert sum(list(bars.y)[1:-1]) == sum(second.values()) == bars.y[-1]
        if gathered:
            assert bars.x[-2] == "3 others"
            assert bars.y[-2] == 1 + 2 + 3


def test_ablation_by_hand() -> None:
    """Each step's value in people's unit with the accuracy beside it; a step up has its colour."""
    steps = [
        Step(knobs={}, metrics={"energy_pj": 4e6, "accuracy": 0.9}),
        Step(knobs={"mac_vector_size": 32}, metrics={"energy_pj": 3e6, "accuracy": 0.9}),
        Step(knobs={"span_budget_tokens": 128}, metrics={"energy_pj": 5e6, "accuracy": 0.95}),
    ]
    (bars,) = ablation_figure(steps, "energy_pj", "SST-2", "light").data
    assert list(bars.x)[::-1] == [4.0, 3.0, 5.0]
    assert list(bars.y)[::-1] == ["reference", "MAC vector size 32", "Span budget 128 tokens"]
    assert list(bars.text)[::-1] == ["4 µJ, 90.0 %", "3 µJ, 90.0 %", "5 µJ, 95.0 %"]
    assert list(bars.marker.color)[::-1] == [CATEGORIES[0], CATEGORIES[2], CATEGORIES[1]]


def test_roofline_by_hand() -> None:
    """Two GEMMs of 1-byte weights under roofs of 64 GMAC/s; each tick can be read as it stands."""
    wide = ExplainedGemm(
        step="layers 1-12", name="ffn", depth=100, columns=10, weight_reads=1, macs=64_000,
        utilisation=1.0, load_ns=500.0, time_ns=1_000.0, bound="compute",
    )  # fmt: skip
    narrow = ExplainedGemm(
        step="start", name="pooler", depth=100, columns=10, weight_reads=1, macs=1_000,
        utilisation=1 / 64, load_ns=500.0, time_ns=1_000.0, bound="memory",
    )  # fmt: skip
    weights = parse_number_format("adaptivfloat<8,3>")
    figure = roofline_figure({"#1": ((wide, narrow), weights)}, "light")
    roof, points = figure.data
    assert list(points.x) == [64.0, 1.0]
    assert list(points.y) == [64.0, 1.0]
    assert max(roof.y) == 64.0
    for axis in (figure.layout.xaxis, figure.layout.yaxis):
        assert [float(text) for text in axis.ticktext] == list(axis.tickvals)
        assert len(axis.tickvals) >= 3


@pytest.mark.parametrize(
    ("runs", "lines"),
    [
        (2, ["one run", "all runs"]),
        (3, ["one run", "more than half of the runs", "all runs"]),
    ],
)
def test_attainment_lines(front: Front, runs: int, lines: list[str]) -> None:
    """More than half of two runs are all: that line stands with three runs or more."""
    fronts = {f"seed {k}": front_data(front) for k in range(runs)}
    figure = attainment_figure(fronts, "energy_pj", "accuracy", "dark")
    assert [trace.name for trace in figure.data] == [f"reached by {line}" for line in lines]
    assert list(figure.data[0].x) == pytest.approx([4.0, 10.0, 40.0])
    assert list(figure.data[-1].y) == pytest.approx([80.0, 85.0, 90.0])


def test_runs_that_cannot_be_read_are_named() -> None:
    """A chosen run that is damaged is not left out without a word."""
    assert unread_sentence([]) == ""
    assert unread_sentence(["bad"]).startswith("Not shown, as it cannot be read: bad.")


def test_difference_by_hand(front: Front) -> None:
    """From 90 to 85 % is 5 points less, from 40 to 10 uJ 75 % less; a line for what differs."""
    views = RunViews([FakeRun("a", made_up_snapshot(front, made_up_trials(3)))])
    table: Any = difference_table(views, ["a #0", "a #1"])
    text = str(table.to_plotly_json())
    assert "#1 against #0" in text
    assert "−5 points" in text
    assert "−30 µJ (−75 %)" in text
