"""Execution: cycles, loads and energies of every step of a sentence on many chips, compiled.

Steps are one for each kind of layer (layer, exit, entropy test) and the start (embedding look-up,
their sum and norm, projection). Everything is at the nominal supply. A GEMM whose weights stream
from a store takes the longer of its cycles and its loads (double buffering).

The functions below are compiled by numba and work on one chip, one token count and one step at a
time. Numba's cache looks at the date of one file only, so they call nothing compiled elsewhere.

Mapping. Activations of a sentence stay in the data buffers (or, if there is a DRAM and a layer is
better for it, pass through them from there); weights stream from their store. The MAC unit
accumulates an n x n output tile in registers. What is chosen is what stays in the buffers, for
C[M, N] += A[M, K] B[K, N] with a block of m rows and k of the depth:

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

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit

from hw_cost.chip import Chip, Chips
from hw_cost.units import Bools, Floats, Ints
from hw_cost.work import GEMMS, Model, Rates, Work

LOGIC_PARTS: Final = ("mac", "special_functions", "control")
SRAM_PARTS: Final = ("sram", "weight_sram")
DIRECT_PARTS: Final = ("envm", "dram")
PARTS: Final = (*LOGIC_PARTS, *SRAM_PARTS, *DIRECT_PARTS)
STAGES: Final = ("qkv", "output", "ffn")
ORDERS: Final = ("output-stationary", "input-stationary", "weight-stationary")

_MAC, _SPECIAL, _CONTROL, _SRAM, _WEIGHT_SRAM, _ENVM, _DRAM = range(7)
_EMBEDDINGS, _ENCODER, _EXITS = range(3)
_UNGATED, _VECTOR_GATED = 0, 1
_BY_LATENCY, _BY_ENERGY = 0, 1
_QKV, _OUTPUT, _FFN, _ALONE = range(4)
_QKV_GEMM, _OUTPUT_GEMM, _FFN1_GEMM, _FFN2_GEMM, _POOLER, _, _ATTENTION = range(7)
_REST = 7
_PROJECTION, _LOOK_UP = 0, 1
# Columns of a GEMM's plan: cycles of a tile with its depth; blocks of n columns, in all and of one
# unit; n-wide vectors of a row of results; loads once, and their energies; writing the weights to
# one unit's buffers; elements and working lanes of a row; depth and columns.
_TILE, _BLOCKS, _BLOCKS_OF_UNIT, _VECTORS, _LOAD_CYCLES, _LOAD_NS = range(6)
_NEAR_PJ, _FAR_PJ, _WRITE_PJ, _ELEMENTS, _WORKING, _DEPTH, _COLUMNS = range(6, 13)
_MOST_BLOCKS: Final = 32
_MOST_PARTS: Final = 64
_HAIR: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Steps of a block of structures; the axis of steps has the kinds of layer, then the start.

    Attributes:
        energy_pj: (n_structures, n_token_counts, n_steps, 7) by `PARTS`, at the nominal supply.
        special_cycles: (n_structures, n_token_counts, n_steps) not hidden under GEMMs.
        fetches: (n_structures, n_token_counts, n_steps, 7, 3) for each of `GEMMS` (in the start
            `START_GEMMS`): cycles of the busiest unit, load cycles of the weight SRAM, load ns of
            eNVM and DRAM.
        fits: (n_structures,) whether the buffers hold some mapping of every GEMM.
        least_bits: (n_structures,) data-buffer bits without which nothing runs.
        mapping: (n_structures, n_token_counts, n_steps, 3, 7) for each of `STAGES`: index into
            `ORDERS`, m, k, times that weights are read, whether activations pass through from the
            DRAM, whether units share rows in its first and in its second GEMM; empty unless asked
            for.
        gemm_pj: (n_structures, n_token_counts, n_steps, 7, 7) energy by GEMM and part; empty unless
            asked for.
    """

    energy_pj: Floats
    special_cycles: Floats
    fetches: Floats
    fits: Bools
    least_bits: Floats
    mapping: Floats
    gemm_pj: Floats


def execution(
    model: Model, rates: Rates, work: Work, chips: Chips, *, detailed: bool = False
) -> Steps:
    """Steps of the work on those chips."""
    shape = (len(chips.n), len(work.tokens), len(work.spans) + 1)
    detail = shape if detailed else (0, 0, 0)
    result = Steps(
        energy_pj=np.empty((*shape, len(PARTS))),
        special_cycles=np.empty(shape),
        fetches=np.empty((*shape, len(GEMMS), 3)),
        fits=np.ones(shape[0], dtype=np.bool_),
        least_bits=np.zeros(shape[0]),
        mapping=np.zeros((*detail, len(STAGES), 7)),
        gemm_pj=np.zeros((*detail, len(GEMMS), len(PARTS))),
    )
    _run(chips, model, rates, work, *_arrays(result))
    return result


def _arrays(steps: Steps) -> tuple[Any, ...]:
    return tuple(getattr(steps, name) for name in Steps.__dataclass_fields__)


@njit(cache=True, error_model="numpy")
def depth_steps(n: int, depth: int, density: float, compacts: bool, imbalance: float) -> float:
    """n-wide steps of a dot product; a compacting unit packs the non-zero weights of a row."""
    steps: float = np.ceil(depth / n)
    if compacts:
        packed = np.ceil(depth * density * (1 + imbalance) / n)
        steps = min(steps, max(packed, 1.0))
    return steps


