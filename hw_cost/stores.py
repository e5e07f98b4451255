"""Stores: where embeddings and encoder weights stay, and what reading them costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hw_cost.memory import envm_cell, sram_read_energy_pj
from hw_cost.technology import Technology
from hw_cost.units import BITS_PER_KIB, BITS_PER_MIB, Floats
from hw_cost.workload import Workload
from search_space import CellKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The memory behind one tensor class; (n_arrays, 1) arrays.

    A read word takes `word_ns` and also `word_cycles` of the datapath clock: one of them is 0.

    Attributes:
        is_envm: whether it is eNVM; else it is the weight SRAM.
        energy_pj_per_bit: energy of a bit read at the nominal supply.
        word_bits: useful bits of one word.
        word_ns: time of one word when macros take turns, ns; does not depend on the supply.
        word_cycles: datapath cycles of one word.
        leakage_mw: leakage of its eNVM part while powered, mW; 0 for SRAM.
    """

    is_envm: bool
    energy_pj_per_bit: float
    word_bits: float
    word_ns: Floats
    word_cycles: float
    leakage_mw: Floats

    @property
    def energy_part(self) -> str:
        """Part of the energy breakdown that its reads belong to."""
        return "envm" if self.is_envm else "weight_sram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The stores of a workload on many chips.

    Attributes:
        embeddings: store of the embeddings.
        encoder: store of projection, layers and exits.
        weight_sram_kib: shared weight SRAM, sized to hold exactly what is stored as SRAM.
        envm_need_bits: what must fit in the eNVM.
        envm_area_mm2: (n_arrays, 1) area of the eNVM.
    """

    embeddings: Store
    encoder: Store
    weight_sram_kib: float
    envm_need_bits: float
    envm_area_mm2: Floats


def stores(workload: Workload, envm_mib: Floats, t: Technology) -> Stores:
    """Stores of a workload on chips with those eNVM capacities, (n_arrays,) useful MiB.

    Kinds of eNVM cells share the capacity in proportion to the bits stored in each. Capacity beyond
    one macro is made of more macros read in parallel.
    """
    bits = workload.stored_bits()
    held: dict[CellKind, float] = {}
    for kind, size in (
        (workload.embedding_storage, bits.embeddings),
        (workload.encoder_storage, bits.encoder),
    ):
        held[kind] = held.get(kind, 0.0) + size
    sram_kib = held.pop(CellKind.SRAM, 0.0) / BITS_PER_KIB
    envm_bits = sum(held.values())
    capacity = envm_mib[:, None]
    area = np.zeros_like(capacity)
    for kind, size in held.items():
        area = area + capacity * size / envm_bits * envm_cell(kind, t).area_mm2_per_mib

    def store(kind: CellKind, size: float) -> Store:
        if kind is CellKind.SRAM:
            width = t.weight_sram_port_bits
            return Store(
                is_envm=False,
                energy_pj_per_bit=float(sram_read_energy_pj(sram_kib, width, t)) / width,
                word_bits=width,
                word_ns=np.zeros_like(capacity),
                word_cycles=1.0,
                leakage_mw=np.zeros_like(capacity),
            )
        cell = envm_cell(kind, t)
        part_mib = capacity * held[kind] / envm_bits
        macros = np.maximum(np.ceil(part_mib * BITS_PER_MIB / cell.macro_bits - 1e-9), 1.0)
        own_mib = capacity * size / envm_bits
        return Store(
            is_envm=True,
            energy_pj_per_bit=cell.read_energy_pj_per_bit,
            word_bits=cell.word_bits,
            word_ns=cell.read_ns / macros,
            word_cycles=0.0,
            leakage_mw=own_mib * cell.leakage_mw_per_mib,
        )

    return Stores(
        embeddings=store(workload.embedding_storage, bits.embeddings),
        encoder=store(workload.encoder_storage, bits.encoder),
        weight_sram_kib=sram_kib,
        envm_need_bits=envm_bits,
        envm_area_mm2=area,
    )
