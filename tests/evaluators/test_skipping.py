"""Skipped work: heads that are off and idle neurons are not computed, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from evaluators import compression
from evaluators.checkpoint_folders import load_checkpoint
from evaluators.compression import CompressibleEncoder
from evaluators.encoders import ExitEncoder
from evaluators.families import LayerParts
from evaluators.skipping import MOST_NEURONS_KEPT, run_all, skip_idle
from evaluators.token_rows import pad_batch
from search_space import FULL_SPAN_TOKENS, ModelKnobs, SpecialFunctions, adaptivfloat

MakeKnobs = Callable[..., ModelKnobs]
AF8 = adaptivfloat(8, 3)


def layer(hidden: int = 8, ffn: int = 20) -> LayerParts:
    """Random parts of a layer."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        query, key, value, output = (nn.Linear(hidden, hidden) for _ in range(4))
        up, down = nn.Linear(hidden, ffn), nn.Linear(ffn, hidden)
    norm = nn.LayerNorm(hidden)
    return LayerParts(nn.Identity(), query, key, value, output, norm, up, nn.GELU(), down)


def feed_forward(parts: LayerParts, x: Tensor) -> Tensor:
    """Both feed-forward matrices with the activation function between them."""
    with torch.inference_mode():
        found: Tensor = parts.down(parts.activation(parts.up(x)))
    return found


def spans_of(encoder: CompressibleEncoder, *row: int) -> list[list[int]]:
    """The same spans in every distinct layer."""
    model = encoder.model
    return [list(row)] * len(model.family.weight_sets(model.backbone))


def test_projections_of_a_head_that_is_off_by_hand() -> None:
    """With head 1 of 4 off, the projections give the 6 columns of the others and read no more."""
    parts = layer()
    heads = skip_idle(parts, torch.tensor([3, 0, 128, 1]))
    assert heads.tolist() == [0, 2, 3]
    columns = [0, 1, 4, 5, 6, 7]
    x, context = torch.randn(2, 3, 8), torch.randn(2, 3, 6)
    with torch.inference_mode():
        for linear in (parts.query, parts.key, parts.value):
            expected = functional.linear(x, linear.weight[columns], linear.bias[columns])
            assert torch.equal(linear(x), expected)
        masked = torch.zeros(2, 3, 8)
        masked[..., columns] = context
        expected = functional.linear(masked, parts.output.weight, parts.output.bias)
        assert torch.allclose(parts.output(context), expected, atol=1e-6)
    assert parts.query.weight.shape == (8, 8)  # the weights stay whole
    run_all(parts)
    with torch.inference_mode():
        assert parts.query(x).shape == (2, 3, 8)


def test_head_whose_context_is_not_read_is_skipped() -> None:
    """A head that meets only zeros in the output projection is skipped, whatever its span."""
    parts = layer()
    with torch.no_grad():
        parts.output.weight[:, 4:6] = 0
    assert skip_idle(parts, torch.full((4,), 128)).tolist() == [0, 1, 3]


def test_without_heads_one_is_left_that_adds_nothing() -> None:
    """All heads off, one is projected for the library's sake, and the output is the bias alone."""
    parts = layer()
    assert skip_idle(parts, torch.zeros(4, dtype=torch.long)).tolist() == [0]
    with torch.inference_mode():
        assert parts.output(torch.ones(5, 2)).tolist() == [parts.output.bias.tolist()] * 5


@pytest.mark.parametrize("idle", [0, 1, 2, 10, 19, 20])
def test_idle_neurons_are_skipped(idle: int) -> None:
    """Neurons that no output reads are left out if they are a tenth or more; sums are the same."""
    parts = layer()
    with torch.no_grad():
        parts.down.weight[:, :idle] = 0
    x = torch.randn(3, 8)
    expected = feed_forward(parts, x)
    skip_idle(parts, torch.full((4,), 128))
    with torch.inference_mode():
        computed = parts.up(x).shape[-1]
    assert computed == (20 - idle if 20 - idle <= MOST_NEURONS_KEPT * 20 else 20)
    assert torch.allclose(feed_forward(parts, x), expected, atol=1e-6)


