"""The drivers of one study: one with a journal file, any number with a database.

Drivers share trials, the budget and a promise: no design is evaluated by two of them. A driver that
has asked for a trial claims its design; one that comes second gives its trial back and asks for
another. Each has its own run folder, its own window of trials in the air and its own seed, and
learns what the others have told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial

from dse.trials import DRIVER

if TYPE_CHECKING:
    from dse.database import Database

_SEED_STEP: Final = 7_919
"""Between the seeds of two drivers: a prime, so that no small seed is another driver's."""
_MOST_DRIVERS: Final = 10_000


class Drivers(Protocol):
    """What a driver has to ask before it takes a trial for its own."""

    def owns(self, trial: FrozenTrial) -> bool:
        """Whether a trial is this driver's."""

    def seed(self, seed: int) -> int:
        """The seed of this driver's sampler, made of the study's."""

    def is_first_to(self, what: str) -> bool:
        """Whether this driver is the one that does something that is done once a study."""

    def agreed(self, facts: Mapping[str, str]) -> dict[str, str]:
        """Facts as the first driver that named each of them has them."""

    def claim(self, key: str, number: int) -> bool:
        """Whether a design, by its canonical text, is that trial's to evaluate."""

    def release(self, key: str, number: int) -> None:
        """Let another trial have a design that was not evaluated."""


class OneDriver:
    """The only driver of a study: a lock on its journal keeps others away."""

    def owns(self, trial: FrozenTrial) -> bool:  # noqa: ARG002 - one of several drivers asks
        """Every trial."""
        return True

    def seed(self, seed: int) -> int:
        """The study's."""
        return seed

    def is_first_to(self, what: str) -> bool:  # noqa: ARG002
        """Nobody else does it."""
        return True

    def agreed(self, facts: Mapping[str, str]) -> dict[str, str]:
        """The same: nobody disagrees."""
        return dict(facts)

    def claim(self, key: str, number: int) -> bool:  # noqa: ARG002
        """Nobody else wants it."""
        return True

    def release(self, key: str, number: int) -> None:
        """There is no claim."""


class ManyDrivers:
    """One of several drivers of a study in a database.

    What is exact rests on the primary key of the table of claims.
    """

    def __init__(self, database: Database, study: optuna.Study) -> None:
        """Take part in a study; the first driver is number 0."""
        self._database = database
        self._study = study._study_id
        self._number = next(
            number
            for number in range(_MOST_DRIVERS)
            if self._holder(f"driver {number}", database.driver) == database.driver
        )

    def _holder(self, what: str, claimant: str) -> str:
        return self._database.holder(self._study, what, claimant)

    def owns(self, trial: FrozenTrial) -> bool:
        """One that it asked for, or that an earlier version left without a driver."""
        return bool(trial.user_attrs.get(DRIVER, self._database.driver) == self._database.driver)

    def seed(self, seed: int) -> int:
        """The study's for the first driver, others for those that come later."""
        return seed + _SEED_STEP * self._number

    def is_first_to(self, what: str) -> bool:
        """Exactly one driver is."""
        return self._holder(what, self._database.driver) == self._database.driver

    def agreed(self, facts: Mapping[str, str]) -> dict[str, str]:
        """Each fact as it was claimed first."""
        return {name: self._holder(f"fact {name}"[:128], fact) for name, fact in facts.items()}

    def claim(self, key: str, number: int) -> bool:
        """Exactly one trial has it."""
        return self._holder(_design(key), str(number)) == str(number)

    def release(self, key: str, number: int) -> None:
        """Remove the claim, if it is that trial's."""
        self._database.release(self._study, _design(key), str(number))


def drivers_of(storage: BaseStorage, study: optuna.Study) -> Drivers:
    """Who drives a study in such a storage."""
    if not isinstance(storage, RDBStorage):
        return OneDriver()
    from dse.database import Database  # a run with a journal file does without

    return ManyDrivers(storage, study) if isinstance(storage, Database) else OneDriver()


def rank(number: int, counted: Iterable[int]) -> int:
    """How many of the trials that count were made before one.

    Numbers are given out in order, so a trial's rank never rises: trials of a rank below the budget
    are as many as the budget, whoever asks.

    >>> rank(5, [0, 2, 5, 7])
    2
    """
    return sum(other < number for other in counted)


def _design(key: str) -> str:
    return f"design {hashlib.sha256(key.encode()).hexdigest()}"
