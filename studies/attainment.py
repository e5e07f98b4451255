"""Attainment: what several runs, such as those of several seeds, reach in two objectives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Attainment:
    """What runs attain at some costs.

    Attributes:
        costs: (n_costs,) ascending.
        best: (n_costs,) that one run at least attains; -inf where none has anything so cheap.
        median: (n_costs,) that more than half of the runs attain.
        worst: (n_costs,) that all runs attain.
    """

    costs: Floats
    best: Floats
    median: Floats
    worst: Floats


def attainment(fronts: Sequence[tuple[Floats, Floats]]) -> Attainment:
    """Empirical attainment surfaces of runs in two objectives.

    A run attains a gain at a cost if one of its designs costs no more and gains no less (Fonseca
    and Fleming, "On the Performance Assessment and Comparison of Stochastic Multiobjective
    Optimizers", PPSN IV, 1996). With two runs the median is what both attain.

    Args:
        fronts: of each run the costs (less is better) and the gains (more is better) of its
            designs, both (n_designs,).

    >>> found = attainment([(np.array([1.0, 2.0]), np.array([5.0, 9.0])),
    ...                     (np.array([1.5]), np.array([7.0]))])
    >>> found.costs.tolist(), found.best.tolist(), found.worst.tolist()
    ([1.0, 1.5, 2.0], [5.0, 7.0, 9.0], [-inf, 5.0, 7.0])
    """
    costs = np.unique(np.concatenate([cost for cost, _ in fronts]))
    reached = np.full((len(fronts), len(costs)), -np.inf)
    for row, (cost, gain) in enumerate(fronts):
        order = np.argsort(cost, kind="stable")
        best = np.maximum.accumulate(gain[order])
        places = np.searchsorted(cost[order], costs, side="right") - 1
        has = places >= 0
        reached[row, has] = best[places[has]]
    descending = -np.sort(-reached, axis=0)
    half = (len(fronts) + 1) // 2 if len(fronts) % 2 else len(fronts) // 2 + 1
    return Attainment(costs, descending[0], descending[half - 1], descending[-1])
