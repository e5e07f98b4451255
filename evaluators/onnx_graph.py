"""The encoder of an export as an ONNX graph: weights, spans and rounding of activations included.

Rounding to a format with one scale is a step function. The graph looks up where a value lies among
the steps, whose edges are exact fp32 numbers, found by asking the codec itself. So every rounding
is that of the evaluator bit for bit; matrix products are those of the runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluators.codecs.codec import Scaling
from evaluators.codecs.registry import codec_of
from evaluators.families import Family, family_of
from evaluators.packed_weights import PackedWeights
from evaluators.settled import Settled
from search_space import FP16, FP32, ModelKnobs, NumberFormat, ScaleSharing, SpecialFunctions

_OPSET: Final = 20
_LAYER_NORMS: Final = {
    "bert": ("attention.output.LayerNorm", "output.LayerNorm"),
    "roberta": ("attention.output.LayerNorm", "output.LayerNorm"),
    "albert": ("attention.LayerNorm", "full_layer_layer_norm"),
    "distilbert": ("sa_layer_norm", "output_layer_norm"),
}
"""Layer norms behind attention and behind the feed-forward part, from the layer."""
_ACTIVATIONS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "gelu": ("Gelu", {"approximate": "none"}),
    "gelu_new": ("Gelu", {"approximate": "tanh"}),
    "gelu_pytorch_tanh": ("Gelu", {"approximate": "tanh"}),
    "relu": ("Relu", {}),
}


class OnnxError(ValueError):
    """A setting that has no graph, or the package is missing."""


def rounding_steps(
    number_format: NumberFormat, scaling: Scaling
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Values (n,) that a format with one scale rounds to, rising, and their lower edges (n - 1,).

    x becomes value i if edge i - 1 <= x < edge i.
    """
    codec = codec_of(number_format)
    numbers = codec.numbers[~np.isnan(codec.numbers)] - scaling.zero_point[0]
    candidates = np.unique((numbers * np.float64(scaling.factor[0])).astype(np.float32) + 0.0)
    values = candidates[codec.quantise(candidates, scaling) == candidates]
    # Rounding never falls, so the edge between two values is found by halving, number by number.
    below, above = _places(values[:-1]), _places(values[1:])
    while (above - below > 1).any():
        middle = (below + above) // 2
        is_up = codec.quantise(_numbers(middle), scaling) >= values[1:]
        below, above = np.where(is_up, below, middle), np.where(is_up, middle, above)
    return values, _numbers(above)


def _places(x: NDArray[np.float32]) -> NDArray[np.int64]:
    """Where fp32 numbers (any shape) are in their order; 0 is at 0, neighbours differ by 1."""
    bits = x.view(np.int32).astype(np.int64)
    places: NDArray[np.int64] = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    return places


def _numbers(places: NDArray[np.int64]) -> NDArray[np.float32]:
    """The numbers at those places."""
    bits = np.where(places < 0, np.abs(places) | 0x80000000, places)
    return bits.astype(np.uint32).view(np.float32)


@dataclass(slots=True)
class _Graph:
    """Nodes and constants so far; methods give the name of what they make."""

    onnx: Any
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def constant(self, value: NDArray[Any]) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def cast(self, x: str, kind: str) -> str:
        return self.op("Cast", x, to=getattr(self.onnx.TensorProto, kind))

    def axes(self, *values: int) -> str:
        return self.constant(np.array(values, dtype=np.int64))

    def rounded(self, x: str, number_format: NumberFormat, scaling: Scaling | None) -> str:
        """The tensor in a number format."""
        if number_format == FP32:
            return x
        if number_format == FP16:
            return self.cast(self.cast(x, "FLOAT16"), "FLOAT")
        if scaling is None or number_format.scale_sharing is ScaleSharing.BLOCK:
            raise OnnxError(
                f"activation_format {number_format}: scales of blocks follow from every tensor, "
                "and have no graph; expected a format with one scale."
            )
        values, edges = rounding_steps(number_format, scaling)
        steps = max(len(values) - 1, 1).bit_length()
        padded = np.full((1 << steps) - 1, np.inf, dtype=np.float32)
        padded[: len(edges)] = edges
        bounds = self.constant(padded)
        place = self.constant(np.zeros((), dtype=np.int32))
        one = self.constant(np.ones((), dtype=np.int32))
        for bit in reversed(range(steps)):
            step = self.constant(np.array(1 << bit, dtype=np.int32))
            further = self.op("Add", place, step)
            edge = self.op("Gather", bounds, self.op("Sub", further, one))
            place = self.op("Where", self.op("GreaterOrEqual", x, edge), further, place)
        return self.op("Gather", self.constant(values), place)


