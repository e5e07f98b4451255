"""Minifloats: small IEEE-like floats with subnormals, saturating, scaled by a power of two."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evaluators.codecs.calibration import Calibration
from evaluators.codecs.codec import Scaling, Values, exponent_of_maximum, largest_magnitude
from search_space import NumberFormat

_CHUNK: Final = 2048


@dataclass(frozen=True, slots=True)
class FloatGrid:
    """The magnitudes of a small float at factor 1.

    Attributes:
        mantissa_bits: fraction bits of a normal number.
        least_exponent: exponent of the smallest normal numbers; the step of all magnitudes below
            2**(least_exponent + 1) is 2**(least_exponent - mantissa_bits).
        largest: largest magnitude.
    """

    mantissa_bits: int
    least_exponent: int
    largest: float

    @property
    def largest_exponent(self) -> int:
        """Exponent of the largest magnitude."""
        return math.frexp(self.largest)[1] - 1

    @property
    def least_scale(self) -> int:
        """Exponent of the least factor for which all values are 0 or normal numbers of fp32."""
        return -126 - (self.least_exponent - self.mantissa_bits)

    @property
    def greatest_scale(self) -> int:
        """Exponent of the greatest factor for which rounding stays inside fp32 (see `_round`)."""
        return min(127 - self.largest_exponent, 104 - (self.least_exponent - self.mantissa_bits))


def float_grid(number_format: NumberFormat) -> FloatGrid:
    """The magnitudes of a minifloat.

    The exponent bias is 2**(e - 1) - 1. E4M3 and E5M2 are those of "OCP 8-bit Floating Point
    Specification (OFP8)" 1.0, table 1: E4M3 has no infinities and one magnitude that is NaN, all
    ones, so that its largest number is 448; in E5M2 an exponent of all ones is infinite or NaN as
    in IEEE 754, and its largest number is 57,344. All others have neither infinities nor NaN, as
    the FP6 and FP4 formats of "OCP Microscaling Formats (MX)" 1.0, section 5.3: every code is a
    number.

    Raises:
        ValueError: more than 7 exponent bits, whose values are beyond fp32.
    """
    exponent_bits, mantissa = number_format.exponent_bits, number_format.mantissa_bits
    if exponent_bits > 7:
        raise ValueError(
            f"Number format {str(number_format)!r} cannot be evaluated: its values are beyond "
            "fp32; expected at most 7 exponent bits."
        )
    bias = (1 << (exponent_bits - 1)) - 1
    largest = math.ldexp(2.0 - math.ldexp(1.0, -mantissa), (1 << exponent_bits) - 1 - bias)
    if (number_format.bits, exponent_bits) == (8, 4):
        largest = 448.0
    elif (number_format.bits, exponent_bits) == (8, 5):
        largest = 57344.0
    return FloatGrid(mantissa, 1 - bias, largest)


def float_numbers(number_format: NumberFormat) -> NDArray[np.float64]:
    """(2**bits,) number of every code: sign, exponent, mantissa; NaN for what is no number."""
    grid = float_grid(number_format)
    mantissa = grid.mantissa_bits
    codes = np.arange(1 << (number_format.bits - 1))
    field, fraction = codes >> mantissa, codes & ((1 << mantissa) - 1)
    significand = np.where(field > 0, 1.0, 0.0) + fraction / (1 << mantissa)
    magnitude = np.ldexp(significand, np.maximum(field, 1) - 1 + grid.least_exponent)
    magnitude[magnitude > grid.largest] = np.nan
    return np.concatenate([magnitude, -magnitude])


@dataclass(frozen=True)
class MinifloatCodec:
    """A minifloat; its factor is the least power of two that brings the maximum into range.

    With factor 1 its values are those of the specification (`float_grid`). A magnitude becomes the
    nearest multiple of the step of its binade, a tie the even multiple (so without mantissa bits
    the larger of two powers); beyond the largest number it becomes that, never infinite or NaN.
    Zeros keep their sign. Factors stay where all of this is exact in fp32 (largest magnitudes of
    about 2**-95 to 2**105).
    """

    number_format: NumberFormat
    needs_distribution = False

    @cached_property
    def grid(self) -> FloatGrid:
        """The magnitudes at factor 1."""
        return float_grid(self.number_format)

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """(2**bits,) number of every code: sign, exponent, mantissa."""
        return float_numbers(self.number_format)

    def own_scaling(self, x: Values) -> Scaling:
        """The scale that the largest magnitude of a tensor sets."""
        return self._scaling(largest_magnitude(x))

    def calibrated_scaling(self, seen: Calibration) -> Scaling | None:
        """The scale that the largest magnitude seen sets."""
        return self._scaling(seen.max_abs)

    def _scaling(self, max_abs: float) -> Scaling:
        grid = self.grid
        if max_abs == 0:
            return Scaling.power_of_two(0)
        exponent = exponent_of_maximum(max_abs) - grid.largest_exponent
        exponent += max_abs > math.ldexp(grid.largest, exponent)
        return Scaling.power_of_two(min(max(exponent, grid.least_scale), grid.greatest_scale))

    def quantise(self, x: Values, scaling: Scaling | None) -> Values:
        """Nearest values (same shape)."""
        exponent = (self.own_scaling(x) if scaling is None else scaling).exponent
        grid = self.grid
        flat = x.reshape(-1)
        rounded = np.empty_like(flat)
        least = grid.least_exponent + exponent
        _round(
            flat,
            flat.view(np.int32),
            grid.mantissa_bits,
            np.float32(math.ldexp(1.0, least)),
            np.float32(math.ldexp(1.0, least - grid.mantissa_bits + 23)),
            int(np.float32(math.ldexp(grid.largest, exponent)).view(np.int32)),
            rounded,
            rounded.view(np.int32),
        )
        return rounded.reshape(x.shape)


@njit(cache=True, nogil=True)
def _round(
    x: NDArray[np.float32],
    patterns: NDArray[np.int32],
    mantissa_bits: int,
    smallest_normal: np.float32,
    anchor: np.float32,
    largest: int,
    out: NDArray[np.float32],
    out_patterns: NDArray[np.int32],
) -> None:
    """Round values (n,) into ``out`` (n,), in pieces that stay in the cache.

    Args:
        x: (n,) values.
        patterns: the same memory as fp32 bit patterns.
        mantissa_bits: explicit fraction bits to keep.
        smallest_normal: below it the step is constant.
        anchor: 2**23 of those steps: adding it to a smaller magnitude and taking it away again
            rounds to whole steps, ties to even.
        largest: pattern of the largest magnitude.
        out: (n,) receives the values.
        out_patterns: the same memory as fp32 bit patterns.
    """
    dropped = 23 - mantissa_bits
    half = (1 << (dropped - 1)) - 1
    kept = -1 << dropped
    for start in range(0, x.size, _CHUNK):
        values, bits = x[start : start + _CHUNK], patterns[start : start + _CHUNK]
        rounded, rounded_bits = out[start : start + _CHUNK], out_patterns[start : start + _CHUNK]
        for i in range(bits.size):
            pattern = bits[i]
            magnitude = pattern & 0x7FFFFFFF
            last_kept = (magnitude >> dropped) & 1 if mantissa_bits else 1
            normal = min((magnitude + half + last_kept) & kept, largest)
            rounded_bits[i] = normal | (pattern & -0x80000000)
        for i in range(values.size):
            magnitude_value = abs(values[i])
            subnormal = math.copysign((magnitude_value + anchor) - anchor, values[i])
            if magnitude_value < smallest_normal:
                rounded[i] = subnormal
