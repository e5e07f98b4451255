"""Learned spans, by hand: mask, gate, penalty, and what they become in evaluation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evaluators.checkpoint_folders import checkpoint_hash, load_checkpoint, save_checkpoint
from evaluators.checkpoints import CheckpointError
from evaluators.compression import CompressibleEncoder
from evaluators.learned_spans import SoftSpans, budget_of, hard_spans, read_spans, write_spans
from evaluators.token_rows import load_tokenizer
from evaluators.trainable_compression import TrainableCompression
from evaluators.training_stages import SpanLearning, Stage
from search_space import FULL_SPAN_TOKENS, ModelKnobs

MakeKnobs = Callable[..., ModelKnobs]


def test_mask_by_hand() -> None:
    """Span 3, ramp 2: distances 0 to 3 pass 1, 1, 0.5, 0; even attention becomes 0.4, 0.4, 0.2."""
    soft = SoftSpans(torch.tensor([3.0]), 2.0)
    found = soft(torch.full((1, 1, 4, 4), 0.25))[0, 0, 0]
    assert found.tolist() == pytest.approx([0.4, 0.4, 0.2, 0.0])


def test_gate_switches_a_head_off() -> None:
    """A span of half the ramp halves what a head adds; a span of 0 leaves nothing of it."""
    probabilities = torch.full((1, 2, 3, 3), 1 / 3)
    found = SoftSpans(torch.tensor([1.0, 0.0]), 2.0)(probabilities)
    assert found[0, 0].sum(-1).tolist() == pytest.approx([0.5] * 3)
    assert not found[0, 1].any()


def test_wide_spans_change_nothing() -> None:
    """A span beyond all distances by a ramp passes the probabilities on."""
    probabilities = torch.rand(2, 1, 5, 5, generator=torch.manual_seed(0)).softmax(-1)
    assert torch.allclose(SoftSpans(torch.tensor([9.0]), 4.0)(probabilities), probabilities)


def test_gradient_of_the_mask_by_hand() -> None:
    """A third token half seen has m / (2 + m): its derivative is 2 / 2.5², times dm/dz = 1 / R."""
    tokens = torch.tensor([2.8], requires_grad=True)
    found = SoftSpans(tokens, 1.6)(torch.full((1, 1, 4, 4), 0.25))[0, 0, 0, 2]
    assert found.item() == pytest.approx(0.5 / 2.5)
    (gradient,) = torch.autograd.grad(found, tokens)
    assert gradient.item() == pytest.approx(2 / 2.5**2 / 1.6, rel=1e-5)


def test_penalty_and_its_gradient(tiny_folders: dict[str, Path], batches: list[Tensor]) -> None:
    """Six heads of span 8 at 0.3 a token cost 2.4, and each pulls its span by 0.3 / 6."""
    stage = Stage(
        name="s", epochs=1, learning_rate=1.0, spans=SpanLearning(penalty=0.3, initial_tokens=8)
    )
    learner = TrainableCompression(load_checkpoint(tiny_folders["bert"]), stage, batches, 10)
    assert float(learner.penalty().detach()) == pytest.approx(2.4)
    [(tokens, rate)] = learner.further_parameters()
    (gradient,) = torch.autograd.grad(learner.penalty(), tokens)
    assert torch.allclose(gradient, torch.full((3, 2), 0.05))
    assert rate == 0.1


def test_spans_are_learned_from_the_loss(
    tiny_folders: dict[str, Path], batches: list[Tensor], make_knobs: MakeKnobs
) -> None:
    """A loss on logits has a gradient at spans whose ramp lies within a sentence."""
    stage = Stage(
        name="s", epochs=1, learning_rate=1.0, spans=SpanLearning(penalty=0.0, initial_tokens=4)
    )
    learner = TrainableCompression(load_checkpoint(tiny_folders["bert"]), stage, batches, 10)
    [(tokens, _)] = learner.further_parameters()
    learner.look(0)
    loss = learner.states(make_knobs(), batches[3])[1].square().sum()
    (gradient,) = torch.autograd.grad(loss, tokens)
    assert (gradient != 0).all()
    assert learner.finish() == ((2, 2),) * 3


def test_hard_spans_by_hand() -> None:
    """Ramp 4: 9.5 sees what 7.5 rounded up does, 2.1 itself alone, 2 and less nothing."""
    tokens = torch.tensor([[9.5, 2.1], [2.0, 400.0]])
    assert hard_spans(tokens, 4.0) == ((8, 1), (0, FULL_SPAN_TOKENS))


def test_budget_is_the_rounded_mean() -> None:
    """Spans 1, 2, 0 and 3 stand behind a budget of 2, halves being rounded up."""
    assert budget_of(((1, 2), (0, 3))) == 2


def test_study_uses_learned_spans(
    tiny_folders: dict[str, Path], batches: list[Tensor], make_knobs: MakeKnobs, tmp_path: Path
) -> None:
    """The budget of their mean gives the learned spans, any other shares out as ever."""
    source = tiny_folders["bert"]
    save_checkpoint(load_checkpoint(source), tmp_path, load_tokenizer(source))
    shared = [
        CompressibleEncoder(tmp_path).configure(make_knobs(span_budget_tokens=n), batches)[0]
        for n in (3, 2)
    ]
    before = checkpoint_hash(tmp_path)
    learned = ((9, 0), (0, 5), (1, 3))
    write_spans(tmp_path, learned)
    assert read_spans(tmp_path) == learned
    assert checkpoint_hash(tmp_path) != before
    encoder = CompressibleEncoder(tmp_path)
    assert encoder.configure(make_knobs(span_budget_tokens=3), batches)[0] == learned != shared[0]
    assert encoder.configure(make_knobs(span_budget_tokens=2), batches)[0] == shared[1]
    write_spans(tmp_path, None)
    assert checkpoint_hash(tmp_path) == before


@pytest.mark.parametrize("content", ["no", "[]", '{"spans": [[1, 200]]}', '{"spans": [[], [1]]}'])
def test_damaged_file_is_an_error(tmp_path: Path, content: str) -> None:
    """A file that holds no spans is an error that names it."""
    (tmp_path / "spans.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"spans\.json"):
        read_spans(tmp_path)
