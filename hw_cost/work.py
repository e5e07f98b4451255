"""Work: what each step of a sentence has to do, as the compiled model reads it.

GEMMs with weights, special functions, and the tiles of attention inside a span. A head with span s
needs the scores with |i - j| < s: a band. A block of n query rows computes the n x n tiles that
touch its part of the band.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numba import njit

from hw_cost.technology import Technology
from hw_cost.units import Floats, Ints
from hw_cost.workload import Workload

GEMMS: Final = ("qkv", "output", "ffn1", "ffn2", "pooler", "classifier", "attention")
START_GEMMS: Final = ("projection", "look-up")
_WITH_WEIGHTS: Final = len(GEMMS) - 1
_OUTPUT_GEMM, _PROJECTION = GEMMS.index("output"), START_GEMMS.index("projection")


class Model(NamedTuple):
    """The workload as the compiled model reads it."""

    hidden: int
    ffn: int
    head_width: int
    embedding_width: int
    activation_bits: int
    format_bits: int
    weight_bits: float
    embedding_bits: float
    masked: bool
    density: float


class Rates(NamedTuple):
    """The technology constants that the compiled model reads."""

    gated: float
    fill: float
    imbalance: float
    overlap: float
    clock_ghz: float
    softmax_vector: float
    softmax_row: float
    softmax_pj: float
    conversion_pj: float


class Work(NamedTuple):
    """What each step has to do, for every token count.

    Attributes:
        spans: (n_kinds, n_heads) of the kinds of layer, in falling order.
        heads_on: (n_steps,) of each kind; none in the start.
        twins: (n_steps,) first kind with as many heads on, or -1 if there is none before.
        tokens: (n_token_counts,).
        gemms: (n_steps, 6, 3) depth, columns and count of the GEMMs with weights, in the order of
            `GEMMS`; in the start the projection alone, or none (count 0). Their rows are the
            tokens, or the first token in exits.
        alive: (n_steps, 6) share of their depth that is not switched off.
        operations: (2, 5, 3) of the special functions of a layer (those of its exit last) and of
            the start: rows for each token, rows beside them, width.
        busiest_rows: (n_unit_counts, n_token_counts, 2, 5) rows of those for the busiest unit.
        rates: (2, 5, 6) of those: cycles a vector, cycles a row, pJ an element, vectors read,
            written, and read from tables.
        where: (65,) place of a MAC vector size in the table of attention.
        where_units: (most units + 1,) place of a number of units in it and in `busiest_rows`.
        attention: (n_sizes, n_unit_counts, n_kinds, n_token_counts, 4) score tiles and softmax
            vectors of all heads, then those of the busiest unit. Heads are dealt to the units in
            falling order of span: the first unit has the widest head of every round.
        pairs: (n_kinds, n_token_counts) query and key pairs inside the spans of all heads.
    """

    spans: Ints
    heads_on: Ints
    twins: Ints
    tokens: Ints
    gemms: Ints
    alive: Floats
    operations: Floats
    busiest_rows: Floats
    rates: Floats
    where: Ints
    where_units: Ints
    attention: Ints
    pairs: Ints


def model_of(workload: Workload) -> Model:
    """The numbers of a workload."""
    shape = workload.shape
    return Model(
        hidden=shape.hidden,
        ffn=shape.ffn,
        head_width=shape.head_width,
        embedding_width=shape.embedding_width,
        activation_bits=workload.activation_format.bits,
        format_bits=workload.weight_format.bits,
        weight_bits=float(workload.weight_bits),
        embedding_bits=float(workload.embedding_bits),
        masked=workload.has_weight_mask,
        density=float(workload.encoder_density),
    )


def rates_of(t: Technology) -> Rates:
    """The numbers of a technology."""
    return Rates(
        gated=t.gated_mac_share,
        fill=t.tile_fill_cycles_per_n,
        imbalance=t.compaction_imbalance,
        overlap=t.special_function_overlap,
        clock_ghz=t.nominal_clock_ghz,
        softmax_vector=t.softmax_cycles_per_vector,
        softmax_row=t.softmax_cycles_per_row,
        softmax_pj=t.softmax_energy_pj_per_element,
        conversion_pj=t.conversion_energy_pj_per_element,
    )


def work_of(
    workload: Workload, tokens: Ints, vector_sizes: Ints, units: Ints, t: Technology
) -> Work:
    """What each step of a workload has to do.

    Args:
        workload: the encoder.
        tokens: (n_token_counts,).
        vector_sizes: MAC vector sizes that occur.
        units: numbers of processing units that occur.
        t: constants.
    """
    shape = workload.shape
    spans = np.array(workload.layer_kinds, dtype=np.int64)
    gemms = np.zeros((len(spans) + 1, _WITH_WEIGHTS, 3), dtype=np.int64)
    alive = np.ones((len(spans) + 1, _WITH_WEIGHTS))
    a_token = np.ones(1, dtype=np.int64)
    exits = workload.exit_gemms(a_token)
    heads_on, twins = np.zeros(len(spans) + 1, dtype=np.int64), np.full(len(spans) + 1, -1)
    heads_on[:-1] = (spans > 0).sum(axis=1)
    for k, on in enumerate(heads_on[:-1]):
        before = np.flatnonzero(heads_on[:k] == on)
        twins[k] = before[0] if len(before) else -1
        for i, gemm in enumerate((*workload.weight_gemms(int(on), a_token), *exits)):
            gemms[k, i] = gemm.depth[0], gemm.columns[0], gemm.count
        alive[k, _OUTPUT_GEMM] = on / shape.heads
    projection = workload.projection_gemm(a_token)
    if projection is not None:
        gemms[-1, _PROJECTION] = projection.depth[0], projection.columns[0], 1
    hidden, width = shape.hidden, shape.embedding_width
    add = (t.add_cycles_per_vector, t.add_cycles_per_row, t.add_energy_pj_per_element, 2, 1, 0)
    norm = (
        t.layer_norm_cycles_per_vector,
        t.layer_norm_cycles_per_row,
        t.layer_norm_energy_pj_per_element,
        3,
        1,
        2,
    )
    # on the output path of the GEMM: no trip of its own through the buffers
    gelu = (t.gelu_cycles_per_vector, 0, t.gelu_energy_pj_per_element, 0, 0, 0)
    entropy = (
        t.entropy_cycles_per_vector,
        t.entropy_cycles_per_row,
        t.softmax_energy_pj_per_element,
        3,
        0,
        1,
    )
    of_layer = (
        ((2, 0, hidden), norm),
        ((1, 0, shape.ffn), gelu),
        ((2, 0, hidden), add),
        ((0, 1, hidden), gelu),  # tanh of the pooler
        ((0, 1, shape.classes), entropy),
    )
    of_start = (((2, 0, width), add), ((1, 0, width), norm))
    operations, rates = np.zeros((2, 5, 3)), np.zeros((2, 5, 6))
    for step, done in enumerate((of_layer, of_start)):
        for i, (size, rate) in enumerate(done):
            operations[step, i], rates[step, i] = size, rate
    rows = tokens[:, None, None] * operations[..., 0] + operations[..., 1]
    unit_counts = np.unique(units)
    busiest_rows = np.ceil(rows / unit_counts[:, None, None, None])
    where, *by_head = _attention_tables(np.unique(vector_sizes), spans, tokens)
    where_units, attention = _dealt(by_head, unit_counts)
    reach = np.minimum(spans[:, :, None] - 1, tokens - 1)  # of a head, on one side
    one_side = reach * (reach + 1) // 2 + (tokens - 1 - reach) * reach
    pairs = np.where(spans[:, :, None] > 0, tokens + 2 * one_side, 0).sum(axis=1)
    return Work(
        spans,
        heads_on,
        twins,
        tokens,
        gemms,
        alive,
        operations,
        busiest_rows,
        rates,
        where,
        where_units,
        attention,
        pairs,
    )


def _dealt(by_head: Sequence[Ints], units: Ints) -> tuple[Ints, Ints]:
    """`Work.where_units` and `Work.attention`.

    Args:
        by_head: tables (n_sizes, n_kinds, n_heads, n_token_counts) of tiles and of vectors.
        units: distinct numbers of units.
    """
    sizes, kinds, _, lengths = by_head[0].shape
    where = np.zeros(units.max() + 1, dtype=np.int64)
    dealt = np.empty((sizes, len(units), kinds, lengths, 4), dtype=np.int64)
    for i, count in enumerate(units):
        where[count] = i
        for j, table in enumerate(by_head):
            dealt[:, i, :, :, j] = table.sum(axis=2)
            dealt[:, i, :, :, 2 + j] = table[:, :, ::count].sum(axis=2)
    return where, dealt


@njit(cache=True, error_model="numpy")
def _ceil(a: int, b: int) -> int:
    return -(-a // b)


@njit(cache=True, error_model="numpy")
def band_tiles(tokens: int, span: int, n: int) -> int:
    """Tiles of n x n of a head's score matrix that touch the band |i - j| < span."""
    tiles = 0
    for first in range(0, tokens, n):
        last = min(first + n - 1, tokens - 1)
        low = max(first - (span - 1), 0) // n
        high = min(last + span - 1, tokens - 1) // n
        tiles += high - low + 1
    return tiles


