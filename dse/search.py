"""The search loop: ask Optuna, evaluate, tell, keep the front; and how a run is taken up again."""

from __future__ import annotations

import json
import time
import warnings
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from dse.archive import Archive
from dse.errors import EvaluationError
from dse.evaluation import Outcome, as_plain
from dse.executors import Executor, InlineExecutor
from dse.samplers import heeds_constraints, make_sampler, parameter
from dse.storage import REAPED, commit, reap
from dse.strategies import Joint, Nested, Strategy
from dse.warm_start import warm_start
from search_space import KnobValue
from studies.records import Progress
from studies.spec import StudySpec
from studies.stopping import growth_bound

_WARM: Final = "warm_start"
_STOPPED: Final = "stopped"
MAX_FAILURES: Final = 10
"""Failed designs in a row after which a study stops: something is wrong with the machine."""

Point = dict[str, KnobValue]


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
class _Asked:
    """One trial that is asked for and not yet told.

    Attributes:
        trial: Optuna's.
        flat: its canonical point.
        key: the same as text.
        started: when it was asked for, seconds since the epoch.
        violation: the condition that it breaks, in words; None if it breaks none.
        is_new: whether it has to be evaluated: it breaks no condition and no earlier trial has it.
    """

    trial: optuna.Trial
    flat: Point
    key: str
    started: float
    violation: str | None
    is_new: bool


