"""A journal file for one driver: Optuna's records, written out in groups.

Optuna's own backend locks, writes and syncs the file for each of the twenty-odd records of a trial.
A run folder has one driver at a time (it holds the folder's lock), so records are gathered and
written with one sync when a trial is told, and whenever the search is about to wait. What is lost
with a killed driver is only what no one has been told: parameters of trials still in the air.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from optuna.storages.journal import BaseJournalBackend

from dse.errors import RunFolderError

_COMMITTING: Final = frozenset({0, 1, 6})
"""Optuna's codes of records that are never held back: studies made or deleted, trials told."""


class GroupCommitJournal(BaseJournalBackend):
    """Journal of a run whose driver lock is held; same file format as Optuna's own."""

    def __init__(self, path: Path) -> None:
        """Open the journal, cutting a torn last record off.

        A driver killed in the middle of a write leaves a record without its end; Optuna would glue
        the next one to it and never load the study again. What is cut was never acknowledged.

        Raises:
            RunFolderError: a record other than the last is damaged.
        """
        self._path = path
        self._held: list[bytes] = []
        self._tail: list[bytes] = []
        self._tail_start = _repair(path)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Records from that number on, those not yet written among them."""
        if log_number_from < self._tail_start:
            self.commit()
            with self._path.open("rb") as file:
                lines = file.read().splitlines()
            yield from [json.loads(line) for line in lines[log_number_from:]]
            return
        fresh = self._tail[log_number_from - self._tail_start :]
        self._tail_start += len(self._tail)
        self._tail = []
        yield from [json.loads(line) for line in fresh]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Take records; write everything held if one of them must not wait."""
        lines = [json.dumps(log, separators=(",", ":")).encode() for log in logs]
        self._held += lines
        self._tail += lines
        if any(log["op_code"] in _COMMITTING for log in logs):
            self.commit()

    def commit(self) -> None:
        """Write what is held, and wait until it is on the disk."""
        if not self._held:
            return
        with self._path.open("ab") as file:
            file.write(b"\n".join(self._held) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._held = []


def _repair(path: Path) -> int:
    """Cut a torn last record off and remove a dead driver's lock; the number of whole records."""
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    if not path.is_file():
        path.touch()
        return 0
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    lines = whole.splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            if not isinstance(record, dict) or "op_code" not in record:
                raise ValueError("not a record of Optuna's")
        except ValueError as error:
            raise RunFolderError(
                f"{path}, record {number}: damaged ({error}); restore the file from a backup."
            ) from error
    if whole != content:
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return len(lines)
