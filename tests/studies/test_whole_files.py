"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import pytest

from studies.whole_files import UnwritableError, write_whole

CALLS = ("open", "write", "fsync", "replace")


def test_written_over_an_older_one(tmp_path: Path) -> None:
    """The file has the new content, and nothing else is left in the folder."""
    path = tmp_path / "a.json"
    (tmp_path / "a.json.tmp").write_text("left by a process that was killed")
    for content in (b"one", b"", b"\x00" * 100_000):
        write_whole(path, content)
        assert path.read_bytes() == content
        assert os.listdir(tmp_path) == ["a.json"]  # noqa: PTH208 - names, as they are


@pytest.mark.parametrize("call", CALLS)
def test_failed_call(call: str, tmp_path: Path) -> None:
    """Whichever call fails, the old file stays, and the sentence names it and the reason."""
    path = tmp_path / "a.json"
    write_whole(path, b"old")
    failing = mock.Mock(side_effect=OSError(28, "No space left on device"))
    with (
        mock.patch.object(os, call, failing),
        pytest.raises(UnwritableError, match=r"a\.json: cannot be written \(No space left"),
    ):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"


def test_short_writes(tmp_path: Path) -> None:
    """A write that takes a byte at a time still writes all."""
    write = os.write
    with mock.patch.object(os, "write", lambda descriptor, content: write(descriptor, content[:1])):
        write_whole(tmp_path / "a", b"content")
    assert (tmp_path / "a").read_bytes() == b"content"


def test_no_link_is_followed(tmp_path: Path) -> None:
    """A temporary name that leads elsewhere is not written through."""
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "a.tmp").symlink_to(tmp_path / "precious")
    with pytest.raises(UnwritableError, match="cannot be written"):
        write_whole(tmp_path / "a", b"x")
    assert (tmp_path / "precious").read_text() == "mine"
