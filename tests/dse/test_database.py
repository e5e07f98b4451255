"""Studies in a database: who is first, and what a lost connection leaves behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from dse import database
from dse.database import Database, is_outage, open_database
from dse.errors import UsageError
from tests.dse.postgres import Server, running_server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL server of this module's own."""
    with running_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def make(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[str], tuple[Database, optuna.Study]]]:
    """Opens one study for a driver of that name; each test has a study of its own."""
    url = f"sqlite:///{tmp_path}/trials.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("server").url
    opened: list[Database] = []

    def study_for(driver: str) -> tuple[Database, optuna.Study]:
        opened.append(open_database(url, driver))
        study = optuna.create_study(
            study_name=tmp_path.name, storage=opened[-1], load_if_exists=True
        )
        return opened[-1], study

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield study_for
    for each in opened:
        each.close()


Make = Callable[[str], tuple[Database, optuna.Study]]


def lose(database: Database, statement: str, *, after: bool) -> list[str]:
    """Lose the connection at the next commit that follows such a statement.

    Args:
        database: whose.
        statement: its first words.
        after: whether the commit was done, so that only the answer is lost.

    Returns:
        What happened: ``lost``, once it did.
    """
    happened: list[str] = []
    seen: list[bool] = []

    def fail() -> None:
        happened.append("lost")
        event.remove(database.engine, "before_cursor_execute", watch)
        event.remove(database.engine, "commit", commit)
        raise OperationalError(
            "COMMIT", {}, _LostError("server closed the connection unexpectedly")
        )

    def watch(_c: object, _k: object, text: str, *_: object) -> None:
        if text.startswith(statement):
            seen.append(True)

    def commit(connection: object) -> None:
        if seen:
            if after:
                connection.connection.dbapi_connection.commit()  # type: ignore[attr-defined]
            fail()

    event.listen(database.engine, "before_cursor_execute", watch)
    event.listen(database.engine, "commit", commit)
    return happened


class _LostError(Exception):
    """What psycopg raises, by the name of its module."""

    __module__ = "psycopg"
    sqlstate = None


@pytest.mark.parametrize("after", [False, True])
def test_a_trial_is_made_once(make: Make, after: bool) -> None:
    """A trial whose answer was lost is found again; one that was not stored is made."""
    storage, study = make("a")
    lost = lose(storage, "INSERT INTO trials", after=after)
    trial = study.ask()
    assert lost == ["lost"]
    assert trial.number == 0
    assert [t.number for t in study.trials] == [0]
    assert study.ask().number == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_trial_is_told_once(make: Make, after: bool) -> None:
    """After a lost answer it is read back whether the `tell` was stored before it is told again."""
    storage, study = make("a")
    trial = study.ask()
    lost = lose(storage, "UPDATE trials", after=after)
    study.tell(trial, 0.5)
    assert lost == ["lost"]
    found = study.trials[0]
    assert (found.state, found.values) == (TrialState.COMPLETE, [0.5])
    with pytest.raises(ValueError, match="Cannot tell a COMPLETE trial"):
        study.tell(trial.number, 0.5)


@pytest.mark.usefixtures("far_east")
@pytest.mark.parametrize("after", [False, True])
def test_a_queued_trial_is_taken_once(make: Make, after: bool) -> None:
    """A trial that waits is its first taker's, be the answer lost."""
    storage, study = make("a")
    _, other = make("b")
    study.enqueue_trial({})
    lost = lose(storage, "UPDATE trials", after=after)
    assert study.ask().number == 0
    assert lost == ["lost"]
    assert other.ask().number == 1
    assert [t.user_attrs["driver"] for t in study.trials] == ["a", "b"]
    started = [t.datetime_start.timestamp() for t in study.trials if t.datetime_start is not None]
    assert started == pytest.approx([time.time()] * 2, abs=60)


