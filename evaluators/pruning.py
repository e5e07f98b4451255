"""Pruning by magnitude: the smallest weights of a matrix, or of many together, become 0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from search_space import PruningScope


def pruned_matrices(
    matrices: Mapping[str, Tensor], sparsity: float, scope: PruningScope
) -> Iterator[tuple[str, Tensor]]:
    """Name and pruned matrix of each, at a sparsity of every one or of all together."""
    if scope is PruningScope.GLOBAL:
        yield from prune_together(matrices, sparsity).items()
        return
    for name, weights in matrices.items():
        yield name, prune_by_magnitude(weights, sparsity)


def prune_by_magnitude(weights: Tensor, sparsity: float) -> Tensor:
    """The matrix with its smallest magnitudes set to 0, as many as the sparsity says.

    Ties at the threshold are all pruned, so the measured sparsity may be a little higher.
    """
    count = round(sparsity * weights.numel())
    if count == 0:
        return weights
    magnitude = weights.abs()
    threshold = magnitude.flatten().kthvalue(count).values
    return weights * (magnitude > threshold)


def prune_together(matrices: Mapping[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """The matrices, by name, with the smallest magnitudes of all of them set to 0.

    The sparsity is the share of all their weights; ties at the threshold are all pruned.
    """
    count = round(sparsity * sum(weights.numel() for weights in matrices.values()))
    if count == 0:
        return dict(matrices)
    magnitudes = torch.cat([weights.abs().flatten() for weights in matrices.values()])
    threshold = magnitudes.kthvalue(count).values
    return {name: weights * (weights.abs() > threshold) for name, weights in matrices.items()}
