"""What stacked bars show: parts of a cost, exit layers, voltages; pure functions of a record."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dashboards.figure_data import evenly_spaced
from dashboards.front_columns import Floats
from dashboards.titles import metric
from studies.records import Front, FrontDesign

COSTS: Final = {
    "energy_pj": ("energy_pj", "Energy per sentence"),
    "latency_ns": ("latency_mean_ns", "Mean latency"),
    "area_mm2": ("area_mm2", "Area"),
}
"""Metric and title of each cost that a design's breakdown has, by the breakdown's name."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Parts of a whole for some designs.

    Attributes:
        labels: one for each design.
        parts: names of the parts.
        values: (n_parts, n_designs) array; NaN where a design does not have the part.
        n_front: designs on the front.
    """

    labels: tuple[str, ...]
    parts: tuple[str, ...]
    values: Floats
    n_front: int

    @property
    def shares(self) -> Floats:
        """(n_parts, n_designs) each part in percent of its design's total, 0 of an empty one."""
        return 100 * self.values / _totals(self.values)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a cost of one design.

    Attributes:
        name: of the part.
        amount: in people's unit.
        percent: of the total.
    """

    name: str
    amount: float
    percent: float


def parts_of(design: FrontDesign, field: str, unit_metric: str) -> list[Part]:
    """The parts of one cost of a design, the largest first, without those that are 0.

    Args:
        design: of a front.
        field: of `Breakdown`, for example ``energy_pj``.
        unit_metric: metric whose unit the amounts are given in.
    """
    stack = _stack(
        [design], [getattr(design.breakdown, field)], metric(unit_metric).scale, 1, absent=0.0
    )
    columns = (stack.parts, stack.values[:, 0].tolist(), stack.shares[:, 0].tolist())
    parts = [Part(*row) for row in zip(*columns, strict=True)]
    return sorted((part for part in parts if part.amount), key=lambda part: -part.amount)


def breakdown_stack(front: Front, field: str, unit_metric: str, most: int = 40) -> Stack:
    """Parts of one cost for evenly spaced designs, the largest part first.

    Args:
        front: record.
        field: of `Breakdown`, for example ``energy_pj``.
        unit_metric: metric whose unit the values are given in.
        most: designs shown.
    """
    designs = [front.designs[i] for i in evenly_spaced(len(front.designs), most)]
    costs = [getattr(design.breakdown, field) for design in designs]
    stack = _stack(designs, costs, metric(unit_metric).scale, len(front.designs), absent=0.0)
    # Part of the mean design's total, so that a few large designs do not decide the order.
    order = np.argsort(-stack.shares.sum(axis=1), kind="stable")
    return Stack(
        stack.labels, tuple(stack.parts[i] for i in order), stack.values[order], stack.n_front
    )


def exit_stack(front: Front, most: int = 40) -> Stack:
    """Share of sentences, in percent, that leaves after each layer; NaN above the last layer."""
    designs = [front.designs[i] for i in evenly_spaced(len(front.designs), most)]
    shares = [
        {f"layer {layer}": share for layer, share in enumerate(d.exit_layer_shares, start=1)}
        for d in designs
    ]
    return _stack(designs, shares, 100.0, len(front.designs), absent=np.nan, in_order=True)


def voltage_stack(front: Front, most: int = 40) -> Stack:
    """Share of sentences, in percent, whose later layers run at each voltage, lowest first."""
    designs = [front.designs[i] for i in evenly_spaced(len(front.designs), most)]
    shares = [design.voltage_shares for design in designs]
    return _stack(designs, shares, 100.0, len(front.designs), absent=0.0, in_order=True)


def _stack(
    designs: Sequence[FrontDesign],
    shares: Sequence[dict[str, float]],
    scale: float,
    n_front: int,
    *,
    absent: float,
    in_order: bool = False,
) -> Stack:
    parts = list(dict.fromkeys(part for share in shares for part in share))
    if in_order:
        parts.sort(key=_number_in)
    values = [[share.get(part, absent) for share in shares] for part in parts]
    return Stack(
        labels=tuple(f"#{design.id}" for design in designs),
        parts=tuple(parts),
        values=np.array(values, dtype=np.float64).reshape(len(parts), len(designs)) * scale,
        n_front=n_front,
    )


def _totals(values: Floats) -> Floats:
    """(n_designs,) sums of the parts that there are, 1 where they sum to nothing."""
    totals: Floats = np.nansum(values, axis=0)
    return np.where(totals > 0, totals, 1.0)


def _number_in(part: str) -> float:
    """The number that a part's name holds: a layer or a voltage."""
    found = re.search(r"[0-9]*\.?[0-9]+", part)
    return float(found[0]) if found else math.inf