@njit(cache=True, error_model="numpy")
def softmax_vectors(tokens: int, span: int, n: int) -> int:
    """n-wide vectors that hold the scores of all rows of one head."""
    vectors = 0
    for row in range(tokens):
        left, right = min(row, span - 1), min(tokens - 1 - row, span - 1)
        vectors += _ceil(left + right + 1, n)
    return vectors


@njit(cache=True, error_model="numpy")
def _attention_tables(sizes: Ints, kinds: Ints, tokens: Ints) -> tuple[Ints, Ints, Ints]:
    """Score tiles and softmax vectors of every head, for the vector sizes that occur.

    Returns:
        Where a vector size stands in the tables, (65,), and both tables
        (n_sizes, n_kinds, n_heads, n_token_counts).
    """
    shape = (len(sizes), kinds.shape[0], kinds.shape[1], len(tokens))
    where = np.zeros(65, dtype=np.int64)
    tiles, vectors = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    heads, longest = kinds.shape[1], tokens.max()
    for i in range(len(sizes)):
        where[sizes[i]] = i
        seen = np.full(longest + 1, -1)  # heads by span: a span beyond the longest masks nothing
        for k in range(kinds.shape[0]):
            for h in range(heads):
                span = min(kinds[k, h], longest)
                if span == 0:
                    continue
                same = seen[span]
                if same >= 0:
                    tiles[i, k, h] = tiles[i, same // heads, same % heads]
                    vectors[i, k, h] = vectors[i, same // heads, same % heads]
                    continue
                seen[span] = k * heads + h
                for s in range(len(tokens)):
                    tiles[i, k, h, s] = band_tiles(tokens[s], span, sizes[i])
                    vectors[i, k, h, s] = softmax_vectors(tokens[s], span, sizes[i])
    return where, tiles, vectors
