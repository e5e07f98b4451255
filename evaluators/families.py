"""Families of encoders: where each keeps what exits, compression and the cost model look at.

One frozen record a family; nothing else asks which family a model is of. Module paths are those of
the transformers library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import (
    AlbertConfig,
    AlbertModel,
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    PreTrainedConfig,
    PreTrainedModel,
    RobertaConfig,
    RobertaModel,
)

from evaluators.checkpoints import CheckpointError


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPaths:
    """Where a layer keeps its parts: paths from the layer.

    Attributes:
        attention: module that calls the attention interface.
        query: projection to queries; `key` and `value` likewise.
        key: projection to keys.
        value: projection to values.
        output: projection of the context.
        norm: layer norm behind it, from which on each token is worked out by itself.
        up: first feed-forward matrix.
        activation: activation function behind it.
        down: second feed-forward matrix.
    """

    attention: str
    query: str
    key: str
    value: str
    output: str
    norm: str
    up: str
    activation: str
    down: str


@dataclass(frozen=True, slots=True)
class LayerParts:
    """The modules that `LayerPaths` name, of one set of weights."""

    attention: nn.Module
    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    output: nn.Linear
    norm: nn.LayerNorm
    up: nn.Linear
    activation: nn.Module
    down: nn.Linear


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What tells one family of encoders from another.

    Attributes:
        name: ``model_type`` in ``config.json``.
        config: configuration class.
        model: makes the bare encoder, without pooler, of a configuration.
        config_keys: the only keys of a ``config.json`` that are ever read.
        sizes: key of ``config.json`` for each size of `hw_cost.workload.EncoderShape` that it has.
        layers: path from the encoder to the list of layers, one for each set of weights.
        layer: path from an entry of that list to the layer itself; empty if the entry is it.
        parts: where a layer keeps its parts.
        projection: path of the projection from embedding to hidden width, if there is one.
        positions_follow_padding: whether the first token has position padding id + 1 instead of 0.
        pooler: name of the pooler's matrix in a sequence-classification checkpoint.
        classifier: name of the classifier's matrix there.
        pooler_activation: function between the two, and so between those of every exit.
    """

    name: str
    config: type[PreTrainedConfig]
    model: Callable[[Any], PreTrainedModel]
    config_keys: frozenset[str]
    sizes: Mapping[str, str]
    layers: str
    layer: str = ""
    parts: LayerPaths
    projection: str | None = None
    positions_follow_padding: bool = False
    pooler: str
    classifier: str
    pooler_activation: Callable[[Tensor], Tensor] = torch.tanh

    def backbone(self, config: Mapping[str, Any]) -> PreTrainedModel:
        """An untrained encoder of those sizes; keys that are not in `config_keys` are not read."""
        known = {key: config[key] for key in self.config_keys & config.keys()}
        return self.model(self.config(**known))

    def layer_modules(self, backbone: nn.Module) -> list[nn.Module]:
        """The layer that each depth runs, first to last: `num_hidden_layers` of them.

        Sets of weights are used in equal blocks: layer i of L uses set i G // L of G.
        """
        entries = list(backbone.get_submodule(self.layers).children())
        n_layers: int = backbone.config.num_hidden_layers  # type: ignore[assignment,union-attr]
        distinct = [entry.get_submodule(self.layer) for entry in entries]
        return [distinct[i * len(distinct) // n_layers] for i in range(n_layers)]

    def weight_sets(self, backbone: nn.Module) -> list[LayerParts]:
        """The parts of every distinct layer, in the order in which they are used."""
        sets = []
        for layer in dict.fromkeys(self.layer_modules(backbone)):
            paths = self.parts
            sets.append(
                LayerParts(
                    attention=layer.get_submodule(paths.attention),
                    query=_linear(layer, paths.query),
                    key=_linear(layer, paths.key),
                    value=_linear(layer, paths.value),
                    output=_linear(layer, paths.output),
                    norm=_layer_norm(layer, paths.norm),
                    up=_linear(layer, paths.up),
                    activation=layer.get_submodule(paths.activation),
                    down=_linear(layer, paths.down),
                )
            )
        return sets


def _layer_norm(layer: nn.Module, path: str) -> nn.LayerNorm:
    module = layer.get_submodule(path)
    assert isinstance(module, nn.LayerNorm)
    return module


def _linear(layer: nn.Module, path: str) -> nn.Linear:
    module = layer.get_submodule(path)
    assert isinstance(module, nn.Linear)
    return module


_SHARED_KEYS: Final = frozenset(
    {"initializer_range", "max_position_embeddings", "model_type", "pad_token_id", "vocab_size"}
)
_BERT_KEYS: Final = _SHARED_KEYS | {
    "attention_probs_dropout_prob",
    "hidden_act",
    "hidden_dropout_prob",
    "hidden_size",
    "intermediate_size",
    "layer_norm_eps",
    "num_attention_heads",
    "num_hidden_layers",
    "type_vocab_size",
}
_BERT_SIZES: Final = {
    "layers": "num_hidden_layers",
    "distinct_layers": "num_hidden_layers",
    "hidden": "hidden_size",
    "heads": "num_attention_heads",
    "ffn": "intermediate_size",
    "embedding_width": "hidden_size",
    "vocabulary": "vocab_size",
    "positions": "max_position_embeddings",
    "token_types": "type_vocab_size",
}
_BERT_PARTS: Final = LayerPaths(
    attention="attention.self",
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    output="attention.output.dense",
    norm="attention.output.LayerNorm",
    up="intermediate.dense",
    activation="intermediate.intermediate_act_fn",
    down="output.dense",
)

ALBERT: Final = Family(
    name="albert",
    config=AlbertConfig,
    model=lambda config: AlbertModel(config, add_pooling_layer=False),
    config_keys=_BERT_KEYS | {"embedding_size", "inner_group_num", "num_hidden_groups"},
    sizes=_BERT_SIZES
    | {"distinct_layers": "num_hidden_groups", "embedding_width": "embedding_size"},
    layers="encoder.albert_layer_groups",
    layer="albert_layers.0",
    parts=LayerPaths(
        attention="attention",
        query="attention.query",
        key="attention.key",
        value="attention.value",
        output="attention.dense",
        norm="attention.LayerNorm",
        up="ffn",
        activation="activation",
        down="ffn_output",
    ),
    projection="encoder.embedding_hidden_mapping_in",
    pooler="albert.pooler",
    classifier="classifier",
)
BERT: Final = Family(
    name="bert",
    config=BertConfig,
    model=lambda config: BertModel(config, add_pooling_layer=False),
    config_keys=_BERT_KEYS,
    sizes=_BERT_SIZES,
    layers="encoder.layer",
    parts=_BERT_PARTS,
    pooler="bert.pooler.dense",
    classifier="classifier",
)
DISTILBERT: Final = Family(
    name="distilbert",
    config=DistilBertConfig,
    model=DistilBertModel,
    config_keys=_SHARED_KEYS
    | {"activation", "attention_dropout", "dim", "dropout", "hidden_dim", "n_heads", "n_layers"},
    sizes={
        "layers": "n_layers",
        "distinct_layers": "n_layers",
        "hidden": "dim",
        "heads": "n_heads",
        "ffn": "hidden_dim",
        "embedding_width": "dim",
        "vocabulary": "vocab_size",
        "positions": "max_position_embeddings",
    },
    layers="transformer.layer",
    parts=LayerPaths(
        attention="attention",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        output="attention.out_lin",
        norm="sa_layer_norm",
        up="ffn.lin1",
        activation="ffn.activation",
        down="ffn.lin2",
    ),
    pooler="pre_classifier",
    classifier="classifier",
    pooler_activation=torch.relu,
)
ROBERTA: Final = Family(
    name="roberta",
    config=RobertaConfig,
    model=lambda config: RobertaModel(config, add_pooling_layer=False),
    config_keys=_BERT_KEYS,
    sizes=_BERT_SIZES,
    layers="encoder.layer",
    parts=_BERT_PARTS,
    positions_follow_padding=True,
    pooler="classifier.dense",
    classifier="classifier.out_proj",
)

FAMILIES: Final[Mapping[str, Family]] = {
    family.name: family for family in (ALBERT, BERT, DISTILBERT, ROBERTA)
}


def family_of(config: Mapping[str, Any]) -> Family:
    """The family that ``model_type`` of a ``config.json`` names.

    Raises:
        CheckpointError: the family is not known, or is one whose layers are nested.
    """
    name = config.get("model_type")
    family = FAMILIES.get(name) if isinstance(name, str) else None
    if family is None:
        known = ", ".join(repr(known) for known in FAMILIES)
        raise CheckpointError(f"config.json: model_type is {name!r}, expected one of {known}.")
    if config.get("inner_group_num", 1) != 1:
        raise CheckpointError(
            f"config.json: inner_group_num is {config['inner_group_num']!r}, expected 1."
        )
    return family
