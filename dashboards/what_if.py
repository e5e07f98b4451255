"""One design under another threshold, deadline or range of voltages, by the code of the study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from hw_cost import AcceleratorColumns
from search_space import KNOBS_OF_EXIT_POLICY, ExitKnobs, KnobValue, design_point
from studies.bench import Bench, metrics_at
from studies.scoring import Setting
from studies.trial_table import Floats

CURVE: Final = 33
"""Thresholds that a curve is drawn over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """A changed design.

    Attributes:
        metrics: of it; empty if it cannot run.
        reason: why it cannot; empty if it can.
        thresholds: (n,) of the curve; none for a policy without a threshold that is a number.
        accuracy: (n,) fraction, over the thresholds.
        energy_pj: (n,) over the thresholds.
    """

    metrics: Mapping[str, float]
    reason: str
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
    point, setting = design_point(flat), bench.setting(flat)
    scorer = replace(bench.scorer, scenario=replace(bench.scorer.scenario, deadline_ms=deadline_ms))
    name = threshold_knob(flat)
    exits: list[ExitKnobs] = [point.exits]
    grid = np.zeros(0)
    if name and name != "patience":
        low, high, _ = threshold_range(setting, name)
        grid = np.linspace(low, high, CURVE)
        exits += [replace(point.exits, **{name: float(value)}) for value in grid]
    scores = scorer.score(
        setting,
        scorer.histogram(setting, exits),
        AcceleratorColumns.from_knobs([point.hardware]),
    )
    reason = "" if scores.feasible[0] else scores.table.reason(0) or "infeasible"
    return WhatIf(
        metrics=metrics_at(scores, 0, 0),
        reason=reason,
        thresholds=grid,
        accuracy=scores.values["accuracy"][0, 1:],
        energy_pj=scores.values["energy_pj"][0, 1:],
    )
