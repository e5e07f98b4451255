"""The tail of a journal: a copy of its last group, in a small file beside it.

It is written when the group is on the disk already, and is not synced: whenever a process dies, the
journal or the copy is whole. A journal that ends before its copy says, or ends otherwise, has lost
what was acknowledged; the copy puts the last group back.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MARK: Final = b"edge-dse journal tail 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The last group of a journal.

    Attributes:
        start: byte of the journal that it begins at.
        crc_before: checksum of the chain before it.
        group: its bytes.
    """

    start: int
    crc_before: int
    group: bytes

    @property
    def end(self) -> int:
        """Byte of the journal that follows it."""
        return self.start + len(self.group)

    @staticmethod
    def path(journal: Path) -> Path:
        """Where the copy of a journal's last group is."""
        return journal.with_suffix(".tail")


def write_tail(journal: Path, tail: Tail) -> None:
    """Keep a copy of the last group; a spare, so that it is no failure if it cannot be written."""
    header = b"%s %d %d %d" % (_MARK, tail.start, tail.crc_before, len(tail.group))
    content = b"%s %d\n%s" % (header, zlib.crc32(tail.group, zlib.crc32(header)), tail.group)
    path = Tail.path(journal)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o666)
        try:
            os.pwrite(descriptor, content, 0)  # what is longer of an older one is not read
        finally:
            os.close(descriptor)
    except OSError:
        with contextlib.suppress(OSError):  # an older copy would say that the journal is too long
            path.unlink(missing_ok=True)


def read_tail(journal: Path) -> Tail | None:
    """The copy of the last group; None if there is none, or if it is not what was written."""
    try:
        header, _, content = Tail.path(journal).read_bytes().partition(b"\n")
        kept, _, stored = header.rpartition(b" ")
        if not kept.startswith(_MARK + b" "):
            return None
        start, crc_before, size = (int(text) for text in kept[len(_MARK) :].split())
        group = content[:size]
        if len(group) != size or int(stored) != zlib.crc32(group, zlib.crc32(kept)):
            return None
    except (OSError, ValueError):
        return None
    return Tail(start=start, crc_before=crc_before, group=group)
