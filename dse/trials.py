"""Trials of a study: one that is asked for, one that was told, and how a storage has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from optuna.trial import FrozenTrial

from dse.outcomes import Outcome
from search_space import KnobValue

FLAT: Final = "flat"
"""Trial attribute: the canonical point."""
OUTCOME: Final = "outcome"
"""Trial attribute: what became of it, before it is told and after."""
TOLD_BEFORE: Final = "told_before"
"""Trial attribute of raced studies: how many trials had been told when it was asked for."""
DRIVER: Final = "driver"
"""Trial attribute, in databases: the driver that asked for the trial."""
REPEATED_OF: Final = "repeated_of"
"""Trial attribute: number of the earlier trial of the same point."""

Point = dict[str, KnobValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTrial:
    """One trial that is asked for.

    Attributes:
        number: Optuna's number of the trial.
        trial_id: what the storage calls it.
        flat: its canonical point.
        started: when it was asked for, seconds since the epoch.
        told_before: racing: trials that had been told then.
    """

    number: int
    trial_id: int
    flat: Point
    started: float
    told_before: int = 0

    @classmethod
    def of(cls, trial: FrozenTrial) -> AskedTrial:
        """The trial as a storage has it.

        Raises:
            KeyError: it was stopped within asking.
        """
        return cls(
            number=trial.number,
            trial_id=trial._trial_id,
            flat=trial.user_attrs[FLAT],
            started=started(trial),
            told_before=trial.user_attrs.get(TOLD_BEFORE, 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedTrial:
    """One trial that was told.

    Attributes:
        asked: what was asked for.
        outcome: what became of it; None of a repeated one.
        repeated_of: number of the earlier trial of the same point; None for a new one.
        seconds: time from asking to telling.
    """

    asked: AskedTrial
    outcome: Outcome | None
    repeated_of: int | None
    seconds: float

    @classmethod
    def of(cls, trial: FrozenTrial) -> FinishedTrial:
        """The trial as a storage has it, told or with an outcome that waits for its turn.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: no search of this version wrote it.
        """
        asked = AskedTrial.of(trial)
        ended = trial.datetime_complete.timestamp() if trial.datetime_complete else None
        repeated = trial.user_attrs.get(REPEATED_OF)
        return cls(
            asked=asked,
            outcome=None if repeated is not None else Outcome(**trial.user_attrs[OUTCOME]),
            repeated_of=repeated,
            seconds=0.0 if ended is None else ended - asked.started,
        )


def started(trial: FrozenTrial) -> float:
    """When a trial was asked for, seconds since the epoch; 0 of one that waits."""
    return trial.datetime_start.timestamp() if trial.datetime_start else 0.0
