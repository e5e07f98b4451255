"""``dse`` in a process of its own that tells what it does, and may be killed within a call.

``python -m tests.dse.driver_process PIPE NTH AFTER_BYTES KIND WORDS...`` is ``dse WORDS...``. It
writes lines to the descriptor PIPE: ``imported CPU WALL``, ``ready CPU WALL`` when the study goes
on, and ``told NUMBER`` for each trial that it is told as kept. A study goes on when a task is given
out, a trial is told, or, where none is left, the records are written. It kills itself within the
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
    from dse.trials_table import write_trials

    say(f"imported {time.process_time()} {time.monotonic()}")
    settle = Search._settle
    waiting = [True]

    def going_on(real: Callable[..., Any]) -> Callable[..., Any]:
        def first(*arguments: Any) -> Any:
            if waiting:
                waiting.clear()
                say(f"ready {time.process_time()} {time.monotonic()}")
            return real(*arguments)

        return first

    def settling(self: Search, *arguments: Any) -> Any:
        outcome = settle(self, *arguments)
        say(f"told {self.told[-1].number}")
        return outcome

    with (
        mock.patch.object(InlineExecutor, "submit", going_on(InlineExecutor.submit)),
        mock.patch.object(Search, "_settle", going_on(settling)),
        mock.patch("dse.driver.write_trials", going_on(write_trials)),
        failing_call(FailingCall(int(nth), int(after_bytes), kind), kill),
    ):
        return dse.cli.main(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
