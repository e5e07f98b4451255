"""Short forms of the faults whose long ones are ``docs/reliability.md``: nothing is lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dse.cli import main
from dse.errors import ChangedInputError, exit_code_of
from dse.manifest import read_manifest, write_manifest
from tests.dse import failing_evaluations, fuzz, reliability
from tests.dse.driver_lives import Resumption, Way
from tests.dse.ended_drivers import Kills, kills, signals
from tests.dse.reliability import Run, Tally
from tests.dse.reliability_report import ABOUT, MOST_CPU_S, NOTES, gathered, page


def check(tally: Tally, at_least: int) -> None:
    """Require so many faults, none of which did harm."""
    assert tally.count >= at_least
    assert (tally.lost, tally.tracebacks) == (0, 0)
    assert tally.detected + tally.mended >= tally.count - tally.lost


def test_cut_journals(tmp_path: Path) -> None:
    """A journal that ends too early has all that was acknowledged, at rest and torn."""
    for tally in reliability.cut_journals(tmp_path / "cuts", stride=17):
        check(tally, 30)
        assert tally.mended == tally.count


def test_flipped_journals(tmp_path: Path) -> None:
    """A flipped bit of a journal is refused, or mended where it is in the last group."""
    check(reliability.flipped_journals(tmp_path / "flips", 100, seed=2), 100)
    check(reliability.moved_lines(tmp_path / "lines", 30, seed=2), 30)


def test_failing_evaluations(tmp_path: Path) -> None:
    """Evaluations that fail are recorded with their reason after as many attempts as help."""
    tally = failing_evaluations.failing_evaluations(tmp_path / "evaluations", 12)
    check(tally, len(failing_evaluations.WAYS))
    assert tally.detected == tally.count


@pytest.mark.slow
def test_failed_writes(tmp_path: Path, small_traces: Path) -> None:
    """A call that fails for want of space ends in a sentence, and resume ends the run whole."""
    check(reliability.failed_writes(tmp_path / "writes", small_traces, 4, stride=11), 5)


@pytest.mark.slow
@pytest.mark.parametrize(("way", "count"), [("forked", 8), ("own", 2)])
def test_kills(tmp_path: Path, small_traces: Path, way: Way, count: int) -> None:
    """Drivers killed at any moment are resumed in time, to the trials and front of a whole run."""
    found = kills(tmp_path / "kills", small_traces, 10, count, 3, way)
    for tally in found.tallies:
        check(tally, 0)
        assert tally.mended == tally.count
    assert sum(tally.count for tally in found.tallies) == count
    assert found.resumptions
    assert gathered([found]).slowest_cpu_s <= MOST_CPU_S


@pytest.mark.slow
@pytest.mark.parametrize(("way", "count"), [("forked", 3), ("plain", 2)])
def test_signals(tmp_path: Path, small_traces: Path, way: Way, count: int) -> None:
    """SIGINT and SIGTERM end a driver with 130 or 143, and resume ends the run whole."""
    tally = signals(tmp_path / "signals", small_traces, 10, count, 3, way)
    check(tally, count)
    assert tally.mended == tally.count


@pytest.mark.slow
def test_flipped_files(tmp_path: Path, small_traces: Path) -> None:
    """A flipped bit of another file is refused, or makes no difference."""
    check(reliability.flipped_files(tmp_path / "files", small_traces, 20, seed=2), 20)


def test_generated_study_files(tmp_path: Path) -> None:
    """Whatever is in a study file, it is read or refused in one sentence."""
    tally = fuzz.study_files(tmp_path / "studies", 300, seed=2)
    assert (tally.count, tally.tracebacks) == (300, 0)


@pytest.mark.slow
def test_generated_run_folders(tmp_path: Path, small_traces: Path) -> None:
    """Whatever is in a run folder, it is taken up or refused in one sentence, by commands too."""
    tally = fuzz.run_folders(tmp_path / "folders", small_traces, 60, seed=2)
    assert (tally.count, tally.tracebacks) == (60, 0)
    tally = fuzz.command_lines(tmp_path / "commands", small_traces, 20, seed=2)
    assert (tally.count, tally.tracebacks) == (20, 0)


@pytest.mark.slow
def test_changed_traces(
    tmp_path: Path, small_traces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recorded traces other than those a run began with end its resumption; nothing is changed."""
    run = Run(tmp_path / "x", small_traces, 10)
    assert main(run.command()) == 0
    manifest = run.folder / "manifest.json"
    before = {p.name: p.read_bytes() for p in run.folder.iterdir() if p.name != "manifest.json"}
    sealed = read_manifest(run.folder)
    assert sealed is not None
    inputs = {**sealed.inputs, "checkpoint own-layers": "1" * 64}
    write_manifest(run.folder, inputs, sealed.files)
    capsys.readouterr()
    assert main(run.command()) == exit_code_of(ChangedInputError("")) == 5
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(
        "dse: Checkpoint own-layers has changed since the run began (SHA-256 111"
    )
    after = {p.name: p.read_bytes() for p in run.folder.iterdir() if p.name != "manifest.json"}
    assert manifest.exists()
    assert before.keys() == after.keys()
    assert before["trials.parquet"] == after["trials.parquet"]


