"""Faults done to run folders and drivers, counted: short forms are tests, long ones a table.

Every function makes a small study, does one kind of fault to it again and again, goes on as a user
would, and returns a `Tally`. What was acknowledged is what a driver was told as on the disk.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast
from unittest import mock

from dse.cli import main
from dse.errors import exit_code_of
from dse.evaluation import Evaluation, Outcome
from dse.executors import InlineExecutor
from dse.journal_tail import Tail
from dse.search import Search
from dse.storage import open_storage
from dse.trials_table import trial_rows
from studies.records import Front, read_front
from studies.spec import StudySpec
from tests.dse.conftest import FormulaExecutor, opened, quiet
from tests.small_study import changed, small_document, spec_with, toml_text

Rows = dict[int, dict[str, Any]]

NO_SPACE: Final = OSError(28, "No space left on device")
DISK_CALLS: Final = ("open", "pwrite", "write", "fsync", "ftruncate", "replace")


@dataclass(slots=True)
class Tally:
    """What became of one kind of fault.

    Attributes:
        fault: what was done.
        count: how often.
        lost: acknowledged trials that were gone or other than before, and nothing said so.
        detected: faults that were refused with a sentence.
        mended: faults after which everything was there as before, without help.
        slowest_s: most processor time that going on took, s; None where it is not measured.
        tracebacks: failures that were no sentence.
    """

    fault: str
    count: int = 0
    lost: int = 0
    detected: int = 0
    mended: int = 0
    slowest_s: float | None = None
    tracebacks: int = 0


def rows_of(search: Search) -> Rows:
    """Told trials by number, without what the clock says."""
    return {
        row["trial"]: {k: v for k, v in row.items() if not k.startswith("wall_")}
        for row in trial_rows(search)
    }


def formula_spec(trials: int = 12) -> StudySpec:
    """A joint study whose outcomes come from `FormulaExecutor`."""
    return spec_with(small_document(), strategy="joint", trials=trials)


class _Stopped(FormulaExecutor):
    """Stops the driver when the k-th outcome is asked for."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def next_outcome(self) -> Any:
        """An outcome, or the interruption."""
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return super().next_outcome()


def told_folder(folder: Path, spec: StudySpec, outcomes: int) -> Rows:
    """Make a run's storage with so many outcomes in a folder; its told trials."""
    folder.mkdir()
    search = opened(spec, folder)
    with contextlib.suppress(KeyboardInterrupt):
        search.run(_Stopped(outcomes), quiet)
    return rows_of(search)


def _tried(tally: Tally, spec: StudySpec, folder: Path, told: Rows, *, may_lack: int = 0) -> None:
    """Open a damaged run and count what is found.

    Args:
        tally: counts.
        spec: of the run.
        folder: with its storage.
        told: trials that were acknowledged.
        may_lack: how many of the last ones the fault took before they were acknowledged.
    """
    tally.count += 1
    try:
        found = rows_of(opened(spec, folder))
    except Exception as error:
        if exit_code_of(error) is None:
            tally.tracebacks += 1
        tally.detected += 1
        return
    wanted = dict(list(told.items())[: len(told) - may_lack])
    differing = sum(found.get(number) != row for number, row in wanted.items())
    invented = sum(number not in told or found[number] != told[number] for number in found)
    tally.lost += max(differing, invented)
    tally.mended += differing == invented == 0


def cut_journals(folder: Path, stride: int = 1) -> tuple[Tally, Tally]:
    """Every cut position of a journal's last three records: at rest, and torn while written.

    At rest the copy of the last group is there; while the group is being written it is not yet,
    and the trial that is being told is not acknowledged.
    """
    spec = formula_spec()
    told = told_folder(folder, spec, 8)
    journal = folder / "journal.log"
    content = journal.read_bytes()
    tail = Tail.path(journal).read_bytes()
    start = _last_lines(content, 3)
    at_rest = Tally("journal cut at a byte of its last three records, at rest")
    torn = Tally("the same, torn while it was written")
    for cut in range(start, len(content), stride):
        for tally, kept in ((at_rest, tail), (torn, None)):
            journal.write_bytes(content[:cut])
            if kept is None:
                Tail.path(journal).unlink(missing_ok=True)
            else:
                Tail.path(journal).write_bytes(kept)
            _tried(tally, spec, folder, told, may_lack=int(kept is None))
    return at_rest, torn


