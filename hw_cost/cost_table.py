"""The cost table: energy and latency of one sentence of every group on every design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.evaluation import StepsOf, evaluation, sentences
from hw_cost.execution import execution
from hw_cost.feasibility import Condition, first_violation
from hw_cost.groups import Groups
from hw_cost.technology import Technology
from hw_cost.units import NS_PER_MS, Bools, Floats, Ints
from hw_cost.workload import Workload
from search_space import IdleAccounting, Scenario


class CostTableError(ValueError):
    """Arrays that are no costs of those designs and groups."""


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
        standby_power_mw: (n_designs,) drawn between sentences, as the scenario's power mode says.
        idle_power_mw: (n_designs,) part of every energy from the answer to the deadline; 0 unless
            the scenario charges it.
        wake_ns: (n_designs,) part of every latency: from the request to the first look-up.
        wake_pj: (n_designs,) part of every energy.
        storage_bits: (n_designs,) weights and embeddings, wherever they are.
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
    idle_power_mw: Floats
    wake_ns: Floats
    wake_pj: Floats
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

    @classmethod
    def of(
        cls,
        workload: Workload,
        columns: AcceleratorColumns,
        groups: Groups,
        scenario: Scenario,
        *,
        energy_pj: ArrayLike,
        latency_ns: ArrayLike,
        area_mm2: ArrayLike,
        reasons: Sequence[str | None] | None = None,
        voltage_v: ArrayLike | None = None,
        standby_power_mw: ArrayLike = 0.0,
        idle_power_mw: ArrayLike = 0.0,
        wake_ns: ArrayLike = 0.0,
        wake_pj: ArrayLike = 0.0,
        storage_bits: ArrayLike | None = None,
    ) -> CostTable:
        """The table of costs from elsewhere: what a cost model of one's own answers.

        Values of infeasible designs are not read. Optional values may be one number for all.

        Args:
            workload: as asked for.
            columns: as asked for.
            groups: as asked for.
            scenario: as asked for; its deadline says which sentences are late.
            energy_pj: (n_designs, n_groups) supply energy of one sentence, with what the scenario
                charges between the answer and the deadline.
            latency_ns: (n_designs, n_groups).
            area_mm2: (n_designs,).
            reasons: (n_designs,) why a design cannot run, in words; None where it can. All can by
                default.
            voltage_v: (n_designs, n_groups) supply of the layers after the first; by default the
                highest of the design.
            standby_power_mw: (n_designs,) drawn between sentences.
            idle_power_mw: (n_designs,) part of the energies from the answer to the deadline.
            wake_ns: (n_designs,) part of every latency.
            wake_pj: (n_designs,) part of every energy.
            storage_bits: (n_designs,); by default the bits of the workload's tensors.

        Raises:
            CostTableError: a shape is another one, a cost of a feasible design is not a number of 0
                or more, or a reason is empty.
        """
        n_designs, n_groups = len(columns), len(groups)
        told: list[str | None] = [None] * n_designs if reasons is None else list(reasons)
        if len(told) != n_designs:
            raise CostTableError(f"{len(told)} reasons for {n_designs} designs: expected as many.")
        if "" in told:
            raise CostTableError(f"The reason of design {told.index('')} is empty: expected words.")
        feasible = np.array([reason is None for reason in told], dtype=np.bool_)

        def costs(name: str, values: ArrayLike, *shape: int, one_for_all: bool = True) -> Floats:
            """Values of that shape, NaN for infeasible designs."""
            found = np.array(values, dtype=np.float64)
            if one_for_all and found.ndim == 0:
                found = np.broadcast_to(found, shape)
            if found.shape != shape:
                raise CostTableError(f"{name} has shape {found.shape}: expected {shape}.")
            runs = feasible.reshape(n_designs, *[1] * (len(shape) - 1))
            wrong = ~((found >= 0) & (found < np.inf)) & runs
            if wrong.any():
                place = tuple(int(i) for i in np.argwhere(wrong)[0])
                raise CostTableError(
                    f"{name} of feasible design {place[0]} is {found[place]}: expected a number of "
                    "0 or more, or a reason why the design cannot run."
                )
            result: Floats = np.where(runs, found, np.nan)
            return result

        table = n_designs, n_groups
        latency = costs("latency_ns", latency_ns, *table, one_for_all=False)
        supply = columns.max_voltage_v[:, None].repeat(n_groups, axis=1)
        stored = workload.stored_bits().total if storage_bits is None else storage_bits
        return cls(
            energy_pj=costs("energy_pj", energy_pj, *table, one_for_all=False),
            core_energy_pj=None,
            latency_ns=latency,
            missed=~(latency <= scenario.deadline_ms * NS_PER_MS),
            chosen_voltage_v=costs("voltage_v", supply if voltage_v is None else voltage_v, *table),
            chosen_column=np.arange(n_groups),
            area_mm2=costs("area_mm2", area_mm2, n_designs, one_for_all=False),
            standby_power_mw=costs("standby_power_mw", standby_power_mw, n_designs),
            idle_power_mw=costs("idle_power_mw", idle_power_mw, n_designs),
            wake_ns=costs("wake_ns", wake_ns, n_designs),
            wake_pj=costs("wake_pj", wake_pj, n_designs),
            storage_bits=costs("storage_bits", stored, n_designs),
            feasible=feasible,
            checks=(Condition(feasible, lambda design: str(told[design])),),
        )


def cost_table(
    workload: Workload,
    columns: AcceleratorColumns,
    groups: Groups,
    scenario: Scenario,
    technology: Technology,
    *,
    with_core_energy: bool = False,
    steps_of: StepsOf = execution,
) -> CostTable:
    """Costs of every design and group.

    Args:
        workload: an encoder as one setting of the model knobs leaves it.
        columns: designs.
        groups: sentences; token counts are taken as they are (padded already where padding is on).
        scenario: deadline and idle accounting.
        technology: constants.
        with_core_energy: also fill `CostTable.core_energy_pj`.
        steps_of: gives cycles and energies of the steps; ours by default.

    Raises:
        GroupsError: a group has more layers or tokens than the encoder.
    """
    e = evaluation(workload, columns, groups, scenario, technology, steps_of)
    shape = (len(columns), len(groups))
    g = sentences(e)
    energy, latency = np.full(shape, np.nan), np.full(shape, np.nan)
    core = np.full(shape, np.nan) if with_core_energy else None
    voltage = np.full((len(columns), len(g.choice_token)), np.nan)
    standby, idle, wake_ns, wake_pj = (np.full(len(columns), np.nan) for _ in range(4))
    charged = scenario.idle is IdleAccounting.LEAKAGE
    for batch in e.batches():
        rows, levels = batch.rows, batch.levels()
        asleep, waiting = batch.sleep()
        chosen = np.zeros((len(rows), len(g.choice_token)), dtype=np.int16)
        designs = batch.designs(levels, asleep, waiting, at_input=True)
        behind = (
            batch.designs(levels, asleep, waiting, at_input=False) if core is not None else None
        )
        for block in batch.blocks():
            block.run(designs, g, chosen, choose=True, rows=rows, pj=energy, ns=latency)
            if core is not None and behind is not None:
                block.run(behind, g, chosen, choose=False, rows=rows, pj=core, ns=latency)
        fits = e.feasible[rows]
        rows = rows[fits]
        standby[rows], wake_ns[rows] = asleep.standby_mw[fits], asleep.wake_ns[fits]
        wake_pj[rows] = asleep.wake_pj[fits]
        idle[rows] = waiting.leakage_input_mw[fits, 0] * charged
        voltage[rows] = np.take_along_axis(levels.voltage_v[fits], chosen[fits].astype(np.int64), 1)
    return CostTable(
        energy_pj=energy,
        core_energy_pj=core,
        latency_ns=latency,
        missed=~(latency <= scenario.deadline_ms * NS_PER_MS),
        chosen_voltage_v=voltage,
        chosen_column=g.choice,
        area_mm2=e.masked(sum(e.area_mm2().values(), np.zeros(len(columns)))),
        standby_power_mw=standby,
        idle_power_mw=idle,
        wake_ns=wake_ns,
        wake_pj=wake_pj,
        storage_bits=e.masked(np.full(len(columns), workload.stored_bits().total)),
        feasible=e.feasible,
        checks=e.checks,
    )
