"""Stores: where embeddings, encoder and exits stay on many chips, and what reading them costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from hw_cost.accelerator import CHOICES, AcceleratorColumns
from hw_cost.envm_arrays import EnvmArrays, envm_arrays
from hw_cost.memory import sram_read_energy_pj
from hw_cost.technology import Technology
from hw_cost.units import BITS_PER_KIB, BITS_PER_MIB, Bools, Floats
from hw_cost.workload import Workload
from search_space import CellKind, DramKind

TENSOR_CLASSES: Final = ("embeddings", "encoder", "exits")


@dataclass(frozen=True, slots=True, kw_only=True)
class DramColumns:
    """The off-chip memory of many chips; (n_structures,) arrays, 0 where there is none.

    Attributes:
        present: whether there is one.
        read_pj_per_bit: device and interface.
        write_pj_per_bit: device and interface.
        ns_per_bit: 1 / bandwidth.
        latency_ns: before the first bit of a stream or of an embedding row.
        active_mw: while the chip works.
        sleep_mw: in self-refresh.
        wake_ns: out of self-refresh.
        phy_mm2: interface on the chip.
    """

    present: Bools
    read_pj_per_bit: Floats
    write_pj_per_bit: Floats
    ns_per_bit: Floats
    latency_ns: Floats
    active_mw: Floats
    sleep_mw: Floats
    wake_ns: Floats
    phy_mm2: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The memories behind the tensor classes of one workload on many chips.

    The last axis of (n_structures, 3) arrays is `TENSOR_CLASSES`. What does not fit its memory on
    the chip is read from the DRAM: the same share of every class in that memory.

    Attributes:
        in_sram: (3,) whether the class is placed in SRAM (its energy is on the SRAM rail).
        word_bits: (3,) useful bits of a word of the memory on the chip.
        word_cycles: (3,) datapath cycles of one; 0 for eNVM.
        word_ns: (n_structures, 3) time of one when arrays take turns; 0 for SRAM. Does not depend
            on the supply.
        read_pj_per_bit: (n_structures, 3) of the memory on the chip, at the nominal supply.
        chip_share: (n_structures, 3) share of the class that is on the chip.
        envm_mw: (n_structures, 3) leakage of the class's eNVM while powered.
        weight_sram_kib: (n_structures,) capacity of the shared weight SRAM.
        sram_need_bits: bits placed in it.
        envm_need_bits: bits placed in eNVM.
        dram_bits: (n_structures,) bits that live in the DRAM.
        envm: arrays of each kind of eNVM cell that anything is placed in.
        envm_wake_ns: until all of it can be read.
        dram: the off-chip memory.
    """

    in_sram: Bools
    word_bits: Floats
    word_cycles: Floats
    word_ns: Floats
    read_pj_per_bit: Floats
    chip_share: Floats
    envm_mw: Floats
    weight_sram_kib: Floats
    sram_need_bits: float
    envm_need_bits: float
    dram_bits: Floats
    envm: Mapping[CellKind, EnvmArrays]
    envm_wake_ns: float
    dram: DramColumns

    @property
    def envm_area_mm2(self) -> Floats:
        """(n_structures,) of all arrays."""
        return sum((of.area_mm2 for of in self.envm.values()), np.zeros_like(self.dram_bits))

    @property
    def envm_wake_pj(self) -> Floats:
        """(n_structures,) of waking all arrays."""
        return sum((of.wake_pj for of in self.envm.values()), np.zeros_like(self.dram_bits))


def placed_bits(workload: Workload, t: Technology) -> dict[CellKind, float]:
    """Bits placed in each kind of cell; look-up tables in SRAM are in a buffer of their own."""
    bits = workload.stored_bits()
    placed: dict[CellKind, float] = {}
    if workload.table_storage is not CellKind.SRAM:
        words = workload.table_words(t.exit_table_rows, t.dvfs_table_rows)
        placed[workload.table_storage] = words * t.table_word_bits
    for cell, name in zip(workload.cells, TENSOR_CLASSES, strict=True):
        placed[cell] = placed.get(cell, 0.0) + getattr(bits, name)
    return placed


