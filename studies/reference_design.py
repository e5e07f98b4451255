"""The published design that a study's own are compared with: EdgeBERT's, in the study's space."""

from __future__ import annotations

from typing import Final

from search_space import KNOBS, Dimension, KnobValue
from studies.bench import Bench, metrics_of_design
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
    if spec.scenario.tasks != (TASK,):
        return None
    space = spec.search_space()
    published = read_designs(REFERENCE)[0]
    flat: dict[str, KnobValue] = {}
    for name in KNOBS:
        dimension = space[name]
        flat[name] = nearest_value(dimension, published.get(name, dimension.values[0]))
    flat = space.canonical(flat)
    return None if space.violation(flat) else flat


def scored_reference(
    bench: Bench, spec: StudySpec
) -> tuple[dict[str, KnobValue], dict[str, float]] | None:
    """The published design and its metrics under a study, its eNVM as large as its encoder needs.

    The encoder of the publication is not named, and one that is larger needs more memory: the
    smallest size of the space that holds it is taken. None if there is no such design.

    Raises:
        ValueError: its setting cannot be had.
    """
    flat = reference_design(spec)
    if flat is None:
        return None
    sizes = [float(size) for size in spec.search_space()["envm_mib"].values]
    for size in sorted(size for size in sizes if size >= float(flat["envm_mib"])):
        metrics = metrics_of_design(bench, flat | {"envm_mib": size})
        if metrics:
            return flat | {"envm_mib": size}, metrics
    return None


def nearest_value(dimension: Dimension, value: KnobValue) -> KnobValue:
    """The value of a dimension that is nearest; its first one for text that it does not have."""
    if value in dimension.values:
        return value
    numbers = [v for v in dimension.values if not isinstance(v, str)]
    if isinstance(value, str) or not numbers:
        return dimension.values[0]
    return min(numbers, key=lambda number: abs(number - value))
