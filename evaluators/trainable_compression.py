"""An encoder in training that runs under any model knobs, on gradients that reach dense weights.

A forward pass sees what `evaluators.compression` would give it: weights pruned by magnitude and
rounded, activations rounded, heads with spans. Three things are cheaper than there, and exact
where a matrix is small:

* pruning thresholds come from at most `THRESHOLD_SAMPLE` evenly spaced weights of a matrix, and
  are looked up anew every `THRESHOLD_STEPS` steps;
* spans come from the attention of the dense weights of a step that is past
  (`evaluators.training_spans`);
* of an embedding matrix only the rows that a batch looks up are pruned and rounded, which gives
  the same numbers, since a scale is the tensor's, a row's or a block's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from evaluators.attention import attach_sites, measured_attention
from evaluators.encoders import ExitEncoder
from evaluators.formats import quantise
from evaluators.learned_spans import Spans
from evaluators.magnitudes import (
    THRESHOLD_SAMPLE,
    kept_by_magnitude,
    magnitude_thresholds,
    pruned_scaling,
)
from evaluators.movement import kept_by_scores, masked_by_scores, score_threshold
from evaluators.pruning import prune_by_magnitude
from evaluators.rounding_sites import attach_rounding
from evaluators.sampling import Sampling
from evaluators.straight_through import TrainingRounding, pass_through
from evaluators.training_spans import TrainingSpans
from evaluators.training_stages import PruningMethod, Stage
from search_space import FP32, ModelKnobs, ScaleSharing

THRESHOLD_STEPS: Final = 50
SAMPLING_SEED: Final = 1_000_003
"""Seeds of two runs' draws are that far apart: more than the steps of any stage."""


