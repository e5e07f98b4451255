"""`dse record`: what it is asked wrongly, and its notes of time, which a kill may cut off."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from dse.cli import main
from dse.recording import _kept_seconds


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
