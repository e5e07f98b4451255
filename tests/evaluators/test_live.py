"""The live evaluator: traces of tiny encoders, the cache, and the shipped checkpoint for real."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluators import live
from evaluators.checkpoints import checkpoint_folder
from evaluators.compression import CompressibleEncoder
from evaluators.encoders import load_tokenizer, token_ids
from evaluators.glue import TaskData
from evaluators.live import LiveEvaluator
from evaluators.predictor import predicted_entropy_table
from evaluators.testing import made_up_trace
from evaluators.traces import LUT_ROWS, TRACE_VERSION, ExitTrace, Split, entropies, save_trace
from search_space import CellKind, ModelKnobs, adaptivfloat

MakeKnobs = Callable[..., ModelKnobs]
AF8 = adaptivfloat(8, 3)


@pytest.fixture
def albert(tiny_folders: dict[str, Path]) -> Path:
    """One of the tiny checkpoints, where its family plays no part."""
    return tiny_folders["albert"]


def assert_equal(found: ExitTrace, expected: ExitTrace) -> None:
    """Every field the same."""
    for field in dataclasses.fields(ExitTrace):
        left, right = getattr(found, field.name), getattr(expected, field.name)
        assert np.array_equal(left, right), field.name


def shuffled(task: TaskData, seed: int) -> tuple[TaskData, list[int]]:
    """The task with its evaluated sentences in another order, and where each was before."""
    rng = np.random.default_rng(seed)
    select = rng.permutation(len(task.select)).tolist()
    report = rng.permutation(len(task.report)).tolist()
    changed = dataclasses.replace(
        task, select=task.select.take(select), report=task.report.take(report)
    )
    return changed, select + [len(select) + i for i in report]


def test_trace_holds_the_logits_of_every_sentence(
    tiny: Path, tiny_task: TaskData, make_knobs: MakeKnobs
) -> None:
    """Select sentences, then report sentences, each with the logits it has alone, in fp16."""
    trace = LiveEvaluator(tiny, tiny_task).trace(make_knobs())
    texts = tiny_task.select.texts + tiny_task.report.texts
    rows = token_ids(load_tokenizer(tiny), texts)
    encoder = CompressibleEncoder(tiny)
    alone = np.concatenate([encoder.logits(torch.tensor([row])).numpy() for row in rows])
    assert trace.logits.dtype == np.float16
    assert trace.logits.shape == (40, 3, 2)
    assert np.allclose(trace.logits, alone, atol=2e-3, rtol=1e-3)
    assert trace.tokens.tolist() == [len(row) for row in rows]
    assert trace.labels.tolist() == [*tiny_task.select.labels, *tiny_task.report.labels]
    assert trace.splits.tolist() == [Split.SELECT] * 24 + [Split.REPORT] * 16
    assert (trace.encoder_density, trace.embedding_density) == (1.0, 1.0)


def test_predictor_is_fitted_on_calibration_sentences(
    albert: Path, tiny_task: TaskData, make_knobs: MakeKnobs
) -> None:
    """The table is that of the calibration sentences' entropies under the same setting."""
    knobs = make_knobs(weight_format=AF8)
    trace = LiveEvaluator(albert, tiny_task).trace(knobs)
    as_evaluated = dataclasses.replace(tiny_task, select=tiny_task.calibration)
    calibrated = LiveEvaluator(albert, as_evaluated).trace(knobs).of(Split.SELECT)
    assert trace.predicted_entropies.shape == (LUT_ROWS, 1)
    assert np.array_equal(
        trace.predicted_entropies, predicted_entropy_table(entropies(calibrated.logits))
    )


def test_trace_is_the_same_every_time(
    tiny: Path, tiny_task: TaskData, make_knobs: MakeKnobs
) -> None:
    """Another process, or the same one after other settings, measures the very same trace."""
    knobs = make_knobs(span_budget_tokens=3, encoder_sparsity=0.4, activation_format=AF8)
    used = LiveEvaluator(tiny, tiny_task)
    used.trace(make_knobs(embedding_sparsity=0.5))
    assert_equal(used.trace(knobs), LiveEvaluator(tiny, tiny_task).trace(knobs))


@pytest.mark.parametrize("batch_sentences", [2, 64])
def test_trace_does_not_depend_on_order_or_batches(
    tiny: Path,
    tiny_task: TaskData,
    make_knobs: MakeKnobs,
    monkeypatch: pytest.MonkeyPatch,
    batch_sentences: int,
) -> None:
    """Sentences in another order and in other batches have the same logits, but for rounding."""
    expected = LiveEvaluator(tiny, tiny_task).trace(make_knobs())
    monkeypatch.setattr(live, "BATCH_SENTENCES", batch_sentences)
    changed, before = shuffled(tiny_task, seed=3)
    trace = LiveEvaluator(tiny, changed).trace(make_knobs())
    assert np.allclose(trace.logits, expected.logits[before], atol=2e-3, rtol=2e-3)
    assert np.array_equal(trace.tokens, expected.tokens[before])
    assert np.array_equal(trace.labels, expected.labels[before])


