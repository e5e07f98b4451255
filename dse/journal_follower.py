"""A journal that is read while a driver writes it: each time only what was added since."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dse.errors import RunFolderError

_CRC: Final = b',"crc":'
_GROUP: Final = b',"group":'
_SKIPPED: Final = (b'{"op_code":5,', b'{"op_code":9,', b'{"op_code":2,', b'{"op_code":3,')
"""Records of sampled parameters, of samplers and of studies: most of a journal, and not needed."""
_CREATED: Final = 4
_STATE: Final = 6
_ATTRIBUTE: Final = 8
_RUNNING: Final = 0


@dataclass(slots=True)
class FollowedTrial:
    """One trial as far as the journal tells.

    Attributes:
        number: Optuna's.
        started: ISO time at which it was asked for; None if it was queued and not begun.
        attributes: ``flat``, ``outcome``, ``repeated_of`` and ``reaped``, those that were set.
        completed: ISO time at which it was told; None of one that was not.
    """

    number: int
    started: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    completed: str | None = None


class JournalFollower:
    """The trials of a journal file.

    Whole groups alone are taken (`dse.journal_records`), so that what a driver is just writing is
    left for the next time. Checksums are compared on the way.
    """

    def __init__(self, path: Path) -> None:
        """Follow the file at a path, from its start."""
        self._path = path
        self.restart()

    def restart(self) -> None:
        """Forget everything."""
        self._offset = self._crc = 0
        self._is_chained = False
        self.trials: list[FollowedTrial] = []

    def advance(self) -> list[FollowedTrial]:
        """Read what was added; trials that were told in it, in their order.

        A file that has become shorter was written anew, and is read from its start.

        Raises:
            RunFolderError: a record is damaged.
            OSError: the file cannot be read.
        """
        size = self._path.stat().st_size
        if size < self._offset:
            self.restart()
        if size == self._offset:
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        told: list[FollowedTrial] = []
        pending: list[bytes] = []
        start, base, crc = 0, self._offset, self._crc
        while (end := content.find(b"\n", start)) >= 0:
            line = content[start:end]
            start = end + 1
            body, mark, stored = line.rpartition(_CRC)
            crc = zlib.crc32(body if mark else line, crc)
            if mark and stored != str(crc).encode() + b"}":
                raise self._damaged("its checksum is wrong")
            self._is_chained = self._is_chained or bool(mark)
            if not line.startswith(_SKIPPED):
                pending.append(line)
            if _GROUP in line or not self._is_chained:
                told += self._take(pending)
                pending = []
                self._offset, self._crc = base + start, crc
        return told

    def _take(self, lines: list[bytes]) -> list[FollowedTrial]:
        told = []
        for line in lines:
            try:
                record = json.loads(line)
                trial = self._apply(record)
            except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
                raise self._damaged(f"{type(error).__name__}: {error}") from error
            if trial is not None:
                told.append(trial)
        return told

    def _apply(self, record: dict[str, Any]) -> FollowedTrial | None:
        """Take one record up; the trial if the record tells it."""
        kind = record["op_code"]
        if kind == _CREATED:
            self.trials.append(FollowedTrial(len(self.trials), record.get("datetime_start")))
        elif kind == _ATTRIBUTE:
            self.trials[record["trial_id"]].attributes.update(record["user_attr"])
        elif kind == _STATE:
            trial: FollowedTrial = self.trials[record["trial_id"]]
            if record["state"] == _RUNNING:
                trial.started = record.get("datetime_start", trial.started)
            elif record.get("datetime_complete"):
                trial.completed = record["datetime_complete"]
                return trial
        return None

    def _damaged(self, why: str) -> RunFolderError:
        return RunFolderError(
            f"{self._path}: damaged behind byte {self._offset} ({why}); restore it from a backup."
        )
