"""Attention of a layer: scores, softmax and context inside the spans of its heads, compiled."""

from __future__ import annotations

import numpy as np

from hw_cost.chip import VECTOR_GATED, Chip
from hw_cost.compiled import compiled
from hw_cost.gemm import Cycles, Rows, add_macs
from hw_cost.parts import CONTROL, DRAM, SPECIAL, SRAM
from hw_cost.units import Floats
from hw_cost.work import ATTENTION, Model, Rates, Work


@compiled()
def add_attention(
    c: Chip,
    m: Model,
    r: Rates,
    work: Work,
    k: int,
    s: int,
    rows: Rows,
    through: bool,
    fetch: Floats,
    row: int,
    out: Floats,
) -> float:
    """Energy of a layer's attention into ``out``, its cycles into ``fetch``; cycles of its softmax.

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
        rows: the tokens.
        through: whether Q, K, V and the context pass through the DRAM.
        fetch: (7, 3) receives cycles, load cycles, load ns.
        row: of ``out``.
        out: (8, 7) receives energy by part.
    """
    tokens, on, pairs = rows.total, work.heads_on[k], work.pairs[k, s]
    size, units = work.where[c.n], work.where_units[c.units]
    all_tiles = work.attention[size, units, k, s, 0]
    all_vectors = work.attention[size, units, k, s, 1]
    busiest_tiles = work.attention[size, units, k, s, 2]
    busiest_vectors = work.attention[size, units, k, s, 3]
    busiest_heads = np.ceil(on / c.units)
    head_blocks = np.ceil(m.head_width / c.n)
    tile_cycles = c.n * (2 * head_blocks + r.fill)
    fill = c.n * head_blocks * rows.blocks * r.fill
    total = all_tiles * tile_cycles + on * fill
    lanes = total * c.n**2
    working = 2.0 * pairs * m.head_width if c.gating > VECTOR_GATED else lanes
    results = all_tiles * c.n + on * tokens * head_blocks
    elements = float(pairs + on * tokens * m.head_width)
    add_macs(c, r, Cycles(total, working, results, elements), False, row, out)
    fetch[ATTENTION, 0] = busiest_tiles * tile_cycles + busiest_heads * fill
    fetch[ATTENTION, 1] = fetch[ATTENTION, 2] = 0.0
    if through:
        heads_bits = float(on * m.head_width * tokens * m.activation_bits)
        fetch[ATTENTION, 2] = 4 * heads_bits * c.dram_ns_per_bit + c.dram_latency_ns
        out[row, DRAM] += heads_bits * (3 * c.dram_read_pj + c.dram_write_pj)
    out[row, SPECIAL] += pairs * r.softmax_pj
    softmax_total = all_vectors * r.softmax_vector + on * tokens * r.softmax_row
    out[row, CONTROL] += softmax_total * c.idle_cycle_pj
    moved = 3 * c.read_activations_pj + c.write_activations_pj
    out[row, SRAM] += all_vectors * moved
    cycles: float = busiest_vectors * r.softmax_vector + busiest_heads * tokens * r.softmax_row
    return cycles