def test_second_trace_comes_from_the_cache(
    albert: Path, tiny_task: TaskData, make_knobs: MakeKnobs, tmp_path: Path
) -> None:
    """A measured trace is stored under its hash, and read from there instead of measured again."""
    knobs = make_knobs(weight_format=AF8)
    evaluator = LiveEvaluator(albert, tiny_task, tmp_path)
    measured = evaluator.trace(knobs)
    path = tmp_path / f"{evaluator.trace_hash(knobs)}.npz"
    assert list(tmp_path.iterdir()) == [path]
    assert_equal(LiveEvaluator(albert, tiny_task, tmp_path).trace(knobs), measured)
    assert_equal(LiveEvaluator(albert, tiny_task).trace(knobs), measured)
    other = made_up_trace(0)
    save_trace(path, other)
    assert_equal(evaluator.trace(knobs), other)


def test_damaged_cache_is_named(
    albert: Path, tiny_task: TaskData, make_knobs: MakeKnobs, tmp_path: Path
) -> None:
    """A damaged file in the cache is an error that says to delete it."""
    evaluator = LiveEvaluator(albert, tiny_task, tmp_path)
    path = tmp_path / f"{evaluator.trace_hash(make_knobs())}.npz"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ValueError, match=rf"{path.name}: damaged trace .*delete the file"):
        evaluator.trace(make_knobs())


def test_hash_of_a_trace_is_of_what_makes_it(
    tiny_folders: dict[str, Path], tiny_task: TaskData, make_knobs: MakeKnobs
) -> None:
    """Checkpoint, data and every knob that can change a logit change the hash; cells do not."""
    evaluator = LiveEvaluator(tiny_folders["bert"], tiny_task)
    base = evaluator.trace_hash(make_knobs())
    other_task = dataclasses.replace(tiny_task, calibration=tiny_task.calibration.take(range(39)))
    hashes = [
        base,
        LiveEvaluator(tiny_folders["albert"], tiny_task).trace_hash(make_knobs()),
        LiveEvaluator(tiny_folders["bert"], other_task).trace_hash(make_knobs()),
        evaluator.trace_hash(make_knobs(span_budget_tokens=9)),
        evaluator.trace_hash(make_knobs(encoder_sparsity=0.5)),
        evaluator.trace_hash(make_knobs(embedding_sparsity=0.5)),
        evaluator.trace_hash(make_knobs(weight_format=AF8)),
        evaluator.trace_hash(make_knobs(activation_format=AF8)),
    ]
    assert len(set(hashes)) == len(hashes)
    cells = make_knobs(encoder_storage=CellKind.RERAM_MLC2, embedding_storage=CellKind.RERAM_SLC)
    assert evaluator.trace_hash(cells) == base
    assert LiveEvaluator(tiny_folders["bert"], tiny_task).trace_hash(make_knobs()) == base


def test_raised_trace_version_changes_the_hash(
    albert: Path, tiny_task: TaskData, make_knobs: MakeKnobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trace of other code is not taken for one of this code."""
    before = LiveEvaluator(albert, tiny_task).trace_hash(make_knobs())
    monkeypatch.setattr(live, "TRACE_VERSION", TRACE_VERSION + 1)
    assert LiveEvaluator(albert, tiny_task).trace_hash(make_knobs()) != before


def test_copied_folder_has_the_same_hash(
    albert: Path, tiny_task: TaskData, make_knobs: MakeKnobs, tmp_path: Path
) -> None:
    """Where a checkpoint lies plays no part."""
    copy = Path(shutil.copytree(albert, tmp_path / "elsewhere"))
    hashes = {LiveEvaluator(f, tiny_task).trace_hash(make_knobs()) for f in (albert, copy)}
    assert len(hashes) == 1


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Two threads for the products of a full-size encoder."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("two_threads")
def test_shipped_checkpoint_scores_what_its_card_says(
    sst2: TaskData, make_knobs: MakeKnobs
) -> None:
    """The accuracy of every exit of ``minilm-exits`` is its card's, within 2 sentences.

    The card's figures come from padded batches in fp32, hence the two.
    """
    folder = checkpoint_folder("minilm-exits")
    card = json.loads((folder / "card.json").read_text())
    trace = LiveEvaluator(folder, sst2).trace(
        make_knobs(checkpoint="minilm-exits", weight_format=AF8)
    )
    assert trace.predicted_entropies.shape == (LUT_ROWS, 4)
    for split in (Split.SELECT, Split.REPORT):
        part = trace.of(split)
        right = (part.logits.argmax(-1) == part.labels[:, None]).sum(axis=0)
        expected = np.array(card["accuracy_stored"][split.name.lower()]) * len(part.labels)
        assert np.abs(right - expected).max() <= 2.05  # the card rounds to four digits
