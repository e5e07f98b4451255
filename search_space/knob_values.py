"""Knobs by name: their kinds, defaults and units, and values as users write them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from enum import StrEnum
from typing import Any, Final

from search_space.choices import (
    WITH_ENCODER,
    CellKind,
    Compaction,
    DramKind,
    DvfsPolicy,
    ExitPolicy,
    MappingObjective,
    PruningScope,
    SpecialFunctions,
    ZeroGating,
)
from search_space.formats import checked_activation_format, parse_number_format
from search_space.knobs import ExitKnobs, HardwareKnobs, ModelKnobs
from search_space.names import nearest

KnobValue = str | int | float

MODEL_KNOBS: Final = tuple(field.name for field in fields(ModelKnobs))
EXIT_KNOBS: Final = tuple(field.name for field in fields(ExitKnobs))
HARDWARE_KNOBS: Final = tuple(field.name for field in fields(HardwareKnobs))
KNOBS: Final = MODEL_KNOBS + EXIT_KNOBS + HARDWARE_KNOBS
STORAGE_KNOBS: Final = tuple(name for name in MODEL_KNOBS if name.endswith("_storage"))

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

_ENUM_MEMBERS: Final[Mapping[str, Mapping[str, StrEnum]]] = {
    name: {member.value: member for member in kind} for name, kind in _ENUM_KNOBS.items()
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
        if name not in _ENUM_MEMBERS:
            return _TEXT_KNOBS[name](value)
        known = _ENUM_MEMBERS[name]
        if value not in known:
            raise ValueError(
                f"Knob {name!r} has value {value!r}: expected one of {', '.join(known)}"
                f"{nearest(value, list(known)) or '.'}"
            )
        return known[value]
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
