"""Mapping of a layer: its stages, with activations that stay or pass through a DRAM, compiled.

Activations of a sentence stay in the data buffers or, if there is a DRAM and a layer is better for
it, pass through them from there. `hw_cost.stage_mapping` has what a stage can choose.
"""

from __future__ import annotations

import numpy as np

from hw_cost.chip import Chip
from hw_cost.compiled import compiled
from hw_cost.gemm import COLUMNS, DEPTH, Rows
from hw_cost.stage_mapping import (
    BY_LATENCY,
    BY_ROWS,
    ENERGY_PJ,
    FFN_STAGE,
    FITS,
    HAIR,
    ORDER,
    QKV_STAGE,
    READS,
    SPILLS,
    TIME_NS,
    WEIGHT_STATIONARY,
    K,
    M,
    Stage,
    best_sharing,
    is_better,
    map_stage,
)
from hw_cost.units import Floats
from hw_cost.work import FFN1_GEMM, FFN2_GEMM, OUTPUT_GEMM, QKV_GEMM, Model, Rates


@compiled()
def _passing_bits(m: Model, gemm: int, tokens: int, on: int) -> tuple[float, float]:
    """Activations that a GEMM reads from and writes to the DRAM where they pass through it.

    A layer's input for Q, K, V; context and input for the output projection and its residual; its
    result for the feed-forward stage and its residual.
    """
    inputs = float(m.hidden * tokens * m.activation_bits)
    heads = float(on * m.head_width * tokens * m.activation_bits)
    if gemm == QKV_GEMM:
        return inputs, 3 * heads
    if gemm == OUTPUT_GEMM:
        return inputs + heads, inputs
    return inputs, 0.0 if gemm == FFN1_GEMM else inputs


@compiled()
def passing(c: Chip, m: Model, gemm: int, tokens: int, on: int) -> tuple[float, float]:
    """Time, ns, and energy, pJ, of the activations of a GEMM that pass through the DRAM."""
    read_bits, written_bits = _passing_bits(m, gemm, tokens, on)
    ns = (read_bits + written_bits) * c.dram_ns_per_bit + c.dram_latency_ns
    return ns, read_bits * c.dram_read_pj + written_bits * c.dram_write_pj


@compiled()
def _last_gemm(stage: int) -> int:
    """The last GEMM of a stage; stages begin with the GEMM of the same number."""
    return FFN2_GEMM if stage == FFN_STAGE else stage


@compiled(inline="always")
def _reads_once(
    c: Chip, m: Model, r: Rates, stage: Stage, rows: Rows, plan: Floats, best: Floats
) -> bool:
    """Whether a stage fits so that every weight is read once and nothing is spilled.

    Nothing is better than that, by any objective, but for how units share it; ``best`` receives the
    mapping as in `hw_cost.stage_mapping.map_stage`.
    """
    kind, first, last = stage.kind, stage.first, _last_gemm(stage.kind)
    deepest = max(plan[first, DEPTH], plan[last, DEPTH])
    held = 0.0 if kind == QKV_STAGE else plan[first, COLUMNS]
    inputs = plan[first, DEPTH] if stage.through else 0.0
    padded = c.n * np.ceil(deepest / c.n)
    need = stage.base_bits + 2.0 * c.n * padded * m.format_bits * c.units
    need += rows.total * (held + inputs) * m.activation_bits
    if need > c.capacity_bits or (m.masked and c.n * padded > c.mask_bits):
        return False
    best[kind, ORDER], best[kind, M], best[kind, K] = WEIGHT_STATIONARY, rows.total, padded
    best[kind, READS], best[kind, FITS] = 1.0, 1.0
    best[kind, SPILLS], best[kind, SPILLS + 1] = 0.0, 0.0
    rows_a, rows_b, time, pj = best_sharing(
        c, r, rows, first, last, plan, stage.passing_a, stage.passing_b
    )
    best[kind, BY_ROWS], best[kind, BY_ROWS + 1] = rows_a, rows_b
    best[kind, TIME_NS], best[kind, ENERGY_PJ] = time, pj
    return True


