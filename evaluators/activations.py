"""Rounding of activations: scales are found on calibration sentences, then never change."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from evaluators.codecs.calibration import Calibration
from evaluators.codecs.codec import Scaling
from evaluators.codecs.registry import codec_of
from evaluators.formats import quantise
from evaluators.special_functions import eight_bit_scaling
from search_space import FP32, NumberFormat


class ActivationRounding(Protocol):
    """What rounds one kind of activation.

    Attributes:
        number_format: format of the activation.
    """

    number_format: NumberFormat

    def __call__(self, x: Tensor) -> Tensor:
        """The rounded activation (same shape)."""


class ActivationQuantiser:
    """Rounds one kind of activation; learns what sets its scale while calibrating.

    Attributes:
        number_format: format of the activation.
        calibrating: whether to look instead of rounding.
        eight_bit_scale: whether its scale has 8 bits (`evaluators.special_functions`).
    """

    __slots__ = ("_scaling", "_seen", "calibrating", "eight_bit_scale", "number_format")

    def __init__(self, number_format: NumberFormat = FP32, *, calibrating: bool = False) -> None:
        self.number_format = number_format
        self.calibrating = calibrating
        self.eight_bit_scale = False
        self._seen: Calibration | None = None
        self._scaling: Scaling | None = None

    @property
    def max_abs(self) -> float:
        """Largest magnitude seen in calibration."""
        return 0.0 if self._seen is None else self._seen.max_abs

    def start(self, number_format: NumberFormat, *, calibrating: bool) -> None:
        """Forget what was seen, and take another format."""
        self.number_format = number_format
        self.calibrating = calibrating
        self._seen = self._scaling = None

    def settle(self, number_format: NumberFormat, scaling: Scaling | None) -> None:
        """Round to a format by a scale that is known already; None for what `scaling` gave None."""
        self.start(number_format, calibrating=False)
        self._scaling = scaling

    def scaling(self) -> Scaling | None:
        """The scale that calibration settled; None where every tensor brings its own."""
        if self._scaling is None:
            codec = codec_of(self.number_format)
            if self._seen is None:
                self._seen = Calibration(distribution=codec.needs_distribution)
            self._scaling = codec.calibrated_scaling(self._seen)
            if self.eight_bit_scale and self._scaling is not None:
                self._scaling = eight_bit_scaling(self._scaling)
        return self._scaling

    def __call__(self, x: Tensor) -> Tensor:
        """The rounded activation (same shape)."""
        if self.number_format == FP32:
            return x
        if self.calibrating:
            if self._seen is None:
                wanted = codec_of(self.number_format).needs_distribution
                self._seen = Calibration(distribution=wanted)
            self._seen.add(x.detach().contiguous().numpy())
            self._scaling = None
            return x
        return quantise(x, self.number_format, scaling=self.scaling())