def _last_lines(content: bytes, count: int) -> int:
    start = len(content)
    for _ in range(count):
        start = content.rfind(b"\n", 0, start - 1) + 1
    return start


def flipped_journals(folder: Path, count: int, seed: int) -> Tally:
    """Single bits of a journal flipped at random places."""
    spec = formula_spec()
    told = told_folder(folder, spec, 8)
    journal = folder / "journal.log"
    content, tail = journal.read_bytes(), Tail.path(journal).read_bytes()
    rng = random.Random(seed)
    tally = Tally("one bit of the journal flipped")
    for _ in range(count):
        damaged = bytearray(content)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        journal.write_bytes(damaged)
        Tail.path(journal).write_bytes(tail)
        _tried(tally, spec, folder, told)
    return tally


def moved_lines(folder: Path, count: int, seed: int) -> Tally:
    """Lines of a journal deleted, doubled or swapped with the next."""
    spec = formula_spec()
    told = told_folder(folder, spec, 8)
    journal = folder / "journal.log"
    content, tail = journal.read_bytes(), Tail.path(journal).read_bytes()
    rng = random.Random(seed)
    tally = Tally("a line of the journal deleted, doubled or swapped with the next")
    for number in range(count):
        lines = content.splitlines(keepends=True)
        i = rng.randrange(len(lines) - 1)
        damaged = (
            lines[:i] + lines[i + 1 :],
            [*lines[:i], lines[i], *lines[i:]],
            [*lines[:i], lines[i + 1], lines[i], *lines[i + 2 :]],
        )[number % 3]
        journal.write_bytes(b"".join(damaged))
        Tail.path(journal).write_bytes(tail)
        _tried(tally, spec, folder, told)
    return tally


@contextlib.contextmanager
def failing_call(nth: int, after_bytes: int, fail: Callable[[], None]) -> Iterator[list[int]]:
    """Let the nth call that writes to the disk fail, a write after some of its bytes.

    Args:
        nth: which call, counted from 1.
        after_bytes: of a write that are written first.
        fail: raises, or ends the process.

    Yields:
        The number of such calls so far, in a list.
    """
    calls = [0]
    real: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in DISK_CALLS}

    def made(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            if name == "open" and not arguments[1] & (os.O_WRONLY | os.O_RDWR):
                return real[name](*arguments, **keywords)
            calls[0] += 1
            if calls[0] == nth:
                if name in ("write", "pwrite"):
                    descriptor, content, *offset = arguments
                    real[name](descriptor, content[:after_bytes], *offset)
                fail()
            return real[name](*arguments, **keywords)

        return call

    with contextlib.ExitStack() as stack:
        for name in DISK_CALLS:
            stack.enter_context(mock.patch.object(os, name, made(name)))
        yield calls


def _no_space() -> None:
    raise NO_SPACE


class Run:
    """A run folder of a small joint study on made-up traces, driven by the command line."""

    def __init__(self, folder: Path, traces: Path, trials: int) -> None:
        """Make the study file; the run folder is made by the first command."""
        folder.mkdir()
        self.folder = folder / "run"
        document = changed(small_document(), {"search.strategy": "joint", "search.trials": trials})
        self.spec = spec_with(document)
        self._study = folder / "small.toml"
        self._study.write_text(toml_text(document))
        self._traces = traces
        self.acknowledged: Rows = {}

    def command(self) -> list[str]:
        """The command that a user would give now."""
        if (self.folder / "spec.json").exists():
            return ["resume", str(self.folder)]
        more = ["--traces", str(self._traces), "--out", str(self.folder)]
        return ["run", str(self._study), *more]

    def told(self) -> Rows:
        """Trials that the journal holds, opened in a copy."""
        copy = self.folder.parent / "copy"
        copy.mkdir(exist_ok=True)
        for name in ("journal.log", "journal.tail"):
            (copy / name).unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                (copy / name).write_bytes((self.folder / name).read_bytes())
        return rows_of(Search(self.spec, open_storage(None, copy / "journal.log"), "edge-dse"))

    def front(self) -> Front:
        """The front as it was written."""
        return read_front(self.folder / "front.json")


FINISHED: Final = (0, 7)
"""Exit codes of a run at the end of its budget; a short one may find no feasible design."""


def _silently(words: Sequence[str]) -> int:
    """The exit code of a command whose output goes nowhere."""
    with Path(os.devnull).open("w") as nowhere, contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(nowhere))
        stack.enter_context(contextlib.redirect_stderr(nowhere))
        return main(words)


