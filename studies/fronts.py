"""Pareto fronts and hypervolume on the axes that a study file fixes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import moocore
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

EXACT_OBJECTIVES: Final = 5
"""Objectives up to which a hypervolume is exact."""

_HALF_STEP: Final = 1 << 11
_KEPT_BITS: Final = ~((1 << 12) - 1)


class Axis(Protocol):
    """One objective and its axis: of a study file (`Objective`) or of a record."""

    @property
    def metric(self) -> str:
        """Name of the metric."""

    @property
    def axis(self) -> str:
        """``linear`` or ``log10``."""

    @property
    def ideal(self) -> float:
        """Value that counts as 0."""

    @property
    def reference(self) -> float:
        """Value that counts as 1."""

    @property
    def maximised(self) -> bool:
        """Whether more is better."""


def rounded(values: FloatArray) -> FloatArray:
    """Values to the nearest multiple of 2**-40 of their power of two: 12 significant digits.

    Sums of products differ in their last digits by where a design stands in a matrix. Compared like
    this, designs that cost the same are equal wherever they stand.
    """
    bits = np.ascontiguousarray(values, dtype=np.float64).view(np.int64)
    result: FloatArray = ((bits + _HALF_STEP) & _KEPT_BITS).view(np.float64)
    return result


def normalised(values: FloatArray, objectives: Sequence[Axis]) -> FloatArray:
    """Objective values on the hypervolume axes: 0 is ideal, 1 the reference, less is better.

    Args:
        values: (n_points, n_objectives), each in the unit of its metric.
        objectives: one for each column.
    """
    columns = []
    for column, objective in zip(values.T, objectives, strict=True):
        ends = np.array([objective.ideal, objective.reference])
        if objective.axis == "log10":
            column, ends = np.log10(np.maximum(column, 1e-300)), np.log10(ends)
        columns.append((column - ends[0]) / (ends[1] - ends[0]))
    result: FloatArray = np.stack(columns, axis=1)
    return result


def hypervolume(values: FloatArray, objectives: Sequence[Axis]) -> float:
    """Hypervolume of points (n_points, n_objectives) on the study's axes, reference point all 1.

    A point that is worse than the reference on any axis adds nothing; better than ideal adds more
    than 1.
    """
    return volume(normalised(values, objectives)) if len(values) else 0.0


def volume(points: FloatArray) -> float:
    """Hypervolume of points (n_points, n_objectives) on normalised axes, reference point all 1.

    Exact up to `EXACT_OBJECTIVES`, beyond them a deterministic approximation (moocore's
    ``hv_approx``, about three digits): the exact one takes time exponential in the objectives.
    """
    inside = points[(points < 1).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    n_objectives = points.shape[1]
    find = moocore.hypervolume if n_objectives <= EXACT_OBJECTIVES else moocore.hv_approx
    return float(find(inside, ref=np.ones(n_objectives)))


def non_dominated(
    values: FloatArray, objectives: Sequence[Axis], *, keep_equal: bool = False
) -> NDArray[np.bool_]:
    """Which points (n_points,) no other point dominates; of equal points the first is kept.

    Args:
        values: (n_points, n_objectives), each in the unit of its metric.
        objectives: one for each column.
        keep_equal: keep all of equal points.
    """
    if len(values) == 0:
        return np.zeros(0, dtype=bool)
    maximise = [objective.maximised for objective in objectives]
    result: NDArray[np.bool_] = moocore.is_nondominated(
        values, maximise=maximise, keep_weakly=keep_equal
    )
    return result
