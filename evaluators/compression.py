"""Compression of an encoder as the model knobs say: pruning, number formats, attention spans.

The checkpoint stays as it is: a `CompressibleEncoder` keeps its dense weights aside and writes each
setting's weights into one working copy. Activations are rounded where an accelerator would store
them: after every layer norm and activation function, the projections, the attention operands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import AlbertModel, AttentionInterface, BertModel

from evaluators.encoders import ExitEncoder, ExitHead, load_checkpoint
from evaluators.formats import quantise
from evaluators.spans import allocate_spans, attention_by_distance, span_mask
from search_space import FP32, FULL_SPAN_TOKENS, ModelKnobs, NumberFormat

_ATTENTION_NAME: Final = "edge_dse_compressed"
Batches = Iterable[Tensor]


@dataclass(slots=True)
class ActivationQuantiser:
    """Rounds one kind of activation; learns its largest magnitude while calibrating.

    Attributes:
        number_format: format of the activation.
        max_abs: largest magnitude seen in calibration.
        calibrating: whether to look instead of rounding.
    """

    number_format: NumberFormat = FP32
    max_abs: float = 0.0
    calibrating: bool = False

    def __call__(self, x: Tensor) -> Tensor:
        """The rounded activation (same shape)."""
        if self.number_format == FP32:
            return x
        if self.calibrating:
            self.max_abs = max(self.max_abs, float(x.abs().max()))
            return x
        return quantise(x, self.number_format, self.max_abs)


def _quantisers() -> dict[str, ActivationQuantiser]:
    return {name: ActivationQuantiser() for name in ("query", "key", "value", "probs", "context")}


@dataclass(slots=True)
class AttentionSite:
    """What the attention of one set of weights is to do, and what it sees while measured.

    Attributes:
        output_weight: (hidden, hidden) weight of the output projection.
        spans: (n_heads,) attention spans, tokens.
        quantisers: of query, key, value, probabilities and context.
        by_distance: (n_heads, `FULL_SPAN_TOKENS`) attention seen, while measuring; else None.
    """

    output_weight: Tensor
    spans: Tensor
    quantisers: dict[str, ActivationQuantiser] = field(default_factory=_quantisers)
    by_distance: Tensor | None = None

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """Context (batch, n_heads, tokens, head_width) of operands of that same shape."""
        rounded = self.quantisers
        query, key, value = rounded["query"](query), rounded["key"](key), rounded["value"](value)
        tokens = query.shape[2]
        visible = None
        if int(self.spans.min()) < tokens:
            visible = span_mask(self.spans.clamp(min=1), tokens)
        if rounded["probs"].number_format == FP32 and self.by_distance is None:
            context = functional.scaled_dot_product_attention(
                query, key, value, attn_mask=visible, scale=scaling
            )
        else:
            scores = (query @ key.transpose(2, 3)) * scaling
            if visible is not None:
                scores = scores.masked_fill(~visible, -torch.inf)
            probabilities = rounded["probs"](scores.softmax(-1))
            if self.by_distance is not None:
                self.by_distance += attention_by_distance(probabilities, value, self.output_weight)
            context = probabilities @ value
        if int(self.spans.min()) == 0:
            context = context * (self.spans > 0)[:, None, None]
        return rounded["context"](context)


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention kernel that transformers calls; batches have no padding, so there is no mask."""
    assert attention_mask is None
    site = module.compression_site
    assert isinstance(site, AttentionSite)
    return site.attend(query, key, value, scaling).transpose(1, 2).contiguous(), None


AttentionInterface.register(_ATTENTION_NAME, _attention)


