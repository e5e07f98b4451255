"""Compression: what spans, sparsity and number formats do to the logits of tiny encoders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from evaluators import compression
from evaluators.activations import ActivationQuantiser
from evaluators.checkpoint_folders import checkpoint_hash, load_checkpoint, save_checkpoint
from evaluators.compression import CompressibleEncoder
from evaluators.encoders import ExitEncoder
from evaluators.formats import quantise
from search_space import (
    FP16,
    FP32,
    FULL_SPAN_TOKENS,
    ModelKnobs,
    NumberFormat,
    PruningScope,
    adaptivfloat,
    parse_number_format,
)

MakeKnobs = Callable[..., ModelKnobs]
AF8, AF4 = adaptivfloat(8, 3), adaptivfloat(4, 2)


def plain_logits(model: ExitEncoder, batch: Tensor) -> Tensor:
    """Logits of an encoder that nothing was attached to."""
    with torch.inference_mode():
        found: Tensor = model(batch, torch.ones_like(batch))
    return found


def output_projections(model: ExitEncoder) -> list[nn.Linear]:
    """The output projection of each attention with weights of its own."""
    endings = ("attention.output.dense", "attention.dense", "attention.out_lin")
    return [
        module
        for name, module in model.backbone.named_modules()
        if name.endswith(endings) and isinstance(module, nn.Linear)
    ]


def matrices(model: ExitEncoder) -> dict[str, Tensor]:
    """Weight matrices by name."""
    return {name: tensor for name, tensor in model.state_dict().items() if tensor.ndim > 1}


def heavy(make_knobs: MakeKnobs) -> ModelKnobs:
    """A setting that uses every knob."""
    return make_knobs(
        span_budget_tokens=2,
        encoder_sparsity=0.5,
        embedding_sparsity=0.6,
        weight_format=AF8,
        activation_format=AF8,
    )


def test_uncompressed_equals_the_plain_model(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs
) -> None:
    """Full span, no sparsity and fp32 give the logits of the checkpoint bit for bit."""
    encoder = CompressibleEncoder(tiny)
    spans, *densities = encoder.configure(make_knobs(), batches[:1])
    model = load_checkpoint(tiny)
    for batch in batches:
        assert torch.allclose(encoder.logits(batch), plain_logits(model, batch), atol=1e-5)
    assert densities == [1.0, 1.0]
    assert {span for row in spans for span in row} == {FULL_SPAN_TOKENS}


def test_spans_have_a_row_for_each_distinct_layer(
    tiny_folders: dict[str, Path], batches: list[Tensor], make_knobs: MakeKnobs
) -> None:
    """Spans are of two heads for three layers, in ALBERT for the one that it shares."""
    for family, folder in tiny_folders.items():
        layers = 1 if family == "albert" else 3
        encoder = CompressibleEncoder(folder)
        spans, *_ = encoder.configure(make_knobs(span_budget_tokens=3), batches)
        assert [len(row) for row in spans] == [2] * layers
        assert sum(map(sum, spans)) <= 3 * 2 * layers


def test_span_beyond_the_longest_sentence_hides_nothing(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs
) -> None:
    """A budget of the longest calibration sentence loses nothing, but for rounding."""
    encoder = CompressibleEncoder(tiny)
    encoder.configure(make_knobs(span_budget_tokens=12), batches)
    model = load_checkpoint(tiny)
    for batch in batches:
        assert torch.allclose(encoder.logits(batch), plain_logits(model, batch), atol=1e-5)


@pytest.mark.parametrize("off", [(0,), (1,), (0, 1)])
def test_span_zero_removes_a_head(
    tiny: Path,
    batches: list[Tensor],
    make_knobs: MakeKnobs,
    monkeypatch: pytest.MonkeyPatch,
    off: tuple[int, ...],
) -> None:
    """A head of span 0 adds nothing: as if its columns of the output projection were 0."""
    model = load_checkpoint(tiny)
    n_layers = len(output_projections(model))
    row = [0 if head in off else FULL_SPAN_TOKENS for head in range(2)]
    monkeypatch.setattr(compression, "allocate_spans", lambda *_: row * n_layers)
    encoder = CompressibleEncoder(tiny)
    spans, *_ = encoder.configure(make_knobs(span_budget_tokens=64), batches)
    assert spans == (tuple(row),) * n_layers
    with torch.no_grad():
        for projection in output_projections(model):
            for head in off:
                projection.weight[:, head * 8 : (head + 1) * 8] = 0
    for batch in batches:
        assert torch.allclose(encoder.logits(batch), plain_logits(model, batch), atol=1e-5)


@pytest.mark.parametrize("budget", [FULL_SPAN_TOKENS, 4])
def test_heads_that_pass_on_least_are_off(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs, budget: int, tmp_path: Path
) -> None:
    """Half of the heads are off, the rest share the budget; logits are those of a model without.

    What each head passes on is weighed by hand: its columns of the output projection are made
    small for the first head of every layer.
    """
    model = load_checkpoint(tiny)
    with torch.no_grad():
        for projection in output_projections(model):
            projection.weight[:, :8] *= 1e-3
    tokenizer = Tokenizer.from_file(str(tiny / "tokenizer.json"))
    save_checkpoint(model, tmp_path / "weak", tokenizer, FP32)
    encoder = CompressibleEncoder(tmp_path / "weak")
    knobs = make_knobs(span_budget_tokens=budget, head_sparsity=0.5)
    spans, *_ = encoder.configure(knobs, batches)
    assert all(first == 0 and second > 0 for first, second in spans)
    assert sum(map(sum, spans)) <= budget * 2 * len(spans)
    if budget == FULL_SPAN_TOKENS:
        with torch.no_grad():
            for projection in output_projections(model):
                projection.weight[:, :8] = 0
        for batch in batches:
            assert torch.allclose(encoder.logits(batch), plain_logits(model, batch), atol=1e-5)


def test_budget_zero_switches_every_head_off(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs
) -> None:
    """Without attention a logit depends on the first token only, since no other is looked at."""
    encoder = CompressibleEncoder(tiny)
    spans, *_ = encoder.configure(make_knobs(span_budget_tokens=0), batches)
    assert not any(span for row in spans for span in row)
    batch = batches[1].clone()
    batch[:, 0] = 2
    found = encoder.logits(batch)
    assert torch.allclose(found, found[:1].expand_as(found), atol=1e-5)


def test_spans_follow_the_dense_encoder(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attention is measured on the dense encoder, whatever was set before."""
    seen: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = []

    def remember(
        by_distance: np.ndarray[tuple[int, ...], np.dtype[np.float64]], _: int
    ) -> list[int]:
        seen.append(by_distance)
        return [0] * len(by_distance)

    monkeypatch.setattr(compression, "allocate_spans", remember)
    fresh, used = CompressibleEncoder(tiny), CompressibleEncoder(tiny)
    used.configure(make_knobs(encoder_sparsity=0.9, activation_format=AF4), batches)
    for encoder in (fresh, used):
        encoder.configure(make_knobs(span_budget_tokens=4), batches)
    assert np.array_equal(seen[0], seen[1])
    assert not seen[0][:, 12:].any()  # no sentence is longer than 12 tokens
    assert seen[0][:, 0].all()


