"""Records of a journal: one line each, chained by checksums, written in groups.

A line is Optuna's JSON record with up to two more keys at its end, which Optuna's own readers do
not look at: ``group``, on the last record of a group, is how many records the group has, and
``crc`` is the CRC-32 of the line without that key, begun with the CRC-32 of the line before. So no
line can be changed, lost, doubled or moved without a checksum that is wrong, and what follows the
last whole group was never acknowledged. Lines of earlier versions bear neither key; the chain runs
through them, so that the first record written after them vouches for them all.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_CRC: Final = b',"crc":'
_GROUP: Final = b',"group":'


class DamagedJournalError(ValueError):
    """A record is not what was written."""

    def __init__(self, number: int, why: object) -> None:
        """Of a record, counted from 1, with the reason."""
        super().__init__(f"record {number}: damaged ({why})")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLines:
    """Lines of the whole groups at the start of a part of a journal.

    Attributes:
        lines: of them, without their ends.
        size_bytes: that they take up.
        crc: of the chain after the last of them.
        is_chained: whether a line up to there has a checksum.
    """

    lines: list[bytes]
    size_bytes: int
    crc: int
    is_chained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalContent:
    """Whole groups at the start of a journal.

    Attributes:
        records: of them, parsed.
        size_bytes: that they take up.
        crc: of the chain after the last of them.
    """

    records: list[dict[str, Any]]
    size_bytes: int
    crc: int


def record_line(record: dict[str, Any]) -> bytes:
    """A record as JSON, without what chains it and without the end of its line.

    Raises:
        ValueError: it holds a number that is not finite.
    """
    return json.dumps(record, separators=(",", ":"), allow_nan=False).encode()


def group_lines(lines: Sequence[bytes], crc: int) -> tuple[bytes, int]:
    """Lines of `record_line` as one group: its bytes, and the checksum of the chain after it."""
    chained = []
    for number, line in enumerate(lines, start=1):
        body = line[:-1]
        if number == len(lines):
            body += _GROUP + str(number).encode()
        crc = zlib.crc32(body, crc)
        chained.append(body + _CRC + str(crc).encode() + b"}\n")
    return b"".join(chained), crc


def whole_lines(content: bytes, crc: int = 0, *, is_chained: bool = False) -> JournalLines:
    """The lines of whole groups, their checksums compared; what follows them is left out.

    Behind a chained line the last checksum is compared alone if it is right, as it is of all bytes
    before it but those of the other checksums.

    Args:
        content: of a journal, from the start of a group on.
        crc: of the chain before it.
        is_chained: whether a line before it has a checksum; then all must have one.

    Raises:
        DamagedJournalError: a checksum is wrong or missing, or a group has lost a line.
    """
    found = content.split(b"\n")[:-1]
    if is_chained and (at_once := _whole_at_once(found, crc)):
        return at_once
    lines: list[bytes] = []
    n_whole = size = place = 0
    whole_crc, whole_chained = crc, is_chained
    for line in found:
        body, mark, stored = line.rpartition(_CRC)
        lines.append(line)
        place += len(line) + 1
        if mark:
            crc = zlib.crc32(body, crc)
            if stored != b"%d}" % crc:
                raise DamagedJournalError(len(lines), "its checksum is wrong")
            is_chained = True
            size_of_group = body.rpartition(_GROUP)[2]
            if not size_of_group.isdigit():  # the group goes on
                continue
            if int(size_of_group) != len(lines) - n_whole:
                raise DamagedJournalError(len(lines), "its group is not whole")
        elif is_chained or _GROUP in line:
            raise DamagedJournalError(len(lines), "its checksum is missing")
        else:
            crc = zlib.crc32(line, crc)
        n_whole, size, whole_crc, whole_chained = len(lines), place, crc, is_chained
    return JournalLines(
        lines=lines[:n_whole], size_bytes=size, crc=whole_crc, is_chained=whole_chained
    )


def _whole_at_once(lines: list[bytes], crc: int) -> JournalLines | None:
    """Lines of whole groups by the last checksum alone; None if it takes a closer look."""
    bodies = [line.rpartition(_CRC)[0] for line in lines]
    while bodies and not bodies[-1].rpartition(_GROUP)[2].isdigit():
        bodies.pop()
    kept = lines[: len(bodies)]
    crc = zlib.crc32(b"".join(bodies), crc)
    if not kept or not all(bodies) or not kept[-1].endswith(b"%b%d}" % (_CRC, crc)):
        return None
    size = sum(map(len, kept)) + len(kept)
    return JournalLines(lines=kept, size_bytes=size, crc=crc, is_chained=True)


def read_groups(content: bytes) -> JournalContent:
    """The whole groups of a journal; an unfinished write after them is left out.

    Raises:
        DamagedJournalError: a record is damaged that is not the end of an unfinished write.
    """
    found = whole_lines(content)
    records = [_parsed(line, number) for number, line in enumerate(found.lines, start=1)]
    return JournalContent(records=records, size_bytes=found.size_bytes, crc=found.crc)


def _parsed(line: bytes, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line.decode())  # of bytes it would guess the encoding of each line
    except (ValueError, RecursionError) as error:
        raise DamagedJournalError(number, error) from error
    if not isinstance(record, dict) or "op_code" not in record:
        raise DamagedJournalError(number, "not a record of Optuna's")
    return record
