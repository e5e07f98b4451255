"""``dse`` in a process of its own that tells what it does, and may be killed within a call.

``python -m tests.dse.driver_process PIPE NTH AFTER_BYTES KIND WORDS...`` is ``dse WORDS...``. It
writes lines to the descriptor PIPE: ``imported CPU``, ``ready CPU WALL`` when it gives out its
first task, and ``told NUMBER`` for each trial that it is told as kept. It kills itself within the
call that `FailingCall` names. CPU is processor time since the start of the process, WALL the
monotonic clock of the machine, both in seconds.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

from tests.dse.disk_calls import FailingCall, failing_call


def main(words: list[str]) -> int:
    """Drive a run; its exit code."""
    pipe, nth, after_bytes, kind, *command = words
    real_write = os.write

    def say(text: str) -> None:
        real_write(int(pipe), f"{text}\n".encode())

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    import dse.cli
    import dse.commands
    import dse.driver
    from dse.executors import InlineExecutor
    from dse.search import Search

    say(f"imported {time.process_time()}")
    submit, note = InlineExecutor.submit, Search._note
    ready: list[Callable[[], None]] = [
        lambda: say(f"ready {time.process_time()} {time.monotonic()}")
    ]

    def submitting(self: InlineExecutor, *task: Any) -> None:
        if ready:
            ready.pop()()
        submit(self, *task)

    def noting(self: Search, told: Any) -> None:
        note(self, told)
        say(f"told {told.number}")

    with (
        mock.patch.object(InlineExecutor, "submit", submitting),
        mock.patch.object(Search, "_note", noting),
        failing_call(FailingCall(int(nth), int(after_bytes), kind), kill),
    ):
        return dse.cli.main(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
