"""Choosing from a front by what matters: weights, or a point to come near.

Losses are scaled to the front: 0 is its best value of an objective, 1 its worst, in the logarithm
where the axis is logarithmic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from studies.records import Front, FrontDesign, ObjectiveRecord

_LEAST: Final = 1e-300
"""Stands for 0 on a logarithmic axis, as in `studies.fronts`."""

AUGMENTATION: Final = 1e-4
"""Weight of the sum of losses in the achievement function: it decides between equal maxima."""


def losses(objective: ObjectiveRecord, designs: Sequence[FrontDesign], *aims: float) -> list[float]:
    """How far each design is from the best one, and behind them each aim; 0 is best, 1 worst.

    Args:
        objective: in which they are compared.
        designs: what it is scaled to, one or more.
        aims: values of the metric; theirs may be below 0 or above 1.
    """
    values = [*(design.metrics[objective.metric].value for design in designs), *aims]
    if objective.axis == "log10":
        values = [math.log10(max(value, _LEAST)) for value in values]
    if objective.maximised:
        values = [-value for value in values]
    ends = values[: len(designs)]
    low, high = min(ends), max(ends)
    return [(value - low) / (high - low) if high > low else 0.0 for value in values]


def knee(front: Front, designs: Sequence[FrontDesign] | None = None) -> FrontDesign:
    """The design nearest to the ideal corner, in Euclidean distance; of equal ones the first.

    Args:
        front: whose objectives count.
        designs: to choose from, one or more; by default all of the front.
    """
    chosen = front.designs if designs is None else designs
    columns = [losses(objective, chosen) for objective in front.objectives]
    distances = [math.hypot(*row) for row in zip(*columns, strict=True)]
    return chosen[distances.index(min(distances)) if distances else 0]


def weighted(
    front: Front, designs: Sequence[FrontDesign], weights: Mapping[str, float]
) -> FrontDesign:
    """The design whose pseudo-weights are nearest to the weights; of equal ones the first.

    A design's pseudo-weight of an objective is its gain there, one minus its loss, over the sum of
    its gains (Deb, "Multi-Objective Optimization using Evolutionary Algorithms", 2001): how much
    it puts on that objective. Nearest is in the sum of absolute differences.

    Args:
        front: whose objectives count.
        designs: to choose from, one or more.
        weights: by metric, 0 or more, their sum above 0; objectives that are not named have 0.
    """
    columns = [losses(objective, designs) for objective in front.objectives]
    total = sum(weights.values())
    wanted = [weights.get(objective.metric, 0.0) / total for objective in front.objectives]

    def distance(row: tuple[float, ...]) -> float:
        gains = [1 - loss for loss in row]
        put = [gain / sum(gains) if sum(gains) > 0 else 1 / len(gains) for gain in gains]
        return sum(abs(a - b) for a, b in zip(put, wanted, strict=True))

    distances = [distance(row) for row in zip(*columns, strict=True)]
    return designs[distances.index(min(distances))]


def nearest_to(
    front: Front, designs: Sequence[FrontDesign], aims: Mapping[str, float]
) -> FrontDesign:
    """The design with the least achievement function at a reference point; of equal ones the first.

    The function is the largest difference between a design's loss and the aim's over the objectives
    that are aimed at, plus `AUGMENTATION` times the sum of the differences over all (Wierzbicki,
    "The use of reference objectives in multiobjective optimization", 1980). So an aim that can be
    had is surpassed in all of them alike, and one that cannot is missed by as little.

    Args:
        front: whose objectives count.
        designs: to choose from, one or more.
        aims: by metric, in its unit.
    """
    values = [0.0] * len(designs)
    largest = [-math.inf] * len(designs)
    for objective in front.objectives:
        aimed = objective.metric in aims
        column = losses(objective, designs, *([aims[objective.metric]] if aimed else []))
        aim = column.pop() if aimed else 0.0
        for place, loss in enumerate(column):
            values[place] += AUGMENTATION * (loss - aim)
            if aimed:
                largest[place] = max(largest[place], loss - aim)
    totals = [a + b for a, b in zip(values, largest, strict=True)]
    return designs[totals.index(min(totals))]
