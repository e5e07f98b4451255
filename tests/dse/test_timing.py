"""What a search finds depends on its seed, not on how fast its workers are."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from dse.evaluation import Evaluation, Flat
from dse.executors import Kind
from dse.outcomes import Outcome
from dse.racing import Rivals
from dse.search import Search
from dse.trials_table import trial_rows
from studies.spec import StudySpec
from tests.dse.conftest import FormulaExecutor, MakeEvaluation, opened, quiet
from tests.small_study import small_document, spec_with, tiny_document

IN_FLIGHT = 4


class DelayedExecutor:
    """Threads that evaluate after a random time: outcomes come in another order in every run.

    Attributes:
        capacity: threads.
        finished: tickets in the order in which they were done.
    """

    is_own_process = False

    def __init__(self, evaluation: Evaluation, capacity: int, seed: int) -> None:
        self.capacity = capacity
        self.finished: list[int] = []
        self._evaluation = evaluation
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(capacity)
        self._running: dict[Future[Outcome], int] = {}

    def submit(self, ticket: int, kind: Kind, flat: Flat, rivals: Rivals | None = None) -> None:
        """Start a task that takes up to 30 ms longer than it would."""
        assert len(self._running) < self.capacity
        delay = self._random.uniform(0, 0.03)
        self._running[self._pool.submit(self._evaluate, delay, kind, flat, rivals)] = ticket

    def _evaluate(self, delay: float, kind: Kind, flat: Flat, rivals: Rivals | None) -> Outcome:
        time.sleep(delay)
        with self._lock:
            return self._evaluation.evaluate(kind, flat, rivals)

    def next_outcome(self) -> tuple[int, Outcome]:
        """The task that is done first."""
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        future = done.pop()
        self.finished.append(self._running[future])
        return self._running.pop(future), future.result()

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown()


def found(search: Search) -> tuple[Any, ...]:
    """All that a search found, without what the clock says."""
    rows = [
        {name: value for name, value in row.items() if not name.startswith("wall_")}
        for row in trial_rows(search)
    ]
    return rows, search.archive.members, search.archive.values.tolist(), search.history


def delayed(
    spec: StudySpec, folder: Path, evaluation: Evaluation, capacity: int, seed: int
) -> tuple[tuple[Any, ...], list[int]]:
    """What a search on delayed workers found, and the order in which its tasks were done."""
    folder.mkdir()
    executor = DelayedExecutor(evaluation, capacity, seed)
    search = opened(spec, folder)
    try:
        search.run(executor, quiet)
    finally:
        executor.close()
    return found(search), executor.finished


@pytest.mark.parametrize("sampler", ["nsga2", "tpe"])
def test_delayed_workers_change_nothing(
    sampler: str, tmp_path: Path, evaluation_of: MakeEvaluation
) -> None:
    """With as many trials in flight, one, two or four slow workers find the same, trial by trial.

    The trials, the members of the front in their order, and the history are equal though tasks were
    done in another order.
    """
    options = {"population_size": 4} if sampler == "nsga2" else {"n_startup_trials": 4}
    spec = spec_with(
        tiny_document(),
        trials=24,
        in_flight=IN_FLIGHT,
        sampler={"name": sampler, "options": options},
    )
    evaluation = evaluation_of(spec)
    expected, order = delayed(spec, tmp_path / "one", evaluation, 1, seed=0)
    assert order == sorted(order)
    orders = []
    for capacity, seed in ((2, 1), (4, 2), (4, 3)):
        result, order = delayed(spec, tmp_path / f"{capacity}-{seed}", evaluation, capacity, seed)
        assert result == expected
        orders.append(order)
    assert any(order != sorted(order) for order in orders)


class Unordered(FormulaExecutor):
    """Gives back any of its tasks, by chance."""

    def __init__(self, capacity: int, seed: int) -> None:
        super().__init__(capacity)
        self._random = random.Random(seed)

    def next_outcome(self) -> tuple[int, Outcome]:
        """One of the tasks."""
        self._waiting.rotate(self._random.randrange(len(self._waiting)))
        return super().next_outcome()


@pytest.mark.parametrize("capacity", [2, 5])
def test_any_order_of_outcomes_gives_the_same_trials(capacity: int, tmp_path: Path) -> None:
    """By default as many trials are in flight as there are workers; chance plays no part."""
    results = []
    for seed in range(3):
        (tmp_path / str(seed)).mkdir()
        search = opened(
            spec_with(small_document(), strategy="joint", trials=40), tmp_path / str(seed)
        )
        search.run(Unordered(capacity, seed), quiet)
        results.append(found(search))
        assert [told.number for told in search.told] == list(range(40))
    assert results[1] == results[0] == results[2]


def test_trials_in_flight_are_part_of_the_study(tmp_path: Path) -> None:
    """Another number of them makes other trials: a sampler that waits longer knows more."""
    rows = []
    for in_flight in (1, 12):
        (tmp_path / str(in_flight)).mkdir()
        spec = spec_with(small_document(), strategy="joint", trials=40, in_flight=in_flight)
        search = opened(spec, tmp_path / str(in_flight))
        search.run(Unordered(1, 0), quiet)
        rows.append([told.flat for told in search.told])
    assert rows[0] != rows[1]
