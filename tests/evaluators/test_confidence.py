"""Bounds that hold at every look: by hand, as properties, and their coverage by simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.confidence import difference_bounds, mean_bounds

SPLITS = st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=2, max_size=40)


def capital(values: list[float], population: int, mean: float, alpha: float) -> float:
    """Largest capital of the bets against means below the values, one by one as in the paper."""
    wealth, most, total = 1.0, 1.0, 0.0
    guess, spread = 0.5, 0.25
    squares = 0.25
    for i, x in enumerate(values, start=1):
        bet = np.sqrt(2 * np.log(2 / alpha) / (spread * i * np.log(i + 1)))
        expected = (population * mean - total) / (population - i + 1)
        stake = bet if expected <= 0 else min(bet, 0.5 / expected)
        wealth *= 1 + stake * (x - expected)
        most = max(most, wealth)
        total += x
        guess = (0.5 + total) / (i + 1)
        squares += (x - guess) ** 2
        spread = squares / (i + 1)
    return most


def test_one_value_by_hand() -> None:
    """Of two values the first is 1: the mean is at least 1/2, since the other is at least 0.

    Nothing more is ruled out: at mean 1/2 the capital is 1 + 1 x (1 - 1/2) = 1.5, and 40 is asked.
    """
    lower, upper = mean_bounds([1.0], 2, [1])
    assert (lower.tolist(), upper.tolist()) == ([0.5], [1.0])


def test_lower_bound_by_hand() -> None:
    """A first value of 1 of 1,000, with alpha 0.9, rules out means below 9/31.

    The goal is 2 / 0.9 = 20/9. Half of the capital at stake makes 1 + 0.5 / m x (1 - m) of it,
    which is 20/9 at m = 9/31; the bet itself, 3.04, would be more than 0.5 / m = 1.72.
    """
    bet = np.sqrt(2 * np.log(20 / 9) / (0.25 * np.log(2)))
    assert bet == pytest.approx(3.0358, abs=1e-4)
    lower, _ = mean_bounds([1.0], 1_000, [1], alpha=0.9)
    assert lower[0] == pytest.approx(9 / 31, abs=1e-8)


@given(SPLITS, st.data())
def test_bounds_are_where_the_capital_reaches_its_goal(
    values: list[float], data: st.DataObject
) -> None:
    """Just inside a bound the bets have not won 2 / alpha, just outside they have."""
    population, alpha = len(values), 0.2
    look = data.draw(st.integers(1, population - 1))
    drawn = values[:look]
    lower, upper = (float(b[0]) for b in mean_bounds(drawn, population, [look], alpha))
    least = sum(drawn) / population
    most = least + (population - look) / population
    mirror = [1 - x for x in drawn]
    assert least - 1e-8 <= lower <= most + 1e-8
    assert least - 1e-8 <= upper <= most + 1e-8
    if lower > least + 1e-7:
        assert capital(drawn, population, lower - 1e-7, alpha) >= 2 / alpha - 1e-3
    if lower < most - 1e-7:
        assert capital(drawn, population, lower + 1e-7, alpha) <= 2 / alpha + 1e-3
    if upper < most - 1e-7:
        assert capital(mirror, population, 1 - upper - 1e-7, alpha) >= 2 / alpha - 1e-3


@given(SPLITS)
def test_intervals_shrink_to_the_mean(values: list[float]) -> None:
    """Each interval lies in the one before, also where one was missed, and the last is the mean."""
    population = len(values)
    lower, upper = mean_bounds(values, population, range(1, population + 1))
    assert lower[-1] == upper[-1] == np.sum(values) / population
    assert (np.diff(lower[:-1]) >= 0).all()
    assert (np.diff(upper[:-1]) <= 0).all()


@given(SPLITS)
def test_right_and_wrong_are_mirror_images(values: list[float]) -> None:
    """The bounds of 1 - x are one minus those of x, the other way round."""
    looks = range(1, len(values) + 1)
    lower, upper = mean_bounds(values, len(values), looks)
    below, above = mean_bounds(1 - np.array(values), len(values), looks)
    np.testing.assert_allclose(below, 1 - upper, atol=1e-8)
    np.testing.assert_allclose(above, 1 - lower, atol=1e-8)


def test_settings_are_rows() -> None:
    """Bounds of many settings at once are those of each alone; an earlier look is the same."""
    x = np.random.default_rng(0).random((2, 3, 30))
    lower, upper = mean_bounds(x, 50, [5, 30])
    assert lower.shape == upper.shape == (2, 3, 2)
    alone = mean_bounds(x[1, 2], 50, [5, 30])
    np.testing.assert_array_equal(lower[1, 2], alone[0])
    np.testing.assert_array_equal(upper[1, 2], alone[1])
    np.testing.assert_array_equal(mean_bounds(x[..., :5], 50, [5])[0][..., 0], lower[..., 0])


def test_every_order_of_a_small_population() -> None:
    """Of all orders of four right and three wrong answers at most alpha miss at any look."""
    alpha = 0.4
    chosen = list(itertools.combinations(range(7), 4))
    orders = np.zeros((len(chosen), 7))
    for row, places in enumerate(chosen):
        orders[row, list(places)] = 1.0
    lower, upper = mean_bounds(orders, 7, range(1, 8), alpha)
    missed = ((lower > 4 / 7) | (upper < 4 / 7)).any(axis=1)
    assert missed.mean() <= alpha


@pytest.mark.parametrize("accuracy", [0.5, 0.9, 0.99])
def test_coverage_under_continuous_monitoring(accuracy: float) -> None:
    """Looked at after every tenth of 200 sentences, 90 % bounds miss in at most 10 % of the orders.

    400 orders: three standard errors are 4.5 points. (The capital counts between looks, too.)
    """
    rng, n = np.random.default_rng(1), 200
    right = np.arange(n) < round(accuracy * n)
    orders = np.stack([rng.permutation(right) for _ in range(400)]).astype(float)
    lower, upper = mean_bounds(orders, n, range(10, n + 1, 10), alpha=0.1)
    missed = ((lower > right.mean()) | (upper < right.mean())).any(axis=1).mean()
    assert missed <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 400)


def test_coverage_of_paired_differences() -> None:
    """Differences of settings that disagree on a tenth of the sentences are missed as rarely."""
    rng, n = np.random.default_rng(2), 200
    gain = np.repeat([1.0, -1.0, 0.0], [14, 6, 180])
    orders = np.stack([rng.permutation(gain) for _ in range(400)])
    first, second = np.maximum(orders, 0), np.maximum(-orders, 0)
    lower, upper = difference_bounds(first, second, n, range(10, n + 1, 10), alpha=0.1)
    missed = ((lower > gain.mean()) | (upper < gain.mean())).any(axis=1).mean()
    assert missed <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 400)
    assert (lower[:, -1] == gain.mean()).all()
    assert (upper[:, -1] == gain.mean()).all()


def test_width_beside_the_fixed_time_interval() -> None:
    """At half of 1,000 sentences it is 1.3 to 2.2 times the normal interval for one look.

    That interval has the correction for a finite population, and does not hold at several looks.
    """
    rng, n, k = np.random.default_rng(3), 1_000, 500
    right = np.stack([rng.permutation(np.arange(n) < 900) for _ in range(20)]).astype(float)
    lower, upper = mean_bounds(right[:, :k], n, [k])
    normal = 2 * 1.96 * np.sqrt(0.9 * 0.1 / k * (n - k) / (n - 1))
    assert 1.3 <= (upper - lower).mean() / normal <= 2.2


def test_pairs_tell_settings_apart_sooner() -> None:
    """Bounds on a difference are narrower than what bounds on both accuracies leave open."""
    rng, n = np.random.default_rng(4), 1_000
    first = (rng.random(n) < 0.9).astype(float)
    second = np.where(rng.random(n) < 0.05, 1 - first, first)
    looks = [250, 500]
    low, high = difference_bounds(first, second, n, looks)
    one, other = mean_bounds(first, n, looks), mean_bounds(second, n, looks)
    assert ((high - low) < 0.6 * ((one[1] - one[0]) + (other[1] - other[0]))).all()
    swapped = difference_bounds(second, first, n, looks)
    np.testing.assert_allclose(swapped[0], -high, atol=1e-8)


@pytest.mark.parametrize(
    ("values", "population", "looks", "alpha", "sentence"),
    [
        ([0.5], 3, [1], 0.0, "alpha 0.0: expected a probability between 0 and 1"),
        ([0.5] * 4, 3, [1], 0.1, "4 values drawn: expected at most population 3"),
        ([0.5] * 2, 3, [], 0.1, r"looks \[\]: expected rising numbers from 1 to 2"),
        ([0.5] * 2, 3, [2, 1], 0.1, r"looks \[2, 1\]: expected rising"),
        ([0.5] * 2, 3, [0], 0.1, r"looks \[0\]: expected rising"),
        ([0.5] * 2, 3, [3], 0.1, r"looks \[3\]: expected rising"),
        ([0.5, 1.5], 3, [1], 0.1, "values from 0.5 to 1.5: expected values from 0 to 1"),
        ([0.5, np.nan], 3, [1], 0.1, "expected values from 0 to 1"),
    ],
)
def test_wrong_arguments(
    values: list[float], population: int, looks: list[int], alpha: float, sentence: str
) -> None:
    """What makes no bounds is told in one sentence."""
    with pytest.raises(ValueError, match=sentence):
        mean_bounds(values, population, looks, alpha)
