"""The staircase: widths of a GEMM that cost no more cycles than smaller ones."""

from __future__ import annotations

import numpy as np

from hw_cost.units import Ints, ceil_div


def width_cycles(
    widths: Ints, *, rows: int, depth: int, mac_vector_size: int, processing_units: int
) -> Ints:
    """Cycles of the busiest unit for results that many columns wide; shape of ``widths``.

    ceil(M/n) ceil(N/n) ceil(K/n) n on one unit; several units share the blocks of n rows or those
    of n columns, whichever ends first. Tiles are pipelined.

    >>> width_cycles(np.array([16, 17]), rows=16, depth=16, mac_vector_size=16, processing_units=1)
    array([16, 32])
    """
    n, units = mac_vector_size, processing_units
    row_blocks, blocks = -(-rows // n), ceil_div(widths, n)
    by_rows = -(-row_blocks // units) * blocks
    by_columns = row_blocks * ceil_div(blocks, units)
    cycles: Ints = np.minimum(by_rows, by_columns) * -(-depth // n) * n
    return cycles


def stair_edges(
    low: int, high: int, *, rows: int, depth: int, mac_vector_size: int, processing_units: int
) -> Ints:
    """Widths from low to high at the right edge of each stair: one more column costs more cycles.

    An encoder whose feed-forward or hidden width lies at an edge wastes no lane of the array.

    Args:
        low: least width.
        high: greatest width.
        rows: M, for example the tokens of a sentence.
        depth: K.
        mac_vector_size: n.
        processing_units: units.

    Raises:
        ValueError: the widths are not a range of positive numbers.

    >>> stair_edges(1, 64, rows=25, depth=384, mac_vector_size=16, processing_units=1)
    array([16, 32, 48, 64])
    """
    if not 1 <= low <= high:
        raise ValueError(f"Widths from {low} to {high}: expected 1 <= low <= high.")
    widths = np.arange(low, high + 2, dtype=np.int64)
    cycles = width_cycles(
        widths,
        rows=rows,
        depth=depth,
        mac_vector_size=mac_vector_size,
        processing_units=processing_units,
    )
    return widths[:-1][cycles[1:] > cycles[:-1]]
