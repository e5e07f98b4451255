"""The search loop: ask, evaluate, tell, keep the front; and how a run is taken up again."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
import optuna
from optuna.storages import BaseStorage

from dse.archive import Archive
from dse.errors import EvaluationError
from dse.evaluation import Outcome
from dse.executors import Executor
from dse.interruption import uninterrupted
from dse.racing import Rivals
from dse.strategies import Joint, Nested, Strategy
from dse.told_values import checked_outcome
from dse.trial_book import AskedTrial, FinishedTrial, Point, TrialBook
from studies.records import Progress
from studies.spec import StudySpec
from studies.stopping import growth_bound

MAX_FAILURES: Final = 10
"""Failed designs in a row after which a study stops: something is wrong with the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One trial as it was told.

    Attributes:
        number: Optuna's number of the trial.
        flat: its canonical point.
        outcome: what became of it.
        repeated_of: number of the earlier trial of the same point; None for a new one.
        wall_start: time of its start, seconds since the epoch.
        wall_seconds: time from asking to telling.
    """

    number: int
    flat: Point
    outcome: Outcome
    repeated_of: int | None
    wall_start: float
    wall_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One trial that is in the air: asked for and not yet told.

    Attributes:
        asked: the trial.
        key: its canonical point as text.
        violation: the condition that it breaks, in words; None if it breaks none.
        is_new: whether it has to be evaluated: it breaks no condition and no earlier trial has it.
        rivals: values of the front as it was when the trial was asked for; None without racing.
    """

    asked: AskedTrial
    key: str
    violation: str | None
    is_new: bool
    rivals: Rivals | None


