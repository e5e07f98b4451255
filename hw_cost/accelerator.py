"""Accelerator columns: the hardware knobs of many designs, one array for each knob."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hw_cost.units import Floats, Ints
from search_space import DvfsPolicy, HardwareKnobs

DVFS_POLICIES: Final = tuple(DvfsPolicy)
"""`AcceleratorColumns.dvfs_policy` holds the index into this tuple."""


class ColumnsError(ValueError):
    """Columns that do not describe accelerators."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorColumns:
    """Hardware knobs of many designs: (n_designs,) arrays named and measured as in `HardwareKnobs`.

    ``dvfs_policy`` is the index of the policy in `DVFS_POLICIES`.
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

    def __post_init__(self) -> None:
        """Refuse columns of different lengths and policies that do not exist."""
        for field in fields(self):
            column = getattr(self, field.name)
            if column.shape != (len(self),):
                raise ColumnsError(
                    f"Column {field.name} has shape {column.shape}: expected ({len(self)},)."
                )
        if len(self) and not (0 <= self.dvfs_policy.min() <= self.dvfs_policy.max() < 3):
            raise ColumnsError(
                f"Column dvfs_policy has values outside 0 to {len(DVFS_POLICIES) - 1}: expected "
                "indices into DVFS_POLICIES."
            )

    def __len__(self) -> int:
        """Number of designs."""
        return len(self.mac_vector_size)

    @classmethod
    def from_knobs(cls, knobs: Sequence[HardwareKnobs]) -> AcceleratorColumns:
        """Columns of those designs, in order."""

        def whole(name: str) -> Ints:
            return np.array([getattr(k, name) for k in knobs], dtype=np.int64)

        def real(name: str) -> Floats:
            return np.array([getattr(k, name) for k in knobs], dtype=np.float64)

        return cls(
            mac_vector_size=whole("mac_vector_size"),
            processing_units=whole("processing_units"),
            data_sram_kib=whole("data_sram_kib"),
            mask_sram_kib=whole("mask_sram_kib"),
            aux_sram_kib=whole("aux_sram_kib"),
            envm_mib=real("envm_mib"),
            min_voltage_v=real("min_voltage_v"),
            max_voltage_v=real("max_voltage_v"),
            dvfs_policy=np.array(
                [DVFS_POLICIES.index(k.dvfs_policy) for k in knobs], dtype=np.int64
            ),
        )

    def take(self, indices: Ints | NDArray[np.bool_] | slice) -> AcceleratorColumns:
        """Columns of some designs: indices, a mask or a slice."""
        return AcceleratorColumns(
            **{field.name: getattr(self, field.name)[indices] for field in fields(self)}
        )

    def structure(self) -> tuple[AcceleratorColumns, Ints]:
        """The distinct designs without their supply, and for each design which of them it is.

        Supplies and policy of a distinct design are those of any one member: not to be read.
        """
        rows = np.column_stack(
            [
                getattr(self, name)
                for name in (
                    "mac_vector_size",
                    "processing_units",
                    "data_sram_kib",
                    "mask_sram_kib",
                    "aux_sram_kib",
                    "envm_mib",
                )
            ]
        )
        _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        return self.take(first), inverse.reshape(-1).astype(np.int64)
