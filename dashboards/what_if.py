"""One design under another threshold, deadline or range of voltages, by the code of the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from hw_cost import AcceleratorColumns
from search_space import KNOBS_OF_EXIT_POLICY, ExitKnobs, KnobValue, design_point
from studies.bench import Bench, metrics_at
from studies.metrics import METRICS
from studies.scoring import Scores, Setting
from studies.trial_table import Floats

CURVE: Final = 33
"""Thresholds that a curve is drawn over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """A changed design.

    Attributes:
        metrics: of it; empty if it cannot run.
        reason: why it cannot; empty if it can.
    """

    metrics: Mapping[str, float]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdCurve:
    """A design over its threshold, all else fixed.

    Attributes:
        thresholds: (n,) of the policy.
        accuracy: (n,) fraction.
        energy_pj: (n,).
    """

    thresholds: Floats
    accuracy: Floats
    energy_pj: Floats


def threshold_knob(knobs: Mapping[str, KnobValue]) -> str:
    """The knob that a design's exit policy looks at first; empty for a policy without one."""
    exits = design_point(knobs).exits
    return next(iter(KNOBS_OF_EXIT_POLICY[exits.exit_policy]), "")


def threshold_range(setting: Setting, name: str) -> tuple[float, float, float]:
    """Least and greatest value of a threshold that makes a difference, and its step."""
    n_classes = setting.trace.logits.shape[-1]
    if name == "patience":
        return 1.0, float(setting.trace.n_exits), 1.0
    if name == "entropy_threshold":
        return 0.0, round(float(np.log(n_classes)) + 0.005, 2), 0.01
    if name == "confidence_threshold":
        return round(1.0 / n_classes, 2), 1.0, 0.01
    return 0.0, 1.0, 0.01


def what_if(
    bench: Bench,
    knobs: Mapping[str, KnobValue],
    *,
    deadline_ms: float,
    changes: Mapping[str, float],
) -> WhatIf:
    """A design with some knobs changed, scored for another deadline.

    Args:
        bench: of the study.
        knobs: of the design, flat.
        deadline_ms: that sentences are to be answered within.
        changes: knobs by name: the policy's threshold, the ends of the range of voltages.

    Raises:
        ValueError: a knob cannot have its value, or the setting cannot be had.
    """
    flat = {**knobs, **changes}
    setting = bench.setting(flat)
    scores = _scores(bench, setting, flat, [design_point(flat).exits], deadline_ms, tuple(METRICS))
    reason = "" if scores.feasible[0] else scores.reason(0) or "infeasible"
    return WhatIf(metrics=metrics_at(scores, 0, 0), reason=reason)


def threshold_curve(
    bench: Bench,
    knobs: Mapping[str, KnobValue],
    *,
    deadline_ms: float,
    changes: Mapping[str, float],
) -> ThresholdCurve | None:
    """Accuracy and energy over the range of the threshold, other changes as in `what_if`.

    None for a policy whose threshold is no share or entropy, and for a design that cannot run.

    Raises:
        ValueError: a knob cannot have its value, or the setting cannot be had.
    """
    flat = {**knobs, **changes}
    name, setting = threshold_knob(flat), bench.setting(flat)
    if not name or name == "patience":
        return None
    low, high, _ = threshold_range(setting, name)
    grid = np.linspace(low, high, CURVE)
    start = design_point(flat).exits
    changed: list[dict[str, Any]] = [{name: float(value)} for value in grid]
    exits = [replace(start, **change) for change in changed]
    scores = _scores(bench, setting, flat, exits, deadline_ms, ("accuracy", "energy_pj"))
    if not scores.feasible[0]:
        return None
    found = scores.values
    return ThresholdCurve(
        thresholds=grid, accuracy=found["accuracy"][0], energy_pj=found["energy_pj"][0]
    )


def _scores(
    bench: Bench,
    setting: Setting,
    flat: Mapping[str, KnobValue],
    exits: Sequence[ExitKnobs],
    deadline_ms: float,
    metrics: tuple[str, ...],
) -> Scores:
    scenario = replace(bench.scorer.scenario, deadline_ms=deadline_ms)
    scorer = replace(bench.scorer, scenario=scenario, metrics=metrics)
    columns = AcceleratorColumns.from_knobs([design_point(flat).hardware])
    return scorer.score(setting, scorer.histogram(setting, exits), columns)
