"""Movement pruning: a weight stays if training moves it away from zero.

Sanh, Wolf and Rush, "Movement Pruning: Adaptive Sparsity by Fine-Tuning", NeurIPS 2020
(arXiv:2005.07683). Every weight W has a score S, and M keeps the weights with the highest scores of
their matrix. With W' = W ⊙ M and loss L, the paper (section 4) has ∂L/∂W = ∂L/∂W' ⊙ M and, straight
through M, ∂L/∂S = ∂L/∂W' ⊙ W.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


class _Masked(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, weight: Tensor, _scores: Tensor, mask: Tensor) -> Tensor:
        context.save_for_backward(weight, mask)
        return weight * mask

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        weight, mask = context.saved_tensors
        return gradients[0] * mask, gradients[0] * weight, None


def masked_by_scores(weight: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The weights (any shape) whose score (same shape) is above the threshold, others 0."""
    mask = scores.detach() > threshold
    result: Tensor = _Masked.apply(weight, scores, mask)  # type: ignore[no-untyped-call]
    return result


def score_threshold(scores: Tensor, sparsity: float, at_most: int | None = None) -> float:
    """Highest score among the lowest, as many as the sparsity says; -infinity for none.

    Args:
        scores: of a matrix.
        sparsity: share of its weights that are pruned.
        at_most: how many evenly spaced scores to look at; None for all.
    """
    sample = scores.detach().flatten()
    if at_most is not None:
        sample = sample[:: math.ceil(sample.numel() / at_most)]
    count = round(sparsity * sample.numel())
    return float(sample.kthvalue(count).values) if count else -math.inf


def kept_by_scores(weight: Tensor, scores: Tensor, sparsity: float) -> Tensor:
    """The weights with exactly the lowest-scored ones set to 0, as many as the sparsity says.

    Of equal scores, those that come first in the matrix are pruned first. Since zeros are the
    smallest magnitudes, pruning the result by magnitude at that sparsity changes nothing.
    """
    count = round(sparsity * scores.numel())
    lowest = scores.detach().flatten().sort(stable=True).indices[:count]
    kept = weight.detach().flatten().clone()
    kept[lowest] = 0.0
    return kept.view_as(weight)
