"""Straight-through gradients: what is pruned or rounded passes its gradient on unchanged.

Bengio, Léonard and Courville, "Estimating or Propagating Gradients Through Stochastic Neurons for
Conditional Computation", arXiv:1308.3432, 2013. The dense value behind a compressed one so goes on
learning, and a weight that is pruned in one step may come back in a later one.
"""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from torch import Tensor

from evaluators.codecs.calibration import Calibration
from evaluators.codecs.registry import codec_of
from evaluators.formats import quantise
from evaluators.training_stages import TrainingError
from search_space import FP16, FP32, NumberFormat

RANGE_DECAY: Final = 0.99
"""What is left of the running extremes of an activation after a batch that stays below them."""


class _PassThrough(torch.autograd.Function):
    """``dense + (compressed - dense).detach()`` without the rounding of that sum."""

    @staticmethod
    def forward(_context: Any, compressed: Tensor, _dense: Tensor) -> Tensor:
        return compressed

    @staticmethod
    def backward(_context: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, gradients[0]


def pass_through(compressed: Tensor, dense: Tensor) -> Tensor:
    """The compressed values (any shape), whose gradient is that of the dense ones (same shape)."""
    result: Tensor = _PassThrough.apply(compressed.detach(), dense)  # type: ignore[no-untyped-call]
    return result


class TrainingRounding:
    """Rounds one kind of activation in training, with straight-through gradients.

    Its range covers every batch: after a batch with smallest value a and largest value b, it is
    from min(a, `RANGE_DECAY` × least so far) to max(b, `RANGE_DECAY` × greatest so far). So nothing
    saturates, and an outlier fades with a half-life of 69 rounded batches.

    Attributes:
        number_format: format of the activation.
        least: lower end of the range, 0 at most.
        greatest: upper end of the range, 0 at least.
    """

    __slots__ = ("greatest", "least", "number_format")

    def __init__(self, number_format: NumberFormat = FP32) -> None:
        self.number_format = number_format
        self.least = 0.0
        self.greatest = 0.0

    def __call__(self, x: Tensor) -> Tensor:
        """The rounded activation (same shape).

        Raises:
            TrainingError: a value is not finite.
        """
        if self.number_format == FP32:
            return x
        if self.number_format == FP16:
            return pass_through(quantise(x, FP16), x)
        least, greatest = (float(value) for value in torch.aminmax(x.detach()))
        if not (math.isfinite(least) and math.isfinite(greatest)):
            raise TrainingError(
                f"Activations from {least} to {greatest} in training: expected finite numbers; "
                "train with a lower learning rate."
            )
        self.least = min(least, RANGE_DECAY * self.least)
        self.greatest = max(greatest, RANGE_DECAY * self.greatest)
        seen = Calibration.of_extremes(self.least, self.greatest)
        scaling = codec_of(self.number_format).calibrated_scaling(seen)
        return pass_through(quantise(x, self.number_format, scaling=scaling), x)
