"""Descriptions of the families: every path leads to what it names, in tiny random encoders."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evaluators.checkpoints import CheckpointError
from evaluators.encoders import ExitEncoder, backbone_from_config
from evaluators.families import FAMILIES, family_of
from tests.evaluators.conftest import CONFIGS


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_parts_have_the_shapes_that_their_names_say(name: str) -> None:
    """Projections are square, feed-forward matrices wide, and attention calls the interface."""
    family = family_of(CONFIGS[name])
    assert family.name == name
    backbone = backbone_from_config(CONFIGS[name])
    sets = family.weight_sets(backbone)
    assert len(sets) == (1 if name == "albert" else 3)
    assert len(family.layer_modules(backbone)) == 3
    for parts in sets:
        for linear in (parts.query, parts.key, parts.value, parts.output):
            assert linear.weight.shape == (16, 16)
        assert parts.up.weight.shape == (32, 16)
        assert parts.down.weight.shape == (16, 32)
        assert hasattr(parts.attention, "scaling")
        assert torch.equal(parts.activation(torch.zeros(1)), torch.zeros(1))
    assert isinstance(backbone.get_submodule("embeddings.word_embeddings"), nn.Embedding)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_linear_map_of_a_layer_is_named(name: str) -> None:
    """The records leave out no matrix: six a layer, and ALBERT's projection."""
    family = FAMILIES[name]
    backbone = backbone_from_config(CONFIGS[name])
    found = {id(module) for module in backbone.modules() if isinstance(module, nn.Linear)}
    named = {
        id(linear)
        for parts in family.weight_sets(backbone)
        for linear in (parts.query, parts.key, parts.value, parts.output, parts.up, parts.down)
    }
    if family.projection is not None:
        named.add(id(backbone.get_submodule(family.projection)))
    assert found == named


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_allowed_keys_are_sizes(name: str) -> None:
    """The library has every allowed key, and the cost model's sizes are among them."""
    family = FAMILIES[name]
    known = family.config().to_dict()
    assert family.config_keys <= known.keys()
    assert set(family.sizes.values()) <= family.config_keys


def test_groups_of_layers_are_used_in_equal_blocks() -> None:
    """An ALBERT of four layers and two groups runs group 0 twice, then group 1 twice."""
    config = CONFIGS["albert"] | {"num_hidden_layers": 4, "num_hidden_groups": 2}
    model = ExitEncoder(backbone_from_config(config), n_classes=2)
    layers = model.family.layer_modules(model.backbone)
    sets = model.family.weight_sets(model.backbone)
    assert [layers.index(layer) for layer in layers] == [0, 0, 2, 2]
    assert [parts.up is layers[2 * i].get_submodule("ffn") for i, parts in enumerate(sets)] == [
        True,
        True,
    ]


def test_nested_groups_are_refused() -> None:
    """An ALBERT whose groups hold several layers is not known to us."""
    with pytest.raises(CheckpointError, match="inner_group_num is 2, expected 1"):
        family_of(CONFIGS["albert"] | {"inner_group_num": 2})