@compiled()
def tokens_at_once(c: Chip, m: Model, plan: Floats, on: int) -> float:
    """Tokens up to which `_reads_once` holds for all stages of a layer whose activations stay.

    A hair is taken off: what lies on the edge is looked at.
    """
    most = np.inf
    for stage in range(3):
        last = _last_gemm(stage)
        padded = c.n * np.ceil(max(plan[stage, DEPTH], plan[last, DEPTH]) / c.n)
        if m.masked and c.n * padded > c.mask_bits:
            return 0.0
        if stage == QKV_STAGE:
            held = float(min(c.units, on) * (3 * m.head_width + c.n))
        else:
            held = plan[stage, COLUMNS]
        left = c.capacity_bits - 2.0 * c.n * padded * m.format_bits * c.units
        most = min(most, left / ((2.0 * m.hidden + held) * m.activation_bits))
    return most * (1 - HAIR)


@compiled()
def _map_stages(
    c: Chip,
    m: Model,
    r: Rates,
    rows: Rows,
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
        rows: of the results: tokens.
        plan: (6, 13) of the layer's GEMMs.
        on: heads that are on.
        through: whether activations pass through the DRAM.
        mapping: (3, 11) receives the mappings of `hw_cost.stage_mapping.STAGES`.

    Returns:
        Whether all fit, whether every weight is read once and nothing spilled, least buffer bits of
        the stages where it is not so, time and energy.
    """
    tokens = rows.total
    row_bits = float(tokens * m.activation_bits)
    head_bits = min(c.units, on) * (3 * m.head_width + c.n) * row_bits
    resident = 0.0 if through else 2.0 * m.hidden * row_bits
    fits, once, need, time, pj = True, True, 0.0, 0.0, 0.0
    for kind in range(3):
        passing_a = passing_b = 0.0
        if through:
            passing_a, moved_pj = passing(c, m, kind, tokens, on)
            pj += moved_pj
            if kind == FFN_STAGE:
                passing_b, moved_pj = passing(c, m, FFN2_GEMM, tokens, on)
                pj += moved_pj
        base_bits = resident + head_bits if kind == QKV_STAGE else resident
        stage = Stage(kind, kind, base_bits, through, passing_a, passing_b)
        if not _reads_once(c, m, r, stage, rows, plan, mapping):
            once = False
            need = max(need, map_stage(c, m, r, stage, rows, plan, mapping))
            fits = fits and mapping[kind, FITS] > 0
        time += mapping[kind, TIME_NS]
        pj += mapping[kind, ENERGY_PJ]
    return fits, once, need, time, pj


@compiled()
def map_layer(
    c: Chip,
    m: Model,
    r: Rates,
    rows: Rows,
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
        rows: of the results: tokens.
        plan: (6, 13) of the layer's GEMMs.
        on: heads that are on.
        mapping: (3, 11) receives the mappings of `hw_cost.stage_mapping.STAGES`.
        through_mapping: (3, 11) room for those through the DRAM.
    """
    fits, once, least, stay_time, stay_pj = _map_stages(c, m, r, rows, plan, on, False, mapping)
    if once or not c.has_dram:
        return fits, False, least
    through_fits, _, need, time, pj = _map_stages(c, m, r, rows, plan, on, True, through_mapping)
    least = min(least, need)
    if not through_fits:
        return fits, False, least
    if fits:
        heads_bits = float(on * m.head_width * rows.total * m.activation_bits)
        passing_ns = 4 * heads_bits * c.dram_ns_per_bit + c.dram_latency_ns
        time += passing_ns
        pj += heads_bits * (3 * c.dram_read_pj + c.dram_write_pj)
        if c.objective != BY_LATENCY:
            pj += c.static_mw * passing_ns
        if not is_better(c.objective, time, pj, stay_time, stay_pj):
            return True, False, least
    mapping[:, :] = through_mapping
    return True, True, least
