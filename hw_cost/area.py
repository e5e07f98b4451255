"""Area of the blocks of many chips, and what leaks in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.arithmetic import mac_area_um2
from hw_cost.chip import Chips
from hw_cost.memory import sram_area_mm2, sram_leakage_mw
from hw_cost.stores import Stores
from hw_cost.technology import Technology
from hw_cost.units import UM2_PER_MM2, Floats
from hw_cost.voltage import clock_ghz, dynamic_factor
from hw_cost.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Floorplan:
    """Area and leakage of the distinct structures of many designs; (n_structures,) arrays.

    Attributes:
        area_mm2: by block; the LDO, whose size follows from the supply, is apart.
        logic_leakage_mw: at the nominal supply.
        sram_leakage_mw: at the nominal supply, weight SRAM included.
        weight_sram_leakage_mw: of the weight SRAM.
        table_sram_leakage_mw: of the auxiliary SRAM, which holds the look-up tables.
        full_cycle_pj: energy of a cycle in which every MAC works, nominal supply.
    """

    area_mm2: dict[str, Floats]
    logic_leakage_mw: Floats
    sram_leakage_mw: Floats
    weight_sram_leakage_mw: Floats
    table_sram_leakage_mw: Floats
    full_cycle_pj: Floats

    def gated_mm2(self) -> Floats:
        """Area whose rail is charged again when the chip wakes: logic and buffers."""
        blocks = ("mac", "special_functions", "control", "compaction", "sram")
        return sum((self.area_mm2[name] for name in blocks), np.zeros_like(self.full_cycle_pj))


def floorplan(
    columns: AcceleratorColumns, workload: Workload, chips: Chips, held: Stores, t: Technology
) -> Floorplan:
    """Blocks of those designs; columns, chips and stores of the same structures."""
    n = columns.mac_vector_size.astype(np.float64)
    units = columns.processing_units.astype(np.float64)
    weights, activations = workload.weight_format, workload.activation_format
    # An array multiplies weights with activations, and in attention activations with each other.
    mac_um2 = np.maximum(
        mac_area_um2(weights, activations, t, columns.accumulator_bits),
        mac_area_um2(activations, activations, t, columns.accumulator_bits),
    )
    mac_mm2 = units * n**2 * mac_um2 / UM2_PER_MM2
    special_mm2 = units * n * t.special_function_area_mm2_per_lane
    control_mm2 = t.control_area_share * mac_mm2
    compaction_mm2 = chips.compacts * t.compaction_area_share * mac_mm2
    word = n * max(weights.bits, activations.bits)
    buffers_mm2 = np.zeros(len(columns))
    buffers_mw = np.zeros(len(columns))
    for count, capacity_kib, width in (
        (2, columns.data_sram_kib, word),
        (2, columns.mask_sram_kib, n),
        (1, columns.aux_sram_kib, n * t.table_word_bits),
    ):
        size = capacity_kib.astype(np.float64)
        buffers_mm2 += units * count * sram_area_mm2(size, width, t)
        buffers_mw += units * count * sram_leakage_mw(size, t)
    weight_mw = sram_leakage_mw(held.weight_sram_kib, t)
    logic_mm2 = mac_mm2 + special_mm2 + control_mm2 + compaction_mm2
    return Floorplan(
        area_mm2={
            "mac": mac_mm2,
            "special_functions": special_mm2,
            "control": control_mm2,
            "compaction": compaction_mm2,
            "sram": buffers_mm2,
            "weight_sram": sram_area_mm2(held.weight_sram_kib, t.weight_sram_port_bits, t),
            "envm": held.envm_area_mm2,
            "dram_interface": held.dram.phy_mm2,
            "clock": np.full(len(columns), t.pll_area_mm2),
        },
        logic_leakage_mw=logic_mm2 * t.logic_leakage_mw_per_mm2,
        sram_leakage_mw=buffers_mw + weight_mw,
        weight_sram_leakage_mw=weight_mw,
        table_sram_leakage_mw=units * sram_leakage_mw(columns.aux_sram_kib, t),
        full_cycle_pj=chips.units
        * (
            chips.mac_pj * chips.n**2
            + chips.cycle_pj
            + chips.read_activations_pj
            + chips.read_weights_pj
        ),
    )


def ldo_area_mm2(full_cycle_pj: Floats, max_voltage_v: Floats, t: Technology) -> Floats:
    """Area of the LDO for the current of a full cycle at the highest supply: pJ GHz / V = mA."""
    power_mw = full_cycle_pj * dynamic_factor(max_voltage_v, t) * clock_ghz(max_voltage_v, t)
    area: Floats = power_mw / max_voltage_v * t.ldo_area_mm2_per_ma
    return area
