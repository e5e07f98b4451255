"""Accuracy-drop targets: how early sentences may leave if accuracy may fall by so much.

Accuracy is the primary metric of the task (`evaluators.tasks`), whatever its name.

The threshold is chosen on the ``select`` split, among all that make a difference: between two
neighbouring levels (`evaluators.exit_levels`) every threshold does the same. What the choice does
on the ``report`` split stands beside it. Drops are against the last exit, and their standard
errors are paired, since both exits answer the same sentences (`evaluators.task_metrics`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from evaluators.exit_levels import FloatArray, layers_at, policy_levels, threshold_sign
from evaluators.exits import exit_answers, exit_layers
from evaluators.task_metrics import TASK_METRICS, TaskMetric
from evaluators.tasks import glue_task
from evaluators.traces import ExitTrace, Split
from search_space import KNOBS_OF_EXIT_POLICY, ExitKnobs, ExitPolicy

DEFAULT_TOLERANCE: Final = ExitKnobs(exit_policy=ExitPolicy.PATIENCE).patience_tolerance

_ROUNDING: Final = 1e-12
"""What a drop may be off by."""
_BLOCK: Final = 1_024
"""Thresholds worked out at once: bounds memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyDrop:
    """What a setting of the exit knobs does to the sentences of one split.

    Attributes:
        mean_exit_layer: mean layer after which they leave.
        accuracy: primary metric of the task.
        drop: that of the last exit less `accuracy`; negative for a gain.
        drop_se: its paired standard error.
        n_sentences: sentences counted.
    """

    mean_exit_layer: float
    accuracy: float
    drop: float
    drop_se: float
    n_sentences: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DropTarget:
    """The setting of a policy that saves most at no more than a drop in accuracy.

    Attributes:
        most: the drop allowed on the ``select`` split, a fraction.
        knobs: the setting with the lowest mean exit layer on it.
        select: what it does to the split that it was chosen on.
        report: what it does to the split that nothing was chosen on.
    """

    most: float
    knobs: ExitKnobs
    select: AccuracyDrop
    report: AccuracyDrop

    @property
    def threshold(self) -> float | int:
        """Value of the policy's threshold (or patience)."""
        value: float | int = getattr(self.knobs, KNOBS_OF_EXIT_POLICY[self.knobs.exit_policy][0])
        return value


def accuracy_drop(trace: ExitTrace, knobs: ExitKnobs, split: Split) -> AccuracyDrop:
    """What a setting of the exit knobs does to one split.

    Raises:
        ValueError: the split has fewer than two sentences, or the trace is of a regression and the
            policy needs class probabilities.
    """
    part, metric = _part(trace, split), _metric(trace)
    _, layers = exit_layers(part, [knobs])
    answers = exit_answers(part, layers)
    last = exit_answers(part, np.full_like(layers, part.n_exits))
    drop, drop_se = metric.differences(last, answers, part.labels)
    return AccuracyDrop(
        mean_exit_layer=float(layers[0].mean()),
        accuracy=float(metric.values(answers, part.labels)[0]),
        drop=float(drop[0]),
        drop_se=float(drop_se[0]),
        n_sentences=len(part.labels),
    )


def drop_targets(
    trace: ExitTrace,
    policy: ExitPolicy,
    most_lost: Sequence[float],
    patience_tolerance: float = DEFAULT_TOLERANCE,
) -> tuple[DropTarget | None, ...]:
    """For each drop in accuracy the setting of the policy that saves most; None if there is none.

    Without one even the strictest threshold that the knob can take loses more than allowed.

    Args:
        trace: both splits.
        policy: any but ``none``.
        most_lost: drops allowed on the ``select`` split against the last exit, fractions.
        patience_tolerance: of ``patience`` on a regression, as in `ExitKnobs`.

    Raises:
        ValueError: the policy is ``none``, a split has fewer than two sentences, or the trace is
            of a regression and the policy needs class probabilities.
    """
    unset = ExitKnobs(exit_policy=policy, patience_tolerance=patience_tolerance)
    settings = _settings(trace, unset, most_lost)
    return tuple(
        None
        if knobs is None
        else DropTarget(
            most=most,
            knobs=knobs,
            select=accuracy_drop(trace, knobs, Split.SELECT),
            report=accuracy_drop(trace, knobs, Split.REPORT),
        )
        for most, knobs in zip(most_lost, settings, strict=True)
    )


