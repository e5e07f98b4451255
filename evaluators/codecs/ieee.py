"""fp32 and fp16 of IEEE 754: no scale."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evaluators.codecs.calibration import Calibration
from evaluators.codecs.codec import Scaling, Values
from search_space import NumberFormat


@dataclass(frozen=True)
class IeeeCodec:
    """fp32, which changes nothing, or fp16: nearest, ties to even, infinite beyond 65,504."""

    number_format: NumberFormat
    needs_distribution = False

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """(65536,) number of every code of fp16; infinities count as no number.

        Raises:
            ValueError: fp32 has more codes than a table should.
        """
        if self.number_format.bits == 32:
            raise ValueError("fp32 has 2**32 codes: expected a format of at most 16 bits.")
        numbers = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float64)
        return np.where(np.isfinite(numbers), numbers, np.nan)

    def own_scaling(self, x: Values) -> Scaling:  # noqa: ARG002 - there is no scale
        """No scales."""
        return Scaling.of_factors(np.empty(0, dtype=np.float32))

    def calibrated_scaling(self, seen: Calibration) -> Scaling | None:  # noqa: ARG002 - as above
        """No scales."""
        return Scaling.of_factors(np.empty(0, dtype=np.float32))

    def quantise(self, x: Values, scaling: Scaling | None) -> Values:  # noqa: ARG002 - as above
        """The tensor itself, or its nearest fp16 numbers (same shape)."""
        if self.number_format.bits == 32:
            return x
        with np.errstate(over="ignore"):
            return x.astype(np.float16).astype(np.float32)
