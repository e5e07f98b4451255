"""Figures of a front for one who looks around in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboards.design_table import design_columns, design_grid, table_csv
from dashboards.figure_data import FrontData, front_data
from dashboards.front_columns import Column, KnobColumn
from dashboards.front_figures import parallel_figure
from dashboards.front_views import FrontChoice, Marked, front_view
from dashboards.parallel_view import parallel_lines
from dashboards.recommended import neighbour_sentence, recommended_designs
from studies.records import Front
from tests.dashboards.conftest import MakeFront, design, record_of, three_designs

CHOICE = FrontChoice(x="energy_pj", y="accuracy")
LITTLE_FRONT = record_of(three_designs())


def test_all_designs_are_in_the_figure(front: Front) -> None:
    """Each design is a point at its values in people's units, with its id to select it by."""
    figure = front_view(front_data(front), front, CHOICE)
    trace = next(t for t in figure.data if t.name == "front")
    assert list(trace.customdata) == [0, 1, 2]
    assert list(trace.x) == [40.0, 10.0, 4.0]
    assert list(trace.y) == [90.0, 85.0, 80.0]
    assert list(trace.error_y.array) == pytest.approx([0.95, 1.1, 1.26])
    assert "µJ" in figure.layout.xaxis.title.text
    assert "%" in figure.layout.yaxis.title.text


@given(
    n=st.one_of(st.integers(1, 40), st.sampled_from([1_500, 1_501, 2_000, 2_001, 7_000])),
    z=st.sampled_from(["", "area_mm2"]),
    colour=st.integers(0, 5),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=30, deadline=None)
def test_no_design_of_the_front_is_ever_dropped(n: int, z: str, colour: int, seed: int) -> None:
    """However large a front is, every design is a point of the figure, a line and a row."""
    data = made_up_data(n, np.random.default_rng(seed))
    choice = FrontChoice(x="energy_pj", y="accuracy", z=z, colour=colour)
    figure = front_view(data, LITTLE_FRONT, choice)
    trace = next(t for t in figure.data if t.name == "front")
    assert list(trace.customdata) == list(range(n))
    for axis, name in zip("xyz", ("energy_pj", "accuracy", z), strict=True):
        if name:
            np.testing.assert_allclose(trace[axis], data.metric(name).values, rtol=1e-6)
    (lines,) = parallel_figure(data).data
    assert [len(axis.values) for axis in lines.dimensions] == [n] * len(lines.dimensions)
    assert [row["id"] for row in design_grid(data, "grid").rowData] == list(range(n))


def made_up_data(n: int, rng: np.random.Generator) -> FrontData:
    """Columns of n designs with random figures and one knob of eight levels."""

    def column(name: str, **own: Any) -> Column:
        like = front_data(LITTLE_FRONT).metric(name)
        return replace(like, values=rng.random(n) + 1, errors=rng.random(n), **own)

    levels = tuple(2.0**i for i in range(8))
    codes = rng.integers(0, 8, n).astype(np.intp)
    metrics = [column(name) for name in ("accuracy", "energy_pj", "area_mm2")]
    return replace(
        front_data(LITTLE_FRONT),
        n_front=n,
        ids=np.arange(n, dtype=np.intp),
        trials=np.arange(n, dtype=np.intp),
        membership=np.full(n, np.nan),
        knobs=(KnobColumn("mac_vector_size", "MACs", levels, codes),),
        metrics=tuple(metrics),
        report=column("accuracy"),
        further=(),
    )


def test_many_designs_tell_of_themselves_by_their_values(front: Front) -> None:
    """A crowd has no whole cards, which would be most of the figure's size."""
    rng = np.random.default_rng(0)
    few = front_view(made_up_data(1_500, rng), front, CHOICE).data[2]
    many = front_view(made_up_data(1_501, rng), front, CHOICE).data[2]
    assert (few.type, many.type) == ("scatter", "scattergl")
    assert few.text is not None
    assert many.text is None
    assert few.error_y.visible
    assert many.error_y.visible is None
    assert "Design #%{customdata}" in many.hovertemplate
    assert "µJ" in many.hovertemplate


def test_front_line_joins_the_best_of_two(make_front: MakeFront) -> None:
    """A design that another one beats in both metrics shown is not on the line."""
    worse = design(3, metrics={"accuracy": (0.7, 0.01), "energy_pj": (20e6, 1e5)})
    front = make_front([*three_designs(), worse])
    figure = front_view(front_data(front), front, CHOICE)
    line = next(t for t in figure.data if t.mode == "lines")
    assert list(line.x) == [4.0, 10.0, 40.0]


