"""Transformer encoders with an exit after every layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.masking_utils import create_bidirectional_mask

from evaluators.checkpoints import CheckpointError
from evaluators.families import FAMILIES, Family, family_of
from hw_cost.encoder_shape import EncoderShape

NEW_EXIT_SEED: Final = 0
"""Seed of the exits that a plain Hugging Face folder does not have."""


class ExitHead(nn.Module):
    """Pooler (dense and an activation function on the first token) and classifier after a layer."""

    def __init__(
        self, hidden_size: int, n_classes: int, activation: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.pooler = nn.Linear(hidden_size, hidden_size)
        self.classifier = nn.Linear(hidden_size, n_classes)
        self._activation = activation

    def forward(self, first_token: Tensor) -> Tensor:
        """Logits (batch, n_classes) from hidden states of the first token (batch, hidden_size)."""
        logits: Tensor = self.classifier(self._activation(self.pooler(first_token)))
        return logits


class ExitEncoder(nn.Module):
    """A Hugging Face encoder whose every layer has an exit.

    Embeddings, masks and layers are the library's own; they are called one by one, so that a depth
    can be asked for.

    Attributes:
        backbone: the library's encoder.
        family: where it keeps its parts.
        n_layers: layers, and exits.
        exits: one head for each layer, first to last.
    """

    def __init__(self, backbone: PreTrainedModel, n_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        config = backbone.config
        self.family: Family = FAMILIES[config.model_type]
        self.n_layers: int = config.num_hidden_layers
        self.exits = nn.ModuleList(
            ExitHead(config.hidden_size, n_classes, self.family.pooler_activation)
            for _ in range(self.n_layers)
        )

    @property
    def pad_id(self) -> int:
        """Token id that fills short rows of a batch."""
        return int(self.backbone.config.pad_token_id)

    @property
    def has_token_types(self) -> bool:
        """Whether tokens of a first and of a second sentence are told apart."""
        return getattr(self.backbone.config, "type_vocab_size", 0) > 1

    def hidden_states(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        layers: int | None = None,
    ) -> tuple[Tensor, ...]:
        """Input of layer 1 and output of every layer: 1 + layers of (batch, tokens, width).

        Args:
            input_ids: (batch, tokens) token ids.
            attention_mask: (batch, tokens), 1 for a token and 0 for padding; None for no padding.
            token_type_ids: (batch, tokens), 0 for tokens of the first sentence and 1 for those of
                the second; None for all 0. Ignored by encoders that do not tell them apart.
            layers: run only that many; None for all.

        Raises:
            ValueError: there are not so many layers.
        """
        depth = self.depth(layers)
        states = self.layer_states(input_ids, attention_mask, token_type_ids)
        return tuple(islice(states, depth + 1))

    def depth(self, layers: int | None) -> int:
        """How many layers are run where that many are asked for; None for all.

        Raises:
            ValueError: there are not so many layers.
        """
        depth = self.n_layers if layers is None else layers
        if not 1 <= depth <= self.n_layers:
            raise ValueError(f"layers {depth} of an encoder: expected 1 to {self.n_layers}.")
        return depth

    def layer_states(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Iterator[Tensor]:
        """The same states one by one; a layer is worked out when its output is asked for."""
        types = {}
        if token_type_ids is not None and self.has_token_types:
            types = {"token_type_ids": token_type_ids}
        embeddings = self.backbone.get_submodule("embeddings")
        state: Tensor = embeddings(input_ids=input_ids, **types)
        mask = create_bidirectional_mask(self.backbone.config, state, attention_mask)
        if self.family.projection is not None:
            state = self.backbone.get_submodule(self.family.projection)(state)
        yield state
        for layer in self.family.layer_modules(self.backbone):
            state = layer(state, mask)
            yield state

    def exit_logits(self, states: Sequence[Tensor]) -> Tensor:
        """Logits (batch, layers, n_classes) from the outputs of that many layers, the first on."""
        heads = list(self.exits)[: len(states)]
        return torch.stack(
            [head(state[:, 0]) for head, state in zip(heads, states, strict=True)], dim=1
        )

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        layers: int | None = None,
    ) -> Tensor:
        """Logits (batch, layers, n_classes) of every exit up to that layer; see `hidden_states`."""
        states = self.hidden_states(input_ids, attention_mask, token_type_ids, layers)
        return self.exit_logits(states[1:])


def renew_exits(model: ExitEncoder, seed: int = NEW_EXIT_SEED) -> None:
    """Give every exit new weights, as the library starts a layer, from a seed of their own.

    Matrices are normal with the standard deviation ``initializer_range`` of the config, biases 0.
    """
    generator = torch.Generator().manual_seed(seed)
    deviation: float = model.backbone.config.initializer_range
    with torch.no_grad():
        for parameter in model.exits.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, deviation, generator=generator)
            else:
                parameter.zero_()


def backbone_from_config(config: Mapping[str, Any]) -> PreTrainedModel:
    """An untrained encoder of the family that ``model_type`` names (`evaluators.families`).

    Raises:
        CheckpointError: the family is not known, or its sizes make no encoder.
    """
    family = family_of(config)
    for name, key in family.sizes.items():
        least = 0 if name == "token_types" else 1
        value = config.get(key)
        if type(value) is not int or value < least:
            raise CheckpointError(
                f"config.json: {key} is {value!r}, expected a whole number from {least} up."
            )
    try:
        return family.backbone(config)
    except Exception as error:  # of many kinds, bare assertions and divisions by 0 among them
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise CheckpointError(
            f"config.json: its values make no encoder ({reason}); expected those of a "
            f"{family.name} encoder."
        ) from error


def encoder_shape(config: Mapping[str, Any], n_classes: int = 2) -> EncoderShape:
    """What the cost model needs to know of an encoder, from its ``config.json``.

    Raises:
        CheckpointError: a size is missing or the family is not known.
    """
    family = family_of(config)
    try:
        sizes = {field: config[key] for field, key in family.sizes.items()}
        first = config["pad_token_id"] + 1 if family.positions_follow_padding else 0
    except KeyError as error:
        raise CheckpointError(f"config.json lacks {error}; expected an encoder's sizes.") from error
    return EncoderShape(**({"token_types": 0} | sizes), first_position=first, classes=n_classes)
