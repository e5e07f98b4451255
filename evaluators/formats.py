"""AdaptivFloat arithmetic on tensors: values, codes, and the per-tensor exponent that scales them.

Algorithm 1 of Tambe et al., "Algorithm-Hardware Co-Design of Adaptive Floating-Point Encodings for
Resilient Deep Learning Inference", DAC 2020: no denormals, no infinities, every exponent code used,
and the code of the smallest magnitude (exponent 0, mantissa 0) given up for zero.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from search_space import FormatKind, NumberFormat


def exponent_of_maximum(max_abs: float) -> int:
    """The ``exp_max`` of Algorithm 1: 2**exp_max <= max_abs < 2**(exp_max + 1); 0 for max_abs 0.

    Raises:
        ValueError: max_abs is negative or not finite.
    """
    if not (math.isfinite(max_abs) and max_abs >= 0):
        raise ValueError(f"Largest magnitude {max_abs} of a tensor: expected a finite number >= 0.")
    return math.frexp(max_abs)[1] - 1 if max_abs > 0 else 0


def quantise(x: Tensor, number_format: NumberFormat, max_abs: float | None = None) -> Tensor:
    """Nearest representable values (any shape, fp32) for a tensor.

    Args:
        x: any shape, fp32.
        number_format: AdaptivFloat or IEEE format; fp32 returns x itself.
        max_abs: magnitude that sets the exponent bias; by default the tensor's own maximum
            (weights). Activations pass the calibrated one, so that no result depends on its batch.

    Magnitudes above the largest value are clamped to it; those below the smallest non-zero value
    become 0 (less than half of it) or that value (half of it or more). Ties go to the even
    mantissa; a format without mantissa rounds them up.

    Raises:
        ValueError: the format is neither AdaptivFloat nor IEEE.
    """
    if number_format.kind is FormatKind.IEEE:
        return x if number_format.bits == 32 else x.half().float()
    if number_format.kind is not FormatKind.ADAPTIVFLOAT:
        raise ValueError(
            f"Number format {str(number_format)!r} cannot be evaluated: expected 'fp32', 'fp16' or "
            "an AdaptivFloat such as 'adaptivfloat<8,3>'; the cost model alone knows the others."
        )
    exp_max = exponent_of_maximum(float(x.abs().max()) if max_abs is None else max_abs)
    bias = exp_max - ((1 << number_format.exponent_bits) - 1)
    mantissa = number_format.mantissa_bits
    smallest = _smallest_nonzero(bias, mantissa)
    largest = math.ldexp(2.0 - math.ldexp(1.0, -mantissa), exp_max)
    patterns = x.detach().contiguous().view(torch.int32).flatten().numpy()
    rounded = np.empty_like(patterns)
    limits = _bits(0.5 * smallest), _bits(smallest), _bits(largest)
    _round_patterns(patterns, mantissa, *limits, rounded)
    return torch.from_numpy(rounded).view(torch.float32).view(x.shape)


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


def _bits(value: float) -> int:
    """Bit pattern of a non-negative number in fp32."""
    return int(np.float32(value).view(np.int32))


def _smallest_nonzero(bias: int, mantissa_bits: int) -> float:
    """Smallest magnitude that has a code: 2**bias is given up for zero."""
    return math.ldexp(1.0 + math.ldexp(1.0, -mantissa_bits), bias)


def encode(x: Tensor, number_format: NumberFormat, exp_max: int) -> Tensor:
    """Codes (same shape, uint8) of values that `quantise` returned: sign, exponent, mantissa.

    Raises:
        ValueError: the format is not AdaptivFloat or is wider than 8 bits.
    """
    _require_byte_format(number_format)
    mantissa = number_format.mantissa_bits
    bias = exp_max - ((1 << number_format.exponent_bits) - 1)
    fraction, exponent = torch.frexp(x.abs())
    field = exponent - 1 - bias
    steps = torch.round((fraction * 2 - 1) * (1 << mantissa)).to(torch.int32)
    code = torch.where(x == 0, 0, (field << mantissa) | steps)
    sign = torch.signbit(x).to(torch.int32) << (number_format.bits - 1)
    return (code | sign).to(torch.uint8)


def decode(codes: Tensor, number_format: NumberFormat, exp_max: int) -> Tensor:
    """Values (same shape, fp32) of AdaptivFloat codes (uint8).

    Raises:
        ValueError: the format is not AdaptivFloat or is wider than 8 bits.
    """
    _require_byte_format(number_format)
    return _code_values(number_format, exp_max)[codes.long()]


def _code_values(number_format: NumberFormat, exp_max: int) -> Tensor:
    """Value of every code (2**bits,), fp32."""
    mantissa = number_format.mantissa_bits
    bias = exp_max - ((1 << number_format.exponent_bits) - 1)
    magnitude_codes = torch.arange(1 << (number_format.bits - 1))
    exponent = (magnitude_codes >> mantissa) + bias
    fraction = 1 + (magnitude_codes & ((1 << mantissa) - 1)).double() / (1 << mantissa)
    magnitude = torch.ldexp(fraction, exponent)
    magnitude[0] = 0.0
    return torch.cat([magnitude, -magnitude]).float()


def _require_byte_format(number_format: NumberFormat) -> None:
    if number_format.kind is not FormatKind.ADAPTIVFLOAT or number_format.bits > 8:
        raise ValueError(
            f"Number format {number_format}: only AdaptivFloat of at most 8 bits has byte codes."
        )
