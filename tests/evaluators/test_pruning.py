"""Pruning: the smallest magnitudes go, of every matrix or of all together."""

from __future__ import annotations

import pytest
import torch

from evaluators.pruning import prune_by_magnitude, prune_together, pruned_matrices
from search_space import PruningScope


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 0.77, 0.99])
def test_pruning_keeps_the_largest(sparsity: float) -> None:
    """As many weights as the sparsity says become 0, and none of them is above one that is kept."""
    weights = torch.randn(30, 41, generator=torch.manual_seed(0))
    pruned = prune_by_magnitude(weights, sparsity)
    gone = pruned == 0
    assert int(gone.sum()) == round(sparsity * weights.numel())
    assert torch.equal(pruned[~gone], weights[~gone])
    if gone.any():
        assert weights[gone].abs().max() < weights[~gone].abs().min()


def test_pruning_ties() -> None:
    """Equal magnitudes at the threshold go together, so the sparsity is never missed."""
    pruned = prune_by_magnitude(torch.tensor([[1.0, -1.0], [2.0, 1.0]]), 0.25)
    assert pruned.tolist() == [[0, 0], [2, 0]]


def test_matrices_together() -> None:
    """By hand: half of six weights go, three of the small matrix and none of the large one."""
    matrices = {
        "small": torch.tensor([[0.1, -0.2, 0.3]]),
        "large": torch.tensor([[1.0, -2.0, 3.0]]),
    }
    pruned = prune_together(matrices, 0.5)
    assert pruned["small"].tolist() == [[0, 0, 0]]
    assert pruned["large"].tolist() == [[1, -2, 3]]
    assert all(
        torch.equal(prune_together(matrices, 0.0)[name], matrices[name]) for name in matrices
    )


def test_one_matrix_together_is_that_matrix() -> None:
    """With one matrix the scopes are the same."""
    weights = torch.randn(20, 30, generator=torch.manual_seed(1))
    together = dict(pruned_matrices({"w": weights}, 0.6, PruningScope.GLOBAL))
    alone = dict(pruned_matrices({"w": weights}, 0.6, PruningScope.MATRIX))
    assert torch.equal(together["w"], alone["w"])


@pytest.mark.parametrize("scope", PruningScope)
def test_both_scopes_prune_as_much(scope: PruningScope) -> None:
    """The share of zeros over all matrices is the sparsity, whatever it is the share of."""
    generator = torch.manual_seed(2)
    matrices = {str(i): torch.randn(40, 25, generator=generator) * 2.0**i for i in range(4)}
    pruned = dict(pruned_matrices(matrices, 0.7, scope))
    zeros = sum(int((weights == 0).sum()) for weights in pruned.values())
    assert zeros == round(0.7 * 4_000)
    if scope is PruningScope.MATRIX:
        assert {int((weights == 0).sum()) for weights in pruned.values()} == {700}
    else:
        assert int((pruned["0"] == 0).sum()) > int((pruned["3"] == 0).sum())
