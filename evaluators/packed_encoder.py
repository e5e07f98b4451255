"""An encoder made of packed weights and settled scales: what a designed chip works out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluators.batches import ids_and_types
from evaluators.checkpoints import CheckpointError
from evaluators.codecs.registry import codec_of
from evaluators.encoders import ExitEncoder, backbone_from_config
from evaluators.faults.storage import FaultyReader, part_of, storage_of
from evaluators.packed_weights import PackedWeights
from evaluators.rounding_sites import RoundingSites
from evaluators.settled import Settled
from search_space import ModelKnobs


class PackedEncoder:
    """An encoder with exits whose weights, spans and scales are fixed.

    Attributes:
        model: the encoder.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        weights: PackedWeights,
        settled: Settled,
        knobs: ModelKnobs,
        fault_seed: int | None = None,
    ) -> None:
        """Unpack the weights.

        Args:
            config: ``config.json`` of the checkpoint.
            weights: as stored.
            settled: spans and scales.
            knobs: the setting that they are of.
            fault_seed: draw of faults with which weights are read back from cells that are not
                faithful; None to read them as written.

        Raises:
            CheckpointError: the parts do not fit one another.
        """
        try:
            tensors = weights.tensors()
            classes = len(tensors["exits.0.classifier.bias"])
        except (LookupError, ValueError) as error:
            raise CheckpointError(f"weights.safetensors: damaged ({error}).") from error
        self.model = ExitEncoder(backbone_from_config(config), classes)
        if fault_seed is not None:
            tensors |= _read_back(weights, tensors, knobs, fault_seed)
        self._load(tensors)
        try:
            RoundingSites.attach(self.model).settle(
                settled, knobs.activation_format, knobs.special_functions
            )
        except ValueError as error:
            raise CheckpointError(f"scales.json: {error}") from error
        self._has_faults = fault_seed is not None

    def _load(self, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        state = self.model.state_dict()
        expected = {name for name, tensor in state.items() if tensor.is_floating_point()}
        differing = expected ^ tensors.keys()
        differing |= {n for n in expected & tensors.keys() if state[n].shape != tensors[n].shape}
        if differing:
            raise CheckpointError(
                f"weights.safetensors: does not fit config.json (first: {min(differing)})."
            )
        for name in expected:
            state[name].copy_(torch.from_numpy(np.ascontiguousarray(tensors[name])))
        self.model.eval()

    def logits(self, batch: Tensor) -> NDArray[np.float16]:
        """Logits (batch, n_exits, n_classes) of token ids (batch, tokens) or with types behind."""
        return np.stack(list(self.exits(batch)), axis=1)

    def exits(self, batch: Tensor) -> Iterator[NDArray[np.float16]]:
        """Logits (batch, n_classes) of exit 1, 2, …, in half precision as traces have them.

        A layer is worked out when its exit is asked for.
        """
        ids, types = ids_and_types(batch)
        with torch.inference_mode():
            states = self.model.layer_states(ids, None, types)
            next(states)  # the input of layer 1
            for head, state in zip(self.model.exits, states, strict=True):
                yield self._half_precision(head(state[:, 0]))

    def _half_precision(self, logits: Tensor) -> NDArray[np.float16]:
        values = logits.numpy()
        if self._has_faults:
            largest = float(np.finfo(np.float16).max)
            values = np.nan_to_num(values, nan=0.0, posinf=largest, neginf=-largest)
            values = values.clip(-largest, largest)
        return values.astype(np.float16)


def _read_back(
    weights: PackedWeights,
    tensors: Mapping[str, NDArray[np.float32]],
    knobs: ModelKnobs,
    seed: int,
) -> dict[str, NDArray[np.float32]]:
    """Matrices as their cells give them back in one draw of faults."""
    codec = codec_of(weights.number_format)
    masked = {part_of(n): m.mask is not None for n, m in weights.matrices.items()}
    reader = FaultyReader(storage=storage_of(knobs), seed=seed, masked=masked)
    return {
        name: reader.read(name, tensors[name], codec, matrix.scaling(weights.number_format))
        for name, matrix in weights.matrices.items()
    }
