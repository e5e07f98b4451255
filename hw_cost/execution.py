"""Execution: cycles, store time and energy at the nominal supply of each step of a sentence.

Steps are the start (embedding look-up, their sum and norm, projection) and one for each kind of
layer (layer, exit, entropy test). A GEMM whose weights stream from a store takes the longer of its
cycles and its loads (double buffering); special functions do not overlap with GEMMs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.array import MacArrays, mac_arrays
from hw_cost.attention import attention_work
from hw_cost.dataflow import attention_bits, map_stage
from hw_cost.stores import Stores, stores
from hw_cost.tally import Fetch, Step, Tally
from hw_cost.technology import Technology
from hw_cost.units import Bools, Floats, Ints, ceil_div
from hw_cost.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """The steps of a workload on many chips, and what their buffers must hold.

    Attributes:
        start: embedding look-up to the input of layer 1.
        layers: one step for each of `Workload.layer_kinds`, exit included.
        fits: (n_arrays,) whether the data and mask buffers hold some mapping of every GEMM.
        least_data_bits: (n_arrays,) data-buffer bits without which nothing runs.
        arrays: the MAC arrays.
        stores: the stores.
    """

    start: Step
    layers: tuple[Step, ...]
    fits: Bools
    least_data_bits: Floats
    arrays: MacArrays
    stores: Stores


def execution(
    workload: Workload, columns: AcceleratorColumns, tokens: Ints, t: Technology
) -> Execution:
    """Steps of a workload on those designs (supply not looked at) for tokens (n_token_counts,)."""
    arrays = mac_arrays(columns, workload, t)
    held = stores(workload, columns.envm_mib, t)
    fits = np.ones(len(columns), dtype=np.bool_)
    least = np.zeros(len(columns))
    layers = []
    for spans in workload.layer_kinds:
        step, stage_fits, stage_bits = _layer(workload, spans, arrays, held, tokens, t)
        layers.append(step)
        fits &= stage_fits
        np.maximum(least, stage_bits, out=least)
    return Execution(
        start=_start(workload, arrays, held, tokens, t),
        layers=tuple(layers),
        fits=fits,
        least_data_bits=least,
        arrays=arrays,
        stores=held,
    )


def _start(
    workload: Workload, arrays: MacArrays, held: Stores, tokens: Ints, t: Technology
) -> Step:
    """Look-up of token, position and type embeddings, their sum, norm and projection."""
    tally = Tally((len(arrays.n), len(tokens)), workload, t)
    width = workload.shape.embedding_width
    store = held.embeddings
    rows = workload.embedding_rows(tokens)
    row_bits = width * workload.embedding_bits
    words = rows * float(np.ceil(row_bits / store.word_bits))
    zeros = np.zeros_like(tally.gemm_cycles)
    tally.energy_pj[store.energy_part] += rows * row_bits * store.energy_pj_per_bit
    tally.energy_pj["sram"] += (
        rows * ceil_div(np.array(width), arrays.n) * arrays.write_activations_pj
    )
    tally.fetches.append(
        Fetch(zeros, words * store.word_cycles + zeros, words * store.word_ns + zeros)
    )
    tally.add_rows(arrays, "add", 2 * tokens, width)
    tally.add_rows(arrays, "layer_norm", tokens, width)
    projection = workload.projection_gemm(tokens)
    if projection is not None:
        tally.add_plain_weights(arrays, held.encoder, projection)
    return tally.step(held.embeddings.leakage_mw + held.encoder.leakage_mw)


def _layer(
    workload: Workload,
    spans: tuple[int, ...],
    arrays: MacArrays,
    held: Stores,
    tokens: Ints,
    t: Technology,
) -> tuple[Step, Bools, Floats]:
    """One layer with its exit; whether its mappings fit, and the least buffer bits it needs."""
    tally = Tally((len(arrays.n), len(tokens)), workload, t)
    gemms = {gemm.name: gemm for gemm in workload.layer_gemms(spans, tokens)}
    head_bits = attention_bits(workload, spans, arrays, tokens)
    fits = np.ones(len(arrays.n), dtype=np.bool_)
    least = np.zeros(len(arrays.n))
    for name, members in (("qkv", ("qkv",)), ("output", ("output",)), ("ffn", ("ffn1", "ffn2"))):
        stage = map_stage(
            name,
            [gemms[member] for member in members],
            arrays,
            tokens,
            workload,
            held.encoder,
            head_bits if name == "qkv" else 0.0,
            t,
        )
        fits &= stage.fits.all(axis=1)
        np.maximum(least, stage.least_bits.max(axis=1), out=least)
        for mapped in stage.gemms:
            tally.add_weights(arrays, held.encoder, mapped)
    _add_attention(tally, workload, spans, arrays, tokens)
    for name, rows, width in (
        ("layer_norm", 2 * tokens, workload.shape.hidden),
        ("gelu", tokens, workload.shape.ffn),
        ("add", 2 * tokens, workload.shape.hidden),
    ):
        tally.add_rows(arrays, name, rows, width)
    for gemm in workload.exit_gemms(tokens):
        tally.add_plain_weights(arrays, held.encoder, gemm)
    one = np.ones_like(tokens)
    tally.add_rows(arrays, "gelu", one, workload.shape.hidden)
    tally.add_rows(arrays, "entropy", one, workload.shape.classes)
    return tally.step(held.encoder.leakage_mw), fits, least


def _add_attention(
    tally: Tally, workload: Workload, spans: tuple[int, ...], arrays: MacArrays, tokens: Ints
) -> None:
    """Scores, softmax and context: tiles of the band, twice, with ceil(head / n) tiles each."""
    t = tally.t
    work = attention_work(workload, spans, tokens, arrays.n[:, 0], arrays.units[:, 0])
    head_blocks = ceil_div(np.array(workload.shape.head_width), arrays.n)
    on = sum(span > 0 for span in spans)
    # Scores: one output tile, `head_blocks` deep. Context: `head_blocks` output tiles for each
    # block of rows, as deep as the band is wide there.
    tile_cycles = arrays.n * (2 * head_blocks + t.tile_fill_cycles_per_n)
    fill = arrays.n * head_blocks * ceil_div(tokens, arrays.n) * t.tile_fill_cycles_per_n
    macs = sum(
        (g.macs for g in workload.layer_gemms(spans, tokens) if g.name in ("scores", "context")),
        np.zeros_like(tokens),
    )
    results = work.tiles * arrays.n + on * tokens * head_blocks
    busiest_heads = ceil_div(np.array(on), arrays.units)
    tally.gemm_cycles += work.busiest_tiles * tile_cycles + busiest_heads * fill
    tally.add_macs(arrays, work.tiles * tile_cycles + on * fill, macs, 1.0, False, results)
    elements = next(o for o in workload.vector_operations(spans, tokens) if o.name == "softmax")
    per_vector, per_row = t.softmax_cycles_per_vector, t.softmax_cycles_per_row
    tally.add_special(
        arrays,
        busiest_cycles=work.busiest_vectors * per_vector + work.busiest_rows * per_row,
        total_cycles=work.vectors * per_vector + on * tokens * per_row,
        pj=elements.elements.astype(np.float64) * t.softmax_energy_pj_per_element,
        reads=3 * work.vectors,
        writes=work.vectors,
    )
