"""Signals: one exception, put off while something is being written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dse.interruption import Interrupted, interruptible, own_handlers, uninterrupted


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_exit_codes(number: signal.Signals, code: int) -> None:
    """Each signal is an exception with the exit code that shells give it."""
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught, interruptible():
        signal.raise_signal(number)
    assert caught.value.exit_code == code
    assert str(caught.value).startswith("Interrupted; what was finished is kept: ")
    assert signal.getsignal(number) == before


def test_put_off() -> None:
    """Inside a write, also one within another, the signal waits for the end of the outermost."""
    done = []

    def write() -> None:
        with uninterrupted():
            with uninterrupted():
                signal.raise_signal(signal.SIGTERM)
                done.append("inner")
            done.append("outer")

    with pytest.raises(Interrupted), interruptible():
        write()
    assert done == ["inner", "outer"]


def test_own_handlers() -> None:
    """A library that installs its own handlers does not keep them."""
    with interruptible():
        with own_handlers():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)


def test_other_threads() -> None:
    """In another thread than the main one nothing is installed, and nothing fails."""
    done = []

    def work() -> None:
        with interruptible(), uninterrupted(), own_handlers():
            done.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.getsignal(signal.SIGTERM)]


def test_answered_before_the_imports(repository: Path) -> None:
    """What catches signals imports nothing of others, so that it does so from the first moment."""
    listed = subprocess.run(
        [sys.executable, "-c", "import dse.cli, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(repository)},
    ).stdout.split()
    rooms = {"dse", "dse.cli", "dse.interruption"}
    assert {name for name in listed if name.split(".")[0] == "dse"} == rooms
    assert not {"numpy", "numba", "optuna", "pydantic", "rich", "torch", "typer"} & {*listed}


def test_a_resumed_run_does_not_wait(repository: Path) -> None:
    """What a run with a journal file has no need of is not imported before it goes on."""
    code = "import dse.cli, dse.commands, dse.driver, sys; print(*sys.modules)"
    listed = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(repository)},
    ).stdout.split()
    needless = {"plotly", "ray", "scipy.linalg", "sklearn", "sqlalchemy", "torch", "transformers"}
    assert not needless & {*listed}
