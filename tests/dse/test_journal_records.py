"""Lines of a journal: whole groups, checked, read at once or in parts."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.journal_records import DamagedJournalError, group_lines, record_line, whole_lines

TEXTS = st.text(max_size=40)
GROUPS = st.lists(
    st.lists(st.tuples(st.integers(0, 9), TEXTS), min_size=1, max_size=4), min_size=1, max_size=5
)


def journal(groups: list[list[tuple[int, str]]]) -> bytes:
    """Groups of records with a code and a text each."""
    content, crc = b"", 0
    for group in groups:
        lines = [record_line({"op_code": code, "group": text}) for code, text in group]
        more, crc = group_lines(lines, crc)
        content += more
    return content


def test_by_hand() -> None:
    """Two lines, one group: the lines, and the checksum that zlib gives for both bodies."""
    first, last = b'{"op_code":8,"a":1', b'{"op_code":6,"group":2'
    content = b'%s,"crc":%d}\n' % (first, zlib.crc32(first))
    content += b'%s,"crc":%d}\n' % (last, zlib.crc32(first + last))
    found = whole_lines(content + b'{"op_code":4,"half')
    assert found.lines == content.splitlines()
    assert (found.size_bytes, found.crc) == (len(content), zlib.crc32(first + last))
    assert found.is_chained
    with pytest.raises(DamagedJournalError, match=r"record 1: damaged \(its group is not whole\)"):
        whole_lines(b'%s,"crc":%d}\n' % (last, zlib.crc32(last)))


@given(GROUPS, st.data())
def test_two_parts_are_the_whole(groups: list[list[tuple[int, str]]], data: st.DataObject) -> None:
    """Cut anywhere, what is left of the first part and the second one give the rest."""
    content = journal(groups)
    cut = data.draw(st.integers(0, len(content)))
    first = whole_lines(content[:cut])
    rest = content[first.size_bytes :]
    second = whole_lines(rest, first.crc, is_chained=first.is_chained)
    whole = whole_lines(content)
    assert first.lines + second.lines == whole.lines == content.split(b"\n")[:-1]
    assert (second.crc, second.is_chained) == (whole.crc, True)
    assert first.size_bytes + second.size_bytes == whole.size_bytes == len(content)


def test_lines_of_earlier_versions() -> None:
    """Lines without checksums are groups of their own, until a line has one."""
    old = b'{"op_code": 4}\n{"op_code":8}\nno record\n'
    before = zlib.crc32(old.replace(b"\n", b""))
    chained, _ = group_lines([record_line({"op_code": 6})], before)
    assert whole_lines(old).size_bytes == len(old)
    assert len(whole_lines(old + chained).lines) == 4
    with pytest.raises(DamagedJournalError, match=r"record 2: damaged \(its checksum is missing\)"):
        whole_lines(chained + old, before)


def test_no_line() -> None:
    """Nothing has no lines, and leaves the chain as it is."""
    found = whole_lines(b"", 7, is_chained=True)
    assert (found.lines, found.size_bytes, found.crc) == ([], 0, 7)


@given(GROUPS, st.data())
def test_a_flipped_bit_behind_a_chained_line(
    groups: list[list[tuple[int, str]]], data: st.DataObject
) -> None:
    """What is read as the file grows has no other content than was written, or is refused.

    A flip in a checksum that is not the last one is passed over: it changes nothing that is read.
    """
    first = journal([[(0, "")]])
    before = whole_lines(first)
    content = journal([[(0, "")], *groups])[len(first) :]
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    try:
        found = whole_lines(bytes(flipped), before.crc, is_chained=True)
    except DamagedJournalError:
        return
    bodies = [line.rpartition(b',"crc":')[0] for line in content.split(b"\n")]
    assert [line.rpartition(b',"crc":')[0] for line in found.lines] == bodies[: len(found.lines)]


def test_a_line_between_chained_ones() -> None:
    """A line without a checksum is refused where the last checksum is right all the same."""
    lines, crc = group_lines([record_line({"op_code": 4}), record_line({"op_code": 6})], 0)
    one, two = lines.splitlines(keepends=True)
    for between in (b"\n", b'{"op_code":8}\n'):
        with pytest.raises(DamagedJournalError, match=r"record 2: damaged \(its checksum is miss"):
            whole_lines(one + between + two, is_chained=True)
    assert whole_lines(one + two, is_chained=True).crc == crc
