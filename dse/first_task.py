"""The first task of a driver that evaluates in its own process: three strikes there too.

A task that takes more memory than there is ends the process that evaluates it. Where that is the
driver's own, nothing is left that could count it. So each driver notes the task that it begins with
before it does; the one that a driver ended within is the next one's first. An interruption is no
strike, and neither is what comes after the first task: that driver has survived it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from dse.attempts import MAX_STRIKES, given_up
from dse.interruption import Interrupted
from dse.outcomes import Outcome

FIRST_TASK: Final = "first_task"
"""Study attribute: the first task of the last driver, and how many in a row began with it."""
_REASON: Final = "the process of the driver ended within it, as with too little memory"


class Notes(Protocol):
    """What is noted of a study, on the disk."""

    is_shared: bool

    def noted(self, name: str) -> Any:
        """What was noted under a name; None for nothing."""

    def note(self, name: str, value: Any) -> None:
        """Note something."""


class FirstTask:
    """The first task of a driver, which drivers before it may have ended within.

    Drivers that share a study in a database have one note between them: nothing is counted there.
    """

    def __init__(self, notes: Notes) -> None:
        """Of a driver that has begun none.

        Args:
            notes: of the study.
        """
        self._notes = notes
        self._number: int | None = None
        self._is_over = notes.is_shared

    def begin(self, number: int) -> Outcome | None:
        """Note a task that is begun; a failed outcome if that has ended too many drivers before.

        Args:
            number: of its trial.
        """
        if self._is_over or self._number is not None:
            return None
        before = self._begun(number)
        if before >= MAX_STRIKES:
            return given_up(before, _REASON)  # the next task is the first one then
        self._number = number
        self._notes.note(FIRST_TASK, {"trial": number, "drivers": before + 1})
        return None

    @contextmanager
    def excused(self) -> Iterator[None]:
        """Evaluate a task; an interruption within the first one is not counted against it."""
        try:
            yield
        except Interrupted:
            if self._number is not None and not self._is_over:
                before = self._begun(self._number) - 1
                self._notes.note(FIRST_TASK, {"trial": self._number, "drivers": before})
            raise
        self._is_over = True

    def _begun(self, number: int) -> int:
        """How many drivers in a row have begun with a task."""
        noted = self._notes.noted(FIRST_TASK)
        if not isinstance(noted, dict) or noted.get("trial") != number:
            return 0
        drivers = noted.get("drivers")
        return drivers if isinstance(drivers, int) else 0
