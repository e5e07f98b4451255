"""`dse record`: what it is asked wrongly, and its notes of time, which a kill may cut off."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from dse.cli import main
from dse.errors import UsageError
from dse.folder_locks import held_alone
from dse.recording import _kept_seconds, grid_of, record_tasks, union_of
from studies.presets import load_study
from studies.spec import StudySpec
from studies.whole_files import UnwritableError


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--checkpoint", "albert-mino"], "did you mean 'albert-mini'?"),
        (["--workers", "0"], "greater than or equal to 1"),
    ],
)
def test_wrong_asks_measure_nothing(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint that the study has not, and no process at all, are told before any work."""
    out, work = tmp_path / "out", tmp_path / "work"
    where = ["--data", str(tmp_path), "--out", str(out), "--work", str(work)]
    assert main(["record", "edgebert-sst2", *where, *words]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert not out.exists()
    assert not work.exists()


@pytest.mark.parametrize("content", ["", '{"a": 1.5', "[]", '{"a": "long"}'])
def test_damaged_notes_of_time_lose_no_trace(content: str, tmp_path: Path) -> None:
    """Seconds that cannot be read are told and counted anew; recording goes on."""
    path, shown = tmp_path / "seconds.json", io.StringIO()
    assert _kept_seconds(path, Console(file=shown)) == {}
    assert shown.getvalue() == ""
    path.write_text(content)
    assert _kept_seconds(path, Console(file=shown, width=500)) == {}
    assert "seconds.json: damaged (" in shown.getvalue()


def test_notes_of_time_come_back(tmp_path: Path) -> None:
    """What was kept is read back, by hash also where it was kept by path."""
    path = tmp_path / "seconds.json"
    path.write_text(json.dumps({"a": 1.5}))
    assert _kept_seconds(path, Console(file=io.StringIO())) == {"a": 1.5}
    path.write_text(json.dumps({"work/b.npz": 2}))
    assert _kept_seconds(path, Console(file=io.StringIO())) == {"b": 2.0}


def changed(spec: StudySpec, **space: object) -> StudySpec:
    """The study with other values of some knobs and no conditions."""
    document = spec.document() | {"conditions": []}
    return StudySpec.model_validate(document | {"space": {**document["space"], **space}})


def test_grids_are_united_by_hand() -> None:
    """Of grids of 2 and 3 settings that share one, 4 are recorded, those of the first study first.

    Cells that are read as they were written need no trace of their own.
    """
    preset = load_study("edgebert-sst2")
    one = {
        "checkpoint": "albert-mini",
        "span_budget_tokens": 128,
        "embedding_sparsity": 0.6,
        "weight_format": "adaptivfloat<8,3>",
        "activation_format": "adaptivfloat<8,3>",
    }
    first = changed(preset, **one, encoder_sparsity=[0.0, 0.5])
    second = changed(preset, **one, encoder_sparsity=[0.3, 0.5, 0.7])
    assert [len(grid_of(spec.search_space())) for spec in (first, second)] == [2, 3]
    assert [knobs.encoder_sparsity for knobs in union_of([first, second])] == [0.0, 0.5, 0.3, 0.7]


def test_studies_that_do_not_go_together_are_refused() -> None:
    """Two tasks, or two folders under one name, are told before any work."""
    preset = load_study("edgebert-sst2")
    other = preset.model_copy(
        update={"scenario": preset.scenario.model_copy(update={"task": "RTE"})}
    )
    nowhere = Path("not-there")
    with pytest.raises(UsageError, match="studies on the tasks SST-2 and on RTE: traces of the"):
        record_tasks([preset, other], "not-there", nowhere, nowhere, 1, [])

    def with_own(folder: str) -> StudySpec:
        evaluator = preset.evaluator.model_copy(update={"checkpoints": {"mine": folder}})
        return preset.model_copy(update={"evaluator": evaluator})

    with pytest.raises(UsageError, match="checkpoint 'mine' is 'a' in one study and 'b' in ano"):
        union_of([with_own("a"), with_own("b")])


def test_one_process_records_in_a_folder(tmp_path: Path) -> None:
    """A second recorder in the same work folder is told so before it measures anything."""
    spec, work = load_study("edgebert-sst2"), tmp_path / "work"
    work.mkdir()
    with (
        held_alone(work / "record.lock", AssertionError()),
        pytest.raises(UsageError, match="another 'dse record' is writing there"),
    ):
        record_tasks([spec], "not-there", tmp_path / "out", work, 1, [])
    assert [path.name for path in work.iterdir()] == ["record.lock"]


def test_a_work_folder_that_cannot_be(tmp_path: Path) -> None:
    """A file in the place of the work folder is told."""
    work = tmp_path / "work"
    work.write_text("a file")
    with pytest.raises(UnwritableError, match="cannot be written"):
        record_tasks([load_study("edgebert-sst2")], "not-there", tmp_path / "out", work, 1, [])
