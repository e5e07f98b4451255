"""The knee of a front: the one design to look at first."""

from __future__ import annotations

import math

from studies.records import Front, FrontDesign, ObjectiveRecord

_LEAST = 1e-300
"""Stands for 0 on a logarithmic axis, as in `studies.fronts`."""


def knee(front: Front) -> FrontDesign:
    """The design nearest to the ideal corner, objectives scaled to the front's own ranges.

    Distances are Euclidean; objectives with a logarithmic axis are scaled in the logarithm. Of
    equally near designs it is the first.

    Args:
        front: with at least one design.
    """
    columns = [_losses(objective, front.designs) for objective in front.objectives]
    distances = [math.hypot(*row) for row in zip(*columns, strict=True)]
    return front.designs[distances.index(min(distances)) if distances else 0]


def _losses(objective: ObjectiveRecord, designs: list[FrontDesign]) -> list[float]:
    """How far each design is from the best one: 0 for the best, 1 for the worst of the front."""
    values = [design.metrics[objective.metric].value for design in designs]
    if objective.axis == "log10":
        values = [math.log10(max(value, _LEAST)) for value in values]
    if objective.direction == "maximize":
        values = [-value for value in values]
    low, high = min(values), max(values)
    return [(value - low) / (high - low) if high > low else 0.0 for value in values]
