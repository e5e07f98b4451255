"""Accelerator columns: the hardware knobs of many designs, one array for each knob."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hw_cost.units import Floats, Ints
from search_space import (
    Compaction,
    DramKind,
    DvfsPolicy,
    HardwareKnobs,
    MappingObjective,
    ZeroGating,
)

CHOICES: Final[dict[str, tuple[StrEnum, ...]]] = {
    "dvfs_policy": tuple(DvfsPolicy),
    "dram": tuple(DramKind),
    "zero_gating": tuple(ZeroGating),
    "compaction": tuple(Compaction),
    "mapping_objective": tuple(MappingObjective),
}
"""Columns of named choices hold the index into these tuples."""
DVFS_POLICIES: Final = tuple(DvfsPolicy)
_OF_THE_SUPPLY: Final = frozenset({"min_voltage_v", "max_voltage_v", "dvfs_policy", "dvfs_levels"})


class ColumnsError(ValueError):
    """Columns that do not describe accelerators."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorColumns:
    """Hardware knobs of many designs: (n_designs,) arrays named and measured as in `HardwareKnobs`.

    Columns of named choices hold the index of the choice in `CHOICES`.
    """

    mac_vector_size: Ints
    processing_units: Ints
    data_sram_kib: Ints
    mask_sram_kib: Ints
    aux_sram_kib: Ints
    envm_mib: Floats
    min_voltage_v: Floats
    max_voltage_v: Floats
    dvfs_policy: Ints
    dvfs_levels: Ints
    weight_sram_kib: Ints
    dram: Ints
    zero_gating: Ints
    compaction: Ints
    accumulator_bits: Ints
    mapping_objective: Ints

    def __post_init__(self) -> None:
        """Refuse columns of different lengths and choices that do not exist."""
        for field in fields(self):
            column = getattr(self, field.name)
            if column.shape != (len(self),):
                raise ColumnsError(
                    f"Column {field.name} has shape {column.shape}: expected ({len(self)},)."
                )
        for name, choices in CHOICES.items():
            column = getattr(self, name)
            if len(self) and not (0 <= column.min() <= column.max() < len(choices)):
                raise ColumnsError(
                    f"Column {name} has values outside 0 to {len(choices) - 1}: expected indices "
                    f"into {', '.join(choices)}."
                )

    def __len__(self) -> int:
        """Number of designs."""
        return len(self.mac_vector_size)

    @classmethod
    def from_knobs(cls, knobs: Sequence[HardwareKnobs]) -> AcceleratorColumns:
        """Columns of those designs, in order."""
        columns: dict[str, Any] = {}
        for field in fields(cls):
            values = [getattr(k, field.name) for k in knobs]
            if field.name in CHOICES:
                values = [CHOICES[field.name].index(value) for value in values]
            real = field.name in ("envm_mib", "min_voltage_v", "max_voltage_v")
            columns[field.name] = np.array(values, dtype=np.float64 if real else np.int64)
        return cls(**columns)

    def take(self, indices: Ints | NDArray[np.bool_] | slice) -> AcceleratorColumns:
        """Columns of some designs: indices, a mask or a slice."""
        return AcceleratorColumns(
            **{field.name: getattr(self, field.name)[indices] for field in fields(self)}
        )

    def structure(self) -> tuple[AcceleratorColumns, Ints]:
        """The distinct designs without their supply, and for each design which of them it is.

        Supplies and policy of a distinct design are those of any one member: not to be read.
        """
        if len(self) == 1:
            return self, np.zeros(1, dtype=np.int64)
        names = [field.name for field in fields(self) if field.name not in _OF_THE_SUPPLY]
        # Equal bytes are equal designs: sorting rows of bytes is faster than sorting columns.
        rows = np.column_stack([getattr(self, name).astype(np.float64) for name in names])
        as_bytes = np.ascontiguousarray(rows).view(f"V{rows.shape[1] * rows.itemsize}")[:, 0]
        _, first, inverse = np.unique(as_bytes, return_index=True, return_inverse=True)
        return self.take(first), inverse.reshape(-1).astype(np.int64)
