"""Attempts at a task: how long one may take, what is worth another, and when it is given up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from dse.outcomes import Outcome

MAX_STRIKES: Final = 3
"""A task that has failed this often is recorded as failed and left alone."""


class OverLimitError(Exception):
    """An evaluation takes longer than the study allows."""


def is_transient(error: Exception) -> bool:
    """Whether another attempt may not meet it again: time, memory, disk or network."""
    return isinstance(error, OverLimitError | MemoryError | OSError)


@contextmanager
def limited(limit_s: float | None) -> Iterator[None]:
    """Raise `OverLimitError` in the block after so many seconds; only the main thread can.

    It is raised between steps of Python: one long call into a library is stopped when it returns.
    """
    if limit_s is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise OverLimitError(over_limit(limit_s))

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def over_limit(limit_s: float) -> str:
    """The reason of a task that was stopped."""
    return f"it took longer than {limit_s:g} s (evaluator.limit_s)"


def reason_of(error: Exception) -> str:
    """An exception in a line.

    >>> reason_of(ZeroDivisionError("division by zero"))
    'ZeroDivisionError: division by zero'
    """
    text = (str(error).splitlines() or [""])[0]
    if isinstance(error, OverLimitError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def given_up(strikes: int, reason: str) -> Outcome:
    """The outcome of a task after so many failed attempts."""
    return Outcome(state="failed", reason=f"{strikes} attempts failed, the last because {reason}")
