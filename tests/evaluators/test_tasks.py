"""The registry of GLUE tasks against what is published, and against the real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.task_metrics import TASK_METRICS
from evaluators.tasks import TASKS, GlueTask, UnknownTaskError, glue_task


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_task_is_consistent(task: GlueTask) -> None:
    """Columns are in the files, each class has a spelling, and every metric is known."""
    for file in (task.train, task.report, task.mismatched):
        if file is not None:
            assert {*task.texts, task.label} <= set(file.columns)
            assert len(set(file.columns)) == len(file.columns)
    assert len(task.classes) == len(task.spellings) == (0 if task.is_regression else task.n_outputs)
    assert len(task.texts) == len(task.dataset_texts)
    assert set(task.metrics) <= set(TASK_METRICS)


def test_outputs_and_metrics() -> None:
    """Nine tasks: one regression, one with three classes, seven with two; and their metrics."""
    assert list(TASKS) == ["CoLA", "SST-2", "MRPC", "STS-B", "QQP", "MNLI", "QNLI", "RTE", "WNLI"]
    assert [task.n_outputs for task in TASKS.values()] == [2, 2, 2, 1, 2, 3, 2, 2, 2]
    assert {
        task.name: task.metrics for task in TASKS.values() if task.metrics != ("accuracy",)
    } == {
        "CoLA": ("matthews",),
        "MRPC": ("f1", "accuracy"),
        "STS-B": ("pearson", "spearman"),
        "QQP": ("f1", "accuracy"),
    }


def test_unknown_task_has_a_near_name() -> None:
    """A name that is no task is refused with the nearest one."""
    assert glue_task("RTE").name == "RTE"
    with pytest.raises(UnknownTaskError, match=r"'SST2' .* did you mean 'SST-2'\?"):
        glue_task("SST2")


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_real_files_have_that_layout(task: GlueTask, glue_dir: Path) -> None:
    """Header, columns and rows of the official dev sets are those of the registry."""
    for file in (task.report, task.mismatched):
        if file is None:
            continue
        lines = (glue_dir / task.name / file.name).read_text(encoding="utf-8").split("\n")[:-1]
        header = lines.pop(0).split("\t") if task.has_header else list(file.columns)
        assert header == list(file.columns)
        assert len(lines) == file.rows
        assert {line.count("\t") for line in lines} == {len(file.columns) - 1}
