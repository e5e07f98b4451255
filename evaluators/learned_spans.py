"""Attention spans that are learned, and the file that keeps them beside a checkpoint's weights.

Sukhbaatar et al., "Adaptive Attention Span in Transformers", ACL 2019 (arXiv:1905.07799): a soft
mask over distances falls from 1 to 0 along a ramp whose place is learned, and the loss has a
penalty on the mean span. Here distance goes both ways, z counts to the far end of the ramp (the
paper's z to the near one, R tokens less), and a gate lets a head be switched off, which the paper's
heads cannot. Of a head with span z and ramp R, at distance x:

* mask m(x) = min(max((z - x) / R, 0), 1) (equation 4, z shifted by R);
* probabilities a(x) m(x) / Σ a m (equation 5), times the gate m(0);
* loss + λ × mean of z over all heads (equation 7);
* after training a hard span: the head sees what the mask lets by more than half, so its span is
  z - R / 2 rounded up, and 0, which is off, if its gate is a half or less.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from evaluators.checkpoints import CheckpointError
from search_space import FULL_SPAN_TOKENS

SPANS_FILE: Final = "spans.json"
Spans = tuple[tuple[int, ...], ...]


@dataclass(slots=True)
class SoftSpans:
    """The soft masks of the heads of one set of weights.

    Attributes:
        tokens: (n_heads,) learned spans z.
        ramp: R, tokens.
    """

    tokens: Tensor
    ramp: float

    def __call__(self, probabilities: Tensor) -> Tensor:
        """Masked, renormalised and gated probabilities (batch, n_heads, tokens, tokens)."""
        position = torch.arange(probabilities.shape[-1])
        distance = (position[:, None] - position[None]).abs()
        mask = ((self.tokens[:, None, None] - distance) / self.ramp).clamp(0, 1)
        gate = (self.tokens / self.ramp).clamp(0, 1)
        masked = probabilities * mask
        return masked / (masked.sum(-1, keepdim=True) + 1e-8) * gate[:, None, None]


def hard_spans(tokens: Tensor, ramp: float) -> Spans:
    """Spans (n_distinct_layers of n_heads) after training, from learned ones of that shape."""
    return tuple(
        tuple(min(max(math.ceil(z - ramp / 2), 0), FULL_SPAN_TOKENS) for z in row)
        for row in tokens.tolist()
    )


def budget_of(spans: Sequence[Sequence[int]]) -> int:
    """The span budget that stands for learned spans: their mean, rounded half up."""
    flat = [span for row in spans for span in row]
    return math.floor(sum(flat) / len(flat) + 0.5)


def write_spans(folder: Path, spans: Spans | None) -> None:
    """Keep learned spans in a checkpoint folder; None takes a file there away."""
    path = folder / SPANS_FILE
    if spans is None:
        path.unlink(missing_ok=True)
    else:
        path.write_text(json.dumps({"spans": spans, "budget": budget_of(spans)}) + "\n")


def read_spans(folder: Path) -> Spans | None:
    """The learned spans of a checkpoint folder, if it has any.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = folder / SPANS_FILE
    if not path.is_file():
        return None
    try:
        spans = tuple(tuple(row) for row in json.loads(path.read_text())["spans"])
        whole = all(type(s) is int and 0 <= s <= FULL_SPAN_TOKENS for row in spans for s in row)
    except (LookupError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: not a file of spans ({error}).") from error
    if not whole or not spans or not all(spans):
        raise CheckpointError(
            f"{path}: expected rows of spans from 0 to {FULL_SPAN_TOKENS}, one for each head."
        )
    return spans
