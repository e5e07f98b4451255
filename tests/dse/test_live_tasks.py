"""A live study of another task than SST-2, with the user's own checkpoint, from file to report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dse.cli import main
from dse.options import data_source
from dse.trace_sources import SourceOptions, make_source
from evaluators.tasks import WNLI, glue_task
from studies.recorded import RecordedTracesError
from studies.records import read_front
from studies.spec import spec_of
from tests.generated_glue import write_generated_task, write_tiny_checkpoint
from tests.small_study import changed, small_document, toml_text, write_small_traces


def live_document(task: str, checkpoint: Path, **changes: Any) -> dict[str, Any]:
    """A live study of a task: one checkpoint, two number formats, few exits and chips."""
    regression = glue_task(task).is_regression
    return changed(
        small_document(),
        {
            "title": f"A study of {task}",
            "constraints": [],
            "scenario.task": task,
            "scenario.deadline_ms": 5.0,
            "evaluator": {"kind": "live", "checkpoints": {"mine": str(checkpoint)}},
            "objectives.0.reference": -1.0,
            "search.trials": 2,
            "space.checkpoint": "mine",
            "space.encoder_storage": "sram",
            "space.embedding_storage": "sram",
            "space.exit_policy": ["none", "patience" if regression else "entropy"],
            "space.patience": 1,
            "space.patience_tolerance": 0.5,
            "space.entropy_threshold": [0.2, 0.5],
            "space.envm_mib": 0.0,
            "space.min_voltage_v": 0.5,
            "space.dvfs_policy": "fixed",
        }
        | changes,
    )


def run_study(task: str, glue_dir: str, folder: Path) -> Path:
    """The run folder of a study of that task with a tiny random checkpoint."""
    mine = write_tiny_checkpoint(folder / "mine", glue_task(task).n_outputs)
    study = folder / "study.toml"
    study.write_text(toml_text(live_document(task, mine)))
    out = folder / "run"
    arguments = ["run", str(study), "--data", glue_dir, "--workers", "1", "--out", str(out)]
    assert main(arguments) == 0
    return out


@pytest.mark.slow
def test_study_of_generated_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A study of WNLI ends with a front, its data described and its traces stored."""
    glue_dir = write_generated_task(tmp_path / "glue", WNLI)
    out = run_study("WNLI", str(glue_dir), tmp_path)
    front = read_front(out / "front.json")
    assert front.designs
    assert front.provenance["data"] == (
        "WNLI: 635 training rows, of which 127 to select on and 508 to train on; 71 dev rows to "
        "report."
    )
    assert list((out / "traces").glob("*.trace"))
    for design in front.designs:
        assert 0 < design.metrics["accuracy"].value < 1
        assert design.report_metrics == {}
    capsys.readouterr()
    assert main(["show", str(out)]) == 0
    assert " %, " in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "title", "unit", "further"),
    [
        ("MRPC", "F1", "%", ["accuracy"]),
        ("STS-B", "Pearson correlation", "points", ["spearman"]),
    ],
)
def test_study_of_real_rows(
    task: str,
    title: str,
    unit: str,
    further: list[str],
    glue_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Studies of MRPC and STS-B show the task's own metric, with its error, everywhere."""
    out = run_study(task, str(glue_dir), tmp_path)
    assert title in capsys.readouterr().out
    front = read_front(out / "front.json")
    for design in front.designs:
        assert (design.metrics["accuracy"].se or 0) > 0
        assert list(design.report_metrics) == further
    page = (out / "report.html").read_text()
    assert f"{title} ({unit})" in page
    assert f"{title}, report split ({unit})" in page
    assert f"{title} is on the select split" in page
    assert main(["show", str(out)]) == 0
    assert f" {unit}, " in capsys.readouterr().out
    assert main(["export", str(out), "--out", str(tmp_path / "chosen")]) == 0
    exported = json.loads((tmp_path / "chosen" / "design.json").read_text())
    assert list(exported["report_metrics"]) == further


def test_recorded_traces_of_another_task_are_refused(tmp_path: Path) -> None:
    """A study never takes traces of another task than its own."""
    write_small_traces(tmp_path)
    options = SourceOptions(glue_dir=None, cache=None, recorded=str(tmp_path))
    spec = spec_of(changed(small_document(), {"scenario.task": "RTE"}), "test")
    with pytest.raises(RecordedTracesError, match=r"are of SST-2, the study is of RTE: record"):
        make_source(spec, options)


def test_data_may_come_from_the_datasets_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--data`` is a folder or ``datasets:NAME``, and means the same in another folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    assert data_source(Path("glue")) == f"{tmp_path}/glue"
    assert data_source(Path("datasets:set")) == f"datasets:{tmp_path}/set"
    assert data_source(Path("datasets:someone/glue")) == "datasets:someone/glue"
