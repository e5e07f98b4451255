"""Search spaces: the values that each knob may take, and the conditions between knobs."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from search_space.choices import (
    FAITHFUL_CELLS,
    KNOBS_OF_EXIT_POLICY,
    WITH_ENCODER,
    DvfsPolicy,
    ExitPolicy,
)
from search_space.expressions import Condition
from search_space.knob_values import (
    EXIT_KNOBS,
    HARDWARE_KNOBS,
    KNOB_DEFAULTS,
    KNOBS,
    MODEL_KNOBS,
    STORAGE_KNOBS,
    KnobValue,
    knob_value,
)
from search_space.knobs import DesignPoint, ExitKnobs, HardwareKnobs, ModelKnobs


@dataclass(frozen=True, slots=True)
class Dimension:
    """The ordered values of one knob. A range is a grid: its steps are part of the space.

    Attributes:
        name: knob.
        values: what it may be, in order; one value for a fixed knob.
        log: whether a range was laid out in equal ratios (for axes of figures).
    """

    name: str
    values: tuple[KnobValue, ...]
    log: bool = False

    def __post_init__(self) -> None:
        """Refuse unknown knobs, no values, repeated values and values of the wrong kind."""
        if self.name not in KNOBS:
            raise ValueError(
                f"Knob {self.name!r} is not known: expected one of {', '.join(KNOBS)}."
            )
        if not self.values:
            raise ValueError(f"Knob {self.name!r} has no value: expected at least one.")
        if len(set(self.values)) != len(self.values):
            raise ValueError(f"Knob {self.name!r} lists a value twice: {list(self.values)}.")
        for value in self.values:
            knob_value(self.name, value)

    @property
    def is_fixed(self) -> bool:
        """Whether there is nothing to choose."""
        return len(self.values) == 1


Point = Mapping[str, KnobValue]


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """All combinations of the dimensions' values that meet the conditions.

    Beside the study's own conditions the minimum voltage is never above the maximum one, and a knob
    that has no effect takes one value only (see `canonical`).

    Attributes:
        dimensions: one for each of `KNOBS`, in that order.
        conditions: further conditions on the knobs.

    Raises:
        ValueError: a knob is missing or out of order.
    """

    dimensions: tuple[Dimension, ...]
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        """Require every knob exactly once."""
        if tuple(d.name for d in self.dimensions) != KNOBS:
            raise ValueError(f"A search space needs exactly these knobs, in order: {KNOBS}.")

    def __getitem__(self, name: str) -> Dimension:
        """The dimension of that knob."""
        return self.dimensions[KNOBS.index(name)]

    def canonical(self, point: Point) -> dict[str, KnobValue]:
        """The point with knobs that have no effect set to their one value.

        An exit policy has its own knobs only, and ``none`` has no others: for those that it
        ignores the first value of the space is written down. DVFS policy ``fixed`` stays at the
        maximum voltage, so that is its minimum too, and has no levels.
        """
        flat = dict(point)
        if "exit_policy" in flat:
            for name in _ignored_by(flat["exit_policy"]):
                flat[name] = self[name].values[0]
        if flat.get("dvfs_policy") == DvfsPolicy.FIXED:
            flat["min_voltage_v"] = flat["max_voltage_v"]
            flat["dvfs_levels"] = self["dvfs_levels"].values[0]
        return flat

    def violation(self, point: Point) -> str | None:
        """The first condition that the point breaks, in words; None if it breaks none.

        Conditions that use a knob which the point lacks are left out.
        """
        low, high = point.get("min_voltage_v"), point.get("max_voltage_v")
        if low is not None and high is not None and low > high:  # type: ignore[operator]
            return f"min_voltage_v {low} is above max_voltage_v {high}"
        for condition in self.conditions:
            if condition.names <= point.keys() and not condition(point):
                return f"condition '{condition.text}' does not hold"
        return None

    def points(self, names: tuple[str, ...], most: int | None = None) -> list[dict[str, KnobValue]]:
        """Distinct canonical combinations of the named knobs that break no condition, in order.

        Args:
            names: knobs.
            most: how many there may be; None for any number.

        Raises:
            ValueError: there are more.
        """
        found: dict[tuple[KnobValue, ...], dict[str, KnobValue]] = {}
        for combination in self._combinations(names):
            point = self.canonical(dict(zip(names, combination, strict=True)))
            if self.violation(point) is None:
                found.setdefault(tuple(point.values()), point)
            if most is not None and len(found) > most:
                raise ValueError(
                    f"More than {most:,} combinations of knobs: give them fewer values, or tie "
                    "them by conditions."
                )
        return list(found.values())

    def _combinations(self, names: tuple[str, ...]) -> Iterator[tuple[KnobValue, ...]]:
        """Combinations of the named knobs' values, in order.

        Knobs that an exit policy ignores are left at their first value: thresholds of several
        policies, each over its own range, would else multiply before they fall together.
        """
        place = names.index("exit_policy") + 1 if "exit_policy" in names else 0
        head, tail = names[:place], names[place:]
        for first in itertools.product(*(self[name].values for name in head)):
            ignored = _ignored_by(first[-1]) if first else ()
            values = (self[n].values[:1] if n in ignored else self[n].values for n in tail)
            for second in itertools.product(*values):
                yield first + second

    def faithful_storage(self) -> tuple[str, ...]:
        """Storage knobs with a choice that changes no logit: all of its cells are `FAITHFUL_CELLS`.

        Settings that differ in these alone share their trace.
        """

        def cells(name: str) -> set[KnobValue]:
            values = set(self[name].values)
            return values - {WITH_ENCODER} | (
                cells("encoder_storage") if WITH_ENCODER in values else set()
            )

        return tuple(
            name
            for name in STORAGE_KNOBS
            if not self[name].is_fixed and cells(name) <= {str(cell) for cell in FAITHFUL_CELLS}
        )

    def size(self) -> int:
        """Exact number of distinct designs.

        Knobs of different kinds are counted apart and multiplied unless a condition joins them.
        """
        kinds = (MODEL_KNOBS, EXIT_KNOBS, HARDWARE_KNOBS)
        lists = [self.points(kind) for kind in kinds]
        joined = [c for c in self.conditions if not any(c.names <= set(kind) for kind in kinds)]
        if not joined:
            return math.prod(len(points) for points in lists)
        names = set().union(*(c.names for c in joined))
        tallies = [
            Counter(
                tuple((name, value) for name, value in point.items() if name in names)
                for point in points
            )
            for points in lists
        ]
        total = 0
        for parts in itertools.product(*(tally.items() for tally in tallies)):
            point = dict(itertools.chain.from_iterable(key for key, _ in parts))
            if all(condition(point) for condition in joined):
                total += math.prod(count for _, count in parts)
        return total


def _ignored_by(policy: KnobValue) -> tuple[str, ...]:
    """Exit knobs, the policy itself aside, that an exit policy does not look at."""
    used = KNOBS_OF_EXIT_POLICY[ExitPolicy(str(policy))]
    return tuple(n for n in EXIT_KNOBS if n not in used and n != "exit_policy")


def model_knobs(flat: Point) -> ModelKnobs:
    """The typed model knobs of a flat point; ValueError if one is missing or cannot be."""
    return ModelKnobs(**_typed(flat, MODEL_KNOBS))


def exit_knobs(flat: Point) -> ExitKnobs:
    """The typed exit knobs of a flat point; ValueError if one is missing or cannot be."""
    return ExitKnobs(**_typed(flat, EXIT_KNOBS))


def hardware_knobs(flat: Point) -> HardwareKnobs:
    """The typed hardware knobs of a flat point; ValueError if one is missing or cannot be."""
    return HardwareKnobs(**_typed(flat, HARDWARE_KNOBS))


def design_point(flat: Point) -> DesignPoint:
    """The typed design point of a flat one.

    Raises:
        ValueError: a knob is missing or has a value that it cannot take.
    """
    return DesignPoint(
        model=model_knobs(flat), exits=exit_knobs(flat), hardware=hardware_knobs(flat)
    )


def _typed(flat: Point, names: tuple[str, ...]) -> dict[str, Any]:
    whole = {**KNOB_DEFAULTS, **flat}
    missing = [name for name in names if name not in whole]
    if missing:
        raise ValueError(f"Design point lacks knob {missing[0]!r}.")
    return {name: knob_value(name, whole[name]) for name in names}
