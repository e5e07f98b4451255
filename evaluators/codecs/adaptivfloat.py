"""AdaptivFloat: a float whose exponent bias follows the largest magnitude of the tensor.

Algorithm 1 of Tambe et al., "Algorithm-Hardware Co-Design of Adaptive Floating-Point Encodings for
Resilient Deep Learning Inference", DAC 2020: no denormals, no infinities, every exponent code used,
and the code of the smallest magnitude (exponent 0, mantissa 0) given up for zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evaluators.codecs.calibration import Calibration
from evaluators.codecs.codec import Scaling, Values, exponent_of_maximum, largest_magnitude
from search_space import NumberFormat


@dataclass(frozen=True)
class AdaptivFloatCodec:
    """AdaptivFloat<bits, exponent_bits>; its factor is 2**exp_max of Algorithm 1.

    A code is sign, exponent field E and mantissa field M of m bits, and stands for
    ±2**(exp_max - (2**exponent_bits - 1) + E) · (1 + M / 2**m); E = M = 0 is zero, with a sign.
    Magnitudes above the largest value are clamped to it; those below the smallest non-zero value
    become 0 (less than half of it) or that value (half of it or more). Ties go to the even
    mantissa; a format without mantissa rounds them up.
    """

    number_format: NumberFormat
    needs_distribution = False

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """(2**bits,) number of every code for exp_max 0.

        Raises:
            ValueError: more than 7 exponent bits, whose values are beyond fp32.
        """
        exponent_bits, mantissa = self.number_format.exponent_bits, self.number_format.mantissa_bits
        if exponent_bits > 7:
            raise ValueError(
                f"Codes of {self.number_format}: its values are beyond fp32; expected at most 7 "
                "exponent bits."
            )
        codes = np.arange(1 << (self.number_format.bits - 1))
        exponent = (codes >> mantissa) - ((1 << exponent_bits) - 1)
        magnitude = np.ldexp(1 + (codes & ((1 << mantissa) - 1)) / (1 << mantissa), exponent)
        magnitude[0] = 0.0
        return np.concatenate([magnitude, -magnitude])

    def own_scaling(self, x: Values) -> Scaling:
        """The scale that the largest magnitude of a tensor sets."""
        return Scaling.power_of_two(exponent_of_maximum(largest_magnitude(x)))

    def calibrated_scaling(self, seen: Calibration) -> Scaling | None:
        """The scale that the largest magnitude seen sets."""
        return Scaling.power_of_two(exponent_of_maximum(seen.max_abs))

    def quantise(self, x: Values, scaling: Scaling | None) -> Values:
        """Nearest values (same shape)."""
        exp_max = (self.own_scaling(x) if scaling is None else scaling).exponent
        mantissa = self.number_format.mantissa_bits
        bias = exp_max - ((1 << self.number_format.exponent_bits) - 1)
        smallest = math.ldexp(1.0 + math.ldexp(1.0, -mantissa), bias)
        largest = math.ldexp(2.0 - math.ldexp(1.0, -mantissa), exp_max)
        limits = _bits(0.5 * smallest), _bits(smallest), _bits(largest)
        rounded = np.empty(x.size, dtype=np.int32)
        _round_patterns(x.reshape(-1).view(np.int32), mantissa, *limits, rounded)
        return rounded.view(np.float32).reshape(x.shape)


def _bits(value: float) -> int:
    """Bit pattern of a non-negative number in fp32."""
    return int(np.float32(value).view(np.int32))


@njit(cache=True, nogil=True)
def _round_patterns(
    patterns: NDArray[np.int32],
    mantissa_bits: int,
    zero_below: int,
    smallest: int,
    largest: int,
    out: NDArray[np.int32],
) -> None:
    """Round fp32 bit patterns (n,) into ``out`` (n,).

    Patterns of positive floats are ordered like the floats, so rounding, clamping and comparing
    work on integers. One compiled pass: rounding is memory-bound instead of a dozen array passes.

    Args:
        patterns: (n,) bit patterns.
        mantissa_bits: explicit fraction bits to keep.
        zero_below: pattern below which a magnitude becomes 0.
        smallest: pattern of the smallest non-zero magnitude.
        largest: pattern of the largest magnitude.
        out: (n,) receives the rounded patterns.
    """
    dropped = 23 - mantissa_bits
    half = (1 << (dropped - 1)) - 1
    kept = -1 << dropped
    for i in range(patterns.size):
        pattern = patterns[i]
        magnitude = pattern & 0x7FFFFFFF
        last_kept = (magnitude >> dropped) & 1 if mantissa_bits else 1  # ties to even
        rounded = (magnitude + half + last_kept) & kept
        rounded = min(max(rounded, smallest), largest)
        rounded = rounded if magnitude >= zero_below else 0
        out[i] = rounded | (pattern & -0x80000000)
