"""Supply levels of many designs: clock, energy factors and static power at each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from hw_cost.accelerator import DVFS_POLICIES, AcceleratorColumns
from hw_cost.area import Floorplan
from hw_cost.technology import Technology
from hw_cost.units import Floats, Ints
from hw_cost.voltage import (
    clock_ghz,
    dynamic_factor,
    leakage_factor,
    sram_voltage_v,
    supply_factor,
)
from search_space import DvfsPolicy

_FIXED: Final = DVFS_POLICIES.index(DvfsPolicy.FIXED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyLevels:
    """Supplies of designs, highest first; (n_designs, n_levels) arrays, energies as factors.

    Attributes:
        voltage_v: of the datapath; repeats the lowest one where a design has fewer levels.
        clock_ghz: of the datapath.
        logic: switching energy of logic at this supply over that at the nominal one.
        sram: the same of SRAM, on a rail of its own that stops at the SRAM's floor.
        logic_input: energy at the LDO's input over energy of the logic.
        sram_input: the same for SRAM.
        logic_leakage_mw: of the whole chip's logic.
        sram_leakage_mw: of all its SRAM.
        pll_mw: clock generator, on the input rail.
        switch_ns: time of a change from the highest supply; 0 for the highest.
    """

    voltage_v: Floats
    clock_ghz: Floats
    logic: Floats
    sram: Floats
    logic_input: Floats
    sram_input: Floats
    logic_leakage_mw: Floats
    sram_leakage_mw: Floats
    pll_mw: Floats
    switch_ns: Floats

    @property
    def leakage_core_mw(self) -> Floats:
        """Leakage of logic and SRAM."""
        return self.logic_leakage_mw + self.sram_leakage_mw

    @property
    def leakage_input_mw(self) -> Floats:
        """The same, drawn from the LDO's input."""
        leakage: Floats = (
            self.logic_leakage_mw * self.logic_input + self.sram_leakage_mw * self.sram_input
        )
        return leakage


def level_counts(columns: AcceleratorColumns) -> Ints:
    """(n_designs,) supplies of the DVFS table; one where nothing is to be chosen."""
    single = (columns.dvfs_policy == _FIXED) | (columns.min_voltage_v >= columns.max_voltage_v)
    return np.where(single, 1, columns.dvfs_levels)


def supply_levels(
    columns: AcceleratorColumns, plan: Floorplan, structure: Ints, t: Technology
) -> SupplyLevels:
    """Levels of those designs, evenly spaced; structure (n_designs,): places in the floorplan."""
    return _levels(level_voltages_v(columns), columns, plan, structure, t)


def level_voltages_v(columns: AcceleratorColumns) -> Floats:
    """(n_designs, n_levels) supplies of the DVFS table, as in `SupplyLevels`."""
    counts = level_counts(columns)[:, None]
    level = np.minimum(np.arange(int(counts.max())), counts - 1)
    highest, lowest = columns.max_voltage_v[:, None], columns.min_voltage_v[:, None]
    step = (highest - lowest) / np.maximum(counts - 1, 1)
    # Rounded to the microvolt, so that 0.72 is 0.72 whichever supply it was counted from.
    return np.round(highest - level * step, 6)


def switch_times_ns(voltage_v: Floats, highest_v: Floats, t: Technology) -> Floats:
    """Times of a change from the highest supply to others (any shape); 0 where they are equal."""
    change_v = highest_v - voltage_v
    return np.where(change_v > 0, t.clock_hop_ns + t.ldo_slew_ns_per_v * change_v, 0.0)


def waiting_supply(
    columns: AcceleratorColumns, plan: Floorplan, structure: Ints, t: Technology
) -> SupplyLevels:
    """The one supply at which a chip waits: the lowest that its policy uses; (n_designs, 1)."""
    lowest = np.where(columns.dvfs_policy == _FIXED, columns.max_voltage_v, columns.min_voltage_v)
    return _levels(lowest[:, None], columns, plan, structure, t)


def _levels(
    voltage_v: Floats,
    columns: AcceleratorColumns,
    plan: Floorplan,
    structure: Ints,
    t: Technology,
) -> SupplyLevels:
    highest = columns.max_voltage_v[:, None]
    sram_v = sram_voltage_v(voltage_v, t)
    clock = clock_ghz(voltage_v, t)
    # The SRAM's floor may lie above a design's highest supply: its rail then needs that much.
    rail_v = np.maximum(highest, t.sram_floor_v)
    return SupplyLevels(
        voltage_v=voltage_v,
        clock_ghz=clock,
        logic=dynamic_factor(voltage_v, t),
        sram=dynamic_factor(sram_v, t),
        logic_input=supply_factor(voltage_v, rail_v, t),
        sram_input=supply_factor(sram_v, rail_v, t),
        logic_leakage_mw=plan.logic_leakage_mw[structure][:, None] * leakage_factor(voltage_v, t),
        sram_leakage_mw=plan.sram_leakage_mw[structure][:, None] * leakage_factor(sram_v, t),
        pll_mw=t.pll_energy_pj_per_cycle * clock,
        switch_ns=switch_times_ns(voltage_v, highest, t),
    )
