"""The journal: chained records in whole groups, and what becomes of damaged and torn ones."""

from __future__ import annotations

import binascii
import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse import journal as journal_module
from dse.errors import RunFolderError, UnwritableRunError
from dse.journal import GroupCommitJournal
from dse.journal_records import DamagedJournalError, group_lines, read_groups, record_line
from dse.journal_tail import Tail, read_tail, write_tail
from tests.dse.conftest import FormulaExecutor, opened, quiet
from tests.dse.reliability import formula_spec, rows_of, told_folder

TELL = {"op_code": 6, "worker_id": "w", "trial_id": 0}
"""A record that is never held back."""

values = st.one_of(st.integers(), st.text(), st.floats(allow_nan=False, allow_infinity=False))
records = st.dictionaries(st.sampled_from("abc"), values).map(lambda r: {"op_code": 4, **r})
journals = st.lists(st.lists(records, min_size=1, max_size=4), max_size=4)


def written(groups: list[list[dict[str, Any]]]) -> bytes:
    """A journal of these groups."""
    content, crc = b"", 0
    for group in groups:
        lines, crc = group_lines([record_line(record) for record in group], crc)
        content += lines
    return content


class TestRecords:
    """Lines and groups."""

    def test_by_hand(self) -> None:
        """A line's checksum is the published check value of CRC-32; the next goes on from it."""
        lines, crc = group_lines([b"123456789}", b"{}"], 0)
        assert lines == b'123456789,"crc":3421780262}\n{,"group":2,"crc":%d}\n' % crc
        assert crc == binascii.crc32(b'123456789{,"group":2')

    def test_missing_records_of_a_group(self) -> None:
        """A group that says another number of records than it has is damaged."""
        crc = binascii.crc32(b'{"op_code":4,"group":2')
        with pytest.raises(DamagedJournalError, match=r"record 1: .* group is not whole"):
            read_groups(b'{"op_code":4,"group":2,"crc":%d}\n' % crc)

    @given(journals)
    def test_read_is_what_was_written(self, groups: list[list[dict[str, Any]]]) -> None:
        """Records, size and chain come back, whatever their values."""
        content = written(groups)
        read = read_groups(content)
        plain = [{k: r[k] for k in r if k not in ("crc", "group")} for r in read.records]
        assert plain == [json.loads(json.dumps(record)) for group in groups for record in group]
        assert read.size_bytes == len(content)

    @given(journals, st.data())
    def test_cut_anywhere(self, groups: list[list[dict[str, Any]]], data: st.DataObject) -> None:
        """Cut at any byte, a journal has the whole groups before it, and no part of another."""
        content = written(groups)
        cut = data.draw(st.integers(0, len(content)))
        sizes = [len(written(groups[:n])) for n in range(len(groups) + 1)]
        whole = max(n for n, size in enumerate(sizes) if size <= cut)
        read = read_groups(content[:cut])
        assert read.size_bytes == sizes[whole]
        assert len(read.records) == sum(map(len, groups[:whole]))

    @given(journals.filter(bool), st.data())
    def test_one_bit_anywhere(
        self, groups: list[list[dict[str, Any]]], data: st.DataObject
    ) -> None:
        """With one bit flipped, a journal is refused, or only its last group is missing."""
        content = bytearray(written(groups))
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= 1 << data.draw(st.integers(0, 7))
        if at == len(content) - 1:  # the end of the last line
            assert read_groups(bytes(content)).size_bytes == len(written(groups[:-1]))
        else:
            with pytest.raises(DamagedJournalError, match=r"record \d+: damaged"):
                read_groups(bytes(content))

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
    def test_not_finite(self, value: Any) -> None:
        """A number that is not finite is no record."""
        with pytest.raises(ValueError, match="not JSON compliant"):
            record_line({"op_code": 4, "value": value})