def test_page(repository: Path) -> None:
    """docs/reliability.md is what the long forms write, and says that nothing was lost."""
    text = (repository / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert text.startswith(ABOUT)
    assert text.endswith(NOTES)
    table = text[text.index("| fault |") :].partition("\n\n")[0].splitlines()[2:]
    count = dict.fromkeys(("cut", "kill -9", "bit", "signal", "generated"), 0)
    for row in (line.split("|")[1:-1] for line in table):
        assert (row[4].strip(), row[5].strip()) == ("0", "0")
        for kind in count:
            named = "SIGINT" if kind == "signal" else kind
            count[kind] += int(row[1].replace(",", "")) if named in row[0] else 0
    assert count["cut"] > 100
    assert count["kill -9"] >= 100
    assert count["bit"] >= 2_000
    assert count["signal"] > 10
    assert count["generated"] >= 10_000
    went_on = re.search(r"(\d+) of (\d+) went on within 5 s on the clock", text)
    assert went_on is not None
    assert int(went_on[1]) == int(went_on[2]) > 50


def test_gathered() -> None:
    """Findings of one fault add up, and resumptions are told in words."""
    parts = [
        Tally("a fault", count=1_000, detected=1_000),
        Tally("'kill -9' of the driver at a random time", count=3, mended=3),
        [Tally("another", count=2, mended=2), Tally("a fault", count=234, detected=234)],
        Kills(
            [],
            [
                Resumption(imports_cpu_s=1.0, state_cpu_s=0.5, wall_s=3.0),
                Resumption(imports_cpu_s=None, state_cpu_s=0.75, wall_s=7.0),
            ],
        ),
    ]
    found = gathered(parts)
    assert found.are_good
    assert found.slowest_cpu_s == 1.75
    text = page(found, 1)
    assert "| a fault | 1,234 | 0 | 1,234 | 0 | 0 |" in text
    assert "After 2 of 3 kills the next driver lived" in text
    own = "| `dse resume`, a process of its own | 1 | 3.00 s | 3.00 s | 1.50 s | 1.50 s |"
    assert own in text
    assert "| forked, with everything imported | 1 | 7.00 s | 7.00 s | 0.75 s | 0.75 s |" in text
    assert "1.00 s of processor time are imports" in text
    assert "1 of 2 went on within 5 s on the clock" in text
    assert not gathered([Tally("a fault", count=1, lost=1)]).are_good
    late = Resumption(imports_cpu_s=4.5, state_cpu_s=0.75, wall_s=6.0)
    assert not gathered([Kills([], [late])]).are_good
