"""Evaluation: what cost table and breakdown share, from distinct structures to chosen supplies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.area import Floorplan, floorplan, ldo_area_mm2
from hw_cost.dvfs import chosen_levels
from hw_cost.execution import Execution, execution
from hw_cost.feasibility import Condition, all_hold, conditions
from hw_cost.groups import Groups, GroupsError
from hw_cost.supply import (
    DesignStep,
    SupplyLevels,
    level_counts,
    step_energy_pj,
    step_latency_ns,
    sum_step,
    supply_levels,
    take_step,
    waiting_supply,
)
from hw_cost.technology import Technology
from hw_cost.units import NS_PER_MS, Bools, Floats, Ints
from hw_cost.voltage import leakage_factor, supply_factor
from hw_cost.workload import Workload
from search_space import IdleAccounting, Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One call: designs, groups and the execution on the designs' distinct structures.

    Attributes:
        workload: the encoder.
        columns: n_designs designs.
        scenario: deadline and idle accounting.
        technology: constants.
        tokens: (n_token_counts,) distinct token counts of the groups.
        token: (n_groups,) index into `tokens`.
        predicted: (n_groups,) predicted layer.
        actual: (n_groups,) actual layer.
        layer_counts: (n_layers, n_kinds) layers of each kind among 2 ... p.
        structure: (n_designs,) index of the design's structure.
        run: execution on the structures.
        plan: area and leakage of the structures.
        start: start step by rail.
        layers: layer steps by rail, one for each kind.
        checks: feasibility conditions.
        feasible: (n_designs,).
    """

    workload: Workload
    columns: AcceleratorColumns
    scenario: Scenario
    technology: Technology
    tokens: Ints
    token: Ints
    predicted: Ints
    actual: Ints
    layer_counts: Ints
    structure: Ints
    run: Execution
    plan: Floorplan
    start: DesignStep
    layers: tuple[DesignStep, ...]
    checks: tuple[Condition, ...]
    feasible: Bools

    def blocks(self, block_designs: int) -> Iterator[Ints]:
        """Feasible designs in blocks small enough for the processor's cache.

        Designs of one policy and with as many levels stand together: the longest list costs.
        """
        rows = np.flatnonzero(self.feasible)
        counts = level_counts(self.columns, self.technology)[rows]
        rows = rows[np.lexsort((rows, counts, self.columns.dvfs_policy[rows]))]
        for first in range(0, len(rows), block_designs):
            yield rows[first : first + block_designs]

    def area_mm2(self) -> dict[str, Floats]:
        """Area by block, (n_designs,)."""
        blocks = {name: area[self.structure] for name, area in self.plan.area_mm2.items()}
        # An infeasible supply has no clock to size the LDO for; its row is masked later.
        supply = np.where(self.feasible, self.columns.max_voltage_v, 1.0)
        blocks["ldo"] = ldo_area_mm2(
            self.plan.full_cycle_pj[self.structure], supply, self.technology
        )
        return blocks

    def standby_power_mw(self) -> Floats:
        """(n_designs,) drawn between sentences: weight SRAM retained at its floor, rest gated."""
        t = self.technology
        floor = np.full(len(self.columns), t.sram_floor_v)
        rail = np.maximum(self.columns.max_voltage_v, floor)
        power: Floats = (
            self.plan.weight_sram_leakage_mw
            * leakage_factor(floor, t)
            * supply_factor(floor, rail, t)
        )
        return power

    def masked(self, values: Floats) -> Floats:
        """(n_designs, ...) values with NaN in the rows of infeasible designs."""
        shape = (-1,) + (1,) * (values.ndim - 1)
        return np.where(self.feasible.reshape(shape), values, np.nan)


