"""The published design that a study's own are compared with: EdgeBERT's, in the study's space."""

from __future__ import annotations

from typing import Final

from search_space import KNOBS, Dimension, KnobValue
from studies.design_lists import read_designs
from studies.spec import StudySpec

REFERENCE: Final = "edgebert"
"""The shipped list whose first design it is."""
TASK: Final = "SST-2"
"""The task that its thresholds are of."""
TITLE: Final = "EdgeBERT's published design, scored by this study"


def reference_design(spec: StudySpec) -> dict[str, KnobValue] | None:
    """Every knob of the published design, moved to the nearest value that the space has.

    Knobs that the publication does not settle, the encoder among them, take the first value of the
    space. None for a study of another task, and where it breaks a condition.
    """
    if spec.scenario.task != TASK:
        return None
    space = spec.search_space()
    published = read_designs(REFERENCE)[0]
    flat: dict[str, KnobValue] = {}
    for name in KNOBS:
        dimension = space[name]
        flat[name] = nearest_value(dimension, published.get(name, dimension.values[0]))
    flat = space.canonical(flat)
    return None if space.violation(flat) else flat


def nearest_value(dimension: Dimension, value: KnobValue) -> KnobValue:
    """The value of a dimension that is nearest; its first one for text that it does not have."""
    if value in dimension.values:
        return value
    numbers = [v for v in dimension.values if not isinstance(v, str)]
    if isinstance(value, str) or not numbers:
        return dimension.values[0]
    return min(numbers, key=lambda number: abs(number - value))
