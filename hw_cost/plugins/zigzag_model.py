"""ZigZag as the cost model of a study: its mapping, cycles and data movement in place of ours.

Every GEMM of a sentence goes to ZigZag, with the chip as `hw_cost.plugins.zigzag_chip` tells it.
From its answer come the cycles of the busiest unit, the accesses to the data buffers and how often
weights are read from their store. The rest is ours, since ZigZag knows none of it: energy of MACs
with their zero gating, control, special functions, supply, sleep, area, and what a read from a
store costs. Heads are dealt to the units, each on a unit of its own; a span is a narrower GEMM. A
compacting unit sees the packed depth. Activations never pass through a DRAM.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final, NamedTuple

import numpy as np

from hw_cost.accelerator import CHOICES, AcceleratorColumns
from hw_cost.breakdown import Breakdown, breakdown
from hw_cost.chip import Chips
from hw_cost.cost_table import CostTable, cost_table
from hw_cost.execution import PARTS, STAGES, Steps, depth_steps, execution
from hw_cost.groups import Groups
from hw_cost.memory import sram_read_energy_pj, sram_write_energy_pj
from hw_cost.plugins.zigzag import Objective, ZigZagCosts, imported_zigzag, zigzag_costs
from hw_cost.plugins.zigzag_chip import ZigZagAccelerator
from hw_cost.technology import Technology
from hw_cost.units import BITS_PER_KIB, Floats
from hw_cost.work import GEMMS, START_GEMMS, Model, Rates, Work
from hw_cost.workload import Workload
from search_space import MappingObjective, Scenario

_SRAM: Final = PARTS.index("sram")
_STORES: Final = [PARTS.index(part) for part in ("weight_sram", "envm", "dram")]
_ATTENTION, _POOLER = GEMMS.index("attention"), GEMMS.index("pooler")
_PROJECTION: Final = START_GEMMS.index("projection")
_NONE: Final = np.zeros((0, 0, 0, 0, 0))
_OBJECTIVES: Final[dict[MappingObjective, Objective]] = {
    MappingObjective.LATENCY: "latency",
    MappingObjective.ENERGY: "energy",
    MappingObjective.EDP: "edp",
}


@dataclass(frozen=True, slots=True)
class Product:
    """``count`` equal GEMMs, as `hw_cost.gemm_costs.MatrixProduct` asks."""

    rows: int
    depth: int
    columns: int
    count: int
    has_weights: bool


class Place(NamedTuple):
    """A GEMM among the steps: chip, token count, step and GEMM, each as an index."""

    chip: int
    tokens: int
    step: int
    gemm: int


@dataclass(frozen=True, slots=True)
class ZigZagModel:
    """ZigZag's mapping search for the GEMMs, this project's model for all else.

    One GEMM takes it some tenths of a second: a design takes seconds for every token count that
    occurs. Sentences padded to one length have one. Answers are kept, so designs that differ in
    supply or policy alone are asked once.

    Attributes:
        technology: constants.
        loop_factors: see `hw_cost.plugins.zigzag.zigzag_costs`.

    Raises:
        ZigZagMissingError: ZigZag is not installed.
        ValueError: ``loop_factors`` is not a whole number of 1 or more.
    """

    name: ClassVar[str] = "zigzag"
    technology: Technology
    loop_factors: int = 6
    _answers: dict[tuple[Product, ZigZagAccelerator, Objective], ZigZagCosts] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Refuse to be made without the package."""
        imported_zigzag()
        if type(self.loop_factors) is not int or self.loop_factors < 1:  # as TOML has it
            raise ValueError(f"loop_factors {self.loop_factors!r}: expected a whole number from 1.")

    def cost_table(
        self, workload: Workload, columns: AcceleratorColumns, groups: Groups, scenario: Scenario
    ) -> CostTable:
        """See `hw_cost.cost_table.cost_table`."""
        return cost_table(workload, columns, groups, scenario, self.technology, steps_of=self.steps)

    def breakdown(
        self,
        workload: Workload,
        columns: AcceleratorColumns,
        groups: Groups,
        weights: Floats,
        scenario: Scenario,
    ) -> Breakdown:
        """See `hw_cost.breakdown.breakdown`."""
        return breakdown(
            workload, columns, groups, weights, scenario, self.technology, steps_of=self.steps
        )

    def steps(
        self, model: Model, rates: Rates, work: Work, chips: Chips, /, *, detailed: bool = False
    ) -> Steps:
        """Our steps with ZigZag's cycles, buffer energy and store reads in every GEMM.

        Args:
            model: workload.
            rates: constants.
            work: what to do.
            chips: where.
            detailed: whether to keep energies by GEMM; the mappings beside them are ours.
        """
        without_dram = chips._replace(has_dram=np.zeros_like(chips.has_dram))
        steps = execution(model, rates, work, without_dram, detailed=True)
        for chip in np.flatnonzero(steps.fits).tolist():
            for place, product in _weight_gemms(model, rates, work, chips, chip):
                if steps.fits[chip]:
                    self._place_weight_gemm(steps, place, product, model, rates, chips)
            for tokens in range(len(work.tokens)):
                for kind in range(len(work.spans)):
                    if steps.fits[chip]:
                        place = Place(chip, tokens, kind, _ATTENTION)
                        self._place_attention(steps, place, model, work, chips)
        return steps if detailed else replace(steps, mapping=_NONE, gemm_pj=_NONE)

    def _place_weight_gemm(
        self,
        steps: Steps,
        place: Place,
        product: Product,
        model: Model,
        rates: Rates,
        chips: Chips,
    ) -> None:
        """Put one GEMM with weights into the steps."""
        ours_pj, fetch = steps.gemm_pj[place], steps.fetches[place]
        in_stage = place.gemm < _POOLER and place.step < steps.energy_pj.shape[2] - 1
        stage = min(place.gemm, len(STAGES) - 1)
        reads = steps.mapping[(*place[:3], stage, 3)] if in_stage else 1.0
        load_cycles = (fetch[1] + fetch[2] * rates.clock_ghz) / reads
        once_pj = ours_pj[_STORES].sum() / reads
        bits = product.count * product.depth * product.columns * model.format_bits
        accelerator = self._accelerator(
            model,
            chips,
            place.chip,
            units=int(chips.units[place.chip]),
            store_bits_per_cycle=max(round(bits / load_cycles), 1),
            store_pj_per_bit=once_pj / bits,
        )
        costs = self._costs(product, accelerator, chips, place.chip)
        if costs.reasons[0] is not None:
            _refuse(steps, place.chip, product, accelerator)
            return
        new_pj = ours_pj.copy()
        new_pj[_SRAM] = costs.buffer_pj[0]
        new_pj[_STORES] *= costs.weight_reads[0] / reads
        steps.energy_pj[place[:3]] += new_pj - ours_pj
        steps.gemm_pj[place] = new_pj
        # ZigZag knows one clock. The longer of computing and loading follows the clock or not, as
        # ever; what ZigZag adds to it (stalls, first load, last store) is taken to follow it.
        fetch[1:] *= costs.weight_reads[0] / reads
        loading = fetch[1] + fetch[2] * rates.clock_ghz
        added = max(costs.cycles[0] - max(costs.compute_cycles[0], loading), 0.0)
        fetch[0] = costs.compute_cycles[0] + added
        fetch[1] += added

    def _place_attention(
        self, steps: Steps, place: Place, model: Model, work: Work, chips: Chips
    ) -> None:
        """Put scores and context of one kind of layer into the steps."""
        chip, tokens = place.chip, int(work.tokens[place.tokens])
        accelerator = self._accelerator(
            model, chips, chip, units=1, store_bits_per_cycle=1, store_pj_per_bit=0.0
        )
        buffer_pj = busiest = 0.0
        spans = [span for span in work.spans[place.step].tolist() if span > 0]
        for head, span in enumerate(spans):
            reach = min(span, tokens) - 1
            pairs = tokens + reach * (reach + 1) + 2 * (tokens - 1 - reach) * reach
            keys = -(-pairs // tokens)
            for product in (
                Product(tokens, model.head_width, keys, 1, has_weights=False),
                Product(tokens, keys, model.head_width, 1, has_weights=False),
            ):
                costs = self._costs(product, accelerator, chips, chip)
                if costs.reasons[0] is not None:
                    _refuse(steps, chip, product, accelerator)
                    return
                buffer_pj += costs.buffer_pj[0]
                if head % int(chips.units[chip]) == 0:
                    busiest += costs.cycles[0]
        # Softmax has a share of its own in the buffers, which stays.
        vectors = work.attention[work.where[chips.n[chip]], 0, place.step, place.tokens, 1]
        moved_pj = 3 * chips.read_activations_pj[chip] + chips.write_activations_pj[chip]
        buffer_pj += vectors * moved_pj
        steps.energy_pj[(*place[:3], _SRAM)] += buffer_pj - steps.gemm_pj[(*place, _SRAM)]
        steps.gemm_pj[(*place, _SRAM)] = buffer_pj
        steps.fetches[place] = busiest, 0.0, 0.0

    def _accelerator(
        self,
        model: Model,
        chips: Chips,
        chip: int,
        *,
        units: int,
        store_bits_per_cycle: int,
        store_pj_per_bit: float,
    ) -> ZigZagAccelerator:
        """A chip with that many of its units and that store."""
        n = int(chips.n[chip])
        kib = float(chips.capacity_bits[chip]) / (2 * BITS_PER_KIB * int(chips.units[chip]))
        partials = n * int(chips.partial_bits[chip])
        return ZigZagAccelerator(
            n=n,
            units=units,
            data_sram_kib=round(kib),
            weight_bits=model.format_bits,
            activation_bits=model.activation_bits,
            accumulator_bits=int(chips.partial_bits[chip]),
            mac_pj=float(chips.mac_pj[chip]),
            activation_mac_pj=float(chips.activation_mac_pj[chip]),
            read_weights_pj=float(chips.read_weights_pj[chip]),
            write_weights_pj=float(chips.write_weights_pj[chip]),
            read_activations_pj=float(chips.read_activations_pj[chip]),
            write_activations_pj=float(chips.write_activations_pj[chip]),
            read_partials_pj=float(sram_read_energy_pj(kib, partials, self.technology)),
            write_partials_pj=float(sram_write_energy_pj(kib, partials, self.technology)),
            store_bits_per_cycle=store_bits_per_cycle,
            store_pj_per_bit=store_pj_per_bit,
        )

    def _costs(
        self, product: Product, accelerator: ZigZagAccelerator, chips: Chips, chip: int
    ) -> ZigZagCosts:
        """ZigZag's answer, kept."""
        chosen_by = CHOICES["mapping_objective"][chips.objective[chip]]
        objective = _OBJECTIVES[MappingObjective(chosen_by)]
        key = product, accelerator, objective
        if key not in self._answers:
            self._answers[key] = zigzag_costs(
                [product], accelerator, objective=objective, loop_factors=self.loop_factors
            )
        return self._answers[key]


def _weight_gemms(
    model: Model, rates: Rates, work: Work, chips: Chips, chip: int
) -> Iterator[tuple[Place, Product]]:
    """Every GEMM with weights, for every token count and step; the depth is that of packed rows."""
    n = int(chips.n[chip])
    start = len(work.spans)
    for tokens, rows in enumerate(work.tokens.tolist()):
        for step in range(start + 1):
            for gemm, (depth, columns, count) in enumerate(work.gemms[step].tolist()):
                if 0 in (depth, columns, count) or (step == start and gemm != _PROJECTION):
                    continue
                is_exit = step < start and gemm >= _POOLER
                packed = depth_steps(
                    n, depth, model.density, bool(chips.compacts[chip]), rates.imbalance
                )
                yield (
                    Place(chip, tokens, step, gemm),
                    Product(
                        1 if is_exit else rows,
                        min(depth, int(packed) * n),
                        columns,
                        count,
                        has_weights=True,
                    ),
                )


def _refuse(steps: Steps, chip: int, product: Product, a: ZigZagAccelerator) -> None:
    """Mark a chip on which ZigZag finds no mapping, with the bits that one would surely have."""
    activations = product.rows * (product.depth + product.columns) * a.activation_bits
    weights = 2 * a.units * product.depth * a.n * a.weight_bits
    steps.fits[chip] = False
    steps.least_bits[chip] = max(activations + weights, a.buffer_bits + 1)
