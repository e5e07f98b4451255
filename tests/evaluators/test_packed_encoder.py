"""An encoder of packed weights and settled scales gives what the compressed checkpoint gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluators.checkpoints import CheckpointError
from evaluators.compression import CompressibleEncoder
from evaluators.faults.storage import storage_of
from evaluators.packed_encoder import PackedEncoder
from evaluators.packed_weights import packed_of_bytes
from evaluators.settled import settled_of
from search_space import CellKind, ModelKnobs, SpecialFunctions, parse_number_format

MakeKnobs = Callable[..., ModelKnobs]
SETTINGS: list[dict[str, Any]] = [
    {},
    {
        "weight_format": "adaptivfloat<6,3>",
        "activation_format": "adaptivfloat<8,3>",
        "encoder_sparsity": 0.5,
        "embedding_sparsity": 0.6,
        "span_budget_tokens": 3,
    },
    {
        "weight_format": "int8-channel",
        "activation_format": "int8-affine",
        "special_functions": SpecialFunctions.FULLY_QUANTISED,
    },
    {"weight_format": "mxfp8-e4m3", "activation_format": "mxfp8-e4m3"},
    {"weight_format": "fp16", "activation_format": "fp16", "span_budget_tokens": 0},
]


def setting(make_knobs: MakeKnobs, changes: dict[str, Any]) -> ModelKnobs:
    """Model knobs with formats by name."""
    formats = {n: parse_number_format(v) for n, v in changes.items() if n.endswith("_format")}
    return make_knobs(**(changes | formats))


def packed_encoder(
    folder: Path, encoder: CompressibleEncoder, knobs: ModelKnobs, seed: int | None = None
) -> PackedEncoder:
    """The packed encoder of one that was configured, by way of its files."""
    weights, settled = encoder.packed(knobs)
    read, _ = packed_of_bytes(weights.file_bytes({}))
    again = settled_of(json.loads(json.dumps(settled.document())))
    config = json.loads((folder / "config.json").read_text())
    return PackedEncoder(config, read, again, knobs, seed)


@pytest.mark.parametrize("changes", SETTINGS)
def test_same_logits(
    tiny: Path, make_knobs: MakeKnobs, batches: list[torch.Tensor], changes: dict[str, Any]
) -> None:
    """Every family, every kind of format: bit for bit the same logits, without calibration."""
    knobs = setting(make_knobs, changes)
    encoder = CompressibleEncoder(tiny)
    encoder.configure(knobs, batches)
    packed = packed_encoder(tiny, encoder, knobs)
    for batch in batches:
        expected = encoder.logits(batch).numpy().astype(np.float16)
        assert np.array_equal(packed.logits(batch), expected)
        first = next(packed.exits(batch))
        assert np.array_equal(first, expected[:, 0])


def test_same_faults(tiny: Path, make_knobs: MakeKnobs, batches: list[torch.Tensor]) -> None:
    """Read back from three-bit cells under one seed, both have the same wrong weights."""
    knobs = setting(
        make_knobs,
        SETTINGS[1]
        | {"encoder_storage": CellKind.RERAM_MLC3, "embedding_storage": CellKind.RERAM_MLC3},
    )
    encoder = CompressibleEncoder(tiny)
    encoder.configure(knobs, batches)
    packed = packed_encoder(tiny, encoder, knobs, seed=7)
    assert encoder.read_back(knobs, storage_of(knobs), 7) > 0
    expected = encoder.model.state_dict()
    for name, tensor in packed.model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_parts_of_another_encoder(
    tiny_folders: dict[str, Path], make_knobs: MakeKnobs, batches: list[torch.Tensor]
) -> None:
    """Weights or scales of another encoder are refused in one sentence."""
    knobs = setting(make_knobs, SETTINGS[1])
    bert, albert = (CompressibleEncoder(tiny_folders[name]) for name in ("bert", "albert"))
    for encoder in (bert, albert):
        encoder.configure(knobs, batches)
    weights, settled = bert.packed(knobs)
    other, other_settled = albert.packed(knobs)
    config = json.loads((tiny_folders["bert"] / "config.json").read_text())
    with pytest.raises(CheckpointError, match=r"weights.safetensors: does not fit config.json"):
        PackedEncoder(config, other, settled, knobs)
    with pytest.raises(CheckpointError, match=r"scales.json: scales of \d+ activations"):
        PackedEncoder(config, weights, other_settled, knobs)
