"""Compression of an encoder as the model knobs say: pruning, number formats, attention spans.

The checkpoint stays as it is: a `CompressibleEncoder` keeps its dense weights aside and writes each
setting's weights into one working copy. Activations are rounded where an accelerator would store
them: after every layer norm and activation function, the projections, the attention operands.
Heads that are off and what pruning left idle are not worked out (`evaluators.skipping`); scales are
set before that, by all heads. Weights may be read back from cells with faults, of which scales,
spans and all else that is settled when a chip is designed know nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluators.attention import Batches, measured_attention
from evaluators.batches import ids_and_types
from evaluators.checkpoint_folders import load_checkpoint
from evaluators.encoders import ExitEncoder
from evaluators.families import LayerParts
from evaluators.faults.storage import FaultyReader, Part, Storage, is_masked
from evaluators.learned_spans import budget_of, read_spans
from evaluators.packed_weights import PackedWeights, PackingReader
from evaluators.pruning import pruned_matrices
from evaluators.rounding_sites import RoundingSites
from evaluators.settled import Settled
from evaluators.skipping import first_token_alone, run_all, skip_idle
from evaluators.spans import allocate_spans, heads_off
from evaluators.special_functions import QuantisedSoftmax
from evaluators.weights import WeightReader, rounded_weights
from search_space import FP32, FULL_SPAN_TOKENS, ModelKnobs, NumberFormat, SpecialFunctions


class CompressibleEncoder:
    """One checkpoint that can be set to any model knobs, again and again."""

    def __init__(self, folder: Path, n_classes: int = 2) -> None:
        """Load a checkpoint; ``n_classes`` is of exits that are new (`load_checkpoint`)."""
        self._model = load_checkpoint(folder, n_classes)
        self._dense = {k: v.clone() for k, v in self._model.state_dict().items()}
        self._rounding = RoundingSites.attach(self._model)
        self._layers, self._sites = self._rounding.layers, self._rounding.attention
        self._layer_norms = [*self._rounding.layer_norms.values()]
        self._activations = [*self._rounding.activations.values()]
        self._masked: dict[Part, bool] = {}
        self._learned = read_spans(folder)
        self._by_distance: NDArray[np.float64] | None = None

    @property
    def model(self) -> ExitEncoder:
        """The working copy, as last configured."""
        return self._model

    def configure(
        self,
        knobs: ModelKnobs,
        calibration: Sequence[Tensor],
        spans: Sequence[Sequence[int]] | None = None,
    ) -> tuple[tuple[tuple[int, ...], ...], float, float]:
        """Set the working copy to those knobs.

        Args:
            knobs: the setting; its ``checkpoint`` is taken to be this one.
            calibration: batches of token ids (batch, tokens) without padding, or (batch, tokens, 2)
                with token type ids, for activation scales and spans.
            spans: (n_distinct_layers of n_heads) attention spans, tokens, if they are known; None
                to share out the knobs' budget.

        Returns:
            Head spans (n_distinct_layers of n_heads), encoder density and embedding density as
            measured after pruning and rounding.

        Raises:
            ValueError: given spans are not one for each head of each distinct layer.
        """
        for layer, site in zip(self._layers, self._sites, strict=True):
            run_all(layer)
            site.heads = site.softmax = None
        for norm in self._layer_norms:
            norm.start(active=False)
        if spans is None:
            spans = self._shared_out(knobs, calibration)
        shape = (len(self._sites), len(self._sites[0].spans))
        if len(spans) != shape[0] or any(len(row) != shape[1] for row in spans):
            raise ValueError(
                f"spans of {[len(row) for row in spans]} heads: expected {shape[0]} distinct "
                f"layers of {shape[1]} heads."
            )
        for site, row in zip(self._sites, spans, strict=True):
            site.spans = torch.tensor(row)
        densities = self._set_weights(knobs)
        encoder, embedding = (is_masked(knobs.weight_format, density) for density in densities)
        self._masked = {"embedding": embedding, "encoder": encoder, "exit": encoder}
        self._calibrate(knobs, calibration)
        self._skip_idle()
        return tuple(tuple(int(s) for s in site.spans) for site in self._sites), *densities

    def read_back(self, knobs: ModelKnobs, storage: Storage, seed: int) -> int:
        """Put what is read of the weights into the working copy, with the faults of one trial.

        Spans and scales stay as `configure` settled them, and so does whether a part is stored with
        a bitmask.

        Args:
            knobs: the setting that was configured last.
            storage: cells of each part; faithful ones bring back what was written.
            seed: of the faults.

        Returns:
            How many cells were misread.
        """
        reader = FaultyReader(storage=storage, seed=seed, masked=self._masked)
        self._set_weights(knobs, reader)
        self._skip_idle()
        return reader.misread

    def packed(self, knobs: ModelKnobs) -> tuple[PackedWeights, Settled]:
        """What a chip of the setting that was configured last holds: weights in codes, and scales.

        The working copy has the weights without faults afterwards.
        """
        reader = PackingReader(masked=self._masked)
        self._set_weights(knobs, reader)
        self._skip_idle()
        vectors = {
            name: dense.numpy()
            for name, dense in self._dense.items()
            if dense.ndim < 2 and dense.is_floating_point()
        }
        return reader.packed(vectors), self._rounding.settled(knobs.special_functions)

    def _skip_idle(self) -> None:
        for layer, site in zip(self._layers, self._sites, strict=True):
            site.heads = skip_idle(layer, site.spans)

    def _set_weights(
        self, knobs: ModelKnobs, reader: WeightReader | None = None
    ) -> tuple[float, float]:
        """Write the setting's weights; their densities, (encoder, embedding).

        Args:
            knobs: the setting.
            reader: reads them back from their cells; None for what was written.
        """
        state = self._model.state_dict()
        kept, sizes = {}, {}
        matrices: dict[str, dict[str, Tensor]] = {"encoder": {}, "embedding": {}, "classifier": {}}
        for name, dense in self._dense.items():
            if dense.ndim < 2 or not dense.is_floating_point():
                state[name].copy_(dense)
            elif ".classifier." in name:
                matrices["classifier"][name] = dense
            else:
                matrices["embedding" if ".embeddings." in name else "encoder"][name] = dense
        sparsities = {
            "encoder": knobs.encoder_sparsity,
            "embedding": knobs.embedding_sparsity,
            "classifier": 0.0,
        }
        for part, sparsity in sparsities.items():
            kept[part] = sizes[part] = 0
            for name, pruned in pruned_matrices(matrices[part], sparsity, knobs.pruning_scope):
                weights = rounded_weights(name, pruned, knobs, reader)
                state[name].copy_(weights)
                kept[part] += int(torch.count_nonzero(weights))
                sizes[part] += weights.numel()
        of_encoder = kept["encoder"] + kept["classifier"]
        return (
            of_encoder / (sizes["encoder"] + sizes["classifier"]),
            kept["embedding"] / sizes["embedding"],
        )

    def _shared_out(self, knobs: ModelKnobs, calibration: Sequence[Tensor]) -> list[list[int]]:
        """Spans (n_distinct_layers of n_heads) within the budget; 0 for heads that are off.

        The heads that are left share the whole budget; learned spans stay theirs.
        """
        n_heads, budget = len(self._sites[0].spans), knobs.span_budget_tokens
        learned = self._learned if self._learned and budget == budget_of(self._learned) else None
        if knobs.head_sparsity == 0 and learned is not None:
            return [list(row) for row in learned]
        if knobs.head_sparsity == 0 and budget >= FULL_SPAN_TOKENS:
            return [[FULL_SPAN_TOKENS] * n_heads] * len(self._sites)
        if self._by_distance is None:
            self._by_distance = self._measure_attention(calibration)
        off = heads_off(self._by_distance, knobs.head_sparsity)
        if learned is not None:
            spans = [span for row in learned for span in row]
        else:
            spans = allocate_spans(np.where(off[:, None], 0.0, self._by_distance), budget)
        spans = [0 if gone else span for gone, span in zip(off, spans, strict=True)]
        return [spans[start : start + n_heads] for start in range(0, len(spans), n_heads)]

    def _measure_attention(self, calibration: Sequence[Tensor]) -> NDArray[np.float64]:
        """Attention by distance of all heads of the dense encoder."""
        self._model.load_state_dict(self._dense)
        self._each_quantiser(FP32, calibrating=False)
        return measured_attention(self._model, self._sites, calibration)

    def _calibrate(self, knobs: ModelKnobs, calibration: Sequence[Tensor]) -> None:
        is_exact = knobs.special_functions is SpecialFunctions.EXACT
        self._each_quantiser(knobs.activation_format, calibrating=True)
        inputs = []
        if not is_exact:
            for norm in self._layer_norms:
                norm.start(active=True)
                inputs.append(norm.inputs)
            for site in self._sites:
                site.softmax = QuantisedSoftmax()
                inputs.append(site.softmax.scores)
        if inputs or knobs.activation_format != FP32:
            self._run(calibration)
        for quantiser in self._activations:
            quantiser.calibrating, quantiser.eight_bit_scale = False, not is_exact
        for seen in inputs:
            seen.calibrating = False

    def _each_quantiser(self, number_format: NumberFormat, *, calibrating: bool) -> None:
        for quantiser in self._activations:
            quantiser.start(number_format, calibrating=calibrating)

    def _run(self, batches: Batches) -> None:
        for batch in batches:
            ids, types = ids_and_types(batch)
            with torch.inference_mode():
                self._model(ids, None, types)

    def logits(self, input_ids: Tensor, layers: int | None = None) -> Tensor:
        """Logits (batch, layers, n_classes) of every exit up to a layer.

        Args:
            input_ids: (batch, tokens) token ids without padding; of pairs of sentences
                (batch, tokens, 2), token and token type ids.
            layers: run only that many layers; None for all.

        Raises:
            ValueError: there are not so many layers.
        """
        depth = self._model.depth(layers)
        input_ids, types = ids_and_types(input_ids)
        with torch.inference_mode():
            running = self._model.layer_states(input_ids, None, types)
            states = list(islice(running, depth))
            with first_token_alone(self._last(depth)):
                states.append(next(running))
            return self._model.exit_logits(states[1:])

    def _last(self, depth: int) -> LayerParts:
        """The parts of the layer of that number, from 1."""
        return self._layers[(depth - 1) * len(self._layers) // self._model.n_layers]
