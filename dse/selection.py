"""Choosing one design from a front."""

from __future__ import annotations

import re
from typing import Any, Final

from dse.errors import EmptyFrontError, SelectionError
from search_space import KNOB_DEFAULTS, KNOBS, nearest, parse_condition
from studies.knee import knee
from studies.metrics import METRICS
from studies.records import Front, FrontDesign, RecordError

SELECTIONS: Final = ("knee", "min-energy", "min-latency", "max-accuracy", "id=N")
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
_QUERY: Final = re.compile(r"(min|max)\s+(\w+)(?:\s+where\s+(.+))?", re.DOTALL)


def select(front: Front, text: str) -> tuple[FrontDesign, str]:
    """The design that a selection names, and the reason in words.

    Args:
        front: what to choose from.
        text: ``knee``, ``min-energy``, ``min-latency``, ``max-accuracy``, ``id=N``, or a query such
            as ``min energy where accuracy>=0.85``.

    Raises:
        SelectionError: the text is none of these, or no design meets it.
        EmptyFrontError: the front is empty.
    """
    if not front.designs:
        raise EmptyFrontError("The front has no design, so there is nothing to select.")
    text = text.strip()
    if text == "knee":
        return knee(front), "nearest to the best of all objectives, each scaled to the front"
    if text in _FIXED:
        return _best(front.designs, *_FIXED[text]), text
    if text.startswith("id="):
        try:
            return front.design(int(text[3:])), text
        except (ValueError, RecordError) as error:
            raise SelectionError(
                f"--select {text!r}: expected id=0 to id={len(front.designs) - 1}."
            ) from error
    query = _QUERY.fullmatch(text)
    if query is None:
        raise SelectionError(
            f"--select {text!r} is not known{nearest(text, SELECTIONS)}: expected one of "
            f"{', '.join(SELECTIONS)} or 'min energy where accuracy>=0.85'."
        )
    metric = _SHORT.get(query[2], query[2])
    if metric not in METRICS:
        known = [*_SHORT, *METRICS]
        raise SelectionError(
            f"--select {text!r} names no metric{nearest(query[2], known)}: expected one of "
            f"{', '.join(known)}."
        )
    designs = front.designs
    recorded = designs[0].metrics
    if metric not in recorded:
        raise SelectionError(
            f"--select {text!r}: the front was recorded without {metric}; 'dse resume' writes it "
            "anew."
        )
    if query[3]:
        condition = parse_condition(query[3], (*KNOBS, *recorded, *_SHORT, "id"))
        designs = [d for d in designs if condition(_names(d))]
    if not designs:
        raise SelectionError(
            f"--select {text!r}: no design of the front meets it; relax the bound."
        )
    return _best(designs, query[1], metric), text


def _names(design: FrontDesign) -> dict[str, Any]:
    values: dict[str, Any] = {**KNOB_DEFAULTS, **design.knobs, "id": design.id}
    values |= {name: figure.value for name, figure in design.metrics.items()}
    return values | {short: values[name] for short, name in _SHORT.items()}


def _best(designs: list[FrontDesign], direction: str, metric: str) -> FrontDesign:
    sign = 1 if direction == "min" else -1
    return min(designs, key=lambda d: (sign * d.metrics[metric].value, d.id))
