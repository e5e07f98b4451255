"""A journal that is followed while it is written."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from dse.errors import RunFolderError
from dse.journal_follower import JournalFollower
from dse.storage import commit, open_storage


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of three trials, of which the last was not told."""
    path = tmp_path / "journal.log"
    storage = open_storage(None, path)
    study = optuna.create_study(storage=storage, study_name="s")
    for number in range(3):
        trial = study.ask()
        trial.suggest_float("x", 0.0, 1.0)
        trial.set_user_attr("flat", {"mac_vector_size": number})
        if number < 2:
            study.tell(trial, float(number))
    commit(storage)
    return path


class TestFollower:
    """What `advance` finds."""

    def test_told_trials_come_in_order(self, journal: Path) -> None:
        """Told trials are given back with their attributes; the one in the air is known."""
        follower = JournalFollower(journal)
        told = list(follower.advance())
        assert [trial.number for trial in told] == [0, 1]
        assert told[1].attributes["flat"] == {"mac_vector_size": 1}
        assert told[0].started is not None
        assert told[0].completed is not None
        assert [trial.completed is None for trial in follower.trials] == [False, False, True]
        assert list(follower.advance()) == []

    def test_any_cut_gives_the_same_in_two_looks(self, journal: Path) -> None:
        """Wherever a write was cut off, the next look loses and doubles no trial."""
        content = journal.read_bytes()
        growing = journal.with_name("growing.log")
        for cut in range(0, len(content), max(1, len(content) // 37)):
            growing.write_bytes(content[:cut])
            follower = JournalFollower(growing)
            numbers = [trial.number for trial in follower.advance()]
            growing.write_bytes(content)
            numbers += [trial.number for trial in follower.advance()]
            assert numbers == [0, 1]
            assert follower.in_flight == 1

    def test_a_shorter_file_is_read_anew(self, journal: Path) -> None:
        """A journal that was written anew is not taken for an old one."""
        follower = JournalFollower(journal)
        list(follower.advance())
        lines = journal.read_bytes().splitlines(keepends=True)
        last = next(i for i, line in enumerate(lines) if b'"op_code":6' in line)
        whole = next(i for i in range(last, len(lines)) if b'"group":' in lines[i])
        journal.write_bytes(b"".join(lines[: whole + 1]))
        assert [trial.number for trial in follower.advance()] == [0]
        assert follower.in_flight == 0

    def test_damage_is_refused(self, journal: Path) -> None:
        """A changed byte is found by its checksum, and the sentence names the file."""
        content = journal.read_bytes()
        journal.write_bytes(content.replace(b'"mac_vector_size":0', b'"mac_vector_size":9'))
        with pytest.raises(RunFolderError, match=r"journal\.log: damaged .*checksum"):
            list(JournalFollower(journal).advance())
