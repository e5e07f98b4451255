"""What calibration sentences tell of one kind of activation: its extremes and its distribution."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evaluators.codecs.errors import NotFiniteError

_BINS: Final = 1 << 16
_POINTS_A_BIN: Final = 4


class Calibration:
    """Extremes of all values added, and on request their distribution, in memory that is constant.

    The distribution counts values by the upper 16 bits of their fp32 pattern: sign, exponent and 7
    fraction bits, so bins are less than 0.8 % wide and need no range in advance. Counts are
    integers: neither order nor batching of what is added changes them.

    Attributes:
        least: smallest value added, 0 at most.
        greatest: largest value added, 0 at least.
    """

    def __init__(self, *, distribution: bool) -> None:
        """An empty calibration.

        Args:
            distribution: whether to keep the distribution, half a MiB.
        """
        self.least = 0.0
        self.greatest = 0.0
        self._counts = np.zeros(_BINS, dtype=np.int64) if distribution else None

    @classmethod
    def of_extremes(cls, least: float, greatest: float) -> Calibration:
        """A calibration that knows those extremes alone."""
        made = cls(distribution=False)
        made.least, made.greatest = min(least, 0.0), max(greatest, 0.0)
        return made

    def add(self, x: NDArray[np.float32]) -> None:
        """Take values (any shape) into account.

        Raises:
            NotFiniteError: one of them is not finite.
        """
        least, greatest = float(np.min(x, initial=0.0)), float(np.max(x, initial=0.0))
        if not (math.isfinite(least) and math.isfinite(greatest)):
            raise NotFiniteError(
                f"Activations from {least} to {greatest} in calibration: expected finite numbers; "
                "the encoder overflows."
            )
        self.least, self.greatest = min(self.least, least), max(self.greatest, greatest)
        if self._counts is not None:
            _count(np.ascontiguousarray(x).reshape(-1).view(np.uint32), self._counts)

    @property
    def max_abs(self) -> float:
        """Largest magnitude added."""
        return max(self.greatest, -self.least)

    def distribution(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points (n,) that stand for the values added, and how many values each stands for (n,).

        Each bin is four points, in the middles of its quarters; what is not a normal number of fp32
        counts as 0. None stands outside of `least` to `greatest`.

        Raises:
            ValueError: the distribution was not kept.
        """
        if self._counts is None:
            raise ValueError(
                "A calibration of extremes alone: expected one that keeps the distribution, which "
                "this number format needs."
            )
        filled = np.flatnonzero(self._counts)
        quarters = (2 * np.arange(_POINTS_A_BIN) + 1) * (1 << 15) // _POINTS_A_BIN
        patterns = (filled[:, None] << 16) + quarters
        points = patterns.astype(np.uint32).view(np.float32)
        points = np.where(filled[:, None] & 0x7F80, points, 0.0)
        points = points.clip(self.least, self.greatest).astype(np.float32)
        weights = np.repeat(self._counts[filled] / _POINTS_A_BIN, _POINTS_A_BIN)
        return points.reshape(-1), weights.astype(np.float32)


@njit(cache=True, nogil=True)
def _count(patterns: NDArray[np.uint32], counts: NDArray[np.int64]) -> None:
    """Count fp32 patterns (n,) by their upper halves into ``counts`` (65536,)."""
    for i in range(patterns.size):
        counts[patterns[i] >> 16] += 1
