"""Attention inside a span: which tiles of the score matrix a head computes, and who computes them.

A head with span s needs the scores with |i - j| < s: a band. A block of n query rows computes the
n x n tiles that touch its part of the band. Heads are dealt to the units in falling order of span.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hw_cost.units import Floats, Ints
from hw_cost.workload import Workload, softmax_vectors


def band_tiles(tokens: Ints, span: int, vector_size: int) -> Ints:
    """Tiles of n x n of a head's score matrix that touch the band; shape of `tokens`.

    All ceil(S / n)^2 of them for a span of S or more, none for a head that is off.
    """
    if span == 0:
        return np.zeros_like(tokens)
    first_row = np.arange(-(-int(tokens.max()) // vector_size)) * vector_size
    last = tokens[:, None] - 1
    last_row = np.minimum(first_row + vector_size - 1, last)
    low = np.maximum(first_row - (span - 1), 0) // vector_size
    high = np.minimum(last_row + span - 1, last) // vector_size
    tiles: Ints = np.where(first_row <= last, high - low + 1, 0).sum(axis=1)
    return tiles


@dataclass(frozen=True, slots=True)
class AttentionWork:
    """Scores, softmax and context of one layer; every array (n_arrays, n_token_counts).

    Attributes:
        busiest_tiles: score tiles of the unit with most of them.
        tiles: score tiles of all units.
        busiest_vectors: softmax vectors of the unit with most of them.
        vectors: softmax vectors of all units.
        busiest_rows: softmax rows of the unit with most of them.
    """

    busiest_tiles: Floats
    tiles: Floats
    busiest_vectors: Floats
    vectors: Floats
    busiest_rows: Floats


def attention_work(
    workload: Workload, spans: tuple[int, ...], tokens: Ints, vector_size: Ints, units: Ints
) -> AttentionWork:
    """Work of a layer with those spans for every pair of vector size and units.

    Args:
        workload: the encoder.
        spans: of its heads, in falling order.
        tokens: (n_token_counts,).
        vector_size: (n_arrays,) n of the MAC unit.
        units: (n_arrays,) processing units.
    """
    assert len(spans) == workload.shape.heads
    on = [span for span in spans if span > 0]
    shape = (len(vector_size), len(tokens))
    parts = np.zeros((5, *shape))
    # Few distinct pairs of (n, units) occur however many designs there are.
    for n in np.unique(vector_size):
        tiles = np.zeros((len(on), len(tokens)))
        vectors = np.zeros((len(on), len(tokens)))
        for span in dict.fromkeys(on):
            same = [k for k, other in enumerate(on) if other == span]
            tiles[same] = band_tiles(tokens, span, int(n))
            vectors[same] = softmax_vectors(tokens, span, int(n))
        for u in np.unique(units[vector_size == n]):
            here = (vector_size == n) & (units == u)
            dealt = slice(None, None, int(u))
            parts[:, here] = np.stack(
                [
                    tiles[dealt].sum(axis=0),
                    tiles.sum(axis=0),
                    vectors[dealt].sum(axis=0),
                    vectors.sum(axis=0),
                    tokens * -(-len(on) // int(u)),
                ]
            )[:, None, :]
    return AttentionWork(*parts)
