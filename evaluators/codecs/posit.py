"""Posits with a power-of-two scale."""

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

_MOST_OCTAVES: Final = 32


@dataclass(frozen=True)
class PositCodec:
    """Posit<bits, es> of the Posit Standard (2022), for any es; its factor is a power of two.

    A code is a sign bit, a regime (m equal bits and one that differs: k = m - 1 for ones, -m for
    zeros), es exponent bits e and a fraction f; bits beyond the word are 0. It stands for
    2**(k·2**es + e) · (1 + f), a code with the sign bit for minus what its two's complement stands
    for; 0 is zero, the sign bit alone is NaR and no number. Rounding is to the nearest code, ties
    to the even one, on the string of bits: where exponent bits are cut off, the middle between two
    codes is that of their bits. What is not 0 never becomes 0, and saturates at the largest value.

    The factor is the power of two with the least squared error, the largest of those with equal
    error, of those from the one that brings the maximum to the largest number (at most 32 octaves
    below) to the one that brings the maximum to just below 1.
    """

    number_format: NumberFormat
    needs_distribution = True

    def __post_init__(self) -> None:
        """Refuse posits beyond fp32."""
        if self._reach > 112:
            raise ValueError(
                f"Number format {str(self.number_format)!r} cannot be evaluated: its largest value "
                f"2**{self._reach} is beyond fp32; expected at most 2**112."
            )

    @property
    def _reach(self) -> int:
        """Exponent of the largest number; that of the smallest is minus it."""
        return (self.number_format.bits - 2) << self.number_format.exponent_bits

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """(2**bits,) number of every code."""
        bits, es = self.number_format.bits, self.number_format.exponent_bits
        half = 1 << (bits - 1)
        positive = np.zeros(half)
        for code in range(1, half):
            # A sentinel beside the regime ends it at the end of the word.
            ones = code >> (bits - 2) & 1
            flipped = (half - 1) & ~code if ones else code
            length = bits - 1 - flipped.bit_length()
            k = length - 1 if ones else -length
            rest = max(bits - 2 - length, 0)
            tail = (code & ((1 << rest) - 1)) << es  # es zeros stand for bits beyond the word
            exponent, fraction = tail >> rest, tail & ((1 << rest) - 1)
            positive[code] = math.ldexp(1 + fraction / (1 << rest), (k << es) + exponent)
        return np.concatenate([positive, [np.nan], -positive[:0:-1]])

    def own_scaling(self, x: Values) -> Scaling:
        """The scale with the least squared error on a tensor."""
        return self._scaling(x.reshape(-1), np.ones(x.size, dtype=np.float32), largest_magnitude(x))

    def calibrated_scaling(self, seen: Calibration) -> Scaling | None:
        """The scale with the least squared error on the distribution seen."""
        return self._scaling(*seen.distribution(), seen.max_abs)

    def _scaling(self, values: Values, weights: Values, max_abs: float) -> Scaling:
        if max_abs == 0:
            return Scaling.power_of_two(0)
        top = exponent_of_maximum(max_abs)
        # Within these, all values are normal numbers of fp32.
        lowest, highest = self._reach - 126, 126 - self._reach
        most = min(max(top + 1, lowest), highest)
        least = max(top - min(self._reach, _MOST_OCTAVES), lowest)
        candidates = range(most, min(least, most) - 1, -1)
        errors = [
            _squared_error(values, self.quantise(values, Scaling.power_of_two(k)), weights)
            for k in candidates
        ]
        return Scaling.power_of_two(candidates[int(np.argmin(errors))])

    def quantise(self, x: Values, scaling: Scaling | None) -> Values:
        """Nearest values (same shape)."""
        exponent = (self.own_scaling(x) if scaling is None else scaling).exponent
        rounded = np.empty(x.size, dtype=np.int32)
        _round_patterns(
            x.reshape(-1).view(np.int32),
            self.number_format.bits,
            self.number_format.exponent_bits,
            exponent,
            self._reach,
            rounded,
        )
        return rounded.view(np.float32).reshape(x.shape)


@njit(cache=True, nogil=True)
def _round_patterns(
    patterns: NDArray[np.int32],
    bits: int,
    es: int,
    scale_exponent: int,
    reach: int,
    out: NDArray[np.int32],
) -> None:
    """Round fp32 bit patterns (n,) into ``out`` (n,).

    With the exponent counted from a multiple of 2**es, the pattern of a positive float is its
    regime value, then its es exponent bits, then its fraction: cutting it off where the posit ends
    rounds the posit's own string of bits.

    Args:
        patterns: (n,) bit patterns.
        bits: of the posit.
        es: of the posit.
        scale_exponent: exponent of the factor.
        reach: exponent of the largest number.
        out: (n,) receives the rounded patterns.
    """
    smallest = (127 + scale_exponent - reach) << 23
    largest = (127 + scale_exponent + reach) << 23
    offset = (1 - scale_exponent) << 23  # exponents then count from 128
    regime_shift = 23 + es
    zero_regime = 128 >> es
    for i in range(patterns.size):
        pattern = patterns[i]
        magnitude = pattern & 0x7FFFFFFF
        aligned = min(max(magnitude, smallest), largest) + offset
        k = (aligned >> regime_shift) - zero_regime
        regime_bits = (k ^ (k >> 63)) + 2  # k + 2, or 1 - k if k is negative
        dropped = min(regime_shift - (bits - 1 - regime_bits), regime_shift)
        # The last bit kept; if that is the regime's own last one, it is 1 for a negative k.
        last_kept = (aligned >> dropped) & 1 if dropped < regime_shift else (k >> 63) & 1
        rounded = (aligned + (1 << (dropped - 1)) - 1 + last_kept) >> dropped << dropped
        rounded = min(rounded - offset, largest) | (pattern & -0x80000000)
        out[i] = rounded if magnitude > 0 else 0


@njit(cache=True, nogil=True)
def _squared_error(
    x: NDArray[np.float32], rounded: NDArray[np.float32], weights: NDArray[np.float32]
) -> float:
    """Weighted sum of squared differences of two (n,) arrays."""
    total = 0.0
    for i in range(x.size):
        error = x[i] - rounded[i]
        total += weights[i] * error * error
    return total
