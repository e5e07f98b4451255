"""A task that ends the driver's own process is given up after three drivers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dse.first_task import FIRST_TASK, FirstTask
from dse.interruption import Interrupted
from studies.spec import StudySpec
from tests.dse.conftest import FormulaExecutor, opened, quiet
from tests.small_study import small_document, spec_with

TRIALS = 12
KILLED = 137


@pytest.fixture(scope="module")
def spec() -> StudySpec:
    """The small study, its knobs sampled together."""
    return spec_with(small_document(), strategy="joint", trials=TRIALS, sampler={"name": "random"})


class Deadly(FormulaExecutor):
    """Ends its process within one trial, as the system does for memory."""

    is_own_process = True

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def next_outcome(self) -> tuple[int, Any]:
        """An outcome, unless it is the trial's turn."""
        if self._waiting[-1][0] == self._number:
            os._exit(KILLED)
        return super().next_outcome()


def driven(spec: StudySpec, folder: Path, deadly: int) -> int:
    """Exit code of a driver in a process of its own."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            opened(spec, folder).run(Deadly(deadly), quiet)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_three_drivers_that_began_with_it(spec: StudySpec, tmp_path: Path) -> None:
    """A driver comes to it, three begin with it; the next one leaves it and ends the study."""
    (tmp_path / "undisturbed").mkdir()
    undisturbed = opened(spec, tmp_path / "undisturbed")
    undisturbed.run(FormulaExecutor(), quiet)
    evaluated = [t.number for t in undisturbed.told if t.outcome.metrics]
    deadly = evaluated[len(evaluated) // 2]
    assert [driven(spec, tmp_path, deadly) for _ in range(5)] == [KILLED] * 4 + [0]
    told = opened(spec, tmp_path).told
    assert len(told) == TRIALS
    failed = [trial for trial in told if trial.outcome.state == "failed"]
    assert [trial.number for trial in failed] == [deadly]
    assert failed[0].outcome.reason == (
        "3 attempts failed, the last because the process of the driver ended within it, as with "
        "too little memory"
    )


class Noted:
    """Notes that no disk keeps."""

    def __init__(self, *, is_shared: bool = False) -> None:
        self.is_shared = is_shared
        self.notes: dict[str, Any] = {}

    def noted(self, name: str) -> Any:
        """What was noted."""
        return self.notes.get(name)

    def note(self, name: str, value: Any) -> None:
        """Note something."""
        self.notes[name] = value


def test_interruptions_are_no_strikes() -> None:
    """A driver that is interrupted within its first task leaves the count as it was."""
    notes = Noted()
    for _ in range(7):
        first = FirstTask(notes)
        assert first.begin(3) is None
        with pytest.raises(Interrupted), first.excused():
            raise Interrupted(2)
    assert notes.notes == {FIRST_TASK: {"trial": 3, "drivers": 0}}


def test_what_follows_is_not_counted() -> None:
    """Later tasks change no note, and another first task begins the count anew."""
    notes = Noted()
    first = FirstTask(notes)
    assert first.begin(3) is None
    with first.excused():
        pass
    assert first.begin(4) is None
    with pytest.raises(Interrupted), first.excused():
        raise Interrupted(2)
    assert notes.notes == {FIRST_TASK: {"trial": 3, "drivers": 1}}
    assert FirstTask(notes).begin(4) is None
    assert notes.notes == {FIRST_TASK: {"trial": 4, "drivers": 1}}


def test_after_one_that_is_given_up_the_next_is_the_first() -> None:
    """Two deadly tasks in a row are both given up."""
    notes = Noted()
    notes.note(FIRST_TASK, {"trial": 3, "drivers": 3})
    first = FirstTask(notes)
    lost = first.begin(3)
    assert lost is not None
    assert lost.state == "failed"
    assert first.begin(4) is None
    assert notes.notes == {FIRST_TASK: {"trial": 4, "drivers": 1}}


@pytest.mark.parametrize("damaged", [None, 7, {"trial": 3}, {"trial": 3, "drivers": "x"}])
def test_notes_of_nobody(damaged: Any) -> None:
    """What is no such note counts nothing, and drivers that share a study note nothing."""
    notes = Noted()
    notes.note(FIRST_TASK, damaged)
    assert FirstTask(notes).begin(3) is None
    assert notes.notes == {FIRST_TASK: {"trial": 3, "drivers": 1}}
    shared = Noted(is_shared=True)
    assert FirstTask(shared).begin(3) is None
    assert not shared.notes
