"""GEMMs that stand alone: their cycles and energy on many chips, outside any encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.area import floorplan
from hw_cost.chip import ENCODER, Chips, chip_at, chips_of
from hw_cost.compiled import compiled
from hw_cost.encoder_shape import EncoderShape
from hw_cost.gemm import (
    ELEMENTS,
    VECTORS,
    WORKING,
    Cycles,
    Gemm,
    GemmMapping,
    add_macs,
    add_weight_gemm,
    gemm_cycles,
    plan_gemm,
    rows_on,
)
from hw_cost.parts import PARTS
from hw_cost.stage_mapping import ALONE, BY_ROWS, FITS, READS, SPILLS, Stage, map_stage
from hw_cost.stores import stores
from hw_cost.technology import Technology
from hw_cost.units import Bools, Floats, Ints
from hw_cost.work import Model, Rates, model_of, rates_of
from hw_cost.workload import Workload
from search_space import CellKind, NumberFormat


class MatrixProduct(Protocol):
    """``count`` GEMMs C[rows, columns] += A[rows, depth] B[depth, columns], one after another."""

    @property
    def rows(self) -> int:
        """M: rows of the result."""

    @property
    def depth(self) -> int:
        """K: length of the dot products."""

    @property
    def columns(self) -> int:
        """N: columns of the result."""

    @property
    def count(self) -> int:
        """How many of them."""

    @property
    def has_weights(self) -> bool:
        """Whether B is a stored weight; else it is an activation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightPort:
    """The memory behind the data buffers: a word each datapath cycle.

    Attributes:
        word_bits: of a word.
        energy_pj_per_bit: of reading it, at the nominal supply.
    """

    word_bits: float
    energy_pj_per_bit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GemmCosts:
    """Costs of GEMMs at the nominal supply; (n_designs, n_gemms), NaN where the buffers are small.

    Attributes:
        cycles: the longer of the busiest unit's cycles and the loads.
        energy_pj: by part, switching energy alone.
        fits: whether inputs, results and some tile of the weights fit the buffers.
    """

    cycles: Floats
    energy_pj: dict[str, Floats]
    fits: Bools


def gemm_costs(
    gemms: Sequence[MatrixProduct],
    columns: AcceleratorColumns,
    port: WeightPort,
    weight_format: NumberFormat,
    activation_format: NumberFormat,
    technology: Technology,
    *,
    density: float = 1.0,
) -> GemmCosts:
    """Costs of GEMMs whose inputs and results stay in the data buffers.

    Args:
        gemms: what to multiply.
        columns: designs; their supply does not matter.
        port: where weights stream from.
        weight_format: of weights.
        activation_format: of other operands.
        technology: constants.
        density: share of weights that are not zero; below 1 they are stored with a bitmask.
    """
    shape = EncoderShape(
        layers=1,
        distinct_layers=1,
        hidden=1,
        heads=1,
        ffn=1,
        embedding_width=1,
        vocabulary=1,
        positions=1,
        token_types=1,
        classes=1,
    )
    workload = Workload(
        shape=shape,
        head_spans=((0,),),
        encoder_density=density,
        embedding_density=1.0,
        weight_format=weight_format,
        activation_format=activation_format,
        embedding_storage=CellKind.SRAM,
        encoder_storage=CellKind.SRAM,
    )
    held = stores(workload, columns, technology)
    chips = chips_of(columns, workload, held, technology)
    plan = floorplan(columns, workload, chips, held, technology)
    chips = chips._replace(
        static_mw=plan.logic_leakage_mw + plan.sram_leakage_mw,
        word_bits=np.full(3, float(port.word_bits)),
        read_pj_per_bit=np.full((len(columns), 3), float(port.energy_pj_per_bit)),
        chip_share=np.ones((len(columns), 3)),
    )
    sizes = [(g.rows, g.depth, g.columns, g.count) for g in gemms]
    counts = (len(columns), len(gemms))
    fetches, energy = np.zeros((*counts, 3)), np.zeros((*counts, len(PARTS)))
    fits = np.zeros(counts, dtype=np.bool_)
    _run_alone(
        chips,
        model_of(workload),
        rates_of(technology),
        np.array(sizes, dtype=np.int64),
        np.array([g.has_weights for g in gemms], dtype=np.bool_),
        fetches,
        energy,
        fits,
    )
    cycles = np.maximum(fetches[..., 0], fetches[..., 1])
    return GemmCosts(
        cycles=np.where(fits, cycles, np.nan),
        energy_pj={part: np.where(fits, energy[..., i], np.nan) for i, part in enumerate(PARTS)},
        fits=fits,
    )


@compiled()
def _run_alone(
    chips: Chips,
    m: Model,
    r: Rates,
    gemms: Ints,
    with_weights: Bools,
    fetches: Floats,
    energy_pj: Floats,
    fits: Bools,
) -> None:
    """GEMMs that stand alone, with inputs and results in the buffers, on every chip.

    Args:
        chips: all chips.
        m: workload; its hidden width and layers do not matter.
        r: constants.
        gemms: (n_gemms, 4) rows, depth, columns, count.
        with_weights: (n_gemms,) whether B streams from the encoder's store; else it is an
            activation in the buffers.
        fetches: (n_chips, n_gemms, 3) receives cycles, load cycles, load ns.
        energy_pj: (n_chips, n_gemms, 7) receives energy by part.
        fits: (n_chips, n_gemms) receives whether a mapping fits.
    """
    plan, chosen = np.zeros((1, 13)), np.zeros((4, 11))
    for d in range(len(chips.n)):
        c = chip_at(chips, d)
        for g in range(len(gemms)):
            depth, columns = gemms[g, 1], gemms[g, 2]
            rows = rows_on(c, gemms[g, 0])
            plan_gemm(c, m, r, Gemm(ENCODER, depth, columns, gemms[g, 3], 1.0), 0, plan)
            fetch, out = np.zeros((1, 3)), np.zeros((1, 7))
            held_bits = float(rows.total * (depth + columns) * m.activation_bits)
            if with_weights[g]:
                stage = Stage(ALONE, 0, held_bits, False, 0.0, 0.0)
                map_stage(c, m, r, stage, rows, plan, chosen)
                fits[d, g] = chosen[ALONE, FITS] > 0
                by_rows, reads = chosen[ALONE, BY_ROWS] > 0, chosen[ALONE, READS]
                how = GemmMapping(by_rows, reads, chosen[ALONE, SPILLS], 0.0, 0.0)
                add_weight_gemm(c, r, ENCODER, rows, 0, plan, how, fetch, 0, out)
            else:
                fits[d, g] = held_bits + depth * columns * m.activation_bits <= c.capacity_bits
                busiest, total, _ = gemm_cycles(c, rows, 0, plan, True)
                by_columns, _, _ = gemm_cycles(c, rows, 0, plan, False)
                working = min(rows.total * plan[0, WORKING], total * c.n**2)
                results = rows.total * plan[0, VECTORS]
                elements = rows.total * plan[0, ELEMENTS]
                add_macs(c, r, Cycles(total, working, results, elements), False, 0, out)
                fetch[0, 0] = min(busiest, by_columns)
            fetches[d, g] = fetch[0]
            energy_pj[d, g] = out[0]
