"""Trainable compression: what it computes is what evaluation computes; gradients reach all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from evaluators import magnitudes, straight_through
from evaluators.checkpoint_folders import load_checkpoint
from evaluators.codecs.calibration import Calibration
from evaluators.codecs.registry import codec_of
from evaluators.compression import CompressibleEncoder
from evaluators.magnitudes import magnitude_thresholds
from evaluators.pruning import prune_by_magnitude
from evaluators.sampling import Sampling
from evaluators.token_rows import pad_batch
from evaluators.trainable_compression import TrainableCompression
from evaluators.training_stages import Stage
from search_space import FP32, FULL_SPAN_TOKENS, ModelKnobs, adaptivfloat, parse_number_format

MakeKnobs = Callable[..., ModelKnobs]
AF8, AF4 = adaptivfloat(8, 3), adaptivfloat(4, 2)
SAMPLING = Sampling(
    span_budget_tokens=(FULL_SPAN_TOKENS, 6, 2),
    encoder_sparsity=(0.0, 0.5, 0.8),
    embedding_sparsity=(0.0, 0.6),
    weight_format=(FP32, AF8, AF4),
    activation_format=(FP32, AF8),
)
SETTINGS: list[dict[str, Any]] = [
    {},
    {"encoder_sparsity": 0.5},
    {"embedding_sparsity": 0.6},
    {"span_budget_tokens": 2},
    {"weight_format": AF4},
    {"activation_format": AF8},
    {
        "span_budget_tokens": 6,
        "encoder_sparsity": 0.8,
        "embedding_sparsity": 0.6,
        "weight_format": AF8,
        "activation_format": AF8,
    },
]


def trainable(folder: Path, batches: list[Tensor], **changes: Any) -> TrainableCompression:
    """A checkpoint ready for training, without dropout."""
    stage = Stage(name="s", epochs=1, learning_rate=1.0, sampling=replace(SAMPLING, **changes))
    made = TrainableCompression(load_checkpoint(folder), stage, batches, 1_000)
    made.look(0)
    return made


@pytest.mark.parametrize("changes", SETTINGS, ids=lambda changes: "-".join(changes) or "dense")
def test_logits_are_those_of_evaluation(
    tiny: Path,
    batches: list[Tensor],
    make_knobs: MakeKnobs,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
) -> None:
    """The same weights, setting and ranges give the logits of a compressible encoder."""
    monkeypatch.setattr(straight_through, "RANGE_DECAY", 1.0)
    knobs = make_knobs(**changes)
    encoder = CompressibleEncoder(tiny)
    encoder.configure(knobs, batches)
    learner = trainable(tiny, batches)
    for _ in range(5):  # until the ranges cover what they make of the batch
        found = learner.states(knobs, batches[3])[1]
    if knobs.activation_format != FP32:
        for quantiser, rounding in zip(encoder._activations, learner._roundings, strict=True):
            seen = Calibration.of_extremes(rounding.least, rounding.greatest)
            quantiser._scaling = codec_of(AF8).calibrated_scaling(seen)
    assert torch.allclose(found, encoder.logits(batches[3]), atol=1e-5)


@pytest.mark.parametrize(
    "name", ["fp16", "int8", "int8-affine", "int4-channel", "int4-mse", "posit<8,1>", "mxfp4"]
)
def test_every_weight_format_is_that_of_evaluation(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs, name: str
) -> None:
    """Rows that are looked up are rounded as the whole embedding matrix is, in every format."""
    number_format = parse_number_format(name)
    knobs = make_knobs(weight_format=number_format, embedding_sparsity=0.6)
    encoder = CompressibleEncoder(tiny)
    encoder.configure(knobs, batches)
    learner = trainable(tiny, batches, weight_format=(number_format,))
    found = learner.states(knobs, batches[1])[1]
    assert torch.allclose(found, encoder.logits(batches[1]), atol=1e-5)


def test_padding_changes_nothing(tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs) -> None:
    """Logits and gradients of a padded batch are those of its sentences alone."""
    knobs = make_knobs(span_budget_tokens=2, encoder_sparsity=0.5, weight_format=AF4)
    learner = trainable(tiny, batches)
    rows = [row.tolist() for batch in batches for row in batch[:2]]
    parameters = list(learner.model.parameters())

    def gradients(*inputs: Tensor) -> tuple[Tensor, ...]:
        total = learner.states(knobs, *inputs)[1].square().sum()
        return torch.autograd.grad(total, parameters)

    padded = gradients(*pad_batch(rows, learner.model.pad_id))
    alone = [gradients(torch.tensor([row])) for row in rows]
    for found, parts in zip(padded, zip(*alone, strict=True), strict=True):
        expected = sum(parts, torch.zeros(()))
        assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()) + 1e-5)


def test_pruned_weights_have_gradients(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs
) -> None:
    """Nearly every weight of a matrix gets a gradient though four fifths are zero in the pass."""
    learner = trainable(tiny, batches)
    knobs = make_knobs(encoder_sparsity=0.8, weight_format=AF4)
    up = learner.model.family.weight_sets(learner.model.backbone)[0].up.weight
    (gradient,) = torch.autograd.grad(learner.states(knobs, batches[1])[1].square().sum(), up)
    assert (gradient != 0).float().mean() > 0.9


def test_dense_step_is_the_plain_model(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs
) -> None:
    """Nothing compressed gives the checkpoint's own logits bit for bit, after any setting."""
    learner = trainable(tiny, batches)
    learner.states(make_knobs(**SETTINGS[-1]), batches[0])
    with torch.no_grad():
        found = learner.states(make_knobs(), batches[0])[1]
        assert torch.allclose(found, load_checkpoint(tiny)(batches[0]), atol=1e-5)


