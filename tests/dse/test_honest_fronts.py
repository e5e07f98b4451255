"""What is said of how sure a front is, and its few or robust designs."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dse.cli import main
from tests.dse.commands import json_of, text_of
from tests.dse.conftest import MakeStudy

pytestmark = pytest.mark.usefixtures("in_an_empty_folder")


def test_robust_and_few(finished: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Robust designs are those of 90 % of the samples; of any, K that keep most are shown."""
    everyone = json_of(capsys, "pareto", finished)
    robust = json_of(capsys, "pareto", finished, "--robust", "membership")
    assert robust == [d for d in everyone if d["membership"] >= 0.9]
    assert 0 < len(robust) < len(everyone)
    low = json_of(capsys, "pareto", finished, "--robust", "lower-bound")
    assert 0 < len(low) <= len(everyone)
    few = json_of(capsys, "pareto", finished, "--keep", "3")
    assert len(few) == 3
    assert all(design in everyone for design in few)
    printed = text_of(capsys, "pareto", finished, "--keep", "3")
    assert f"3 of the {len(everyone)} designs on the front." in printed


def test_what_is_left_is_said(finished: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The printed front says what accuracies are worth elsewhere, and why the search ended."""
    printed = text_of(capsys, "pareto", finished)
    assert "Accuracy on the report split, which nothing was chosen on, is " in printed
    assert "The search ended because all 12 trials are told." in printed


def test_front_is_a_table(finished: str, capsys: pytest.CaptureFixture[str]) -> None:
    """front.parquet has a row for each design of the front."""
    designs = json_of(capsys, "pareto", finished)
    rows = pq.read_table(Path(finished, "front.parquet")).to_pylist()
    assert [row["id"] for row in rows] == [design["id"] for design in designs]
    assert [row["membership"] for row in rows] == [d["membership"] for d in designs]


def test_choice_among_robust_designs_is_recorded(
    finished: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An export says what was chosen, from how many, why, and how sure it is."""
    selection = "weights accuracy=1 where membership >= 0.9"
    json_of(capsys, "export", finished, "--select", selection, "--out", "chosen")
    document = json.loads(Path("chosen", "design.json").read_text())
    assert document["selected"] == selection
    assert document["selected_from"] == len(json_of(capsys, "pareto", finished))
    assert document["membership"] >= 0.9


def test_warm_start_of_a_run(
    finished: str,
    make_study: MakeStudy,
    small_traces: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A run can start from another's front; a list that is none is told with its exit code."""
    study = make_study()
    words = ["run", study, "--traces", str(small_traces), "--trials", "3"]
    json_of(capsys, *words, "--warm-start", finished, "--out", "warm")
    spec = json.loads(Path("warm", "spec.json").read_text())
    assert spec["search"]["warm_start"] == [str(Path(finished).absolute())]
    assert main([*words, "--warm-start", "nowhere", "--out", "cold"]) == 3
    assert "cannot be read as a list of designs" in capsys.readouterr().err
