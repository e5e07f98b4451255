"""MX block formats: 32 neighbours share a power-of-two scale, which travels with them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evaluators.codecs.calibration import Calibration
from evaluators.codecs.codec import Scaling, Values, largest_magnitude
from evaluators.codecs.minifloat import FloatGrid, float_grid, float_numbers
from search_space import MX_BLOCK, NumberFormat

_POWERS: Final = np.ldexp(np.float32(1), np.arange(-126, 128))
"""2**-126 ... 2**127."""


@dataclass(frozen=True)
class MxCodec:
    """An MX format of "OCP Microscaling Formats (MX)" 1.0: elements times the scale of their block.

    A block is `MX_BLOCK` consecutive values of the last axis; the last block of a row may be
    shorter. Its factor is 2**(floor(log2(max |x|)) - emax) (section 6.3), emax being the exponent
    of the largest element, and a byte E8M0 holds its exponent + 127. Elements are rounded as in
    `MinifloatCodec`, beyond the largest to the largest. MXINT8 has elements in two's complement
    with 6 fraction bits, so emax is 0; -2 is not used, as section 5.3.5 allows, so that minus a
    value is a value. Blocks of zeros have the factor 1. Factors stay where all of this is exact in
    fp32 (largest magnitudes of about 2**-95 to 2**105).

    Activations are no different: a block's scale depends on its 32 values alone, so on neither the
    sentence beside it nor the batch, and nothing is calibrated.
    """

    number_format: NumberFormat
    needs_distribution = False

    @cached_property
    def grid(self) -> FloatGrid:
        """The magnitudes of an element at factor 1."""
        if self.number_format.exponent_bits == 0:
            fraction = self.number_format.bits - 2
            return FloatGrid(fraction, 0, 2.0 - math.ldexp(1.0, -fraction))
        return float_grid(self.number_format.element)

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """(2**bits,) number of every code of an element."""
        bits = self.number_format.bits
        if self.number_format.exponent_bits:
            return float_numbers(self.number_format.element)
        codes = np.arange(1 << bits, dtype=np.float64)
        numbers = np.where(codes >= 1 << (bits - 1), codes - (1 << bits), codes)
        numbers[1 << (bits - 1)] = np.nan
        return np.ldexp(numbers, 2 - bits)

    def own_scaling(self, x: Values) -> Scaling:
        """The scales of the blocks of a tensor."""
        largest_magnitude(x)  # refuses what is not finite
        return Scaling.of_factors(self._rounded(x, None)[1])

    def calibrated_scaling(self, seen: Calibration) -> Scaling | None:  # noqa: ARG002 - see above
        """None: blocks have their own scales."""
        return None

    def quantise(self, x: Values, scaling: Scaling | None) -> Values:
        """Nearest values (same shape); None finds the scales in the same pass."""
        return self._rounded(x, scaling)[0]

    def _rounded(self, x: Values, scaling: Scaling | None) -> tuple[Values, Values]:
        """Nearest values (same shape), and the factors (n_blocks,) that served."""
        width = x.shape[-1] if x.ndim else 1
        padded = -(-width // MX_BLOCK) * MX_BLOCK
        rows = x.reshape(x.size // width if width else 0, width)
        if padded > width:
            rows = np.pad(rows, ((0, 0), (0, padded - width)))
        blocks = rows.reshape(-1, MX_BLOCK)
        exponents = np.empty(len(blocks), dtype=np.int32)
        if scaling is not None:
            given = np.frexp(scaling.factor)[1] - 1
            exponents[:] = given.clip(self.grid.least_scale, self.grid.greatest_scale)
        rounded, grid = np.empty_like(blocks), self.grid
        _round_blocks(
            blocks,
            blocks.view(np.int32),
            grid.mantissa_bits,
            grid.least_exponent,
            grid.largest_exponent,
            int(np.float32(grid.largest).view(np.int32)),
            grid.least_scale,
            grid.greatest_scale,
            scaling is None,
            exponents,
            rounded,
            rounded.view(np.int32),
        )
        values = rounded.reshape(-1, padded)[:, :width] if padded > width else rounded
        factors = np.ldexp(np.float32(1), exponents).astype(np.float32)
        return np.ascontiguousarray(values).reshape(x.shape), factors


@njit(cache=True, nogil=True)
def _round_blocks(
    x: NDArray[np.float32],
    patterns: NDArray[np.int32],
    mantissa_bits: int,
    least_exponent: int,
    largest_exponent: int,
    largest: int,
    least_scale: int,
    greatest_scale: int,
    find: bool,
    exponents: NDArray[np.int32],
    out: NDArray[np.float32],
    out_patterns: NDArray[np.int32],
) -> None:
    """Round blocks (n_blocks, 32) into ``out`` (n_blocks, 32).

    Args:
        x: (n_blocks, 32) values.
        patterns: the same memory as fp32 bit patterns.
        mantissa_bits: of the element.
        least_exponent: of the element's grid.
        largest_exponent: of the element's grid.
        largest: pattern of the largest element at factor 1.
        least_scale: exponent of the least factor.
        greatest_scale: exponent of the greatest factor.
        find: whether to find the exponents of the factors; else they are given.
        exponents: (n_blocks,) exponents of the factors.
        out: (n_blocks, 32) receives the values.
        out_patterns: the same memory as fp32 bit patterns.
    """
    dropped = 23 - mantissa_bits
    half = (1 << (dropped - 1)) - 1
    kept = -1 << dropped
    size = x.shape[1]  # loops of a length that the compiler knows are unrolled, which is slower
    for block in range(x.shape[0]):
        if find:
            most = 0
            for i in range(size):
                most = max(most, patterns[block, i] & 0x7FFFFFFF)
            found = (most >> 23) - 127 - largest_exponent
            exponents[block] = min(max(found, least_scale), greatest_scale) if most else 0
        exponent = exponents[block]
        least = least_exponent + exponent
        smallest_normal = _POWERS[least + 126]
        anchor = _POWERS[least - mantissa_bits + 23 + 126]
        top = largest + (exponent << 23)
        for i in range(size):
            pattern = patterns[block, i]
            magnitude = pattern & 0x7FFFFFFF
            last_kept = (magnitude >> dropped) & 1 if mantissa_bits else 1
            normal = min((magnitude + half + last_kept) & kept, top)
            out_patterns[block, i] = normal | (pattern & -0x80000000)
        for i in range(size):
            magnitude_value = abs(x[block, i])
            subnormal = math.copysign((magnitude_value + anchor) - anchor, x[block, i])
            if magnitude_value < smallest_normal:
                out[block, i] = subnormal
