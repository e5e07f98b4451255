"""Number formats on torch tensors: rounding to any of them, and the byte codes of checkpoints.

`evaluators.codecs` has the formats' definitions and the compiled loops.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evaluators.codecs.calibration import Calibration
from evaluators.codecs.codec import Scaling, checked_maximum
from evaluators.codecs.registry import codec_of
from search_space import FP16, FP32, FormatKind, NumberFormat


def quantise(
    x: Tensor,
    number_format: NumberFormat,
    max_abs: float | None = None,
    *,
    scaling: Scaling | None = None,
) -> Tensor:
    """Nearest representable values (any shape, fp32) for a tensor.

    Args:
        x: any shape, fp32.
        number_format: any; fp32 returns x itself.
        max_abs: magnitude that sets the scale; by default the tensor's own values do (weights).
        scaling: scales as calibrated (activations), so that no result depends on its batch; then
            max_abs plays no part.

    Raises:
        ValueError: the values of the format are beyond fp32, x or max_abs is not finite, or the
            format's scale follows from more than a largest magnitude.
    """
    if number_format == FP32:
        return x
    if number_format == FP16:
        return x.half().float()  # twenty times as fast as NumPy
    codec = codec_of(number_format)
    if scaling is None and max_abs is not None:
        limit = checked_maximum(max_abs)
        scaling = codec.calibrated_scaling(Calibration.of_extremes(-limit, limit))
    values = x.detach().contiguous().numpy()
    return torch.from_numpy(codec.quantise(values, scaling))


def decode(codes: Tensor, number_format: NumberFormat, exp_max: int) -> Tensor:
    """Values (same shape, fp32) of AdaptivFloat codes (uint8).

    Raises:
        ValueError: the format is not AdaptivFloat or is wider than 8 bits.
    """
    if number_format.kind is not FormatKind.ADAPTIVFLOAT or number_format.bits > 8:
        raise ValueError(
            f"Number format {number_format}: only AdaptivFloat of at most 8 bits has byte codes."
        )
    numbers = torch.from_numpy(codec_of(number_format).numbers)
    return torch.ldexp(numbers, torch.tensor(exp_max)).float()[codes.long()]
