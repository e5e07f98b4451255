"""Calls that write to the disk, counted by the file that they are of, one of which may fail."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest import mock

DISK_CALLS: Final = ("open", "pwrite", "write", "fsync", "ftruncate", "replace")
_WRITES: Final = ("write", "pwrite")


@dataclass(frozen=True, slots=True)
class FailingCall:
    """Which call fails.

    Attributes:
        nth: of those on such files, counted from 1; 0 for none.
        after_bytes: that a write puts into the file before it fails.
        kind: of files: ``journal``, ``table`` (Parquet), ``record`` (the others), or ``any``.
    """

    nth: int
    after_bytes: int = 0
    kind: str = "any"


def kind_of(name: str) -> str:
    """The kind of a file of a run folder.

    >>> kind_of("journal.tail"), kind_of("trials.parquet.tmp"), kind_of("front.json")
    ('journal', 'table', 'record')
    """
    if name.startswith("journal."):
        return "journal"
    return "table" if ".parquet" in name else "record"


@contextlib.contextmanager
def failing_call(which: FailingCall, fail: Callable[[], None]) -> Iterator[list[str]]:
    """Let one call that writes to the disk fail.

    Args:
        which: call.
        fail: raises, or ends the process.

    Yields:
        Kinds of the files of all such calls so far, in their order.
    """
    seen: list[str] = []
    real: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in DISK_CALLS}

    def made(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            if name == "open" and not arguments[1] & (os.O_WRONLY | os.O_RDWR):
                return real[name](*arguments, **keywords)
            file = _name(arguments[0])
            if file is None:
                return real[name](*arguments, **keywords)
            seen.append(kind_of(file))
            counted = len(seen) if which.kind == "any" else seen.count(which.kind)
            if counted == which.nth and which.kind in ("any", seen[-1]):
                if name in _WRITES:
                    descriptor, content, *offset = arguments
                    real[name](descriptor, content[: which.after_bytes], *offset)
                fail()
            return real[name](*arguments, **keywords)

        return call

    with contextlib.ExitStack() as stack:
        for name in DISK_CALLS:
            stack.enter_context(mock.patch.object(os, name, made(name)))
        yield seen


def _name(target: Any) -> str | None:
    """The name of the file that a path or descriptor is of; None if it is no file on a disk."""
    if isinstance(target, int):
        path = Path(f"/proc/self/fd/{target}").readlink()
        return path.name if path.is_absolute() and path.parts[1] != "dev" else None
    return Path(target).name