def test_nothing_is_skipped_where_nothing_is_idle() -> None:
    """A layer with every head on and no zero column gives what its own forward passes give."""
    parts = layer()
    linears = (parts.query, parts.key, parts.value, parts.output, parts.up, parts.down)
    inputs = [torch.randn(2, 3, linear.in_features) for linear in linears]
    with torch.inference_mode():
        expected = [linear(x) for linear, x in zip(linears, inputs, strict=True)]
        assert skip_idle(parts, torch.full((4,), 1)).tolist() == [0, 1, 2, 3]
        found = [linear(x) for linear, x in zip(linears, inputs, strict=True)]
    assert all("forward" in linear.__dict__ for linear in linears)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("row", [(0, 128), (128, 0), (0, 0), (0, 3)])
@pytest.mark.parametrize("activations", [None, AF8])
def test_skipping_equals_masking(
    tiny: Path,
    batches: list[Tensor],
    make_knobs: MakeKnobs,
    monkeypatch: pytest.MonkeyPatch,
    row: tuple[int, int],
    activations: object,
) -> None:
    """In every family, logits with heads skipped equal those with heads multiplied by 0."""
    knobs = make_knobs(**({} if activations is None else {"activation_format": activations}))
    encoder = CompressibleEncoder(tiny)
    spans = spans_of(encoder, *row)
    found, *_ = encoder.configure(knobs, batches, spans)
    assert [list(layer) for layer in found] == spans
    skipped = [encoder.logits(batch) for batch in batches]
    monkeypatch.setattr(compression, "skip_idle", lambda *_: None)
    encoder.configure(knobs, batches, spans)
    for batch, logits in zip(batches, skipped, strict=True):
        if activations is None:
            assert torch.allclose(encoder.logits(batch), logits, atol=1e-5)
        else:  # a sum rounded otherwise may fall on the other side of a tie, now and then
            assert torch.allclose(encoder.logits(batch), logits, atol=0.15)


def test_projections_of_skipped_heads_do_not_run(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs
) -> None:
    """With one of two heads off, queries, keys, values and contexts are half as wide."""
    encoder = CompressibleEncoder(tiny)
    encoder.configure(make_knobs(), batches, spans_of(encoder, 0, FULL_SPAN_TOKENS))
    widths: set[int] = set()
    for parts in encoder.model.family.weight_sets(encoder.model.backbone):
        for linear in (parts.query, parts.key, parts.value):
            linear.register_forward_hook(lambda _m, _i, output: widths.add(output.shape[-1]))
        parts.output.register_forward_pre_hook(lambda _m, args: widths.add(args[0].shape[-1]))
    encoder.logits(batches[0])
    assert widths == {8}
    encoder.configure(make_knobs(), batches)
    encoder.logits(batches[0])
    assert widths == {8, 16}


def test_given_spans_must_fit(tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs) -> None:
    """Spans for another number of layers or heads are refused with what was expected."""
    encoder = CompressibleEncoder(tiny)
    layers = len(spans_of(encoder, 1, 1))
    for spans in ([[1, 1]] * (layers + 1), [[1, 1, 1]] * layers):
        with pytest.raises(ValueError, match=f"expected {layers} distinct layers of 2 heads"):
            encoder.configure(make_knobs(), batches, spans)


def test_fewer_layers_of_a_compressed_encoder(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs
) -> None:
    """Up to a layer, logits are the first of those of all layers."""
    encoder = CompressibleEncoder(tiny)
    encoder.configure(make_knobs(span_budget_tokens=2, encoder_sparsity=0.5), batches)
    every = encoder.logits(batches[1])
    for layers in (1, 2, 3):
        found = encoder.logits(batches[1], layers=layers)
        assert torch.allclose(found, every[:, :layers], atol=1e-5)
    with pytest.raises(ValueError, match="layers 4 of an encoder: expected 1 to 3"):
        encoder.logits(batches[1], layers=4)