@pytest.mark.parametrize("after", [False, True])
def test_other_writes_may_be_done_twice(make: Make, after: bool) -> None:
    """Parameters, attributes and claims are the same after a lost answer."""
    storage, study = make("a")
    trial = study.ask()
    lost = [lose(storage, "INSERT INTO trial_params", after=after)]
    value = trial.suggest_int("x", 0, 9)
    lost.append(lose(storage, "INSERT INTO trial_user_attributes", after=after))
    trial.set_user_attr("flat", {"x": value})
    lost.append(lose(storage, "INSERT INTO edge_dse_claims", after=after))
    assert storage.holder(study._study_id, "design 1", "a") == "a"
    assert lost == [["lost"]] * 3
    found = study.trials[0]
    assert found.params == {"x": value}
    assert found.user_attrs["flat"] == {"x": value}


def test_one_of_many_is_first(make: Make) -> None:
    """Of claimants at once one is told its own name, and the others are told the same."""
    drivers = [make(name) for name in "abcd"]

    def claims(which: int) -> list[str]:
        storage, study = drivers[which]
        return [storage.holder(study._study_id, f"design {i}", "abcd"[which]) for i in range(20)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(claims, range(4)))
    assert found[0] == found[1] == found[2] == found[3]
    storage, study = drivers[0]
    loser = next(name for name in "abcd" if name != found[0][0])
    storage.release(study._study_id, "design 0", loser)
    assert storage.holder(study._study_id, "design 0", loser) == found[0][0]
    storage.release(study._study_id, "design 0", found[0][0])
    assert storage.holder(study._study_id, "design 0", loser) == loser


def test_claims_go_with_their_study(tmp_path: Path) -> None:
    """A study that has the number of a deleted one begins without its claims."""
    storage = open_database(f"sqlite:///{tmp_path}/trials.db", "a")
    for expected in ("first", "second"):
        study = optuna.create_study(study_name="same", storage=storage)
        assert storage.holder(study._study_id, "design", expected) == expected
        optuna.delete_study(study_name="same", storage=storage)
    storage.close()


def test_restarts(server: Server, tmp_path: Path) -> None:
    """A server that is stopped, or crashes, and comes back loses and doubles no trial."""
    storage = open_database(server.url, "a")
    study = optuna.create_study(study_name=tmp_path.name, storage=storage)
    for number, mode in enumerate(("fast", "immediate", "fast")):
        trial = study.ask()
        server.stop(mode)
        with ThreadPoolExecutor(1) as pool:
            telling = pool.submit(study.tell, trial, float(number))
            server.start()
            telling.result(60)
    assert [t.values for t in study.trials] == [[0.0], [1.0], [2.0]]
    storage.close()


def test_a_server_that_stays_away(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `OUTAGE_S` the driver gives up."""
    storage = open_database(server.url, "a")
    study = optuna.create_study(study_name=tmp_path.name, storage=storage)
    monkeypatch.setattr(database, "OUTAGE_S", 0.3)
    server.stop()
    try:
        with pytest.raises(StorageInternalError):
            study.ask()
    finally:
        server.start()
    storage.close()


def test_refusals_are_not_waited_for(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the database refuses is no outage."""
    storage, study = make("a")
    monkeypatch.setattr(database, "OUTAGE_S", 1e9)
    with pytest.raises(StorageInternalError) as told:
        _refused(storage, study)
    assert not is_outage(told.value)


def _refused(storage: Database, study: optuna.Study) -> None:
    """Ask for what a database does not do."""
    if storage.engine.name == "postgresql":
        study.set_user_attr("x" * 600, 1)  # longer than the column
    with storage.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE study_user_attributes")
    study.set_user_attr("x", 1)


def test_wrong_password_is_not_shown(server: Server) -> None:
    """The sentence of a database that cannot be opened has no password in it."""
    url = server.url.replace("tester@", "tester:s3cret@").replace("/postgres", "/nosuch")
    with pytest.raises(UsageError, match=r'cannot be opened .*"nosuch" does not exist') as told:
        open_database(url, "a")
    assert "s3cret" not in str(told.value)
