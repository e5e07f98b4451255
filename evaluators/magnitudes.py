"""Pruning by magnitude in training: thresholds from a sample, and the scale of what is left.

`evaluators.pruning.prune_by_magnitude` is exact and what evaluation does; here a matrix is
pruned at every step, by thresholds that are looked up now and then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from evaluators.codecs.calibration import Calibration
from evaluators.codecs.codec import Scaling
from evaluators.codecs.registry import codec_of
from search_space import NumberFormat

THRESHOLD_SAMPLE: Final = 65_536
"""Weights that a threshold is taken from; the pruned share is so within 0.4 points (2 sigma)."""


def magnitude_thresholds(weight: Tensor, sparsities: Sequence[float]) -> Tensor:
    """Largest magnitude (n_sparsities,) that each sparsity prunes; -1 where it prunes nothing."""
    sample = weight.detach().flatten()
    sample = sample[:: math.ceil(sample.numel() / THRESHOLD_SAMPLE)].abs().sort().values
    counts = [round(sparsity * sample.numel()) for sparsity in sparsities]
    return torch.tensor([float(sample[count - 1]) if count else -1.0 for count in counts])


def kept_by_magnitude(weight: Tensor, threshold: float) -> Tensor:
    """The weights with all up to that magnitude set to 0; below 0, the weights themselves."""
    return weight if threshold < 0 else functional.hardshrink(weight, threshold)


def pruned_scaling(weight: Tensor, threshold: float, number_format: NumberFormat) -> Scaling:
    """The scale that a matrix has once it is pruned."""
    codec = codec_of(number_format)
    if codec.needs_distribution:
        return codec.own_scaling(kept_by_magnitude(weight, threshold).numpy())
    extremes = torch.stack(torch.aminmax(weight))
    least, greatest = kept_by_magnitude(extremes, threshold).tolist()
    scaling = codec.calibrated_scaling(Calibration.of_extremes(least, greatest))
    assert scaling is not None
    return scaling