class TrainableCompression(nn.Module):
    """An encoder with what compresses it on the way; a forward pass runs one setting.

    The encoder gets hooks that stay: give it a copy that is used for nothing else.
    """

    def __init__(
        self,
        model: ExitEncoder,
        stage: Stage,
        calibration: Sequence[Tensor],
        total_steps: int,
        spans: Spans | None = None,
    ) -> None:
        """Attach to a model.

        Args:
            model: the encoder; its parameters stay dense.
            stage: what settings can be drawn, what is pruned, and whether spans are learned.
            calibration: batches of token ids (batch, tokens) without padding, or (batch, tokens, 2)
                with token type ids, for spans that are shared out.
            total_steps: steps of the stage.
            spans: of an earlier stage, for one that keeps them.

        Raises:
            ValueError: the stage keeps spans and there are none, or not one for each head.
        """
        super().__init__()
        self.model = model
        self._stage = stage
        self._sampling = sampling = stage.sampling or Sampling(dense_share=0.0)
        self._total_steps = total_steps
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
            "encoder": sampling.values("encoder_sparsity"),
            "embedding": sampling.values("embedding_sparsity"),
        }
        self._sparsities = {k: tuple(sorted(v - {0.0})) for k, v in sparsities.items()}
        self._spans = TrainingSpans(self._sites, stage, spans)
        self._scores = self._scores_to_learn()
        self._thresholds: dict[str, Tensor] = {}
        self._knobs: ModelKnobs | None = None

    def _scores_to_learn(self) -> dict[str, Tensor]:
        """Scores of movement pruning, 0 at their start, by the name of their matrix."""
        pruning = self._stage.pruning
        if pruning is None or pruning.method is not PruningMethod.MOVEMENT:
            return {}
        return {
            name: torch.zeros_like(self._weights[name]).requires_grad_() for name in self._pruned()
        }

    def further_parameters(self) -> list[tuple[Tensor, float]]:
        """Scores and spans, each with its peak learning rate."""
        rate = 0.0 if self._stage.pruning is None else self._stage.pruning.learning_rate
        return [(scores, rate) for scores in self._scores.values()] + self._spans.parameters()

    def penalty(self) -> Tensor:
        """What the mean of the learned spans adds to the loss; 0 without."""
        return self._spans.penalty()

    def setting(self, step: int, seed: int) -> ModelKnobs:
        """The setting of a step: drawn, with the sparsities that pruning has worked up to."""
        knobs = self._sampling.drawn(seed * SAMPLING_SEED + step)
        pruning = self._stage.pruning
        if pruning is None:
            return knobs
        share = pruning.share_at(step - step % THRESHOLD_STEPS, self._total_steps)
        return replace(
            knobs,
            encoder_sparsity=share * pruning.encoder_sparsity,
            embedding_sparsity=share * pruning.embedding_sparsity,
        )

    def look(self, step: int) -> None:
        """Look at the dense weights, at the steps at which that is due."""
        if self._stage.pruning is not None:
            due = self.setting(step, 0)
            self._sparsities = {
                "encoder": (due.encoder_sparsity,),
                "embedding": (due.embedding_sparsity,),
            }
        self._spans.bound()
        if step % THRESHOLD_STEPS == 0:
            with torch.no_grad():
                for part, names in (("encoder", self._pruned()), ("embedding", self._tables)):
                    for name in names:
                        weight = self.model.get_parameter(name)
                        self._thresholds[name] = magnitude_thresholds(
                            weight, self._sparsities[part]
                        )
        self._spans.share_out(step, self._measured_attention)

    def _pruned(self) -> list[str]:
        """Names of the encoder's matrices that are pruned."""
        return [name for name in self._weights if ".classifier." not in name]

    def _measured_attention(self) -> NDArray[np.float64]:
        """Attention by distance of all heads with the dense weights."""
        training = self.model.training
        self.model.eval()
        self._set(None)
        by_distance = measured_attention(self.model, self._sites, self._calibration)
        self.model.train(training)
        return by_distance

    def _set(self, knobs: ModelKnobs | None) -> None:
        """Set spans and activation formats; None for nothing compressed."""
        self._knobs = knobs
        for rounding in self._roundings:
            rounding.number_format = FP32 if knobs is None else knobs.activation_format
        self._spans.put_on(None if knobs is None else knobs.span_budget_tokens)

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
        if name in self._scores and knobs.encoder_sparsity:
            scores = self._scores[name]
            highest = score_threshold(scores, knobs.encoder_sparsity, THRESHOLD_SAMPLE)
            masked = masked_by_scores(weight, scores, highest)
            return pass_through(quantise(masked.detach(), knobs.weight_format), masked)
        threshold = self._threshold(name, "encoder", knobs.encoder_sparsity)
        rounded = quantise(kept_by_magnitude(weight.detach(), threshold), knobs.weight_format)
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
            scaling = pruned_scaling(weight, threshold, knobs.weight_format)
        kept = kept_by_magnitude(rows.detach().flatten(0, -2), threshold)
        rounded = quantise(kept, knobs.weight_format, scaling=scaling)
        return pass_through(rounded.view_as(rows), rows)

    def running_state(self) -> dict[str, Tensor]:
        """What steps leave to later ones: thresholds, spans and ranges of activations."""
        ranges = [(rounding.least, rounding.greatest) for rounding in self._roundings]
        return {
            **{f"threshold.{name}": tensor for name, tensor in self._thresholds.items()},
            **self._spans.running_state(),
            "ranges": torch.tensor(ranges, dtype=torch.float64),
            **{f"scores.{name}": scores.detach() for name, scores in self._scores.items()},
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `running_state` gave."""
        prefix = "threshold."
        self._thresholds = {
            name.removeprefix(prefix): tensor
            for name, tensor in state.items()
            if name.startswith(prefix)
        }
        self._spans.restore(state)
        for rounding, (least, greatest) in zip(
            self._roundings, state["ranges"].tolist(), strict=True
        ):
            rounding.least, rounding.greatest = least, greatest
        with torch.no_grad():
            for name, scores in self._scores.items():
                scores.copy_(state[f"scores.{name}"])

    def finish(self) -> Spans | None:
        """Leave the final pruning in the weights; spans that were learned, hard."""
        pruning = self._stage.pruning
        if pruning is not None:
            with torch.no_grad():
                for name in self._pruned():
                    weight = self._weights[name]
                    weight.copy_(
                        kept_by_scores(weight, self._scores[name], pruning.encoder_sparsity)
                        if name in self._scores
                        else prune_by_magnitude(weight, pruning.encoder_sparsity)
                    )
                for table in self._tables.values():
                    table.weight.copy_(prune_by_magnitude(table.weight, pruning.embedding_sparsity))
        return self._spans.learned()

    def plain(self) -> None:
        """Let the encoder run uncompressed, but for spans that are kept or being learned."""
        self._set(None)
        self._spans.put_kept_on()
