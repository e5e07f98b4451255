"""Trials that were told, their repeats, and the front that settings are raced against."""

from __future__ import annotations

from typing import Any

from dse.outcomes import Outcome
from dse.told_trials import Told, ToldTrials, key_of
from studies.spec import spec_of
from tests.small_study import small_document


def told(number: int, accuracy: float, energy_pj: float, repeated_of: int | None = None) -> Told:
    """A trial of a design with that accuracy and energy, one of area."""
    flat: dict[str, Any] = {"b": repeated_of if repeated_of is not None else number, "a": 1}
    outcome = Outcome(
        state="complete",
        values=[[accuracy, energy_pj, 1.0]],
        hardware=[0],
        exits=[0],
        designs_scored=1,
    )
    return Told(
        number=number,
        flat=flat,
        outcome=outcome,
        repeated_of=repeated_of,
        wall_start=0.0,
        wall_seconds=0.0,
    )


def three_trials() -> ToldTrials:
    """A design, its repeat, and a design that dominates it."""
    trials = ToldTrials(spec_of(small_document(), "test").objectives)
    for each in (told(0, 0.8, 1e6), told(2, 0.8, 1e6, repeated_of=0), told(1, 0.9, 1e5)):
        trials.note(each)
    return trials


def test_what_is_kept() -> None:
    """Trials stand in the order in which they were told; a repeat scores no design."""
    trials = three_trials()
    assert [each.number for each in trials.trials] == [0, 2, 1]
    assert [state.designs_scored for state in trials.history] == [1, 1, 2]
    assert [state.trial for state in trials.history] == [1, 2, 3]
    assert trials.by_number[2].repeated_of == 0
    assert trials.outcome(1).values == [[0.9, 1e5, 1.0]]


def test_first_of_a_point() -> None:
    """A point is known by its content, in whatever order its knobs stand."""
    trials = three_trials()
    assert key_of({"a": 1, "b": 0}) == key_of({"b": 0, "a": 1})
    assert trials.first_of(key_of({"a": 1, "b": 0})) == 0
    assert trials.first_of(key_of({"a": 1, "b": 9})) is None


def test_rivals() -> None:
    """The front after any number of trials is that of the trials before."""
    trials = three_trials()
    assert trials.rivals(0) == []
    assert trials.rivals(1) == trials.rivals(2) == [[0.8, 1e6, 1.0]]
    assert trials.rivals(3) == [[0.9, 1e5, 1.0]]
    assert trials.archive.members == [(1, 0, 0)]
