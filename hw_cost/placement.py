"""Placement: which tensors live in which memory of one design, and how full it is."""

from __future__ import annotations

from dataclasses import dataclass

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.stores import TENSOR_CLASSES, stores
from hw_cost.technology import Technology
from hw_cost.units import BITS_PER_KIB, BITS_PER_MIB
from hw_cost.workload import Workload
from search_space import CellKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One memory of a design.

    Attributes:
        memory: ``weight SRAM``, ``eNVM`` or ``DRAM``.
        cells: kinds of its cells.
        tensors: classes that are placed in it; of the DRAM also those that overflow into it.
        need_bits: placed in it, whether or not they fit.
        capacity_bits: useful ones; None for a DRAM, which is as large as need be.
        kept_bits: of what is placed in it, the part that it holds.
    """

    memory: str
    cells: tuple[str, ...]
    tensors: tuple[str, ...]
    need_bits: float
    capacity_bits: float | None
    kept_bits: float

    @property
    def fill(self) -> float | None:
        """Share of the capacity that is needed, above 1 where not all fits; None for a DRAM."""
        if self.capacity_bits is None:
            return None
        return self.need_bits / self.capacity_bits if self.capacity_bits else 0.0


def placements(
    workload: Workload, columns: AcceleratorColumns, technology: Technology
) -> tuple[Placement, ...]:
    """The memories of the one design that hold weights and embeddings; those in use alone.

    Raises:
        ValueError: there is not exactly one design.
    """
    if len(columns) != 1:
        raise ValueError(f"{len(columns)} designs to place: expected exactly one.")
    held = stores(workload, columns, technology)
    cells = dict(zip(TENSOR_CLASSES, workload.cells, strict=True))

    def classes(kind: str) -> tuple[str, ...]:
        return tuple(
            name
            for name, cell in cells.items()
            if {"sram": cell is CellKind.SRAM, "envm": cell.is_envm}[kind]
        )

    found = []
    sram_bits = float(held.weight_sram_kib[0]) * BITS_PER_KIB
    envm_bits = float(columns.envm_mib[0]) * BITS_PER_MIB
    memories = (
        ("weight SRAM", "sram", held.sram_need_bits, sram_bits),
        ("eNVM", "envm", held.envm_need_bits, envm_bits),
    )
    for memory, kind, need, capacity in memories:
        names = classes(kind)
        if need or capacity:
            found.append(
                Placement(
                    memory=memory,
                    cells=tuple(dict.fromkeys(cells[name].value for name in names)),
                    tensors=names,
                    need_bits=float(need),
                    capacity_bits=capacity,
                    kept_bits=min(float(need), capacity),
                )
            )
    in_dram = float(held.dram_bits[0])
    if in_dram > 0:
        shares = held.chip_share[0]
        names = tuple(n for n, share in zip(TENSOR_CLASSES, shares, strict=True) if share < 1)
        found.append(
            Placement(
                memory="DRAM",
                cells=("DRAM",),
                tensors=names,
                need_bits=in_dram,
                capacity_bits=None,
                kept_bits=in_dram,
            )
        )
    return tuple(found)
