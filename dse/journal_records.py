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


def read_groups(content: bytes) -> JournalContent:
    """The whole groups of a journal; an unfinished write after them is left out.

    Raises:
        DamagedJournalError: a record is damaged that is not the end of an unfinished write.
    """
    records: list[dict[str, Any]] = []
    crc = start = whole_bytes = whole_crc = whole_records = 0
    is_chained = False
    while (end := content.find(b"\n", start)) >= 0:
        line = content[start:end]
        start = end + 1
        body, mark, stored = line.rpartition(_CRC)
        if mark:
            is_chained = True
            crc = zlib.crc32(body, crc)
            if stored != str(crc).encode() + b"}":
                raise DamagedJournalError(len(records) + 1, "its checksum is wrong")
        elif is_chained or _GROUP in line:
            raise DamagedJournalError(len(records) + 1, "its checksum is missing")
        else:
            crc = zlib.crc32(line, crc)
        records.append(_parsed(line, len(records) + 1))
        if mark:
            size = records[-1].get("group")
            if size is None:
                continue
            if size != len(records) - whole_records:
                raise DamagedJournalError(len(records), "its group is not whole")
        whole_records, whole_bytes, whole_crc = len(records), start, crc
    return JournalContent(records=records[:whole_records], size_bytes=whole_bytes, crc=whole_crc)


def _parsed(line: bytes, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line.decode())  # of bytes it would guess the encoding of each line
    except (ValueError, RecursionError) as error:
        raise DamagedJournalError(number, error) from error
    if not isinstance(record, dict) or "op_code" not in record:
        raise DamagedJournalError(number, "not a record of Optuna's")
    return record
