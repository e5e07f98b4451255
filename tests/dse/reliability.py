"""Faults done to run folders and drivers, counted: short forms are tests, long ones a table.

Every function makes a small study, does one kind of fault to it again and again, goes on as a user
would, and returns a `Tally`. What was acknowledged is what a driver was told as on the disk.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest import mock

from dse.cli import main
from dse.errors import exit_code_of
from dse.journal_tail import Tail
from dse.search import Search
from dse.storage import open_storage
from dse.trials_table import trial_rows
from studies.records import Front, read_front
from studies.spec import StudySpec
from tests.dse.conftest import FormulaExecutor, opened, quiet
from tests.dse.disk_calls import FailingCall, failing_call
from tests.small_study import changed, small_document, spec_with, toml_text

Rows = dict[int, dict[str, Any]]


@dataclass(slots=True)
class Tally:
    """What became of one kind of fault.

    Attributes:
        fault: what was done.
        count: how often.
        lost: acknowledged trials that were gone or other than before, and nothing said so.
        detected: faults that were refused with a sentence.
        mended: faults after which everything was there as before, without help.
        tracebacks: failures that were no sentence.
    """

    fault: str
    count: int = 0
    lost: int = 0
    detected: int = 0
    mended: int = 0
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


def _no_space() -> None:
    raise OSError(28, "No space left on device")


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


def silently(words: Sequence[str]) -> int:
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
    assert silently(whole.command()) in FINISHED
    expected = whole.told()
    nth = 1
    while True:
        run = Run(folder / str(nth), traces, trials)
        acknowledged: Rows = {}
        with _noted(acknowledged), failing_call(FailingCall(nth, 100), _no_space) as calls:
            code = silently(run.command())
        if len(calls) < nth:
            return tally
        tally.count += 1
        tally.tracebacks += code == 1
        tally.detected += code in (4, 8)
        code = silently(run.command())
        tally.tracebacks += code == 1
        found = run.told() if run.folder.exists() else {}
        tally.lost += sum(found.get(number) != row for number, row in acknowledged.items())
        tally.lost += found != expected
        tally.mended += code in FINISHED and found == expected
        nth += stride


@contextlib.contextmanager
def _noted(acknowledged: Rows) -> Iterator[None]:
    """Note each trial that a driver in this process is told as kept."""
    settle = Search._settle

    def settling(self: Search, *arguments: Any) -> Any:
        outcome = settle(self, *arguments)
        number = self.told[-1].number
        acknowledged[number] = rows_of(self)[number]
        return outcome

    with mock.patch.object(Search, "_settle", settling):
        yield


def without_origin(front: Front) -> dict[str, Any]:
    """A front without where it comes from."""
    return front.model_dump(exclude={"provenance"})


def flipped_files(folder: Path, traces: Path, count: int, seed: int) -> Tally:
    """Single bits flipped in the other files of a finished run, which is then shown and resumed."""
    folder.mkdir()
    run = Run(folder / "run", traces, 10)
    assert silently(run.command()) == 0
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
        shown = silently(["pareto", str(run.folder), "--json"])
        code = shown if number % 10 else silently(["resume", str(run.folder)])
        tally.tracebacks += 1 in (shown, code)
        refused = shown != 0 or code != 0
        tally.detected += refused
        if code == 0:
            same = run.told() == told and without_origin(run.front()) == without_origin(front)
            tally.lost += not same
            tally.mended += same and not refused
    return tally
