"""Movement pruning, by hand: scores follow what moves weights away from zero."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluators.movement import kept_by_scores, masked_by_scores, score_threshold
from evaluators.pruning import prune_by_magnitude
from evaluators.training_stages import Pruning


def test_gradients_by_hand() -> None:
    """Of L = 3 w'₁ - 5 w'₂ + 7 w'₃, w'₂ masked: dL/dw = (3, 0, 7) and dL/dS = (6, -5 × -4, 0.7)."""
    weight = torch.tensor([2.0, -4.0, 0.1], requires_grad=True)
    scores = torch.tensor([0.5, -0.5, 0.2], requires_grad=True)
    masked = masked_by_scores(weight, scores, 0.0)
    assert masked.tolist() == pytest.approx([2.0, 0.0, 0.1])
    loss = (masked * torch.tensor([3.0, -5.0, 7.0])).sum()
    of_weight, of_scores = torch.autograd.grad(loss, (weight, scores))
    assert of_weight.tolist() == pytest.approx([3.0, 0.0, 7.0])
    assert of_scores.tolist() == pytest.approx([6.0, 20.0, 0.7])


def test_score_rises_where_a_weight_moves_away_from_zero() -> None:
    """A step down the gradient that makes a weight larger raises its score, and conversely."""
    weight = torch.tensor([1.0, 1.0], requires_grad=True)
    scores = torch.zeros(2, requires_grad=True)
    loss = (masked_by_scores(weight, scores, -1.0) * torch.tensor([-1.0, 1.0])).sum()
    of_weight, of_scores = torch.autograd.grad(loss, (weight, scores))
    assert ((weight - of_weight).abs() > weight.abs()).tolist() == [True, False]
    assert (-of_scores > 0).tolist() == [True, False]


def test_threshold_counts() -> None:
    """At half, the second of four scores; at 0, nothing is below; a sample takes every other."""
    scores = torch.tensor([[4.0, 1.0], [3.0, 2.0]])
    assert score_threshold(scores, 0.5) == 2.0
    assert score_threshold(scores, 0.0) == -math.inf
    assert score_threshold(scores, 0.5, at_most=2) == 3.0


@given(seed=st.integers(0, 1_000), sparsity=st.floats(0, 0.99), ties=st.booleans())
def test_magnitude_pruning_keeps_the_mask(seed: int, sparsity: float, ties: bool) -> None:
    """As many weights are 0 as the sparsity says, and pruning by magnitude leaves them alone."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(13, 9, generator=generator)
    scores = torch.zeros(13, 9) if ties else torch.randn(13, 9, generator=generator)
    kept = kept_by_scores(weight, scores, sparsity)
    assert int((kept == 0).sum()) == round(sparsity * weight.numel())
    assert torch.equal(prune_by_magnitude(kept, sparsity), kept)
    if not ties:
        above = scores > score_threshold(scores, sparsity)
        assert torch.equal(kept, weight * above)


def test_schedule_by_hand() -> None:
    """From 0.1 to 0.5 of 100 steps: nothing at 10, 1 - 0.5³ at 30, all from 50 on."""
    pruning = Pruning(encoder_sparsity=0.5, start=0.1, end=0.5)
    assert [pruning.share_at(step, 100) for step in (0, 10, 30, 50, 99)] == pytest.approx(
        [0, 0, 0.875, 1, 1]
    )
