"""Calibration: extremes, the histogram of fp32 patterns, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.codecs.calibration import Calibration


def test_extremes_hold_zero() -> None:
    """The range runs from at most 0 to at least 0."""
    seen = Calibration(distribution=False)
    seen.add(np.array([[2.0, 5.0]], dtype=np.float32))
    assert (seen.least, seen.greatest, seen.max_abs) == (0.0, 5.0, 5.0)
    seen.add(np.array([-7.0], dtype=np.float32))
    assert (seen.least, seen.greatest, seen.max_abs) == (-7.0, 5.0, 7.0)


def test_points_of_a_bin_by_hand() -> None:
    """1 ... 1 + 1/128 is one bin; its points are the middles of its quarters."""
    seen = Calibration(distribution=True)
    seen.add(np.array([1.0, 1.004, 1.0078, 3.0], dtype=np.float32))
    points, weights = seen.distribution()
    expected = [1 + k / 1024 for k in (1, 3, 5, 7)]
    assert points[:4].tolist() == expected
    assert weights.tolist() == [0.75] * 4 + [0.25] * 4
    assert points.max() == 3.0  # nothing beyond what was seen


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=50))
def test_points_stand_for_every_value(values: list[float]) -> None:
    """Weights add up to the number of values, and every value has a point within 0.8 %."""
    seen = Calibration(distribution=True)
    x = np.array(values, dtype=np.float32)
    seen.add(x)
    points, weights = seen.distribution()
    assert weights.sum() == len(values)
    for value in x.astype(np.float64):
        nearest = np.abs(points.astype(np.float64) - value).min()
        assert nearest <= max(abs(value) * 2.0**-7, 2.0**-126)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    """An encoder that overflows is not calibrated on."""
    with pytest.raises(ValueError, match="in calibration: expected finite numbers"):
        Calibration(distribution=False).add(np.array([1.0, value], dtype=np.float32))
