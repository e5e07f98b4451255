"""How much of what was gained by choosing is left on other sentences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from studies.survival import survival_of, survival_sentence
from tests.dse.fronts import make_front


def test_by_hand() -> None:
    """Points 90, 88, 86 that become 88, 87, 86: a point lost on average, half of each gain left.

    Errors of 0.5 and 0.5 make 0.71 of a difference, so drops of 1 and 0 are within two, 2 is not.
    """
    select, report = np.array([90.0, 88.0, 86.0]), np.array([88.0, 87.0, 86.0])
    errors = np.full(3, 0.5)
    left = survival_of(select, errors, report, errors)
    assert left.mean_drop == pytest.approx(1.0)
    assert left.slope == pytest.approx(0.5)
    assert (left.n_within, left.n_with_errors) == (2, 3)


def test_no_slope_of_equal_accuracies() -> None:
    """Two designs, and designs that are equally accurate, have no gain to speak of."""
    nan = np.full(3, math.nan)
    left = survival_of(np.full(3, 90.0), nan, np.array([88.0, 87.0, 86.0]), nan)
    assert math.isnan(left.slope)
    assert left.n_with_errors == 0


def test_sentence() -> None:
    """The front's own figures in words; its report accuracies are a point below in this record."""
    rows = [(0.9, 1e8, 4.0, 1.0), (0.85, 1e7, 2.0, 1.0), (0.7, 1e6, 1.0, 1.0)]
    sentence = survival_sentence(make_front(rows))
    assert sentence == (
        "Accuracy on the report split, which nothing was chosen on, is 1.00 points lower on "
        "average; of a point gained on select along the front 1.00 are left there."
    )
    assert "along the front" not in survival_sentence(make_front(rows[:2]))
