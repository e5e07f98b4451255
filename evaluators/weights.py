"""Weight matrices in their number format: as rounded, and as memory cells give them back."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from evaluators.codecs.codec import Codec, Scaling, Values
from evaluators.codecs.registry import codec_of
from evaluators.formats import quantise
from evaluators.special_functions import eight_bit_scaling
from search_space import ModelKnobs, SpecialFunctions


class WeightReader(Protocol):
    """What looks at every matrix as it is written, and gives what is read of it."""

    def read(self, name: str, x: Values, codec: Codec, scaling: Scaling) -> Values:
        """What is read (same shape) of a matrix that the codec rounded under those scales."""


def rounded_weights(
    name: str, x: Tensor, knobs: ModelKnobs, reader: WeightReader | None = None
) -> Tensor:
    """A matrix (same shape) in the weight format of the knobs.

    Scales follow from the matrix, and have 8 bits if special functions are fully quantised.

    Args:
        name: of the matrix in the encoder with its exits.
        x: pruned matrix, fp32.
        knobs: the setting.
        reader: reads it back from its cells; None for what was written.
    """
    number_format = knobs.weight_format
    is_exact = knobs.special_functions is SpecialFunctions.EXACT
    if reader is None and is_exact:
        return quantise(x, number_format)
    codec = codec_of(number_format)
    values = x.detach().contiguous().numpy()
    scaling = codec.own_scaling(values)
    scaling = scaling if is_exact else eight_bit_scaling(scaling)
    written = codec.quantise(values, scaling)
    read = written if reader is None else reader.read(name, written, codec, scaling)
    return torch.from_numpy(read)