@pytest.mark.parametrize(
    ("encoder_sparsity", "embedding_sparsity"), [(0.0, 0.0), (0.5, 0.0), (0.3, 0.7), (0.0, 0.9)]
)
def test_densities_are_measured(
    tiny: Path,
    batches: list[Tensor],
    make_knobs: MakeKnobs,
    encoder_sparsity: float,
    embedding_sparsity: float,
) -> None:
    """Densities are the counted shares of weights that are not 0, classifiers being left whole."""
    encoder = CompressibleEncoder(tiny)
    knobs = make_knobs(encoder_sparsity=encoder_sparsity, embedding_sparsity=embedding_sparsity)
    _, encoder_density, embedding_density = encoder.configure(knobs, batches)
    kept = {"encoder": 0, "embedding": 0}
    sizes = {"encoder": 0, "embedding": 0}
    for name, weights in matrices(encoder.model).items():
        part = "embedding" if "embeddings" in name else "encoder"
        kept[part] += int((weights != 0).sum())
        sizes[part] += weights.numel()
        sparsity = {"encoder": encoder_sparsity, "embedding": embedding_sparsity}[part]
        expected = 0.0 if "classifier" in name else sparsity
        zeros = int((weights == 0).sum())
        # Stored in half precision, weights may be equal: such ties are pruned together.
        assert zeros == pytest.approx(expected * weights.numel(), abs=2)
    assert encoder_density == kept["encoder"] / sizes["encoder"]
    assert embedding_density == kept["embedding"] / sizes["embedding"]
    assert embedding_density == pytest.approx(1 - embedding_sparsity, abs=0.02)


