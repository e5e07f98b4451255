"""The way from one design to another, one knob at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from search_space import KNOB_DEFAULTS, KNOBS, KnobValue
from studies.bench import Bench, Point, metrics_of_design


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the way.

    Attributes:
        knobs: that were changed in it, with their new values; none for the start.
        metrics: of the design after it.
    """

    knobs: Mapping[str, KnobValue]
    metrics: Mapping[str, float]


def ablation_path(bench: Bench, start: Point, end: Point, metric: str) -> list[Step]:
    """Steps from a design to another, in each the knob that lowers a metric most.

    A knob whose change alone cannot be scored then (its setting was not measured, or the chip would
    not fit) waits; where no single one can, all that remain are changed together. So the first step
    is the start, the last one ends at the other design.

    Args:
        bench: of the study.
        start: every knob of the first design.
        end: every knob of the last one.
        metric: that is lowered greedily, such as ``energy_pj``.

    Raises:
        ValueError: an end cannot be scored.
    """
    here = {**KNOB_DEFAULTS, **start}
    goal = {**KNOB_DEFAULTS, **end}
    steps = [Step(knobs={}, metrics=_scored(bench, here, "first"))]
    left = [name for name in KNOBS if here.get(name) != goal.get(name)]
    while left:
        found: list[tuple[float, str, dict[str, float]]] = []
        for name in left:
            try:
                metrics = metrics_of_design(bench, {**here, name: goal[name]})
            except ValueError:
                continue
            if metrics:
                found.append((metrics[metric], name, metrics))
        if found and len(left) > 1:
            _, name, metrics = min(found, key=lambda entry: entry[0])
            changed = {name: goal[name]}
        else:
            changed = {name: goal[name] for name in left}
            metrics = _scored(bench, goal, "last")
        here |= changed
        left = [name for name in left if name not in changed]
        steps.append(Step(knobs=changed, metrics=metrics))
    return steps


def _scored(bench: Bench, flat: Point, which: str) -> dict[str, float]:
    metrics = metrics_of_design(bench, flat)
    if not metrics:
        raise ValueError(f"The {which} design cannot run, so there is no way to show.")
    return metrics
