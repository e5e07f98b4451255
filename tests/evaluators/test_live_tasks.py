"""Live traces of other tasks than SST-2: pairs, three classes, a regression."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluators.checkpoints import CheckpointError
from evaluators.compression import CompressibleEncoder
from evaluators.exits import accuracy_with_error, exit_answers, exit_histogram, further_scores
from evaluators.live import LiveEvaluator
from evaluators.sentences import Sentences, TaskData
from evaluators.stages import first_drawn
from evaluators.task_metrics import official_score
from evaluators.tasks import COLA, MNLI, MRPC, QQP, RTE, SST2, STSB, GlueTask
from evaluators.token_rows import load_tokenizer, token_rows
from evaluators.trace_cache import TraceCache
from evaluators.traces import LUT_ROWS, Split, trace_bytes, trace_of_bytes
from search_space import ExitKnobs, ExitPolicy, ModelKnobs
from tests.generated_glue import generated_rows, write_tiny_checkpoint

MakeKnobs = Callable[..., ModelKnobs]
NONE = ExitKnobs(exit_policy=ExitPolicy.NONE, entropy_threshold=0.0)


def made_up_task(task: GlueTask) -> TaskData:
    """20 select, 14 report and 30 calibration rows of random words; MNLI: 9 mismatched ones."""
    rows = generated_rows(task, 73, seed=7)
    labels = [float(s) if task.is_regression else task.spellings.index(s) for _, s in rows]
    texts = [texts for texts, _ in rows]
    every = Sentences(
        tuple(t[0] for t in texts),
        tuple(labels),
        tuple(range(73)),
        tuple(t[1] for t in texts) if task.is_pair else (),
    )
    return TaskData(
        train=every.take(range(34, 64)),
        select=every.take(range(20)),
        report=every.take(range(20, 34)),
        calibration=every.take(range(34, 64)),
        task=task,
        mismatched=every.take(range(64, 73)) if task.mismatched else None,
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Tiny checkpoints by their number of outputs; no test may write there."""
    return {n: write_tiny_checkpoint(tmp_path_factory.mktemp("tiny"), n) for n in (1, 2, 3)}


@pytest.mark.parametrize("task", [COLA, MRPC, MNLI, STSB], ids=lambda task: task.name)
def test_trace_of_a_task(task: GlueTask, folders: dict[int, Path], make_knobs: MakeKnobs) -> None:
    """Every row has the logits it has alone; labels, splits and task survive being stored."""
    data = made_up_task(task)
    folder = folders[task.n_outputs]
    trace = LiveEvaluator(folder, data).trace(make_knobs())
    parts = [data.select, data.report, *([data.mismatched] if data.mismatched else [])]
    encoder, tokenizer = CompressibleEncoder(folder), load_tokenizer(folder)
    rows = [row for part in parts for row in token_rows(tokenizer, part.texts, part.pairs)]
    alone = np.concatenate([encoder.logits(torch.tensor([row])).numpy() for row in rows])
    assert trace.logits.shape == (43 if data.mismatched else 34, 3, task.n_outputs)
    assert np.allclose(trace.logits, alone, atol=4e-3, rtol=2e-3)
    assert trace.tokens.tolist() == [len(row) for row in rows]
    assert trace.labels.tolist() == [label for part in parts for label in part.labels]
    assert trace.labels.dtype == (np.float64 if task.is_regression else np.int64)
    assert trace.splits.tolist() == [0] * 20 + [1] * 14 + [2] * (len(rows) - 34)
    read = trace_of_bytes(trace_bytes(trace))
    assert read.task == task.name
    assert read.labels.dtype == trace.labels.dtype
    assert np.array_equal(read.labels, trace.labels)


def test_stored_form_of_sst2_is_what_it_was(
    folders: dict[int, Path], make_knobs: MakeKnobs
) -> None:
    """A stored trace of SST-2 names no task: files from before and files of today are alike."""
    data = made_up_task(SST2)
    written = trace_bytes(LiveEvaluator(folders[2], data).trace(make_knobs()))
    with np.load(io.BytesIO(written)) as stored:
        assert sorted(stored) == [
            *("densities", "head_spans", "labels", "logits", "predicted_entropies", "splits"),
            "tokens",
        ]
    assert trace_of_bytes(written).task == "SST-2"


