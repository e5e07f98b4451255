"""Mapping of a stage: which order, tile and sharing its one or two GEMMs get on a chip, compiled.

Activations of a sentence stay in the data buffers (or pass through them from a DRAM:
`hw_cost.layer_mapping`); weights stream from their store. The MAC unit accumulates an n x n output
tile in registers. What is chosen is what stays in the buffers, for C[M, N] += A[M, K] B[K, N] with
a block of m rows and k of the depth:

| order | weights read | partial sums spilled and read back | held in the buffers |
|---|---|---|---|
| output-stationary | K N ceil(M / m) | 0 | K x n weights, m rows of what the stage makes |
| weight-stationary | K N | M N (ceil(K / k) - 1) | k x n weights, all rows of what it makes |
| input-stationary | K N ceil(M / m) | M N (ceil(K / k) - 1) | k x n, m x k inputs, m partial rows |

m is 1, 2, 4, ... 32 blocks of n rows (of each unit, where all GEMMs of a stage share rows), k is
K / 1, / 2, / 4, ... / 64. Where a unit works on one block of n rows at a time, n x n weights are
held, not K x n or k x n. Units share either the blocks of rows of a GEMM, and each loads all of its
weights, or those of columns. Both feed-forward GEMMs are one stage with one m: the hidden
activations lie between them and are not resident.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from hw_cost.chip import Chip
from hw_cost.compiled import compiled
from hw_cost.gemm import (
    COLUMNS,
    DEPTH,
    FAR_PJ,
    LOAD_CYCLES,
    LOAD_NS,
    NEAR_PJ,
    VECTORS,
    WRITE_PJ,
    Rows,
    gemm_cycles,
)
from hw_cost.units import Floats
from hw_cost.work import Model, Rates

STAGES: Final = ("qkv", "output", "ffn")
ORDERS: Final = ("output-stationary", "input-stationary", "weight-stationary")

QKV_STAGE, OUTPUT_STAGE, FFN_STAGE, ALONE = range(4)
OUTPUT_STATIONARY, INPUT_STATIONARY, WEIGHT_STATIONARY = range(3)
# Columns of a mapping: order, m, k, times that weights are read, whether anything fits; of each of
# two GEMMs: spills, whether units share rows; time and energy.
ORDER, M, K, READS, FITS, SPILLS = range(6)
BY_ROWS, TIME_NS, ENERGY_PJ = 7, 9, 10
BY_LATENCY, BY_ENERGY = 0, 1
"""Index into ``CHOICES["mapping_objective"]``; what is above is their product."""
HAIR: Final = 1e-9
_MOST_BLOCKS: Final = 32
_MOST_PARTS: Final = 64


class Stage(NamedTuple):
    """A stage of one or two GEMMs with encoder weights.

    Attributes:
        kind: index into `STAGES`, or a GEMM that stands alone; the feed-forward stage has two.
        first: row of its first GEMM in the plan.
        base_bits: held in the buffers whatever the mapping.
        through: whether activations pass through from the DRAM: a block of inputs is held too.
        passing_a: time that they take in the first GEMM, ns.
        passing_b: in the second.
    """

    kind: int
    first: int
    base_bits: float
    through: bool
    passing_a: float
    passing_b: float


@compiled()
def is_better(objective: int, time: float, pj: float, best_time: float, best_pj: float) -> bool:
    """Whether a mapping beats the best so far; ties in the objective go to the other figure."""
    if objective == BY_LATENCY:
        first, second, best_first, best_second = time, pj, best_time, best_pj
    elif objective == BY_ENERGY:
        first, second, best_first, best_second = pj, time, best_pj, best_time
    else:
        first, second, best_first, best_second = time * pj, time, best_time * best_pj, best_time
    if first < best_first * (1 - HAIR):
        return True
    return first <= best_first * (1 + HAIR) and second < best_second


@compiled()
def _sharings(units: int, row_blocks: float) -> tuple[int, int]:
    """First and last of the ways to share that differ: 0 the blocks of columns, 1 those of rows."""
    if units == 1:
        return 1, 1
    return 0, 0 if row_blocks == 1.0 else 1


@compiled()
def _time_and_energy(
    c: Chip,
    r: Rates,
    rows: Rows,
    g: int,
    plan: Floats,
    by_rows: bool,
    reads: float,
    passing_ns: float,
) -> tuple[float, float]:
    """Time of a GEMM that reads its weights that often, ns, and what depends on its mapping, pJ.

    Spills and DRAM traffic of activations are left out. The energy has MACs and control too, which
    no mapping changes but a product of energy and time needs, and leakage, unless latency decides.
    """
    busy, total, copies = gemm_cycles(c, rows, g, plan, by_rows)
    load_ns = plan[g, LOAD_CYCLES] / r.clock_ghz + plan[g, LOAD_NS]
    time = max(busy / r.clock_ghz, load_ns * reads + passing_ns)
    pj = (plan[g, NEAR_PJ] + plan[g, FAR_PJ] + copies * plan[g, WRITE_PJ]) * reads
    if c.objective != BY_LATENCY:
        pj += total * (c.mac_pj * c.n**2 + c.cycle_pj) + c.static_mw * time
    return time, pj


@compiled()
def best_sharing(
    c: Chip,
    r: Rates,
    rows: Rows,
    first: int,
    last: int,
    plan: Floats,
    passing_a: float,
    passing_b: float,
) -> tuple[bool, bool, float, float]:
    """How units share one GEMM, or two in a row, that read their weights once.

    Args:
        c: the chip.
        r: constants.
        rows: of the results.
        first: row of the first GEMM in the plan.
        last: of the last.
        plan: (n_gemms, 13).
        passing_a: time of the activations of the first that pass through the DRAM, ns.
        passing_b: of the last, if it is another.

    Returns:
        Whether units share rows in the first and in the last; time and energy of both.
    """
    low, high = _sharings(c.units, rows.blocks)
    best_time = best_pj = np.inf
    rows_a = rows_b = high == 1
    for a in range(low, high + 1):
        time_a, pj_a = _time_and_energy(c, r, rows, first, plan, a == 1, 1.0, passing_a)
        for b in range(low, (high if last > first else low) + 1):
            time_b = pj_b = 0.0
            if last > first:
                time_b, pj_b = _time_and_energy(c, r, rows, last, plan, b == 1, 1.0, passing_b)
            if is_better(c.objective, time_a + time_b, pj_a + pj_b, best_time, best_pj):
                best_time, best_pj = time_a + time_b, pj_a + pj_b
                rows_a, rows_b = a == 1, b == 1
    return rows_a, rows_b, best_time, best_pj


@compiled()
def map_stage(
    c: Chip, m: Model, r: Rates, stage: Stage, rows: Rows, plan: Floats, best: Floats
) -> float:
    """Best mapping of a stage.

    Args:
        c: the chip.
        m: workload.
        r: constants.
        stage: what to map.
        rows: of the results.
        plan: (n_gemms, 13).
        best: (n_stages, 11) receives the mapping in the row of the stage's kind; its columns are
            named at the top of this file.

    Returns:
        Least buffer bits that a mapping needs.
    """
    kind, first, tokens = stage.kind, stage.first, rows.total
    two = kind == FFN_STAGE
    last = first + 1 if two else first
    first_depth, last_depth = plan[first, DEPTH], plan[last, DEPTH]
    deepest = max(first_depth, last_depth)
    # Elements a row: of the hidden activations or the output rows (the feed-forward output takes
    # the place of the attention context); query, key and value are in the base.
    held = plan[first, COLUMNS] if kind in (OUTPUT_STAGE, FFN_STAGE) else 0.0
    inputs = first_depth if stage.through else 0.0
    row_bits = (held + inputs) * m.activation_bits
    partial = 3.0 * m.head_width if kind == QKV_STAGE else plan[last, COLUMNS]
    spill_a = tokens * plan[first, VECTORS] * c.spill_pj
    spill_b = tokens * plan[last, VECTORS] * c.spill_pj
    low, high = _sharings(c.units, rows.blocks)
    best[kind, FITS] = 0.0
    best_time = best_pj = least = np.inf
    # 0: both share columns; 1: both rows; 2: rows in the first alone; 3: in the second alone.
    for sharing in range(low, 4 if two and high > low else high + 1):
        rows_a, rows_b = sharing in (1, 2), sharing in (1, 3)
        block = c.n * c.units if sharing == 1 else c.n
        share = min(rows.blocks_of_unit * c.n, tokens)  # rows of one unit where units share them
        for order in range(3):
            blocks = 1
            while blocks <= _MOST_BLOCKS:
                block_rows = float(
                    tokens if order == WEIGHT_STATIONARY else min(blocks * block, tokens)
                )
                reads = 1.0 if order == WEIGHT_STATIONARY else np.ceil(tokens / block_rows)
                time, fixed_pj = _time_and_energy(
                    c, r, rows, first, plan, rows_a, reads, stage.passing_a
                )
                if two:
                    time_b, pj_b = _time_and_energy(
                        c, r, rows, last, plan, rows_b, reads, stage.passing_b
                    )
                    time, fixed_pj = time + time_b, fixed_pj + pj_b
                parts = 2 if order == INPUT_STATIONARY else 1
                while parts <= (1 if order == OUTPUT_STATIONARY else _MOST_PARTS):
                    k = c.n * np.ceil(np.ceil(deepest / parts) / c.n)
                    tile = c.n * (c.n if order != WEIGHT_STATIONARY and blocks == 1 else k)
                    spills_a = 0.0 if order == OUTPUT_STATIONARY else np.ceil(first_depth / k) - 1
                    spills_b = (
                        np.ceil(last_depth / k) - 1 if two and order != OUTPUT_STATIONARY else 0.0
                    )
                    if order == INPUT_STATIONARY and kind == FFN_STAGE:
                        spills_a = 0.0  # a tile of hidden activations is finished before its use
                    need = stage.base_bits + 2.0 * tile * m.format_bits * c.units
                    if order == INPUT_STATIONARY:
                        need += block_rows * (inputs * m.activation_bits + partial * c.partial_bits)
                        need += block_rows * k * m.activation_bits if kind == FFN_STAGE else 0.0
                    else:
                        need += block_rows * row_bits
                    if order == WEIGHT_STATIONARY:
                        of_a = (share if rows_a else float(tokens)) if spills_a > 0 else 0.0
                        of_b = (share if rows_b else float(tokens)) if spills_b > 0 else 0.0
                        need += max(of_a, of_b) * c.n * c.partial_bits * c.units
                    least = min(least, need)
                    if need <= c.capacity_bits and not (m.masked and tile > c.mask_bits):
                        pj = fixed_pj + spill_a * spills_a + spill_b * spills_b
                        if is_better(c.objective, time, pj, best_time, best_pj):
                            best_time, best_pj = time, pj
                            best[kind, ORDER], best[kind, M], best[kind, K] = order, block_rows, k
                            best[kind, READS], best[kind, FITS] = reads, 1.0
                            best[kind, SPILLS], best[kind, SPILLS + 1] = spills_a, spills_b
                            best[kind, BY_ROWS], best[kind, BY_ROWS + 1] = rows_a, rows_b
                            best[kind, TIME_NS], best[kind, ENERGY_PJ] = time, pj
                    if k == c.n:
                        break
                    parts *= 2
                if block_rows >= tokens:
                    break
                blocks *= 2
    return least
