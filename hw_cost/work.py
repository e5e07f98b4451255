"""Work: what each step of a sentence has to do, as the compiled model reads it.

GEMMs with weights, special functions, and the tiles of attention inside a span. A head with span s
needs the scores with |i - j| < s: a band. A block of n query rows computes the n x n tiles that
touch its part of the band.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit

from hw_cost.technology import Technology
from hw_cost.units import Floats, Ints
from hw_cost.workload import Gemm, Workload, window_pairs

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
        tokens: (n_token_counts,).
        gemms: (n_token_counts, n_steps, 6, 4) rows, depth, columns and count of the GEMMs with
            weights, in the order of `GEMMS`; in the start the projection alone.
        alive: (n_steps, 6) share of their depth that is not switched off.
        operations: (n_token_counts, 2, 5, 2) rows and width of the special functions of a layer
            (those of its exit last), and of the start.
        rates: (2, 5, 6) of those: cycles a vector, cycles a row, pJ an element, vectors read,
            written, and read from tables.
        where: (65,) place of a MAC vector size in the tables.
        tiles: (n_sizes, n_kinds, n_heads, n_token_counts) score tiles.
        vectors: (n_sizes, n_kinds, n_heads, n_token_counts) softmax vectors.
        pairs: (n_kinds, n_token_counts) query and key pairs inside the spans of all heads.
    """

    spans: Ints
    tokens: Ints
    gemms: Ints
    alive: Floats
    operations: Floats
    rates: Floats
    where: Ints
    tiles: Ints
    vectors: Ints
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


def work_of(workload: Workload, tokens: Ints, vector_sizes: Ints, t: Technology) -> Work:
    """What each step of a workload has to do for tokens (n_token_counts,), on those MAC units."""
    shape = workload.shape
    spans = np.array(workload.layer_kinds, dtype=np.int64)
    gemms = np.zeros((len(tokens), len(spans) + 1, _WITH_WEIGHTS, 4), dtype=np.int64)
    alive = np.ones((len(spans) + 1, _WITH_WEIGHTS))
    for k, heads in enumerate(workload.layer_kinds):
        with_weights = [g for g in workload.layer_gemms(heads, tokens) if g.has_weights]
        for i, gemm in enumerate((*with_weights, *workload.exit_gemms(tokens))):
            gemms[:, k, i] = _sizes(gemm)
        alive[k, _OUTPUT_GEMM] = np.mean(spans[k] > 0)
    projection = workload.projection_gemm(tokens)
    if projection is not None:
        gemms[:, -1, _PROJECTION] = _sizes(projection)
    hidden, width, one = shape.hidden, shape.embedding_width, np.ones_like(tokens)
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
        (2 * tokens, hidden, norm),
        (tokens, shape.ffn, gelu),
        (2 * tokens, hidden, add),
        (one, hidden, gelu),  # tanh of the pooler
        (one, shape.classes, entropy),
    )
    of_start = ((2 * tokens, width, add), (tokens, width, norm))
    operations = np.zeros((len(tokens), 2, 5, 2))
    rates = np.zeros((2, 5, 6))
    for step, done in enumerate((of_layer, of_start)):
        for i, (rows, columns, rate) in enumerate(done):
            operations[:, step, i, 0], operations[:, step, i, 1] = rows, columns
            rates[step, i] = rate
    tables = _attention_tables(np.unique(vector_sizes), spans, tokens)
    pairs = [sum(window_pairs(tokens, s) for s in heads if s) for heads in workload.layer_kinds]
    inside = np.array([np.broadcast_to(p, tokens.shape) for p in pairs], dtype=np.int64)
    return Work(spans, tokens, gemms, alive, operations, rates, *tables, inside)


def _sizes(gemm: Gemm) -> Ints:
    """(n_token_counts, 4) rows, depth, columns and count."""
    count = np.full_like(gemm.rows, gemm.count)
    return np.stack([gemm.rows, gemm.depth, gemm.columns, count], axis=1)


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
    for i in range(len(sizes)):
        where[sizes[i]] = i
        for k in range(kinds.shape[0]):
            for h in range(kinds.shape[1]):
                span = kinds[k, h]
                if span == 0:
                    continue
                if h > 0 and kinds[k, h - 1] == span:
                    tiles[i, k, h], vectors[i, k, h] = tiles[i, k, h - 1], vectors[i, k, h - 1]
                    continue
                for s in range(len(tokens)):
                    tiles[i, k, h, s] = band_tiles(tokens[s], span, sizes[i])
                    vectors[i, k, h, s] = softmax_vectors(tokens[s], span, sizes[i])
    return where, tiles, vectors
