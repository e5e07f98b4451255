"""The breakdown: where energy, time and area of a design go, as means over its sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.evaluation import (
    BlockCosts,
    Evaluation,
    GroupIndex,
    block_costs,
    evaluation,
    group_index,
    to_groups,
)
from hw_cost.groups import Groups, GroupsError
from hw_cost.supply import SupplyLevels
from hw_cost.tally import DIRECT_PARTS, LOGIC_PARTS, SRAM_PARTS, Step
from hw_cost.technology import Technology
from hw_cost.units import NS_PER_MS, Floats
from hw_cost.workload import Workload
from search_space import IdleAccounting, Scenario

ENERGY_PARTS: Final = (
    "mac",
    "sram",
    "weight_sram",
    "envm",
    "special_functions",
    "control",
    "leakage",
    "ldo",
    "idle",
)
LATENCY_PARTS: Final = ("gemm", "memory_stall", "special_functions", "dvfs_switch")
_BLOCK_DESIGNS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """Means over the sentences by part: (n_designs,) arrays, NaN for infeasible designs.

    Attributes:
        energy_pj: supply energy of a sentence; ``ldo`` is the loss in the regulator (core energy is
            the rest), ``idle`` what the scenario charges up to the deadline, loss included;
            ``control`` holds clock tree and clock generator.
        latency_ns: ``memory_stall`` is what loads and look-ups add to the cycles of the GEMMs.
        area_mm2: by block.
    """

    energy_pj: dict[str, Floats]
    latency_ns: dict[str, Floats]
    area_mm2: dict[str, Floats]


def breakdown(
    workload: Workload,
    columns: AcceleratorColumns,
    groups: Groups,
    weights: Floats,
    scenario: Scenario,
    technology: Technology,
) -> Breakdown:
    """Parts that add up to the means of `cost_table`.

    Args:
        workload: as in `cost_table`.
        columns: designs.
        groups: sentences.
        weights: (n_groups,) share of sentences in each group; they sum to 1.
        scenario: deadline and idle accounting.
        technology: constants.

    Raises:
        GroupsError: the weights are not shares of the groups.
    """
    if weights.shape != (len(groups),) or weights.min() < 0 or abs(weights.sum() - 1) > 1e-6:
        raise GroupsError(
            f"Weights of shape {weights.shape} that sum to {weights.sum():g}: expected one share "
            f"of 0 or more for each of the {len(groups)} groups, with sum 1."
        )
    e = evaluation(workload, columns, groups, scenario, technology)
    index = group_index(e)
    energy = {part: np.full(len(columns), np.nan) for part in ENERGY_PARTS}
    latency = {part: np.full(len(columns), np.nan) for part in LATENCY_PARTS}
    for rows in e.blocks(_BLOCK_DESIGNS):
        block = block_costs(e, rows)
        for part, values in _energy_means(e, block, index, weights).items():
            energy[part][rows] = values
        for part, values in _latency_means(e, block, index, weights).items():
            latency[part][rows] = values
    return Breakdown(
        energy_pj=energy,
        latency_ns=latency,
        area_mm2={name: e.masked(area) for name, area in e.area_mm2().items()},
    )


def _mean(
    start: Floats | float,
    layers: tuple[Floats, ...],
    switch: Floats,
    e: Evaluation,
    block: BlockCosts,
    index: GroupIndex,
    weights: Floats,
) -> Floats:
    """(n_designs,) mean of a quantity over the groups.

    Args:
        start: (n_designs, n_token_counts) of the start.
        layers: for each kind of layer at every level, (n_levels, n_designs, n_token_counts).
        switch: (n_levels, n_designs, 1) of a change to that level.
        e: the call.
        block: the designs.
        index: of the groups.
        weights: (n_groups,) shares.
    """
    first = start + layers[e.workload.kind_of_layer[0]][0]
    once = block.chosen.once_table(first, switch)
    mean: Floats = once @ np.bincount(index.once, weights, once.shape[1])
    for layer, count in zip(layers, index.counts, strict=True):
        rest = block.chosen.rest_table(layer)
        mean = mean + rest @ np.bincount(index.rest, weights * count, rest.shape[1])
    return mean


def _part_pj(
    step: Step, step_ns: Floats, levels: SupplyLevels, block: BlockCosts
) -> dict[str, Floats]:
    """Energy of a step at every level by part; loss in the LDO apart."""
    here = {part: energy[block.structure] for part, energy in step.energy_pj.items()}
    parts = {part: here[part] * levels.logic for part in LOGIC_PARTS}
    parts |= {part: here[part] * levels.sram for part in SRAM_PARTS}
    logic_pj = sum((parts[part] for part in LOGIC_PARTS), np.zeros_like(step_ns))
    sram_pj = sum((parts[part] for part in SRAM_PARTS), np.zeros_like(step_ns))
    parts |= {part: np.broadcast_to(here[part], step_ns.shape) for part in DIRECT_PARTS}
    parts["control"] = parts["control"] + levels.pll_mw * step_ns
    envm_mw = step.envm_leakage_mw[block.structure]
    parts["leakage"] = step_ns * (levels.leakage_core_mw + envm_mw)
    parts["ldo"] = (
        logic_pj * (levels.logic_input - 1)
        + sram_pj * (levels.sram_input - 1)
        + step_ns * (levels.leakage_input_mw - levels.leakage_core_mw)
    )
    return parts


def _energy_means(
    e: Evaluation, block: BlockCosts, index: GroupIndex, weights: Floats
) -> dict[str, Floats]:
    levels = block.levels
    start = _part_pj(e.run.start, block.start_ns, levels.level(0), block)
    layers = [
        _part_pj(step, ns, levels, block)
        for step, ns in zip(e.run.layers, block.layer_ns, strict=True)
    ]
    switch_ns = e.technology.dvfs_switch_ns
    switch = {part: np.zeros_like(block.switch_mw) for part in start}
    switch["control"] = levels.pll_mw * switch_ns
    switch["leakage"] = levels.leakage_core_mw * switch_ns
    switch["ldo"] = (levels.leakage_input_mw - levels.leakage_core_mw) * switch_ns
    means = {
        part: _mean(
            start[part][0],
            tuple(layer[part] for layer in layers),
            switch[part],
            e,
            block,
            index,
            weights,
        )
        for part in start
    }
    means["idle"] = np.zeros(len(block.columns))
    if e.scenario.idle is IdleAccounting.LEAKAGE:
        times = np.empty((len(block.columns), len(weights)))
        once = block.chosen.once_table(block.first_ns, np.full_like(block.switch_mw, switch_ns))
        to_groups(once, tuple(block.chosen.rest_table(ns) for ns in block.layer_ns), index, times)
        slack_ns = np.maximum(e.scenario.deadline_ms * NS_PER_MS - times, 0)
        means["idle"] = block.idle_mw[:, 0] * (slack_ns @ weights)
    return means


def _latency_means(
    e: Evaluation, block: BlockCosts, index: GroupIndex, weights: Floats
) -> dict[str, Floats]:
    levels = block.levels

    def part_ns(step: Step, step_ns: Floats, at: SupplyLevels) -> dict[str, Floats]:
        period_ns = 1 / at.clock_ghz
        cycles = step.gemm_cycles + sum(
            (fetch.compute_cycles for fetch in step.fetches), np.zeros_like(step.gemm_cycles)
        )
        gemm = cycles[block.structure] * period_ns
        special = step.special_cycles[block.structure] * period_ns
        return {
            "gemm": gemm,
            "special_functions": special,
            "memory_stall": np.maximum(step_ns - gemm - special, 0),
        }

    start = part_ns(e.run.start, block.start_ns, levels.level(0))
    layers = [
        part_ns(step, ns, levels) for step, ns in zip(e.run.layers, block.layer_ns, strict=True)
    ]
    none = np.zeros_like(block.switch_mw)
    means = {
        part: _mean(start[part][0], tuple(x[part] for x in layers), none, e, block, index, weights)
        for part in start
    }
    nothing = tuple(np.zeros_like(ns) for ns in block.layer_ns)
    change = np.full_like(none, e.technology.dvfs_switch_ns)
    means["dvfs_switch"] = _mean(0.0, nothing, change, e, block, index, weights)
    return means
