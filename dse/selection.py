"""Choosing one design from a front."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from dse.errors import EmptyFrontError, SelectionError
from search_space import KNOB_DEFAULTS, KNOBS, nearest, parse_condition
from studies.choosing import knee, nearest_to, weighted
from studies.metrics import METRICS, is_metric
from studies.records import Front, FrontDesign, RecordError

SELECTIONS: Final = (
    *("knee", "min-energy", "min-latency", "max-accuracy", "id=N"),
    *("weights METRIC=W ...", "near METRIC=VALUE ..."),
)
_SHORT: Final = {
    "energy": "energy_pj",
    "latency": "latency_mean_ns",
    "area": "area_mm2",
    "power": "power_mw",
    "storage": "storage_bits",
}
_FIXED: Final = {
    "min-energy": ("min", "energy_pj"),
    "min-latency": ("min", "latency_mean_ns"),
    "max-accuracy": ("max", "accuracy"),
}
_WHERE: Final = re.compile(r"(.+?)\s+where\s+(.+)", re.DOTALL)
_METRIC: Final = r"\w+(?:\[[\w-]+\])?"
_QUERY: Final = re.compile(rf"(min|max)\s+({_METRIC})")
_PAIRS: Final = re.compile(rf"(weights|near)((?:[\s,]+{_METRIC}\s*=\s*[-+.\deE]+)+)")
_PAIR: Final = re.compile(rf"({_METRIC})\s*=\s*([-+.\deE]+)")


def select(front: Front, text: str) -> tuple[FrontDesign, str]:
    """The design that a selection names, and the reason in words.

    Args:
        front: what to choose from.
        text: ``knee``, ``min-energy``, ``min-latency``, ``max-accuracy``, ``id=N``, ``min METRIC``
            or ``max METRIC``, ``weights METRIC=W ...`` or ``near METRIC=VALUE ...``; behind it may
            stand ``where`` and a condition, such as ``min energy where accuracy>=0.85``.

    Raises:
        SelectionError: the text is none of these, or no design meets it.
        EmptyFrontError: the front is empty.
    """
    if not front.designs:
        raise EmptyFrontError("The front has no design, so there is nothing to select.")
    text = text.strip()
    if text.startswith("id="):
        try:
            return front.design(int(text[3:])), text
        except (ValueError, RecordError) as error:
            raise SelectionError(
                f"--select {text!r}: expected id=0 to id={len(front.designs) - 1}."
            ) from error
    filtered = _WHERE.fullmatch(text)
    head, condition = (filtered[1].strip(), filtered[2]) if filtered else (text, "")
    choose = _chooser(front, head, text)
    designs = front.designs
    if condition:
        designs = designs_where(designs, condition)
    if not designs:
        raise SelectionError(
            f"--select {text!r}: no design of the front meets it; relax the bound."
        )
    return choose(designs), _reason(head, text)


def designs_where(designs: Sequence[FrontDesign], condition: str) -> list[FrontDesign]:
    """The designs that meet a condition over ids, knobs, metrics and memberships.

    Raises:
        ConditionError: the condition cannot be read, or names what designs do not have.
    """
    if not designs:
        return []
    known = _names(designs[0])
    holds = parse_condition(condition, tuple(dict.fromkeys([*KNOBS, *_SHORT, *known])))
    return [design for design in designs if holds(_names(design))]


def _chooser(front: Front, head: str, text: str) -> Callable[[Sequence[FrontDesign]], FrontDesign]:
    """What picks one of some designs, by what stands before ``where``."""
    if head == "knee":
        return lambda designs: knee(front, designs)
    if head in _FIXED:
        return lambda designs: _best(designs, *_FIXED[head])
    query = _QUERY.fullmatch(head)
    if query is not None:
        metric = _metric(query[2], text)
        if metric not in front.designs[0].metrics:
            raise SelectionError(
                f"--select {text!r}: the front was recorded without {metric}; 'dse resume' writes "
                "it anew."
            )
        return lambda designs: _best(designs, query[1], metric)
    pairs = _PAIRS.fullmatch(head)
    if pairs is None:
        raise SelectionError(
            f"--select {text!r} is not known{nearest(text, SELECTIONS)}: expected one of "
            f"{', '.join(SELECTIONS)} or 'min energy where accuracy>=0.85'."
        )
    numbers = _numbers(front, pairs[2], text)
    if pairs[1] == "near":
        return lambda designs: nearest_to(front, designs, numbers)
    if min(numbers.values()) < 0 or sum(numbers.values()) == 0:
        raise SelectionError(f"--select {text!r}: expected weights of 0 or more, one above 0.")
    return lambda designs: weighted(front, designs, numbers)


def _reason(head: str, text: str) -> str:
    """Why a design was chosen, in words."""
    if head != "knee":
        return text
    _, _, condition = text.partition("where")
    among = f", among designs where {condition.strip()}" if condition else ""
    return f"nearest to the best of all objectives, each scaled to the front{among}"


def _numbers(front: Front, listed: str, text: str) -> dict[str, float]:
    """Numbers by objective, from ``METRIC=NUMBER`` pairs."""
    objectives = [objective.metric for objective in front.objectives]
    found: dict[str, float] = {}
    for name, number in _PAIR.findall(listed):
        metric = _metric(name, text)
        if metric not in objectives:
            raise SelectionError(
                f"--select {text!r}: {metric} is no objective of the study: expected "
                f"{', '.join(objectives)}."
            )
        try:
            found[metric] = float(number)
        except ValueError as error:
            raise SelectionError(f"--select {text!r}: {number!r} is no number.") from error
        if not math.isfinite(found[metric]):
            raise SelectionError(f"--select {text!r}: {number!r} is no finite number.")
    return found


def _metric(name: str, text: str) -> str:
    """The metric of a name or its short form."""
    metric = _SHORT.get(name, name)
    if not is_metric(metric):
        known = [*_SHORT, *METRICS]
        raise SelectionError(
            f"--select {text!r} names no metric{nearest(name, known)}: expected one of "
            f"{', '.join(known)}."
        )
    return metric


def _names(design: FrontDesign) -> dict[str, Any]:
    values: dict[str, Any] = {**KNOB_DEFAULTS, **design.knobs, "id": design.id}
    values |= {name: figure.value for name, figure in design.metrics.items()}
    if design.membership is not None:
        values |= {"membership": design.membership, "accuracy_low": design.accuracy_low}
    return values | {short: values[name] for short, name in _SHORT.items()}


def _best(designs: Sequence[FrontDesign], direction: str, metric: str) -> FrontDesign:
    sign = 1 if direction == "min" else -1
    return min(designs, key=lambda d: (sign * d.metrics[metric].value, d.id))
