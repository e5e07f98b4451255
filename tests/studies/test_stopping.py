"""When a search has had enough."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.records import Progress
from studies.search_tables import StopTable
from studies.stopping import growth_bound, reason_to_stop


def test_by_hand() -> None:
    """Four trials that gain 0.1, 0, 0 and 0.02, with two in a window.

    Mean 0.01, variance 0.0002, largest step 0.1; ln 40 = 3.68888. The bound on the mean is
    0.01 + sqrt(2 * 0.0002 * 3.68888 / 2) + 7 * 0.1 * 3.68888 / 3 = 0.01 + 0.027162 + 0.860739.
    """
    assert growth_bound([0.1, 0.1, 0.1, 0.12], 2) == pytest.approx(2 * 0.897901, rel=1e-5)


def test_nothing_is_said_before_two_windows() -> None:
    """Fewer trials than two windows leave the estimate open."""
    assert growth_bound([], 5) == math.inf
    assert growth_bound([0.5] * 9, 5) == math.inf
    assert growth_bound([0.5] * 10, 5) < math.inf


def test_two_quiet_windows_end_it() -> None:
    """With no growth in two windows none is expected; in one alone the last step still counts."""
    quiet = [0.3] + [0.4] * 21
    assert growth_bound(quiet, 10) == 0.0
    assert growth_bound(quiet[:-2], 10) > 0.1


@given(st.lists(st.floats(0, 1), min_size=20, max_size=60), st.floats(0.1, 10))
def test_scales_and_bounds_the_mean(steps: list[float], factor: float) -> None:
    """It is in the unit of the hypervolume, and never below what the last window gained."""
    volumes = np.cumsum(steps).tolist()
    bound = growth_bound(volumes, 10)
    assert bound >= volumes[-1] - volumes[-11] - 1e-9
    assert growth_bound([factor * v for v in volumes], 10) == pytest.approx(factor * bound)


def test_covers_draws_that_stay_alike() -> None:
    """Of searches whose steps are drawn alike, at least 95 % gain no more than the estimate."""
    rng = np.random.default_rng(0)
    steps = rng.exponential(0.01, (500, 60)) * (rng.random((500, 60)) < 0.3)
    volumes = steps.cumsum(axis=1)
    covered = [
        volumes[i, 59] - volumes[i, 39] <= growth_bound(volumes[i, :40].tolist(), 20)
        for i in range(500)
    ]
    assert np.mean(covered) >= 0.95


def test_reasons_to_stop() -> None:
    """Time, then growth: 2 * 0.897901 of a hypervolume of 0.12 is 1,496.50 %."""
    volumes = (0.1, 0.1, 0.1, 0.12)
    history = [
        Progress(trial=n, designs_scored=n, front_size=1, hypervolume=volume)
        for n, volume in enumerate(volumes, start=1)
    ]
    assert reason_to_stop(StopTable(), 1e9, history) == ""
    assert reason_to_stop(StopTable(seconds=2), 1.9, history) == ""
    assert reason_to_stop(StopTable(seconds=2, growth=0.9), 2.0, history) == "2 s have passed"
    assert reason_to_stop(StopTable(growth=0.9, window=2), 0.0, history) == ""
    assert reason_to_stop(StopTable(growth=0.9, window=2), 0.0, []) == ""
    one = history[0]
    still = [one.model_copy(update={"trial": n}) for n in range(1, 9)]
    assert reason_to_stop(StopTable(growth=0.01, window=2), 0.0, still) == (
        "the hypervolume would grow by 0.00% at most over the next 2 trials (upper estimate; the "
        "study asks for more than 1.00%)"
    )
