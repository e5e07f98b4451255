"""Trials of faults: the draw that a trace holds, and how far the others are."""

from __future__ import annotations

import pytest

from evaluators.faults.trials import FaultTrials


def test_by_hand() -> None:
    """Of 0.8, 0.5, 0.7, 0.6 and 0.9 the third is the median; they spread by 0.158."""
    trials = FaultTrials((0.8, 0.5, 0.7, 0.6, 0.9))
    assert trials.chosen == 2
    assert trials.mean == pytest.approx(0.7)
    assert trials.deviation == pytest.approx((0.1 / 4) ** 0.5)
    assert trials.p5 == pytest.approx(0.52)


@pytest.mark.parametrize(
    ("scores", "chosen"), [((0.9, 0.8), 1), ((0.5, 0.5, 0.5), 1), ((0.1, 0.4, 0.3, 0.2), 3)]
)
def test_even_numbers_and_ties(scores: tuple[float, ...], chosen: int) -> None:
    """The lower of two medians; of equal scores those with lower seeds come first."""
    assert FaultTrials(scores).chosen == chosen


def test_one_trial_has_no_deviation() -> None:
    """A single draw says nothing of others."""
    with pytest.raises(ValueError, match="1 trials of faults: expected 2 or more"):
        FaultTrials((0.9,))
