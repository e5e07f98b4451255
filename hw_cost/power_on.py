"""Power-on: from no supply at all to the first sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hw_cost.accelerator import CHOICES, AcceleratorColumns
from hw_cost.memory import sram_write_energy_pj
from hw_cost.stores import stores
from hw_cost.technology import Technology
from hw_cost.units import BITS_PER_KIB, Floats
from hw_cost.workload import Workload
from search_space import DramKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOnCosts:
    """Powering up once; (n_designs,) arrays.

    Attributes:
        energy_pj: eNVM, DRAM, and copying what SRAM holds.
        time_ns: the longest wake-up, then the copy.
    """

    energy_pj: Floats
    time_ns: Floats


def power_on_costs(
    workload: Workload, columns: AcceleratorColumns, technology: Technology
) -> PowerOnCosts:
    """Costs of powering up on those designs; their supply does not matter.

    eNVM holds its weights already. A DRAM is trained and initialised; its content is taken to come
    from the host, which is not counted. Weights in SRAM come from the DRAM, or from the host at the
    DRAM bus's price where the chip has none: the bandwidth and energy of LPDDR4.
    """
    t = technology
    held = stores(workload, columns, t)
    none = CHOICES["dram"].index(DramKind.NONE)
    kinds = [
        t.dram[DramKind.LPDDR4 if k is DramKind.NONE else DramKind(k)] for k in CHOICES["dram"]
    ]

    def of(field: str) -> Floats:
        return np.array([getattr(kind, field) for kind in kinds])[columns.dram]

    present = columns.dram != none
    bits = np.minimum(held.weight_sram_kib * BITS_PER_KIB, held.sram_need_bits)
    width = t.weight_sram_port_bits
    write_pj = sram_write_energy_pj(np.maximum(held.weight_sram_kib, 1.0), width, t) / width
    energy = held.envm_wake_pj + present * of("power_on_pj")
    energy += bits * (of("read_energy_pj_per_bit") + write_pj)
    time = np.maximum(held.envm_wake_ns, present * of("power_on_ns"))
    time = np.maximum(time, t.power_gate_wake_ns)
    time += bits / (8 * of("bandwidth_bytes_per_ns")) + (bits > 0) * of("latency_ns")
    return PowerOnCosts(energy_pj=energy, time_ns=time)
