"""A journal file for one driver: Optuna's records, written out in groups and never half.

Optuna's own backend locks, writes and syncs the file for each of the twenty-odd records of a trial.
A run folder has one driver at a time (it holds the folder's lock), so records are gathered and
written with one sync when a trial is told, and whenever the search is about to wait. What is lost
with a killed driver is only what no one has been told: parameters of trials still in the air.

A group is in the file wholly or not at all: an unfinished write is cut off on opening, a failed one
is taken back at once. `dse.journal_records` says how every record vouches for those before it, and
`dse.journal_tail` how the last group is kept twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from optuna.storages.journal import BaseJournalBackend

from dse.errors import RunFolderError, UnwritableRunError
from dse.interruption import uninterrupted
from dse.journal_records import (
    DamagedJournalError,
    JournalContent,
    group_lines,
    read_groups,
    record_line,
)
from dse.journal_tail import Tail, read_tail, write_tail

_COMMITTING: Final = frozenset({0, 1, 6})
"""Optuna's codes of records that are never held back: studies made or deleted, trials told."""
_LOCK_SECONDS: Final = 10.0
"""Another process that appends is done within milliseconds."""


class GroupCommitJournal(BaseJournalBackend):
    """Journal of a run whose driver lock is held; Optuna's own backend can read its file.

    Attributes:
        notes: sentences for the user on what was mended on opening.
    """

    def __init__(self, path: Path) -> None:
        """Open the journal, with what a killed driver or a damaged end left behind mended.

        An unfinished group is cut off: it was never acknowledged. A last group that is damaged or
        gone is put back from its copy.

        Raises:
            RunFolderError: a record is damaged elsewhere, acknowledged groups are missing, or the
                file cannot be read or written.
        """
        self._path = path
        self._held: list[bytes] = []
        self._unread: list[bytes] = []
        self._failed: RunFolderError | None = None
        self.notes: list[str] = []
        try:
            content = self._mended()
        except OSError as error:
            raise UnwritableRunError(_unusable(path, error)) from error
        self._end = content.size_bytes
        self._crc = content.crc
        self._fresh: list[dict[str, Any]] = content.records
        self._n_read = 0

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Records from that number on, those not yet written among them.

        Raises:
            RunFolderError: the file has been damaged since it was opened.
        """
        if log_number_from < self._n_read:
            self.commit()
            self._fresh = self._written()
            self._unread, self._n_read = [], 0
        found = [*self._fresh, *(json.loads(line) for line in self._unread)]
        yield from found[log_number_from - self._n_read :]
        self._n_read += len(found)
        self._fresh, self._unread = [], []

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Take records; write everything held if one of them must not wait.

        Raises:
            RunFolderError: they cannot be written; nothing of them is in the file then.
            ValueError: a record holds a number that is not finite.
        """
        lines = [record_line(log) for log in logs]
        self._held += lines
        self._unread += lines
        if any(log["op_code"] in _COMMITTING for log in logs):
            self.commit()

    def commit(self) -> None:
        """Write what is held, and wait until it is on the disk.

        Raises:
            RunFolderError: it cannot be written now, or could not be before: after a failed write
                or sync this journal takes nothing more, since what is on the disk is uncertain.
        """
        if self._failed is not None:
            raise type(self._failed)(str(self._failed))
        if not self._held:
            return
        group, crc = group_lines(self._held, self._crc)
        try:
            with uninterrupted():
                self._write(group)
                tail = Tail(start=self._end, crc_before=self._crc, group=group)
                self._end, self._crc, self._held = self._end + len(group), crc, []
                write_tail(self._path, tail)
        except OSError as error:
            self._failed = UnwritableRunError(_unusable(self._path, error))
            raise self._failed from error
        except RunFolderError as error:
            self._failed = error
            raise

    def _write(self, group: bytes) -> None:
        """Append a group and sync it, or leave the file as it was."""
        with self._path.open("r+b", buffering=0) as file:  # not made anew where it is gone
            _lock(file.fileno(), self._path)
            if os.fstat(file.fileno()).st_size != self._end:
                raise RunFolderError(
                    f"{self._path}: another process has written to it; this driver stops and "
                    "writes nothing more. 'dse resume' goes on."
                )
            try:
                _write_at(file.fileno(), group, self._end)
                os.fsync(file.fileno())
            except BaseException:
                with contextlib.suppress(OSError):
                    os.ftruncate(file.fileno(), self._end)
                raise

    def _written(self) -> list[dict[str, Any]]:
        try:
            return read_groups(self._path.read_bytes()[: self._end]).records
        except DamagedJournalError as error:
            raise RunFolderError(_damaged(self._path, error)) from error
        except OSError as error:
            raise UnwritableRunError(_unusable(self._path, error)) from error

    def _mended(self) -> JournalContent:
        """The content after mending, on the disk too."""
        path = self._path
        path.with_name(path.name + ".lock").unlink(missing_ok=True)  # a dead driver's, of Optuna's
        if not path.exists():
            tail = read_tail(path)
            if tail is not None and tail.start > 0:
                raise RunFolderError(_shorter(path, 0, tail))
            path.touch()
            _sync_folder(path.parent)
        found = path.read_bytes()
        try:
            wanted, content = self._with_last_group(found)
        except DamagedJournalError as error:
            raise RunFolderError(_damaged(path, error)) from error
        if wanted[: content.size_bytes] != found:
            with path.open("r+b", buffering=0) as file:
                _lock(file.fileno(), path)
                _write_at(file.fileno(), wanted[: content.size_bytes], 0)
                os.ftruncate(file.fileno(), content.size_bytes)
                os.fsync(file.fileno())
        return content

    def _with_last_group(self, found: bytes) -> tuple[bytes, JournalContent]:
        """The journal as bytes and read, its last group put back where its copy is another.

        Raises:
            DamagedJournalError: a record before the last group is damaged.
            RunFolderError: groups before the copied one are missing.
        """
        tail = read_tail(self._path)
        if tail is None or found[tail.start : tail.end] == tail.group:
            return found, read_groups(found)
        before = read_groups(found[: tail.start])
        if before.size_bytes != tail.start or before.crc != tail.crc_before:
            raise RunFolderError(_shorter(self._path, before.size_bytes, tail))
        self.notes.append(
            f"{self._path}: its last group of records was damaged or missing and is put back from "
            "its copy; nothing is lost."
        )
        mended = found[: tail.start] + tail.group
        try:
            return mended + found[tail.end :], read_groups(mended + found[tail.end :])
        except DamagedJournalError:  # no one has been told of what is behind the copied group
            return mended, read_groups(mended)