class Search:
    """One study: its Optuna side, its archive of distinct points, and its front.

    Attributes:
        spec: the study.
    """

    def __init__(self, spec: StudySpec, storage: BaseStorage, study_name: str) -> None:
        """Open the study in the storage, take up what is there, and queue a new one's warm starts.

        Args:
            spec: the study.
            storage: where Optuna keeps the trials.
            study_name: its name there.

        Raises:
            RunFolderError: the storage holds what no search of this version writes.
            UsageError: the name is not fit for a storage.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.spec = spec
        self.space = spec.search_space()
        kind = Joint if spec.search.strategy == "joint" else Nested
        self._strategy: Strategy = kind(spec, self.space)
        self._book = TrialBook(spec, self.space, self._strategy, storage, study_name)
        self.notes = self._book.notes
        self.unfinished = self._book.unfinished
        self.archive = Archive(spec.objectives)
        self.told: list[Told] = []
        self.told_by_number: dict[int, Told] = {}
        self.history: list[Progress] = []
        self._first_trial_of: dict[str, int] = {}
        self._outcomes: dict[int, Outcome] = {}
        for trial in self._book.finished():
            try:
                self._take_up(trial)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise self._book.foreign(trial.asked.number, error) from error
        self.stopped = self._budget_reason() if self.budget_left == 0 else self._book.stopped

    @property
    def budget_left(self) -> int:
        """Trials still to be told."""
        return max(0, self.spec.search.trials - len(self.told))

    def _budget_reason(self) -> str:
        return f"all {self.spec.search.trials} trials are told"

    def _reason_to_stop(self, since: float) -> str:
        """Why no trial is to be told after those that are; empty to go on.

        Args:
            since: when this driver began, on the monotonic clock.
        """
        stop = self.spec.search.stop
        if self.budget_left == 0:
            return self._budget_reason()
        if stop.seconds is not None and time.monotonic() - since >= stop.seconds:
            return f"{stop.seconds:g} s have passed"
        if stop.growth is None:
            return ""
        last = self.history[-(2 * stop.window + 1) :]
        volumes = [state.hypervolume for state in last]
        if not volumes or volumes[-1] == 0:  # nothing is found yet
            return ""
        share = growth_bound(volumes, stop.window) / volumes[-1]
        if share > stop.growth:
            return ""
        return (
            f"the hypervolume would grow by {share:.2%} at most over the next "
            f"{stop.window} trials (upper estimate; the study asks for more than {stop.growth:.2%})"
        )

    def _take_up(self, trial: FinishedTrial) -> None:
        if trial.outcome is None:
            assert trial.repeated_of is not None
            outcome = self._outcomes[trial.repeated_of]
        else:
            outcome = trial.outcome
        self._note(
            Told(
                number=trial.asked.number,
                flat=trial.asked.flat,
                outcome=outcome,
                repeated_of=trial.repeated_of,
                wall_start=trial.asked.started,
                wall_seconds=trial.seconds,
            )
        )

    def run(self, executor: Executor, on_progress: Callable[[Progress], None]) -> None:
        """Go on until the budget is used up, or a rule of the study stops the search before.

        What is asked depends on the seed, on `SearchTable.in_flight` and on what was told, never on
        how fast a task is done: trials are told in the order of their numbers, and trial n is asked
        for when trial n - in_flight has been told. A driver that was stopped changes nothing
        either: what it had asked for is gone on with first.

        Raises:
            EvaluationError: too many designs in a row could not be evaluated.
            RunFolderError: the storage cannot be written, or holds what no search writes.
            ValueError: data, checkpoint or recorded traces are missing or damaged.
        """
        in_flight = self.spec.search.in_flight or executor.capacity
        window: deque[_Entry] = deque()
        arrived: dict[int, Outcome] = {}
        for trial in self._book.in_the_air():
            asked = trial.asked if isinstance(trial, FinishedTrial) else trial
            window.append(self._entry(asked, {entry.key for entry in window}))
            if isinstance(trial, FinishedTrial) and trial.outcome is not None:
                arrived[asked.number] = trial.outcome
        unsent = deque(e for e in window if e.is_new and e.asked.number not in arrived)
        n_running = failures = 0
        since = time.monotonic()
        while not (reason := self._reason_to_stop(since)):
            while len(window) < min(in_flight, self.budget_left):
                asked = self._book.ask(time.time(), len(self.told))
                entry = self._entry(asked, {e.key for e in window})
                window.append(entry)
                if entry.is_new:
                    unsent.append(entry)
            while unsent and n_running < executor.capacity:
                entry = unsent.popleft()
                number, flat = entry.asked.number, entry.asked.flat
                executor.submit(number, self._strategy.kind, flat, entry.rivals)
                n_running += 1
            oldest = window[0]
            if oldest.is_new and oldest.asked.number not in arrived:
                if executor.capacity > 1:  # a single task is asked for again, the same
                    self._book.commit()  # outcomes before their turn are kept on the disk
                ticket, found = executor.next_outcome()
                outcome = checked_outcome(found, self._strategy.kind, self.spec)
                arrived[ticket] = outcome
                self._book.keep(next(e.asked for e in window if e.asked.number == ticket), outcome)
                n_running -= 1
                continue
            window.popleft()
            outcome = self._settle(oldest, arrived)
            on_progress(self.history[-1])
            if oldest.is_new:
                failures = failures + 1 if outcome.state == "failed" else 0
            if failures >= MAX_FAILURES:
                raise EvaluationError(
                    f"{failures} designs in a row could not be evaluated, the last because "
                    f"{outcome.reason}; mend that and 'dse resume'."
                )
        self.stopped = reason
        for entry in window:  # what is in the air when a rule stops the search is not counted
            self._book.abandon(entry.asked)
        self._book.note_stop(reason)

    def _entry(self, asked: AskedTrial, pending: Collection[str]) -> _Entry:
        """A trial in the air.

        Args:
            asked: the trial.
            pending: keys of points that are in the air before it.
        """
        key = _key(asked.flat)
        violation = self._strategy.violation(asked.flat)
        is_known = key in self._first_trial_of or key in pending
        return _Entry(
            asked=asked,
            key=key,
            violation=violation,
            is_new=violation is None and not is_known,
            rivals=self._rivals(asked),
        )

    def _rivals(self, asked: AskedTrial) -> Rivals | None:
        """Values of the front after the trials that had been told when a trial was asked for."""
        if self.spec.search.racing is None:
            return None
        if asked.told_before == len(self.told):
            return _rows(self.archive)
        then = Archive(self.spec.objectives)  # a driver was stopped and more has been told since
        for told in self.told[: asked.told_before]:
            self._merge(told, then)
        return _rows(then)

    def _settle(self, entry: _Entry, arrived: dict[int, Outcome]) -> Outcome:
        """Tell the oldest trial in the air; its outcome."""
        first = self._first_trial_of.get(entry.key)
        if first is not None:
            outcome = self._outcomes[first]
        elif entry.violation is not None:
            outcome = Outcome(state="infeasible", reason=entry.violation)
            self._book.keep(entry.asked, outcome)
        else:
            outcome = arrived.pop(entry.asked.number)
        with uninterrupted():
            self._book.tell(entry.asked, outcome, first)
            self._note(
                Told(
                    number=entry.asked.number,
                    flat=entry.asked.flat,
                    outcome=outcome,
                    repeated_of=first,
                    wall_start=entry.asked.started,
                    wall_seconds=time.time() - entry.asked.started,
                )
            )
        return outcome

    def told_values(self, outcome: Outcome) -> dict[str, float]:
        """What a sampler was told of a setting, by name; nothing of designs and failures."""
        if self._strategy.kind == "design" or outcome.state == "failed":
            return {}
        values, _ = self._strategy.told(outcome)
        return dict(zip(self._strategy.metric_names, values, strict=True))

    def _note(self, told: Told) -> None:
        self.told.append(told)
        self.told_by_number[told.number] = told
        if told.repeated_of is None:
            outcome = told.outcome
            self._outcomes[told.number] = outcome
            self._first_trial_of[_key(told.flat)] = told.number
            self._merge(told, self.archive)
        self.history.append(
            Progress(
                trial=len(self.told),
                designs_scored=self.archive.designs_scored,
                front_size=len(self.archive.members),
                hypervolume=self.archive.hypervolume,
            )
        )

    def _merge(self, told: Told, archive: Archive) -> None:
        outcome = told.outcome
        members = [
            (told.number, h, x) for h, x in zip(outcome.hardware, outcome.exits, strict=True)
        ]
        values = np.array(outcome.values, dtype=np.float64).reshape(-1, len(self.spec.objectives))
        archive.add(values, members, outcome.designs_scored)


def _rows(archive: Archive) -> Rivals:
    rows: list[list[float]] = archive.values.tolist()
    return rows


def _key(flat: Point) -> str:
    return json.dumps(flat, sort_keys=True)
