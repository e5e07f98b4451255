"""Attention spans: how a budget of tokens is shared out among heads.

A head of span s lets token i see token j only if |i - j| < s; a head of span 0 is off. What a span
would lose is measured on calibration sentences as norm-weighted attention by distance, and the
budget is shared out so that the total loss is the least possible.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search_space import FULL_SPAN_TOKENS

FIRST_TOKEN_SHARE = 0.5
"""Weight of the first token's row against all other rows: the exits read only that token."""


def attention_by_distance(probabilities: Tensor, value: Tensor, output_weight: Tensor) -> Tensor:
    """Norm-weighted attention of each head at each distance (n_heads, `FULL_SPAN_TOKENS`).

    The weight of a token pair is its attention probability times the norm of what it passes on,
    p_ij |v_j W_o| (Kobayashi et al., EMNLP 2020), summed over sentences.

    Args:
        probabilities: (batch, n_heads, tokens, tokens) attention probabilities.
        value: (batch, n_heads, tokens, head_width) value vectors.
        output_weight: (hidden, n_heads * head_width) weight of the output projection.
    """
    _, n_heads, tokens, width = value.shape
    projection = output_weight.T.reshape(n_heads, width, -1)
    norms = torch.linalg.vector_norm(value @ projection, dim=-1)
    rows = torch.full((tokens,), (1 - FIRST_TOKEN_SHARE) / max(tokens - 1, 1))
    rows[0] = FIRST_TOKEN_SHARE
    passed = torch.einsum("bhij,bhj,i->hij", probabilities, norms, rows)
    position = torch.arange(tokens)
    distance = (position[:, None] - position[None]).abs().clamp_(max=FULL_SPAN_TOKENS - 1)
    result = torch.zeros(n_heads, FULL_SPAN_TOKENS)
    return result.index_add_(1, distance.flatten(), passed.flatten(1))


def allocate_spans(by_distance: NDArray[np.float64], budget_tokens: int) -> list[int]:
    """Spans of all heads (n_heads,) with mean at most the budget and the least total loss.

    The loss of span s is the attention at distances of s and more. Exact, by dynamic programming
    over heads.

    Args:
        by_distance: (n_heads, `FULL_SPAN_TOKENS`) attention of each head at each distance.
        budget_tokens: mean span, tokens.
    """
    n_heads = len(by_distance)
    if budget_tokens >= FULL_SPAN_TOKENS:
        return [FULL_SPAN_TOKENS] * n_heads
    seen = by_distance.any(axis=0)
    if not seen.any():
        return [0] * n_heads
    longest = int(np.flatnonzero(seen)[-1]) + 1
    tails = np.zeros((n_heads, longest + 1))
    tails[:, :longest] = np.cumsum(by_distance[:, longest - 1 :: -1], axis=1)[:, ::-1]
    total = budget_tokens * n_heads
    best = np.zeros(total + 1)
    choices = np.zeros((n_heads, total + 1), dtype=np.int64)
    for head in range(n_heads):
        candidate = np.full((longest + 1, total + 1), np.inf)
        for span in range(min(longest, total) + 1):
            candidate[span, span:] = best[: total + 1 - span] + tails[head, span]
        choices[head] = candidate.argmin(axis=0)
        best = candidate.min(axis=0)
    spans = [0] * n_heads
    left = total
    for head in reversed(range(n_heads)):
        spans[head] = int(choices[head, left])
        left -= spans[head]
    return spans


def heads_off(by_distance: NDArray[np.float64], sparsity: float) -> NDArray[np.bool_]:
    """Which heads (n_heads,) are off at a share of all: those whose attention passes on least.

    What a head passes on is its norm-weighted attention over all distances
    (`attention_by_distance`); of equal heads the first ones go. A share that is not one of whole
    heads is rounded down.

    Args:
        by_distance: (n_heads, `FULL_SPAN_TOKENS`) attention of each head at each distance.
        sparsity: share of heads, 0 to 1.
    """
    n_heads = len(by_distance)
    off = np.zeros(n_heads, dtype=np.bool_)
    least = np.argsort(by_distance.sum(axis=1), kind="stable")
    off[least[: int(sparsity * n_heads + 1e-9)]] = True
    return off


def span_mask(spans: Tensor, tokens: int) -> Tensor:
    """What each head may see (n_heads, tokens, tokens), Boolean, for spans (n_heads,)."""
    position = torch.arange(tokens)
    distance = (position[:, None] - position[None]).abs()
    return distance[None] < spans[:, None, None]
