"""``dse thresholds``: what it prints, and how it fails."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.cli import main
from evaluators.drop_targets import drop_targets
from evaluators.traces import TRACE_VERSION
from search_space import ExitPolicy, model_knobs
from studies.recorded import KEY_NAMES, RecordedTraces, write_recorded
from studies.records import read_front
from tests.dse.commands import failure, finished_run, json_of
from tests.small_study import small_document, tiny_document

SMALL = ("thresholds", "own-layers")


@pytest.fixture(scope="module")
def finished(small_traces: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A nested run of the tiny study."""
    return str(finished_run(tiny_document(), tmp_path_factory.mktemp("finished"), small_traces))


def test_checkpoint(small_traces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every policy with every drop, of the checkpoint's first recorded setting."""
    report = json_of(capsys, *SMALL, "--traces", str(small_traces))
    recorded = RecordedTraces(small_traces)
    assert list(report["setting"].values()) == list(recorded.first_setting("own-layers"))
    assert report["n_exits"] == 6
    rows = [(row["policy"], row["most_lost"]) for row in report["targets"]]
    policies = [policy.value for policy in ExitPolicy if policy is not ExitPolicy.NONE]
    assert rows == [(policy, most) for policy in policies for most in (0.01, 0.02, 0.05)]
    space = small_document()["space"]
    flat = {**report["setting"], "embedding_storage": "sram", "encoder_storage": "sram"}
    assert flat["weight_format"] == space["weight_format"][0]
    trace = recorded.trace(model_knobs(flat))
    (target,) = drop_targets(trace, ExitPolicy.PATIENCE, (0.05,))
    assert target is not None
    row = report["targets"][-1]
    assert (row["knob"], row["threshold"]) == ("patience", target.knobs.patience)
    assert row["report"]["drop_se"] == target.report.drop_se


def test_another_setting(small_traces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A knob given on the command line chooses another recorded setting."""
    words = (*SMALL, "--traces", str(small_traces), "--knob", "weight_format=adaptivfloat<6,3>")
    report = json_of(capsys, *words, "--policy", "entropy", "--drop", "3")
    assert report["setting"]["weight_format"] == "adaptivfloat<6,3>"
    assert [row["policy"] for row in report["targets"]] == ["entropy"]
    assert report["targets"][0]["most_lost"] == pytest.approx(0.03)


def test_text(small_traces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table has a line for each policy and drop with its threshold as a rule."""
    words = [*SMALL, "--traces", str(small_traces), "--policy", "confidence", "--drop", "0.5,100"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("own-layers: span_budget_tokens 128, ")
    lines = [line for line in printed.splitlines() if "confidence ≥" in line]
    assert [line.split()[0] for line in lines] == ["0.5", "100"]
    assert "paired standard error" in printed


@pytest.fixture
def numbers(small_traces: Path, tmp_path: Path) -> Path:
    """One recorded setting, as if its sentences were of STS-B."""
    recorded = RecordedTraces(small_traces)
    flat: dict[str, Any] = dict(zip(KEY_NAMES, recorded.first_setting("own-layers"), strict=True))
    knobs = model_knobs({**flat, "embedding_storage": "sram", "encoder_storage": "sram"})
    trace = recorded.trace(knobs)
    of_pairs = dataclasses.replace(
        trace,
        task="STS-B",
        logits=trace.logits[:, :, 1:],
        labels=trace.labels + np.arange(len(trace.labels)) % 7 / 10,
    )
    write_recorded(
        tmp_path,
        {"own-layers": [(knobs, of_pairs)]},
        {"own-layers": recorded.shape("own-layers")},
        {"own-layers": "0" * 64},
        {"own-layers": 1.0},
        {
            "task": "STS-B",
            "data_sha256": "0" * 64,
            "trace_version": TRACE_VERSION,
            "machine": "made up",
            "versions": {},
        },
    )
    return tmp_path


def test_numbers(numbers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """STS-B has patience alone, by its own metric; the tolerance decides what agrees."""
    words = (*SMALL, "--traces", str(numbers), "--drop", "100")
    found_by = {}
    for tolerance in ("0.5", "0.01"):
        report = json_of(capsys, *words, "--tolerance", tolerance)
        assert report["task"] == "STS-B"
        assert [row["policy"] for row in report["targets"]] == ["patience"]
        found_by[tolerance] = report["targets"][0]["select"]["mean_exit_layer"]
    assert found_by["0.5"] < found_by["0.01"]
    assert main(list(words)) == 0
    printed = capsys.readouterr().out
    assert "Pearson correlation" in printed
    assert "Numbers agree if they differ by less than 0.5." in printed


def test_failures_of_numbers(
    numbers: Path, small_traces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Entropies of a number, a tolerance that cannot be and one for classes are refused."""
    words = (*SMALL, "--traces", str(numbers))
    told = failure(capsys, 2, *words, "--policy", "entropy")
    assert told.startswith("exit_policy 'entropy' needs class probabilities, and STS-B is a")
    assert "patience_tolerance 0.0: expected" in failure(capsys, 2, *words, "--tolerance", "0")
    told = failure(capsys, 2, *SMALL, "--traces", str(small_traces), "--tolerance", "1")
    assert "--tolerance 1.0: SST-2 has classes" in told


def test_run(finished: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a run it is the setting of a design of the front, with the run's own traces."""
    front = read_front(Path(finished, "front.json"))
    design = front.designs[-1]
    report = json_of(capsys, "thresholds", finished, "--id", str(design.id), "--policy", "patience")
    assert report["setting"] == {name: design.knobs[name] for name in report["setting"]}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["own-layer"], 5, "'own-layer' has no recorded traces, did you mean 'own-layers'?"),
        (["runs/none"], 4, "runs/none: not a run folder"),
        (["own-layers", "--policy", "entropi"], 2, "--policy 'entropi': expected one of entropy"),
        (["own-layers", "--policy", "none"], 2, "--policy 'none': expected one of entropy"),
        (["own-layers", "--drop", "1,x"], 2, "--drop '1,x': expected points of accuracy"),
        (["own-layers", "--drop", "-1"], 2, "--drop '-1': expected points of accuracy, 0 to 100"),
        (["own-layers", "--knob", "span=3"], 2, "--knob 'span=3': expected NAME=VALUE"),
        (
            ["own-layers", "--knob", "encoder_sparsity=a"],
            2,
            "--knob 'encoder_sparsity=a': expected a number.",
        ),
        (["own-layers", "--knob", "encoder_sparsity=2"], 2, "encoder_sparsity 2.0: expected"),
        (["own-layers", "--knob", "span_budget_tokens=17"], 5, "No trace is recorded for"),
        (["own-layers", "--id", "3"], 2, "--id 3: 'own-layers' is no run folder."),
    ],
)
def test_failures(
    words: list[str],
    code: int,
    told: str,
    small_traces: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What cannot be is told in one sentence with its exit code."""
    message = failure(capsys, code, "thresholds", *words, "--traces", str(small_traces))
    assert told in message


def test_failures_of_a_run(finished: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A run needs the id of a design that it has, and neither knobs nor traces."""
    assert "say which one by --id" in failure(capsys, 2, "thresholds", finished)
    assert "--id 999: " in failure(capsys, 3, "thresholds", finished, "--id", "999")
    told = failure(capsys, 2, "thresholds", finished, "--id", "0", "--knob", "x=1")
    assert "is a run folder: --knob and --traces need a checkpoint" in told
