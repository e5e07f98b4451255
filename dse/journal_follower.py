"""A journal that is read while a driver writes it: each time only what was added since."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic_core import from_json

from dse.errors import RunFolderError
from dse.journal_records import DamagedJournalError, whole_lines

AT_ONCE_BYTES: Final = 2**17
"""That are read at a time: few enough to stay in a cache, which takes a fifth of the time off."""
_SKIPPED: Final = tuple(b'{"op_code":%d,' % code for code in (2, 3, 5, 9))
"""Records of studies, of sampled parameters and of samplers: most of a journal, and not needed."""
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

    Attributes:
        trials: all of them, in the order of their numbers.
        in_flight: how many were asked for and not told.
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
        self.in_flight = 0

    def stamp(self) -> object:
        """Something that is another one whenever the file was written."""
        try:
            about = self._path.stat()
        except OSError:
            return None
        return about.st_size, about.st_mtime_ns, about.st_ino

    def advance(self) -> Iterator[FollowedTrial]:
        """Read what was added; trials that were told in it, in their order, as they are read.

        A file that has become shorter was written anew, and is read from its start; one that is
        not there yet has none.

        Raises:
            RunFolderError: a record is damaged.
            OSError: the file cannot be read.
        """
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return
        if size < self._offset:
            self.restart()
        if size == self._offset:
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            rest = b""
            while piece := file.read(AT_ONCE_BYTES):
                content = rest + piece
                before = self._offset
                yield from self._take(content)
                rest = content[self._offset - before :]

    def _take(self, content: bytes) -> list[FollowedTrial]:
        """Take the whole groups at the start of what was read."""
        try:
            found = whole_lines(content, self._crc, is_chained=self._is_chained)
        except DamagedJournalError as error:
            raise self._damaged(str(error)) from error
        told = []
        try:
            for record in _parsed([line for line in found.lines if not line.startswith(_SKIPPED)]):
                trial = self._apply(record)
                if trial is not None:
                    told.append(trial)
        except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
            raise self._damaged(f"{type(error).__name__}: {error}") from error
        self._offset += found.size_bytes
        self._crc, self._is_chained = found.crc, found.is_chained
        return told

    def _apply(self, record: dict[str, Any]) -> FollowedTrial | None:
        """Take one record up; the trial if the record tells it."""
        kind = record["op_code"]
        if kind == _CREATED:
            self.trials.append(FollowedTrial(len(self.trials), record.get("datetime_start")))
        elif kind == _ATTRIBUTE:
            trial: FollowedTrial = self.trials[record["trial_id"]]
            before = _is_in_flight(trial)
            trial.attributes.update(record["user_attr"])
            self.in_flight += _is_in_flight(trial) - before
        elif kind == _STATE:
            trial = self.trials[record["trial_id"]]
            if record["state"] == _RUNNING:
                trial.started = record.get("datetime_start", trial.started)
            elif record.get("datetime_complete"):
                self.in_flight -= _is_in_flight(trial)
                trial.completed = record["datetime_complete"]
                return trial
        return None

    def _damaged(self, why: str) -> RunFolderError:
        return RunFolderError(
            f"{self._path}: damaged behind byte {self._offset:,} ({why}); restore it from a backup."
        )


def _is_in_flight(trial: FollowedTrial) -> bool:
    return trial.completed is None and "flat" in trial.attributes


def _parsed(lines: list[bytes]) -> list[Any]:
    """The records of lines, all at once: one by one takes half as long again.

    Raises:
        ValueError: one is not JSON.
    """
    try:
        records: list[Any] = from_json(b"[%b]" % b",".join(lines))
    except ValueError:  # halves of surrogates, which file names may have, only the other one takes
        return [json.loads(line) for line in lines]
    return records
