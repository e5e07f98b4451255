"""Area of the blocks of many chips, and what leaks in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.arithmetic import mac_area_um2
from hw_cost.array import MacArrays
from hw_cost.memory import sram_area_mm2, sram_leakage_mw
from hw_cost.stores import Stores
from hw_cost.technology import Technology
from hw_cost.units import UM2_PER_MM2, Floats
from hw_cost.voltage import clock_ghz, dynamic_factor
from hw_cost.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Floorplan:
    """Area and leakage of the distinct structures of many designs.

    Attributes:
        area_mm2: by block, (n_arrays,); the LDO, whose size follows from the supply, is apart.
        logic_leakage_mw: (n_arrays,) at the nominal supply.
        sram_leakage_mw: (n_arrays,) at the nominal supply, weight SRAM included.
        weight_sram_leakage_mw: at the nominal supply.
        full_cycle_pj: (n_arrays,) energy of a cycle in which every MAC works, nominal supply.
    """

    area_mm2: dict[str, Floats]
    logic_leakage_mw: Floats
    sram_leakage_mw: Floats
    weight_sram_leakage_mw: float
    full_cycle_pj: Floats


def floorplan(
    columns: AcceleratorColumns,
    workload: Workload,
    arrays: MacArrays,
    held: Stores,
    t: Technology,
) -> Floorplan:
    """Blocks of those designs; columns and arrays of the same structures."""
    n = columns.mac_vector_size.astype(np.float64)
    units = columns.processing_units.astype(np.float64)
    weights, activations = workload.weight_format, workload.activation_format
    mac_mm2 = units * n**2 * mac_area_um2(weights, activations, t) / UM2_PER_MM2
    special_mm2 = units * n * t.special_function_area_mm2_per_lane
    control_mm2 = t.control_area_share * mac_mm2
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
    one = np.ones(len(columns))
    weight_mw = float(sram_leakage_mw(held.weight_sram_kib, t))
    logic_mm2 = mac_mm2 + special_mm2 + control_mm2
    return Floorplan(
        area_mm2={
            "mac": mac_mm2,
            "special_functions": special_mm2,
            "control": control_mm2,
            "sram": buffers_mm2,
            "weight_sram": one * sram_area_mm2(held.weight_sram_kib, t.weight_sram_port_bits, t),
            "envm": held.envm_area_mm2[:, 0],
            "clock": one * t.pll_area_mm2,
        },
        logic_leakage_mw=logic_mm2 * t.logic_leakage_mw_per_mm2,
        sram_leakage_mw=buffers_mw + weight_mw,
        weight_sram_leakage_mw=weight_mw,
        full_cycle_pj=(
            arrays.units
            * (
                arrays.mac_pj * arrays.n**2
                + arrays.cycle_pj
                + arrays.read_activations_pj
                + arrays.read_weights_pj
            )
        )[:, 0],
    )


def ldo_area_mm2(full_cycle_pj: Floats, max_voltage_v: Floats, t: Technology) -> Floats:
    """Area of the LDO for the current of a full cycle at the highest supply: pJ GHz / V = mA."""
    power_mw = full_cycle_pj * dynamic_factor(max_voltage_v, t) * clock_ghz(max_voltage_v, t)
    area: Floats = power_mw / max_voltage_v * t.ldo_area_mm2_per_ma
    return area
