"""Commands run in this process: what they print, and the sentence that they fail with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dse.cli import main
from tests.small_study import Document, toml_text


def text_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command prints; it must succeed."""
    capsys.readouterr()
    assert main(list(words)) == 0
    return capsys.readouterr().out


def json_of(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What a command prints with ``--json``; it must succeed."""
    return json.loads(text_of(capsys, *words, "--json"))


def failure(
    capsys: pytest.CaptureFixture[str], code: int, *words: str, after_progress: bool = False
) -> str:
    """The sentence of a command that fails with that exit code: all that is on stderr.

    Once a search has started its progress is on stderr too: then it is the last line.
    """
    capsys.readouterr()
    assert main(list(words)) == code
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert "Traceback" not in captured.err
    assert lines[-1].startswith("dse: ")
    if not after_progress:
        assert len(lines) == 1
        assert captured.out == ""
    return lines[-1].removeprefix("dse: ")


def finished_run(document: Document, folder: Path, traces: Path) -> Path:
    """The folder of a run on recorded traces that has finished, beside its study file."""
    study, out = folder / "study.toml", folder / "run"
    study.write_text(toml_text(document))
    assert main(["run", str(study), "--traces", str(traces), "--out", str(out)]) == 0
    return out
