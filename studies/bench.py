"""What scores designs of one study anew, and what changing a design would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hw_cost import AcceleratorColumns, Technology
from search_space import (
    EXIT_KNOBS,
    HARDWARE_KNOBS,
    KNOB_DEFAULTS,
    KnobValue,
    SearchSpace,
    design_point,
    exit_knobs,
    hardware_knobs,
)
from studies.scoring import Scorer, Scores, Setting

Point = Mapping[str, KnobValue]


class Bench(Protocol):
    """What scores designs by the code of the study.

    Attributes:
        scorer: of every metric, with the study's cost model.
        technology: of the study.
    """

    @property
    def scorer(self) -> Scorer:
        """Of every metric, with the study's cost model."""

    @property
    def technology(self) -> Technology:
        """Constants of the study."""

    def setting(self, flat: Point) -> Setting:
        """The measured setting of a flat point's model knobs; ValueError if it cannot be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A design with one knob changed.

    Attributes:
        knob: that is changed.
        value: that it gets.
        metrics: of the changed design; empty if it cannot be.
        reason: why it cannot be; empty if it can.
    """

    knob: str
    value: KnobValue
    metrics: Mapping[str, float]
    reason: str = ""


def one_at_a_time(bench: Bench, space: SearchSpace, flat: Point) -> list[Changed]:
    """The design with each knob set to each other value of the space, all else left as it is.

    Designs that break a condition are left out. Hardware knobs are scored together, and so are exit
    knobs; a model knob needs the trace of its setting, and has a reason instead where there is
    none.

    Args:
        bench: of the study.
        space: of the study.
        flat: every knob of the design.
    """
    found: dict[tuple[str, KnobValue], dict[str, KnobValue]] = {}
    flat = {**KNOB_DEFAULTS, **flat}
    for dimension in space.dimensions:
        if dimension.is_fixed:
            continue
        for value in dimension.values:
            if value == flat.get(dimension.name):
                continue
            point = space.canonical({**flat, dimension.name: value})
            if point != space.canonical(flat) and space.violation(point) is None:
                found[dimension.name, value] = point
    here = bench.setting(flat)
    changed = []
    for kind in (HARDWARE_KNOBS, EXIT_KNOBS):
        own = [key for key in found if key[0] in kind]
        changed += _scored(bench, here, own, [found[key] for key in own])
    for key, point in found.items():
        if key[0] in HARDWARE_KNOBS or key[0] in EXIT_KNOBS:
            continue
        try:
            changed += _scored(bench, bench.setting(point), [key], [point])
        except ValueError as error:
            changed.append(Changed(knob=key[0], value=key[1], metrics={}, reason=str(error)))
    order = [dimension.name for dimension in space.dimensions]
    return sorted(changed, key=lambda each: order.index(each.knob))


def _scored(
    bench: Bench, setting: Setting, keys: Sequence[tuple[str, KnobValue]], points: Sequence[Point]
) -> list[Changed]:
    """Designs of one setting that differ in hardware alone, or in exits alone."""
    if not points:
        return []
    hardware = list(dict.fromkeys(hardware_knobs(point) for point in points))
    exits = list(dict.fromkeys(exit_knobs(point) for point in points))
    histogram = bench.scorer.histogram(setting, exits)
    scores = bench.scorer.score(setting, histogram, AcceleratorColumns.from_knobs(hardware))
    changed = []
    for (knob, value), point in zip(keys, points, strict=True):
        row, column = hardware.index(hardware_knobs(point)), exits.index(exit_knobs(point))
        changed.append(
            Changed(
                knob=knob,
                value=value,
                metrics=metrics_at(scores, row, column),
                reason="" if scores.feasible[row] else scores.reason(row) or "infeasible",
            )
        )
    return changed


def metrics_at(scores: Scores, row: int, column: int) -> dict[str, float]:
    """Metrics of one design of a score; none if it is infeasible."""
    if not scores.feasible[row]:
        return {}
    return {name: float(values[row, column]) for name, values in scores.values.items()}


def metrics_of_design(bench: Bench, flat: Point) -> dict[str, float]:
    """Every metric of one design; none if it is infeasible.

    Raises:
        ValueError: its setting cannot be had.
    """
    point: Any = design_point(flat)
    setting = bench.setting(flat)
    scores = bench.scorer.score(
        setting,
        bench.scorer.histogram(setting, [point.exits]),
        AcceleratorColumns.from_knobs([point.hardware]),
    )
    return metrics_at(scores, 0, 0)
