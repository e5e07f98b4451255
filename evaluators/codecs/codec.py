"""What a number format does to tensors: the `Codec` protocol, and the scales that codes share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evaluators.codecs.calibration import Calibration
from search_space import MX_BLOCK, NumberFormat, ScaleSharing

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """The scales of a tensor: a value is (number of its code - zero point) × factor.

    Attributes:
        factor: (n_groups,) fp32, above 0; a power of two in all formats but integers.
        zero_point: (n_groups,) int32; 0 in all formats but affine integers.
    """

    factor: NDArray[np.float32]
    zero_point: NDArray[np.int32]

    @classmethod
    def of_factors(cls, factor: NDArray[np.float32]) -> Scaling:
        """Scales (n_groups,) without zero points."""
        return cls(factor, np.zeros(len(factor), dtype=np.int32))

    @classmethod
    def power_of_two(cls, exponent: int) -> Scaling:
        """One scale for the tensor, 2**exponent."""
        return cls.of_factors(np.array([math.ldexp(1.0, exponent)], dtype=np.float32))

    @property
    def exponent(self) -> int:
        """Exponent of the first factor, a power of two."""
        return math.frexp(float(self.factor[0]))[1] - 1


class Codec(Protocol):
    """One number format at work. `evaluators.codecs.testing.check_codec` checks an implementation.

    Arrays are fp32 and C-contiguous. Rounding depends on a value and its scale alone, so neither
    the order nor the batching of values changes a result.
    """

    @property
    def number_format(self) -> NumberFormat:
        """What is implemented."""

    @property
    def numbers(self) -> NDArray[np.float64]:
        """(2**bits,) number of every code, at factor 1; NaN for codes that are no number."""

    @property
    def needs_distribution(self) -> bool:
        """Whether scales follow from the distribution of values, not from the extremes alone."""

    def own_scaling(self, x: Values) -> Scaling:
        """The scales of a tensor (any shape) from its own values, as for weights.

        Raises:
            ValueError: a value is not finite.
        """

    def calibrated_scaling(self, seen: Calibration) -> Scaling | None:
        """The scale of tensors like those seen; None if every tensor brings its own (blocks).

        Raises:
            ValueError: a value was not finite, or the distribution is needed and was not kept.
        """

    def quantise(self, x: Values, scaling: Scaling | None) -> Values:
        """Nearest values (same shape) that the format has under those scales.

        What lies beyond the largest one becomes that one. None stands for the tensor's own scales.
        """


def checked_maximum(max_abs: float) -> float:
    """That magnitude.

    Raises:
        ValueError: it is negative or not finite.
    """
    if not (math.isfinite(max_abs) and max_abs >= 0):
        raise ValueError(f"Largest magnitude {max_abs} of a tensor: expected a finite number >= 0.")
    return max_abs


def largest_magnitude(x: Values) -> float:
    """Largest magnitude of a tensor (any shape), 0 for an empty one.

    Raises:
        ValueError: a value is not finite.
    """
    return checked_maximum(float(np.max(np.abs(x), initial=0.0)))


def exponent_of_maximum(max_abs: float) -> int:
    """Exponent e with 2**e <= max_abs < 2**(e + 1); 0 for max_abs 0.

    Raises:
        ValueError: max_abs is negative or not finite.
    """
    return math.frexp(max_abs)[1] - 1 if checked_maximum(max_abs) > 0 else 0


def n_groups(number_format: NumberFormat, shape: tuple[int, ...]) -> int:
    """Scales of a tensor of that shape.

    A channel is a row: an index of the first axis; a tensor of one axis has one scale. A block is
    `MX_BLOCK` consecutive values of the last axis; the last block of a row may be shorter.
    """
    sharing = number_format.scale_sharing
    if sharing is ScaleSharing.NONE:
        return 0
    if sharing is ScaleSharing.CHANNEL and len(shape) > 1:
        return shape[0]
    if sharing is ScaleSharing.BLOCK:
        return math.prod(shape[:-1]) * -(-shape[-1] // MX_BLOCK) if shape else 1
    return 1


def by_group(number_format: NumberFormat, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Index (shape) of the scale of every value; all formats but IEEE have one."""
    width = shape[-1] if shape else 1
    count = n_groups(number_format, shape)
    if number_format.scale_sharing is ScaleSharing.BLOCK:
        blocks = -(-width // MX_BLOCK)
        rows = np.arange(count // blocks if blocks else 0)[:, None] * blocks
        return (rows + np.arange(width) // MX_BLOCK).reshape(shape)
    size = math.prod(shape)
    return np.repeat(np.arange(count), size // count if count else 0).reshape(shape)