def test_pruning_over_all_matrices(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs
) -> None:
    """The encoder is as sparse as asked for, not each of its matrices; classifiers stay."""
    encoder = CompressibleEncoder(tiny)
    knobs = make_knobs(encoder_sparsity=0.5, pruning_scope=PruningScope.GLOBAL)
    encoder.configure(knobs, batches)
    pruned = {n: m for n, m in matrices(encoder.model).items() if ".embeddings." not in n}
    classifiers = [name for name in pruned if ".classifier." in name]
    assert all(bool((pruned.pop(name) != 0).all()) for name in classifiers)
    zeros = [int((matrix == 0).sum()) for matrix in pruned.values()]
    share = sum(zeros) / sum(matrix.numel() for matrix in pruned.values())
    assert 0.5 <= share < 0.502  # stored in half precision: some are equal at the threshold
    assert len({z / m.numel() for z, m in zip(zeros, pruned.values(), strict=True)}) > 1


def test_coarse_formats_lower_the_density(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs
) -> None:
    """Weights that a format rounds to 0 count as zero."""
    encoder = CompressibleEncoder(tiny)
    densities = [
        encoder.configure(make_knobs(weight_format=f), batches)[1] for f in (FP32, AF8, AF4)
    ]
    assert densities == sorted(densities, reverse=True)
    assert densities[0] == 1.0 > densities[2]


@pytest.mark.parametrize("number_format", [FP16, AF8, AF4], ids=str)
def test_weights_are_rounded_and_vectors_are_not(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs, number_format: object
) -> None:
    """Every matrix is rounded to the format with its own scale; biases and norms stay."""
    dense = load_checkpoint(tiny).state_dict()
    encoder = CompressibleEncoder(tiny)
    knobs = make_knobs(weight_format=number_format)
    encoder.configure(knobs, batches)
    for name, tensor in encoder.model.state_dict().items():
        expected = quantise(dense[name], knobs.weight_format) if tensor.ndim > 1 else dense[name]
        assert torch.equal(tensor, expected), name


def test_every_matrix_product_sees_rounded_activations(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs
) -> None:
    """With 4-bit activations no linear map has an operand with more than 15 distinct values."""
    encoder = CompressibleEncoder(tiny)
    encoder.configure(make_knobs(activation_format=AF4), batches)
    operands: dict[str, int] = {}

    def count(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, args: tuple[Tensor, ...]) -> None:
            operands[name] = max(operands.get(name, 0), len(set(args[0].flatten().tolist())))

        return hook

    for name, module in encoder.model.named_modules():
        if isinstance(module, nn.Linear):
            module.register_forward_pre_hook(count(name))
    for batch in batches:
        encoder.logits(batch)
    linears = sum(isinstance(module, nn.Linear) for module in encoder.model.modules())
    assert len(operands) == linears
    assert max(operands.values()) <= 15


def test_quantiser_looks_then_rounds() -> None:
    """While calibrating it returns its input and keeps the largest magnitude; then it rounds."""
    quantiser = ActivationQuantiser(AF4, calibrating=True)
    x = torch.tensor([0.3, -2.89])
    assert torch.equal(quantiser(x), x)
    assert torch.equal(quantiser(x / 2), x / 2)
    quantiser.calibrating = False
    assert quantiser.max_abs == pytest.approx(2.89)
    assert quantiser(torch.tensor([0.3, -2.6, 100.0])).tolist() == [0.375, -3.0, 3.0]
    assert quantiser.max_abs == pytest.approx(2.89)


def test_settings_leave_no_trace(tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs) -> None:
    """Back and forth between settings, each gives the same logits, and the files do not change."""
    before = checkpoint_hash(tiny)
    encoder = CompressibleEncoder(tiny)
    settings = [make_knobs(), heavy(make_knobs), make_knobs(weight_format=AF4)]
    first = []
    for knobs in settings:
        encoder.configure(knobs, batches)
        first.append([encoder.logits(batch) for batch in batches])
    for knobs, expected in [*zip(settings, first, strict=True)][::-1]:
        encoder.configure(knobs, batches)
        for batch, logits in zip(batches, expected, strict=True):
            assert torch.equal(encoder.logits(batch), logits)
    assert not torch.equal(first[0][0], first[1][0])
    assert checkpoint_hash(tiny) == before


