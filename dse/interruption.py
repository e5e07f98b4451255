"""Interruption: SIGINT and SIGTERM as one exception, never in the middle of a write.

The first signal ends the run cleanly: what is being written or told is finished, the executor is
closed and records are written. A second one ends the process at once; nothing that was told is lost
with that either, since trials are on the disk before they count.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_WAY_ON: Final = (
    "what was finished is kept: 'dse resume' of a run goes on, and so does the same 'dse train' or "
    "'dse record'."
)


class Interrupted(BaseException):
    """A signal asks to end.

    Attributes:
        number: of the signal.
        exit_code: 128 and the signal's number, as shells have it.
    """

    def __init__(self, number: int, way_on: str = _WAY_ON) -> None:
        """By a signal.

        Args:
            number: of the signal.
            way_on: what is kept, and how to go on.
        """
        super().__init__(f"Interrupted; {way_on}")
        self.number = number
        self.exit_code = 128 + number


class _State:
    """What the handler has seen.

    Attributes:
        depth: blocks of `uninterrupted` that are being run.
        seen: signals since the handlers were installed.
        pending: a signal that waits for the end of such a block.
    """

    def __init__(self) -> None:
        self.depth = 0
        self.seen = 0
        self.pending: int | None = None


_STATE: Final = _State()


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into `Interrupted` inside; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    _STATE.seen, _STATE.pending = 0, None
    for number in SIGNALS:
        signal.signal(number, _handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off an interruption until the block has ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _STATE.depth += 1
    try:
        yield
    finally:
        _STATE.depth -= 1
        if _STATE.depth == 0 and _STATE.pending is not None:
            number, _STATE.pending = _STATE.pending, None
            raise Interrupted(number)


@contextmanager
def own_handlers() -> Iterator[None]:
    """Keep the handlers of now though the block installs others, as libraries do on starting."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle(number: int, _frame: FrameType | None) -> None:
    _STATE.seen += 1
    if _STATE.seen > 1:
        print("Interrupted again: ended at once.", file=sys.stderr, flush=True)
        os._exit(128 + number)
    if _STATE.depth:
        _STATE.pending = number
        return
    raise Interrupted(number)
