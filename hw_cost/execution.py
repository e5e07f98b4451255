"""Execution: cycles, loads and energies of every step of a sentence on many chips, compiled.

Steps are one for each kind of layer (layer, exit, entropy test) and the start (embedding look-up,
their sum and norm, projection). Everything is at the nominal supply. A GEMM whose weights stream
from a store takes the longer of its cycles and its loads (double buffering).

What is compiled works on one chip, one token count and one step at a time: a layer is mapped
(`hw_cost.layer_mapping`), then its GEMMs, attention and special functions are added up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hw_cost.attention import add_attention
from hw_cost.chip import EMBEDDINGS, ENCODER, EXITS, Chip, Chips, chip_at
from hw_cost.compiled import compiled
from hw_cost.gemm import Gemm, GemmMapping, add_weight_gemm, load, plan_gemm, rows_on
from hw_cost.layer_mapping import map_layer, passing, tokens_at_once
from hw_cost.parts import DRAM, ENVM, PARTS, SRAM, WEIGHT_SRAM
from hw_cost.special_functions import add_operations, price_operations
from hw_cost.stage_mapping import BY_ROWS, FFN_STAGE, READS, SPILLS, STAGES, M, best_sharing
from hw_cost.units import Bools, Floats
from hw_cost.work import ATTENTION, FFN2_GEMM, GEMMS, LOOK_UP, POOLER, Model, Rates, Work

_REST = len(GEMMS)


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


@compiled()
def _look_up(c: Chip, m: Model, tokens: int, fetch: Floats, row: int, out: Floats) -> None:
    """Reading token and position embeddings of each token, and one token type."""
    rows = 2 * tokens + 1
    row_bits = m.embedding_width * m.embedding_bits
    words = rows * np.ceil(row_bits / c.word_bits[EMBEDDINGS])
    cycles, ns, near_pj, far_pj = load(c, EMBEDDINGS, rows * row_bits, words, float(rows))
    fetch[LOOK_UP, 1], fetch[LOOK_UP, 2] = cycles, ns
    out[row, WEIGHT_SRAM if c.in_sram[EMBEDDINGS] else ENVM] += near_pj
    out[row, DRAM] += far_pj
    out[row, SRAM] += rows * np.ceil(m.embedding_width / c.n) * c.write_activations_pj


@compiled(nogil=True)
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
    of_attention, of_others = (ATTENTION, _REST) if detailed else (2, 0)
    for d in range(len(chips.n)):
        c = chip_at(chips, d)
        for k in range(last + 1):
            on, twin = work.heads_on[k], -1 if detailed else work.twins[k]
            if twin < 0:
                for g in range(6):
                    if work.gemms[k, g, 2] > 0:
                        gemm = Gemm(
                            EXITS if g >= POOLER else ENCODER,
                            work.gemms[k, g, 0],
                            work.gemms[k, g, 1],
                            work.gemms[k, g, 2],
                            work.alive[k, g],
                        )
                        plan_gemm(c, m, r, gemm, g, plan)
                price_operations(c, work, 0 if k < last else 1, row_cycles, price)
                fetch[:, :] = 0.0
            at_once = blocks_before = 0.0
            if k < last and twin < 0 and lengths > 1:
                at_once = tokens_at_once(c, m, plan, on)
            for s in range(lengths):
                tokens = work.tokens[s]
                rows = rows_on(c, tokens)
                for row in range(8 if detailed else 3):
                    # An exit costs the same whatever the tokens: it is worked out for the first.
                    exits = POOLER <= row < ATTENTION if detailed else row == 1
                    if s == 0 or not exits:
                        for part in range(7):
                            by_gemm[row, part] = 0.0
                softmax, through = 0.0, False
                if k < last:
                    if twin >= 0:
                        through = passes[twin, s]
                    elif tokens <= at_once and rows.blocks == blocks_before:
                        # As for the length before: what units share follows from the row blocks.
                        chosen[:, M] = tokens
                    else:
                        fit, through, least = map_layer(
                            c, m, r, rows, plan, on, chosen, chosen_through
                        )
                        fits[d] = fits[d] and fit
                        least_bits[d] = max(least_bits[d], least)
                        blocks_before = rows.blocks
                    softmax = add_attention(
                        c, m, r, work, k, s, rows, through, fetch, of_attention, by_gemm
                    )
                else:
                    _look_up(c, m, tokens, fetch, LOOK_UP if detailed else 0, by_gemm)
                if twin >= 0:
                    special_cycles[d, s, k] = (softmax + rest_cycles[twin, s]) * (1 - r.overlap)
                    for part in range(7):
                        energy_pj[d, s, k, part] = rest_pj[twin, s, part] + by_gemm[2, part]
                    for g in range(7):
                        for i in range(3):
                            theirs = fetches[d, s, twin, g, i]
                            fetches[d, s, k, g, i] = fetch[g, i] if g == ATTENTION else theirs
                    continue
                for g in range(6):
                    exits = g >= POOLER
                    if work.gemms[k, g, 2] == 0 or (exits and s > 0):
                        continue
                    reads, spills, passing_ns, passing_pj = 1.0, 0.0, 0.0, 0.0
                    rows_of_gemm = rows_on(c, 1) if exits else rows
                    if k < last and not exits:
                        stage, second = min(g, FFN_STAGE), int(g == FFN2_GEMM)
                        reads, spills = chosen[stage, READS], chosen[stage, SPILLS + second]
                        by_rows = chosen[stage, BY_ROWS + second] > 0
                        if through:
                            passing_ns, passing_pj = passing(c, m, g, tokens, on)
                    else:
                        by_rows = best_sharing(c, r, rows_of_gemm, g, g, plan, 0.0, 0.0)[0]
                    add_weight_gemm(
                        c,
                        r,
                        EXITS if exits else ENCODER,
                        rows_of_gemm,
                        g,
                        plan,
                        GemmMapping(by_rows, reads, spills, passing_ns, passing_pj),
                        fetch,
                        g if detailed else int(exits),
                        by_gemm,
                    )
                kind = 0 if k < last else 1
                cycles = add_operations(c, work, s, kind, row_cycles, price, of_others, by_gemm)
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
                    mapping[d, s, k, :, :4] = chosen[:, : READS + 1]
                    mapping[d, s, k, :, 4] = through
                    mapping[d, s, k, :, 5:] = chosen[:, BY_ROWS : BY_ROWS + 2]