def failed_writes(folder: Path, traces: Path, trials: int, stride: int = 1) -> Tally:
    """Every call that writes to the disk fails once with "no space", in a run from start to end."""
    folder.mkdir()
    tally = Tally("a call that writes to the disk failed once with 'no space left'")
    whole = Run(folder / "whole", traces, trials)
    assert _silently(whole.command()) in FINISHED
    expected = whole.told()
    nth = 1
    while True:
        run = Run(folder / str(nth), traces, trials)
        acknowledged: Rows = {}
        with _noted(acknowledged), failing_call(nth, 100, _no_space) as calls:
            code = _silently(run.command())
        if calls[0] < nth:
            return tally
        tally.count += 1
        tally.tracebacks += code == 1
        tally.detected += code in (4, 8)
        code = _silently(run.command())
        tally.tracebacks += code == 1
        found = run.told() if run.folder.exists() else {}
        tally.lost += sum(found.get(number) != row for number, row in acknowledged.items())
        tally.lost += found != expected
        tally.mended += code in FINISHED and found == expected
        nth += stride


@contextlib.contextmanager
def _noted(acknowledged: Rows, pipe: int | None = None) -> Iterator[None]:
    """Note each trial that a driver in this process is told as kept; its number into a pipe too."""
    note = Search._note

    def noting(self: Search, told: Any) -> None:
        note(self, told)
        row = trial_row(self, told.number)
        acknowledged[told.number] = row
        if pipe is not None:
            os.write(pipe, f"{told.number} {time.process_time()}\n".encode())

    with mock.patch.object(Search, "_note", noting):
        yield


def trial_row(search: Search, number: int) -> dict[str, Any]:
    """One told trial, without what the clock says."""
    return rows_of(search)[number]


@dataclass(frozen=True, slots=True)
class _Life:
    """A driver's life.

    Attributes:
        acknowledged: numbers of the trials that it was told as kept.
        first_s: processor time until the first of them, s; None if there was none.
        status: of the process, as ``os.waitpid`` gives it.
    """

    acknowledged: frozenset[int]
    first_s: float | None
    status: int


def _lived(run: Run, end: Callable[[int], None], inside: Callable[[], Any]) -> _Life:
    """Drive a run in a child process until it ends or is ended.

    Args:
        run: what is driven.
        end: called with the child's process id: waits and sends it a signal, or does nothing.
        inside: makes a context that the child runs in.
    """
    read, write = os.pipe()
    code = 1
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            os.write(write, f"- {time.process_time()}\n".encode())
            with _noted({}, write), inside():
                code = _silently(run.command())
        finally:
            os._exit(code)
    os.close(write)
    try:
        end(child)
    finally:
        with os.fdopen(read) as pipe:
            lines = [line.split() for line in pipe.read().splitlines()]
        _, status = os.waitpid(child, 0)
    new = [(int(n), float(at)) for n, at in lines if n != "-"]
    first = new[0][1] - float(lines[0][1]) if new and lines else None
    return _Life(frozenset(n for n, _ in new), first, status)


