"""The search loop: ask, evaluate, tell, keep the front; and how a run is taken up again."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

import optuna
from optuna.storages import BaseStorage

from dse.archive import Archive
from dse.errors import EvaluationError
from dse.executors import Executor
from dse.first_task import FirstTask
from dse.interruption import uninterrupted
from dse.outcomes import Outcome
from dse.racing import Rivals
from dse.strategies import Joint, Nested, Strategy
from dse.told_trials import Told, ToldTrials, key_of
from dse.told_values import checked_outcome
from dse.trial_book import TrialBook
from dse.trials import AskedTrial, FinishedTrial
from studies.records import Progress
from studies.spec import StudySpec
from studies.stopping import reason_to_stop

MAX_FAILURES: Final = 10
"""Failed designs in a row after which a study stops: something is wrong with the machine."""

LOOK_S: Final = 1.0
"""How often a driver learns of the others: it may ask for what was told, but never for it again."""
MAX_REFUSED: Final = 12
"""Trials given back in a row, with nothing in the air, after which a driver leaves the rest."""


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
        space: what it searches.
        notes: sentences for the user on what warm starts were made of.
        unfinished: trials that a driver that was stopped had in the air.
        stopped: why no more trials are told; empty while they are.
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
        self._told = ToldTrials(spec.objectives)
        self._looked = -math.inf
        self._elsewhere = self._refused = 0
        self._take_up_told()
        self.stopped = self._budget_reason() if self.budget_left == 0 else self._book.stopped

    @property
    def archive(self) -> Archive:
        """Distinct points and their front."""
        return self._told.archive

    @property
    def told(self) -> list[Told]:
        """Trials in the order in which they were told."""
        return self._told.trials

    @property
    def told_by_number(self) -> dict[int, Told]:
        """The same by Optuna's number."""
        return self._told.by_number

    @property
    def history(self) -> list[Progress]:
        """Where the search was after each of them."""
        return self._told.history

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
        if self.budget_left == 0:
            return self._budget_reason()
        return reason_to_stop(self.spec.search.stop, time.monotonic() - since, self.history)

    def agreed(self, facts: Mapping[str, str]) -> dict[str, str]:
        """Facts of the study as the first driver that named each of them has them."""
        return self._book.agreed(facts)

    def _take_up_told(self) -> None:
        """Take up the trials that were told, here before or by other drivers."""
        for trial in self._book.finished(self.told_by_number):
            try:
                self._take_up(trial)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise self._book.foreign(trial.asked.number, error) from error

    def _look_around(self) -> None:
        """Learn what other drivers have told and have in the air, once in `LOOK_S`."""
        if not self._book.is_shared or time.monotonic() - self._looked < LOOK_S:
            return
        self._take_up_told()
        self._elsewhere = self._book.elsewhere()
        self._looked = time.monotonic()

    def _next(self, window: Collection[_Entry]) -> _Entry | None:
        """The next trial; None if it was given back."""
        asked = self._book.ask(time.time(), len(self.told))
        entry = self._admitted(asked, window)
        self._refused = 0 if entry is not None else self._refused + 1
        return entry

    def _admitted(self, asked: AskedTrial, window: Collection[_Entry]) -> _Entry | None:
        """A trial in the air; None if it is given back: another driver has its design or place."""
        pending = {entry.key: entry.asked.number for entry in window}
        entry = self._entry(asked, pending)
        known = self._told.first_of(entry.key)
        if known is None:
            known = pending.get(entry.key)
        if not self._book.is_shared or self._book.admits(asked, entry.key, known):
            return entry
        self._book.abandon(asked, entry.key)
        self._looked = -math.inf
        return None

    def give_back(self) -> None:
        """Close what this driver of a shared study has in the air; others may have its designs."""
        if not self._book.is_shared:
            return
        for trial in self._book.in_the_air():
            asked = trial.asked if isinstance(trial, FinishedTrial) else trial
            self._book.abandon(asked, key_of(asked.flat))

    def _wait_for_others(self) -> str:
        """Wait a moment with nothing in the air; why there is nothing left to do, or empty."""
        if self._elsewhere and self._elsewhere >= self.budget_left:
            return f"the last {self.budget_left} trials are with other drivers"
        if self._refused >= MAX_REFUSED:
            return "other drivers have the designs that are left"
        time.sleep(min(LOOK_S, 0.01 * 2**self._refused))
        return ""

    def _take_up(self, trial: FinishedTrial) -> None:
        if trial.outcome is None:
            assert trial.repeated_of is not None
            outcome = self._told.outcome(trial.repeated_of)
        else:
            outcome = trial.outcome
        self._told.note(
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
            taken = self._admitted(asked, window)
            if taken is None:
                continue
            window.append(taken)
            if isinstance(trial, FinishedTrial) and trial.outcome is not None:
                arrived[asked.number] = trial.outcome
        unsent = deque(e for e in window if e.is_new and e.asked.number not in arrived)
        first = FirstTask(self._book) if executor.is_own_process else None
        n_running = failures = 0
        since = time.monotonic()
        while not (reason := self._reason_to_stop(since)):
            self._look_around()
            while len(window) < min(in_flight, self.budget_left - self._elsewhere):
                entry = self._next(window)
                if entry is None:
                    break
                window.append(entry)
                if entry.is_new:
                    unsent.append(entry)
            while unsent and n_running < executor.capacity:
                entry = unsent.popleft()
                number, flat = entry.asked.number, entry.asked.flat
                if first is not None and (lost := first.begin(number)) is not None:
                    arrived[number] = lost
                    self._book.keep(entry.asked, lost)
                    continue
                executor.submit(number, self._strategy.kind, flat, entry.rivals)
                n_running += 1
            if not window:
                if reason := self._wait_for_others():
                    break
                continue
            oldest = window[0]
            if oldest.is_new and oldest.asked.number not in arrived:
                if executor.capacity > 1:  # a single task is asked for again, the same
                    self._book.commit()  # outcomes before their turn are kept on the disk
                with first.excused() if first is not None else nullcontext():
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
            self._book.abandon(entry.asked, entry.key)
        self._book.note_stop(reason)

    def _entry(self, asked: AskedTrial, pending: Collection[str]) -> _Entry:
        """A trial in the air.

        Args:
            asked: the trial.
            pending: keys of points that are in the air before it.
        """
        key = key_of(asked.flat)
        violation = self._strategy.violation(asked.flat)
        is_known = self._told.first_of(key) is not None or key in pending
        return _Entry(
            asked=asked,
            key=key,
            violation=violation,
            is_new=violation is None and not is_known,
            rivals=self._rivals(asked),
        )

    def _rivals(self, asked: AskedTrial) -> Rivals | None:
        """Values of the front after the trials that had been told when a trial was asked for."""
        return None if self.spec.search.racing is None else self._told.rivals(asked.told_before)

    def _settle(self, entry: _Entry, arrived: dict[int, Outcome]) -> Outcome:
        """Tell the oldest trial in the air; its outcome."""
        first = self._told.first_of(entry.key)
        if first is not None:
            outcome = self._told.outcome(first)
        elif entry.violation is not None:
            outcome = Outcome(state="infeasible", reason=entry.violation)
            self._book.keep(entry.asked, outcome)
        else:
            outcome = arrived.pop(entry.asked.number)
        with uninterrupted():
            self._book.tell(entry.asked, outcome, first)
            self._told.note(
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
