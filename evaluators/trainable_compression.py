"""An encoder in training that runs under any model knobs, on gradients that reach dense weights.

A forward pass sees what `evaluators.compression` would give it: weights pruned by magnitude and
rounded, activations rounded, heads with spans. Three things are cheaper than there, and exact
where a matrix is small:

* pruning thresholds come from at most `THRESHOLD_SAMPLE` evenly spaced weights of a matrix, and
  are looked up anew every `THRESHOLD_STEPS` steps;
* spans come from the attention of the dense weights of every `SPAN_STEPS` steps;
* of an embedding matrix only the rows that a batch looks up are pruned and rounded, which gives
  the same numbers, since a scale is the tensor's, a row's or a block's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from evaluators.codecs.calibration import Calibration
from evaluators.codecs.codec import Scaling
from evaluators.codecs.registry import codec_of
from evaluators.compression import attach_rounding, attach_sites, measured_attention
from evaluators.encoders import ExitEncoder
from evaluators.formats import quantise
from evaluators.sampling import Sampling
from evaluators.spans import allocate_spans
from evaluators.straight_through import TrainingRounding, pass_through
from search_space import FP32, FULL_SPAN_TOKENS, ModelKnobs, NumberFormat, ScaleSharing

THRESHOLD_SAMPLE: Final = 65_536
"""Weights that a threshold is taken from; the pruned share is so within 0.4 points (2 sigma)."""

THRESHOLD_STEPS: Final = 50
SPAN_STEPS: Final = 250


class TrainableCompression(nn.Module):
    """An encoder with what compresses it on the way; a forward pass runs one setting.

    The encoder gets hooks that stay: give it a copy that is used for nothing else.
    """

    def __init__(
        self, model: ExitEncoder, sampling: Sampling, calibration: Sequence[Tensor]
    ) -> None:
        """Attach to a model.

        Args:
            model: the encoder; its parameters stay dense.
            sampling: what settings can be drawn.
            calibration: batches of token ids (batch, tokens) without padding, for spans.
        """
        super().__init__()
        self.model = model
        self._calibration = calibration
        layers = model.family.weight_sets(model.backbone)
        self._sites, operands = attach_sites(model, layers, TrainingRounding)
        self._roundings = attach_rounding(model, layers, TrainingRounding) + operands
        self._weights = {
            name: parameter
            for name, parameter in model.named_parameters()
            if parameter.ndim > 1 and ".embeddings." not in name
        }
        self._tables = {
            f"{name}.weight": module
            for name, module in model.named_modules()
            if isinstance(module, nn.Embedding)
        }
        for name, module in self._tables.items():
            module.register_forward_hook(
                lambda _m, _i, rows, name=name: self._looked_up(name, rows)
            )
        sparsities = {
            "encoder": sampling.encoder_sparsity,
            "embedding": sampling.embedding_sparsity,
        }
        self._sparsities = {k: tuple(sorted(set(v) - {0.0})) for k, v in sparsities.items()}
        self._budgets = tuple(sorted(set(sampling.span_budget_tokens) - {FULL_SPAN_TOKENS}))
        self._thresholds: dict[str, Tensor] = {}
        self._spans = torch.zeros(0)
        self._knobs: ModelKnobs | None = None

    def look(self, step: int) -> None:
        """Look at the dense weights, at the steps at which that is due."""
        if step % THRESHOLD_STEPS == 0:
            with torch.no_grad():
                for part, names in (("encoder", self._pruned()), ("embedding", self._tables)):
                    for name in names:
                        weight = self.model.get_parameter(name)
                        self._thresholds[name] = _thresholds(weight, self._sparsities[part])
        if step % SPAN_STEPS == 0 and self._budgets:
            self._spans = self._shared_out()

    def _pruned(self) -> list[str]:
        """Names of the encoder's matrices that are pruned."""
        return [name for name in self._weights if ".classifier." not in name]

    def _shared_out(self) -> Tensor:
        """Spans (n_budgets, n_distinct_layers, n_heads) of the dense weights."""
        training = self.model.training
        self.model.eval()
        self._set(None)
        by_distance = measured_attention(self.model, self._sites, self._calibration)
        self.model.train(training)
        spans = [allocate_spans(by_distance, budget) for budget in self._budgets]
        return torch.tensor(spans).view(len(spans), len(self._sites), -1)

    def _set(self, knobs: ModelKnobs | None) -> None:
        """Set spans and activation formats; None for nothing compressed."""
        self._knobs = knobs
        for rounding in self._roundings:
            rounding.number_format = FP32 if knobs is None else knobs.activation_format
        full = knobs is None or knobs.span_budget_tokens >= FULL_SPAN_TOKENS
        for layer, site in enumerate(self._sites):
            site.spans = (
                torch.full_like(site.spans, FULL_SPAN_TOKENS)
                if knobs is None or full
                else self._spans[self._budgets.index(knobs.span_budget_tokens), layer]
            )

    def states(
        self,
        knobs: ModelKnobs,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Hidden states and logits under those knobs, which are among those of the sampling.

        `look` has been called at a step before.

        Args:
            knobs: the setting.
            input_ids: as `ExitEncoder.hidden_states` takes them; so are the others.
            attention_mask: see there.
            token_type_ids: see there.

        Returns:
            Hidden states, 1 + layers of (batch, tokens, width), and logits (batch, n_exits,
            n_classes).
        """
        self._set(knobs)
        compressed = {
            f"model.{name}": self._compressed(name, weight, knobs)
            for name, weight in self._weights.items()
            if knobs.encoder_sparsity or knobs.weight_format != FP32
        }
        arguments = (input_ids, attention_mask, token_type_ids)
        result: tuple[tuple[Tensor, ...], Tensor] = functional_call(self, compressed, arguments)
        return result

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None, token_type_ids: Tensor | None
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Hidden states and logits of the setting that `states` set; call that."""
        states = self.model.hidden_states(input_ids, attention_mask, token_type_ids)
        return states, self.model.exit_logits(states[1:])

    def _threshold(self, name: str, part: str, sparsity: float) -> float:
        """Largest magnitude that is pruned of a matrix; -1 where nothing is."""
        if sparsity == 0 or name not in self._thresholds:
            return -1.0
        return float(self._thresholds[name][self._sparsities[part].index(sparsity)])

    def _compressed(self, name: str, weight: Tensor, knobs: ModelKnobs) -> Tensor:
        """A pruned and rounded matrix of the encoder."""
        threshold = self._threshold(name, "encoder", knobs.encoder_sparsity)
        rounded = quantise(_kept(weight.detach(), threshold), knobs.weight_format)
        return pass_through(rounded, weight)

    def _looked_up(self, name: str, rows: Tensor) -> Tensor:
        """Pruned and rounded rows (..., width) of an embedding matrix."""
        knobs = self._knobs
        if knobs is None or (not knobs.embedding_sparsity and knobs.weight_format == FP32):
            return rows
        threshold = self._threshold(name, "embedding", knobs.embedding_sparsity)
        scaling = None
        if knobs.weight_format.scale_sharing is ScaleSharing.TENSOR:
            weight = self._tables[name].weight.detach()
            scaling = _scaling(weight, threshold, knobs.weight_format)
        kept = _kept(rows.detach().flatten(0, -2), threshold)
        rounded = quantise(kept, knobs.weight_format, scaling=scaling)
        return pass_through(rounded.view_as(rows), rows)

    def running_state(self) -> dict[str, Tensor]:
        """What steps leave to later ones: thresholds, spans and ranges of activations."""
        ranges = [(rounding.least, rounding.greatest) for rounding in self._roundings]
        return {
            **{f"threshold.{name}": tensor for name, tensor in self._thresholds.items()},
            "spans": self._spans,
            "ranges": torch.tensor(ranges, dtype=torch.float64),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `running_state` gave."""
        prefix = "threshold."
        self._thresholds = {
            name.removeprefix(prefix): tensor
            for name, tensor in state.items()
            if name.startswith(prefix)
        }
        self._spans = state["spans"]
        for rounding, (least, greatest) in zip(
            self._roundings, state["ranges"].tolist(), strict=True
        ):
            rounding.least, rounding.greatest = least, greatest


def _thresholds(weight: Tensor, sparsities: Sequence[float]) -> Tensor:
    """Largest magnitude (n_sparsities,) that each sparsity prunes; -1 where it prunes nothing."""
    sample = weight.detach().flatten()
    sample = sample[:: math.ceil(sample.numel() / THRESHOLD_SAMPLE)].abs().sort().values
    counts = [round(sparsity * sample.numel()) for sparsity in sparsities]
    return torch.tensor([float(sample[count - 1]) if count else -1.0 for count in counts])


def _kept(weight: Tensor, threshold: float) -> Tensor:
    """The weights with all up to that magnitude set to 0; below 0, the weights themselves."""
    return weight if threshold < 0 else functional.hardshrink(weight, threshold)


def _scaling(weight: Tensor, threshold: float, number_format: NumberFormat) -> Scaling:
    """The scale that a matrix has once it is pruned."""
    codec = codec_of(number_format)
    if codec.needs_distribution:
        return codec.own_scaling(_kept(weight, threshold).numpy())
    extremes = torch.stack(torch.aminmax(weight))
    least, greatest = _kept(extremes, threshold).tolist()
    scaling = codec.calibrated_scaling(Calibration.of_extremes(least, greatest))
    assert scaling is not None
    return scaling