def _kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kills(folder: Path, traces: Path, trials: int, count: int, seed: int) -> Tally:
    """``kill -9`` of drivers, at random times, within appends and within writes of records.

    Each run is killed and resumed until it is finished, and must end as one that was never killed.
    """
    folder.mkdir()
    rng = random.Random(seed)
    tally = Tally("'kill -9' of the driver, a third each at a random time, in an append, in a file")
    whole = Run(folder / "whole", traces, trials)
    started = time.monotonic()
    assert _silently(whole.command()) == 0
    whole_s = time.monotonic() - started
    expected, front = whole.told(), whole.front()
    tally.slowest_s = 0.0
    runs = 0
    while tally.count < count:
        runs += 1
        run = Run(folder / f"run-{runs}", traces, trials)
        told: set[int] = set()
        while True:
            life = _lived(run, *_way_to_die(rng, whole_s, trials, enough=tally.count >= count))
            told |= life.acknowledged
            if life.first_s is not None:
                tally.slowest_s = max(tally.slowest_s, life.first_s)
            if os.WIFEXITED(life.status):
                break
            tally.count += 1
            found = run.told() if (run.folder / "journal.log").exists() else {}
            wrong = sum(found.get(number) != expected[number] for number in told)
            tally.lost += wrong
            tally.mended += wrong == 0
        tally.tracebacks += os.WEXITSTATUS(life.status) != 0
        found = run.told()
        tally.lost += found != expected
        tally.lost += _without_origin(run.front()) != _without_origin(front)
    return tally


def _without_origin(front: Front) -> dict[str, Any]:
    return front.model_dump(exclude={"provenance"})


def _way_to_die(
    rng: random.Random, whole_s: float, trials: int, *, enough: bool
) -> tuple[Callable[[int], None], Callable[[], Any]]:
    """How the next driver ends: what its parent does, and what is done to it inside."""

    def nothing(_child: int) -> None:
        return None

    if enough:
        return nothing, contextlib.nullcontext
    way = rng.randrange(3)
    if way == 0:
        delay = rng.uniform(0, 1.2 * whole_s)

        def kill(child: int) -> None:
            time.sleep(delay)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

        return kill, contextlib.nullcontext
    # A trial costs two writes, two opens and a sync; the records at the end some forty calls.
    last = 12 * trials
    nth = rng.randrange(1, last // 2) if way == 1 else rng.randrange(1, last)
    after = rng.randrange(4000)
    return nothing, lambda: failing_call(nth, after, _kill_self)


def signals(folder: Path, traces: Path, trials: int, count: int, seed: int) -> Tally:
    """SIGINT and SIGTERM at random times: a clean end with 130 or 143, and resume goes on."""
    folder.mkdir()
    rng = random.Random(seed)
    tally = Tally("SIGINT or SIGTERM at a random time")
    whole = Run(folder / "whole", traces, trials)
    started = time.monotonic()
    assert _silently(whole.command()) == 0
    whole_s = time.monotonic() - started
    expected = whole.told()
    runs = 0
    while tally.count < count:
        runs += 1
        run = Run(folder / f"run-{runs}", traces, trials)
        told: set[int] = set()
        while True:
            number = rng.choice((signal.SIGINT, signal.SIGTERM))
            delay = rng.uniform(0.1, 1.1) * whole_s

            def end(child: int, number: int = number, delay: float = delay) -> None:
                time.sleep(delay)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, number)

            life = _lived(run, end, contextlib.nullcontext)
            told |= life.acknowledged
            code = os.WEXITSTATUS(life.status) if os.WIFEXITED(life.status) else None
            if code == 0:
                break
            tally.count += 1
            tally.tracebacks += code != 128 + number
            found = run.told() if (run.folder / "journal.log").exists() else {}
            wrong = sum(found.get(trial) != expected[trial] for trial in told)
            tally.lost += wrong
            tally.mended += wrong == 0 and code == 128 + number
        tally.lost += run.told() != expected
    return tally