def _lock(descriptor: int, path: Path) -> None:
    """Lock an open journal for as long as it is open; the system frees it with the process."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise RunFolderError(
                    f"{path}: another process holds its lock for more than {_LOCK_SECONDS:.0f} s; "
                    "stop that process and 'dse resume'."
                ) from None
            time.sleep(0.002)
        else:
            return


def _write_at(descriptor: int, content: bytes, offset: int) -> None:
    """Write all of the content; a write may take less than it is given."""
    left = memoryview(content)
    while left:
        written = os.pwrite(descriptor, left, offset)
        left, offset = left[written:], offset + written


def _sync_folder(folder: Path) -> None:
    """Wait until the folder's names are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(path: Path, error: DamagedJournalError) -> str:
    return f"{path}, {error}; restore the file from a backup."


def _shorter(path: Path, size_bytes: int, tail: Tail) -> str:
    return (
        f"{path}: records are missing (it holds {size_bytes} bytes of whole records, and "
        f"{tail.start} were written before the last of them); restore the file from a backup, or "
        f"remove {tail.path(path).name} to go on without what is missing."
    )


def _unusable(path: Path, error: OSError) -> str:
    return (
        f"{path}: cannot be written ({error.strerror or error}); every trial told so far is kept. "
        "Mend that and 'dse resume'."
    )
