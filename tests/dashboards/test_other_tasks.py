"""Figures and tables of other tasks than SST-2: the metric has its own name everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboards.figure_data import front_data, hover_texts
from dashboards.front_picture import front_svg
from dashboards.front_table import table_html
from dashboards.report import write_report
from dashboards.run_card import found_sentence, honest_note
from dashboards.titles import FigureError
from studies.records import Front
from tests.dashboards.conftest import MakeFront, three_designs

SCENARIO = {"padded_tokens": None, "deadline_ms": 5.0}


def front_of(make_front: MakeFront, task: str, *further: str) -> Front:
    """The front of three designs on another task, with further metrics on the report split."""
    designs = [
        design | {"report_metrics": {name: {"value": 0.7, "se": 0.02} for name in further}}
        for design in three_designs()
    ]
    return make_front(designs, scenario={"task": task, **SCENARIO})


@pytest.mark.parametrize(
    ("task", "label"),
    [
        ("CoLA", "Matthews correlation (points)"),
        ("MRPC", "F1 (%)"),
        ("STS-B", "Pearson correlation (points)"),
        ("MNLI", "Accuracy (%)"),
    ],
)
def test_axis_and_table_have_the_metrics_name(task: str, label: str, make_front: MakeFront) -> None:
    """The column called accuracy is titled by the task's primary metric, in hundredths."""
    front = front_of(make_front, task)
    title, _, unit = label.partition(" (")
    assert front_data(front).metric("accuracy").label == front_data(front).report.label == label
    assert f"{label}, ± standard error" in front_svg(front)
    table = table_html(front_data(front))
    assert f"{title}, select split ({unit}" in table
    assert f"{title}, report split ({unit}" in table


def test_sentences_have_the_metrics_name(make_front: MakeFront, tmp_path: Path) -> None:
    """Names of people keep their capital inside a sentence, other titles do not."""
    front = front_of(make_front, "STS-B", "spearman")
    assert found_sentence(front).startswith("3 designs are on the front: Pearson correlation ")
    assert honest_note(front).startswith("Pearson correlation is on the select split, ")
    write_report(front, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "On the report split, Pearson correlation is 1.00 points lower" in page
    assert "<h2>Select against report Pearson correlation</h2>" in page
    assert "ccuracy" not in "".join(page.rpartition("<main>")[2].partition("<script")[0])


def test_further_metrics_stand_beside_the_primary_one(make_front: MakeFront) -> None:
    """Spearman's correlation, or MNLI's mismatched accuracy, has a column and a line of a card."""
    for task, name, label in (
        ("STS-B", "spearman", "Spearman correlation, report split (points)"),
        ("MNLI", "accuracy_mismatched", "Accuracy, mismatched, report split (%)"),
    ):
        data = front_data(front_of(make_front, task, name))
        assert data.further[0].values.tolist() == [70.0] * 3
        assert label in table_html(data)
        assert any(text.startswith("70.0 ± 2.0") for _, text in hover_texts(data)[0])


def test_unknown_further_metric_is_refused(make_front: MakeFront) -> None:
    """A metric of the report split that no task has is named."""
    with pytest.raises(FigureError, match="Report metric 'bleu' has no title"):
        front_data(front_of(make_front, "MRPC", "bleu"))