def test_constraint_is_shaded(make_front: MakeFront) -> None:
    """What a constraint rules out is shaded to the end of the axis, in the axis's unit."""
    front = make_front(three_designs(), constraints=["energy_pj <= 20000000"])
    shapes = front_view(front_data(front), front, CHOICE).layout.shapes
    assert [(shape.x0, shape.type) for shape in shapes] == [(pytest.approx(20.0), "rect")]


def test_three_axes_and_a_marked_point(front: Front) -> None:
    """A third metric makes a figure in three dimensions; the marked point is in it."""
    marked = Marked("published", {"energy_pj": 30.0, "accuracy": 88.0, "area_mm2": 2.0})
    chosen = FrontChoice(x="energy_pj", y="accuracy", z="area_mm2", theme="dark")
    figure = front_view(front_data(front), front, chosen, marked)
    assert {trace.type for trace in figure.data} == {"scatter3d"}
    assert [list(t.z) for t in figure.data if t.name == "published"] == [[2.0]]


def test_better_is_down_on_every_objective(front: Front) -> None:
    """On the axis of each objective its best design is at 0 and its worst at 1."""
    data = front_data(front)
    figure = parallel_lines(data, "light")
    heights: dict[int, list[float]] = {}
    n_axes = len(data.knobs) + 2
    for trace in figure.data:
        rows = np.array(trace.y, dtype=float).reshape(-1, n_axes + 1)
        for number, row in zip(trace.customdata[:: n_axes + 1], rows, strict=True):
            heights[number] = row[len(data.knobs) : n_axes].tolist()
    assert heights[0] == pytest.approx([0.0, 1.0])
    assert heights[2] == pytest.approx([1.0, 0.0])


def test_ends_of_an_axis_are_told_apart(make_front: MakeFront) -> None:
    """Number formats that are cut keep their widths, and no title loses its unit."""
    formats = ("adaptivfloat<8,3>", "adaptivfloat<5,3>")
    front = make_front([design(i, weight_format=name) for i, name in enumerate(formats)])
    figure = parallel_lines(front_data(front), "light")
    texts = [each.text for each in figure.layout.annotations]
    assert {"af&lt;8,3&gt;", "af&lt;5,3&gt;"} <= set(texts)
    assert "Energy<br>per<br>sentence<br>(µJ)" in figure.layout.xaxis.ticktext


def test_markup_in_a_record_stays_text(make_front: MakeFront) -> None:
    """A knob that is named like markup reaches no figure unescaped."""
    front = make_front([design(0), design(1, checkpoint="<img src=x onerror=alert(1)>")])
    data = front_data(front)
    for figure in (front_view(data, front, CHOICE), parallel_lines(data, "light")):
        assert "<img" not in figure.to_json().replace("\\u003c", "<")


class TestRecommended:
    """The designs that are worth a look."""

    def test_each_design_once(self, front: Front) -> None:
        """Knee and best of each objective, with all titles of a design together."""
        found = recommended_designs(front)
        assert [each.design.id for each in found] == [1, 0, 2]
        assert [each.title for each in found] == [
            "Best compromise (knee)",
            "Highest accuracy",
            "Lowest energy per sentence",
        ]

    def test_reason_by_hand(self, front: Front) -> None:
        """Design 0 needs four times the energy of its neighbour 1 for five points more."""
        text = neighbour_sentence(front, front.design(0))
        assert text == (
            "4× the energy per sentence for +5 points of accuracy, against its neighbour #1."
        )

    def test_one_design(self, make_front: MakeFront) -> None:
        """A single design has no neighbour."""
        front = make_front([design(0)])
        assert neighbour_sentence(front, front.design(0)) == "The only point of the front."


class TestTable:
    """The grid's rows."""

    def test_numbers_sort_as_numbers(self, front: Front) -> None:
        """Cells hold values; what is shown beside them has the error."""
        columns, rows = design_columns(front_data(front))
        assert rows[0]["m_accuracy"] == 90.0
        assert rows[0]["m_accuracy_text"] == "90.00 ± 0.95"
        assert all(column["field"] in rows[0] for column in columns)

    def test_csv_of_a_selection(self, make_front: MakeFront) -> None:
        """The file has the selected designs alone, and no cell that a spreadsheet would run."""
        front = make_front([*three_designs()[:2], design(2, checkpoint="=1+1")])
        lines = table_csv(front_data(front), [2]).splitlines()
        assert len(lines) == 2
        assert lines[1].startswith("2,")
        assert "'=1+1" in lines[1]
        assert len(table_csv(front_data(front), []).splitlines()) == 4