def evaluation(
    workload: Workload,
    columns: AcceleratorColumns,
    groups: Groups,
    scenario: Scenario,
    technology: Technology,
) -> Evaluation:
    """What does not depend on the supply, for all designs and groups.

    Raises:
        GroupsError: a group has more layers or tokens than the encoder.
    """
    technology = technology.at_temperature(scenario.temperature_k)
    shape = workload.shape
    if groups.predicted_layer.max() > shape.layers:
        raise GroupsError(
            f"Predicted layer {groups.predicted_layer.max()} of a group: expected at most the "
            f"{shape.layers} layers of the encoder."
        )
    if groups.tokens.max() > shape.positions:
        raise GroupsError(
            f"Group of {groups.tokens.max()} tokens: expected at most the {shape.positions} "
            "positions of the encoder."
        )
    tokens, token = np.unique(groups.tokens.astype(np.int64), return_inverse=True)
    structures, structure = columns.structure()
    run = execution(workload, structures, tokens, technology)
    checks = conditions(workload, columns, run, structure, int(tokens[-1]), technology)
    of_layer = np.array(workload.kind_of_layer)
    kinds = of_layer[:, None] == np.arange(len(workload.layer_kinds))
    kinds[0] = False  # layer 1 is always run, at the highest supply
    return Evaluation(
        workload=workload,
        columns=columns,
        scenario=scenario,
        technology=technology,
        tokens=tokens,
        token=token.astype(np.int64),
        predicted=groups.predicted_layer.astype(np.int64),
        actual=groups.actual_layer.astype(np.int64),
        layer_counts=kinds.cumsum(axis=0)[: int(groups.predicted_layer.max())],
        structure=structure,
        run=run,
        plan=floorplan(structures, workload, run.arrays, run.stores, technology),
        start=sum_step(run.start),
        layers=tuple(sum_step(layer) for layer in run.layers),
        checks=checks,
        feasible=all_hold(checks),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCosts:
    """Supplies chosen for a block of designs and what follows from them.

    Attributes:
        columns: the designs.
        structure: (n_designs,).
        levels: their supplies.
        waiting: supply until the deadline.
        first_ns: (n_designs, n_token_counts) start and layer 1.
        start_ns: (n_levels, n_designs, n_token_counts) of the start.
        layer_ns: for each kind, same shape.
        layer_pj: for each kind, supply energy, same shape.
        chosen: level for each prediction.
        switch_mw: (n_levels, n_designs, 1) power during a change of level.
        idle_mw: (n_designs, 1) power charged up to the deadline.
    """

    columns: AcceleratorColumns
    structure: Ints
    levels: SupplyLevels
    waiting: SupplyLevels
    first_ns: Floats
    start_ns: Floats
    layer_ns: tuple[Floats, ...]
    layer_pj: tuple[Floats, ...]
    chosen: ChosenLevels
    switch_mw: Floats
    idle_mw: Floats


def block_costs(e: Evaluation, rows: Ints) -> BlockCosts:
    """Supplies chosen for those designs, all feasible."""
    t = e.technology
    columns, structure = e.columns.take(rows), e.structure[rows]
    levels = supply_levels(columns, e.plan, structure, t)
    waiting = waiting_supply(columns, e.plan, structure, t)
    steps = [take_step(step, structure) for step in e.layers]
    layer_ns = tuple(step_latency_ns(step, levels) for step in steps)
    layer_pj = tuple(
        step_energy_pj(step, ns, levels, at_input=True)
        for step, ns in zip(steps, layer_ns, strict=True)
    )
    start_ns = step_latency_ns(take_step(e.start, structure), levels.level(0))
    first_ns = start_ns[0] + layer_ns[e.workload.kind_of_layer[0]][0]
    switch_mw = levels.leakage_input_mw + levels.pll_mw
    charged = e.scenario.idle is IdleAccounting.LEAKAGE
    idle_mw = waiting.leakage_input_mw[0] * charged
    return BlockCosts(
        columns=columns,
        structure=structure,
        levels=levels,
        waiting=waiting,
        first_ns=first_ns,
        start_ns=start_ns,
        layer_ns=layer_ns,
        layer_pj=layer_pj,
        chosen=ChosenLevels.of(
            chosen_levels(
                first_ns=first_ns,
                layer_ns=layer_ns,
                layer_pj=layer_pj,
                layer_counts=e.layer_counts,
                exists=levels.exists,
                switch_ns=t.dvfs_switch_ns,
                switch_mw=switch_mw,
                idle_mw=idle_mw,
                deadline_ns=e.scenario.deadline_ms * NS_PER_MS,
                policy=columns.dvfs_policy,
            )
        ),
        switch_mw=switch_mw,
        idle_mw=idle_mw,
    )


@dataclass(frozen=True, slots=True)
class GroupIndex:
    """Where the cost of each group is found.

    A sentence costs its first layer, a change of supply if the chosen level is not the first and a
    second layer runs, and its further layers at the chosen level.

    Attributes:
        once: (n_groups,) column of a `once_table`: token count, and prediction if layer 2 runs.
        rest: (n_groups,) column of a `rest_table`: token count and prediction.
        counts: (n_kinds, n_groups) layers of each kind that run after the first.
    """

    once: Ints
    rest: Ints
    counts: Floats


def group_index(e: Evaluation) -> GroupIndex:
    """Columns of the groups."""
    n = len(e.tokens)
    return GroupIndex(
        once=np.where(e.actual == 1, 0, e.predicted) * n + e.token,
        rest=(e.predicted - 1) * n + e.token,
        counts=e.layer_counts[e.actual - 1].T.astype(np.float64),
    )


@dataclass(frozen=True, slots=True)
class ChosenLevels:
    """The levels chosen for a block of designs, as flat indices that several tables are read by.

    Attributes:
        step: (n_designs, n_layers, n_token_counts) into (n_levels, n_designs, n_token_counts).
        supply: the same shape, into (n_levels, n_designs, 1).
    """

    step: Ints
    supply: Ints

    @classmethod
    def of(cls, chosen: Ints) -> ChosenLevels:
        """Flat indices of levels (n_layers, n_designs, n_token_counts)."""
        level = chosen.transpose(1, 0, 2)
        designs, _, tokens = level.shape
        design = np.arange(designs)[:, None, None]
        supply = level * designs + design
        return cls(step=supply * tokens + np.arange(tokens), supply=supply)

    def once_table(self, first: Floats, switch: Floats) -> Floats:
        """(n_designs, (1 + n_layers) * n_token_counts): first layer without and with the switch.

        Args:
            first: (n_designs, n_token_counts) cost of start and layer 1.
            switch: (n_levels, n_designs, 1) cost of a change to that level.
        """
        change = switch.copy()
        change[0] = 0.0
        designs, layers, tokens = self.supply.shape
        table = np.empty((designs, 1 + layers, tokens))
        table[:, 0] = first
        np.add(first[:, None], change.ravel().take(self.supply), out=table[:, 1:])
        return table.reshape(designs, -1)

    def rest_table(self, per_level: Floats) -> Floats:
        """(n_designs, n_layers * n_token_counts): cost of one layer at the chosen level."""
        table: Floats = per_level.ravel().take(self.step)
        return table.reshape(len(table), -1)

    def supply_table(self, per_level: Floats) -> Floats:
        """The same for a quantity (n_levels, n_designs, 1) that does not depend on the tokens."""
        table: Floats = per_level.ravel().take(self.supply)
        return table.reshape(len(table), -1)


def to_groups(once: Floats, rest: tuple[Floats, ...], index: GroupIndex, out: Floats) -> None:
    """Writes the cost of every group, (n_designs, n_groups), into ``out``."""
    np.take(rest[0], index.rest, axis=1, out=out, mode="clip")
    out *= index.counts[0]
    for table, count in zip(rest[1:], index.counts[1:], strict=True):
        if count.any():
            out += np.take(table, index.rest, axis=1, mode="clip") * count
    out += np.take(once, index.once, axis=1, mode="clip")