@dataclass(slots=True)
class _Encoder:
    """What the graph is made of."""

    graph: _Graph
    tensors: Mapping[str, NDArray[np.float32]]
    settled: Settled
    config: Mapping[str, Any]
    knobs: ModelKnobs
    family: Family

    def round(self, x: str, place: str) -> str:
        return self.graph.rounded(x, self.knobs.activation_format, self.settled.scales[place])

    def linear(self, x: str, name: str) -> str:
        weight = self.graph.constant(self.tensors[f"{name}.weight"].T)
        bias = self.graph.constant(self.tensors[f"{name}.bias"])
        return self.graph.op("Add", self.graph.op("MatMul", x, weight), bias)

    def layer_norm(self, x: str, name: str) -> str:
        scale, bias = (
            self.graph.constant(self.tensors[f"backbone.{name}.{part}"])
            for part in ("weight", "bias")
        )
        eps = float(self.config.get("layer_norm_eps", 1e-12))
        normed = self.graph.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=eps)
        return self.round(normed, name)

    def embedded(self) -> tuple[str, str]:
        """Input of layer 1, and the distance of every pair of tokens (tokens, tokens)."""
        g, tables = self.graph, "backbone.embeddings"
        count = g.op("Gather", g.op("Shape", "input_ids"), g.constant(np.array(1)))
        zero, one = g.constant(np.array(0)), g.constant(np.array(1))
        place = g.op("Range", zero, count, one)
        ahead = g.op("Unsqueeze", place, g.axes(1)), g.op("Unsqueeze", place, g.axes(0))
        distance = g.op("Abs", g.op("Sub", *ahead))
        words = g.constant(self.tensors[f"{tables}.word_embeddings.weight"])
        state = g.op("Gather", words, "input_ids")
        types = self.tensors.get(f"{tables}.token_type_embeddings.weight")
        if types is not None:
            kind = "token_type_ids"
            if len(types) < 2:
                kind = g.op("Mul", "input_ids", zero)
            state = g.op("Add", state, g.op("Gather", g.constant(types), kind))
        first = self.config["pad_token_id"] + 1 if self.family.positions_follow_padding else 0
        positions = g.constant(self.tensors[f"{tables}.position_embeddings.weight"])
        where = g.op("Add", place, g.constant(np.array(first)))
        state = g.op("Add", state, g.op("Gather", positions, where))
        state = self.layer_norm(state, "embeddings.LayerNorm")
        if self.family.projection is not None:
            state = self.linear(state, f"backbone.{self.family.projection}")
            state = self.round(state, self.family.projection)
        return state, distance

    def layer(self, state: str, distance: str, number: int, layer: str) -> str:
        """Output of a layer: number of its set of weights, path from the backbone."""
        g, parts, at = self.graph, self.family.parts, f"backbone.{layer}"
        after_attention, after_ffn = _LAYER_NORMS[self.family.name]
        spans = np.array(self.settled.head_spans[number])
        heads, hidden = len(spans), len(self.tensors[f"{at}.{parts.output}.bias"])
        width = hidden // heads
        split = g.axes(0, 0, heads, width)

        def operand(path: str, name: str) -> str:
            by_head = g.op("Reshape", self.linear(state, f"{at}.{path}"), split)
            turned = g.op("Transpose", by_head, perm=[0, 2, 1, 3])
            return self.round(turned, f"weight_set.{number}.{name}")

        query, key, value = (operand(getattr(parts, n), n) for n in ("query", "key", "value"))
        scores = g.op("MatMul", query, g.op("Transpose", key, perm=[0, 1, 3, 2]))
        scores = g.op("Mul", scores, g.constant(np.array(width**-0.5, dtype=np.float32)))
        seen = g.constant(np.maximum(spans, 1)[:, None, None])
        hidden_score = g.constant(np.array(-np.inf, dtype=np.float32))
        scores = g.op("Where", g.op("Less", distance, seen), scores, hidden_score)
        shares = self.round(g.op("Softmax", scores, axis=-1), f"weight_set.{number}.probs")
        is_on = g.constant((spans > 0).astype(np.float32)[:, None, None])
        context = g.op("Mul", g.op("MatMul", shares, value), is_on)
        context = self.round(context, f"weight_set.{number}.context")
        joined = g.op("Transpose", context, perm=[0, 2, 1, 3])
        joined = g.op("Reshape", joined, g.axes(0, 0, hidden))
        output = self.linear(joined, f"{at}.{parts.output}")
        state = self.layer_norm(g.op("Add", output, state), f"{layer}.{after_attention}")
        key_of = "activation" if self.family.name == "distilbert" else "hidden_act"
        kind, attributes = _ACTIVATIONS[str(self.config.get(key_of, "gelu"))]
        up = g.op(kind, self.linear(state, f"{at}.{parts.up}"), **attributes)
        down = self.linear(self.round(up, f"weight_set.{number}.activation"), f"{at}.{parts.down}")
        return self.layer_norm(g.op("Add", down, state), f"{layer}.{after_ffn}")

    def exit(self, state: str, number: int) -> str:
        """Logits (batch, 1, n_classes) of an exit, counted from 0."""
        g = self.graph
        first = g.op("Gather", state, g.constant(np.array(0)), axis=1)
        pooled = self.linear(first, f"exits.{number}.pooler")
        kind = {"tanh": "Tanh", "relu": "Relu"}[self.family.pooler_activation.__name__]
        pooled = self.round(g.op(kind, pooled), f"exits.{number}.classifier")
        return g.op("Unsqueeze", self.linear(pooled, f"exits.{number}.classifier"), g.axes(1))