def _settings(
    trace: ExitTrace, unset: ExitKnobs, most_lost: Sequence[float]
) -> list[ExitKnobs | None]:
    """The chosen setting of each drop."""
    part, policy = _part(trace, Split.SELECT), unset.exit_policy
    steps, lost = _lost_by_step(part, policy_levels(part, unset))
    name, (least, largest) = KNOBS_OF_EXIT_POLICY[policy][0], _reach(trace, policy)
    bounds = [-math.inf, *steps.tolist(), math.inf]
    chosen: list[ExitKnobs | None] = []
    for most in most_lost:
        found = None
        # Each step lowers the mean exit layer: the last one that may be taken is the best.
        for step in np.flatnonzero(lost <= most + _ROUNDING)[::-1].tolist():
            low = max(bounds[step], math.nextafter(least, -math.inf))
            high = min(bounds[step + 1], largest)
            if low < high:
                knob: dict[str, Any] = {name: _knob_value(policy, low, high)}
                found = replace(unset, **knob)
                break
        chosen.append(found)
    return chosen


def _knob_value(policy: ExitPolicy, low: float, high: float) -> float | int:
    """The knob's value with the fewest decimals whose signed threshold is above low, up to high."""
    sign = threshold_sign(policy)
    if policy is ExitPolicy.PATIENCE:
        return sign * math.floor(high)
    middle = (low + high) / 2
    plain = (round(middle, digits) for digits in range(1, 18))
    return abs(next((value for value in plain if low < value <= high), high))


def _part(trace: ExitTrace, split: Split) -> ExitTrace:
    """The part of a split, which has sentences enough for a standard error."""
    part = trace.of(split)
    if len(part.labels) < 2:
        raise ValueError(
            f"The {split.name.lower()} split has {len(part.labels)} sentences: expected 2 or more."
        )
    return part


def _metric(trace: ExitTrace) -> TaskMetric:
    return TASK_METRICS[glue_task(trace.task).primary_metric]


def _lost_by_step(part: ExitTrace, levels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Different levels in order (n_steps,), and the drop while none or so many are passed.

    Drops are (n_steps + 1,), against the last exit.
    """
    if glue_task(part.task).primary_metric == "accuracy":
        return _answers_lost_by_step(part, levels)
    steps, metric = np.unique(levels), _metric(part)
    # So many levels are passed at the threshold that the next one is just not below.
    thresholds = np.append(steps, np.inf)
    values = np.empty(len(thresholds))
    for start in range(0, len(thresholds), _BLOCK):
        block = slice(start, start + _BLOCK)
        answers = exit_answers(part, layers_at(levels, thresholds[block]))
        values[block] = metric.values(answers, part.labels)
    return steps, values[0] - values


def _answers_lost_by_step(part: ExitTrace, levels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """`_lost_by_step` of the share of right answers.

    Passing the level of a sentence at an exit moves it there from the exit after, so one sweep over
    all levels knows every threshold.
    """
    right = part.logits.argmax(axis=-1) == part.labels[:, None]
    change = right[:, 1:].astype(np.int64) - right[:, :-1]
    order = np.argsort(levels, axis=None)
    passed = levels.ravel()[order]
    lost = np.cumsum(change.ravel()[order])
    last_of_equals = np.append(passed[1:] > passed[:-1], True)
    return passed[last_of_equals], np.append(0, lost[last_of_equals]) / len(right)


def _reach(trace: ExitTrace, policy: ExitPolicy) -> tuple[float, float]:
    """Lowest and highest signed threshold that is worth trying."""
    if policy is ExitPolicy.PATIENCE:
        return 1.0 - trace.n_exits, -1.0
    if policy is ExitPolicy.CONFIDENCE:
        return -1.0, -1.0 / trace.logits.shape[2]
    if policy is ExitPolicy.NORMALISED_ENTROPY:
        return 0.0, 1.0
    return 0.0, math.log(trace.logits.shape[2]) + 0.01