class CompressibleEncoder:
    """One checkpoint that can be set to any model knobs, again and again."""

    def __init__(self, folder: Path) -> None:
        self._model = load_checkpoint(folder)
        self._dense = {k: v.clone() for k, v in self._model.state_dict().items()}
        self._sites = _attach_sites(self._model)
        self._activations = _attach_quantisers(self._model)
        self._by_distance: NDArray[np.float64] | None = None

    @property
    def model(self) -> ExitEncoder:
        """The working copy, as last configured."""
        return self._model

    def configure(
        self, knobs: ModelKnobs, calibration: Sequence[Tensor]
    ) -> tuple[tuple[tuple[int, ...], ...], float, float]:
        """Set the working copy to those knobs.

        Args:
            knobs: the setting; its ``checkpoint`` is taken to be this one.
            calibration: batches of token ids (batch, tokens) without padding, or (batch, tokens, 2)
                with segment ids, for activation scales and spans.

        Returns:
            Head spans (n_distinct_layers of n_heads), encoder density and embedding density as
            measured after pruning and rounding.
        """
        self._set_spans(knobs.span_budget_tokens, calibration)
        densities = self._set_weights(knobs)
        self._calibrate(knobs.activation_format, calibration)
        spans = tuple(tuple(int(s) for s in site.spans) for site in self._sites)
        return spans, *densities

    def _set_weights(self, knobs: ModelKnobs) -> tuple[float, float]:
        kept = {"encoder": 0, "embedding": 0}
        sizes = {"encoder": 0, "embedding": 0}
        state = self._model.state_dict()
        for name, dense in self._dense.items():
            if dense.ndim < 2 or not dense.is_floating_point():
                state[name].copy_(dense)
                continue
            part = "embedding" if ".embeddings." in name else "encoder"
            sparsity = knobs.embedding_sparsity if part == "embedding" else knobs.encoder_sparsity
            pruned = dense if ".classifier." in name else prune_by_magnitude(dense, sparsity)
            weights = quantise(pruned, knobs.weight_format)
            state[name].copy_(weights)
            kept[part] += int(torch.count_nonzero(weights))
            sizes[part] += weights.numel()
        return kept["encoder"] / sizes["encoder"], kept["embedding"] / sizes["embedding"]

    def _set_spans(self, budget_tokens: int, calibration: Sequence[Tensor]) -> None:
        n_heads = len(self._sites[0].spans)
        if budget_tokens >= FULL_SPAN_TOKENS:
            spans = [FULL_SPAN_TOKENS] * (n_heads * len(self._sites))
        else:
            if self._by_distance is None:
                self._by_distance = self._measure_attention(calibration)
            spans = allocate_spans(self._by_distance, budget_tokens)
        for index, site in enumerate(self._sites):
            site.spans = torch.tensor(spans[index * n_heads : (index + 1) * n_heads])

    def _measure_attention(self, calibration: Sequence[Tensor]) -> NDArray[np.float64]:
        """Attention by distance of all heads of the dense encoder."""
        self._model.load_state_dict(self._dense)
        self._each_quantiser(FP32, calibrating=False)
        for site in self._sites:
            n_heads = len(site.spans)
            site.spans = torch.full((n_heads,), FULL_SPAN_TOKENS)
            site.by_distance = torch.zeros(n_heads, FULL_SPAN_TOKENS)
        self._run(calibration)
        measured = torch.cat(
            [site.by_distance for site in self._sites if site.by_distance is not None]
        )
        for site in self._sites:
            site.by_distance = None
        result: NDArray[np.float64] = measured.double().numpy()
        return result

    def _calibrate(self, number_format: NumberFormat, calibration: Sequence[Tensor]) -> None:
        self._each_quantiser(number_format, calibrating=True)
        if number_format != FP32:
            self._run(calibration)
        for quantiser in self._all_quantisers():
            quantiser.calibrating = False

    def _each_quantiser(self, number_format: NumberFormat, *, calibrating: bool) -> None:
        for quantiser in self._all_quantisers():
            quantiser.number_format = number_format
            quantiser.max_abs = 0.0
            quantiser.calibrating = calibrating

    def _all_quantisers(self) -> list[ActivationQuantiser]:
        return self._activations + [q for site in self._sites for q in site.quantisers.values()]

    def _run(self, batches: Batches) -> None:
        for batch in batches:
            self.logits(batch)

    def logits(self, input_ids: Tensor) -> Tensor:
        """Logits (batch, n_exits, n_classes) of token ids (batch, tokens) without padding.

        Pairs of sentences come as (batch, tokens, 2): token and segment ids.
        """
        segments: dict[str, Tensor] = {}
        if input_ids.ndim == 3:
            input_ids, segments["token_type_ids"] = input_ids.unbind(-1)
        with torch.inference_mode():
            output = self._model.backbone(
                input_ids=input_ids, **segments, output_hidden_states=True
            )
            return self._model.exit_logits(output.hidden_states[1:])


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


def _attach_sites(model: ExitEncoder) -> list[AttentionSite]:
    """Put an `AttentionSite` on every attention module; those of distinct weights, in order."""
    backbone: Any = model.backbone
    backbone.config._attn_implementation = _ATTENTION_NAME
    layers: Any  # transformers types the lists of layers as tensors or modules
    if isinstance(backbone, AlbertModel):
        layers = backbone.encoder.albert_layer_groups
        pairs = [(g.albert_layers[0].attention, g.albert_layers[0].attention.dense) for g in layers]
    else:
        assert isinstance(backbone, BertModel)
        layers = backbone.encoder.layer
        pairs = [(x.attention.self, x.attention.output.dense) for x in layers]
    n_heads = backbone.config.num_attention_heads
    sites = []
    for attention, dense in pairs:
        site = AttentionSite(dense.weight.detach(), torch.full((n_heads,), FULL_SPAN_TOKENS))
        attention.compression_site = site
        sites.append(site)
    return sites


def _attach_quantisers(model: ExitEncoder) -> list[ActivationQuantiser]:
    """Round the outputs of layer norms, activation functions and the embedding projection."""
    quantisers = []
    for name, module in model.backbone.named_modules():
        stores = (
            isinstance(module, nn.LayerNorm)
            or name.endswith(("intermediate_act_fn", "embedding_hidden_mapping_in"))
            or (name.endswith("activation") and "albert_layers" in name)
        )
        if stores:
            quantiser = ActivationQuantiser()
            module.register_forward_hook(lambda _m, _i, output, q=quantiser: q(output))
            quantisers.append(quantiser)
    for head in model.exits:
        assert isinstance(head, ExitHead)
        quantiser = ActivationQuantiser()
        head.classifier.register_forward_pre_hook(lambda _m, args, q=quantiser: (q(args[0]),))
        quantisers.append(quantiser)
    return quantisers
