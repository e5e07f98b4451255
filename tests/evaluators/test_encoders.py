"""Encoders with exits: a forward pass by hand, padding, and the sizes that the cost model sees."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from evaluators.checkpoint_folders import load_checkpoint
from evaluators.checkpoints import CheckpointError
from evaluators.encoders import encoder_shape
from evaluators.token_rows import pad_batch
from evaluators.weight_files import unpack_tensors
from tests.evaluators.library_models import EMBEDDINGS, ENCODER, IDS, logits

Weights = dict[str, Tensor]

BERT_PARTS = {
    "layer": "encoder.layer.{}",
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "output": "attention.output.dense",
    "first_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "second_norm": "output.LayerNorm",
}
PARTS = {
    "bert": BERT_PARTS,
    "roberta": BERT_PARTS,
    "albert": {
        "layer": "encoder.albert_layer_groups.0.albert_layers.0",
        "query": "attention.query",
        "key": "attention.key",
        "value": "attention.value",
        "output": "attention.dense",
        "first_norm": "attention.LayerNorm",
        "up": "ffn",
        "down": "ffn_output",
        "second_norm": "full_layer_layer_norm",
    },
    "distilbert": {
        "layer": "transformer.layer.{}",
        "query": "attention.q_lin",
        "key": "attention.k_lin",
        "value": "attention.v_lin",
        "output": "attention.out_lin",
        "first_norm": "sa_layer_norm",
        "up": "ffn.lin1",
        "down": "ffn.lin2",
        "second_norm": "output_layer_norm",
    },
}


def linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    """Affine map of the named weights."""
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def layer_norm(weights: Weights, name: str, x: Tensor) -> Tensor:
    """Layer norm over the last axis."""
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-12).sqrt()
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def logits_by_hand(
    weights: Weights, family: str, input_ids: Tensor, token_types: Tensor | None = None
) -> Tensor:
    """Logits (batch, 3, 2) of a tiny encoder, every step written out, heads in a loop."""
    tokens, n_heads, width = input_ids.shape[1], 2, 8
    embeddings = "backbone.embeddings"
    first = 2 if family == "roberta" else 0
    x = (
        weights[f"{embeddings}.word_embeddings.weight"][input_ids]
        + weights[f"{embeddings}.position_embeddings.weight"][first : first + tokens]
    )
    if family != "distilbert":
        types = torch.zeros_like(input_ids) if token_types is None else token_types
        x = x + weights[f"{embeddings}.token_type_embeddings.weight"][types]
    x = layer_norm(weights, f"{embeddings}.LayerNorm", x)
    if family == "albert":
        x = linear(weights, "backbone.encoder.embedding_hidden_mapping_in", x)
    exits = []
    for index in range(3):
        layer = "backbone." + PARTS[family]["layer"].format(index)
        names = {part: f"{layer}.{name}" for part, name in PARTS[family].items()}
        query, key, value = (linear(weights, names[part], x) for part in ("query", "key", "value"))
        context = []
        for head in range(n_heads):
            own = slice(head * width, (head + 1) * width)
            scores = query[..., own] @ key[..., own].transpose(1, 2) / math.sqrt(width)
            powers = scores.exp()
            context.append(powers / powers.sum(-1, keepdim=True) @ value[..., own])
        attended = linear(weights, names["output"], torch.cat(context, -1))
        x = layer_norm(weights, names["first_norm"], x + attended)
        up = linear(weights, names["up"], x)
        gelu = up * (1 + torch.erf(up / math.sqrt(2))) / 2
        x = layer_norm(weights, names["second_norm"], x + linear(weights, names["down"], gelu))
        pooled = linear(weights, f"exits.{index}.pooler", x[:, 0])
        pooled = pooled.clamp(min=0) if family == "distilbert" else pooled.tanh()
        exits.append(linear(weights, f"exits.{index}.classifier", pooled))
    return torch.stack(exits, 1)


def stored_weights(folder: Path) -> Weights:
    """All tensors of a checkpoint folder."""
    return unpack_tensors(folder / EMBEDDINGS) | unpack_tensors(folder / ENCODER)


def test_exits_equal_a_forward_pass_by_hand(tiny: Path) -> None:
    """The logits of every exit follow from the stored weights, shared or not, by plain algebra."""
    family = json.loads((tiny / "config.json").read_text())["model_type"]
    expected = logits_by_hand(stored_weights(tiny), family, IDS)
    found = logits(load_checkpoint(tiny))
    assert found.shape == (2, 3, 2)
    assert torch.allclose(found, expected, atol=2e-5)
    assert len({round(float(value), 4) for value in found[0, :, 0]}) == 3  # the exits differ


def test_albert_layers_share_their_weights(tiny_folders: dict[str, Path]) -> None:
    """ALBERT stores one layer for three, the others three layers, all an exit for each."""
    counts = {}
    for family, folder in tiny_folders.items():
        names = stored_weights(folder)
        counts[family] = sum(name.endswith(PARTS[family]["up"] + ".weight") for name in names)
        assert sum(name.endswith("classifier.weight") for name in names) == 3
    assert counts == {"albert": 1, "bert": 3, "distilbert": 3, "roberta": 3}


def test_padding_does_not_change_logits(tiny: Path) -> None:
    """A sentence padded in a batch has the logits that it has alone, but for rounding."""
    model = load_checkpoint(tiny)
    rows = [[2, 5, 3], [2, 9, 8, 7, 6, 5, 3]]
    with torch.inference_mode():
        together = model(*pad_batch(rows, model.pad_id))
    for row, found in zip(rows, together, strict=True):
        assert torch.allclose(found, logits(model, torch.tensor([row]))[0], atol=1e-5)


def test_loaded_model_is_ready_for_inference(tiny: Path) -> None:
    """Dropout is off: the same tokens twice have the same logits."""
    model = load_checkpoint(tiny)
    assert not any(module.training for module in model.modules())
    assert torch.equal(logits(model), logits(model))


def test_padded_batch_by_hand() -> None:
    """Short rows are filled with the padding id, and the mask says where."""
    input_ids, mask = pad_batch([[4, 5, 6], [7]], pad_id=9)
    assert input_ids.tolist() == [[4, 5, 6], [7, 9, 9]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_encoder_shape_of_every_family(tiny_folders: dict[str, Path]) -> None:
    """The cost model's sizes come from the config: ALBERT has one distinct layer, others three."""
    shapes = {
        family: encoder_shape(json.loads((folder / "config.json").read_text()))
        for family, folder in tiny_folders.items()
    }
    assert {f: (s.layers, s.distinct_layers, s.embedding_width) for f, s in shapes.items()} == {
        "albert": (3, 1, 8),
        "bert": (3, 3, 16),
        "distilbert": (3, 3, 16),
        "roberta": (3, 3, 16),
    }
    for shape in shapes.values():
        sizes = (shape.hidden, shape.heads, shape.ffn, shape.vocabulary, shape.longest_sentence)
        assert sizes == (16, 2, 32, 29, 40)
    assert {f: s.token_types for f, s in shapes.items() if s.token_types != 2} == {"distilbert": 0}
    assert {f: s.first_position for f, s in shapes.items() if s.first_position} == {"roberta": 2}


def test_encoder_shape_needs_every_size(tiny_folders: dict[str, Path]) -> None:
    """A config without a size is refused by the name of the size."""
    config = json.loads((tiny_folders["bert"] / "config.json").read_text())
    del config["intermediate_size"]
    with pytest.raises(CheckpointError, match="lacks 'intermediate_size'"):
        encoder_shape(config)


def test_parameters_counted_by_the_cost_model_are_those_stored(
    tiny_folders: dict[str, Path],
) -> None:
    """The cost model's embedding parameters are exactly those in the embedding file."""
    for folder in tiny_folders.values():
        shape = encoder_shape(json.loads((folder / "config.json").read_text()))
        stored = sum(tensor.numel() for tensor in load_file(folder / EMBEDDINGS).values())
        assert shape.embedding_parameters == stored