def test_small_matrices_have_exact_thresholds() -> None:
    """A sample of all weights prunes as many as pruning by magnitude does."""
    weight = torch.randn(40, 50, generator=torch.manual_seed(0))
    for sparsity, threshold in zip(
        (0.0001, 0.3, 0.7), magnitude_thresholds(weight, (0.0001, 0.3, 0.7)), strict=True
    ):
        assert torch.equal(
            weight * (weight.abs() > threshold), prune_by_magnitude(weight, sparsity)
        )


def test_large_matrices_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """An evenly spaced sample prunes about the share that it is asked for."""
    monkeypatch.setattr(magnitudes, "THRESHOLD_SAMPLE", 5_000)
    weight = torch.randn(200, 300, generator=torch.manual_seed(0))
    for sparsity, threshold in zip(
        (0.3, 0.8), magnitude_thresholds(weight, (0.3, 0.8)), strict=True
    ):
        assert float((weight.abs() <= threshold).float().mean()) == pytest.approx(
            sparsity, abs=0.02
        )


def test_looks_only_when_it_is_due(tiny_folders: dict[str, Path], batches: list[Tensor]) -> None:
    """Thresholds follow the weights at step 50, spans at step 250, and neither in between."""
    learner = trainable(tiny_folders["bert"], batches)
    before = learner.running_state()
    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.manual_seed(9)))
    learner.look(49)
    assert all(torch.equal(learner.running_state()[name], before[name]) for name in before)
    learner.look(50)
    thresholds = [name for name in before if name.startswith("threshold.")]
    assert not any(torch.equal(learner.running_state()[n], before[n]) for n in thresholds)
    assert torch.equal(learner.running_state()["spans"], before["spans"])
    learner.look(250)
    assert not torch.equal(learner.running_state()["spans"], before["spans"])


def test_running_state_goes_on(
    tiny: Path,
    batches: list[Tensor],
    make_knobs: MakeKnobs,
) -> None:
    """A second copy with the first one's running state gives the same logits."""
    knobs = make_knobs(**SETTINGS[-1])
    learner = trainable(tiny, batches)
    learner.states(knobs, 0 * batches[2] + 7)
    other = trainable(tiny, batches)
    other.restore(learner.running_state())
    assert torch.equal(learner.states(knobs, batches[0])[1], other.states(knobs, batches[0])[1])
