"""How often each level of a memory cell is read as its neighbour.

A cell of k bits has 2**k levels. Read-out of level i is a Gaussian of mean m_i and deviation s_i;
the threshold between neighbours is where their densities cross, the optimum for levels written
equally often. What lies beyond a threshold is read as the neighbour there: errors move one level,
as further ones are rarer by many powers of ten.

Levels stand for bits by the reflected Gray code: level L holds the bits of L xor (L >> 1), the
first bit of the stream in the lowest place. An error of one level so changes one bit.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from search_space import CellKind

_DATA: Final = Path(__file__).parent / "cells.toml"
_LEVELS_OF: Final = {CellKind.RERAM_SLC: "2", CellKind.RERAM_MLC2: "4", CellKind.RERAM_MLC3: "8"}


@dataclass(frozen=True, slots=True)
class CellErrors:
    """Misreads of one kind of cell.

    Attributes:
        down: (n_levels,) probability that a level is read as the one below; 0 for the lowest.
        up: (n_levels,) the same for the one above; 0 for the highest.
    """

    down: tuple[float, ...]
    up: tuple[float, ...]

    def __post_init__(self) -> None:
        """Require a power of two of levels, and probabilities that stay inside the cell."""
        n_levels = len(self.down)
        if n_levels < 2 or n_levels & (n_levels - 1) or len(self.up) != n_levels:
            raise ValueError(f"CellErrors of {n_levels} levels: expected 2, 4, 8 ... of each.")
        total = [low + high for low, high in zip(self.down, self.up, strict=True)]
        if self.down[0] or self.up[-1] or min(*self.down, *self.up) < 0 or max(total) > 1:
            raise ValueError(
                "CellErrors: expected probabilities from 0 to 1, and 0 below the lowest level and "
                "above the highest."
            )

    @property
    def bits(self) -> int:
        """Bits of a cell."""
        return len(self.down).bit_length() - 1

    @property
    def cell_rate(self) -> float:
        """Share of cells misread, levels written equally often."""
        return (sum(self.down) + sum(self.up)) / len(self.down)

    @property
    def bit_rate(self) -> float:
        """Share of bits misread, levels written equally often: a misread cell has one wrong bit."""
        return self.cell_rate / self.bits

    def at_rate(self, cell_rate: float) -> CellErrors:
        """The same shares between levels, with so many cells misread altogether.

        A cell without errors gets equal ones between all neighbours.

        Raises:
            ValueError: the rate is not a share, or drives a level's own above 1.
        """
        if not 0 <= cell_rate <= 1:
            raise ValueError(f"Error rate {cell_rate} of a cell: expected a share from 0 to 1.")
        n_levels = len(self.down)
        down, up = self.down, self.up
        if self.cell_rate == 0:
            down, up = (0.0,) + (1.0,) * (n_levels - 1), (1.0,) * (n_levels - 1) + (0.0,)
        factor = cell_rate * n_levels / (sum(down) + sum(up))
        if factor * max(low + high for low, high in zip(down, up, strict=True)) > 1:
            raise ValueError(
                f"Error rate {cell_rate} of a cell of {n_levels} levels: one of them would be "
                "misread more than always; give a lower rate."
            )
        return CellErrors(tuple(factor * p for p in down), tuple(factor * p for p in up))


def level_errors(means: Sequence[float], deviations: Sequence[float]) -> CellErrors:
    """Misreads of Gaussian levels with optimal thresholds.

    Args:
        means: (n_levels,) of the read-out, rising.
        deviations: (n_levels,) of the read-out, above 0.
    """
    levels = list(zip(means, deviations, strict=True))
    up, down = [0.0] * len(levels), [0.0] * len(levels)
    for i, (low, high) in enumerate(pairwise(levels)):
        threshold = _crossing(*low, *high)
        up[i] = _tail((threshold - low[0]) / low[1])
        down[i + 1] = _tail((high[0] - threshold) / high[1])
    return CellErrors(tuple(down), tuple(up))


def _tail(deviations: float) -> float:
    """Probability of a standard Gaussian above that many deviations."""
    return 0.5 * math.erfc(deviations / math.sqrt(2))


def _crossing(m: float, s: float, n: float, t: float) -> float:
    """Where the densities of two Gaussians, means m < n and deviations s and t, cross in between.

    The root between m and n of (x - m)**2 / (2 s**2) + ln s = (x - n)**2 / (2 t**2) + ln t.
    """
    a = 1 / s**2 - 1 / t**2
    b = m / s**2 - n / t**2
    c = m**2 / s**2 - n**2 / t**2 + 2 * math.log(s / t)
    if a == 0:
        return c / (2 * b)
    root = math.sqrt(b * b - a * c)
    return next(x for x in ((b + root) / a, (b - root) / a) if m < x < n)


@cache
def _data() -> dict[str, Any]:
    with _DATA.open("rb") as file:
        return tomllib.load(file)


def cell_errors(kind: CellKind, cell_rate: float | None = None) -> CellErrors:
    """Misreads of a kind of cell, before any correction.

    SRAM and DRAM are read back as written. ReRAM follows its levels; STT-MRAM its published raw
    error rate, both ways alike.

    Args:
        kind: cell.
        cell_rate: share of cells misread instead of the published one.

    Raises:
        ValueError: neither levels nor a rate is published and none is given.
    """
    silent = CellErrors((0.0,) * (1 << kind.bits_per_cell), (0.0,) * (1 << kind.bits_per_cell))
    if kind in _LEVELS_OF:
        levels = _data()["levels"][_LEVELS_OF[kind]]
        found = level_errors(levels["mean"], levels["deviation"])
        return found if cell_rate is None else found.at_rate(cell_rate)
    if cell_rate is None and kind.is_envm:
        published = _data()["raw_error"].get(kind.value)
        if published is None:
            raise ValueError(
                f"Cell {kind.value!r}: no error rate of it is published that this project knows."
            )
        cell_rate = float(published["value"])
    return silent if cell_rate is None else silent.at_rate(cell_rate)


def gray_levels(bits: int) -> NDArray[np.uint8]:
    """(2**bits,) level that stands for each pattern of bits: the inverse Gray code.

    >>> gray_levels(2).tolist()
    [0, 1, 3, 2]
    """
    levels = np.arange(1 << bits, dtype=np.uint8)
    found = np.empty_like(levels)
    found[levels ^ (levels >> 1)] = levels
    return found