@pytest.mark.parametrize("task", [MNLI, STSB], ids=lambda task: task.name)
def test_stages_of_a_task(
    task: GlueTask, folders: dict[int, Path], make_knobs: MakeKnobs, tmp_path: Path
) -> None:
    """Partial traces are of the same task, and the cache gives the whole one back, every split."""
    cache = TraceCache(tmp_path, None, pytest.fail)
    evaluator = LiveEvaluator(folders[task.n_outputs], made_up_task(task), cache, looks=[5, 12])
    traces = list(evaluator.stages(make_knobs()))
    whole = traces[-1]
    assert [len(trace.labels) for trace in traces[:-1]] == [5, 12, 20]
    for trace in traces[:-1]:
        assert trace.task == whole.task == task.name
        expected = first_drawn(whole, len(trace.labels))
        np.testing.assert_array_equal(trace.logits, expected.logits)
        np.testing.assert_array_equal(trace.labels, expected.labels)
    (again,) = LiveEvaluator(folders[task.n_outputs], made_up_task(task), cache).stages(
        make_knobs()
    )
    assert again.task == task.name
    for name in ("logits", "labels", "splits", "tokens"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))


def test_traces_of_two_tasks_have_two_keys(folders: dict[int, Path], make_knobs: MakeKnobs) -> None:
    """The same rows as another task are another trace: metrics would differ."""
    data = made_up_task(RTE)
    keys = {
        LiveEvaluator(folders[2], replace(data, task=task)).trace_hash(make_knobs())
        for task in (RTE, MRPC, QQP)
    }
    assert len(keys) == 3


def test_token_types_of_a_pair_reach_the_encoder(folders: dict[int, Path]) -> None:
    """The second sentence has type 1, which changes logits; marks stand where BERT has them."""
    tokenizer = load_tokenizer(folders[2])
    (row,) = token_rows(tokenizer, ["the dog"], ["it left ."])
    pieces = ("[CLS]", "the", "dog", "[SEP]", "it", "left", ".", "[SEP]")
    ids = [tokenizer.token_to_id(piece) for piece in pieces]
    assert row == list(zip(ids, [0, 0, 0, 0, 1, 1, 1, 1], strict=True))
    encoder = CompressibleEncoder(folders[2])
    with_types = encoder.logits(torch.tensor([row]))
    without = encoder.logits(torch.tensor([ids]))
    assert not torch.allclose(with_types, without, atol=1e-3)
    assert torch.equal(encoder.logits(torch.tensor([[(i, 0) for i in ids]])), without)
    assert token_rows(tokenizer, ["the dog"], ["it left ."], has_types=False) == [ids]


def test_encoder_without_token_types_reads_pairs(make_knobs: MakeKnobs, tmp_path: Path) -> None:
    """An encoder with one token type gets no token type ids, and pairs run all the same."""
    folder = write_tiny_checkpoint(tmp_path, 2, type_vocab_size=1)
    trace = LiveEvaluator(folder, made_up_task(RTE)).trace(make_knobs())
    assert trace.logits.shape == (34, 3, 2)


def test_trace_does_not_depend_on_the_order_of_pairs(
    folders: dict[int, Path], make_knobs: MakeKnobs
) -> None:
    """Pairs in another order have the same logits, but for rounding."""
    data = made_up_task(MRPC)
    order = random.Random(3).sample(range(20), 20)
    expected = LiveEvaluator(folders[2], data).trace(make_knobs()).of(Split.SELECT)
    shuffled = replace(data, select=data.select.take(order))
    found = LiveEvaluator(folders[2], shuffled).trace(make_knobs()).of(Split.SELECT)
    assert np.allclose(found.logits, expected.logits[order], atol=2e-3, rtol=2e-3)
    assert found.labels.tolist() == expected.labels[order].tolist()


def test_a_checkpoint_of_another_task_is_refused(make_knobs: MakeKnobs, tmp_path: Path) -> None:
    """A card that names another task is no checkpoint for this one; one without a task is."""
    folder = write_tiny_checkpoint(tmp_path, 2)
    card = folder / "card.json"
    card.write_text('{"task": "QQP"}')
    with pytest.raises(CheckpointError, match=r"trained for 'QQP', expected RTE; name a checkpoi"):
        LiveEvaluator(folder, made_up_task(RTE))
    card.write_text("{")
    with pytest.raises(CheckpointError, match=r"card\.json: not readable as JSON"):
        LiveEvaluator(folder, made_up_task(RTE))
    card.write_text("{}")
    assert LiveEvaluator(folder, made_up_task(RTE)).trace(make_knobs()).task == "RTE"


