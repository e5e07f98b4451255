"""Dataflow: in which order a GEMM walks its tiles, and how often it reads its weights for that.

Activations of a sentence stay in the data buffers; weights stream from their store through them.
The MAC unit itself always accumulates an n x n output tile in registers. What is chosen is what
stays in the buffers, for C[M, N] += A[M, K] B[K, N] with a block of m rows and k of the depth:

| order | weights read | partial sums spilled and read back | held in the buffers |
|---|---|---|---|
| output-stationary | K N ceil(M / m) | 0 | K x n weights, m rows of what the stage makes |
| weight-stationary | K N | M N (ceil(K / k) - 1) | k x n weights, all rows of what it makes |
| input-stationary | K N ceil(M / m) | M N (ceil(K / k) - 1) | k x n, m x k inputs, m partial rows |

Where a unit works on one block of n rows at a time, n x n weights are held, not K x n or k x n.
Both feed-forward GEMMs are one stage: the hidden activations lie between them and are not resident.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hw_cost.array import GemmCycles, MacArrays, gemm_cycles
from hw_cost.stores import Store
from hw_cost.technology import Technology
from hw_cost.units import Bools, Floats, Ints, ceil_div
from hw_cost.workload import Gemm, Workload

_ROW_BLOCKS: Final = (1, 2, 4, 8)
_DEPTH_PARTS: Final = (1, 2, 4, 8)
_INPUT_DEPTH_PARTS: Final = (2, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One order with its tile; arrays broadcast to (n_arrays, n_token_counts).

    Attributes:
        weight_reads: times that every weight is read from the store.
        spills: for each GEMM of the stage, times that every output is spilled.
        need_bits: data-buffer bits held beside the resident activations.
        mask_bits: bits of one weight tile's mask.
    """

    weight_reads: Ints
    spills: tuple[Ints, ...]
    need_bits: Floats
    mask_bits: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedGemm:
    """One weight GEMM with its chosen mapping; (n_arrays, n_token_counts) arrays."""

    gemm: Gemm
    cycles: GemmCycles
    weight_reads: Floats
    spills: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """GEMMs that are mapped together.

    Attributes:
        gemms: with their mapping; meaningless where nothing fits.
        fits: (n_arrays, n_token_counts) whether some candidate fits the buffers.
        least_bits: (n_arrays, n_token_counts) buffer bits of the smallest candidate, resident
            activations included.
    """

    gemms: tuple[MappedGemm, ...]
    fits: Bools
    least_bits: Floats


def resident_bits(workload: Workload, tokens: Ints) -> Floats:
    """Activations that stay in the buffers through a layer: its input and the attention context.

    Two times tokens x hidden: as much as all its keys and values.
    """
    bits = 2.0 * workload.shape.hidden * workload.activation_format.bits
    return tokens.astype(np.float64) * bits


def attention_bits(
    workload: Workload, spans: tuple[int, ...], arrays: MacArrays, tokens: Ints
) -> Floats:
    """Query, key and value of the head in work on each unit, and a block of n rows of scores."""
    on = sum(span > 0 for span in spans)
    head_width = workload.shape.head_width
    working = np.minimum(arrays.units, on)
    elements = working * (3 * tokens * head_width + arrays.n * tokens)
    bits: Floats = elements * float(workload.activation_format.bits)
    return bits