class _Unreliable:
    """Evaluations that fail in one of several ways, for designs with a small array."""

    def __init__(self, way: str) -> None:
        self._way = way
        self._formula = FormulaExecutor()
        self.attempts = 0

    def evaluate(self, _kind: str, flat: Any, _rivals: Any) -> Outcome:
        """The formula's outcome, or a fault for designs with a small array."""
        outcome = self._formula.outcome(flat)
        if flat["mac_vector_size"] != 4:
            return outcome
        self.attempts += 1
        if self._way == "raises":
            raise ZeroDivisionError("division by zero")
        if self._way == "runs out of memory":
            raise MemoryError
        if self._way == "hangs":
            time.sleep(60)
        values = {"nan": math.nan, "infinity": -math.inf, "text": "0.5", "a truth value": True}
        metrics: Any = {**outcome.metrics, "accuracy": values.get(self._way, 0.5)}
        if self._way == "too few values":
            return replace(outcome, values=[[0.5]])
        return replace(outcome, state="complete", metrics=metrics)


WAYS: Final[dict[str, tuple[int, str]]] = {
    "raises": (1, "ZeroDivisionError: division by zero"),
    "runs out of memory": (3, "3 attempts failed, the last because MemoryError"),
    "hangs": (3, "3 attempts failed, the last because it took longer than 0.1 s"),
    "nan": (1, "the evaluation gave accuracy nan: expected a finite number"),
    "infinity": (1, "the evaluation gave accuracy -inf: expected a finite number"),
    "text": (1, "the evaluation gave accuracy '0.5': expected a number"),
    "a truth value": (1, "the evaluation gave accuracy True: expected a number"),
    "too few values": (1, "the evaluation gave 1 objective values: expected 3"),
}
"""Attempts and reason of every way to fail."""


def failing_evaluations(folder: Path, trials: int) -> Tally:
    """Evaluations that raise, hang, run out of memory or return what cannot be told."""
    folder.mkdir()
    tally = Tally("an evaluation that raised, hung, ran out of memory or gave what is no result")
    for number, (way, (attempts, reason)) in enumerate(WAYS.items()):
        (folder / str(number)).mkdir()
        evaluation = _Unreliable(way)
        limit_s = 0.1 if way == "hangs" else None
        executor = InlineExecutor(cast(Evaluation, evaluation), limit_s)
        sampler = {"name": "random"}
        spec = spec_with(small_document(), strategy="joint", trials=trials, sampler=sampler)
        search = opened(spec, folder / str(number))
        search.run(executor, quiet)
        first = [told for told in search.told if told.repeated_of is None]
        failed = [told for told in first if told.outcome.state == "failed"]
        right = [told for told in failed if told.outcome.reason.startswith(reason)]
        tally.count += len(failed)
        tally.detected += len(right)
        tally.lost += abs(evaluation.attempts - attempts * len(failed))
        again = rows_of(opened(spec, folder / str(number)))
        tally.lost += again != rows_of(search)
        finite = all(math.isfinite(v) for row in search.archive.values for v in row)
        tally.lost += not finite
    return tally


def flipped_files(folder: Path, traces: Path, count: int, seed: int) -> Tally:
    """Single bits flipped in the other files of a finished run, which is then shown and resumed."""
    folder.mkdir()
    run = Run(folder / "run", traces, 10)
    assert _silently(run.command()) == 0
    names = ("spec.json", "run.json", "front.json", "trials.parquet", "manifest.json")
    whole = {path.name: path.read_bytes() for path in run.folder.iterdir() if path.is_file()}
    front, told = run.front(), run.told()
    rng = random.Random(seed)
    tally = Tally("one bit flipped in another file of a finished run")
    for number in range(count):
        for name, content in whole.items():
            (run.folder / name).write_bytes(content)
        name = names[number % len(names)]
        damaged = bytearray(whole[name])
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        (run.folder / name).write_bytes(damaged)
        tally.count += 1
        shown = _silently(["pareto", str(run.folder), "--json"])
        code = shown if number % 10 else _silently(["resume", str(run.folder)])
        tally.tracebacks += 1 in (shown, code)
        refused = shown != 0 or code != 0
        tally.detected += refused
        if code == 0:
            same = run.told() == told and _without_origin(run.front()) == _without_origin(front)
            tally.lost += not same
            tally.mended += same and not refused
    return tally
