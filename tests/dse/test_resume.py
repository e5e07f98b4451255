"""A run that was stopped goes on: nothing is lost, nothing is doubled, the budget is exact."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest

from dse.errors import RunFolderError, UsageError
from dse.executors import InlineExecutor
from dse.journal import GroupCommitJournal
from dse.outcomes import Outcome
from dse.runs import SETTINGS, RunFolder
from dse.search import Search
from dse.storage import open_storage
from dse.trials_table import trial_rows
from studies.spec import StudySpec
from tests.dse.conftest import FormulaExecutor, MakeEvaluation, opened, quiet
from tests.small_study import small_document, spec_with, tiny_document

TRIALS = 16


@pytest.fixture(scope="module")
def spec() -> StudySpec:
    """The small study, its knobs sampled together."""
    return spec_with(small_document(), strategy="joint", trials=TRIALS)


class Interrupted(FormulaExecutor):
    """Stops the driver when the k-th outcome is asked for."""

    def __init__(self, after: int, capacity: int = 1) -> None:
        super().__init__(capacity)
        self.left = after

    def next_outcome(self) -> tuple[int, Outcome]:
        """An outcome, or the interruption."""
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return super().next_outcome()


def run(search: Search, executor: FormulaExecutor) -> bool:
    """Run until the budget or an interruption; whether the budget was reached."""
    try:
        search.run(executor, quiet)
    except KeyboardInterrupt:
        return False
    return True


def results(search: Search) -> dict[int, dict[str, Any]]:
    """Told trials by number, without what the clock says."""
    return {
        row["trial"]: {k: v for k, v in row.items() if not k.startswith("wall_")}
        for row in trial_rows(search)
    }


def stored_trials(storage: optuna.storages.BaseStorage) -> list[optuna.trial.FrozenTrial]:
    """Every trial that Optuna keeps."""
    return optuna.load_study(study_name="test", storage=storage).trials


def check_whole(search: Search, before: dict[int, dict[str, Any]], trials: int = TRIALS) -> None:
    """Require a full budget that holds what was told before, and each point evaluated once."""
    after = results(search)
    assert len(search.told) == len(after) == trials
    for number, row in before.items():
        assert after[number] == row
    evaluated = [row for row in after.values() if row["repeated_of"] is None]
    points = [json.dumps(search.told_by_number[row["trial"]].flat) for row in evaluated]
    assert len(set(points)) == len(points)


class TestInterruption:
    """A driver that is stopped between two outcomes."""

    @pytest.mark.parametrize("capacity", [1, 3])
    @pytest.mark.parametrize("after", [0, 1, 2, 5])
    def test_after_every_k_th_outcome(
        self, after: int, capacity: int, tmp_path: Path, spec: StudySpec
    ) -> None:
        """Stopped again and again after k outcomes, the run still ends whole, with the same trials.

        What was told stays as it was, and every trial is that of a run that was not stopped.
        """
        whole = tmp_path / "whole"
        whole.mkdir()
        undisturbed = opened(spec, whole)
        undisturbed.run(FormulaExecutor(capacity), quiet)
        search = opened(spec, tmp_path)
        finished = run(search, Interrupted(after, capacity))
        before = results(search)
        rounds = 0
        while not finished:
            rounds += 1
            search = opened(spec, tmp_path)
            taken_up = results(search)
            assert {number: taken_up[number] for number in before} == before
            finished = run(search, Interrupted(max(after, 1), capacity))
            before = results(search)
        assert rounds >= 1
        check_whole(search, before)
        assert before == results(undisturbed)
        assert search.archive.members == undisturbed.archive.members
        assert search.history == undisturbed.history
        stored = stored_trials(open_storage(None, tmp_path / "journal.log"))
        assert [trial.number for trial in stored] == list(range(TRIALS))

    def test_points_in_the_air_are_gone_on_with(self, tmp_path: Path, spec: StudySpec) -> None:
        """What was being evaluated when the driver stopped is the first thing evaluated anew.

        Outcomes that had come before their turn are told in their turn, and not evaluated again.
        """
        executor = Interrupted(4, capacity=3)
        search = opened(spec, tmp_path)
        run(search, executor)
        resumed = opened(spec, tmp_path)
        stored = stored_trials(open_storage(None, tmp_path / "journal.log"))
        known = [t.user_attrs["flat"] for t in stored if "outcome" in t.user_attrs]
        evaluated = [dict(flat) for flat in executor.flats if flat in known]
        in_the_air = [dict(flat) for flat in executor.flats if flat not in known]
        assert len(evaluated) == 4 > len(resumed.told)
        assert len(in_the_air) == len(executor.flats) - 4 > 0
        assert resumed.unfinished == len(stored) - len(resumed.told)
        again = FormulaExecutor(capacity=3)
        resumed.run(again, quiet)
        flats = [dict(flat) for flat in again.flats]
        assert all(flat in flats[: len(in_the_air)] for flat in in_the_air)
        assert not any(flat in flats for flat in evaluated)

    def test_same_front_after_taking_up(self, tmp_path: Path, spec: StudySpec) -> None:
        """A finished run that is opened again has the same archive, history and no budget left."""
        search = opened(spec, tmp_path)
        search.run(FormulaExecutor(), quiet)
        again = opened(spec, tmp_path)
        assert again.budget_left == 0
        assert again.archive.members == search.archive.members
        assert again.archive.values.tolist() == search.archive.values.tolist()
        assert again.history == search.history
        assert results(again) == results(search)

    def test_nested_runs_resume_too(self, tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
        """A nested run stopped half-way ends with the front of one that was not."""
        document = tiny_document()
        spec = spec_with(document, trials=40, sampler={"name": "random"})
        evaluation = evaluation_of(spec)

        class Stopping(InlineExecutor):
            left = 3

            def next_outcome(self) -> tuple[int, Outcome]:
                self.left -= 1
                if self.left < 0:
                    raise KeyboardInterrupt
                return super().next_outcome()

        (tmp_path / "whole").mkdir()
        whole = opened(spec, tmp_path / "whole")
        whole.run(InlineExecutor(evaluation), quiet)
        search = opened(spec, tmp_path)
        with pytest.raises(KeyboardInterrupt):
            search.run(Stopping(evaluation), quiet)
        resumed = opened(spec, tmp_path)
        assert len(resumed.told) == len(search.told) >= 3
        resumed.run(InlineExecutor(evaluation), quiet)
        assert sorted(resumed.archive.values.tolist()) == sorted(whole.archive.values.tolist())
        assert len(resumed.told) == 40


SAMPLERS: dict[str, Any] = {
    "nsga2": {"population_size": 4},
    "nsga3": {"population_size": 4},
    "tpe": {"n_startup_trials": 4},
    "random": {},
    "qmc": {},
}


class TestSameTrials:
    """A driver that is killed at whatever it last wrote, on one worker and on several."""

    def check_every_kill(
        self, spec: StudySpec, capacity: int, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Go on from every state that the journal ever had on the disk; require the same end."""
        (folder / "run").mkdir()
        copies: list[Path] = []
        commit = GroupCommitJournal.commit

        def copied(self: GroupCommitJournal) -> None:
            commit(self)
            copies.append(folder / str(len(copies)))
            shutil.copytree(folder / "run", copies[-1])

        with monkeypatch.context() as patch:
            patch.setattr(GroupCommitJournal, "commit", copied)
            undisturbed = opened(spec, folder / "run")
            undisturbed.run(FormulaExecutor(capacity), quiet)
        assert len(copies) > spec.search.trials
        for copy in copies:
            search = opened(spec, copy)
            search.run(FormulaExecutor(capacity), quiet)
            assert results(search) == results(undisturbed)
            assert search.archive.members == undisturbed.archive.members
            assert search.history == undisturbed.history

    @pytest.mark.parametrize(("capacity", "in_flight"), [(1, 1), (1, 3), (3, 3), (2, 5)])
    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_samplers(
        self,
        sampler: str,
        capacity: int,
        in_flight: int,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Its trials, front and history are those of a run that was never stopped."""
        search = {"strategy": "joint", "trials": 9, "in_flight": in_flight}
        options = {"name": sampler, "options": SAMPLERS[sampler]}
        spec = spec_with(small_document(), **search, sampler=options)
        self.check_every_kill(spec, capacity, tmp_path, monkeypatch)

    @pytest.mark.parametrize("capacity", [1, 3])
    def test_warm_starts(
        self, capacity: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So are designs to try first, though one is taken from the queue in a group of its own."""
        designs = tmp_path / "designs.toml"
        tables = [
            f"[[designs]]\nmac_vector_size = {size}\nentropy_threshold = {threshold}\n"
            for size, threshold in ((4, 0.2), (8, 0.1), (16, 0.3))
        ]
        designs.write_text("\n".join(tables))
        spec = spec_with(small_document(), strategy="joint", trials=8, warm_start=[str(designs)])
        self.check_every_kill(spec, capacity, tmp_path, monkeypatch)


class TestJournal:
    """A journal file whose driver was killed while it wrote."""

    @pytest.fixture
    def half(self, tmp_path: Path, spec: StudySpec) -> tuple[Path, dict[int, dict[str, Any]]]:
        """A journal of five outcomes, and what was told."""
        folder = tmp_path / "half"
        folder.mkdir()
        search = opened(spec, folder)
        run(search, Interrupted(5))
        return folder / "journal.log", results(search)

    def test_torn_at_every_byte(self, tmp_path: Path, spec: StudySpec) -> None:
        """Cut anywhere in its last record, the journal loads, and all but that record is there."""
        first = opened(spec, tmp_path)
        run(first, Interrupted(2))
        told = results(first)
        content = (tmp_path / "journal.log").read_bytes()
        last = content.rfind(b"\n", 0, -1) + 1
        assert 20 < len(content) - last < 400
        complete = [number for number in told if number != max(told)]
        for cut in range(last, len(content)):
            torn = tmp_path / "journal.log"
            torn.write_bytes(content[:cut])
            torn.with_suffix(".tail").unlink()  # it is written when the group is whole
            search = opened(spec, tmp_path)
            found = results(search)
            assert set(complete) <= set(found) <= set(told)
            assert all(found[number] == told[number] for number in found)

    def test_goes_on_after_a_tear(
        self, half: tuple[Path, dict[int, dict[str, Any]]], tmp_path: Path, spec: StudySpec
    ) -> None:
        """After a torn end the run is finished, and its journal loads once more."""
        journal, _ = half
        content = journal.read_bytes()
        for cut in (1, 7, 40, 400, 1500):
            folder = tmp_path / str(cut)
            folder.mkdir()
            (folder / "journal.log").write_bytes(content[:-cut])
            search = opened(spec, folder)
            before = results(search)
            search.run(FormulaExecutor(), quiet)
            check_whole(search, before)
            assert results(opened(spec, folder)) == results(search)

    @pytest.mark.parametrize("damage", [b"{", b"\x00\x00", b'{"op_code": 4,', b""])
    def test_damaged_in_the_middle(
        self, half: tuple[Path, dict[int, dict[str, Any]]], spec: StudySpec, damage: bytes
    ) -> None:
        """A damaged record that is not the last is named by its number; nothing is changed."""
        journal, _ = half
        lines = journal.read_bytes().splitlines()
        lines[6] = damage
        journal.write_bytes(b"\n".join(lines) + b"\n")
        before = journal.read_bytes()
        with pytest.raises(RunFolderError, match=r"journal\.log, record 7: damaged") as caught:
            opened(spec, journal.parent)
        assert "\n" not in str(caught.value)
        assert journal.read_bytes() == before

    def test_stale_lock(
        self, half: tuple[Path, dict[int, dict[str, Any]]], spec: StudySpec
    ) -> None:
        """The lock file of a dead driver does not keep the next one out."""
        journal, told = half
        lock = journal.with_name("journal.log.lock")
        lock.write_text("")
        search = opened(spec, journal.parent)
        assert not lock.exists()
        assert results(search) == told
        search.run(FormulaExecutor(), quiet)
        check_whole(search, told)

    def test_optuna_s_own_backend_reads_it(
        self, half: tuple[Path, dict[int, dict[str, Any]]], tmp_path: Path
    ) -> None:
        """The file is one of Optuna's: its own tools open it and see the same trials."""
        journal, told = half
        copy = Path(shutil.copy(journal, tmp_path / "copy.log"))
        backend = optuna.storages.journal.JournalFileBackend(str(copy))
        stored = stored_trials(optuna.storages.JournalStorage(backend))
        finished = [trial.number for trial in stored if trial.state.is_finished()]
        assert finished == list(told)


class TestDatabase:
    """A database in place of the journal."""

    def test_sqlite_runs_and_resumes(self, tmp_path: Path) -> None:
        """A study in SQLite is stopped, taken up and ends whole, as in a journal."""
        spec = spec_with(small_document(), strategy="joint", trials=8)
        url = f"sqlite:///{tmp_path / 'study.db'}"
        search = opened(spec, tmp_path, url)
        assert not run(search, Interrupted(2, capacity=2))
        before = results(search)
        resumed = opened(spec, tmp_path, url)
        assert results(resumed) == before
        resumed.run(FormulaExecutor(2), quiet)
        check_whole(resumed, before, trials=8)
        (tmp_path / "whole").mkdir()
        undisturbed = opened(spec, tmp_path / "whole")
        undisturbed.run(FormulaExecutor(2), quiet)
        assert results(resumed) == results(undisturbed)
        assert not (tmp_path / "journal.log").exists()

    @pytest.mark.parametrize("url", ["nonsense", "sqlite:////no/such/folder/x.db"])
    def test_wrong_url(self, url: str, tmp_path: Path) -> None:
        """A URL that cannot be opened is a fault of the command line, told in one line."""
        with pytest.raises(UsageError, match="cannot be opened") as caught:
            open_storage(url, tmp_path / "journal.log")
        assert url in str(caught.value)
        assert "\n" not in str(caught.value)


class TestRunFolder:
    """The folder of a run."""

    def test_second_driver_is_refused(self, tmp_path: Path, spec: StudySpec) -> None:
        """While one driver has a run, another is told so; afterwards it is free."""
        folder = RunFolder.create(tmp_path / "run", spec, {})
        with (
            folder.driven(),
            pytest.raises(RunFolderError, match="another 'dse' is running this study"),
            RunFolder(folder.path).driven(),
        ):
            pytest.fail("two drivers")
        with RunFolder(folder.path).driven():
            pass

    def test_holds_the_spec(self, tmp_path: Path, spec: StudySpec) -> None:
        """The resolved study and how it was started are read back."""
        settings = dict.fromkeys(SETTINGS)
        RunFolder.create(tmp_path / "run", spec, settings)
        folder = RunFolder(tmp_path / "run")
        assert folder.spec() == spec
        assert folder.settings() == settings

    def test_not_a_run_folder(self, tmp_path: Path) -> None:
        """A folder without a spec is no run; one with other content is not made a run."""
        with pytest.raises(RunFolderError, match="not a run folder"):
            RunFolder(tmp_path).spec()
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(RunFolderError, match="exists already"):
            RunFolder.create(tmp_path, spec_with(small_document()), {})

    @pytest.mark.parametrize("content", ["", "{", "[1]", "{}"])
    def test_damaged_settings(self, tmp_path: Path, spec: StudySpec, content: str) -> None:
        """Damaged settings are named, in a folder of an earlier version too."""
        folder = RunFolder.create(tmp_path / "run", spec, {})
        (folder.path / "manifest.json").unlink()
        (folder.path / "run.json").write_text(content)
        with pytest.raises(RunFolderError, match=r"run\.json: (cannot be read|expected)"):
            folder.settings()