@pytest.mark.parametrize(
    ("changes", "tolerance"),
    [
        ({}, 1e-5),
        ({"span_budget_tokens": 2, "encoder_sparsity": 0.5, "weight_format": AF8}, 1e-5),
        # a sum rounded otherwise may fall on the other side of a tie, now and then
        ({"activation_format": AF8}, 0.15),
        ({"activation_format": AF8, "special_functions": SpecialFunctions.FULLY_QUANTISED}, 0.15),
    ],
)
def test_only_the_first_token_of_the_last_layer_is_worked_out(
    tiny: Path,
    batches: list[Tensor],
    make_knobs: MakeKnobs,
    changes: dict[str, object],
    tolerance: float,
) -> None:
    """Its feed-forward part sees one token a sentence, other layers all; the logits are the same.

    Hidden states that are asked for are whole before and after.
    """
    encoder = CompressibleEncoder(tiny)
    encoder.configure(make_knobs(**changes), batches)
    model, batch = encoder.model, batches[1]
    seen: list[int] = []
    for parts in model.family.weight_sets(model.backbone):
        parts.up.register_forward_pre_hook(lambda _m, args: seen.append(args[0].shape[1]))
    with torch.inference_mode():
        whole = model(batch)
    tokens = batch.shape[1]
    assert seen == [tokens] * 3
    for layers in (3, 1):
        seen.clear()
        found = encoder.logits(batch, layers=layers)
        assert seen == [tokens] * (layers - 1) + [1]
        assert torch.allclose(found, whole[:, :layers], atol=tolerance)
    seen.clear()
    with torch.inference_mode():
        assert torch.equal(model(batch), whole)
    assert seen == [tokens] * 3


@pytest.mark.parametrize("budget", [2, FULL_SPAN_TOKENS])
def test_padding_is_never_seen(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs, budget: int
) -> None:
    """Sentences padded to one length have the logits that they have alone, whatever their spans."""
    encoder = CompressibleEncoder(tiny)
    encoder.configure(make_knobs(span_budget_tokens=budget), batches)
    rows = [row.tolist() for batch in batches for row in batch[:2]]
    with torch.inference_mode():
        found = encoder.model(*pad_batch(rows, encoder.model.pad_id))
    alone = torch.cat([encoder.logits(torch.tensor([row])) for row in rows])
    assert torch.allclose(found, alone, atol=1e-5)


@settings(
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    sparsity=st.sampled_from([0.0, 0.9, 0.98]),
    row=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    family=st.sampled_from(["albert", "bert", "distilbert", "roberta"]),
)
def test_sparse_settings_equal_their_own_weights(
    tiny_folders: dict[str, Path],
    batches: list[Tensor],
    make_knobs: MakeKnobs,
    sparsity: float,
    row: tuple[int, int],
    family: str,
) -> None:
    """However much is pruned, skipping gives what the same weights give with everything run."""
    encoder = CompressibleEncoder(tiny_folders[family])
    encoder.configure(make_knobs(encoder_sparsity=sparsity), batches, spans_of(encoder, *row))
    found = encoder.logits(batches[0])
    whole: ExitEncoder = load_checkpoint(tiny_folders[family])
    whole.load_state_dict(encoder.model.state_dict())
    if min(row) == 6:  # no batch of 5 tokens is cut
        with torch.inference_mode():
            assert torch.allclose(found, whole(batches[0]), atol=1e-5)
    for parts in encoder.model.family.weight_sets(encoder.model.backbone):
        run_all(parts)
        parts.attention.compression_site.heads = None  # type: ignore[union-attr]
    assert torch.allclose(encoder.logits(batches[0]), found, atol=1e-5)
