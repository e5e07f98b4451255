"""Supply levels of many designs, and the time and energy of a step at each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from hw_cost.accelerator import DVFS_POLICIES, AcceleratorColumns
from hw_cost.area import Floorplan
from hw_cost.tally import DIRECT_PARTS, LOGIC_PARTS, SRAM_PARTS, Fetch, Step
from hw_cost.technology import Technology
from hw_cost.units import Bools, Floats, Ints
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
    """Supplies of designs, highest first; arrays (n_levels, n_designs, 1), energies as factors.

    Attributes:
        voltage_v: of the datapath; repeats the lowest one where a design has fewer levels.
        exists: whether the design has that level.
        clock_ghz: of the datapath.
        logic: switching energy of logic at this supply over that at the nominal one.
        sram: the same of SRAM, on a rail of its own that stops at the SRAM's floor.
        logic_input: energy at the LDO's input over energy of the logic.
        sram_input: the same for SRAM.
        logic_leakage_mw: of the whole chip's logic.
        sram_leakage_mw: of all its SRAM.
        pll_mw: clock generator, on the input rail.
    """

    voltage_v: Floats
    exists: Bools
    clock_ghz: Floats
    logic: Floats
    sram: Floats
    logic_input: Floats
    sram_input: Floats
    logic_leakage_mw: Floats
    sram_leakage_mw: Floats
    pll_mw: Floats

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

    def level(self, k: int) -> SupplyLevels:
        """Level k alone, as (1, n_designs, 1) arrays."""
        return SupplyLevels(
            **{name: getattr(self, name)[k : k + 1] for name in self.__dataclass_fields__}
        )


def level_counts(columns: AcceleratorColumns, t: Technology) -> Ints:
    """(n_designs,) levels from the highest supply down to the lowest, in steps of 25 mV."""
    span = columns.max_voltage_v - columns.min_voltage_v
    counts = np.floor(span / t.level_step_v + 1e-6).astype(np.int64) + 1
    return np.where(columns.dvfs_policy == _FIXED, 1, counts)


def supply_levels(
    columns: AcceleratorColumns, plan: Floorplan, structure: Ints, t: Technology
) -> SupplyLevels:
    """Levels of those designs; structure (n_designs,) is their place in the floorplan."""
    counts = level_counts(columns, t)
    step = np.arange(int(counts.max()))[:, None]
    exists = step < counts
    highest = columns.max_voltage_v
    # Rounded to the microvolt, so that 0.725 is 0.725 whichever supply it was counted from.
    voltage = np.round(highest - np.minimum(step, counts - 1) * t.level_step_v, 6)[:, :, None]
    return _levels(voltage, exists[:, :, None], columns, plan, structure, t)


def waiting_supply(
    columns: AcceleratorColumns, plan: Floorplan, structure: Ints, t: Technology
) -> SupplyLevels:
    """The one supply at which a chip waits for its deadline: the lowest that its policy uses."""
    lowest = np.where(columns.dvfs_policy == _FIXED, columns.max_voltage_v, columns.min_voltage_v)[
        None, :, None
    ]
    exists = np.ones(lowest.shape, dtype=np.bool_)
    return _levels(lowest, exists, columns, plan, structure, t)


def _levels(
    voltage_v: Floats,
    exists: Bools,
    columns: AcceleratorColumns,
    plan: Floorplan,
    structure: Ints,
    t: Technology,
) -> SupplyLevels:
    highest = columns.max_voltage_v[None, :, None]
    sram_v = sram_voltage_v(voltage_v, t)
    clock = clock_ghz(voltage_v, t)
    # The SRAM's floor may lie above a design's highest supply: its rail then needs that much.
    rail_v = np.maximum(highest, t.sram_floor_v)
    return SupplyLevels(
        voltage_v=voltage_v,
        exists=exists,
        clock_ghz=clock,
        logic=dynamic_factor(voltage_v, t),
        sram=dynamic_factor(sram_v, t),
        logic_input=supply_factor(voltage_v, rail_v, t),
        sram_input=supply_factor(sram_v, rail_v, t),
        logic_leakage_mw=plan.logic_leakage_mw[structure][None, :, None]
        * leakage_factor(voltage_v, t),
        sram_leakage_mw=plan.sram_leakage_mw[structure][None, :, None] * leakage_factor(sram_v, t),
        pll_mw=t.pll_energy_pj_per_cycle * clock,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignStep:
    """A step of many designs, gathered from their structures; arrays (n_designs, n_token_counts).

    Attributes:
        cycles: everything that takes cycles whatever the supply.
        racing: fetches whose eNVM may take longer than their cycles.
        logic_pj: switching energy of logic at the nominal supply.
        sram_pj: of SRAM.
        direct_pj: of what does not depend on the supply.
        envm_leakage_mw: (n_designs, 1).
    """

    cycles: Floats
    racing: tuple[Fetch, ...]
    logic_pj: Floats
    sram_pj: Floats
    direct_pj: Floats
    envm_leakage_mw: Floats


def sum_step(step: Step) -> DesignStep:
    """A step with its parts added up by rail, still one row for each structure."""
    cycles = step.gemm_cycles + step.special_cycles
    racing = []
    for fetch in step.fetches:
        busy = np.maximum(fetch.compute_cycles, fetch.load_cycles)
        # By the kind of store, not by who wins: a result must not depend on the rest of the batch.
        if not fetch.load_ns.any():
            cycles = cycles + busy
        else:
            racing.append(Fetch(busy, np.zeros_like(busy), fetch.load_ns))
    return DesignStep(
        cycles=cycles,
        racing=tuple(racing),
        logic_pj=sum((step.energy_pj[part] for part in LOGIC_PARTS), np.zeros_like(cycles)),
        sram_pj=sum((step.energy_pj[part] for part in SRAM_PARTS), np.zeros_like(cycles)),
        direct_pj=sum((step.energy_pj[part] for part in DIRECT_PARTS), np.zeros_like(cycles)),
        envm_leakage_mw=step.envm_leakage_mw,
    )


def take_step(step: DesignStep, structure: Ints) -> DesignStep:
    """The rows of those structures."""
    return DesignStep(
        cycles=step.cycles[structure],
        racing=tuple(
            Fetch(f.compute_cycles[structure], f.load_cycles[structure], f.load_ns[structure])
            for f in step.racing
        ),
        logic_pj=step.logic_pj[structure],
        sram_pj=step.sram_pj[structure],
        direct_pj=step.direct_pj[structure],
        envm_leakage_mw=step.envm_leakage_mw[structure],
    )


def step_latency_ns(step: DesignStep, levels: SupplyLevels) -> Floats:
    """(n_levels, n_designs, n_token_counts) time of a step at each level, ns."""
    period_ns = 1 / levels.clock_ghz
    latency: Floats = step.cycles * period_ns
    for fetch in step.racing:
        latency += np.maximum(fetch.compute_cycles * period_ns, fetch.load_ns)
    return latency


def step_energy_pj(
    step: DesignStep, latency_ns: Floats, levels: SupplyLevels, *, at_input: bool
) -> Floats:
    """(n_levels, n_designs, n_token_counts) energy of a step at each level, pJ.

    Args:
        step: the step.
        latency_ns: of the step.
        levels: supplies.
        at_input: energy drawn from the LDO's input (supply energy) or used behind it (core energy).
    """
    logic = levels.logic * levels.logic_input if at_input else levels.logic
    sram = levels.sram * levels.sram_input if at_input else levels.sram
    leakage_mw = levels.leakage_input_mw if at_input else levels.leakage_core_mw
    energy: Floats = step.logic_pj * logic
    energy += step.sram_pj * sram
    energy += step.direct_pj
    energy += latency_ns * (leakage_mw + levels.pll_mw + step.envm_leakage_mw)
    return energy
