"""Accuracy-drop targets: how early sentences may leave if accuracy may fall by so much.

The threshold is chosen on the ``select`` split, among all that make a difference: between two
neighbouring levels (`evaluators.exit_levels`) every threshold does the same. What the choice does
on the ``report`` split stands beside it. Drops are against the last exit, and their standard
errors are paired: both exits answer the same sentences, so that only those count on which one is
right and the other wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluators.exit_levels import FloatArray, policy_levels, threshold_sign
from evaluators.exits import exit_layers
from evaluators.traces import ExitTrace, Split
from search_space import KNOBS_OF_EXIT_POLICY, ExitKnobs, ExitPolicy

_ROUNDING: Final = 1e-9
"""Sentences that a product of a fraction and a count may be off by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyDrop:
    """What a setting of the exit knobs does to the sentences of one split.

    Attributes:
        mean_exit_layer: mean layer after which they leave.
        accuracy: share of right answers.
        drop: share of right answers of the last exit less `accuracy`; negative for a gain.
        drop_se: its paired standard error: the standard deviation of the sentences' differences
            (n - 1 degrees of freedom) over the root of their number.
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
        ValueError: the split has fewer than two sentences, or the trace is of a regression.
    """
    part = trace.of(split)
    right = _right_answers(part, split)
    n_sentences = len(right)
    _, layers = exit_layers(part, [knobs])
    answers = right[np.arange(n_sentences), layers[0] - 1]
    lost = right[:, -1].astype(np.int64) - answers
    return AccuracyDrop(
        mean_exit_layer=float(layers[0].mean()),
        accuracy=float(answers.mean()),
        drop=float(lost.mean()),
        drop_se=float(lost.std(ddof=1) / math.sqrt(n_sentences)),
        n_sentences=n_sentences,
    )


def drop_targets(
    trace: ExitTrace, policy: ExitPolicy, most_lost: Sequence[float]
) -> tuple[DropTarget | None, ...]:
    """For each drop in accuracy the setting of the policy that saves most; None if there is none.

    Without one even the strictest threshold that the knob can take loses more than allowed.

    Args:
        trace: both splits.
        policy: any but ``none``.
        most_lost: drops allowed on the ``select`` split against the last exit, fractions.

    Raises:
        ValueError: the policy is ``none``, a split has fewer than two sentences, or the trace is
            of a regression, which has no right answers.
    """
    settings = _settings(trace, policy, most_lost)
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
    trace: ExitTrace, policy: ExitPolicy, most_lost: Sequence[float]
) -> list[ExitKnobs | None]:
    """The chosen setting of each drop."""
    part, unset = trace.of(Split.SELECT), ExitKnobs(exit_policy=policy)
    right = _right_answers(part, Split.SELECT)
    steps, lost = _lost_by_step(policy_levels(part, unset), right)
    name, (least, largest) = KNOBS_OF_EXIT_POLICY[policy][0], _reach(trace, policy)
    bounds = [-math.inf, *steps.tolist(), math.inf]
    chosen: list[ExitKnobs | None] = []
    for most in most_lost:
        found = None
        # Each step lowers the mean exit layer: the last one that may be taken is the best.
        for step in np.flatnonzero(lost <= most * len(right) + _ROUNDING)[::-1].tolist():
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


def _right_answers(part: ExitTrace, split: Split) -> NDArray[np.bool_]:
    """Whether each exit is right, (n_sentences, n_exits)."""
    if part.logits.shape[2] == 1:
        raise ValueError("The trace is of a regression: a drop in accuracy needs classes.")
    if len(part.labels) < 2:
        raise ValueError(
            f"The {split.name.lower()} split has {len(part.labels)} sentences: expected 2 or more."
        )
    right: NDArray[np.bool_] = part.logits.argmax(axis=-1) == part.labels[:, None]
    return right


def _lost_by_step(
    levels: FloatArray, right: NDArray[np.bool_]
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Different levels in order, and the right answers lost while none or so many are passed.

    Passing the level of a sentence at an exit moves it there from the exit after, so one sweep over
    all levels knows every threshold.
    """
    change = right[:, 1:].astype(np.int64) - right[:, :-1]
    order = np.argsort(levels, axis=None)
    passed = levels.ravel()[order]
    lost = np.cumsum(change.ravel()[order])
    last_of_equals = np.append(passed[1:] > passed[:-1], True)
    return passed[last_of_equals], np.concatenate([[0], lost[last_of_equals]])


def _reach(trace: ExitTrace, policy: ExitPolicy) -> tuple[float, float]:
    """Lowest and highest signed threshold that is worth trying."""
    if policy is ExitPolicy.PATIENCE:
        return 1.0 - trace.n_exits, -1.0
    if policy is ExitPolicy.CONFIDENCE:
        return -1.0, -1.0 / trace.logits.shape[2]
    if policy is ExitPolicy.NORMALISED_ENTROPY:
        return 0.0, 1.0
    return 0.0, math.log(trace.logits.shape[2]) + 0.01