@njit(cache=True, error_model="numpy")
def _add_macs(
    c: Chip,
    r: Rates,
    total_cycles: float,
    working: float,
    has_weights: bool,
    results: float,
    elements: float,
    row: int,
    out: Floats,
) -> None:
    """Energy of GEMM cycles: MACs, control, operands, results and their conversion."""
    lanes = total_cycles * c.n**2
    mac_pj = c.mac_pj if has_weights else c.activation_mac_pj
    out[row, _MAC] += mac_pj * (working + r.gated * (lanes - working))
    out[row, _CONTROL] += total_cycles * c.cycle_pj
    second = c.read_weights_pj if has_weights else c.read_activations_pj
    out[row, _SRAM] += total_cycles * (c.read_activations_pj + second)
    out[row, _SRAM] += results * c.write_activations_pj
    out[row, _SPECIAL] += elements * r.conversion_pj


@njit(cache=True, error_model="numpy")
def _load(
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


@njit(cache=True, error_model="numpy")
def _plan_gemm(
    c: Chip,
    m: Model,
    r: Rates,
    store: int,
    depth: int,
    columns: int,
    count: int,
    alive: float,
    g: int,
    plan: Floats,
) -> None:
    """What a GEMM with weights costs whatever its rows, into row ``g`` of the plan.

    Args:
        c: the chip.
        m: workload.
        r: constants.
        store: tensor class of its weights.
        depth: of its dot products.
        columns: of its result.
        count: instances.
        alive: share of the depth that is not switched off.
        g: row.
        plan: (6, 13); its columns are named at the top of this file.
    """
    steps = depth_steps(c.n, depth, m.density, c.compacts, r.imbalance)
    blocks = np.ceil(columns / c.n)
    bits = count * depth * columns * m.weight_bits
    cycles, ns, near_pj, far_pj = _load(c, store, bits, bits / c.word_bits[store], 1.0)
    plan[g, _TILE] = count * c.n * (steps + r.fill)
    plan[g, _BLOCKS] = blocks
    plan[g, _BLOCKS_OF_UNIT] = np.ceil(blocks / c.units)
    plan[g, _VECTORS] = count * blocks
    plan[g, _LOAD_CYCLES], plan[g, _LOAD_NS] = cycles, ns
    plan[g, _NEAR_PJ], plan[g, _FAR_PJ] = near_pj, far_pj
    plan[g, _WRITE_PJ] = depth * count * blocks * c.write_weights_pj
    plan[g, _ELEMENTS] = count * columns
    # MAC lanes of a row that do not rest. Lane gating rests on each zero operand and on padding;
    # vector gating where a whole n-vector is zero: rows and columns of padding, the depth that is
    # switched off, and a share (1 - density)^n of the rest.
    if c.gating == _UNGATED:
        plan[g, _WORKING] = np.inf
    elif c.gating == _VECTOR_GATED:
        vectors = count * columns * np.ceil(depth * alive / c.n)
        plan[g, _WORKING] = vectors * c.n * (1 - (1 - m.density) ** c.n)
    else:
        plan[g, _WORKING] = count * columns * depth * m.density * alive
    plan[g, _DEPTH], plan[g, _COLUMNS] = depth, columns


@njit(cache=True, error_model="numpy")
def gemm_cycles(
    row_blocks: float, row_blocks_of_unit: float, units: int, g: int, plan: Floats, by_rows: bool
) -> tuple[float, float, float]:
    """Cycles of the busiest unit and of all, and units that load each weight.

    An n x n x n tile takes n cycles (n rows of n-wide dot products, n^2 MACs a cycle). Units share
    either the blocks of n rows or those of n columns.

    Args:
        row_blocks: blocks of n rows of the result.
        row_blocks_of_unit: of the unit with most of them.
        units: processing units.
        g: row of the GEMM in the plan.
        plan: (n_gemms, 13).
        by_rows: whether units share the blocks of rows.
    """
    tile = plan[g, _TILE]
    total = row_blocks * plan[g, _BLOCKS] * tile
    if by_rows:
        return row_blocks_of_unit * plan[g, _BLOCKS] * tile, total, min(float(units), row_blocks)
    return row_blocks * plan[g, _BLOCKS_OF_UNIT] * tile, total, 1.0


@njit(cache=True, error_model="numpy")
def _sharings(units: int, row_blocks: float) -> tuple[int, int]:
    """First and last of the ways to share that differ: 0 the blocks of columns, 1 those of rows."""
    if units == 1:
        return 1, 1
    return 0, 0 if row_blocks == 1.0 else 1


@njit(cache=True, error_model="numpy")
def _time_and_energy(
    c: Chip,
    r: Rates,
    row_blocks: float,
    row_blocks_of_unit: float,
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
    busy, total, copies = gemm_cycles(row_blocks, row_blocks_of_unit, c.units, g, plan, by_rows)
    load_ns = plan[g, _LOAD_CYCLES] / r.clock_ghz + plan[g, _LOAD_NS]
    time = max(busy / r.clock_ghz, load_ns * reads + passing_ns)
    pj = (plan[g, _NEAR_PJ] + plan[g, _FAR_PJ] + copies * plan[g, _WRITE_PJ]) * reads
    if c.objective != _BY_LATENCY:
        pj += total * (c.mac_pj * c.n**2 + c.cycle_pj) + c.static_mw * time
    return time, pj


@njit(cache=True, error_model="numpy")
def _best_sharing(
    c: Chip,
    r: Rates,
    row_blocks: float,
    row_blocks_of_unit: float,
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
        row_blocks: blocks of n rows.
        row_blocks_of_unit: of the unit with most of them.
        first: row of the first GEMM in the plan.
        last: of the last.
        plan: (n_gemms, 13).
        passing_a: time of the activations of the first that pass through the DRAM, ns.
        passing_b: of the last, if it is another.

    Returns:
        Whether units share rows in the first and in the last; time and energy of both.
    """
    low, high = _sharings(c.units, row_blocks)
    best_time = best_pj = np.inf
    rows_a = rows_b = high == 1
    for a in range(low, high + 1):
        time_a, pj_a = _time_and_energy(
            c, r, row_blocks, row_blocks_of_unit, first, plan, a == 1, 1.0, passing_a
        )
        for b in range(low, (high if last > first else low) + 1):
            time_b = pj_b = 0.0
            if last > first:
                time_b, pj_b = _time_and_energy(
                    c, r, row_blocks, row_blocks_of_unit, last, plan, b == 1, 1.0, passing_b
                )
            if _is_better(c.objective, time_a + time_b, pj_a + pj_b, best_time, best_pj):
                best_time, best_pj = time_a + time_b, pj_a + pj_b
                rows_a, rows_b = a == 1, b == 1
    return rows_a, rows_b, best_time, best_pj


@njit(cache=True, error_model="numpy")
def _add_weight_gemm(
    c: Chip,
    r: Rates,
    rows: float,
    row_blocks: float,
    row_blocks_of_unit: float,
    g: int,
    plan: Floats,
    by_rows: bool,
    store: int,
    reads: float,
    spills: float,
    passing_ns: float,
    passing_pj: float,
    fetch: Floats,
    row: int,
    out: Floats,
) -> None:
    """A GEMM with stored weights: its energy into ``out``, its cycles and loads into ``fetch``.

    Args:
        c: the chip.
        r: constants.
        rows: of the result.
        row_blocks: blocks of n rows.
        row_blocks_of_unit: of the unit with most of them.
        g: row of the GEMM in the plan and ``fetch``.
        plan: (n_gemms, 13).
        by_rows: whether units share the blocks of rows.
        store: tensor class of the weights.
        reads: times that the weights are read.
        spills: times that partial sums are written and read back.
        passing_ns: time of its activations that pass through the DRAM.
        passing_pj: their energy.
        fetch: (n_gemms, 3) receives cycles, load cycles, load ns.
        row: of ``out``.
        out: (8, 7) receives energy by part.
    """
    busiest, total, copies = gemm_cycles(row_blocks, row_blocks_of_unit, c.units, g, plan, by_rows)
    working = min(rows * plan[g, _WORKING], total * c.n**2)
    results = rows * plan[g, _VECTORS]
    _add_macs(c, r, total, working, True, results, rows * plan[g, _ELEMENTS], row, out)
    out[row, _WEIGHT_SRAM if c.in_sram[store] else _ENVM] += reads * plan[g, _NEAR_PJ]
    out[row, _DRAM] += reads * plan[g, _FAR_PJ]
    out[row, _SRAM] += reads * copies * plan[g, _WRITE_PJ] + spills * results * c.spill_pj
    fetch[g, 0], fetch[g, 1] = busiest, reads * plan[g, _LOAD_CYCLES]
    fetch[g, 2] = reads * plan[g, _LOAD_NS] + passing_ns
    out[row, _DRAM] += passing_pj


@njit(cache=True, error_model="numpy")
def _price_operations(c: Chip, work: Work, step: int, row_cycles: Floats, price: Floats) -> None:
    """What the special functions of a step cost.

    Args:
        c: the chip.
        work: what to do.
        step: 0 for a layer, 1 for the start.
        row_cycles: (5,) receives the cycles of a row of each.
        price: (2, 3) receives energies of special functions, control and SRAM, of all together:
            those for each token, and those beside them.
    """
    price[:, :] = 0.0
    for i in range(5):
        width = work.operations[step, i, 2]
        vectors = np.ceil(width / c.n)
        row_cycles[i] = work.rates[step, i, 0] * vectors + work.rates[step, i, 1]
        moved = work.rates[step, i, 3] * c.read_activations_pj
        moved += work.rates[step, i, 4] * c.write_activations_pj
        for j in range(2):
            rows = work.operations[step, i, j]
            price[j, 0] += rows * width * work.rates[step, i, 2]
            price[j, 1] += rows * row_cycles[i] * c.idle_cycle_pj
            price[j, 2] += rows * vectors * (moved + work.rates[step, i, 5] * c.table_pj)


@njit(cache=True, error_model="numpy", inline="always")
def _add_operations(
    c: Chip,
    work: Work,
    s: int,
    step: int,
    row_cycles: Floats,
    price: Floats,
    row: int,
    out: Floats,
) -> float:
    """Cycles of the busiest unit in special functions; their energy goes into ``out``.

    Args:
        c: the chip.
        work: what to do.
        s: token count, as an index.
        step: 0 for a layer, 1 for the start.
        row_cycles: (5,) cycles of a row of each.
        price: (2, 3) energies for each token and beside them.
        row: of ``out``.
        out: (8, 7) receives energy by part.
    """
    tokens, units = work.tokens[s], work.where_units[c.units]
    out[row, _SPECIAL] += tokens * price[0, 0] + price[1, 0]
    out[row, _CONTROL] += tokens * price[0, 1] + price[1, 1]
    out[row, _SRAM] += tokens * price[0, 2] + price[1, 2]
    cycles = 0.0
    for i in range(5):
        cycles += work.busiest_rows[units, s, step, i] * row_cycles[i]
    return cycles


@njit(cache=True, error_model="numpy")
def _map_stage(
    c: Chip,
    m: Model,
    r: Rates,
    stage: int,
    tokens: int,
    row_blocks: float,
    row_blocks_of_unit: float,
    first: int,
    plan: Floats,
    base_bits: float,
    through: bool,
    passing_a: float,
    passing_b: float,
    best: Floats,
) -> float:
    """Best mapping of a stage of one or two GEMMs with encoder weights.

    Args:
        c: the chip.
        m: workload.
        r: constants.
        stage: index into `STAGES`, or a GEMM that stands alone.
        tokens: rows.
        row_blocks: blocks of n rows.
        row_blocks_of_unit: of the unit with most of them.
        first: row of the stage's first GEMM in the plan; the feed-forward stage has two.
        plan: (n_gemms, 13).
        base_bits: held whatever the mapping.
        through: whether activations pass through from the DRAM: a block of inputs is held too.
        passing_a: time that they take in the first GEMM, ns.
        passing_b: in the second.
        best: (n_stages, 11) receives in row ``stage`` order, m, k, weight reads, whether anything
            fits, spills of both GEMMs, whether units share rows in each, time and energy.

    Returns:
        Least buffer bits that a mapping needs.
    """
    two = stage == _FFN
    last = first + 1 if two else first
    first_depth, last_depth = plan[first, _DEPTH], plan[last, _DEPTH]
    deepest = max(first_depth, last_depth)
    # Elements a row: of the hidden activations or the output rows (the feed-forward output takes
    # the place of the attention context); query, key and value are in the base.
    held = plan[first, _COLUMNS] if stage in (_OUTPUT, _FFN) else 0.0
    inputs = first_depth if through else 0.0
    row_bits = (held + inputs) * m.activation_bits
    partial = 3.0 * m.head_width if stage == _QKV else plan[last, _COLUMNS]
    spill_a = tokens * plan[first, _VECTORS] * c.spill_pj
    spill_b = tokens * plan[last, _VECTORS] * c.spill_pj
    low, high = _sharings(c.units, row_blocks)
    best[stage, 4] = 0.0
    best_time = best_pj = least = np.inf
    # 0: both share columns; 1: both rows; 2: rows in the first alone; 3: in the second alone.
    for sharing in range(low, 4 if two and high > low else high + 1):
        rows_a, rows_b = sharing in (1, 2), sharing in (1, 3)
        block = c.n * c.units if sharing == 1 else c.n
        share = min(row_blocks_of_unit * c.n, tokens)  # rows of one unit where units share them
        for order in range(3):
            blocks = 1
            while blocks <= _MOST_BLOCKS:
                rows = float(tokens if order == 2 else min(blocks * block, tokens))
                reads = 1.0 if order == 2 else np.ceil(tokens / rows)
                time, fixed_pj = _time_and_energy(
                    c, r, row_blocks, row_blocks_of_unit, first, plan, rows_a, reads, passing_a
                )
                if two:
                    time_b, pj_b = _time_and_energy(
                        c, r, row_blocks, row_blocks_of_unit, last, plan, rows_b, reads, passing_b
                    )
                    time, fixed_pj = time + time_b, fixed_pj + pj_b
                parts = 2 if order == 1 else 1
                while parts <= (1 if order == 0 else _MOST_PARTS):
                    k = c.n * np.ceil(np.ceil(deepest / parts) / c.n)
                    tile = c.n * (c.n if order != 2 and blocks == 1 else k)
                    spills_a = 0.0 if order == 0 else np.ceil(first_depth / k) - 1
                    spills_b = np.ceil(last_depth / k) - 1 if two and order > 0 else 0.0
                    if order == 1 and stage == _FFN:
                        spills_a = 0.0  # a tile of hidden activations is finished before its use
                    need = base_bits + 2.0 * tile * m.format_bits * c.units
                    if order == 1:
                        need += rows * (inputs * m.activation_bits + partial * c.partial_bits)
                        need += rows * k * m.activation_bits if stage == _FFN else 0.0
                    else:
                        need += rows * row_bits
                    if order == 2:
                        of_a = (share if rows_a else float(tokens)) if spills_a > 0 else 0.0
                        of_b = (share if rows_b else float(tokens)) if spills_b > 0 else 0.0
                        need += max(of_a, of_b) * c.n * c.partial_bits * c.units
                    least = min(least, need)
                    if need <= c.capacity_bits and not (m.masked and tile > c.mask_bits):
                        pj = fixed_pj + spill_a * spills_a + spill_b * spills_b
                        if _is_better(c.objective, time, pj, best_time, best_pj):
                            best_time, best_pj = time, pj
                            best[stage, 0], best[stage, 1], best[stage, 2] = order, rows, k
                            best[stage, 3], best[stage, 4] = reads, 1.0
                            best[stage, 5], best[stage, 6] = spills_a, spills_b
                            best[stage, 7], best[stage, 8] = rows_a, rows_b
                            best[stage, 9], best[stage, 10] = time, pj
                    if k == c.n:
                        break
                    parts *= 2
                if rows >= tokens:
                    break
                blocks *= 2
    return least


@njit(cache=True, error_model="numpy")
def _is_better(objective: int, time: float, pj: float, best_time: float, best_pj: float) -> bool:
    """Whether a mapping beats the best so far; ties in the objective go to the other figure."""
    if objective == _BY_LATENCY:
        first, second, best_first, best_second = time, pj, best_time, best_pj
    elif objective == _BY_ENERGY:
        first, second, best_first, best_second = pj, time, best_pj, best_time
    else:
        first, second, best_first, best_second = time * pj, time, best_time * best_pj, best_time
    if first < best_first * (1 - _HAIR):
        return True
    return first <= best_first * (1 + _HAIR) and second < best_second


@njit(cache=True, error_model="numpy")
def _attention(
    c: Chip,
    m: Model,
    r: Rates,
    work: Work,
    k: int,
    s: int,
    row_blocks: float,
    through: bool,
    fetch: Floats,
    row: int,
    out: Floats,
) -> float:
    """Scores, softmax and context of a layer; cycles of its softmax.

    Heads are dealt to the units in falling order of span; each computes the tiles of its band.
    Scores: one output tile, ceil(head / n) deep. Context: ceil(head / n) output tiles for each
    block of rows, as deep as the band is wide there.

    Args:
        c: the chip.
        m: workload.
        r: constants.
        work: what to do.
        k: kind of layer.
        s: token count, as an index.
        row_blocks: blocks of n tokens.
        through: whether Q, K, V and the context pass through the DRAM.
        fetch: (7, 3) receives cycles, load cycles, load ns.
        row: of ``out``.
        out: (8, 7) receives energy by part.
    """
    tokens, on, pairs = work.tokens[s], work.heads_on[k], work.pairs[k, s]
    size, units = work.where[c.n], work.where_units[c.units]
    all_tiles = work.attention[size, units, k, s, 0]
    all_vectors = work.attention[size, units, k, s, 1]
    busiest_tiles = work.attention[size, units, k, s, 2]
    busiest_vectors = work.attention[size, units, k, s, 3]
    busiest_heads = np.ceil(on / c.units)
    head_blocks = np.ceil(m.head_width / c.n)
    tile_cycles = c.n * (2 * head_blocks + r.fill)
    fill = c.n * head_blocks * row_blocks * r.fill
    total = all_tiles * tile_cycles + on * fill
    lanes = total * c.n**2
    working = 2.0 * pairs * m.head_width if c.gating > _VECTOR_GATED else lanes
    results = all_tiles * c.n + on * tokens * head_blocks
    elements = pairs + on * tokens * m.head_width
    _add_macs(c, r, total, working, False, results, elements, row, out)
    fetch[_ATTENTION, 0] = busiest_tiles * tile_cycles + busiest_heads * fill
    fetch[_ATTENTION, 1] = fetch[_ATTENTION, 2] = 0.0
    if through:
        heads_bits = float(on * m.head_width * tokens * m.activation_bits)
        fetch[_ATTENTION, 2] = 4 * heads_bits * c.dram_ns_per_bit + c.dram_latency_ns
        out[row, _DRAM] += heads_bits * (3 * c.dram_read_pj + c.dram_write_pj)
    out[row, _SPECIAL] += pairs * r.softmax_pj
    softmax_total = all_vectors * r.softmax_vector + on * tokens * r.softmax_row
    out[row, _CONTROL] += softmax_total * c.idle_cycle_pj
    moved = 3 * c.read_activations_pj + c.write_activations_pj
    out[row, _SRAM] += all_vectors * moved
    cycles: float = busiest_vectors * r.softmax_vector + busiest_heads * tokens * r.softmax_row
    return cycles


@njit(cache=True, error_model="numpy", inline="always")
def _reads_once(
    c: Chip,
    m: Model,
    r: Rates,
    stage: int,
    tokens: int,
    row_blocks: float,
    row_blocks_of_unit: float,
    plan: Floats,
    base_bits: float,
    through: bool,
    passing_a: float,
    passing_b: float,
    best: Floats,
) -> bool:
    """Whether a stage fits so that every weight is read once and nothing is spilled.

    Nothing is better than that, by any objective, but for how units share it; ``best`` receives the
    mapping as in `_map_stage`.
    """
    last = _FFN2_GEMM if stage == _FFN else stage
    deepest = max(plan[stage, _DEPTH], plan[last, _DEPTH])
    held = 0.0 if stage == _QKV else plan[stage, _COLUMNS]
    inputs = plan[stage, _DEPTH] if through else 0.0
    padded = c.n * np.ceil(deepest / c.n)
    need = base_bits + 2.0 * c.n * padded * m.format_bits * c.units
    need += tokens * (held + inputs) * m.activation_bits
    if need > c.capacity_bits or (m.masked and c.n * padded > c.mask_bits):
        return False
    best[stage, 0], best[stage, 1], best[stage, 2] = 2.0, tokens, padded
    best[stage, 3], best[stage, 4], best[stage, 5], best[stage, 6] = 1.0, 1.0, 0.0, 0.0
    best[stage, 7], best[stage, 8], best[stage, 9], best[stage, 10] = _best_sharing(
        c, r, row_blocks, row_blocks_of_unit, stage, last, plan, passing_a, passing_b
    )
    return True


@njit(cache=True, error_model="numpy")
def _tokens_at_once(c: Chip, m: Model, plan: Floats, on: int) -> float:
    """Tokens up to which `_reads_once` holds for all stages of a layer whose activations stay.

    A hair is taken off: what lies on the edge is looked at.
    """
    most = np.inf
    for stage in range(3):
        last = _FFN2_GEMM if stage == _FFN else stage
        padded = c.n * np.ceil(max(plan[stage, _DEPTH], plan[last, _DEPTH]) / c.n)
        if m.masked and c.n * padded > c.mask_bits:
            return 0.0
        if stage == _QKV:
            held = float(min(c.units, on) * (3 * m.head_width + c.n))
        else:
            held = plan[stage, _COLUMNS]
        left = c.capacity_bits - 2.0 * c.n * padded * m.format_bits * c.units
        most = min(most, left / ((2.0 * m.hidden + held) * m.activation_bits))
    return most * (1 - _HAIR)


@njit(cache=True, error_model="numpy")
def _map_stages(
    c: Chip,
    m: Model,
    r: Rates,
    tokens: int,
    row_blocks: float,
    row_blocks_of_unit: float,
    plan: Floats,
    on: int,
    through: bool,
    mapping: Floats,
) -> tuple[bool, bool, float, float, float]:
    """Mappings of a layer's stages, with activations that stay or that pass through the DRAM.

    Resident through a layer are its input and the attention context, as much as all keys and
    values, unless activations pass through.

    Args:
        c: the chip.
        m: workload.
        r: constants.
        tokens: rows.
        row_blocks: blocks of n rows.
        row_blocks_of_unit: of the unit with most of them.
        plan: (6, 13) of the layer's GEMMs.
        on: heads that are on.
        through: whether activations pass through the DRAM.
        mapping: (3, 11) receives the mappings of `STAGES`.

    Returns:
        Whether all fit, whether every weight is read once and nothing spilled, least buffer bits of
        the stages where it is not so, time and energy.
    """
    row_bits = float(tokens * m.activation_bits)
    head_bits = min(c.units, on) * (3 * m.head_width + c.n) * row_bits
    resident = 0.0 if through else 2.0 * m.hidden * row_bits
    fits, once, need, time, pj = True, True, 0.0, 0.0, 0.0
    for stage in range(3):
        passing_a = passing_b = 0.0
        if through:
            passing_a, moved_pj = _passing(c, m, stage, tokens, on)
            pj += moved_pj
            if stage == _FFN:
                passing_b, moved_pj = _passing(c, m, _FFN2_GEMM, tokens, on)
                pj += moved_pj
        base_bits = resident + head_bits if stage == _QKV else resident
        if not _reads_once(
            c,
            m,
            r,
            stage,
            tokens,
            row_blocks,
            row_blocks_of_unit,
            plan,
            base_bits,
            through,
            passing_a,
            passing_b,
            mapping,
        ):
            once = False
            least_of_stage = _map_stage(
                c,
                m,
                r,
                stage,
                tokens,
                row_blocks,
                row_blocks_of_unit,
                stage,  # stages begin with the GEMMs of the same number
                plan,
                base_bits,
                through,
                passing_a,
                passing_b,
                mapping,
            )
            need = max(need, least_of_stage)
            fits = fits and mapping[stage, 4] > 0
        time += mapping[stage, 9]
        pj += mapping[stage, 10]
    return fits, once, need, time, pj


@njit(cache=True, error_model="numpy")
def _map_layer(
    c: Chip,
    m: Model,
    r: Rates,
    tokens: int,
    row_blocks: float,
    row_blocks_of_unit: float,
    plan: Floats,
    on: int,
    mapping: Floats,
    through_mapping: Floats,
) -> tuple[bool, bool, float]:
    """Mappings of a layer: whether all fit, whether through the DRAM, least buffer bits.

    Where there is a DRAM, activations can pass through the buffers from there instead of staying.
    That is chosen if the layer is better for it: its stages with attention's transfers, none of
    which is taken to hide under attention.

    Args:
        c: the chip.
        m: workload.
        r: constants.
        tokens: rows.
        row_blocks: blocks of n rows.
        row_blocks_of_unit: of the unit with most of them.
        plan: (6, 13) of the layer's GEMMs.
        on: heads that are on.
        mapping: (3, 11) receives the mappings of `STAGES`.
        through_mapping: (3, 11) room for those through the DRAM.
    """
    fits, once, least, stay_time, stay_pj = _map_stages(
        c, m, r, tokens, row_blocks, row_blocks_of_unit, plan, on, False, mapping
    )
    if once or not c.has_dram:
        return fits, False, least
    through_fits, _, need, time, pj = _map_stages(
        c, m, r, tokens, row_blocks, row_blocks_of_unit, plan, on, True, through_mapping
    )
    least = min(least, need)
    if not through_fits:
        return fits, False, least
    if fits:
        heads_bits = float(on * m.head_width * tokens * m.activation_bits)
        passing_ns = 4 * heads_bits * c.dram_ns_per_bit + c.dram_latency_ns
        time += passing_ns
        pj += heads_bits * (3 * c.dram_read_pj + c.dram_write_pj)
        if c.objective != _BY_LATENCY:
            pj += c.static_mw * passing_ns
        if not _is_better(c.objective, time, pj, stay_time, stay_pj):
            return True, False, least
    mapping[:, :] = through_mapping
    return True, True, least


@njit(cache=True, error_model="numpy")
def _passing_bits(m: Model, gemm: int, tokens: int, on: int) -> tuple[float, float]:
    """Activations that a GEMM reads from and writes to the DRAM where they pass through it.

    A layer's input for Q, K, V; context and input for the output projection and its residual; its
    result for the feed-forward stage and its residual.
    """
    inputs = float(m.hidden * tokens * m.activation_bits)
    heads = float(on * m.head_width * tokens * m.activation_bits)
    if gemm == _QKV_GEMM:
        return inputs, 3 * heads
    if gemm == _OUTPUT_GEMM:
        return inputs + heads, inputs
    return inputs, 0.0 if gemm == _FFN1_GEMM else inputs


@njit(cache=True, error_model="numpy")
def _passing(c: Chip, m: Model, gemm: int, tokens: int, on: int) -> tuple[float, float]:
    """Time, ns, and energy, pJ, of the activations of a GEMM that pass through the DRAM."""
    read_bits, written_bits = _passing_bits(m, gemm, tokens, on)
    ns = (read_bits + written_bits) * c.dram_ns_per_bit + c.dram_latency_ns
    return ns, read_bits * c.dram_read_pj + written_bits * c.dram_write_pj


@njit(cache=True, error_model="numpy")
def _look_up(c: Chip, m: Model, tokens: int, fetch: Floats, row: int, out: Floats) -> None:
    """Reading token and position embeddings of each token, and one token type."""
    rows = 2 * tokens + 1
    row_bits = m.embedding_width * m.embedding_bits
    words = rows * np.ceil(row_bits / c.word_bits[_EMBEDDINGS])
    cycles, ns, near_pj, far_pj = _load(c, _EMBEDDINGS, rows * row_bits, words, float(rows))
    fetch[_LOOK_UP, 1], fetch[_LOOK_UP, 2] = cycles, ns
    out[row, _WEIGHT_SRAM if c.in_sram[_EMBEDDINGS] else _ENVM] += near_pj
    out[row, _DRAM] += far_pj
    out[row, _SRAM] += rows * np.ceil(m.embedding_width / c.n) * c.write_activations_pj


@njit(cache=True, error_model="numpy")
def _chip(chips: Chips, d: int) -> Chip:
    """One chip of many."""
    b, y, i = chips.word_bits, chips.word_cycles, chips.in_sram
    w, p, h = chips.word_ns[d], chips.read_pj_per_bit[d], chips.chip_share[d]
    return Chip(
        chips.n[d],
        chips.units[d],
        chips.capacity_bits[d],
        chips.mask_bits[d],
        chips.gating[d],
        chips.compacts[d],
        chips.objective[d],
        chips.partial_bits[d],
        chips.mac_pj[d],
        chips.activation_mac_pj[d],
        chips.read_activations_pj[d],
        chips.write_activations_pj[d],
        chips.read_weights_pj[d],
        chips.write_weights_pj[d],
        chips.spill_pj[d],
        chips.table_pj[d],
        chips.cycle_pj[d],
        chips.idle_cycle_pj[d],
        chips.static_mw[d],
        (b[0], b[1], b[2]),
        (y[0], y[1], y[2]),
        (i[0], i[1], i[2]),
        (w[0], w[1], w[2]),
        (p[0], p[1], p[2]),
        (h[0], h[1], h[2]),
        chips.dram_read_pj[d],
        chips.dram_write_pj[d],
        chips.dram_ns_per_bit[d],
        chips.dram_latency_ns[d],
        chips.has_dram[d],
    )


@njit(cache=True, error_model="numpy", nogil=True)
def _run(
    chips: Chips,
    m: Model,
    r: Rates,
    work: Work,
    energy_pj: Floats,
    special_cycles: Floats,
    fetches: Floats,
    fits: Bools,
    least_bits: Floats,
    mapping: Floats,
    gemm_pj: Floats,
) -> None:
    """Fills the arrays of `Steps` for every chip, token count and step.

    No views of arrays are made inside the loops: counting references to them would cost more than
    the arithmetic. Energies are kept apart by GEMM only where they are asked for. Else row 1 has
    exits, which are the same for all token counts, row 2 attention, and row 0 all others; kinds of
    layer with as many heads on differ in attention alone, and the rest is worked out once.
    """
    detailed = len(gemm_pj) > 0
    last, lengths = work.spans.shape[0], len(work.tokens)
    by_gemm, fetch = np.zeros((8, 7)), np.zeros((7, 3))
    chosen, chosen_through = np.zeros((3, 11)), np.zeros((3, 11))
    plan, row_cycles, price = np.zeros((6, 13)), np.zeros(5), np.zeros((2, 3))
    rest_pj, rest_cycles = np.zeros((last + 1, lengths, 7)), np.zeros((last + 1, lengths))
    passes = np.zeros((last + 1, lengths), dtype=np.bool_)
    of_attention, of_others = (_ATTENTION, _REST) if detailed else (2, 0)
    for d in range(len(chips.n)):
        c = _chip(chips, d)
        for k in range(last + 1):
            on, twin = work.heads_on[k], -1 if detailed else work.twins[k]
            if twin < 0:
                for g in range(6):
                    if work.gemms[k, g, 2] > 0:
                        _plan_gemm(
                            c,
                            m,
                            r,
                            _EXITS if g >= _POOLER else _ENCODER,
                            work.gemms[k, g, 0],
                            work.gemms[k, g, 1],
                            work.gemms[k, g, 2],
                            work.alive[k, g],
                            g,
                            plan,
                        )
                _price_operations(c, work, 0 if k < last else 1, row_cycles, price)
                fetch[:, :] = 0.0
            at_once = blocks_before = 0.0
            if k < last and twin < 0 and lengths > 1:
                at_once = _tokens_at_once(c, m, plan, on)
            for s in range(lengths):
                tokens = work.tokens[s]
                row_blocks = np.ceil(tokens / c.n)
                row_blocks_of_unit = np.ceil(row_blocks / c.units)
                for row in range(8 if detailed else 3):
                    # An exit costs the same whatever the tokens: it is worked out for the first.
                    exits = _POOLER <= row < _ATTENTION if detailed else row == 1
                    if s == 0 or not exits:
                        for part in range(7):
                            by_gemm[row, part] = 0.0
                softmax, through = 0.0, False
                if k < last:
                    if twin >= 0:
                        through = passes[twin, s]
                    elif tokens <= at_once and row_blocks == blocks_before:
                        # As for the length before: what units share follows from the row blocks.
                        chosen[:, 1] = tokens
                    else:
                        fit, through, least = _map_layer(
                            c,
                            m,
                            r,
                            tokens,
                            row_blocks,
                            row_blocks_of_unit,
                            plan,
                            on,
                            chosen,
                            chosen_through,
                        )
                        fits[d] = fits[d] and fit
                        least_bits[d] = max(least_bits[d], least)
                        blocks_before = row_blocks
                    softmax = _attention(
                        c, m, r, work, k, s, row_blocks, through, fetch, of_attention, by_gemm
                    )
                else:
                    _look_up(c, m, tokens, fetch, _LOOK_UP if detailed else 0, by_gemm)
                if twin >= 0:
                    special_cycles[d, s, k] = (softmax + rest_cycles[twin, s]) * (1 - r.overlap)
                    for part in range(7):
                        energy_pj[d, s, k, part] = rest_pj[twin, s, part] + by_gemm[2, part]
                    for g in range(7):
                        for i in range(3):
                            theirs = fetches[d, s, twin, g, i]
                            fetches[d, s, k, g, i] = fetch[g, i] if g == _ATTENTION else theirs
                    continue
                for g in range(6):
                    exits = g >= _POOLER
                    if work.gemms[k, g, 2] == 0 or (exits and s > 0):
                        continue
                    store, reads, spills = _ENCODER, 1.0, 0.0
                    passing_ns = passing_pj = 0.0
                    rows, blocks, of_unit = float(tokens), row_blocks, row_blocks_of_unit
                    if exits:
                        store, rows, blocks, of_unit = _EXITS, 1.0, 1.0, 1.0
                    if k < last and not exits:
                        stage, second = min(g, _FFN), int(g == _FFN2_GEMM)
                        reads, spills = chosen[stage, 3], chosen[stage, 5 + second]
                        by_rows = chosen[stage, 7 + second] > 0
                        if through:
                            passing_ns, passing_pj = _passing(c, m, g, tokens, on)
                    else:
                        by_rows = _best_sharing(c, r, blocks, of_unit, g, g, plan, 0.0, 0.0)[0]
                    _add_weight_gemm(
                        c,
                        r,
                        rows,
                        blocks,
                        of_unit,
                        g,
                        plan,
                        by_rows,
                        store,
                        reads,
                        spills,
                        passing_ns,
                        passing_pj,
                        fetch,
                        g if detailed else int(exits),
                        by_gemm,
                    )
                kind = 0 if k < last else 1
                cycles = _add_operations(c, work, s, kind, row_cycles, price, of_others, by_gemm)
                special_cycles[d, s, k] = (softmax + cycles) * (1 - r.overlap)
                rest_cycles[k, s], passes[k, s] = cycles, through
                for part in range(7):
                    rest_pj[k, s, part] = by_gemm[0, part] + by_gemm[1, part]
                    total = rest_pj[k, s, part] + by_gemm[2, part]
                    for row in range(3, 8 if detailed else 3):
                        total += by_gemm[row, part]
                    energy_pj[d, s, k, part] = total
                for g in range(7):
                    for i in range(3):
                        fetches[d, s, k, g, i] = fetch[g, i]
                if detailed:
                    gemm_pj[d, s, k] = by_gemm[:7]
                    chosen[:, 4] = through
                    mapping[d, s, k, :, :5] = chosen[:, :5]
                    mapping[d, s, k, :, 5:] = chosen[:, 7:9]


@njit(cache=True, error_model="numpy")
def run_alone(
    chips: Chips,
    m: Model,
    r: Rates,
    gemms: Ints,
    with_weights: Bools,
    fetches: Floats,
    energy_pj: Floats,
    fits: Bools,
    mapping: Floats,
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
        mapping: (n_chips, n_gemms, 11) receives rows of `_map_stage`.
    """
    plan, chosen = np.zeros((1, 13)), np.zeros((4, 11))
    for d in range(len(chips.n)):
        c = _chip(chips, d)
        for g in range(len(gemms)):
            rows, depth, columns = gemms[g, 0], gemms[g, 1], gemms[g, 2]
            blocks = np.ceil(rows / c.n)
            of_unit = np.ceil(blocks / c.units)
            _plan_gemm(c, m, r, _ENCODER, depth, columns, gemms[g, 3], 1.0, 0, plan)
            fetch, out = np.zeros((1, 3)), np.zeros((1, 7))
            held_bits = float(rows * (depth + columns) * m.activation_bits)
            if with_weights[g]:
                _map_stage(
                    c,
                    m,
                    r,
                    _ALONE,
                    rows,
                    blocks,
                    of_unit,
                    0,
                    plan,
                    held_bits,
                    False,
                    0.0,
                    0.0,
                    chosen,
                )
                fits[d, g] = chosen[_ALONE, 4] > 0
                mapping[d, g] = chosen[_ALONE]
                _add_weight_gemm(
                    c,
                    r,
                    float(rows),
                    blocks,
                    of_unit,
                    0,
                    plan,
                    chosen[_ALONE, 7] > 0,
                    _ENCODER,
                    chosen[_ALONE, 3],
                    chosen[_ALONE, 5],
                    0.0,
                    0.0,
                    fetch,
                    0,
                    out,
                )
            else:
                fits[d, g] = held_bits + depth * columns * m.activation_bits <= c.capacity_bits
                busiest, total, _ = gemm_cycles(blocks, of_unit, c.units, 0, plan, True)
                by_columns, _, _ = gemm_cycles(blocks, of_unit, c.units, 0, plan, False)
                busiest = min(busiest, by_columns)
                working = min(rows * plan[0, _WORKING], total * c.n**2)
                results, elements = rows * plan[0, _VECTORS], rows * plan[0, _ELEMENTS]
                _add_macs(c, r, total, working, False, results, elements, 0, out)
                fetch[0, 0] = busiest
            fetches[d, g] = fetch[0]
            energy_pj[d, g] = out[0]
