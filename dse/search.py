"""The search loop: ask Optuna, evaluate, tell, keep the front; and how a run is taken up again."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from dse.archive import Archive
from dse.errors import EvaluationError, RunFolderError
from dse.evaluation import Outcome, as_plain
from dse.executors import Executor
from dse.interruption import uninterrupted
from dse.sampler_position import SamplerPosition
from dse.samplers import make_sampler
from dse.storage import REAPED, commit, reap
from dse.strategies import Joint, Nested, Strategy
from dse.told_values import checked_name, checked_outcome
from search_space import KnobValue
from studies.records import Progress
from studies.spec import StudySpec

MAX_FAILURES: Final = 10
"""Failed designs in a row after which a study stops: something is wrong with the machine."""

SAMPLER: Final = "sampler"
"""Trial attribute: the sampler's seed and the words drawn since (`SamplerPosition`)."""

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


class Search:
    """One study: its Optuna side, its archive of distinct points, and its front."""

    def __init__(self, spec: StudySpec, storage: BaseStorage, study_name: str) -> None:
        """Open the study in the storage, and take up what is there.

        Args:
            spec: the study.
            storage: where Optuna keeps the trials.
            study_name: its name there.

        Raises:
            RunFolderError: the storage holds what no search of this version writes.
            UsageError: the name is not fit for a storage.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._spec = spec
        self._storage = storage
        self.space = spec.search_space()
        kind = Joint if spec.search.strategy == "joint" else Nested
        self._strategy: Strategy = kind(spec, self.space)
        self._study = optuna.create_study(
            study_name=checked_name(study_name),
            storage=storage,
            directions=list(self._strategy.directions),
            load_if_exists=True,
        )
        if self._study.metric_names is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                self._study.set_metric_names(list(self._strategy.metric_names))
        self.requeued = reap(self._study)
        self.archive = Archive(spec.objectives)
        self.told: list[Told] = []
        self.told_by_number: dict[int, Told] = {}
        self.history: list[Progress] = []
        self._first_trial_of: dict[str, int] = {}
        self._outcomes: dict[int, Outcome] = {}
        finished = [
            trial for trial in self._study.get_trials(deepcopy=False) if "flat" in trial.user_attrs
        ]
        for trial in finished:
            if trial.state.is_finished() and REAPED not in trial.user_attrs:
                try:
                    self._take_up(trial)
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    raise RunFolderError(
                        f"Study {study_name!r}, trial {trial.number}: cannot be taken up "
                        f"({type(error).__name__}: {error}); it is damaged or of another version "
                        "of dse: use the version that wrote it."
                    ) from error
        self._sampler_seed, self._position = self._sampler(len(finished))

    @property
    def budget_left(self) -> int:
        """Trials still to be told."""
        return max(0, self._spec.search.trials - len(self.told))

    def _sampler(self, n_finished: int) -> tuple[int, SamplerPosition]:
        """Give the study its sampler, where the last trial left it; its seed and position."""
        table, seed = self._spec.search.sampler, self._spec.search.seed
        kept = [
            trial.user_attrs[SAMPLER]
            for trial in self._study.get_trials(deepcopy=False)
            if SAMPLER in trial.user_attrs
        ]
        if n_finished and not kept:  # by a version that did not keep positions
            seed += 7_919 * n_finished
        if kept and isinstance(kept[-1], dict) and isinstance(kept[-1].get("seed"), int):
            seed = kept[-1]["seed"]
        sampler = make_sampler(table, seed)
        position = SamplerPosition(sampler)
        try:
            if kept:
                words = zip(*(each["words"] for each in kept), strict=True)
                position.go_to([max(drawn) for drawn in words])
        except (KeyError, TypeError, ValueError) as error:
            raise RunFolderError(
                f"The sampler {table.name!r} cannot go on where the last trial left it ({error}); "
                "the study file or the storage has been changed: restore the old one."
            ) from error
        self._study.sampler = sampler
        return seed, position

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
        """Go on until the budget is used up.

        Raises:
            EvaluationError: too many designs in a row could not be evaluated.
            ValueError: data, checkpoint or recorded traces are missing or damaged.
        """
        running: dict[int, tuple[optuna.Trial, Point, float]] = {}
        waiting: dict[str, list[tuple[optuna.Trial, Point, float]]] = {}
        failures = 0
        while self.budget_left > 0:
            asked = len(running) + sum(len(trials) for trials in waiting.values())
            if len(running) < executor.capacity and asked < self.budget_left:
                started = time.time()
                trial = self._study.ask()
                flat = self._strategy.point(trial)
                drawn = {"seed": self._sampler_seed, "words": self._position.words()}
                trial.set_user_attr(SAMPLER, drawn)
                key = _key(flat)
                entry = (trial, flat, started)
                violation = self._strategy.violation(flat)
                if key in self._first_trial_of:
                    self._tell(entry, None, self._first_trial_of[key])
                elif violation is not None:
                    self._tell(entry, Outcome(state="infeasible", reason=violation), None)
                elif key in waiting:
                    waiting[key].append(entry)
                    continue
                else:
                    running[trial.number] = entry
                    waiting[key] = []
                    executor.submit(trial.number, self._strategy.kind, flat)
                    continue
            else:
                if executor.capacity > 1:  # a single trial in the air is asked for again, the same
                    commit(self._storage)  # while waiting, trials in the air can be queued again
                ticket, found = executor.next_outcome()
                outcome = checked_outcome(found, self._strategy.kind, self._spec)
                entry = running.pop(ticket)
                self._tell(entry, outcome, None)
                for twin in waiting.pop(_key(entry[1])):
                    self._tell(twin, None, ticket)
                failures = failures + 1 if outcome.state == "failed" else 0
                if failures >= MAX_FAILURES:
                    raise EvaluationError(
                        f"{failures} designs in a row could not be evaluated, the last because "
                        f"{outcome.reason}; mend that and 'dse resume'."
                    )
            on_progress(self.history[-1])

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
        with uninterrupted():
            self._tell_storage(trial, flat, outcome, repeated_of)
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

    def _tell_storage(
        self, trial: optuna.Trial, flat: Point, outcome: Outcome, repeated_of: int | None
    ) -> None:
        trial.set_user_attr("flat", flat)
        if repeated_of is None:
            trial.set_user_attr("outcome", as_plain(outcome))
        else:
            trial.set_user_attr("repeated_of", repeated_of)
        if outcome.state == "failed":
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            values, constraints = self._strategy.told(outcome)
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
                "front_size": len(outcome.values),
                "designs_scored": 0 if told.repeated_of is not None else outcome.designs_scored,
                "wall_start_s": told.wall_start,
                "wall_seconds": told.wall_seconds,
                "wall_evaluation_s": outcome.seconds,
            }
        )
    return rows


def _key(flat: Point) -> str:
    return json.dumps(flat, sort_keys=True)
