"""A study in a database as others look at it while drivers write it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import event

from dse.database import Database
from dse.database_follower import DatabaseFollower
from dse.errors import RunFolderError
from dse.search import Search
from dse.storage import open_storage
from dse.watched_run import WatchedRun
from studies.records import Progress
from studies.run_snapshot import RunSnapshot
from studies.spec import StudySpec
from tests.dse.commands import json_of
from tests.dse.conftest import FormulaExecutor, MakeStudy, quiet
from tests.small_study import spec_with, tiny_document

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def spec() -> StudySpec:
    """A joint study with three trials in the air."""
    return spec_with(tiny_document(), strategy="joint", trials=12, in_flight=3)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database that is not there yet."""
    return f"sqlite:///{tmp_path}/trials.db"


@pytest.fixture
def search(spec: StudySpec, url: str) -> Iterator[Search]:
    """A driver's side of a study in it."""
    storage = open_storage(url, Path("none"), "a")
    assert isinstance(storage, Database)
    yield Search(spec, storage, "followed")
    storage.close()


class TestFollower:
    """Trials of a study that goes on."""

    def test_each_trial_is_given_once(self, search: Search, url: str) -> None:
        """Looks in between give each trial that was told since, and count those in the air."""
        follower = DatabaseFollower(url, "followed")
        assert follower.advance() == []
        stamps, seen, in_flight = {follower.stamp()}, [], []

        def look(state: Progress) -> None:
            if state.trial % 4 == 0:
                stamps.add(follower.stamp())
                seen.append([trial.number for trial in follower.advance()])
                in_flight.append(follower.in_flight)

        search.run(FormulaExecutor(capacity=3), look)
        assert seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
        assert in_flight == [2, 2, 0]
        assert len(stamps) == 4
        assert follower.advance() == []
        assert follower.stamp() == DatabaseFollower(url, "followed").stamp()

    @pytest.mark.usefixtures("far_east")
    def test_trials_are_those_told(self, search: Search, url: str) -> None:
        """A late look has every trial's point and times; a wrong name has none."""
        search.run(FormulaExecutor(capacity=3), quiet)
        found = DatabaseFollower(url, "followed").advance()
        assert [t.attributes["flat"] for t in found] == [t.flat for t in search.told]
        for trial, told in zip(found, search.told, strict=True):
            assert trial.started is not None
            assert trial.completed is not None
            started = datetime.fromisoformat(trial.started).timestamp()
            assert started == pytest.approx(told.wall_start, abs=60)
            assert 0 <= datetime.fromisoformat(trial.completed).timestamp() - started < 60
        assert DatabaseFollower(url, "other").advance() == []

    def test_looking_writes_nothing(self, search: Search, url: str, tmp_path: Path) -> None:
        """The file stays as it is, and a connection is closed with its look."""
        search.run(FormulaExecutor(capacity=3), quiet)
        before = (tmp_path / "trials.db").read_bytes()
        follower = DatabaseFollower(url, "followed")
        follower.stamp()
        closed: list[object] = []
        assert follower._engine is not None
        event.listen(follower._engine, "close", lambda connection, _: closed.append(connection))
        follower.advance()
        assert len(closed) == 1
        assert (tmp_path / "trials.db").read_bytes() == before

    def test_a_database_that_is_away(self, url: str, tmp_path: Path) -> None:
        """A missing file is not made; a server that is away is told without its password."""
        with pytest.raises(RunFolderError, match=r"trials\.db: no such file, and the run keeps"):
            DatabaseFollower(url, "followed").stamp()
        assert not (tmp_path / "trials.db").exists()
        (tmp_path / "trials.db").write_bytes(b"no database" * 100)
        with pytest.raises(RunFolderError, match=r"does not answer .*not a database"):
            DatabaseFollower(url, "followed").stamp()
        with pytest.raises(RunFolderError, match="does not answer") as raised:
            DatabaseFollower(f"postgresql://me:s3cret@/x?host={tmp_path}", "followed").advance()
        assert "s3cret" not in str(raised.value)


@pytest.mark.usefixtures("in_an_empty_folder")
class TestDashboard:
    """What a dashboard shows of a run whose study is in a database."""

    def test_without_records_it_is_the_same(
        self,
        make_study: MakeStudy,
        small_traces: Path,
        capsys: pytest.CaptureFixture[str],
        url: str,
        tmp_path: Path,
    ) -> None:
        """Followed in its database, a run has the trials and the front that its records have."""
        words = ["run", make_study(), "--traces", str(small_traces), "--storage", url]
        json_of(capsys, *words, "--out", "whole")
        finished = WatchedRun("whole", Path("whole")).snapshot()
        stopped = Path("stopped")
        shutil.copytree("whole", stopped)
        for name in ("front.json", "front.parquet", "trials.parquet", "manifest.json"):
            (stopped / name).unlink()
        watched = WatchedRun("stopped", stopped)
        live = watched.snapshot()
        assert (finished.state, live.state) == ("finished", "unfinished")
        assert watched.snapshot() is live
        assert shown(live) == shown(finished)
        assert len(live.front.designs) > 0
        (tmp_path / "trials.db").rename(tmp_path / "away.db")
        with pytest.raises(ValueError, match="no such file, and the run keeps its trials there"):
            watched.snapshot()
        assert not (tmp_path / "trials.db").exists()
        assert WatchedRun("whole", Path("whole")).snapshot().state == "finished"


def shown(snapshot: RunSnapshot) -> list[object]:
    """Trials and front of a run, without its times."""
    trials, front = snapshot.trials, snapshot.front
    return [
        trials.numbers.tolist(),
        trials.states.tolist(),
        trials.repeated.tolist(),
        {name: [k.levels[c] for c in k.codes] for name, k in trials.knobs.items()},
        [(d.trial, d.knobs, d.metrics) for d in front.designs],
        front.hypervolume,
    ]
