"""Attention as the model knobs say: spans, rounded operands, heads that are off.

An `AttentionSite` stands in for the attention kernel of every layer that has weights of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from evaluators.activations import ActivationQuantiser, ActivationRounding
from evaluators.batches import ids_and_types
from evaluators.encoders import ExitEncoder
from evaluators.families import LayerParts
from evaluators.learned_spans import SoftSpans
from evaluators.spans import attention_by_distance, span_mask
from evaluators.special_functions import QuantisedSoftmax
from search_space import FULL_SPAN_TOKENS

_ATTENTION_NAME: Final = "edge_dse_compressed"
_OPERANDS: Final = ("query", "key", "value", "probs", "context")
Batches = Iterable[Tensor]
Rounding = TypeVar("Rounding", bound=ActivationRounding)


def _quantisers() -> dict[str, ActivationRounding]:
    return {name: ActivationQuantiser() for name in _OPERANDS}


@dataclass(slots=True)
class AttentionSite:
    """What the attention of one set of weights is to do, and what it sees while measured.

    Attributes:
        output_weight: (hidden, hidden) weight of the output projection.
        spans: (n_heads,) attention spans, tokens.
        quantisers: of query, key, value, probabilities and context.
        by_distance: (n_heads, `FULL_SPAN_TOKENS`) attention seen, while measuring; else None.
        soft: spans that are being learned, beside the hard ones; else None.
        heads: (n_heads_kept,) positions of the heads that are worked out; None for all.
        softmax: what stands in for the exact softmax and rounds probabilities by itself; else None.
    """

    output_weight: Tensor
    spans: Tensor
    quantisers: Mapping[str, ActivationRounding] = field(default_factory=_quantisers)
    by_distance: Tensor | None = None
    soft: SoftSpans | None = None
    heads: Tensor | None = None
    softmax: QuantisedSoftmax | None = None

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scaling: float,
        unpadded: Tensor | None = None,
        dropout: float = 0.0,
    ) -> Tensor:
        """Context (batch, n_heads_kept, tokens, head_width) of operands of that same shape.

        Args:
            query: (batch, n_heads_kept, tokens, head_width).
            key: like the queries.
            value: like the queries.
            scaling: of the scores.
            unpadded: (batch, 1, tokens, tokens), where the key is a token and not padding; None if
                every key is. Each position sees itself even so: what padding sees is never read.
            dropout: share of the probabilities that is dropped, in training.
        """
        spans = self.spans if self.heads is None else self.spans[self.heads]
        if not spans.any() and self.heads is not None:
            return torch.zeros_like(query)
        rounded = self.quantisers
        query, key, value = rounded["query"](query), rounded["key"](key), rounded["value"](value)
        tokens = query.shape[2]
        visible = None
        if int(spans.min()) < tokens:
            visible = span_mask(spans.clamp(min=1), tokens)
        if unpadded is not None:
            itself = torch.eye(tokens, dtype=torch.bool)
            visible = (unpadded if visible is None else unpadded & visible) | itself
        # Short sentences: for them these few calls take less time than the library's fused kernel.
        scores = (query @ key.transpose(2, 3)).mul_(scaling)
        if visible is not None:
            scores.masked_fill_(~visible, -torch.inf)
        if self.softmax is None:
            probabilities = scores.softmax(-1)
            if self.soft is not None:
                probabilities = self.soft(probabilities)
            probabilities = rounded["probs"](probabilities)
        else:
            probabilities = self.softmax(scores)
        if self.by_distance is not None:
            self.by_distance += attention_by_distance(probabilities, value, self.output_weight)
        context = functional.dropout(probabilities, dropout) @ value
        if int(spans.min()) == 0:
            context = context * (spans > 0)[:, None, None]
        return rounded["context"](context)


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention kernel that transformers calls; evaluation has no padding, so it has no mask."""
    site = module.compression_site
    assert isinstance(site, AttentionSite)
    context = site.attend(query, key, value, scaling, attention_mask, dropout)
    return context.transpose(1, 2).contiguous(), None


AttentionInterface.register(_ATTENTION_NAME, _attention)
# Without a mask function of that name the library would drop the mask of a padded batch unsaid.
AttentionMaskInterface.register(_ATTENTION_NAME, sdpa_mask)


def measured_attention(
    model: ExitEncoder, sites: Sequence[AttentionSite], calibration: Batches
) -> NDArray[np.float64]:
    """Attention by distance of all heads (n_heads of all sites, `FULL_SPAN_TOKENS`).

    Weights and roundings are taken as they are; the sites are left with full spans.

    Args:
        model: the encoder, in evaluation mode.
        sites: its attention sites, in order.
        calibration: batches of token ids (batch, tokens) without padding, or (batch, tokens, 2)
            with token type ids.
    """
    for site in sites:
        site.spans = torch.full_like(site.spans, FULL_SPAN_TOKENS)
        site.by_distance = torch.zeros(len(site.spans), FULL_SPAN_TOKENS)
    with torch.inference_mode():
        for batch in calibration:
            ids, types = ids_and_types(batch)
            model(ids, None, types)
    measured = torch.cat([site.by_distance for site in sites if site.by_distance is not None])
    for site in sites:
        site.by_distance = None
    result: NDArray[np.float64] = measured.double().numpy()
    return result


def attach_sites(
    model: ExitEncoder, layers: Sequence[LayerParts], rounding: Callable[[], Rounding]
) -> tuple[list[AttentionSite], list[Rounding]]:
    """Put an `AttentionSite` on every attention module, whose operands that makes rounded.

    Returns:
        The sites of those with weights of their own, in order, and what rounds their operands.
    """
    model.backbone.config._attn_implementation = _ATTENTION_NAME
    n_heads: int = model.backbone.config.num_attention_heads
    sites: list[AttentionSite] = []
    roundings: list[Rounding] = []
    for parts in layers:
        full = torch.full((n_heads,), FULL_SPAN_TOKENS)
        operands = {name: rounding() for name in _OPERANDS}
        site = AttentionSite(parts.output.weight.detach(), full, operands)
        parts.attention.compression_site = site  # type: ignore[assignment]  # not a module
        sites.append(site)
        roundings += operands.values()
    return sites, roundings
