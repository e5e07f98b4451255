"""Studies of several tasks: from the file to front, table, report and export of one task."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from dse.cli import main
from dse.evaluation import Evaluation
from dse.selection import select
from dse.trace_sources import TaskSources
from evaluators.tasks import glue_task
from search_space import KNOBS, design_point
from studies.fronts import non_dominated, rounded
from studies.objectives import within
from studies.recorded import RecordedTraces
from studies.records import read_front
from studies.scoring import score_one
from studies.spec import StudyFileError, spec_of
from tests.dse.commands import failure, finished_run, json_of, text_of
from tests.dse.test_live_tasks import live_document
from tests.generated_glue import write_generated_task, write_tiny_checkpoint
from tests.small_study import Document, changed, tiny_document, toml_text, write_small_traces

TASKS = ["SST-2", "RTE"]


def document_of_two() -> Document:
    """The tiny study on two tasks: the accuracy of each, energy, p99 latency, area and misses."""
    axes = {"axis": "log10", "ideal": 1e4, "reference": 1e9}
    return changed(
        tiny_document(),
        {
            "scenario.task": TASKS,
            "constraints": ["deadline_miss_rate <= 0.4", "accuracy[RTE] >= 0.5"],
            "search.trials": 8,
            "search.sampler": {"name": "listed"},
            "objectives": [
                {"metric": "accuracy[SST-2]", "ideal": 1.0, "reference": 0.4},
                {"metric": "accuracy[RTE]", "ideal": 1.0, "reference": 0.4},
                {"metric": "energy_pj", **axes},
                {"metric": "latency_p99_ns", "axis": "log10", "ideal": 1e4, "reference": 1e8},
                {"metric": "area_mm2", "axis": "log10", "ideal": 0.01, "reference": 100.0},
                {"metric": "storage_bits", "axis": "log10", "ideal": 1e4, "reference": 1e8},
                {"metric": "deadline_miss_rate", "ideal": 0.0, "reference": 1.0},
            ],
        },
    )


@pytest.fixture(scope="module")
def traces_of_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up traces of both tasks, each in its folder."""
    folder = tmp_path_factory.mktemp("two")
    for number, task in enumerate(TASKS):
        write_small_traces(folder / task, task, seed=100 * number)
    return folder


