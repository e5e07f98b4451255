"""Drivers that signals end, and the runs that go on from there.

Most of them are forked from this process, with everything imported; some are processes of their
own, which shows how long imports take, and what a signal does to them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final, Literal

from tests.dse import driver_process
from tests.dse.disk_calls import FailingCall, failing_call
from tests.dse.reliability import FINISHED, Rows, Run, Tally, silently, without_origin

Way = Literal["forked", "own", "plain"]
"""A fork; a process of its own that tells what it does; plain ``dse``, which tells nothing."""
ROOT: Final = Path(__file__).resolve().parents[2]
_SHELL: Final = "from dse.cli import entry; entry()"
_CAUGHT: Final = 1 << (signal.SIGTERM - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """How long a resumed driver took until it gave out its first task, s.

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
        told: numbers of the trials that it was told as kept.
        resumption: how it began; None if it gave out no task.
        stderr: what it printed there.
    """

    exit_code: int
    told: set[int] = field(default_factory=set)
    resumption: Resumption | None = None
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """A signal that a driver gets.

    Attributes:
        number: of the signal.
        after_s: seconds from the start of the process; of signals that it may catch, from when it
            does, which is before its imports.
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
            while _waited(process, 0.001) is None and not _caught(process) & _CAUGHT:
                pass
        code = _waited(process, None if ending is None else ending.after_s)
        if code is None:
            assert ending is not None
            assert process.pid is not None
            os.kill(process.pid, ending.number)
            code = _waited(process, None)
        assert code is not None
        life = Life(code, stderr=said.read_text())
        imports_s: float | None = None
        for line in pipe.read().splitlines():
            word, *values = line.split()
            if word == "told":
                life.told.add(int(values[0]))
            elif word == "imported":
                imports_s = None if way == "forked" else float(values[0])
            else:
                cpu_s, at = map(float, values)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A run that nobody disturbed.

    Attributes:
        rows: its trials.
        front: its front.
        calls: kinds of the files of all calls that wrote to the disk.
        seconds: that it took, as the others are driven.
    """

    rows: Rows
    front: dict[str, Any]
    calls: Sequence[str]
    seconds: float


def whole_run(folder: Path, traces: Path, trials: int, way: Way) -> Whole:
    """Make the run that all others must end as."""
    run = Run(folder / "counted", traces, trials)
    with failing_call(FailingCall(0), lambda: None) as calls:
        assert silently(run.command()) in FINISHED
    other = Run(folder / "whole", traces, trials)
    started = time.monotonic()
    assert lived(other, way, FailingCall(0), None).exit_code in FINISHED
    return Whole(
        rows=run.told(),
        front=without_origin(run.front()),
        calls=tuple(calls),
        seconds=time.monotonic() - started,
    )


_MOMENTS: Final = {
    "time": "'kill -9' of the driver at a random time",
    "journal": "'kill -9' of the driver within an append to the journal",
    "table": "'kill -9' of the driver within the writing of a Parquet file",
    "record": "'kill -9' of the driver within the writing of another file",
}
"""What is counted by where it hit."""


@dataclass(frozen=True, slots=True)
class Kills:
    """What became of killed drivers.

    Attributes:
        tallies: by where they were killed.
        resumptions: of those that went on and took on a trial.
    """

    tallies: list[Tally]
    resumptions: list[Resumption]


def kills(folder: Path, traces: Path, trials: int, count: int, seed: int, way: Way) -> Kills:
    """``kill -9`` of drivers, at random times, within appends and within writes of records.

    Each run is killed and resumed until it is finished, and must end as one that was never killed.

    Args:
        folder: new one to work in.
        traces: recorded ones of the small study.
        trials: of each run.
        count: kills.
        seed: of the moments.
        way: what kind of processes the drivers are; ``forked`` or ``own``.
    """
    folder.mkdir()
    rng = random.Random(seed)
    whole = whole_run(folder, traces, trials, way)
    tallies = {moment: Tally(fault) for moment, fault in _MOMENTS.items()}
    resumptions: list[Resumption] = []
    runs = n_killed = 0
    while n_killed < count:
        runs += 1
        run = Run(folder / f"run-{runs}", traces, trials)
        told: set[int] = set()
        tally = tallies["time"]
        while True:
            is_resumed = run.command()[0] == "resume"
            moment = rng.choice(list(_MOMENTS)) if n_killed < count else ""
            life = lived(run, way, *_way_to_die(rng, moment, whole))
            told |= life.told
            if is_resumed and life.resumption is not None:
                resumptions.append(life.resumption)
            if life.exit_code != -signal.SIGKILL:
                break
            tally = tallies[moment]
            n_killed += 1
            tally.count += 1
            found = run.told() if (run.folder / "journal.log").exists() else {}
            wrong = sum(found.get(number) != whole.rows[number] for number in told)
            tally.lost += wrong
            tally.mended += wrong == 0
        tally.tracebacks += life.exit_code not in FINISHED or "Traceback" in life.stderr
        tally.lost += run.told() != whole.rows
        tally.lost += without_origin(run.front()) != whole.front
    return Kills(list(tallies.values()), resumptions)


def _way_to_die(rng: random.Random, moment: str, whole: Whole) -> tuple[FailingCall, Ending | None]:
    """How the next driver ends: in which call, or after how many seconds; or neither."""
    if not moment:
        return FailingCall(0), None
    if moment == "time":
        return FailingCall(0), Ending(signal.SIGKILL, rng.uniform(0, whole.seconds))
    n_calls = whole.calls.count(moment)
    most = n_calls // 2 if moment == "journal" else n_calls
    return FailingCall(rng.randint(1, most), rng.randrange(4000), moment), None


def signals(folder: Path, traces: Path, trials: int, count: int, seed: int, way: Way) -> Tally:
    """SIGINT and SIGTERM at random times: a clean end with 130 or 143, and resume goes on.

    Args:
        folder: new one to work in.
        traces: recorded ones of the small study.
        trials: of each run.
        count: signals.
        seed: of the moments.
        way: what kind of processes the drivers are; ``forked`` or ``plain``.
    """
    folder.mkdir()
    rng = random.Random(seed)
    tally = Tally("SIGINT or SIGTERM at a random time")
    whole = whole_run(folder, traces, trials, way)
    runs = 0
    while tally.count < count:
        runs += 1
        run = Run(folder / f"run-{runs}", traces, trials)
        before: Rows = {}
        while True:
            number = rng.choice((signal.SIGINT, signal.SIGTERM))
            ending = Ending(number, rng.uniform(0, whole.seconds))
            life = lived(run, way, FailingCall(0), ending)
            code, said = life.exit_code, life.stderr
            if code in FINISHED or "front.json" in _sealed(run):
                break
            tally.count += 1
            right = code == 128 + number and said.strip().rpartition("\n")[2].startswith(
                "Interrupted; "
            )
            right &= "'dse resume" in said or "'dse run' begins anew" in said
            tally.tracebacks += not right or "Traceback" in said
            found = run.told() if (run.folder / "journal.log").exists() else {}
            wrong = sum(found.get(trial) != row for trial, row in before.items())
            wrong += sum(row != whole.rows[trial] for trial, row in found.items())
            tally.lost += wrong
            tally.mended += right and wrong == 0
            before = found
        if code not in FINISHED:  # the signal came when all was done
            assert silently(run.command()) in FINISHED
        tally.lost += run.told() != whole.rows
        tally.lost += without_origin(run.front()) != whole.front
    return tally


def _sealed(run: Run) -> str:
    """The text of a run's manifest; empty if there is none yet."""
    try:
        return (run.folder / "manifest.json").read_text()
    except FileNotFoundError:
        return ""
