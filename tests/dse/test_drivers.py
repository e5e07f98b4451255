"""Several drivers of one study in a database: each design once, and as many trials as asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from dse.database import Database
from dse.drivers import rank
from dse.errors import UsageError
from dse.inputs import refuse_another_study, study_facts
from dse.outcomes import Outcome
from dse.search import Search
from dse.storage import open_storage
from dse.told_trials import key_of
from search_space import KNOBS
from studies.spec import StudySpec
from tests.dse.conftest import FormulaExecutor, quiet
from tests.dse.postgres import running_server
from tests.small_study import changed, spec_with, tiny_document

pytestmark = pytest.mark.slow

TRIALS = 30
OPENED: list[Database] = []


class SlowExecutor(FormulaExecutor):
    """The formula, after a moment in which another driver may do something."""

    def next_outcome(self) -> tuple[int, Outcome]:
        """Wait and work out the youngest design."""
        time.sleep(0.01)
        return super().next_outcome()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('database')}/trials.db"
        return
    with running_server() as server:
        yield server.url


@pytest.fixture(scope="module")
def spec() -> StudySpec:
    """A joint study of 96 designs, so small that drivers meet."""
    document = changed(
        tiny_document(), {"space.checkpoint": "own-layers", "space.exit_policy": "entropy"}
    )
    return spec_with(
        document, strategy="joint", trials=TRIALS, in_flight=3, sampler={"name": "random"}
    )


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Connections that a test has opened are closed."""
    yield
    while OPENED:
        OPENED.pop().close()


def driver(spec: StudySpec, url: str, study: str, name: str) -> Search:
    """A driver that takes part in a study; what SQLite writes is not synced to the disk."""
    storage = open_storage(url, Path("none"), name)
    assert isinstance(storage, Database)
    OPENED.append(storage)
    if storage.engine.name == "sqlite":
        event.listen(
            storage.engine, "connect", lambda made, _: made.execute("PRAGMA synchronous=OFF")
        )
        storage.engine.dispose()
    return Search(spec, storage, study)


def test_no_design_twice_and_no_trial_too_many(spec: StudySpec, url: str) -> None:
    """Three drivers at once evaluate distinct designs and tell exactly the study's trials."""
    study = "together"
    drivers = [driver(spec, url, study, name) for name in "abc"]
    executors = [SlowExecutor(capacity=3) for _ in drivers]
    with ThreadPoolExecutor(3) as pool:
        list(
            pool.map(lambda pair: pair[0].run(pair[1], quiet), zip(drivers, executors, strict=True))
        )
    evaluated = [json.dumps(flat, sort_keys=True) for e in executors for flat in e.flats]
    assert len(evaluated) == len(set(evaluated))
    assert all(executor.flats for executor in executors)
    seen = driver(spec, url, study, "a")
    assert len(seen.told) == TRIALS
    assert seen.unfinished == 0
    assert seen.stopped == f"all {TRIALS} trials are told"
    assert len({told.number for told in seen.told}) == TRIALS
    new = [told for told in seen.told if told.repeated_of is None]
    assert len({json.dumps(told.flat, sort_keys=True) for told in new}) == len(new)
    assert all(t.repeated_of < t.number for t in seen.told if t.repeated_of is not None)
    for each in drivers:  # what they told in between is the same for all
        known = {told.number: told.outcome for told in each.told}
        assert known.items() <= {told.number: told.outcome for told in seen.told}.items()


def test_streams_of_drivers_differ(spec: StudySpec, url: str) -> None:
    """A second driver samples designs of its own; a driver that goes on has its seed again."""
    first, second = (driver(spec, url, "streams", name) for name in "ab")
    again = driver(spec, url, "streams", "b")
    seeds = [each._book._seed for each in (first, second, again)]
    assert seeds[0] == spec.search.seed
    assert seeds[1] != seeds[0]
    assert seeds[2] == seeds[1]


class StoppedError(Exception):
    """A driver that dies."""


class DyingExecutor(FormulaExecutor):
    """Gives some outcomes, then no more."""

    def next_outcome(self) -> tuple[int, Outcome]:
        """Work out the youngest design, five times."""
        if len(self.flats) >= 8:
            raise StoppedError
        return super().next_outcome()


