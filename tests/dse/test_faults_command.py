"""``dse faults``: what it prints, how it fails, and a study whose cells are misread."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dse.cli import main
from evaluators.tasks import WNLI
from evaluators.trace_cache import TraceCache
from studies.records import read_front
from tests.dse.test_live_tasks import live_document
from tests.generated_glue import write_generated_task, write_tiny_checkpoint
from tests.small_study import toml_text


@pytest.fixture(scope="module")
def glue_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A made-up WNLI."""
    return str(write_generated_task(tmp_path_factory.mktemp("glue"), WNLI))


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny random checkpoint."""
    return str(write_tiny_checkpoint(tmp_path_factory.mktemp("mine"), 2))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--cell", "mlc3"], "Cell 'mlc3': expected one of reram-slc, reram-mlc2, reram-mlc3, "),
        (["--mask-cell", "sram"], "Cell 'sram': expected one of reram-slc, "),
        (
            ["--cell", "pcm"],
            "--cell: Cell 'pcm': no error rate of it is published that this project knows. Give it",
        ),
        (["--error-rate", "0.9"], "--error-rate 0.9: Error rate 0.9 of a cell of 4 levels"),
        (["--mask-cell", "pcm"], "--mask-cell: Cell 'pcm': no error rate of it is published that "),
        (["--storage", "exits"], "--storage 'exits': expected one of all, embeddings, encoder"),
        (["--sentences", "0"], "--sentences 0: expected 1 or more."),
        (["--cell", "reram-mlc3", "--error-rate", "0.9"], "--error-rate 0.9: Error rate 0.9 of a"),
        (["--task", "SST"], "--task: "),
        (["--knob", "embedding_storage=sram"], "--knob 'embedding_storage=sram': expected NAME="),
        (["--knob", "encoder_sparsity=half"], "--knob 'encoder_sparsity=half': expected a number."),
        (["--knob", "encoder_sparsity=nan"], "--knob 'encoder_sparsity=nan': expected a number."),
        (["--knob", "encoder_sparsity=2"], "--knob: encoder_sparsity 2.0: expected a share"),
    ],
)
def test_failures(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be is told in one sentence, before anything is loaded."""
    capsys.readouterr()
    assert main(["faults", "minilm-exits", "--data", "nowhere", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith(f"dse: {told}")


def test_no_more_sentences_than_there_are(
    mine: str, glue_dir: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table never speaks of more sentences than were scored."""
    words = ["faults", mine, "--task", "WNLI", "--data", glue_dir, "--sentences", "128"]
    assert main(words) == 2
    assert capsys.readouterr().err == (
        "dse: --sentences 128: expected at most the 127 of WNLI's select split.\n"
    )


def test_data_are_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without sentences there is nothing to score."""
    monkeypatch.delenv("GLUE_DIR", raising=False)
    assert main(["faults", "minilm-exits"]) == 2
    assert "give its folder by --data or GLUE_DIR" in capsys.readouterr().err


@pytest.mark.slow
def test_report(mine: str, glue_dir: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every eNVM with a known rate; figures follow from the scores; the table says the same."""
    words = ["faults", mine, "--task", "WNLI", "--data", glue_dir, "--trials", "3"]
    words += ["--sentences", "40", "--knob", "encoder_sparsity=0.5"]
    assert main([*words, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    cells = {row["cell"]: row for row in document["cells"]}
    assert list(cells) == ["reram-slc", "reram-mlc2", "reram-mlc3", "stt-mram"]
    assert cells["reram-slc"]["scores"] == [document["faultless"]] * 3
    assert cells["reram-slc"]["misread_cells"] == 0
    worst = cells["reram-mlc3"]
    assert worst["misread_cells"] > 0
    assert worst["mean"] == pytest.approx(sum(worst["scores"]) / 3)
    assert worst["drop"] == pytest.approx(document["faultless"] - worst["mean"])
    assert worst["drop_se"] == pytest.approx(worst["deviation"] / 3**0.5)
    assert document["setting"]["encoder_sparsity"] == "0.5"
    assert main([*words, "--cell", "pcm", "--error-rate", "0.01", "--mask-cell", "reram-slc"]) == 0
    table = capsys.readouterr().out
    assert "Accuracy of the last exit on 40 drawn select sentences" in table
    assert [line.split()[:3] for line in table.splitlines() if line.startswith("pcm")] == [
        ["pcm", "reram-slc", "0.01"]
    ]


@pytest.mark.slow
def test_study_with_cells_that_are_misread(mine: str, glue_dir: str, tmp_path: Path) -> None:
    """A live study offers MLC3: its trace keeps five draws, whose spread is in the error."""
    changes = {"space.embedding_storage": ["reram-mlc2", "reram-mlc3"], "space.envm_mib": 1.0}
    study = tmp_path / "study.toml"
    study.write_text(toml_text(live_document("WNLI", Path(mine), **changes)))
    out = tmp_path / "run"
    arguments = ["run", str(study), "--data", glue_dir, "--workers", "1", "--out", str(out)]
    assert main(arguments) == 0
    front = read_front(out / "front.json")
    assert front.designs
    cache = TraceCache(out / "traces", None, lambda _: None)
    traces = [cache.trace(path.stem) for path in (out / "traces").glob("*.trace")]
    trials = [trace.faults for trace in traces if trace is not None]
    assert [len(found.scores) for found in trials if found is not None] in ([], [5], [5, 5])
    for design in front.designs:
        error, share = design.metrics["accuracy"].se, design.metrics["accuracy"].value
        assert error is not None
        assert error >= (share * (1 - share) / 126) ** 0.5 - 1e-12
