"""The trace cache: a folder of measured traces, shared by any number of processes.

A file is named for the content hash of all that its trace depends on: ``HASH.trace`` is a whole
trace, ``HASH.part`` the progress of one that is being measured or was stopped. The first line holds
the SHA-256 of the rest. Earlier versions wrote ``HASH.npz``, a whole trace without a checksum.

* A file is written under another name and renamed, so that readers see it whole or not at all. It
  is not flushed to the disk: what a power cut leaves behind fails its checksum.
* A damaged file is told and counts as missing. It is not deleted, since another process may have
  just replaced it: the trace measured instead takes its place.
* Reading sets a file's modification time, which so is the time of its last use on any file system.
  When the folder has grown beyond its limit, the files used longest ago are removed, never the one
  just written. A reader that has opened a removed file still reads it; one that comes too late
  measures again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from evaluators.stages import Progress, progress_bytes, progress_of_bytes
from evaluators.traces import ExitTrace, trace_bytes, trace_of_bytes

MIB: Final = 2**20
DEFAULT_LIMIT_MIB: Final = 1024
"""Some 8,000 traces of 1,900 sentences and twelve exits."""

_MARK: Final = b"edge-dse trace 1 "
_LINE_BYTES: Final = len(_MARK) + 64 + 1
_WHOLE, _PART, _OLDER, _UNFINISHED = ".trace", ".part", ".npz", ".tmp"
_ENTRY: Final = re.compile(r"[0-9a-f]{64}(\.trace|\.part|\.npz)")
_LOOKUPS: Final = "lookups"
"""One byte for each trace that was read or stored, so that appending needs no lock."""
_HIT, _MISS = b"h", b"m"
_STALE_SECONDS: Final = 3600.0
"""A temporary file of that age was left by a process that was killed."""

_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSummary:
    """What is in a cache.

    Attributes:
        traces: whole traces.
        unfinished: settings that were measured in part.
        size_bytes: of all of these.
        hits: times that a whole trace was read.
        misses: times that one was measured and stored.
    """

    traces: int
    unfinished: int
    size_bytes: int
    hits: int
    misses: int


class TraceCache:
    """Traces and progress by content hash (64 hexadecimal digits)."""

    def __init__(self, folder: Path, limit_bytes: int | None, say: Callable[[str], None]) -> None:
        """Open a cache; its folder is made when first written to.

        Args:
            folder: where the files are.
            limit_bytes: size that writing keeps the folder's files within; None for no limit.
            say: receives a sentence on what cannot be read or written.
        """
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._say = say

    def __contains__(self, key: str) -> bool:
        """Whether there is a trace or progress under a hash, be it damaged."""
        return any(self._path(key, suffix).exists() for suffix in (_WHOLE, _PART, _OLDER))

    def trace(self, key: str) -> ExitTrace | None:
        """The whole trace under a hash; None if there is none that can be read."""
        found = self._read(self._path(key, _WHOLE), lambda file: trace_of_bytes(_content(file)))
        if found is None:
            found = self._read(self._path(key, _OLDER), trace_of_bytes)
        if found is not None:
            self._count(_HIT)
        return found

    def store_trace(self, key: str, trace: ExitTrace) -> None:
        """Keep a whole trace, in place of its progress."""
        if self._write(self._path(key, _WHOLE), trace_bytes(trace)):
            self._count(_MISS)
            with contextlib.suppress(OSError):
                self._path(key, _PART).unlink(missing_ok=True)

    def file(self, key: str) -> tuple[str, bytes] | None:
        """Name and content of a trace's file, or else of its progress's, to be sent elsewhere."""
        for path in (self._path(key, _WHOLE), self._path(key, _PART)):
            with contextlib.suppress(OSError):
                return path.name, path.read_bytes()
        return None

    def take_in(self, name: str, file: bytes) -> None:
        """Keep a file that another cache has sent, unless there is one; a damaged one is told.

        Args:
            name: as `file` gave it.
            file: its content.
        """
        path = self._folder / name
        try:
            if not _ENTRY.fullmatch(name):
                raise ValueError("not the name of a trace")
            content = _content(file)
        except ValueError as error:
            self._say(f"{path}: {error}; it is left out.")
            return
        whole = path.with_suffix(_WHOLE)
        if not (path.exists() or whole.exists()) and self._write(path, content) and path == whole:
            self._count(_MISS)
            with contextlib.suppress(OSError):
                path.with_suffix(_PART).unlink(missing_ok=True)

    def progress(self, key: str) -> Progress | None:
        """How far a trace had been measured; None if not begun, or if it cannot be read."""
        return self._read(self._path(key, _PART), lambda file: progress_of_bytes(_content(file)))

    def store_progress(self, key: str, progress: Progress) -> None:
        """Keep how far a trace has been measured."""
        self._write(self._path(key, _PART), progress_bytes(progress))

    def summary(self) -> CacheSummary:
        """What is in the folder now."""
        entries = self._entries()
        try:
            lookups = (self._folder / _LOOKUPS).read_bytes()
        except OSError:
            lookups = b""
        parts = sum(path.suffix == _PART for path, _, _ in entries)
        return CacheSummary(
            traces=len(entries) - parts,
            unfinished=parts,
            size_bytes=sum(size for _, size, _ in entries),
            hits=lookups.count(_HIT),
            misses=lookups.count(_MISS),
        )

    def clear(self) -> None:
        """Remove what the cache has written, and nothing else, from its folder.

        Raises:
            OSError: a file cannot be removed.
        """
        for path, _, _ in self._entries():
            path.unlink(missing_ok=True)
        for path in self._folder.glob(f"*{_UNFINISHED}"):
            if _ENTRY.match(path.name):
                path.unlink(missing_ok=True)
        (self._folder / _LOOKUPS).unlink(missing_ok=True)

    def _path(self, key: str, suffix: str) -> Path:
        return self._folder / f"{key}{suffix}"

    def _read(self, path: Path, parse: Callable[[bytes], _Entry]) -> _Entry | None:
        try:
            entry = parse(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self._say(f"{path}: {error}; it is measured again.")
            return None
        with contextlib.suppress(OSError):  # removed since, or a folder that may only be read
            os.utime(path)
        return entry

    def _write(self, path: Path, content: bytes) -> bool:
        """Write a file whole or not at all; whether it was."""
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}{_UNFINISHED}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                file.write(_MARK + hashlib.sha256(content).hexdigest().encode() + b"\n")
                file.write(content)
            temporary.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            self._say(f"{path}: cannot be written ({error}); evaluation goes on without it.")
            return False
        self._evict(path)
        return True

    def _evict(self, written: Path) -> None:
        """Keep within the limit, whatever other processes remove meanwhile."""
        if self._limit_bytes is None:
            return
        entries = self._entries()
        excess = sum(size for _, size, _ in entries) - self._limit_bytes
        if excess <= 0:
            return
        with contextlib.suppress(OSError):
            for path in self._folder.glob(f"*{_UNFINISHED}"):
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    path.unlink(missing_ok=True)
        for path, size, _ in sorted(entries, key=lambda entry: entry[2]):
            if excess <= 0:
                return
            if path != written:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
                    excess -= size

    def _entries(self) -> list[tuple[Path, int, int]]:
        """Path, size in bytes and time of last use (ns) of every entry."""
        found = []
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as files:
            for file in files:
                if _ENTRY.fullmatch(file.name):
                    with contextlib.suppress(FileNotFoundError):
                        status = file.stat()
                        found.append((Path(file.path), status.st_size, status.st_mtime_ns))
        return found

    def _count(self, lookup: bytes) -> None:
        with (
            contextlib.suppress(OSError),
            (self._folder / _LOOKUPS).open("ab", buffering=0) as file,
        ):
            file.write(lookup)


def _content(file: bytes) -> bytes:
    """What follows the first line of a file, its checksum compared.

    Raises:
        ValueError: it is not what was written.
    """
    line, content = file[:_LINE_BYTES], file[_LINE_BYTES:]
    expected = _MARK + hashlib.sha256(content).hexdigest().encode() + b"\n"
    if line != expected:
        raise ValueError("damaged trace (its checksum is not that of its content)")
    return content
