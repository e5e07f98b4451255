"""The full cycle: what a cycle costs in which every MAC works on operands from the buffers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hw_cost import Technology
from hw_cost.arithmetic import mac_energy_pj
from hw_cost.memory import sram_leakage_mw, sram_read_energy_pj
from hw_cost.units import UM2_PER_MM2, Floats
from hw_cost.voltage import dynamic_factor, leakage_factor
from search_space import NumberFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class MacUnit:
    """One MAC unit with its buffers.

    Attributes:
        n: MAC vector size.
        data_kib: one of two data buffers.
        mask_kib: one of two mask buffers; they only leak here, since operands are dense.
        aux_kib: auxiliary SRAM; it only leaks here.
        operand_bits: width of a vector of one operand, read from a data buffer every cycle.
        macs: multiply-accumulates of a cycle.
        number_format: of both operands.
    """

    n: int
    data_kib: float
    mask_kib: float
    aux_kib: float
    operand_bits: int
    macs: int
    number_format: NumberFormat

    @property
    def buffer_kib(self) -> float:
        """All SRAM of the unit."""
        return 2 * self.data_kib + 2 * self.mask_kib + self.aux_kib


@dataclass(frozen=True, slots=True, kw_only=True)
class FullCycle:
    """Core energy of a full cycle at several supplies; (n_points,) arrays, pJ.

    Attributes:
        mac: all multiply-accumulates.
        control: clock and control of the lanes, and the residual term.
        sram: one vector of each operand; results are n x n in n x depth cycles, and left out.
        clock_generator: the same at every supply.
        leakage: of logic and buffers over one period.
    """

    mac: Floats
    control: Floats
    sram: Floats
    clock_generator: Floats
    leakage: Floats

    @property
    def total(self) -> Floats:
        """All parts."""
        total: Floats = self.mac + self.control + self.sram + self.clock_generator + self.leakage
        return total


def full_cycle(unit: MacUnit, voltage_v: Floats, clock_ghz: Floats, t: Technology) -> FullCycle:
    """Core energy of a full cycle of one unit.

    Args:
        unit: the MAC unit.
        voltage_v: (n_points,) supplies of the datapath; the SRAM stops at its floor.
        clock_ghz: (n_points,) clock that the leakage of a period follows from.
        t: constants.
    """
    sram_v = np.maximum(voltage_v, t.sram_floor_v)
    logic, sram = dynamic_factor(voltage_v, t), dynamic_factor(sram_v, t)
    mac_pj = unit.macs * mac_energy_pj(unit.number_format, unit.number_format, t)
    residual_pj = t.residual_energy_pj_per_lane_cycle * unit.n
    read_pj = 2 * float(sram_read_energy_pj(unit.data_kib, unit.operand_bits, t))
    logic_mm2 = unit.n**2 * t.mac_area_um2 * (1 + t.control_area_share) / UM2_PER_MM2
    logic_mm2 += unit.n * t.special_function_area_mm2_per_lane
    leakage_mw = logic_mm2 * t.logic_leakage_mw_per_mm2 * leakage_factor(voltage_v, t)
    leakage_mw = leakage_mw + sram_leakage_mw(unit.buffer_kib, t) * leakage_factor(sram_v, t)
    return FullCycle(
        mac=mac_pj * logic,
        control=(t.control_share * mac_pj + residual_pj) * logic,
        sram=read_pj * sram,
        clock_generator=np.full_like(voltage_v, t.pll_energy_pj_per_cycle),
        leakage=leakage_mw / clock_ghz,
    )
