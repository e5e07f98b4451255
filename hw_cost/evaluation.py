"""Evaluation: what cost table and breakdown share, from distinct structures to chosen supplies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.area import Floorplan, floorplan, ldo_area_mm2
from hw_cost.chip import Chips, chips_of, take_chips
from hw_cost.execution import Steps, execution
from hw_cost.feasibility import Condition, all_hold, buffer_condition, conditions
from hw_cost.groups import Groups, GroupsError
from hw_cost.sentence import Designs, Sentences, sentence_costs
from hw_cost.sleep import Sleep, sleep
from hw_cost.stores import Stores, stores
from hw_cost.supply import SupplyLevels, level_counts, supply_levels, waiting_supply
from hw_cost.technology import Technology
from hw_cost.units import NS_PER_MS, Bools, Floats, Ints, Levels
from hw_cost.work import Model, Rates, Work, model_of, rates_of, work_of
from hw_cost.workload import Workload
from search_space import IdleAccounting, Scenario

_BLOCK_STEPS: Final = 4_096
"""Structures times token counts that are worked out at once: what a cache close by holds."""

_BATCH_DESIGNS: Final = 8_192
"""Designs whose supplies are worked out at once: some tens of megabytes."""


class StepsOf(Protocol):
    """What gives the steps of some work on some chips; `hw_cost.execution.execution` is ours."""

    def __call__(
        self, model: Model, rates: Rates, work: Work, chips: Chips, /, *, detailed: bool = False
    ) -> Steps:
        """Steps of the work on those chips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One call: designs, groups and what follows from the designs' distinct structures.

    Attributes:
        workload: the encoder.
        columns: n_designs designs.
        scenario: deadline and idle accounting.
        technology: constants.
        steps_of: gives the steps.
        tokens: (n_token_counts,) distinct token counts of the groups.
        token: (n_groups,) index into `tokens`.
        predicted: (n_groups,) predicted layer.
        actual: (n_groups,) actual layer.
        layer_counts: (n_layers, n_kinds) layers of each kind among 2 ... p.
        structure: (n_designs,) index of the design's structure.
        chips: the structures.
        stores: their stores.
        plan: their area and leakage.
        checks: feasibility conditions; that of the data buffers is the last.
        feasible: (n_designs,); the buffers are looked at by `Batch.blocks`.
        least_bits: (n_designs,) data-buffer bits needed; filled by `Batch.blocks`.
    """

    workload: Workload
    columns: AcceleratorColumns
    scenario: Scenario
    technology: Technology
    steps_of: StepsOf
    tokens: Ints
    token: Ints
    predicted: Ints
    actual: Ints
    layer_counts: Ints
    structure: Ints
    chips: Chips
    stores: Stores
    plan: Floorplan
    checks: tuple[Condition, ...]
    feasible: Bools
    least_bits: Floats

    def batches(self) -> Iterator[Batch]:
        """Feasible designs in batches, those of a structure together."""
        rows = np.flatnonzero(self.feasible)
        rows = rows[np.argsort(self.structure[rows], kind="stable")]
        for first in range(0, len(rows), _BATCH_DESIGNS):
            here = rows[first : first + _BATCH_DESIGNS]
            yield Batch(self, here, self.columns.take(here), self.structure[here])

    def area_mm2(self) -> dict[str, Floats]:
        """Area by block, (n_designs,)."""
        blocks = {name: area[self.structure] for name, area in self.plan.area_mm2.items()}
        # An infeasible supply has no clock to size the LDO for; its row is masked later.
        supply = np.where(self.feasible, self.columns.max_voltage_v, 1.0)
        blocks["ldo"] = ldo_area_mm2(
            self.plan.full_cycle_pj[self.structure], supply, self.technology
        )
        return blocks

    def masked(self, values: Floats) -> Floats:
        """(n_designs,) values with NaN for infeasible designs."""
        return np.where(self.feasible, values, np.nan)


def evaluation(
    workload: Workload,
    columns: AcceleratorColumns,
    groups: Groups,
    scenario: Scenario,
    technology: Technology,
    steps_of: StepsOf = execution,
) -> Evaluation:
    """What does not depend on the supply, for all designs and groups.

    Args:
        workload: an encoder as one setting of the model knobs leaves it.
        columns: designs.
        groups: sentences.
        scenario: deadline and idle accounting.
        technology: constants.
        steps_of: gives the steps; those of this project by default.

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
    if groups.tokens.max() > shape.longest_sentence:
        raise GroupsError(
            f"Group of {groups.tokens.max()} tokens: expected at most the "
            f"{shape.longest_sentence} positions of the encoder."
        )
    tokens, token = np.unique(groups.tokens.astype(np.int64), return_inverse=True)
    structures, structure = columns.structure()
    held = stores(workload, structures, technology)
    plain = chips_of(structures, workload, held, technology)
    plan = floorplan(structures, workload, plain, held, technology)
    static_mw = plan.logic_leakage_mw + plan.sram_leakage_mw + technology.pll_energy_pj_per_cycle
    static_mw = static_mw + held.envm_mw[:, 1:].sum(axis=1) + held.dram.active_mw
    mode = scenario.power_mode
    checks = conditions(workload, columns, held, structure, mode, technology)
    feasible, least_bits = all_hold(checks), np.zeros(len(columns))
    buffers = buffer_condition(columns, feasible, least_bits, int(tokens[-1]))
    of_layer = np.array(workload.kind_of_layer)
    kinds = of_layer[:, None] == np.arange(len(workload.layer_kinds))
    kinds[0] = False  # layer 1 is always run, at the highest supply
    return Evaluation(
        workload=workload,
        columns=columns,
        scenario=scenario,
        technology=technology,
        steps_of=steps_of,
        tokens=tokens,
        token=token.astype(np.int64),
        predicted=groups.predicted_layer.astype(np.int64),
        actual=groups.actual_layer.astype(np.int64),
        layer_counts=kinds.cumsum(axis=0),
        structure=structure,
        chips=plain._replace(static_mw=static_mw),
        stores=held,
        plan=plan,
        checks=(*checks, buffers),
        feasible=feasible,
        least_bits=least_bits,
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """Some designs that nothing but the buffers can make infeasible.

    Attributes:
        whole: the evaluation that they are part of.
        rows: (n,) their places among all designs.
        columns: the designs.
        structure: (n,) their places among all structures, in rising order.
    """

    whole: Evaluation
    rows: Ints
    columns: AcceleratorColumns
    structure: Ints

    def take(self, which: Ints) -> Batch:
        """Some of them."""
        return Batch(self.whole, self.rows[which], self.columns.take(which), self.structure[which])

    def blocks(self, *, detailed: bool = False) -> Iterator[Block]:
        """Blocks whose steps stay small; fills feasibility and need of the buffers."""
        e = self.whole
        begins = np.flatnonzero(np.diff(self.structure, prepend=-1))
        wanted, ends = self.structure[begins], np.append(begins, len(self.rows))
        place = np.repeat(np.arange(len(wanted)), np.diff(ends))
        model, rates = model_of(e.workload), rates_of(e.technology)
        work = work_of(e.workload, e.tokens, e.chips.n, e.chips.units, e.technology)
        chips = take_chips(e.chips, wanted)
        size = max(_BLOCK_STEPS // (len(e.tokens) * (len(work.spans) + 1)), 16)
        for first in range(0, len(wanted), size):
            last = min(first + size, len(wanted))
            here = take_chips(chips, slice(first, last))
            steps = e.steps_of(model, rates, work, here, detailed=detailed)
            which = np.arange(ends[first], ends[last])
            local = place[which] - first
            e.least_bits[self.rows[which]] = steps.least_bits[local]
            if not steps.fits.all():
                fits = steps.fits[local]
                e.feasible[self.rows[which[~fits]]] = False
                which, local = which[fits], local[fits]
            if len(which):
                yield Block(self, which, local, steps)

    def levels(self) -> SupplyLevels:
        """Their supplies."""
        e = self.whole
        return supply_levels(self.columns, e.plan, self.structure, e.technology)

    def sleep(self) -> tuple[Sleep, SupplyLevels]:
        """Their sleep, and the supply that they wait at."""
        e = self.whole
        waiting = waiting_supply(self.columns, e.plan, self.structure, e.technology)
        asleep = sleep(
            e.workload,
            self.columns,
            e.plan,
            e.stores,
            self.structure,
            waiting,
            e.scenario.power_mode,
            e.technology,
        )
        return asleep, waiting

    def designs(
        self, levels: SupplyLevels, asleep: Sleep, waiting: SupplyLevels, *, at_input: bool
    ) -> Designs:
        """What the compiled costs read: energies at the LDO's input, or behind it."""
        e = self.whole
        structure, columns = self.structure, self.columns
        envm_mw, dram_mw = e.stores.envm_mw[structure], e.stores.dram.active_mw[structure]
        charged = e.scenario.idle is IdleAccounting.LEAKAGE
        leakage_mw = levels.leakage_input_mw if at_input else levels.leakage_core_mw
        idle_mw = waiting.leakage_input_mw if at_input else waiting.leakage_core_mw
        return Designs(
            policy=columns.dvfs_policy,
            levels=level_counts(columns),
            period_ns=1 / levels.clock_ghz,
            logic=levels.logic * levels.logic_input if at_input else levels.logic,
            sram=levels.sram * levels.sram_input if at_input else levels.sram,
            static_mw=leakage_mw + levels.pll_mw,
            switch_ns=levels.switch_ns,
            idle_mw=idle_mw[:, 0] * charged,
            wake_ns=asleep.wake_ns,
            wake_pj=asleep.wake_pj,
            first_mw=envm_mw.sum(axis=1) + dram_mw,
            layer_mw=envm_mw[:, 1:].sum(axis=1) + dram_mw,
        )


@dataclass(frozen=True, slots=True)
class Block:
    """Designs of a batch that can run, with the steps of their structures.

    Attributes:
        batch: of the designs.
        which: (n,) their places in the batch.
        local: (n,) places of their structures in the steps.
        steps: of the structures.
    """

    batch: Batch
    which: Ints
    local: Ints
    steps: Steps

    def run(
        self,
        x: Designs,
        g: Sentences,
        chosen: Levels,
        *,
        choose: bool,
        rows: Ints,
        pj: Floats,
        ns: Floats,
    ) -> None:
        """Costs of the groups into ``pj`` and ``ns``; see `hw_cost.sentence.sentence_costs`."""
        steps = self.steps
        sentence_costs(
            steps.energy_pj,
            steps.special_cycles,
            steps.fetches,
            self.local,
            self.which,
            x,
            g,
            chosen,
            choose,
            rows,
            pj,
            ns,
        )


def sentences(e: Evaluation) -> Sentences:
    """Groups of an evaluation, with the choices of a supply that occur in them."""
    key = e.token * (e.workload.shape.layers + 1) + e.predicted
    choices, choice = np.unique(key, return_inverse=True)
    choice = choice.astype(np.int64)
    choice_token = choices // (e.workload.shape.layers + 1)
    by_choice = np.argsort(choice, kind="stable")
    begins = np.arange(len(e.tokens) + 1)
    layers = e.workload.shape.layers + 1
    reached = np.concatenate([e.token * layers + e.predicted, e.token * layers + e.actual])
    token, wanted = np.divmod(np.unique(reached), layers)
    token, wanted = token[wanted > 1], wanted[wanted > 1]
    first_wanted = np.searchsorted(token, begins)
    counts = e.layer_counts[wanted - 1]
    more = np.diff(counts, axis=0, prepend=0)
    starts = first_wanted[:-1][np.diff(first_wanted) > 0]
    more[starts] = counts[starts]
    return Sentences(
        choice_token=choice_token,
        choice_layer=choices % (e.workload.shape.layers + 1),
        choice=choice,
        actual=e.actual,
        kind_of_layer=np.array(e.workload.kind_of_layer, dtype=np.int64),
        first_choice=np.searchsorted(choice_token, begins),
        by_choice=by_choice,
        first_group=np.searchsorted(e.token[by_choice], begins),
        wanted=wanted,
        more=more,
        first_wanted=first_wanted,
        deadline_ns=e.scenario.deadline_ms * NS_PER_MS,
    )