def stores(workload: Workload, columns: AcceleratorColumns, t: Technology) -> Stores:
    """Stores of a workload on those designs (supply not looked at).

    Kinds of eNVM cells share the capacity in proportion to the bits placed in each; classes in the
    same kind of cell are in the same arrays.
    """
    count = len(columns)
    bits, placed = workload.stored_bits(), placed_bits(workload, t)
    sram_need = placed.get(CellKind.SRAM, 0.0)
    envm_placed = {cell: size for cell, size in placed.items() if cell.is_envm}
    envm_need = sum(envm_placed.values())
    weight_kib = np.where(
        columns.weight_sram_kib > 0, columns.weight_sram_kib, sram_need / BITS_PER_KIB
    )
    sram_share = np.minimum(weight_kib * BITS_PER_KIB / max(sram_need, 1.0), 1.0)
    envm_share = np.minimum(columns.envm_mib * BITS_PER_MIB / max(envm_need, 1.0), 1.0)
    envm = {
        kind: envm_arrays(kind, columns.envm_mib * (size / envm_need), t)
        for kind, size in envm_placed.items()
    }

    word_bits, word_cycles = np.ones(3), np.zeros(3)
    word_ns, read_pj = np.zeros((count, 3)), np.zeros((count, 3))
    share, leakage = np.zeros((count, 3)), np.zeros((count, 3))
    dram_bits = np.zeros(count)
    for c, (kind, name) in enumerate(zip(workload.cells, TENSOR_CLASSES, strict=True)):
        size = getattr(bits, name)
        if kind is CellKind.SRAM:
            width = t.weight_sram_port_bits
            word_bits[c], word_cycles[c] = width, 1.0
            share[:, c] = sram_share
            read_pj[:, c] = sram_read_energy_pj(weight_kib, width, t) / width
        elif kind.is_envm:
            arrays = envm[kind]
            word_bits[c] = t.envm[kind].word_bits
            word_ns[:, c] = arrays.read_ns / arrays.count
            share[:, c] = envm_share
            read_pj[:, c] = arrays.read_pj_per_bit
            leakage[:, c] = arrays.leakage_mw * (size / placed[kind])
        dram_bits += (1.0 - share[:, c]) * size

    return Stores(
        in_sram=np.array([kind is CellKind.SRAM for kind in workload.cells]),
        word_bits=word_bits,
        word_cycles=word_cycles,
        word_ns=word_ns,
        read_pj_per_bit=read_pj,
        chip_share=share,
        envm_mw=leakage,
        weight_sram_kib=weight_kib,
        sram_need_bits=sram_need,
        envm_need_bits=envm_need,
        dram_bits=dram_bits,
        envm=envm,
        envm_wake_ns=max((t.envm[kind].wake_ns for kind in envm), default=0.0),
        dram=dram_columns(columns, t),
    )


def dram_columns(columns: AcceleratorColumns, t: Technology) -> DramColumns:
    """The off-chip memory of those designs."""
    kinds = [DramKind(kind) for kind in CHOICES["dram"]]

    def of(field: str) -> Floats:
        values = [0.0 if kind is DramKind.NONE else getattr(t.dram[kind], field) for kind in kinds]
        return np.array(values)[columns.dram]

    present = columns.dram != kinds.index(DramKind.NONE)
    bits_per_ns = 8 * of("bandwidth_bytes_per_ns")
    return DramColumns(
        present=present,
        read_pj_per_bit=of("read_energy_pj_per_bit"),
        write_pj_per_bit=of("write_energy_pj_per_bit"),
        ns_per_bit=np.divide(1.0, bits_per_ns, out=np.zeros(len(columns)), where=present),
        latency_ns=of("latency_ns"),
        active_mw=of("active_standby_mw"),
        sleep_mw=of("self_refresh_mw"),
        wake_ns=of("self_refresh_exit_ns"),
        phy_mm2=of("phy_area_mm2"),
    )
