"""Special functions of a step, softmax left out: cycles and energy of a chip, compiled."""

from __future__ import annotations

import numpy as np

from hw_cost.chip import Chip
from hw_cost.compiled import compiled
from hw_cost.parts import CONTROL, SPECIAL, SRAM
from hw_cost.units import Floats
from hw_cost.work import Work


@compiled()
def price_operations(c: Chip, work: Work, step: int, row_cycles: Floats, price: Floats) -> None:
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


@compiled(inline="always")
def add_operations(
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
    out[row, SPECIAL] += tokens * price[0, 0] + price[1, 0]
    out[row, CONTROL] += tokens * price[0, 1] + price[1, 1]
    out[row, SRAM] += tokens * price[0, 2] + price[1, 2]
    cycles = 0.0
    for i in range(5):
        cycles += work.busiest_rows[units, s, step, i] * row_cycles[i]
    return cycles