def onnx_encoder(
    config: Mapping[str, Any],
    weights: PackedWeights,
    settled: Settled,
    knobs: ModelKnobs,
    design_hash: str,
) -> bytes:
    """The graph: token ids (batch, tokens) without padding to logits (batch, n_exits, n_classes).

    Encoders that tell sentences of a pair apart take ``token_type_ids`` too, 0 and 1. Logits are
    in half precision, as those of traces.

    Raises:
        OnnxError: the package ``onnx`` is missing, or the setting has no graph: special functions
            in integers, activations in blocks, or an activation function that is not known.
    """
    if knobs.special_functions is not SpecialFunctions.EXACT:
        raise OnnxError(
            f"special_functions {knobs.special_functions}: softmax and layer norm in integers have "
            "no graph; expected 'exact'."
        )
    family = family_of(config)
    known = {key: config[key] for key in family.config_keys & config.keys()}
    config = family.config(**known).to_dict()  # with the library's own defaults
    onnx = imported_onnx()
    graph = _Graph(onnx)
    tensors = weights.tensors()
    encoder = _Encoder(graph, tensors, settled, config, knobs, family)
    n_layers, n_sets = int(config[family.sizes["layers"]]), len(settled.head_spans)
    try:
        state, distance = encoder.embedded()
        exits = []
        for place in range(n_layers):
            number = place * n_sets // n_layers
            layer = ".".join(part for part in (family.layers, str(number), family.layer) if part)
            state = encoder.layer(state, distance, number, layer)
            exits.append(encoder.exit(state, place))
    except KeyError as error:
        raise OnnxError(f"{error} of the encoder is not known: no graph can be made.") from error
    both = graph.op("Concat", *exits, axis=1)
    last = onnx.helper.make_node("Cast", [both], ["logits"], to=onnx.TensorProto.FLOAT16)
    ids, half = onnx.TensorProto.INT64, onnx.TensorProto.FLOAT16
    inputs = [onnx.helper.make_tensor_value_info("input_ids", ids, ["batch", "tokens"])]
    if int(config.get("type_vocab_size", 0)) > 1:
        kind = onnx.helper.make_tensor_value_info("token_type_ids", ids, ["batch", "tokens"])
        inputs.append(kind)
    classes = len(tensors["exits.0.classifier.bias"])
    output = onnx.helper.make_tensor_value_info("logits", half, ["batch", n_layers, classes])
    made = onnx.helper.make_model(
        onnx.helper.make_graph([*graph.nodes, last], "encoder", inputs, [output], graph.constants),
        producer_name="edge-dse",
        opset_imports=[onnx.helper.make_opsetid("", _OPSET)],
        ir_version=9,
    )
    onnx.helper.set_model_props(made, {"design_hash": design_hash})
    return bytes(made.SerializeToString(deterministic=True))


def imported_onnx() -> Any:
    """The package ``onnx``.

    Raises:
        OnnxError: it is not installed.
    """
    try:
        return import_module("onnx")
    except ImportError as error:
        raise OnnxError(
            f"--onnx needs the package onnx, which cannot be imported ({error}): run "
            "`pip install edge-dse[onnx]`."
        ) from error