@pytest.mark.parametrize("task", [COLA, MRPC, STSB, RTE, MNLI], ids=lambda task: task.name)
def test_histogram_has_the_primary_metric(
    task: GlueTask, folders: dict[int, Path], make_knobs: MakeKnobs
) -> None:
    """``accuracy`` of a histogram is the task's primary metric of the last exit's answers."""
    trace = LiveEvaluator(folders[task.n_outputs], made_up_task(task)).trace(make_knobs())
    for split in (Split.SELECT, Split.REPORT):
        part = trace.of(split)
        last = part.logits[:, -1].astype(np.float64)
        answers = last[:, 0] if task.is_regression else last.argmax(-1)
        histogram = exit_histogram(trace, [NONE], split)
        expected = official_score(task.primary_metric, answers, part.labels)
        assert histogram.accuracy.tolist() == pytest.approx([expected], abs=1e-12)
        assert 0 <= histogram.accuracy_se[0] < 0.5


def test_answers_of_each_exit(folders: dict[int, Path], make_knobs: MakeKnobs) -> None:
    """A sentence answers with the exit that it leaves by, class or number."""
    for task in (MNLI, STSB):
        trace = LiveEvaluator(folders[task.n_outputs], made_up_task(task)).trace(make_knobs())
        n = len(trace.labels)
        actual = np.array([[1] * n, [1 + i % 3 for i in range(n)]])
        answers = exit_answers(trace, actual)
        for setting, sentence in ((0, 4), (1, 4), (1, 5)):
            logits = trace.logits[sentence, actual[setting, sentence] - 1]
            expected = logits[0] if task is STSB else logits.argmax()
            assert answers[setting, sentence] == expected


def test_further_scores(folders: dict[int, Path], make_knobs: MakeKnobs) -> None:
    """MRPC also has its accuracy, STS-B Spearman's correlation, MNLI its mismatched accuracy."""
    names = {SST2: [], MRPC: ["accuracy"], STSB: ["spearman"], MNLI: ["accuracy_mismatched"]}
    for task, expected in names.items():
        trace = LiveEvaluator(folders[task.n_outputs], made_up_task(task)).trace(make_knobs())
        scores = further_scores(trace, NONE)
        assert list(scores) == expected
        assert all(0 <= error < 0.5 for _, error in scores.values())
        if task is MNLI:
            part = trace.of(Split.MISMATCHED)
            right = (part.logits[:, -1].argmax(-1) == part.labels).mean()
            accuracy, error = accuracy_with_error(part, np.full((1, 9), 3))
            assert scores["accuracy_mismatched"] == (accuracy[0], error[0]) == (right, error[0])


def test_entropy_exits_need_classes(folders: dict[int, Path], make_knobs: MakeKnobs) -> None:
    """A regression has no entropies: its table is 0, and policies that need them are refused."""
    trace = LiveEvaluator(folders[1], made_up_task(STSB)).trace(make_knobs())
    assert trace.predicted_entropies.shape == (LUT_ROWS, 1)
    assert not trace.predicted_entropies.any()
    for policy in (ExitPolicy.ENTROPY, ExitPolicy.LATENCY_AWARE):
        with pytest.raises(ValueError, match=f"'{policy.value}' needs class.*STS-B is a regress"):
            exit_histogram(trace, [NONE, ExitKnobs(exit_policy=policy, entropy_threshold=0.2)])


@pytest.mark.parametrize(("outputs", "task"), [(2, MNLI), (2, STSB), (1, RTE), (3, COLA)])
def test_checkpoint_of_another_task_is_refused(
    outputs: int, task: GlueTask, folders: dict[int, Path]
) -> None:
    """A checkpoint with other outputs than the task has is named with both numbers."""
    expected = rf"{outputs} outputs at every exit, expected {task.n_outputs} for {task.name} \("
    with pytest.raises(CheckpointError, match=expected):
        LiveEvaluator(folders[outputs], made_up_task(task))