class Search:
    """One study: its Optuna side, its archive of distinct points, and its front."""

    def __init__(self, spec: StudySpec, storage: BaseStorage, study_name: str) -> None:
        """Open the study in the storage, take up what is there, and queue a new one's warm starts.

        Args:
            spec: the study.
            storage: where Optuna keeps the trials.
            study_name: its name there.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._spec = spec
        self._storage = storage
        self.space = spec.search_space()
        kind = Joint if spec.search.strategy == "joint" else Nested
        self._strategy: Strategy = kind(spec, self.space)
        self._study = optuna.create_study(
            study_name=study_name,
            storage=storage,
            directions=list(self._strategy.directions),
            load_if_exists=True,
        )
        if self._study.metric_names is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                self._study.set_metric_names(list(self._strategy.metric_names))
        self._tell_kept()
        self.requeued = reap(self._study)
        self.archive = Archive(spec.objectives)
        self.told: list[Told] = []
        self.told_by_number: dict[int, Told] = {}
        self.history: list[Progress] = []
        self._first_trial_of: dict[str, int] = {}
        self._outcomes: dict[int, Outcome] = {}
        self.notes = self._warm_start()
        finished = [
            trial for trial in self._study.get_trials(deepcopy=False) if "flat" in trial.user_attrs
        ]
        for trial in finished:
            if trial.state.is_finished() and REAPED not in trial.user_attrs:
                self._take_up(trial)
        seed = spec.search.seed + 7_919 * len(finished)
        self._study.sampler = make_sampler(
            spec.search.sampler, seed, len(self._strategy.directions)
        )
        known: str = self._study.user_attrs.get(_STOPPED, "")
        self.stopped = self._budget_reason() if self.budget_left == 0 else known

    @property
    def budget_left(self) -> int:
        """Trials still to be told."""
        return max(0, self._spec.search.trials - len(self.told))

    def _warm_start(self) -> list[str]:
        """Queue the points to start from, once a study; what there is to tell of them."""
        if not self._spec.search.warm_start or _WARM in self._study.user_attrs:
            return []
        start = warm_start(self._spec, self.space, self._strategy.knobs)
        for point in start.points:
            params = dict(parameter(self.space[name], value) for name, value in point.items())
            self._study.enqueue_trial(params, user_attrs={_WARM: True})
        self._study.set_user_attr(_WARM, self._spec.search.warm_start)
        return start.notes

    def _keep(self, asked: _Asked, outcome: Outcome) -> None:
        """Put an outcome into the journal, before its trial's turn to be told."""
        asked.trial.set_user_attr("flat", asked.flat)
        asked.trial.set_user_attr("outcome", as_plain(outcome))

    def _tell_kept(self) -> None:
        """Tell trials whose outcome a dead driver had kept for their turn."""
        running = (TrialState.RUNNING,)
        for frozen in self._study.get_trials(deepcopy=False, states=running):
            if "outcome" in frozen.user_attrs:
                trial = optuna.Trial(self._study, frozen._trial_id)
                self._tell_optuna(trial, Outcome(**frozen.user_attrs["outcome"]))

    def _budget_reason(self) -> str:
        return f"all {self._spec.search.trials} trials are told"

    def _reason_to_stop(self, since: float) -> str:
        """Why no trial is to be told after those that are; empty to go on.

        Args:
            since: when this driver began, on the monotonic clock.
        """
        stop = self._spec.search.stop
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

    def _take_up(self, trial: FrozenTrial) -> None:
        attrs = trial.user_attrs
        started = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
        ended = trial.datetime_complete.timestamp() if trial.datetime_complete else started
        repeated = attrs.get("repeated_of")
        outcome = self._outcomes[repeated] if repeated is not None else Outcome(**attrs["outcome"])
        self._note(
            Told(
                number=trial.number,
                flat=attrs["flat"],
                outcome=outcome,
                repeated_of=repeated,
                wall_start=started,
                wall_seconds=ended - started,
            )
        )

    def run(self, executor: Executor, on_progress: Callable[[Progress], None]) -> None:
        """Go on until the budget is used up, or a rule of the study stops the search before.

        What is asked depends on the seed, on `SearchTable.in_flight` and on what was told, never on
        how fast a task is done: trials are told in the order of their numbers, and trial n is asked
        for when trial n - in_flight has been told.

        Raises:
            EvaluationError: too many designs in a row could not be evaluated.
            ValueError: data, checkpoint or recorded traces are missing or damaged.
        """
        in_flight = self._spec.search.in_flight or executor.capacity
        window: deque[_Asked] = deque()
        unsent: deque[_Asked] = deque()
        arrived: dict[int, Outcome] = {}
        n_running = failures = 0
        since = time.monotonic()
        while not (reason := self._reason_to_stop(since)):
            while len(window) < min(in_flight, self.budget_left):
                asked = self._ask({a.key for a in window})
                window.append(asked)
                if asked.is_new:
                    unsent.append(asked)
            while unsent and n_running < executor.capacity:
                asked = unsent.popleft()
                executor.submit(asked.trial.number, self._strategy.kind, asked.flat)
                n_running += 1
            oldest = window[0]
            if oldest.is_new and oldest.trial.number not in arrived:
                if not isinstance(executor, InlineExecutor):
                    commit(self._storage)  # while waiting, trials in the air can be queued again
                ticket, outcome = executor.next_outcome()
                arrived[ticket] = outcome
                self._keep(next(a for a in window if a.trial.number == ticket), outcome)
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
        self._study.set_user_attr(_STOPPED, reason)
        for asked in window:  # what is in the air when a rule stops the search is not counted
            asked.trial.set_user_attr(REAPED, True)
            self._study.tell(asked.trial, state=TrialState.FAIL)
        commit(self._storage)

    def _ask(self, pending: Collection[str]) -> _Asked:
        """The next trial.

        Args:
            pending: keys of points that are asked for and not yet told.
        """
        started = time.time()
        trial = self._study.ask()
        flat = self._strategy.point(trial)
        key = _key(flat)
        violation = self._strategy.violation(flat)
        is_known = key in self._first_trial_of or key in pending
        return _Asked(
            trial=trial,
            flat=flat,
            key=key,
            started=started,
            violation=violation,
            is_new=violation is None and not is_known,
        )

    def _settle(self, asked: _Asked, arrived: dict[int, Outcome]) -> Outcome:
        """Tell the oldest trial in the air; its outcome."""
        entry = asked.trial, asked.flat, asked.started
        first = self._first_trial_of.get(asked.key)
        if first is not None:
            self._tell(entry, None, first)
            return self._outcomes[first]
        if asked.violation is not None:
            outcome = Outcome(state="infeasible", reason=asked.violation)
            self._keep(asked, outcome)
        else:
            outcome = arrived.pop(asked.trial.number)
        self._tell(entry, outcome, None)
        return outcome

    def told_values(self, outcome: Outcome) -> dict[str, float]:
        """What a sampler was told of a setting, by name; nothing of designs and failures."""
        if self._strategy.kind == "design" or outcome.state == "failed":
            return {}
        values, _ = self._strategy.told(outcome)
        return dict(zip(self._strategy.metric_names, values, strict=True))

    def _tell(
        self,
        entry: tuple[optuna.Trial, Point, float],
        outcome: Outcome | None,
        repeated_of: int | None,
    ) -> None:
        trial, flat, started = entry
        if outcome is None:
            assert repeated_of is not None
            outcome = self._outcomes[repeated_of]
        if repeated_of is not None:
            trial.set_user_attr("flat", flat)
            trial.set_user_attr("repeated_of", repeated_of)
        self._tell_optuna(trial, outcome)
        self._note(
            Told(
                number=trial.number,
                flat=flat,
                outcome=outcome,
                repeated_of=repeated_of,
                wall_start=started,
                wall_seconds=time.time() - started,
            )
        )

    def _tell_optuna(self, trial: optuna.Trial, outcome: Outcome) -> None:
        if outcome.state == "failed":
            self._study.tell(trial, state=TrialState.FAIL)
            return
        values, constraints = self._strategy.told(outcome)
        if heeds_constraints(self._spec.search.sampler):
            for name, value in constraints.items():
                trial.set_constraint(name, value)
        self._study.tell(trial, values)

    def _note(self, told: Told) -> None:
        self.told.append(told)
        self.told_by_number[told.number] = told
        if told.repeated_of is None:
            outcome = told.outcome
            self._outcomes[told.number] = outcome
            self._first_trial_of[_key(told.flat)] = told.number
            members = [
                (told.number, h, x) for h, x in zip(outcome.hardware, outcome.exits, strict=True)
            ]
            values = np.array(outcome.values, dtype=np.float64).reshape(
                -1, len(self._spec.objectives)
            )
            self.archive.add(values, members, outcome.designs_scored)
        self.history.append(
            Progress(
                trial=len(self.told),
                designs_scored=self.archive.designs_scored,
                front_size=len(self.archive.members),
                hypervolume=self.archive.hypervolume,
            )
        )


def trial_rows(search: Search) -> list[dict[str, Any]]:
    """One row for each told trial, in Optuna's order: the content of ``trials.parquet``."""
    rows = []
    for told in sorted(search.told, key=lambda t: t.number):
        outcome = told.outcome
        state: Literal["complete", "infeasible", "failed"] = outcome.state
        rows.append(
            {
                "trial": told.number,
                "state": state,
                "reason": outcome.reason,
                "repeated_of": told.repeated_of,
                **told.flat,
                **outcome.metrics,
                "own_hypervolume": outcome.own_hypervolume,
                **search.told_values(outcome),
                "front_size": len(outcome.values),
                "designs_scored": 0 if told.repeated_of is not None else outcome.designs_scored,
                "designs_pruned": 0 if told.repeated_of is not None else outcome.designs_pruned,
                "wall_start_s": told.wall_start,
                "wall_seconds": told.wall_seconds,
                "wall_evaluation_s": outcome.seconds,
            }
        )
    return rows


def _key(flat: Point) -> str:
    return json.dumps(flat, sort_keys=True)