@pytest.fixture(scope="module")
def run_of_two(traces_of_two: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished nested run on both tasks."""
    return finished_run(document_of_two(), tmp_path_factory.mktemp("run"), traces_of_two)


def test_front_is_that_of_every_design(run_of_two: Path, traces_of_two: Path) -> None:
    """All settings tried: the front's values are those of brute force over every design."""
    spec = spec_of(document_of_two(), "test")
    sources = {t: RecordedTraces(traces_of_two / t) for t in TASKS}
    evaluation = Evaluation(spec, TaskSources(sources))
    names = [o.metric for o in spec.objectives]
    rows = []
    for flat in spec.search_space().points(KNOBS):
        point = design_point(flat)
        scores = score_one(
            evaluation.asked_scorer, evaluation.setting(flat), point.exits, point.hardware
        )
        if scores.feasible[0] and within(scores.values, spec.constraints)[0, 0]:
            rows.append([scores.values[name][0, 0] for name in names])
    values = np.array(rows)
    expected = values[non_dominated(rounded(values), spec.objectives)]
    front = read_front(run_of_two / "front.json")
    found = np.array([[d.metrics[name].value for name in names] for d in front.designs])
    assert front.counts["complete"] + front.counts["infeasible"] >= 8
    np.testing.assert_allclose(
        np.unique(found, axis=0), np.unique(expected, axis=0), rtol=1e-9, atol=1e-12
    )


def test_record_has_every_task(run_of_two: Path) -> None:
    """Designs have the score on each task and their mean, on both splits, and a membership."""
    front = read_front(run_of_two / "front.json")
    assert set(front.provenance["tasks"]) == set(TASKS)
    for design in front.designs:
        each = [design.metrics[f"accuracy[{task}]"].value for task in TASKS]
        assert design.metrics["accuracy"].value == pytest.approx(sum(each) / 2)
        assert set(design.report_metrics) >= {f"accuracy[{task}]" for task in TASKS}
        assert design.membership is not None
    (manifest,) = run_of_two.glob("manifest.json")
    inputs = json.loads(manifest.read_text())["inputs"]
    assert {name for name in inputs if name.startswith("data set")} == {
        "data set of SST-2",
        "data set of RTE",
    }


def test_commands_show_it(run_of_two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The front, a choice by one task's accuracy, uncertainty and the report work as for one."""
    table = text_of(capsys, "pareto", str(run_of_two))
    assert "Accuracy, RTE" in table
    assert "Mean score" in table or "points" in table
    where = ["--where", "accuracy[SST-2] > 0.5", "--rows", "0"]
    shown = json_of(capsys, "pareto", str(run_of_two), *where)
    front = read_front(run_of_two / "front.json")
    kept = [d for d in front.designs if d.metrics["accuracy[SST-2]"].value > 0.5]
    best = max(d.metrics["accuracy[RTE]"].value for d in kept)
    assert {design["id"] for design in shown} == {design.id for design in kept}
    chosen, _ = select(front, "max accuracy[RTE] where accuracy[SST-2]>0.5")
    assert chosen.metrics["accuracy[RTE]"].value == best
    assert main(["report", str(run_of_two)]) == 0
    assert main(["doctor", str(run_of_two)]) in (0, 1)


@pytest.mark.parametrize("task", [None, *TASKS])
def test_export_is_of_one_task(
    task: str | None, run_of_two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An export has the figures of one task, and they are verified."""
    words = ["--task", task] if task else []
    out = tmp_path / "export"
    text_of(capsys, "export", str(run_of_two), "--select", "knee", "--out", str(out), *words)
    document = json.loads((out / "design.json").read_text())
    assert document["scenario"]["task"] == (task or "SST-2")
    front = read_front(run_of_two / "front.json")
    design = front.design(document["provenance"]["design_id"])
    name = f"accuracy[{task or 'SST-2'}]"
    assert document["metrics"]["accuracy"]["value"] == design.metrics[name].value
    assert main(["verify", str(out)]) == 0


def test_export_of_a_task_that_is_not_in_it(
    run_of_two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another task is a fault of the command line."""
    words = ["export", str(run_of_two), "--out", str(tmp_path / "x"), "--task", "CoLA"]
    assert "--task 'CoLA': expected one of the study's, SST-2, RTE" in failure(capsys, 2, *words)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"scenario.task": ["SST-2"]}, "expected two or more different ones"),
        ({"scenario.task": ["SST-2", "SST-2"]}, "expected two or more different ones"),
        ({"objectives.0.metric": "accuracy[CoLA]"}, "of a task that the study has not"),
        ({"scenario.task": "SST-2"}, "names a task, and the study has but one"),
        ({"search.racing": {}}, "search.racing is of studies of one task"),
        (
            {"evaluator.checkpoints": {"one-layer": "x"}},
            "expected a table with one for each of SST-2, RTE",
        ),
        (
            {"evaluator.checkpoints": {"one-layer": {"RTE": "x"}}},
            "'one-layer' has no folder for the task SST-2",
        ),
        (
            {"scenario.task": ["SST-2", "STS-B"], "objectives.1.metric": "accuracy[STS-B]"},
            "STS-B",
        ),
    ],
)
def test_what_cannot_be_is_told(changes: Document, told: str) -> None:
    """Tasks, metrics, checkpoints and racing that do not go together: a sentence on which."""
    with pytest.raises(StudyFileError) as caught:
        spec_of(changed(document_of_two(), changes), "test")
    assert told in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_traces_of_one_task_missing(
    traces_of_two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a folder of one task's traces the run says which file it looked for."""
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "SST-2").symlink_to(traces_of_two / "SST-2")
    study = tmp_path / "study.toml"
    study.write_text(toml_text(document_of_two()))
    words = ["run", str(study), "--traces", str(tmp_path / "half"), "--out", str(tmp_path / "run")]
    told = failure(capsys, 5, *words)
    assert "half/RTE/manifest.json: no such file" in told


@pytest.mark.slow
def test_recorded_equals_live(tmp_path: Path) -> None:
    """Two tasks recorded by one command, each with its checkpoint, score as they do live."""
    places = {}
    for task in TASKS:
        write_generated_task(tmp_path / "glue", glue_task(task))
        places[task] = str(
            write_tiny_checkpoint(tmp_path / f"mine-{task}", glue_task(task).n_outputs)
        )
    document = live_document(
        "SST-2",
        tmp_path,
        **{"scenario.task": TASKS, "evaluator.checkpoints": {"mine": places}},
    )
    study = tmp_path / "study.toml"
    study.write_text(toml_text(document))
    data = ["--data", str(tmp_path / "glue")]
    record = ["record", str(study), "--out", str(tmp_path / "traces"), "--workers", "1"]
    assert main([*record, *data, "--work", str(tmp_path / "work")]) == 0
    live, recorded = tmp_path / "live", tmp_path / "recorded"
    assert main(["run", str(study), *data, "--workers", "1", "--out", str(live)]) == 0
    words = ["--evaluator", "recorded", "--traces", str(tmp_path / "traces")]
    assert main(["run", str(study), *words, "--workers", "1", "--out", str(recorded)]) == 0
    fronts = [read_front(folder / "front.json").designs for folder in (live, recorded)]
    for one, other in itertools.zip_longest(*fronts):
        assert one.metrics == other.metrics
        assert one.report_metrics == other.report_metrics


def test_joint_search(traces_of_two: Path, tmp_path: Path) -> None:
    """A joint study scores designs one by one on both tasks."""
    document = changed(
        document_of_two(),
        {"search.strategy": "joint", "search.sampler": {"name": "random"}, "search.trials": 20},
    )
    out = finished_run(document, tmp_path, traces_of_two)
    front = read_front(out / "front.json")
    assert front.counts["trials"] == 20
    evaluation = Evaluation(
        spec_of(document, "test"),
        TaskSources({t: RecordedTraces(traces_of_two / t) for t in TASKS}),
    )
    for design in front.designs:
        outcome = evaluation.evaluate_design(design.knobs)
        for objective in front.objectives:
            assert outcome.metrics[objective.metric] == design.metrics[objective.metric].value
