"""Bounds on a mean that hold at every look, while the sentences are still being drawn.

A split has N sentences and each has a value in [0, 1], such as 1 for a right answer. They are drawn
in a uniformly random order without replacement, and someone looks after 1, 2, … N of them and may
stop at any time for any reason. The bounds here form a confidence sequence: with probability at
least 1 - alpha over the order, all of them, at all looks, hold the mean of the N values.

They are those of betting (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by
betting", J. R. Stat. Soc. B 86, 2024: hedged capital, and its section on sampling without
replacement). Let x_i be the i-th value drawn, S_i the sum of the first i. If the mean is m, then
x_i has, given what was drawn before it, the mean m_i = (N m - S_(i-1)) / (N - i + 1), so that

    K_t(m) = product over i <= t of 1 + l_i(m) (x_i - m_i),
    l_i(m) = min(l_i, 1/2 / m_i),

with l_i >= 0 fixed by the values drawn before, is a martingale that starts at 1 and never falls
below 0: by Ville's inequality it reaches 2 / alpha with probability at most alpha / 2. A mean at
which it did is ruled out. It falls as m grows, so that what is ruled out lies below a lower bound;
the upper bound is the lower bound of 1 - x_i in the mirror. The bets l_i are the paper's,
sqrt(2 ln(2 / alpha) / (v_(i-1) i ln(i + 1))), with v the running variance of the values.

The values are fixed and the order is random: it must be chosen without a look at them. One order
serves many settings, so their bounds each hold with 1 - alpha; for k of them to hold together, ask
for alpha / k. Nothing is said about sentences outside the split.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_LARGEST_STAKE: Final = 0.5
"""Share of the capital that one sentence can cost at most: the paper's choice."""
_HALVINGS: Final = 30
"""Of the interval that holds a bound, which then lies at most 1e-9 outside the exact one."""
_TINY: Final = 1e-300


def mean_bounds(
    values: ArrayLike, population: int, looks: Sequence[int], alpha: float = 0.05
) -> tuple[Floats, Floats]:
    """Lower and upper bounds (..., n_looks) on the means of whole populations.

    Every interval lies within the one before it, and at the last sentence it is the mean itself;
    where an earlier one had missed it (probability alpha), the lower bound may pass the upper one.

    Args:
        values: (..., n_drawn) values in [0, 1] in the order drawn, a row for each setting.
        population: N, how many values there are in all.
        looks: numbers of values drawn at which bounds are asked for, rising, at most n_drawn.
        alpha: probability that any of a setting's bounds fails.

    Raises:
        ValueError: a value, a look or alpha is out of its range.
    """
    x = np.asarray(values, dtype=np.float64)
    counts = list(looks)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha {alpha}: expected a probability between 0 and 1.")
    if not x.shape[-1] <= population:
        raise ValueError(f"{x.shape[-1]} values drawn: expected at most population {population}.")
    if not counts or sorted(set(counts)) != counts or counts[0] < 1 or counts[-1] > x.shape[-1]:
        raise ValueError(f"looks {counts}: expected rising numbers from 1 to {x.shape[-1]}.")
    if x.size and not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(f"values from {x.min()} to {x.max()}: expected values from 0 to 1.")
    bets = _bets(x, alpha)
    lower = np.stack(
        [_lower_bound(x[..., :k], bets[..., :k], population, alpha) for k in counts], -1
    )
    mirror = 1 - x
    upper = np.stack(
        [1 - _lower_bound(mirror[..., :k], bets[..., :k], population, alpha) for k in counts], -1
    )
    # Never wider than before, also by what halving leaves open.
    lower, upper = np.maximum.accumulate(lower, -1), np.minimum.accumulate(upper, -1)
    if counts[-1] == population:
        lower[..., -1] = upper[..., -1] = x.sum(-1) / population
    return lower, upper


def difference_bounds(
    first: ArrayLike,
    second: ArrayLike,
    population: int,
    looks: Sequence[int],
    alpha: float = 0.05,
) -> tuple[Floats, Floats]:
    """Bounds (..., n_looks) on the mean of ``first`` minus that of ``second``, taken in pairs.

    Both are measured on the same sentences. Where the two agree nothing is learnt and nothing lost,
    so that settings which differ on few sentences are told apart much sooner than by bounds on
    each: these are `mean_bounds` of (1 + first - second) / 2.

    Args:
        first: (..., n_drawn) values in [0, 1], as in `mean_bounds`.
        second: values of the other setting or settings, of a shape that broadcasts.
        population: as in `mean_bounds`.
        looks: as in `mean_bounds`.
        alpha: as in `mean_bounds`.

    Raises:
        ValueError: as in `mean_bounds`.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    gain = one - other
    lower, upper = (
        2 * bound - 1 for bound in mean_bounds((1 + gain) / 2, population, looks, alpha)
    )
    if looks[-1] == population:
        lower[..., -1] = upper[..., -1] = gain.sum(-1) / population
    return lower, upper


def _bets(x: Floats, alpha: float) -> Floats:
    """Bets (..., n_drawn), each from the values drawn before it."""
    drawn = np.arange(1, x.shape[-1] + 1)
    mean = (0.5 + np.cumsum(x, -1)) / (drawn + 1)
    variance = (0.25 + np.cumsum((x - mean) ** 2, -1)) / (drawn + 1)
    before = np.concatenate([np.full((*x.shape[:-1], 1), 0.25), variance[..., :-1]], -1)
    bets: Floats = np.sqrt(2 * np.log(2 / alpha) / (before * drawn * np.log1p(drawn)))
    return bets


def _lower_bound(x: Floats, bets: Floats, population: int, alpha: float) -> Floats:
    """Lower bound (...,) from all of the values (..., n_drawn), by halving.

    What is possible at all bounds the mean too: the values not yet drawn lie between 0 and 1. In
    that interval every m_i lies between 0 and 1.
    """
    drawn = x.shape[-1]
    before = np.cumsum(x, -1) - x
    left = population - np.arange(drawn)
    lower: Floats = x.sum(-1) / population
    upper = lower + (population - drawn) / population
    for _ in range(_HALVINGS):
        middle = (lower + upper) / 2
        conditional = np.maximum((population * middle[..., None] - before) / left, _TINY)
        stakes = np.minimum(bets, _LARGEST_STAKE / conditional)
        capital = np.cumsum(np.log1p(stakes * (x - conditional)), -1).max(-1)
        ruled_out = capital >= np.log(2 / alpha)
        lower, upper = np.where(ruled_out, middle, lower), np.where(ruled_out, upper, middle)
    return lower
