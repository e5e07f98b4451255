"""Quantiles of costs over sentences: groups of sentences, each weighted by its share.

Costs are arrays (n_designs, n_groups), shares are (n_settings, n_groups); see `studies.statistics`.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
_SLACK: Final = 1e-12
"""A level counts as reached within that share: far below one sentence, far above rounding."""


def quantiles(costs: FloatArray, shares: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Least cost within which at least a share ``level`` of the sentences are.

    (n_levels, n_designs, n_settings), in the unit of the costs. Level 1 is the maximum: the largest
    cost of a group with a share. Each design's costs are sorted once for all settings and levels.

    Args:
        costs: (n_designs, n_groups).
        shares: (n_settings, n_groups), rows sum to 1.
        levels: rising, above 0, at most 1.

    Raises:
        ValueError: the levels do not rise, or one is not a share.
    """
    # The highest level comes first in the walk, so it is turned around on the way in and out.
    result: FloatArray = _walk_down(costs, costs.argsort(axis=1), shares, _limits(levels))[::-1]
    return result


@cache
def _limits(levels: tuple[float, ...]) -> FloatArray:
    """(n_levels,) shares that may lie above each level, the highest level first."""
    ends = (0.0, *levels, 1.0)
    if not levels or levels[0] <= 0 or any(low > high for low, high in pairwise(ends)):
        raise ValueError(f"Levels {levels} of quantiles: expected them to rise, above 0, up to 1.")
    limits: FloatArray = 1 - np.array(levels[::-1]) + _SLACK
    return limits


@njit(cache=True)
def _walk_down(
    costs: FloatArray, order: NDArray[np.int64], shares: FloatArray, limits: FloatArray
) -> FloatArray:
    """Quantiles (n_levels, n_designs, n_settings), the highest level first.

    From the group with the largest cost down, shares are added up; where the sum first exceeds
    1 - level, the groups below are less than the level. High levels are reached after few groups.

    Args:
        costs: (n_designs, n_groups).
        order: (n_designs, n_groups) groups of each design by rising cost.
        shares: (n_settings, n_groups).
        limits: (n_levels,) 1 - level, rising.
    """
    n_levels = len(limits)
    result = np.full((n_levels, costs.shape[0], shares.shape[0]), np.nan)
    for design in range(costs.shape[0]):
        for setting in range(shares.shape[0]):
            above = 0.0
            level = 0
            for place in range(costs.shape[1] - 1, -1, -1):
                group = order[design, place]
                above += shares[setting, group]
                if above > limits[level]:
                    while level < n_levels and above > limits[level]:
                        result[level, design, setting] = costs[design, group]
                        level += 1
                    if level == n_levels:
                        break
    return result