def test_a_dead_driver_keeps_its_trials(spec: StudySpec, url: str) -> None:
    """What a driver had in the air waits for it; others do the rest, and it ends the study."""
    study = "dying"
    with pytest.raises(StoppedError):
        driver(spec, url, study, "a").run(DyingExecutor(capacity=3), quiet)
    other = driver(spec, url, study, "b")
    assert other.unfinished == 0
    rest = FormulaExecutor(capacity=3)
    other.run(rest, quiet)
    left = other.budget_left
    assert 0 < left <= 3
    assert other.stopped == f"the last {left} trials are with other drivers"
    back = driver(spec, url, study, "a")
    assert back.unfinished == left
    executor = FormulaExecutor(capacity=3)
    back.run(executor, quiet)
    assert len(back.told) == TRIALS
    texts = [json.dumps(flat, sort_keys=True) for flat in [*executor.flats, *rest.flats]]
    assert len(texts) == len(set(texts))


def test_a_driver_that_keeps_nothing_gives_back(spec: StudySpec, url: str) -> None:
    """A driver that ends before anything is told leaves its designs and its trials' places."""

    class Stuck(FormulaExecutor):
        def next_outcome(self) -> tuple[int, Outcome]:
            raise StoppedError

    first, stuck = driver(spec, url, "given", "a"), Stuck(capacity=3)
    with pytest.raises(StoppedError):
        first.run(stuck, quiet)
    assert first._book.unfinished == 3
    first.give_back()
    assert first._book.unfinished == 0
    other = driver(spec, url, "given", "b")
    assert all(other._book._drivers.claim(key_of(dict(flat)), 99) for flat in stuck.flats)
    for flat in stuck.flats:
        other._book._drivers.release(key_of(dict(flat)), 99)
    other.run(FormulaExecutor(capacity=3), quiet)
    assert len(other.told) == TRIALS


def test_designs_that_are_with_others(spec: StudySpec, url: str) -> None:
    """A driver that can only ask for designs that another one has leaves the rest to it."""
    document = spec.document() | {"conditions": []}
    document["space"] = {
        name: values[0] if isinstance(values, list) and name != "envm_mib" else values
        for name, values in document["space"].items()
    }
    few = spec_with(document, trials=40, in_flight=2)
    assert len(few.search_space().points(KNOBS)) == 2

    class Stuck(FormulaExecutor):
        def next_outcome(self) -> tuple[int, Outcome]:
            raise StoppedError

    many = spec_with(few.document(), in_flight=12)
    with pytest.raises(StoppedError):
        driver(many, url, "few", "a").run(Stuck(capacity=2), quiet)
    other = driver(few, url, "few", "b")
    other.run(FormulaExecutor(capacity=2), quiet)
    assert other.stopped == "other drivers have the designs that are left"
    back = [t for t in other._book._study.trials if t.user_attrs["driver"] == "b"]
    assert all(t.user_attrs.get("reaped") for t in back)


def test_warm_starts_are_queued_once(spec: StudySpec, url: str) -> None:
    """Of drivers that start at once, one queues the points to start from."""
    warm = spec_with(spec.document(), warm_start=["edgebert"])
    drivers = [driver(warm, url, "warm", name) for name in "ab"]
    trials = drivers[0]._book._study.trials
    assert len(trials) == sum("warm_start" in t.user_attrs for t in trials) == 1


class TestAgreement:
    """Drivers of one study measure the same."""

    def test_another_study_file(self, spec: StudySpec, url: str) -> None:
        """A driver with other objectives, knobs or scenario is refused; its own workers are not."""
        facts = driver(spec, url, "agreed", "a").agreed(study_facts(spec))
        own = spec_with(spec.document(), workers=7, in_flight=9, seed=5)
        refuse_another_study(facts, own, "agreed")
        other = spec_with(changed(spec.document(), {"scenario.deadline_ms": 0.5}), trials=3)
        agreed = driver(other, url, "agreed", "b").agreed(study_facts(other))
        with pytest.raises(UsageError, match="another study file: scenario, search differ; take"):
            refuse_another_study(agreed, other, "agreed")

    def test_another_data_set(self, spec: StudySpec, url: str) -> None:
        """The first driver's inputs count for all."""
        first = driver(spec, url, "inputs", "a").agreed({"data set": "1" * 64})
        second = driver(spec, url, "inputs", "b").agreed({"data set": "2" * 64})
        assert first == second == {"data set": "1" * 64}


@given(st.sets(st.integers(0, 50)), st.integers(1, 20))
def test_ranks_share_out_the_budget(numbers: set[int], budget: int) -> None:
    """Of any trials, as many as the budget have a rank below it, those with the lowest numbers."""
    within = {n for n in numbers if rank(n, numbers) < budget}
    assert within == set(sorted(numbers)[:budget])
