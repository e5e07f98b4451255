"""The knee: nearest to the best of every objective."""

from __future__ import annotations

import pytest

from studies.knee import knee
from tests.dse.fronts import make_front

# Accuracy, energy in pJ (log axis), area in mm2, latency (no objective).
ROWS = [(0.9, 1e8, 4.0, 1.0), (0.85, 1e7, 2.0, 1.0), (0.7, 1e6, 1.0, 1.0)]


def test_the_design_nearest_to_the_ideal_corner() -> None:
    """The middle design loses a quarter of the accuracy, half the decades, a third of the area."""
    assert knee(make_front(ROWS)).id == 1


def test_an_end_can_be_the_knee() -> None:
    """A design that is best in two of three objectives is nearer than one between them."""
    rows = [(0.9, 1e8, 4.0, 1.0), (0.86, 9e7, 3.9, 1.0), (0.899, 1e6, 3.0, 1.0)]
    assert knee(make_front(rows)).id == 2


def test_the_only_design_is_the_knee() -> None:
    """A range of no length loses nothing."""
    assert knee(make_front(ROWS[:1])).id == 0


def test_a_logarithmic_axis_stands_a_zero() -> None:
    """A value of 0 on a logarithmic axis is the best there can be, not an error."""
    rows = [(0.9, 1e8, 4.0, 1.0), (0.9, 0.0, 4.0, 1.0)]
    assert knee(make_front(rows)).id == 1


@pytest.mark.parametrize("best", [0, 1, 2])
def test_the_order_of_designs_does_not_matter(best: int) -> None:
    """The same design is the knee wherever it stands."""
    rows = [ROWS[0], ROWS[2]]
    rows.insert(best, ROWS[1])
    assert knee(make_front(rows)).id == best
