"""The few designs of a front that keep the most hypervolume."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.fronts import FloatArray, hypervolume, non_dominated
from studies.objectives import Objective
from studies.thinning import most_hypervolume

OBJECTIVES = [
    Objective(metric="accuracy", ideal=1.0, reference=0.0),
    Objective(metric="area_mm2", ideal=0.0, reference=1.0),
    Objective(metric="energy_pj", axis="log10", ideal=1.0, reference=1e4),
]


def random_front(seed: int, n: int, m: int) -> FloatArray:
    """A front of at most n points in the first m objectives."""
    rng = np.random.default_rng(seed)
    values = np.stack([rng.random(n), rng.random(n), 10 ** rng.uniform(0, 4, n)], axis=1)[:, :m]
    kept: FloatArray = values[non_dominated(values, OBJECTIVES[:m])]
    return kept


def test_by_hand() -> None:
    """Of three boxes of 0.25, 0.36 and 0.24, the second comes first, then what overlaps less.

    Points (accuracy, area) = (0.25, 0), (0.6, 0.4), (0.8, 0.7) fill 0.25, 0.36 and 0.24. Beside the
    second, the first adds 0.25 - 0.25 * 0.6 = 0.1, the third 0.24 - 0.6 * 0.3 = 0.06.
    """
    values = np.array([[0.25, 0.0], [0.6, 0.4], [0.8, 0.7]])
    assert most_hypervolume(values, OBJECTIVES[:2], 1) == [1]
    assert most_hypervolume(values, OBJECTIVES[:2], 2) == [0, 1]
    assert most_hypervolume(values, OBJECTIVES[:2], 3) == [0, 1, 2]
    assert most_hypervolume(values, OBJECTIVES[:2], 9) == [0, 1, 2]


@given(st.integers(0, 10_000), st.integers(2, 3), st.integers(1, 5))
def test_keeps_what_greed_promises(seed: int, m: int, k: int) -> None:
    """Greed keeps at least 63 % of what the best k do, and no less than fewer points."""
    values, objectives = random_front(seed, 14, m), OBJECTIVES[:m]

    def volume(places: list[int]) -> float:
        return hypervolume(values[places], objectives)

    kept = most_hypervolume(values, objectives, k)
    assert len(set(kept)) == len(kept) == min(k, len(values))
    assert kept == sorted(kept)
    best = max(volume(list(c)) for c in combinations(range(len(values)), len(kept)))
    assert volume(kept) >= (1 - 1 / math.e) * best - 1e-12
    assert volume(most_hypervolume(values, objectives, k + 1)) >= volume(kept) - 1e-12


@pytest.mark.parametrize("seed", range(3))
def test_equals_plain_greed(seed: int) -> None:
    """Working out only what may lead chooses what working out everything at every step does."""
    values = random_front(seed, 200, 3)
    plain: list[int] = []
    for _ in range(8):
        gains = [
            -1.0 if i in plain else hypervolume(values[[*plain, i]], OBJECTIVES)
            for i in range(len(values))
        ]
        plain.append(int(np.argmax(gains)))
    assert most_hypervolume(values, OBJECTIVES, 8) == sorted(plain)


def test_points_outside_the_box() -> None:
    """Points worse than the reference add nothing: they come last, in their order."""
    values = np.array([[-0.5, 0.5], [0.5, 0.5], [0.9, 2.0], [0.2, 0.1]])
    assert most_hypervolume(values, OBJECTIVES[:2], 2) == [1, 3]
    assert most_hypervolume(values, OBJECTIVES[:2], 3) == [0, 1, 3]
