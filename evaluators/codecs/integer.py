"""Scaled integers: symmetric or affine, a scale for the tensor or for each row, three clippings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evaluators.codecs.calibration import Calibration
from evaluators.codecs.codec import Scaling, Values, largest_magnitude, n_groups
from search_space import Clipping, NumberFormat

_CANDIDATES: Final = 2.0 ** (-np.arange(48) / 8)
"""Shares of the full range that clipping by MSE tries: eight an octave, down to about 1/60."""


@dataclass(frozen=True)
class IntegerCodec:
    """An integer of b bits times a scale s (fp32).

    Symmetric: codes are two's complement -(2**(b-1) - 1) ... 2**(b-1) - 1; the code -2**(b-1) is
    not used, so that minus a value is a value. s is limit / (2**(b-1) - 1).

    Affine: codes q are 0 ... 2**b - 1 and stand for (q - z) s with s = (high - low) / (2**b - 1)
    and the zero point z = round(-low / s), where low <= 0 <= high, so that 0 is a value.

    x becomes s · clamp(round(x · r)) in fp32, r being 1 / s in fp32 too; ties go to even.

    Clipping sets limit, or low and high:

    * maximum: the largest magnitude; the extremes.
    * percentile p: the least magnitude such that p % of the magnitudes are at or below it; the
      (100 - p)-th and p-th percentile of the values, in the same sense.
    * MSE: the extremes times 2**(-k/8) with that k of 0 ... 47 which leaves the least mean squared
      error, the smallest such k.

    With ``per_channel`` every row of a weight matrix has its own scale and zero point.
    """

    number_format: NumberFormat

    @property
    def needs_distribution(self) -> bool:
        """Whether clipping is by more than the extremes."""
        return self.number_format.clipping is not Clipping.MAXIMUM

    @property
    def _steps(self) -> int:
        """Steps between the ends of the range that sets s: from 0 if symmetric."""
        bits = self.number_format.bits
        return (1 << bits) - 1 if self.number_format.affine else (1 << (bits - 1)) - 1

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """(2**bits,) number of every code; NaN for the one that symmetric integers do not use."""
        codes = np.arange(1 << self.number_format.bits, dtype=np.float64)
        if self.number_format.affine:
            return codes
        numbers = np.where(codes > self._steps, codes - len(codes), codes)
        numbers[self._steps + 1] = np.nan
        return numbers

    def own_scaling(self, x: Values) -> Scaling:
        """The scales that the values of a tensor set."""
        largest_magnitude(x)  # refuses what is not finite
        rows = x.reshape(max(n_groups(self.number_format, x.shape), 1), -1)
        if rows.size == 0:
            rows = np.zeros((len(rows), 1), dtype=np.float32)
        return self._scaling(rows, np.ones(rows.shape[1], dtype=np.float32))

    def calibrated_scaling(self, seen: Calibration) -> Scaling | None:
        """The scale that the extremes seen, or their distribution, set."""
        if not self.needs_distribution:
            extremes = np.array([[seen.least, seen.greatest]], dtype=np.float32)
            return self._scaling(extremes, np.ones(2, dtype=np.float32))
        points, weights = seen.distribution()
        if len(points) == 0:
            points, weights = np.zeros(1, dtype=np.float32), np.ones(1, dtype=np.float32)
        return self._scaling(points[None], weights)

    def _scaling(self, rows: Values, weights: Values) -> Scaling:
        """Scales of values (n_groups, n), each standing for so many (n,)."""
        number_format = self.number_format
        values = rows if number_format.affine else np.abs(rows)
        if number_format.clipping is Clipping.PERCENTILE:
            high = _percentiles(values, weights, number_format.percentile)
            low = _percentiles(values, weights, 100 - number_format.percentile)
        else:
            low, high = values.min(axis=1).astype(np.float64), values.max(axis=1).astype(np.float64)
        low = np.minimum(low, 0.0) if number_format.affine else np.zeros_like(high)
        high = np.maximum(high, 0.0)
        if number_format.clipping is not Clipping.MSE:
            return self._of_range(low, high)
        errors = np.empty((len(rows), len(_CANDIDATES)))
        for k, share in enumerate(_CANDIDATES):
            scaling = self._of_range(low * share, high * share)
            _squared_errors(rows, weights, *self._limits(scaling), errors[:, k])
        shares = _CANDIDATES[errors.argmin(axis=1)]
        return self._of_range(low * shares, high * shares)

    def _of_range(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> Scaling:
        """Scales of ranges (n_groups,); a range of nothing has the scale 1."""
        step = (high - low) / self._steps
        factor = np.where(step > 0, np.maximum(step, 2.0**-126), 1.0).astype(np.float32)
        return Scaling(factor, np.rint(-low / factor).astype(np.int32))

    def _limits(self, scaling: Scaling) -> tuple[Values, Values, Values, Values]:
        """Factor, its reciprocal, and least and greatest number relative to the zero point."""
        zero_point = scaling.zero_point.astype(np.float32)
        least = -zero_point if self.number_format.affine else -np.float32(self._steps) - zero_point
        reciprocal = np.float32(1) / scaling.factor
        return scaling.factor, reciprocal, least, np.float32(self._steps) - zero_point

    def quantise(self, x: Values, scaling: Scaling | None) -> Values:
        """Nearest values (same shape)."""
        scaling = self.own_scaling(x) if scaling is None else scaling
        rounded = np.empty_like(x)
        rows = (len(scaling.factor), -1) if x.size else (0, 0)
        _round(x.reshape(rows), *self._limits(scaling), rounded.reshape(rows))
        return rounded


def _percentiles(values: Values, weights: Values, percentile: float) -> NDArray[np.float64]:
    """(n_rows,) least value of each row with at least that percentage of weight at or below it."""
    order = np.argsort(values, axis=1)
    below = np.cumsum(weights.astype(np.float64)[order], axis=1)
    needed = below[:, -1:] * (percentile / 100) * (1 - 1e-12)  # spares whole counts their rounding
    place = (below < needed).sum(axis=1)
    row = np.arange(len(values))
    found: NDArray[np.float64] = values[row, order[row, place]].astype(np.float64)
    return found


@njit(cache=True, nogil=True)
def _round(
    x: NDArray[np.float32],
    factor: NDArray[np.float32],
    reciprocal: NDArray[np.float32],
    least: NDArray[np.float32],
    greatest: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Round values (n_groups, n) into ``out`` (n_groups, n); the rest is (n_groups,)."""
    for group in range(x.shape[0]):
        values, rounded = x[group], out[group]
        s, r, low, high = factor[group], reciprocal[group], least[group], greatest[group]
        for i in range(values.size):
            rounded[i] = np.rint(min(max(values[i] * r, low), high)) * s


@njit(cache=True, nogil=True)
def _squared_errors(
    x: NDArray[np.float32],
    weights: NDArray[np.float32],
    factor: NDArray[np.float32],
    reciprocal: NDArray[np.float32],
    least: NDArray[np.float32],
    greatest: NDArray[np.float32],
    out: NDArray[np.float64],
) -> None:
    """Weighted sum of squared rounding errors of values (n_groups, n) into ``out`` (n_groups,)."""
    for group in range(x.shape[0]):
        values = x[group]
        s, r, low, high = factor[group], reciprocal[group], least[group], greatest[group]
        total = 0.0
        for i in range(values.size):
            error = values[i] - np.rint(min(max(values[i] * r, low), high)) * s
            total += weights[i] * error * error
        out[group] = total