def test_fresh_encoder_gives_the_same_logits(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs
) -> None:
    """A setting does not depend on those before it: a new process would get the same logits."""
    used = CompressibleEncoder(tiny)
    used.configure(make_knobs(span_budget_tokens=1, weight_format=AF4), batches)
    used.configure(make_knobs(activation_format=AF8), batches)
    sparse = make_knobs(span_budget_tokens=2, encoder_sparsity=0.9, activation_format=AF8)
    used.configure(sparse, batches)  # needs smaller scales than the setting before
    fresh = CompressibleEncoder(tiny)
    fresh.configure(sparse, batches)
    for batch in batches:
        assert torch.equal(used.logits(batch), fresh.logits(batch))


def test_activation_scales_do_not_depend_on_batches(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs
) -> None:
    """Scales are set by calibration alone: what ran before or beside a sentence changes nothing."""
    encoder = CompressibleEncoder(tiny)
    encoder.configure(make_knobs(activation_format=AF8), batches[:1])
    before = encoder.logits(batches[1])
    encoder.logits(batches[3])
    assert torch.equal(encoder.logits(batches[1]), before)
    for row, expected in zip(batches[1], before, strict=True):
        alone = encoder.logits(row[None])[0]
        # A product rounded otherwise may fall on the other side of a tie: one step, now and then.
        assert torch.allclose(alone, expected, atol=0.1)


def test_coarser_formats_move_logits_further(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs
) -> None:
    """Logits move by more with 4-bit than with 8-bit numbers, for weights and for activations."""
    encoder = CompressibleEncoder(tiny)
    for field in ("weight_format", "activation_format"):
        encoder.configure(make_knobs(), batches)
        dense = [encoder.logits(batch) for batch in batches]
        moved = []
        for number_format in (FP16, AF8, AF4):
            encoder.configure(make_knobs(**{field: number_format}), batches)
            pairs = zip(batches, dense, strict=True)
            moved.append(sum(float((encoder.logits(b) - d).abs().sum()) for b, d in pairs))
        assert moved == sorted(moved)


def test_albert_groups_have_their_own_spans(
    make_encoder: Callable[..., ExitEncoder],
    tokenizer: Tokenizer,
    tmp_path: Path,
    batches: list[Tensor],
    make_knobs: MakeKnobs,
) -> None:
    """An ALBERT of three groups of weights is compressed group by group."""
    model = make_encoder("albert", num_hidden_groups=3)
    save_checkpoint(model, tmp_path, tokenizer)
    encoder = CompressibleEncoder(tmp_path)
    spans, *_ = encoder.configure(make_knobs(span_budget_tokens=2), batches)
    assert [len(row) for row in spans] == [2, 2, 2]
    encoder.configure(make_knobs(), batches)
    plain = load_checkpoint(tmp_path)
    assert torch.allclose(encoder.logits(batches[0]), plain_logits(plain, batches[0]), atol=1e-5)


@pytest.mark.parametrize(
    ("weights", "activations"),
    [
        ("e4m3", "e5m2"),
        ("int8", "int8-affine"),
        ("int8-channel", "int8-p99.9"),
        ("int8-affine-channel-mse", "int8-mse"),
        ("posit<8,0>", "posit<8,1>"),
        ("mxfp8-e4m3", "mxint8"),
        ("mxfp6-e2m3", "mxfp6-e3m2"),
    ],
)
def test_every_format_can_be_evaluated(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs, weights: str, activations: str
) -> None:
    """Logits move, but by less than with the format of four bits; weights are what codecs make."""
    dense = load_checkpoint(tiny)
    expected = [plain_logits(dense, batch) for batch in batches]
    encoder = CompressibleEncoder(tiny)

    def moved(weight_format: NumberFormat, activation_format: NumberFormat) -> float:
        encoder.configure(
            make_knobs(weight_format=weight_format, activation_format=activation_format), batches
        )
        pairs = zip(batches, expected, strict=True)
        return sum(float((encoder.logits(batch) - e).abs().sum()) for batch, e in pairs)

    coarse = moved(AF4, AF4)
    weight_format = parse_number_format(weights)
    assert 0 < moved(weight_format, parse_number_format(activations)) < coarse
    state = dense.state_dict()
    for name, tensor in matrices(encoder.model).items():
        assert torch.equal(tensor, quantise(state[name], weight_format)), name