def candidates(
    stage: str,
    gemms: Sequence[Gemm],
    arrays: MacArrays,
    tokens: Ints,
    workload: Workload,
    by_rows: Bools,
    acc: int,
) -> list[Candidate]:
    """Orders and tiles of a stage: ``qkv``, ``output`` or ``ffn``.

    Args:
        stage: which one.
        gemms: its GEMMs.
        arrays: of many chips.
        tokens: (n_token_counts,).
        workload: the encoder.
        by_rows: (n_arrays, n_token_counts) whether units share rows in all its GEMMs.
        acc: bits of a partial sum.
    """
    a_bits, w_bits = workload.activation_format.bits, workload.weight_format.bits
    hidden, ffn = workload.shape.hidden, workload.shape.ffn
    n, units = arrays.n, arrays.units
    depths = [int(g.depth[0]) for g in gemms]
    deepest = max(depths)
    # Elements a row of what the stage makes and holds: the output rows (new layer input) or the
    # hidden activations. Query, key and value are counted in `attention_bits`; the feed-forward
    # output takes the place of the attention context.
    held = {"qkv": 0, "output": hidden, "ffn": ffn}[stage]
    none = np.zeros_like(n)
    # A block is what units take at a time: n rows each, or n together if they share columns.
    block = np.where(by_rows, n * units, n)
    found = []
    for factor in _ROW_BLOCKS:
        m = np.minimum(factor * block, tokens)
        reads = ceil_div(tokens, m)

        def weight_tile(depth: Ints, factor: int = factor) -> Ints:
            """Weights held: a depth of them if several blocks of rows use them, else one tile."""
            return n * (depth if factor > 1 else n)

        slice_ = weight_tile(n * ceil_div(np.array(deepest), n))
        found.append(
            Candidate(
                weight_reads=reads,
                spills=(none,) * len(gemms),
                need_bits=(2 * slice_ * w_bits * units + m * held * a_bits).astype(np.float64),
                mask_bits=slice_,
            )
        )
        for parts in _INPUT_DEPTH_PARTS:
            k = n * ceil_div(np.array(-(-deepest // parts)), n)
            slice_ = weight_tile(k)
            tile = m * k * a_bits if stage == "ffn" else 0
            outputs = m * acc * (hidden if stage != "qkv" else 3 * workload.shape.head_width)
            spills = [ceil_div(np.array(depth), k) - 1 for depth in depths]
            if stage == "ffn":
                spills[0] = none  # a tile of hidden activations is finished before it is used
            found.append(
                Candidate(
                    weight_reads=reads,
                    spills=tuple(spills),
                    need_bits=(2 * slice_ * w_bits * units + tile + outputs).astype(np.float64),
                    mask_bits=slice_,
                )
            )
    for parts in _DEPTH_PARTS:
        k = n * ceil_div(np.array(-(-deepest // parts)), n)
        spills = [ceil_div(np.array(depth), k) - 1 for depth in depths]
        partial = np.where(np.maximum(spills[0], spills[-1]) > 0, tokens * n * acc * units, 0)
        found.append(
            Candidate(
                weight_reads=np.ones_like(n),
                spills=tuple(spills),
                need_bits=(2 * k * n * w_bits * units + tokens * held * a_bits + partial).astype(
                    np.float64
                ),
                mask_bits=k * n,
            )
        )
    return found


def map_stage(
    stage: str,
    gemms: Sequence[Gemm],
    arrays: MacArrays,
    tokens: Ints,
    workload: Workload,
    store: Store,
    extra_bits: Floats | float,
    t: Technology,
) -> Stage:
    """The fitting candidate with least time at the nominal clock, and among those least energy.

    Args:
        stage: ``qkv``, ``output`` or ``ffn``.
        gemms: its GEMMs.
        arrays: of many chips.
        tokens: (n_token_counts,).
        workload: the encoder.
        store: of the weights.
        extra_bits: buffer bits that the stage needs whatever its mapping.
        t: constants.
    """
    cycles = [gemm_cycles(arrays, g.rows, g.depth, g.columns, g.count, t) for g in gemms]
    shape = cycles[0].busiest.shape
    resident = resident_bits(workload, tokens) + extra_bits
    masked = workload.has_weight_mask
    word_cycles = store.word_ns * t.nominal_clock_ghz + store.word_cycles
    least_time, least_pj = np.full(shape, np.inf), np.full(shape, np.inf)
    least_bits = np.full(shape, np.inf)
    reads = np.ones(shape)
    spills = [np.zeros(shape) for _ in gemms]
    parts = []
    for g, c in zip(gemms, cycles, strict=True):
        bits = g.count * g.depth * g.columns * workload.weight_bits
        load_pj = bits * store.energy_pj_per_bit
        load_pj = load_pj + c.copies * arrays.write_weights_pj * _vectors(g, arrays, g.depth)
        spill_pj = arrays.spill_pj * _vectors(g, arrays, g.rows)
        parts.append((c.busiest, bits / store.word_bits * word_cycles, load_pj, spill_pj))
    by_rows: Bools = np.logical_and.reduce([c.by_rows for c in cycles])
    acc = int(t.accumulator_bits)
    for candidate in candidates(stage, gemms, arrays, tokens, workload, by_rows, acc):
        need = resident + candidate.need_bits
        np.minimum(least_bits, need, out=least_bits)
        fits = need <= arrays.capacity_bits
        if masked:
            fits = fits & (candidate.mask_bits <= arrays.mask_bits)
        time, energy = np.zeros(shape), np.zeros(shape)
        for (busy, load, load_pj, spill_pj), spill in zip(parts, candidate.spills, strict=True):
            time += np.maximum(busy, load * candidate.weight_reads)
            energy += load_pj * candidate.weight_reads + spill_pj * spill
        better = fits & (
            (time < least_time * (1 - 1e-9))
            | ((time <= least_time * (1 + 1e-9)) & (energy < least_pj))
        )
        for best, value in (
            (least_time, time),
            (least_pj, energy),
            (reads, candidate.weight_reads),
            *zip(spills, candidate.spills, strict=True),
        ):
            np.copyto(best, value, where=better)
    return Stage(
        gemms=tuple(
            MappedGemm(gemm=g, cycles=c, weight_reads=reads, spills=s)
            for g, c, s in zip(gemms, cycles, spills, strict=True)
        ),
        fits=np.isfinite(least_time),
        least_bits=least_bits,
    )


def _vectors(gemm: Gemm, arrays: MacArrays, length: Ints) -> Ints:
    """n-wide vectors of a matrix of that many rows and the GEMM's columns, all instances."""
    vectors: Ints = gemm.count * length * ceil_div(gemm.columns, arrays.n)
    return vectors
