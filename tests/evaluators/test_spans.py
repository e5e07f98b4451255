"""Attention spans: sharing out a budget, and what a span hides."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluators.spans import (
    FIRST_TOKEN_SHARE,
    allocate_spans,
    attention_by_distance,
    heads_off,
    span_mask,
)
from search_space import FULL_SPAN_TOKENS


def padded_to_full_span(rows: list[list[int]]) -> NDArray[np.float64]:
    """Attention by distance (n_heads, `FULL_SPAN_TOKENS`) from its first columns."""
    result = np.zeros((len(rows), FULL_SPAN_TOKENS))
    result[:, : len(rows[0])] = rows
    return result


def loss(by_distance: NDArray[np.float64], spans: tuple[int, ...] | list[int]) -> float:
    """Attention that the spans hide."""
    return float(sum(row[span:].sum() for row, span in zip(by_distance, spans, strict=True)))


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(0, 9), min_size=5, max_size=5), min_size=n, max_size=n
        )
    ),
    st.integers(0, 6),
)
def test_spans_are_the_best_of_all(rows: list[list[int]], budget_tokens: int) -> None:
    """No spans within the budget lose less than those found, as a search of all of them shows."""
    by_distance = padded_to_full_span(rows)
    total = budget_tokens * len(rows)
    every = itertools.product(range(6), repeat=len(rows))
    least = min(loss(by_distance, spans) for spans in every if sum(spans) <= total)
    found = allocate_spans(by_distance, budget_tokens)
    assert sum(found) <= total
    assert loss(by_distance, found) == least


@pytest.mark.parametrize("budget_tokens", [0, 1, 3, 10, 40, 127])
def test_spans_stay_within_the_budget(budget_tokens: int) -> None:
    """With attention at all distances the mean span never exceeds the budget, nor a span 128."""
    by_distance = np.random.default_rng(0).exponential(size=(12, FULL_SPAN_TOKENS))
    found = allocate_spans(by_distance, budget_tokens)
    assert len(found) == 12
    assert sum(found) <= 12 * budget_tokens
    assert all(0 <= span <= FULL_SPAN_TOKENS for span in found)


def test_more_budget_never_loses_more() -> None:
    """The loss falls from all attention at budget 0 to none at the longest distance seen."""
    by_distance = np.zeros((3, FULL_SPAN_TOKENS))
    by_distance[:, :20] = np.random.default_rng(1).exponential(size=(3, 20))
    losses = [loss(by_distance, allocate_spans(by_distance, budget)) for budget in range(21)]
    assert losses[0] == pytest.approx(by_distance.sum())
    assert losses[-1] == 0
    assert all(later <= earlier for earlier, later in itertools.pairwise(losses))


def test_tokens_go_to_the_heads_that_use_them() -> None:
    """A head that looks far takes the tokens of a head that looks nowhere."""
    by_distance = padded_to_full_span([[1, 1, 1, 9], [0, 0, 0, 0]])
    assert allocate_spans(by_distance, 2) == [4, 0]


def test_full_budget_masks_nothing() -> None:
    """The full budget gives every head the full span, seen attention or not."""
    assert allocate_spans(np.zeros((3, FULL_SPAN_TOKENS)), FULL_SPAN_TOKENS) == [128] * 3


def test_heads_without_attention_are_off() -> None:
    """Where no attention was seen, nothing is lost by spans of 0."""
    assert allocate_spans(np.zeros((3, FULL_SPAN_TOKENS)), 5) == [0, 0, 0]


@pytest.mark.parametrize(
    ("sparsity", "off"),
    [(0.0, []), (0.24, []), (0.25, [2]), (0.5, [1, 2]), (0.74, [1, 2]), (0.75, [0, 1, 2])],
)
def test_heads_off_by_hand(sparsity: float, off: list[int]) -> None:
    """Heads that pass on 5, 2, 1 and 9: the least goes first, and only whole heads do."""
    by_distance = padded_to_full_span([[5, 0], [1, 1], [0, 1], [0, 9]])
    assert list(np.flatnonzero(heads_off(by_distance, sparsity))) == off


def test_span_mask_by_hand() -> None:
    """Span 1 sees the token itself, span 2 its neighbours too, a long span every token."""
    mask = span_mask(torch.tensor([1, 2, 9]), 3)
    assert mask[0].int().tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert mask[1].int().tolist() == [[1, 1, 0], [1, 1, 1], [0, 1, 1]]
    assert mask[2].all()


def test_attention_by_distance_equals_a_loop() -> None:
    """The weight of a pair is its probability times the norm of what its value adds to the output.

    The first token's row counts as much as all other rows together.
    """
    generator = torch.Generator().manual_seed(0)
    batch, n_heads, tokens, width, hidden = 2, 3, 5, 4, 12
    probabilities = torch.rand(batch, n_heads, tokens, tokens, generator=generator)
    value = torch.randn(batch, n_heads, tokens, width, generator=generator)
    output_weight = torch.randn(hidden, n_heads * width, generator=generator)
    expected = np.zeros((n_heads, FULL_SPAN_TOKENS))
    for b, h, i, j in itertools.product(range(batch), range(n_heads), range(tokens), range(tokens)):
        passed = output_weight[:, h * width : (h + 1) * width] @ value[b, h, j]
        row = FIRST_TOKEN_SHARE if i == 0 else (1 - FIRST_TOKEN_SHARE) / (tokens - 1)
        weight = probabilities[b, h, i, j] * passed.norm() * row
        expected[h, abs(i - j)] += float(weight)
    found = attention_by_distance(probabilities, value, output_weight)
    assert found.shape == (n_heads, FULL_SPAN_TOKENS)
    assert np.allclose(found.numpy(), expected, rtol=1e-5)
