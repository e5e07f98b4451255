"""The ONNX graph of an encoder rounds as codecs do and answers as the packed encoder does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluators.codecs.codec import Scaling
from evaluators.codecs.registry import codec_of
from evaluators.compression import CompressibleEncoder
from evaluators.onnx_graph import OnnxError, onnx_encoder, rounding_steps
from evaluators.packed_encoder import PackedEncoder
from search_space import ModelKnobs, SpecialFunctions, parse_number_format

MakeKnobs = Callable[..., ModelKnobs]


@pytest.mark.parametrize(
    "name", ["adaptivfloat<8,3>", "adaptivfloat<5,3>", "int8", "int4-affine", "e4m3", "posit<8,1>"]
)
def test_steps_are_those_of_the_codec(name: str) -> None:
    """At every edge, beside it, and anywhere, looking up the step is rounding."""
    number_format = parse_number_format(name)
    codec = codec_of(number_format)
    affine = np.array([3 if number_format.affine else 0], dtype=np.int32)
    scaling = Scaling(np.array([0.125], dtype=np.float32), affine)
    values, edges = rounding_steps(number_format, scaling)
    rng = np.random.default_rng(0)
    drawn = (rng.normal(size=5000) * float(np.abs(values).max()) / 2).astype(np.float32)
    below, above = np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf)
    x = np.concatenate([drawn, edges, below, above]).astype(np.float32)
    found = values[np.searchsorted(edges, x, side="right")]
    assert np.array_equal(found, codec.quantise(x, scaling))


@pytest.mark.parametrize("activations", ["fp32", "adaptivfloat<8,3>"])
def test_runtime_gives_the_same_logits(
    tiny: Path, make_knobs: MakeKnobs, batches: list[torch.Tensor], activations: str
) -> None:
    """Every family, pruned, with spans: onnxruntime's logits are those of the packed encoder."""
    runtime = pytest.importorskip("onnxruntime")
    knobs = make_knobs(
        weight_format=parse_number_format("adaptivfloat<6,3>"),
        activation_format=parse_number_format(activations),
        encoder_sparsity=0.5,
        span_budget_tokens=4,
    )
    encoder = CompressibleEncoder(tiny)
    encoder.configure(knobs, batches)
    weights, settled = encoder.packed(knobs)
    config = json.loads((tiny / "config.json").read_text())
    packed = PackedEncoder(config, weights, settled, knobs)
    content = onnx_encoder(config, weights, settled, knobs, "0" * 16)
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == {"design_hash": "0" * 16}
    names = {found.name for found in session.get_inputs()}
    for batch in batches:
        given = {"input_ids": batch.numpy(), "token_type_ids": np.zeros_like(batch.numpy())}
        (logits,) = session.run(["logits"], {name: given[name] for name in names})
        expected = packed.logits(batch)
        assert logits.dtype == np.float16
        assert np.array_equal(logits.argmax(-1), expected.argmax(-1))
        # A sum that ends on an edge may round to the step beside it: rare, and then no more.
        difference = np.abs(logits.astype(np.float64) - expected)
        assert np.median(difference) < 2e-3


def test_settings_without_a_graph(
    tiny_folders: dict[str, Path], make_knobs: MakeKnobs, batches: list[torch.Tensor]
) -> None:
    """Special functions in integers and blocks are refused in one sentence."""
    folder = tiny_folders["bert"]
    config = json.loads((folder / "config.json").read_text())
    encoder = CompressibleEncoder(folder)
    for changes, told in (
        ({"special_functions": SpecialFunctions.FULLY_QUANTISED}, "in integers have no graph"),
        ({"activation_format": parse_number_format("mxint8")}, "scales of blocks"),
    ):
        knobs = make_knobs(**changes)
        encoder.configure(knobs, batches)
        weights, settled = encoder.packed(knobs)
        with pytest.raises(OnnxError, match=told):
            onnx_encoder(config, weights, settled, knobs, "0" * 16)
