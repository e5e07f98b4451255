"""The cost table: energy and latency of one sentence of every group on every design."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.evaluation import (
    BlockCosts,
    Evaluation,
    block_costs,
    evaluation,
    group_index,
    to_groups,
)
from hw_cost.feasibility import Condition, first_violation
from hw_cost.groups import Groups
from hw_cost.supply import step_energy_pj, take_step
from hw_cost.technology import Technology
from hw_cost.units import NS_PER_MS, Bools, Floats, Ints
from hw_cost.workload import Workload
from search_space import IdleAccounting, Scenario

_BLOCK_DESIGNS: Final = 32


@dataclass(frozen=True, kw_only=True)
class CostTable:
    """Costs of n_designs designs and n_groups groups. Rows of infeasible designs are NaN.

    Attributes:
        energy_pj: (n_designs, n_groups) supply energy of one sentence: LDO loss included, and what
            the scenario charges up to the deadline.
        core_energy_pj: (n_designs, n_groups) the same behind the LDO; None unless asked for.
        latency_ns: (n_designs, n_groups).
        missed: (n_designs, n_groups) latency above the deadline; True for infeasible designs.
        chosen_voltage_v: (n_designs, n_choices) supply for each predicted layer and token count.
        chosen_column: (n_groups,) the choice that a group belongs to.
        area_mm2: (n_designs,).
        standby_power_mw: (n_designs,) drawn between sentences: SRAM that holds weights or
            embeddings is retained at its floor voltage, eNVM, buffers and logic are gated.
        storage_bits: (n_designs,) weights and embeddings on the chip.
        feasible: (n_designs,).
        checks: the conditions behind `feasible`.
    """

    energy_pj: Floats
    core_energy_pj: Floats | None
    latency_ns: Floats
    missed: Bools
    chosen_voltage_v: Floats
    chosen_column: Ints
    area_mm2: Floats
    standby_power_mw: Floats
    storage_bits: Floats
    feasible: Bools
    checks: tuple[Condition, ...]

    @cached_property
    def voltage_v(self) -> Floats:
        """(n_designs, n_groups) supply of the layers after the first.

        It is chosen for the predicted layer; the highest one where the prediction is layer 1.
        """
        return self.chosen_voltage_v[:, self.chosen_column]

    def reason(self, design: int) -> str | None:
        """The first condition that a design breaks, in words; None for a feasible design."""
        return first_violation(self.checks, design)


def cost_table(
    workload: Workload,
    columns: AcceleratorColumns,
    groups: Groups,
    scenario: Scenario,
    technology: Technology,
    *,
    with_core_energy: bool = False,
) -> CostTable:
    """Costs of every design and group.

    Args:
        workload: an encoder as one setting of the model knobs leaves it.
        columns: designs.
        groups: sentences; token counts are taken as they are (padded already where padding is on).
        scenario: deadline and idle accounting.
        technology: constants.
        with_core_energy: also fill `CostTable.core_energy_pj`.

    Raises:
        GroupsError: a group has more layers or tokens than the encoder.
    """
    e = evaluation(workload, columns, groups, scenario, technology)
    shape = (len(columns), len(groups))
    energy, latency = np.empty(shape), np.empty(shape)
    voltage = np.full((len(columns), len(e.layer_counts) * len(e.tokens)), np.nan)
    core = np.empty(shape) if with_core_energy else None
    missed = np.ones(shape, dtype=np.bool_)
    for table in (energy, latency, core):
        if table is not None and not e.feasible.all():
            table[~e.feasible] = np.nan
    index = group_index(e)
    deadline_ns = scenario.deadline_ms * NS_PER_MS
    for rows in e.blocks(_BLOCK_DESIGNS):
        block = block_costs(e, rows)
        times = _scratch(rows, latency)
        to_groups(
            block.chosen.once_table(
                block.first_ns, np.full_like(block.switch_mw, technology.dvfs_switch_ns)
            ),
            tuple(block.chosen.rest_table(ns) for ns in block.layer_ns),
            index,
            times,
        )
        _put(latency, rows, times)
        missed[rows] = times > deadline_ns
        voltage[rows] = block.chosen.supply_table(block.levels.voltage_v)
        for at_input, target in ((True, energy), (False, core)):
            if target is None:
                continue
            values = _scratch(rows, target)
            to_groups(*_energy_tables(e, block, at_input=at_input), index, values)
            if scenario.idle is IdleAccounting.LEAKAGE:
                waiting = block.waiting
                idle_mw = waiting.leakage_input_mw if at_input else waiting.leakage_core_mw
                values += idle_mw[0] * np.maximum(deadline_ns - times, 0)
            _put(target, rows, values)
    return CostTable(
        energy_pj=energy,
        core_energy_pj=core,
        latency_ns=latency,
        missed=missed,
        chosen_voltage_v=voltage,
        chosen_column=index.rest,
        area_mm2=e.masked(sum(e.area_mm2().values(), np.zeros(len(columns)))),
        standby_power_mw=e.masked(e.standby_power_mw()),
        storage_bits=e.masked(np.full(len(columns), workload.stored_bits().total)),
        feasible=e.feasible,
        checks=e.checks,
    )


def _energy_tables(
    e: Evaluation, block: BlockCosts, *, at_input: bool
) -> tuple[Floats, tuple[Floats, ...]]:
    """Energy of what a sentence does once, and of one layer of each kind, by design."""
    highest = block.levels.level(0)
    start = take_step(e.start, block.structure)
    start_pj = step_energy_pj(start, block.start_ns, highest, at_input=at_input)[0]
    if at_input:
        layer_pj, switch_mw = block.layer_pj, block.switch_mw
    else:
        layer_pj = tuple(
            step_energy_pj(take_step(step, block.structure), ns, block.levels, at_input=False)
            for step, ns in zip(e.layers, block.layer_ns, strict=True)
        )
        switch_mw = block.levels.leakage_core_mw + block.levels.pll_mw
    first_pj = start_pj + layer_pj[e.workload.kind_of_layer[0]][0]
    switch_pj = switch_mw * e.technology.dvfs_switch_ns
    return (
        block.chosen.once_table(first_pj, switch_pj),
        tuple(block.chosen.rest_table(pj) for pj in layer_pj),
    )


def _scratch(rows: Ints, table: Floats) -> Floats:
    """Where to write those rows: the table itself if they follow each other, else new memory."""
    if bool((np.diff(rows) == 1).all()):
        return table[rows[0] : rows[-1] + 1]
    return np.empty((len(rows), table.shape[1]))


def _put(table: Floats, rows: Ints, values: Floats) -> None:
    """Copies what `_scratch` could not place in the table itself."""
    if values.base is not table:
        table[rows] = values
