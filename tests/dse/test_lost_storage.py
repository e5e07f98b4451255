"""Storage that goes away in mid-study: one sentence, and what was told is there afterwards."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dse.cli import main
from dse.executors import InlineExecutor
from dse.trials_table import read_trials
from tests.dse.commands import failure, json_of
from tests.dse.conftest import MakeStudy

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("in_an_empty_folder")]

BEFORE = 6
"""The task at which the storage goes."""


def at_a_task(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something when the driver gives out task number `BEFORE`."""
    submit, numbers = InlineExecutor.submit, itertools.count(1)

    def submitting(self: InlineExecutor, *task: Any) -> None:
        if next(numbers) == BEFORE:
            act()
        submit(self, *task)

    monkeypatch.setattr(InlineExecutor, "submit", submitting)


def rows(folder: str) -> list[dict[str, Any]]:
    """Recorded trials of a run, without what the clock says."""
    recorded = read_trials(Path(folder, "trials.parquet"))
    return [{k: v for k, v in row.items() if not k.startswith("wall_")} for row in recorded]


@pytest.fixture
def words(
    make_study: MakeStudy, small_traces: Path, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    """The command that runs a joint study, which was run to its end in ``whole``."""
    study = make_study({"search.strategy": "joint", "search.trials": 12})
    words = ["run", study, "--traces", str(small_traces)]
    json_of(capsys, *words, "--out", "whole")
    return words


def test_a_database_file(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moved away, it is told; the records stay, no study is begun anew, and put back it goes on."""
    file, away = Path("study.db"), Path("away.db")
    more = ["--storage", "sqlite:///study.db", "--out", "run"]
    with monkeypatch.context() as patch:
        at_a_task(patch, lambda: file.rename(away))
        told = failure(capsys, 4, *words, *more, after_progress=True)
    assert told.startswith(f"{Path('run').absolute()}: its storage does not answer (")
    assert told.endswith("trials told so far are in it. Mend that and 'dse resume'.")
    before = rows("run")
    assert 0 < len(before) < 12
    for _ in range(2):
        gone = failure(capsys, 4, "resume", "run")
        assert "is not in its storage any more; restore the storage from a backup" in gone
    assert rows("run") == before
    away.replace(file)
    json_of(capsys, "resume", "run")
    assert rows("run") == rows("whole")


def test_a_run_folder(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moved away, it is told; nothing is made in its place, and it goes on from there."""
    with monkeypatch.context() as patch:
        at_a_task(patch, lambda: Path("run").rename("away"))
        told = failure(capsys, 8, *words, "--out", "run", after_progress=True)
    assert "cannot be written" in told
    assert not Path("run").exists()
    json_of(capsys, "resume", "away")
    assert rows("away") == rows("whole")


def test_a_folder_whose_trials_are_in_a_database(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its records cannot be written the folder stays: it alone says what the study is."""
    with monkeypatch.context() as patch:
        at_a_task(patch, lambda: Path("run/trials.parquet.tmp").mkdir())
        more = ["--storage", "sqlite:///study.db", "--out", "run", "--trials", "7"]
        told = failure(capsys, 8, *words, *more, after_progress=True)
    assert "trials.parquet: cannot be written" in told
    Path("run/trials.parquet.tmp").rmdir()
    json_of(capsys, "resume", "run")
    assert rows("run") == rows("whole")[:7]


def test_a_driver_that_was_told_nothing(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives back what it had in the air and leaves no folder behind."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(InlineExecutor, "next_outcome", interrupted)
        assert main([*words, "--storage", "sqlite:///study.db", "--out", "run"]) == 130
    assert "nothing is kept" in capsys.readouterr().err
    assert not Path("run").exists()


def test_traces_of_another_content(
    words: list[str], capsys: pytest.CaptureFixture[str], small_traces: Path
) -> None:
    """Traces of other data than a run began with are refused; nothing is lost."""
    shutil.copytree(small_traces, "traces")
    words[words.index("--traces") + 1] = "traces"
    json_of(capsys, *words, "--out", "run", "--trials", "8")
    before = rows("run")
    manifest = Path("traces/manifest.json")
    text = manifest.read_text()
    manifest.write_text(json.dumps(json.loads(text) | {"data_sha256": "1" * 64}))
    told = failure(capsys, 5, "resume", "run")
    assert told.startswith("Data set has changed since the run began (SHA-256 ")
    assert told.endswith("put the old one back, or start a new run.")
    assert rows("run") == before
    manifest.write_text(text)
    json_of(capsys, "resume", "run")
    assert rows("run") == before
