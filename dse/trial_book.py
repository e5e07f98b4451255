"""A study's trials in its storage: asked for, kept, told, and gone on with after a driver died."""

from __future__ import annotations

import warnings
from collections.abc import Container, Mapping
from typing import Any, Final

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.study._constrained_optimization import _CONSTRAINTS_KEY
from optuna.study._tell import _tell_with_warning
from optuna.trial import FrozenTrial, TrialState

from dse.drivers import ManyDrivers, drivers_of, rank
from dse.errors import RunFolderError
from dse.knob_parameters import parameter
from dse.outcomes import Outcome, as_plain
from dse.sampler_position import SamplerPosition
from dse.samplers import heeds_constraints, sampler_of
from dse.storage import commit
from dse.strategies import Strategy
from dse.told_values import checked_name
from dse.trials import FLAT, OUTCOME, REPEATED_OF, TOLD_BEFORE, AskedTrial, FinishedTrial, started
from dse.warm_start import warm_start
from search_space import SearchSpace
from studies.spec import StudySpec

SAMPLER: Final = "sampler"
"""Trial attribute: the sampler's seed and the words drawn since (`SamplerPosition`)."""
REAPED: Final = "reaped"
"""Trial attribute of what counts for nothing: it was in the air when a rule ended the search."""
_WARM: Final = "warm_start"
_STOPPED: Final = "stopped"


