"""GEMMs: cycles, loads and energy of one on a chip, compiled.

A GEMM C[M, N] += A[M, K] B[K, N] has M rows, depth K and N columns. The MAC unit accumulates an
n x n output tile in registers; an n x n x n tile takes n cycles (n rows of n-wide dot products, n^2
MACs a cycle). Units share either the blocks of n rows of the result, and each loads all weights, or
the blocks of n columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hw_cost.chip import UNGATED, VECTOR_GATED, Chip
from hw_cost.compiled import compiled
from hw_cost.parts import CONTROL, DRAM, ENVM, MAC, SPECIAL, SRAM, WEIGHT_SRAM
from hw_cost.units import Floats
from hw_cost.work import Model, Rates

# Columns of a GEMM's plan: cycles of a tile with its depth; blocks of n columns, in all and of one
# unit; n-wide vectors of a row of results; loads once, and their energies; writing the weights to
# one unit's buffers; elements and working lanes of a row; depth and columns.
TILE, BLOCKS, BLOCKS_OF_UNIT, VECTORS, LOAD_CYCLES, LOAD_NS = range(6)
NEAR_PJ, FAR_PJ, WRITE_PJ, ELEMENTS, WORKING, DEPTH, COLUMNS = range(6, 13)


class Gemm(NamedTuple):
    """Equal GEMMs with weights, whatever their rows.

    Attributes:
        store: tensor class of the weights.
        depth: of the dot products.
        columns: of the result.
        instances: how many of them.
        alive: share of the depth that is not switched off.
    """

    store: int
    depth: int
    columns: int
    instances: int
    alive: float


class Rows(NamedTuple):
    """Rows of a result.

    Attributes:
        total: how many.
        blocks: of n rows.
        blocks_of_unit: of the unit with most of them, where units share them.
    """

    total: int
    blocks: float
    blocks_of_unit: float


class GemmMapping(NamedTuple):
    """How a GEMM with weights runs.

    Attributes:
        by_rows: whether units share the blocks of rows.
        reads: times that the weights are read.
        spills: times that partial sums are written and read back.
        passing_ns: time of its activations that pass through the DRAM.
        passing_pj: their energy.
    """

    by_rows: bool
    reads: float
    spills: float
    passing_ns: float
    passing_pj: float


class Cycles(NamedTuple):
    """Cycles of a GEMM, of all units together, and what passes in them.

    Attributes:
        total: cycles.
        working: MAC lanes that do not rest, over all cycles.
        results: n-wide vectors written.
        elements: of the result.
    """

    total: float
    working: float
    results: float
    elements: float


@compiled()
def rows_on(c: Chip, total: int) -> Rows:
    """That many rows on a chip."""
    blocks = np.ceil(total / c.n)
    return Rows(total, blocks, np.ceil(blocks / c.units))


@compiled()
def depth_steps(n: int, depth: int, density: float, compacts: bool, imbalance: float) -> float:
    """n-wide steps of a dot product; a compacting unit packs the non-zero weights of a row."""
    steps: float = np.ceil(depth / n)
    if compacts:
        packed = np.ceil(depth * density * (1 + imbalance) / n)
        steps = min(steps, max(packed, 1.0))
    return steps


@compiled()
def load(
    c: Chip, store: int, bits: float, words: float, streams: float
) -> tuple[float, float, float, float]:
    """Cycles, ns and energies (memory on the chip, DRAM) of reading bits of a tensor class.

    Args:
        c: the chip.
        store: tensor class.
        bits: read in all.
        words: words that hold them, were they all on the chip.
        streams: times that the DRAM is asked anew.
    """
    share = c.chip_share[store]
    cycles = share * words * c.word_cycles[store]
    ns = share * words * c.word_ns[store]
    far = (1 - share) * bits
    if far > 0:
        ns += far * c.dram_ns_per_bit + streams * c.dram_latency_ns
    return cycles, ns, share * bits * c.read_pj_per_bit[store], far * c.dram_read_pj


@compiled()
def plan_gemm(c: Chip, m: Model, r: Rates, gemm: Gemm, g: int, plan: Floats) -> None:
    """What a GEMM with weights costs whatever its rows, into row ``g`` of the plan.

    Args:
        c: the chip.
        m: workload.
        r: constants.
        gemm: what to multiply.
        g: row.
        plan: (n_gemms, 13); its columns are named at the top of this file.
    """
    depth, columns, count = gemm.depth, gemm.columns, gemm.instances
    steps = depth_steps(c.n, depth, m.density, c.compacts, r.imbalance)
    blocks = np.ceil(columns / c.n)
    bits = count * depth * columns * m.weight_bits
    cycles, ns, near_pj, far_pj = load(c, gemm.store, bits, bits / c.word_bits[gemm.store], 1.0)
    plan[g, TILE] = count * c.n * (steps + r.fill)
    plan[g, BLOCKS] = blocks
    plan[g, BLOCKS_OF_UNIT] = np.ceil(blocks / c.units)
    plan[g, VECTORS] = count * blocks
    plan[g, LOAD_CYCLES], plan[g, LOAD_NS] = cycles, ns
    plan[g, NEAR_PJ], plan[g, FAR_PJ] = near_pj, far_pj
    plan[g, WRITE_PJ] = depth * count * blocks * c.write_weights_pj
    plan[g, ELEMENTS] = count * columns
    # MAC lanes of a row that do not rest. Lane gating rests on each zero operand and on padding;
    # vector gating where a whole n-vector is zero: rows and columns of padding, the depth that is
    # switched off, and a share (1 - density)^n of the rest.
    if c.gating == UNGATED:
        plan[g, WORKING] = np.inf
    elif c.gating == VECTOR_GATED:
        vectors = count * columns * np.ceil(depth * gemm.alive / c.n)
        plan[g, WORKING] = vectors * c.n * (1 - (1 - m.density) ** c.n)
    else:
        plan[g, WORKING] = count * columns * depth * m.density * gemm.alive
    plan[g, DEPTH], plan[g, COLUMNS] = depth, columns


@compiled()
def gemm_cycles(
    c: Chip, rows: Rows, g: int, plan: Floats, by_rows: bool
) -> tuple[float, float, float]:
    """Cycles of the busiest unit and of all, and units that load each weight.

    Args:
        c: the chip.
        rows: of the result.
        g: row of the GEMM in the plan.
        plan: (n_gemms, 13).
        by_rows: whether units share the blocks of rows.
    """
    tile = plan[g, TILE]
    total = rows.blocks * plan[g, BLOCKS] * tile
    if by_rows:
        return rows.blocks_of_unit * plan[g, BLOCKS] * tile, total, min(float(c.units), rows.blocks)
    return rows.blocks * plan[g, BLOCKS_OF_UNIT] * tile, total, 1.0


@compiled()
def add_macs(c: Chip, r: Rates, done: Cycles, has_weights: bool, row: int, out: Floats) -> None:
    """Energy of GEMM cycles: MACs, control, operands, results and their conversion.

    Args:
        c: the chip.
        r: constants.
        done: the cycles.
        has_weights: whether the second operand is a weight; else it is an activation.
        row: of ``out``.
        out: (n_rows, 7) receives energy by part.
    """
    lanes = done.total * c.n**2
    mac_pj = c.mac_pj if has_weights else c.activation_mac_pj
    out[row, MAC] += mac_pj * (done.working + r.gated * (lanes - done.working))
    out[row, CONTROL] += done.total * c.cycle_pj
    second = c.read_weights_pj if has_weights else c.read_activations_pj
    out[row, SRAM] += done.total * (c.read_activations_pj + second)
    out[row, SRAM] += done.results * c.write_activations_pj
    out[row, SPECIAL] += done.elements * r.conversion_pj


@compiled()
def add_weight_gemm(
    c: Chip,
    r: Rates,
    store: int,
    rows: Rows,
    g: int,
    plan: Floats,
    mapping: GemmMapping,
    fetch: Floats,
    row: int,
    out: Floats,
) -> None:
    """A GEMM with stored weights: its energy into ``out``, its cycles and loads into ``fetch``.

    Args:
        c: the chip.
        r: constants.
        store: tensor class of the weights.
        rows: of the result.
        g: row of the GEMM in the plan and ``fetch``.
        plan: (n_gemms, 13).
        mapping: how it runs.
        fetch: (n_gemms, 3) receives cycles, load cycles, load ns.
        row: of ``out``.
        out: (n_rows, 7) receives energy by part.
    """
    busiest, total, copies = gemm_cycles(c, rows, g, plan, mapping.by_rows)
    working = min(rows.total * plan[g, WORKING], total * c.n**2)
    results, reads = rows.total * plan[g, VECTORS], mapping.reads
    elements = rows.total * plan[g, ELEMENTS]
    add_macs(c, r, Cycles(total, working, results, elements), True, row, out)
    out[row, WEIGHT_SRAM if c.in_sram[store] else ENVM] += reads * plan[g, NEAR_PJ]
    out[row, DRAM] += reads * plan[g, FAR_PJ]
    out[row, SRAM] += reads * copies * plan[g, WRITE_PJ] + mapping.spills * results * c.spill_pj
    fetch[g, 0], fetch[g, 1] = busiest, reads * plan[g, LOAD_CYCLES]
    fetch[g, 2] = reads * plan[g, LOAD_NS] + mapping.passing_ns
    out[row, DRAM] += mapping.passing_pj
