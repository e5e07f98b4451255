"""Lives of drivers in other processes: what they were told, how they began and how they ended.

Most of them are forked from this process, with everything imported; some are processes of their
own, which shows how long imports take, and what a signal does to them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final, Literal

from tests.dse import driver_process
from tests.dse.disk_calls import FailingCall
from tests.dse.reliability import Run

Way = Literal["forked", "own", "plain"]
"""A fork; a process of its own that tells what it does; plain ``dse``, which tells nothing."""
ROOT: Final = Path(__file__).resolve().parents[2]
_SHELL: Final = "from dse.cli import entry; entry()"
_CAUGHT: Final = 1 << (signal.SIGTERM - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """How long a resumed driver took until the study went on (`tests.dse.driver_process`), s.

    Attributes:
        imports_cpu_s: processor time from the start of the process until everything was imported;
            None in a fork.
        state_cpu_s: processor time from then, or from the fork: the run's state is loaded.
        wall_s: on the clock, from the start of the process or the fork.
    """

    imports_cpu_s: float | None
    state_cpu_s: float
    wall_s: float


@dataclass(slots=True)
class Life:
    """A driver's life.

    Attributes:
        exit_code: of the process, the negative number of the signal that killed it.
        seconds: from when everything was imported to its end; from its start if it does not say.
        told: numbers of the trials that it was told as kept.
        resumption: how it began; None if the study did not go on.
        stderr: what it printed there.
    """

    exit_code: int
    seconds: float
    told: set[int] = field(default_factory=set)
    resumption: Resumption | None = None
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """A signal that a driver gets.

    Attributes:
        number: of the signal.
        after_s: seconds; of SIGKILL from when everything is imported, of signals that it may catch
            from when it does, which is before.
    """

    number: int
    after_s: float


def lived(run: Run, way: Way, which: FailingCall, ending: Ending | None) -> Life:
    """Drive a run in another process until it ends or is ended.

    Args:
        run: what is driven.
        way: what kind of process.
        which: call that it kills itself in.
        ending: signal that it gets; None for none.
    """
    said = run.folder.parent / "stderr"
    read, write = os.pipe()
    shim = [str(write), str(which.nth), str(which.after_bytes), which.kind]
    started = time.monotonic()
    process = _started(way, shim, run.command(), said, write)
    os.close(write)
    with os.fdopen(read) as pipe:
        if ending is not None and ending.number != signal.SIGKILL:
            lines: list[str] = []
            while _waited(process, 0.001) is None and not _caught(process) & _CAUGHT:
                pass
        else:
            lines = [pipe.readline()]
        code = _waited(process, None if ending is None else ending.after_s)
        if code is None:
            assert ending is not None
            assert process.pid is not None
            os.kill(process.pid, ending.number)
            code = _waited(process, None)
        assert code is not None
        ended = time.monotonic()
        life = Life(code, ended - started, stderr=said.read_text())
        imports_s: float | None = None
        for line in "".join([*lines, *pipe]).splitlines():
            word, *values = line.split()
            if word == "told":
                life.told.add(int(values[0]))
                continue
            cpu_s, at = map(float, values)
            if word == "imported":
                imports_s = None if way == "forked" else cpu_s
                life.seconds = ended - at
            else:
                life.resumption = Resumption(
                    imports_cpu_s=imports_s,
                    state_cpu_s=cpu_s - (imports_s or 0.0),
                    wall_s=at - started,
                )
    return life


def _started(
    way: Way, shim: list[str], command: list[str], said: Path, pipe: int
) -> subprocess.Popen[bytes] | BaseProcess:
    """Start a driver.

    Args:
        way: what kind of process.
        shim: arguments of `tests.dse.driver_process` before those of ``dse``.
        command: arguments of ``dse``.
        said: file that gets its stderr.
        pipe: descriptor that it writes to.
    """
    if way == "forked":
        fork = multiprocessing.get_context("fork")
        process = fork.Process(target=_forked, args=([*shim, *command], said))
        process.start()
        return process
    words = ["-c", _SHELL] if way == "plain" else ["-m", "tests.dse.driver_process", *shim]
    with said.open("wb") as stderr:
        return subprocess.Popen(
            [sys.executable, *words, *command],
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            cwd=said.parent,
            pass_fds=(pipe,),
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )


def _forked(words: list[str], said: Path) -> None:
    """What a forked driver does."""
    code = 1
    try:
        with said.open("w") as stderr, Path(os.devnull).open("w") as nowhere:
            os.chdir(said.parent)
            with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(stderr):
                code = driver_process.main(words)
    finally:
        os._exit(code)


def _waited(process: subprocess.Popen[bytes] | BaseProcess, most_s: float | None) -> int | None:
    """The exit code of a process after so many seconds at most; None while it runs."""
    if isinstance(process, BaseProcess):
        process.join(most_s)
        return process.exitcode
    try:
        return process.wait(most_s)
    except subprocess.TimeoutExpired:
        return None


def _caught(process: subprocess.Popen[bytes] | BaseProcess) -> int:
    """Signals that a process catches, a bit each, the lowest for number 1."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("SigCgt:")[1].split()[0], 16) if "SigCgt:" in status else 0