class TrialBook:
    """The trials of one study, as Optuna and its storage have them.

    Attributes:
        notes: sentences for the user on what warm starts were made of.
        is_shared: whether other drivers may ask for trials too.
    """

    def __init__(
        self,
        spec: StudySpec,
        space: SearchSpace,
        strategy: Strategy,
        storage: BaseStorage,
        study_name: str,
    ) -> None:
        """Open the study in the storage, and queue a new one's warm starts.

        Args:
            spec: the study.
            space: its space.
            strategy: what a trial is.
            storage: where Optuna keeps the trials.
            study_name: its name there.

        Raises:
            RunFolderError: positions in the storage are not those of such a sampler.
            UsageError: the name is not fit for a storage.
        """
        self._spec = spec
        self._space = space
        self._strategy = strategy
        self._storage = storage
        self._name = checked_name(study_name)
        self._study = optuna.create_study(
            study_name=self._name,
            storage=storage,
            directions=list(strategy.directions),
            load_if_exists=True,
        )
        if self._study.metric_names is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                self._study.set_metric_names(list(strategy.metric_names))
        self._drivers = drivers_of(storage, self._study)
        self.is_shared = isinstance(self._drivers, ManyDrivers)
        self.notes = self._warm_start()
        self._seed, self._position = self._sampler()

    def _warm_start(self) -> list[str]:
        """Queue the points to start from, once a study; what there is to tell of them."""
        if not self._spec.search.warm_start or _WARM in self._study.user_attrs:
            return []
        if not self._drivers.is_first_to(_WARM):
            return []
        start = warm_start(self._spec, self._space, self._strategy.knobs)
        for point in start.points:
            params = dict(parameter(self._space[name], value) for name, value in point.items())
            self._study.enqueue_trial(params, user_attrs={_WARM: True})
        self._study.set_user_attr(_WARM, self._spec.search.warm_start)
        return start.notes

    def _sampler(self) -> tuple[int, SamplerPosition]:
        """Give the study its sampler, where the last trial left it; its seed and position."""
        table, seed = self._spec.search.sampler, self._drivers.seed(self._spec.search.seed)
        trials = [t for t in self._study.get_trials(deepcopy=False) if self._drivers.owns(t)]
        kept = [trial.user_attrs[SAMPLER] for trial in trials if SAMPLER in trial.user_attrs]
        if not kept:  # a new study, or one of a version that did not keep positions
            seed += 7_919 * sum(FLAT in trial.user_attrs for trial in trials)
        elif isinstance(kept[-1], dict) and isinstance(kept[-1].get("seed"), int):
            seed = kept[-1]["seed"]
        sampler = sampler_of(self._spec, seed, len(self._strategy.directions))
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

    @property
    def stopped(self) -> str:
        """Why the search ended, as it was noted last; empty if it has not."""
        return str(self.noted(_STOPPED) or "")

    def note_stop(self, reason: str) -> None:
        """Note why the search ended."""
        self.note(_STOPPED, reason)

    def noted(self, name: str) -> Any:
        """What a driver of this study has noted under a name; None for nothing."""
        return self._study.user_attrs.get(name)

    def note(self, name: str, value: Any) -> None:
        """Note something of this study, on the disk."""
        self._study.set_user_attr(name, value)
        self.commit()

    def commit(self) -> None:
        """Put on the disk what the storage still holds."""
        commit(self._storage)

    @property
    def unfinished(self) -> int:
        """Trials that this driver has asked for and neither told nor abandoned."""
        return len(self._running())

    def _running(self) -> list[FrozenTrial]:
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [trial for trial in running if self._drivers.owns(trial)]

    def elsewhere(self) -> int:
        """Trials that other drivers have in the air."""
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return sum(
            not self._drivers.owns(trial) and REAPED not in trial.user_attrs for trial in running
        )

    def admits(self, asked: AskedTrial, key: str, known: int | None) -> bool:
        """Whether a trial counts and its design is this driver's, or has been told.

        Args:
            asked: the trial.
            key: its canonical point as text.
            known: number of the earlier trial of the same point; None for a new one.
        """
        budget = self._spec.search.trials
        if asked.number >= budget:
            trials = self._study.get_trials(deepcopy=False)
            counted = (t.number for t in trials if REAPED not in t.user_attrs)
            if rank(asked.number, counted) >= budget:
                return False
        if known is not None:
            return known < asked.number
        return self._drivers.claim(key, asked.number)

    def agreed(self, facts: Mapping[str, str]) -> dict[str, str]:
        """Facts of the study as the first driver that named each of them has them."""
        return self._drivers.agreed(facts)

    def finished(self, known: Container[int] = ()) -> list[FinishedTrial]:
        """Every trial that was told, by number.

        Args:
            known: numbers of trials to leave out.

        Raises:
            RunFolderError: the storage holds what no search of this version writes.
        """
        return [
            self._read(trial)
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state.is_finished()
            and trial.number not in known
            and FLAT in trial.user_attrs
            and REAPED not in trial.user_attrs
        ]

    def in_the_air(self) -> list[FinishedTrial | AskedTrial]:
        """Trials that a driver that was stopped had asked for and not told, by number.

        They are the same trials as before, so that a run goes on as if it had not been stopped:
        finished ones had an outcome that waited for its turn. One that was stopped within asking is
        asked for to the end.

        Raises:
            RunFolderError: the storage holds what no search of this version writes.
        """
        found: list[FinishedTrial | AskedTrial] = []
        for frozen in self._running():
            if OUTCOME in frozen.user_attrs:
                found.append(self._read(frozen))
            elif FLAT in frozen.user_attrs:
                found.append(AskedTrial.of(frozen))
            else:
                trial = optuna.Trial(self._study, frozen._trial_id)
                found.append(self._noted(trial, started(frozen), len(self.finished())))
        return found

    def _read(self, trial: FrozenTrial) -> FinishedTrial:
        try:
            return FinishedTrial.of(trial)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self.foreign(trial.number, error) from error

    def foreign(self, number: int, error: Exception) -> RunFolderError:
        """What is said of a trial that no search of this version writes."""
        return RunFolderError(
            f"Study {self._name!r}, trial {number}: cannot be taken up ({type(error).__name__}: "
            f"{error}); it is damaged or of another version of dse: use the version that wrote it."
        )

    def ask(self, now: float, told_before: int) -> AskedTrial:
        """The next trial, with the position of the sampler's streams after it.

        Args:
            now: seconds since the epoch.
            told_before: trials that have been told.
        """
        return self._noted(self._study.ask(), now, told_before)

    def _noted(self, trial: optuna.Trial, started: float, told_before: int) -> AskedTrial:
        flat = self._strategy.point(trial)
        if self._spec.search.racing is not None:
            trial.set_user_attr(TOLD_BEFORE, told_before)
        trial.set_user_attr(SAMPLER, {"seed": self._seed, "words": self._position.words()})
        trial.set_user_attr(FLAT, flat)
        return AskedTrial(
            number=trial.number,
            trial_id=trial._trial_id,
            flat=flat,
            started=started,
            told_before=told_before,
        )

    def keep(self, asked: AskedTrial, outcome: Outcome) -> None:
        """Put an outcome beside its trial, before the trial's turn to be told."""
        self._set(asked, OUTCOME, as_plain(outcome))

    def tell(self, asked: AskedTrial, outcome: Outcome, repeated_of: int | None) -> None:
        """Tell Optuna of a trial whose outcome is kept, or is that of an earlier one.

        Args:
            asked: the trial.
            outcome: what became of it.
            repeated_of: number of the earlier trial of the same point; None for a new one.
        """
        if repeated_of is not None:
            self._set(asked, REPEATED_OF, repeated_of)
        if outcome.state == "failed":
            self._close(asked, state=TrialState.FAIL)
            return
        values, constraints = self._strategy.told(outcome)
        if heeds_constraints(self._spec.search.sampler):
            for name, value in constraints.items():
                key = f"{_CONSTRAINTS_KEY}:{name}"  # as optuna.Trial.set_constraint has it
                self._storage.set_trial_system_attr(asked.trial_id, key, float(value))
        self._close(asked, values)

    def abandon(self, asked: AskedTrial, key: str) -> None:
        """Close a trial that shall not count, and leave its design to others."""
        self._set(asked, REAPED, True)
        self._drivers.release(key, asked.number)
        self._close(asked, state=TrialState.FAIL)

    def _close(
        self, asked: AskedTrial, values: list[float] | None = None, state: TrialState | None = None
    ) -> None:
        """Tell as `optuna.Study.tell` does, without its deep copy of the trial, half a millisecond.

        Optuna's own loop does so too.
        """
        _tell_with_warning(self._study, asked.number, values, state)

    def _set(self, asked: AskedTrial, name: str, value: Any) -> None:
        self._storage.set_trial_user_attr(asked.trial_id, name, value)
