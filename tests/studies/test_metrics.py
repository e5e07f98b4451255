"""The catalogue of metrics, and its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from evaluators.tasks import TASKS
from studies.metrics import METRICS, Metric, metric_of
from studies.spec_tables import ScenarioTable


def test_the_page_lists_every_metric_with_its_direction(repository: Path) -> None:
    """Names and better directions in docs/study-files.md are those of the catalogue."""
    page = (repository / "docs" / "study-files.md").read_text(encoding="utf-8")
    section = page.partition("## Metrics")[2].partition("\n## ")[0]
    listed: dict[str, str] = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0].startswith("`"):
            better = {"more": "maximize", "less": "minimize"}[cells[2]]
            listed |= dict.fromkeys(re.findall(r"`(\w+)`", cells[0]), better)
    assert listed == {name: metric.direction for name, metric in METRICS.items()}


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_metric_can_be_told_from_the_others(metric: Metric) -> None:
    """Each metric has a title of its own, a unit, and the scale that its suffix asks for."""
    assert [m.name for m in METRICS.values() if m.title == metric.title] == [metric.name]
    scales = {
        ("pj", "µJ"): 1e-6,
        ("pj", "mJ"): 1e-9,
        ("ns", "ms"): 1e-6,
        ("mw", "mW"): 1.0,
        ("mm2", "mm²"): 1.0,
        ("bits", "Mbit"): 1e-6,
        ("s", "sentences/s"): 1.0,
    }
    suffix = metric.name.rpartition("_")[2]
    assert metric.scale == (100.0 if metric.unit == "%" else scales[suffix, metric.unit])


def test_accuracy_is_titled_by_the_task() -> None:
    """In a study of a task ``accuracy`` has the name and unit of its primary metric."""
    titles = {task: metric_of("accuracy", task).title for task in TASKS}
    assert titles == dict.fromkeys(TASKS, "Accuracy") | {
        "CoLA": "Matthews correlation",
        "MRPC": "F1",
        "QQP": "F1",
        "STS-B": "Pearson correlation",
    }
    assert metric_of("accuracy", "SST-2") == METRICS["accuracy"] == metric_of("accuracy", None)
    assert metric_of("accuracy", "CoLA").scale == 100.0
    assert metric_of("area_mm2", "CoLA") == METRICS["area_mm2"]


def test_study_files_know_every_task(repository: Path) -> None:
    """The tasks of a scenario are those of the registry, and each has its line in docs/tasks.md."""
    task = ScenarioTable.model_json_schema()["properties"]["task"]
    one, several = task["anyOf"]
    assert sorted(one["enum"]) == sorted(several["items"]["enum"]) == sorted(TASKS)
    page = (repository / "docs" / "tasks.md").read_text(encoding="utf-8")
    for name, known in TASKS.items():
        (line,) = re.findall(rf"^\| `{name}` \|.*$", page, re.M)
        assert f"{known.train.rows:,}" in line
        assert f"{known.report.rows:,}" in line
        assert f"| {known.n_outputs} " in line
