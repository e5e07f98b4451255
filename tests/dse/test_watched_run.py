"""Runs as a dashboard looks at them."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from dse import live_front, watched_run
from dse.errors import RunFolderError
from dse.importance import LEAST_TRIALS
from dse.liveness import is_driven
from dse.watched_run import WatchedRun, watched_runs
from studies.health import Finding, findings
from studies.trial_table import TrialTable
from tests.dse.commands import failure, finished_run, json_of, text_of
from tests.small_study import changed, tiny_document

pytestmark = pytest.mark.slow


KINDS: dict[str, dict[str, object]] = {
    "nested": {"search.strategy": "nested"},
    "joint": {"search.strategy": "joint", "search.trials": 40},
    "raced": {"search.racing": {"looks": [15, 30], "risk": 0.05, "accuracy_ceiling": 1.0}},
}


@pytest.fixture(scope="module", params=KINDS)
def run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, small_traces: Path
) -> Path:
    """The folder of a finished run of either strategy, and of one with racing."""
    folder = tmp_path_factory.mktemp(request.param)
    return finished_run(changed(tiny_document(), KINDS[request.param]), folder, small_traces)


@pytest.fixture
def stopped(run: Path, tmp_path: Path) -> Path:
    """The same run as a killed driver leaves it: with its journal alone."""
    folder = tmp_path / "stopped"
    shutil.copytree(run, folder)
    for name in ("front.json", "front.parquet", "trials.parquet", "report.html", "manifest.json"):
        (folder / name).unlink()
    return folder


def columns_of(table: TrialTable) -> list[object]:
    """What two tables of the same trials have in common."""
    knobs = {name: [k.levels[c] for c in k.codes] for name, k in table.knobs.items()}
    return [
        table.numbers.tolist(),
        table.states.tolist(),
        table.reasons.tolist(),
        table.repeated.tolist(),
        table.designs_scored.tolist(),
        knobs,
    ]


class TestSnapshot:
    """What is known of a run."""

    def test_journal_and_records_agree(self, run: Path, stopped: Path) -> None:
        """Followed from its journal a run has the trials and the front of its records."""
        finished = WatchedRun("a", run).snapshot()
        live = WatchedRun("b", stopped).whole_snapshot()
        assert (finished.state, live.state) == ("finished", "unfinished")
        assert columns_of(live.trials) == columns_of(finished.trials)
        assert live.front.hypervolume == pytest.approx(finished.front.hypervolume, rel=1e-12)
        assert [d.knobs for d in live.front.designs] == [d.knobs for d in finished.front.designs]
        for ours, theirs in zip(live.front.designs, finished.front.designs, strict=True):
            expected = {name: figure.value for name, figure in theirs.metrics.items()}
            assert {n: f.value for n, f in ours.metrics.items()} == pytest.approx(expected)
            assert ours.report_accuracy == theirs.report_accuracy
        assert live.front.history[-1] == finished.front.history[-1]
        for name, values in finished.trials.values.items():
            if name in live.trials.values:
                np.testing.assert_array_equal(live.trials.values[name], values)

    def test_it_grows_with_the_journal(self, stopped: Path) -> None:
        """Each look adds what was written since; without a change the snapshot is the same one."""
        journal = stopped / "journal.log"
        content = journal.read_bytes()
        half = content.index(b"\n", len(content) // 2) + 1
        journal.write_bytes(content[:half])
        watched = WatchedRun("a", stopped)
        before = watched.whole_snapshot()
        assert watched.snapshot() is before
        journal.write_bytes(content)
        after = watched.snapshot()
        assert after.number == before.number + 1
        assert 0 < len(before.trials) < len(after.trials)
        assert after.front.hypervolume >= before.front.hypervolume

    def test_a_look_is_soon_over(self, stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Designs that one look leaves are worked out by the next ones, and are not lost."""
        whole = WatchedRun("a", stopped).whole_snapshot().front
        monkeypatch.setattr(live_front, "SECONDS_A_LOOK", 0.0)
        monkeypatch.setattr(live_front, "LEAST_SECONDS", 0.0)
        monkeypatch.setattr(live_front, "AT_ONCE", 1)
        watched = WatchedRun("b", stopped)
        counts, notes = [], []
        for _ in whole.designs:
            snapshot = watched.snapshot()
            counts.append(len(snapshot.front.designs))
            notes.append(snapshot.note)
        assert counts == list(range(1, len(whole.designs) + 1))
        assert "more designs of the front are being worked out" in notes[0]
        assert "being worked out" not in notes[-1]
        for ours, theirs in zip(snapshot.front.designs, whole.designs, strict=True):
            assert (ours.id, ours.trial, ours.knobs) == (theirs.id, theirs.trial, theirs.knobs)
            expected = {name: figure.value for name, figure in theirs.metrics.items()}
            assert {n: f.value for n, f in ours.metrics.items()} == pytest.approx(expected)
        assert watched.snapshot() is snapshot

    def test_trials_that_are_not_read_yet(
        self, stopped: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Trials that one look leaves are read by the next ones, each once."""
        whole = WatchedRun("a", stopped).whole_snapshot()
        monkeypatch.setattr(watched_run, "READING_SECONDS", 0.0)
        monkeypatch.setattr(watched_run, "TRIALS_AT_ONCE", 1)
        watched = WatchedRun("b", stopped)
        counts, notes = [], []
        for _ in range(len(whole.trials)):
            snapshot = watched.snapshot()
            counts.append(len(snapshot.trials))
            notes.append(snapshot.note)
        assert counts == list(range(1, len(whole.trials) + 1))
        assert "1 trials are read so far" in notes[0]
        found = watched.whole_snapshot()
        assert "read so far" not in found.note
        assert columns_of(found.trials) == columns_of(whole.trials)
        assert found.front.hypervolume == whole.front.hypervolume
        assert found.front.history == whole.front.history

    def test_no_trial_yet(self, stopped: Path) -> None:
        """A run whose driver has written nothing has no trials and no front, and is no error."""
        (stopped / "journal.log").unlink()
        found = WatchedRun("a", stopped).snapshot()
        assert len(found.trials) == 0
        assert found.front.designs == []
        assert [f.verdict for f in findings(found) if f.check == "Front"] == ["WARN"]

    def test_damage_is_a_sentence(self, stopped: Path) -> None:
        """A damaged folder is told in words."""
        (stopped / "spec.json").write_text("{")
        with pytest.raises(ValueError, match=r"spec\.json: not valid JSON"):
            WatchedRun("a", stopped).snapshot()


class TestOfARun:
    """What else a run is asked."""

    def test_importances_are_shares(self, run: Path) -> None:
        """Shares of the knobs sum to 1, the largest first."""
        watched = WatchedRun("a", run)
        trials = watched.snapshot().trials
        name = "energy_pj" if "energy_pj" in trials.values else "own_hypervolume"
        if np.count_nonzero(np.isfinite(trials.values[name]) & ~trials.repeated) < LEAST_TRIALS:
            with pytest.raises(ValueError, match="distinct trials have a value"):
                watched.importances(name)
            return
        shares = list(watched.importances(name).values())
        assert sum(shares) == pytest.approx(1.0)
        assert shares == sorted(shares, reverse=True)

    def test_export_is_that_of_the_command(
        self, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The files of a design are those that 'dse export' writes."""
        out = tmp_path / "out"
        text_of(capsys, "export", str(run), "--select", "id=0", "--out", str(out))
        files = WatchedRun("a", run).exported(0)
        assert files["design.json"] == (out / "design.json").read_bytes()
        assert files.keys() == {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}

    def test_lock_tells_a_driver(self, run: Path) -> None:
        """Whoever holds the driver's lock is seen, and looking takes no lock."""
        assert not is_driven(run)
        with (run / "driver.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if Path("/proc/locks").exists():
                assert is_driven(run)
        assert not is_driven(run)

    def test_where_no_locks_are_listed(self, stopped: Path) -> None:
        """Without the system's list a journal that was just written counts as driven."""
        nowhere = stopped / "no-such-list"
        os.utime(stopped / "journal.log", (0, 0))
        assert not is_driven(stopped, nowhere)
        os.utime(stopped / "journal.log")
        assert is_driven(stopped, nowhere)


class TestChoosing:
    """Which runs a dashboard is given."""

    def test_folders_and_folders_of_folders(self, run: Path, stopped: Path) -> None:
        """A run folder is itself, a folder of run folders all of them, none twice."""
        names = [r.name for r in watched_runs([run, stopped.parent, run], Path("runs"))]
        assert names == ["run", "stopped"]

    def test_nothing_there(self, tmp_path: Path) -> None:
        """A missing folder, and a root without runs, are told."""
        with pytest.raises(RunFolderError, match="no such folder"):
            watched_runs([tmp_path / "none"], tmp_path)
        with pytest.raises(RunFolderError, match="holds no run"):
            watched_runs([], tmp_path)


class TestCommands:
    """The commands around a dashboard."""

    def test_doctor(self, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The findings of a healthy run name no failure; all have a verdict and a text."""
        found = json_of(capsys, "doctor", str(run))
        assert {"check", "verdict", "text", "remedy"} == set(found[0])
        assert all(f["remedy"] for f in found if f["verdict"] != "PASS")
        assert "PASS" in text_of(capsys, "doctor", str(run))

    def test_doctor_shows_reasons_as_text(
        self, run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What an error said is printed as it stands, with nothing in it taken for markup."""
        text = "1 of 1 trials failed, most often because: [red]x[/blue] \x1b[2J."
        made_up = [Finding("Failures", "WARN", text, "Mend the cause.")]
        monkeypatch.setattr("dse.doctor_command.findings", lambda _: made_up)
        printed = " ".join(text_of(capsys, "doctor", str(run)).split())
        assert "[red]x[/blue] ?[2J" in printed

    def test_doctor_of_no_run(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A folder that is no run is told as by the other commands."""
        assert "spec.json" in failure(capsys, 4, "doctor", str(tmp_path / "none"))

    def test_where(self, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The command that a dashboard copies prints the selected designs alone."""
        found = json_of(capsys, "pareto", str(run), "--where", "0 <= id <= 1 or id == 3")
        assert [design["id"] for design in found] == [0, 1, 3]
        assert json_of(capsys, "pareto", str(run), "--where", "energy < 0") == []

    def test_report(self, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The report of a run's front is written where it is asked for."""
        out = tmp_path / "page.html"
        assert str(out) in text_of(capsys, "report", str(run), "--out", str(out))
        assert out.read_text().startswith("<!DOCTYPE html>")
