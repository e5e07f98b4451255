"""The breakdown: where energy, time and area of a design go, as means over its sentences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.cost_table import CostTable
from hw_cost.evaluation import Block, StepsOf, evaluation, sentences
from hw_cost.execution import DIRECT_PARTS, LOGIC_PARTS, PARTS, SRAM_PARTS, execution
from hw_cost.groups import Groups, GroupsError
from hw_cost.sentence import Sentences
from hw_cost.supply import SupplyLevels
from hw_cost.technology import Technology
from hw_cost.units import Floats, Ints
from hw_cost.workload import Workload
from search_space import IdleAccounting, Scenario

ENERGY_PARTS: Final = (
    "mac",
    "sram",
    "weight_sram",
    "envm",
    "dram",
    "special_functions",
    "control",
    "leakage",
    "wake",
    "ldo",
    "idle",
)
LATENCY_PARTS: Final = ("wake", "gemm", "memory_stall", "special_functions", "dvfs_switch")


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

    @classmethod
    def undivided(cls, table: CostTable, weights: Floats) -> Breakdown:
        """The means of a cost table, each as one part ``whole``: of a model that knows no parts.

        Args:
            table: costs.
            weights: (n_groups,) share of sentences in each group.
        """
        return cls(
            energy_pj={"whole": table.energy_pj @ weights},
            latency_ns={"whole": table.latency_ns @ weights},
            area_mm2={"whole": table.area_mm2},
        )


def breakdown(
    workload: Workload,
    columns: AcceleratorColumns,
    groups: Groups,
    weights: Floats,
    scenario: Scenario,
    technology: Technology,
    *,
    steps_of: StepsOf = execution,
) -> Breakdown:
    """Parts that add up to the means of `cost_table`.

    Args:
        workload: as in `cost_table`.
        columns: designs.
        groups: sentences.
        weights: (n_groups,) share of sentences in each group; they sum to 1.
        scenario: deadline and idle accounting.
        technology: constants.
        steps_of: as in `cost_table`.

    Raises:
        GroupsError: the weights are not shares of the groups.
    """
    if weights.shape != (len(groups),) or weights.min() < 0 or abs(weights.sum() - 1) > 1e-6:
        raise GroupsError(
            f"Weights of shape {weights.shape} that sum to {weights.sum():g}: expected one share "
            f"of 0 or more for each of the {len(groups)} groups, with sum 1."
        )
    e = evaluation(workload, columns, groups, scenario, technology, steps_of)
    g = sentences(e)
    energy = {part: np.full(len(columns), np.nan) for part in ENERGY_PARTS}
    latency = {part: np.full(len(columns), np.nan) for part in LATENCY_PARTS}
    for block in (block for batch in e.batches() for block in batch.blocks()):
        rows = block.batch.rows[block.which]
        energy_means, latency_means = _means(block, g, weights)
        for part, values in energy_means.items():
            energy[part][rows] = values
        for part, values in latency_means.items():
            latency[part][rows] = values
    return Breakdown(
        energy_pj=energy,
        latency_ns=latency,
        area_mm2={name: e.masked(area) for name, area in e.area_mm2().items()},
    )


def _runs(
    g: Sentences,
    layer_counts: Ints,
    weights: Floats,
    chosen: Ints,
    n_tokens: int,
    n_levels: int,
) -> tuple[Floats, Floats]:
    """How often a sentence runs a step at a level, and changes to a level, on average.

    Args:
        g: the groups.
        layer_counts: (n_layers, n_kinds) layers of each kind among 2 ... p.
        weights: (n_groups,) shares.
        chosen: (n_designs, n_choices) levels.
        n_tokens: distinct token counts.
        n_levels: supplies.

    Returns:
        (n_designs, n_levels, n_token_counts, n_steps) runs, the start being the last step, and
        (n_designs, n_levels) changes.
    """
    kinds = layer_counts.shape[1]
    designs, choices = chosen.shape
    runs = np.zeros((designs, n_levels, n_tokens, kinds + 1))
    later = np.zeros((choices, kinds))
    np.add.at(later, g.choice, weights[:, None] * layer_counts[g.actual - 1])
    design = np.arange(designs)[:, None]
    where: Any = (design, chosen, g.choice_token[None], slice(0, kinds))
    np.add.at(runs, where, later[None])
    token_share = np.bincount(g.choice_token[g.choice], weights, n_tokens)
    runs[:, 0, :, g.kind_of_layer[0]] += token_share
    runs[:, 0, :, kinds] += token_share
    changes = np.zeros((designs, n_levels))
    leaving = np.bincount(g.choice, weights * (g.actual > 1), choices)
    np.add.at(changes, (design, chosen), leaving[None])
    return runs, changes


def _means(
    block: Block, g: Sentences, weights: Floats
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Mean energies and latencies by part of a block's designs."""
    batch = block.batch.take(block.which)
    e, levels, all_of_it = batch.whole, batch.levels(), np.arange(len(batch.rows))
    asleep, waiting = batch.sleep()
    designs = batch.designs(levels, asleep, waiting, at_input=True)
    chosen = np.zeros((len(all_of_it), len(g.choice_token)), dtype=np.int16)
    pj, ns = (np.empty((len(all_of_it), len(weights))) for _ in range(2))
    alone = replace(block, batch=batch, which=all_of_it)
    alone.run(designs, g, chosen, choose=True, rows=all_of_it, pj=pj, ns=ns)
    n_levels = levels.voltage_v.shape[1]
    runs, changes = _runs(
        g, e.layer_counts, weights, chosen.astype(np.int64), len(e.tokens), n_levels
    )

    steps, local = block.steps, block.local
    period_ns = (1 / levels.clock_ghz)[:, :, None, None]
    busy, load_cycles, load_ns = np.moveaxis(steps.fetches[local], -1, 0)
    gemm_ns = period_ns * busy.sum(axis=-1)[:, None]
    special_ns = period_ns * steps.special_cycles[local][:, None]
    at_level = period_ns[..., None]
    loads_ns = load_cycles[:, None] * at_level + load_ns[:, None]
    fetch_ns = np.maximum(busy[:, None] * at_level, loads_ns).sum(axis=-1)
    latency = {
        "wake": asleep.wake_ns,
        "gemm": (runs * gemm_ns).sum(axis=(1, 2, 3)),
        "memory_stall": (runs * np.maximum(fetch_ns - gemm_ns, 0)).sum(axis=(1, 2, 3)),
        "special_functions": (runs * special_ns).sum(axis=(1, 2, 3)),
        "dvfs_switch": (changes * levels.switch_ns).sum(axis=1),
    }
    time_ns = runs * (fetch_ns + special_ns)
    busy_ns = time_ns.sum(axis=(2, 3)) + changes * levels.switch_ns
    energy = _switching(steps.energy_pj[local], runs, levels)
    structure = batch.structure
    start_ns = time_ns[..., -1].sum(axis=(1, 2))
    stores_ns = time_ns.sum(axis=(1, 2, 3))
    envm_mw = e.stores.envm_mw[structure]
    energy["dram"] += e.stores.dram.active_mw[structure] * stores_ns
    energy["control"] += (levels.pll_mw * busy_ns).sum(axis=1)
    energy["leakage"] = (levels.leakage_core_mw * busy_ns).sum(axis=1)
    energy["leakage"] += envm_mw[:, 1:].sum(axis=1) * stores_ns + envm_mw[:, 0] * start_ns
    energy["ldo"] += ((levels.leakage_input_mw - levels.leakage_core_mw) * busy_ns).sum(axis=1)
    energy["wake"] = asleep.wake_pj
    slack_ns = np.maximum(g.deadline_ns - ns, 0) @ weights
    charged = e.scenario.idle is IdleAccounting.LEAKAGE
    energy["idle"] = waiting.leakage_input_mw[:, 0] * charged * slack_ns
    return energy, latency


def _switching(step_pj: Floats, runs: Floats, levels: SupplyLevels) -> dict[str, Floats]:
    """Switching energy by part, and what the LDO loses on it.

    Args:
        step_pj: (n_designs, n_token_counts, n_steps, 7) at the nominal supply.
        runs: (n_designs, n_levels, n_token_counts, n_steps).
        levels: supplies.
    """
    energy = {"ldo": np.zeros(len(step_pj))}
    for parts, factor, at_input in (
        (LOGIC_PARTS, levels.logic, levels.logic_input),
        (SRAM_PARTS, levels.sram, levels.sram_input),
        (DIRECT_PARTS, np.ones_like(levels.logic), np.ones_like(levels.logic)),
    ):
        used = np.einsum("dlsk,dl->dsk", runs, factor)
        lost = np.einsum("dlsk,dl->dsk", runs, factor * (at_input - 1))
        for part in parts:
            at_nominal = step_pj[..., PARTS.index(part)]
            energy[part] = (at_nominal * used).sum(axis=(1, 2))
            energy["ldo"] += (at_nominal * lost).sum(axis=(1, 2))
    return energy
