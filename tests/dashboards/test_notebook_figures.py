"""Figures for notebooks: from a record to a figure in one call."""

from __future__ import annotations

import re
from pathlib import Path

import plotly.graph_objects as go
import pytest

from dashboards import figures
from dashboards.titles import FigureError
from studies.records import Front
from tests.dashboards.conftest import MakeFront, three_designs

DOCS = Path(__file__).parents[2] / "docs" / "dashboards.md"
ALL = (
    figures.front_figure,
    figures.parallel_figure,
    figures.survival_figure,
    figures.breakdown_figure,
    figures.exit_figure,
    figures.voltage_figure,
)


def test_example_of_the_docs(
    front: Front,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The example runs as it stands, and shows every design over three metrics."""
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    run = tmp_path / "runs" / "edgebert-sst2-001"
    run.mkdir(parents=True)
    (run / "front.json").write_text(front.model_dump_json())
    shown: list[go.Figure] = []
    monkeypatch.setattr(go.Figure, "show", lambda figure: shown.append(figure))
    monkeypatch.chdir(tmp_path)
    exec(compile(example, str(DOCS), "exec"), {})
    (figure,) = shown
    trace = next(t for t in figure.data if t.name == "front")
    assert (trace.type, list(trace.z)) == ("scatter3d", [1.5, 1.5, 1.5])
    assert capsys.readouterr().out.startswith("Energy per sentence (µJ) 4.0 ")


def test_every_design_is_in_every_figure(front: Front) -> None:
    """Each figure has something of all designs, in either theme."""
    for draw in ALL:
        for theme in ("light", "dark"):
            figure = draw(front, theme=theme)
            assert figure.data
            assert figure.layout.font.color in ("#1c2530", "#d9dee4")
    assert figures.parallel_figure(front, most=2).data[0].type == "parcoords"
    assert [len(bar.x) for bar in figures.exit_figure(front).data] == [3, 3]


def test_history_needs_one(make_front: MakeFront) -> None:
    """Hypervolume over the search; a sentence where there was none."""
    assert len(figures.history_figure(make_front(three_designs())).data) == 2
    with pytest.raises(FigureError, match="no history"):
        figures.history_figure(make_front([], history=[]))


@pytest.mark.parametrize("draw", ALL)
def test_an_empty_front_is_a_sentence(make_front: MakeFront, draw: object) -> None:
    """A front without designs is refused in words."""
    assert callable(draw)
    with pytest.raises(FigureError, match="no designs"):
        draw(make_front([], hypervolume=0.0))