class TestTail:
    """The copy of the last group."""

    def test_comes_back(self, tmp_path: Path) -> None:
        """It is read as written, a shorter one after a longer one too."""
        for group in (b"a\n" * 40, b"b\n"):
            tail = Tail(start=7, crc_before=9, group=group)
            write_tail(tmp_path / "journal.log", tail)
            assert read_tail(tmp_path / "journal.log") == tail
            assert tail.end == 7 + len(group)

    def test_every_damage_makes_it_none(self, tmp_path: Path) -> None:
        """A copy that is not what was written is none: cut or flipped anywhere."""
        path = Tail.path(tmp_path / "journal.log")
        write_tail(tmp_path / "journal.log", Tail(start=7, crc_before=9, group=b"abc\n"))
        content = path.read_bytes()
        for i in range(len(content)):
            path.write_bytes(content[:i])
            assert read_tail(tmp_path / "journal.log") is None
            for bit in range(8):
                path.write_bytes(content[:i] + bytes([content[i] ^ 1 << bit]) + content[i + 1 :])
                assert read_tail(tmp_path / "journal.log") is None


class TestWriting:
    """Groups on the disk."""

    @pytest.fixture
    def journal(self, tmp_path: Path) -> GroupCommitJournal:
        """A journal of one group."""
        journal = GroupCommitJournal(tmp_path / "journal.log")
        journal.append_logs([TELL])
        return journal

    def test_held_until_told(self, tmp_path: Path) -> None:
        """Records wait for the one that tells, and are read back before they are written."""
        journal = GroupCommitJournal(tmp_path / "journal.log")
        journal.append_logs([{"op_code": 5}])
        assert (tmp_path / "journal.log").read_bytes() == b""
        assert list(journal.read_logs(0)) == [{"op_code": 5}]
        assert list(journal.read_logs(1)) == []
        journal.append_logs([TELL])
        assert [
            r["op_code"] for r in GroupCommitJournal(tmp_path / "journal.log").read_logs(0)
        ] == [
            5,
            6,
        ]
        assert [r["op_code"] for r in journal.read_logs(0)] == [5, 6]

    @pytest.mark.parametrize("call", ["pwrite", "fsync"])
    def test_failed_write_is_taken_back(
        self, call: str, journal: GroupCommitJournal, tmp_path: Path
    ) -> None:
        """After a failed write or sync the file is as before, and this journal takes no more."""
        before = (tmp_path / "journal.log").read_bytes()
        pwrite = os.pwrite

        def half(descriptor: int, content: bytes, offset: int) -> int:
            pwrite(descriptor, content[:10], offset)
            raise OSError(28, "No space left on device")

        failing = half if call == "pwrite" else mock.Mock(side_effect=OSError(5, "I/O error"))
        with (
            mock.patch.object(os, call, failing),
            pytest.raises(
                UnwritableRunError, match=r"cannot be written \((No space|I/O)"
            ) as caught,
        ):
            journal.append_logs([TELL])
        assert (tmp_path / "journal.log").read_bytes() == before
        assert caught.value.exit_code == 8
        with pytest.raises(UnwritableRunError, match="cannot be written"):
            journal.append_logs([TELL])
        assert len(list(GroupCommitJournal(tmp_path / "journal.log").read_logs(0))) == 1

    def test_short_writes(self, journal: GroupCommitJournal, tmp_path: Path) -> None:
        """A write that takes a few bytes at a time still writes all of them."""
        pwrite = os.pwrite
        with mock.patch.object(os, "pwrite", lambda fd, content, at: pwrite(fd, content[:7], at)):
            journal.append_logs([TELL, TELL])
        assert len(list(GroupCommitJournal(tmp_path / "journal.log").read_logs(0))) == 3

    def test_two_writers(self, journal: GroupCommitJournal, tmp_path: Path) -> None:
        """A driver whose journal another one has gone on with writes nothing more."""
        GroupCommitJournal(tmp_path / "journal.log").append_logs([TELL])
        after = (tmp_path / "journal.log").read_bytes()
        with pytest.raises(RunFolderError, match="another process has written to it"):
            journal.append_logs([TELL])
        assert (tmp_path / "journal.log").read_bytes() == after

    def test_held_lock(
        self, journal: GroupCommitJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A lock that another process does not let go of is told after a while."""
        monkeypatch.setattr(journal_module, "_LOCK_SECONDS", 0.02)
        with (tmp_path / "journal.log").open() as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            with pytest.raises(RunFolderError, match="another process holds its lock"):
                journal.append_logs([TELL])

    def test_folder_gone(self, tmp_path: Path) -> None:
        """A run folder that was removed or moved away is told; no file is made in its place."""
        folder = tmp_path / "run"
        folder.mkdir()
        journal = GroupCommitJournal(folder / "journal.log")
        journal.append_logs([TELL])
        folder.rename(tmp_path / "moved")
        with pytest.raises(RunFolderError, match="No such file or directory"):
            journal.append_logs([TELL])
        assert not folder.exists()

    def test_cannot_be_made(self, tmp_path: Path) -> None:
        """A journal in a folder that takes no file is told in a sentence."""
        with pytest.raises(RunFolderError, match="cannot be written"):
            GroupCommitJournal(tmp_path / "nowhere" / "journal.log")


class TestStudy:
    """Journals of whole studies."""

    def test_older_journal_goes_on(self, tmp_path: Path) -> None:
        """One without checksums is taken up, goes on, and its records are vouched for from then."""
        spec = formula_spec()
        told = told_folder(tmp_path / "run", spec, 5)
        path = tmp_path / "run" / "journal.log"
        older = []
        for line in path.read_bytes().splitlines():
            record = json.loads(line)
            older.append(record_line({k: record[k] for k in record if k not in ("crc", "group")}))
        path.write_bytes(b"\n".join(older) + b"\n")
        Tail.path(path).unlink()
        search = opened(spec, tmp_path / "run")
        assert rows_of(search) == told
        search.run(FormulaExecutor(), quiet)
        again = opened(spec, tmp_path / "run")
        assert rows_of(again) == rows_of(search)
        Tail.path(path).unlink()
        content = path.read_bytes()
        path.write_bytes(content.replace(b'"trial_id":1,', b'"trial_id":2,', 1))
        with pytest.raises(RunFolderError, match="checksum is wrong"):
            opened(spec, tmp_path / "run")

    def test_last_group_is_put_back(self, tmp_path: Path) -> None:
        """A journal whose last trial is gone gets it back from the copy, and says so."""
        spec = formula_spec()
        told = told_folder(tmp_path / "run", spec, 5)
        path = tmp_path / "run" / "journal.log"
        tail = read_tail(path)
        assert tail is not None
        path.write_bytes(path.read_bytes()[: tail.start])
        journal = GroupCommitJournal(path)
        assert "put back from its copy; nothing is lost" in journal.notes[0]
        assert rows_of(opened(spec, tmp_path / "run")) == told

    def test_more_than_the_last_group_is_gone(self, tmp_path: Path) -> None:
        """What the copy cannot put back is told; without the copy the run goes on from there."""
        spec = formula_spec()
        told = told_folder(tmp_path / "run", spec, 5)
        path = tmp_path / "run" / "journal.log"
        tail = read_tail(path)
        assert tail is not None
        shorter = path.read_bytes()[: tail.start // 2]
        path.write_bytes(shorter)
        with pytest.raises(RunFolderError, match=r"records are missing .* remove journal\.tail"):
            opened(spec, tmp_path / "run")
        assert path.read_bytes() == shorter
        Tail.path(path).unlink()
        found = rows_of(opened(spec, tmp_path / "run"))
        assert found.items() < told.items()

    @pytest.mark.parametrize("sampler", ["nsga2", "random", "tpe"])
    def test_resumed_run_makes_the_same_trials(self, sampler: str, tmp_path: Path) -> None:
        """Copied after any number of trials and gone on with, a run ends as without a stop."""
        spec = formula_spec(10).with_overrides({"search.sampler": {"name": sampler}})
        (tmp_path / "run").mkdir()
        search = opened(spec, tmp_path / "run")
        copies: list[Path] = []

        def copied(_: object) -> None:
            copies.append(tmp_path / str(len(copies)))
            shutil.copytree(tmp_path / "run", copies[-1])

        search.run(FormulaExecutor(), copied)
        assert len(copies) == 10
        for copy in copies[::3]:
            again = opened(spec, copy)
            again.run(FormulaExecutor(), quiet)
            assert rows_of(again) == rows_of(search)
            assert again.archive.members == search.archive.members
