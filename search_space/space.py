"""Search spaces: the values that each knob may take, and the conditions between knobs."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import Any, Final

from search_space.expressions import Condition
from search_space.formats import checked_activation_format, parse_number_format
from search_space.knobs import (
    KNOBS_OF_EXIT_POLICY,
    WITH_ENCODER,
    CellKind,
    Compaction,
    DesignPoint,
    DramKind,
    DvfsPolicy,
    ExitKnobs,
    ExitPolicy,
    HardwareKnobs,
    MappingObjective,
    ModelKnobs,
    PruningScope,
    SpecialFunctions,
    ZeroGating,
)
from search_space.names import nearest

KnobValue = str | int | float

MODEL_KNOBS: Final = tuple(field.name for field in fields(ModelKnobs))
EXIT_KNOBS: Final = tuple(field.name for field in fields(ExitKnobs))
HARDWARE_KNOBS: Final = tuple(field.name for field in fields(HardwareKnobs))
KNOBS: Final = MODEL_KNOBS + EXIT_KNOBS + HARDWARE_KNOBS

KNOB_DEFAULTS: Final[Mapping[str, KnobValue]] = {
    field.name: field.default if isinstance(field.default, int | float) else str(field.default)
    for kind in (ModelKnobs, ExitKnobs, HardwareKnobs)
    for field in fields(kind)
    if field.default is not MISSING
}
"""Value of each knob that a study file or a record may leave out."""

UNITS: Final[Mapping[str, str]] = {
    "span_budget_tokens": "tokens",
    "entropy_threshold": "nats",
    "patience": "exits",
    "data_sram_kib": "KiB",
    "mask_sram_kib": "KiB",
    "aux_sram_kib": "KiB",
    "envm_mib": "MiB",
    "weight_sram_kib": "KiB",
    "accumulator_bits": "bit",
    "min_voltage_v": "V",
    "max_voltage_v": "V",
}
"""Unit of each knob that has one."""

_ENUM_KNOBS: Final[Mapping[str, type[StrEnum]]] = {
    "embedding_storage": CellKind,
    "encoder_storage": CellKind,
    "exit_storage": CellKind,
    "table_storage": CellKind,
    "special_functions": SpecialFunctions,
    "pruning_scope": PruningScope,
    "exit_policy": ExitPolicy,
    "dvfs_policy": DvfsPolicy,
    "dram": DramKind,
    "zero_gating": ZeroGating,
    "compaction": Compaction,
    "mapping_objective": MappingObjective,
}
_TEXT_KNOBS: Final[Mapping[str, Callable[[str], Any]]] = {
    "weight_format": parse_number_format,
    "activation_format": lambda name: checked_activation_format(parse_number_format(name)),
    "checkpoint": str,
    **_ENUM_KNOBS,
}
_INTEGER_KNOBS: Final = frozenset(
    {
        "span_budget_tokens",
        "mac_vector_size",
        "processing_units",
        "data_sram_kib",
        "mask_sram_kib",
        "aux_sram_kib",
        "weight_sram_kib",
        "dvfs_levels",
        "accumulator_bits",
        "patience",
    }
)


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


def knob_value(name: str, value: KnobValue) -> Any:
    """The typed value of a knob.

    Raises:
        ValueError: the value is not one that the knob can take.
    """
    if name in _TEXT_KNOBS:
        if not isinstance(value, str):
            raise ValueError(f"Knob {name!r} has value {value!r}: expected text.")
        if name == "exit_storage" and value == WITH_ENCODER:
            return value
        if name in _ENUM_KNOBS:
            known = [member.value for member in _ENUM_KNOBS[name]]
            if value not in known:
                raise ValueError(
                    f"Knob {name!r} has value {value!r}: expected one of {', '.join(known)}"
                    f"{nearest(value, known) or '.'}"
                )
        return _TEXT_KNOBS[name](value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"Knob {name!r} has value {value!r}: expected a number.")
    if name in _INTEGER_KNOBS:
        if value != int(value):
            raise ValueError(f"Knob {name!r} has value {value!r}: expected a whole number.")
        return int(value)
    return float(value)


def linear_range(low: float, high: float, step: float) -> tuple[float, ...]:
    """low, low + step, … up to and including high, free of rounding dust.

    Raises:
        ValueError: the step does not lead from low to high.

    >>> linear_range(0.0, 0.3, 0.1)
    (0.0, 0.1, 0.2, 0.3)
    """
    if not (step > 0 and low <= high):
        raise ValueError(f"Range from {low} to {high} by {step}: expected low <= high, step > 0.")
    count = math.floor((high - low) / step + 1e-9)
    return tuple(round(low + i * step, 12) for i in range(count + 1))


def log_range(low: float, high: float, count: int) -> tuple[float, ...]:
    """``count`` values in equal ratios from low to high, rounded to six significant digits.

    Raises:
        ValueError: the ends are not positive and in order, or there are fewer than two values.
    """
    if not (0 < low < high and count >= 2):
        raise ValueError(
            f"Log range from {low} to {high} in {count} values: expected 0 < low < high, 2 or more."
        )
    ratio = math.log(high / low) / (count - 1)
    return tuple(float(f"{low * math.exp(i * ratio):.6g}") for i in range(count))


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
