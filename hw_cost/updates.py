"""Updates: what it costs to write new weights into a chip, and how often its cells bear it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.memory import sram_write_energy_pj
from hw_cost.stores import placed_bits, stores
from hw_cost.technology import Technology
from hw_cost.units import BITS_PER_KIB, BITS_PER_MIB, Floats
from hw_cost.workload import Workload
from search_space import CellKind


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCosts:
    """Writing all stored tensors anew; (n_designs,) arrays.

    Attributes:
        energy_pj: of the cells, and of the DRAM for what lives there.
        time_ns: words of each memory one after another, arrays of an eNVM taking turns.
        endurance_updates: updates until the weakest kind of cell is worn; inf without eNVM.
    """

    energy_pj: Floats
    time_ns: Floats
    endurance_updates: Floats


def update_costs(
    workload: Workload, columns: AcceleratorColumns, technology: Technology
) -> UpdateCosts:
    """Costs of a whole update on those designs; their supply does not matter.

    Weights in SRAM take a word a cycle at the nominal clock. eNVM is written in place: every update
    wears every cell once.
    """
    t = technology
    held = stores(workload, columns, t)
    energy, time = np.zeros(len(columns)), np.zeros(len(columns))
    endurance = np.full(len(columns), np.inf)
    width = t.weight_sram_port_bits
    for kind, size in placed_bits(workload, t).items():
        if kind is CellKind.SRAM:
            bits = np.minimum(held.weight_sram_kib * BITS_PER_KIB, size)
            write_pj = sram_write_energy_pj(np.maximum(held.weight_sram_kib, 1.0), width, t)
            energy += bits / width * write_pj
            time += bits / width / t.nominal_clock_ghz
        elif kind.is_envm:
            cell, arrays = t.envm[kind], held.envm[kind]
            part = size / held.envm_need_bits
            bits = np.minimum(columns.envm_mib * BITS_PER_MIB * part, size)
            energy += bits * arrays.write_pj_per_bit
            time += bits / cell.word_bits * arrays.write_ns / arrays.count
            endurance = np.minimum(endurance, cell.endurance_writes)
    energy += held.dram_bits * held.dram.write_pj_per_bit
    time += held.dram_bits * held.dram.ns_per_bit
    return UpdateCosts(energy_pj=energy, time_ns=time, endurance_updates=endurance)
