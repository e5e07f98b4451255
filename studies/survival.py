"""Survival: how much of an accuracy that designs were chosen by is left on other sentences."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studies.metrics import metric_of
from studies.records import Front

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Survival:
    """How much of an accuracy that designs were chosen by is left on sentences they were not.

    Of another task than SST-2 "accuracy" stands for its primary metric, here as everywhere.

    Attributes:
        mean_drop: select minus report, mean over the designs, points.
        slope: points on report that one point on select is worth among these designs (least
            squares); NaN for fewer than three designs or equal accuracies.
        n_within: designs whose drop is within two standard errors of the difference, the two
            splits taken as independent.
        n_with_errors: designs with a standard error on both splits.
    """

    mean_drop: float
    slope: float
    n_within: int
    n_with_errors: int


def survival_of(
    select: FloatArray, select_errors: FloatArray, report: FloatArray, report_errors: FloatArray
) -> Survival:
    """What is left of the ``select`` accuracies on the ``report`` split; (n_designs,) arrays.

    Args:
        select: accuracies that were chosen by; one or more.
        select_errors: their standard errors; NaN where there is none.
        report: accuracies of the same designs on the other split.
        report_errors: their standard errors.
    """
    drop = select - report
    error = np.hypot(select_errors, report_errors)
    centred = select - select.mean()
    spread = float(centred @ centred)
    has_slope = len(drop) >= 3 and spread > 1e-9
    return Survival(
        mean_drop=float(drop.mean()),
        slope=float(centred @ report) / spread if has_slope else math.nan,
        n_within=int(np.count_nonzero(np.abs(drop) <= 2 * error)),
        n_with_errors=int(np.count_nonzero(np.isfinite(error))),
    )


def survival_sentence(front: Front) -> str:
    """What the accuracies of a front with designs are worth on the ``report`` split, in words."""
    chosen = [design.metrics["accuracy"] for design in front.designs]
    other = [design.report_accuracy for design in front.designs]

    def column(values: list[float | None]) -> FloatArray:
        return np.array([math.nan if value is None else value for value in values]) * 100

    left = survival_of(
        column([figure.value for figure in chosen]),
        column([figure.se for figure in chosen]),
        column([figure.value for figure in other]),
        column([figure.se for figure in other]),
    )
    title = metric_of("accuracy", front.scenario.get("task")).title
    way = "lower" if left.mean_drop >= 0 else "higher"
    sentence = (
        f"{title} on the report split, which nothing was chosen on, is {abs(left.mean_drop):.2f} "
        f"points {way} on average"
    )
    if math.isfinite(left.slope):
        sentence += f"; of a point gained on select along the front {left.slope:.2f} are left there"
    return f"{sentence}."
