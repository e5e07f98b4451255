"""The live evaluator: traces of tiny encoders, the cache, and the shipped checkpoint for real."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluators import live
from evaluators.checkpoints import checkpoint_folder
from evaluators.compression import CompressibleEncoder
from evaluators.glue import TaskData
from evaluators.live import LiveEvaluator
from evaluators.predictor import predicted_entropy_table
from evaluators.stages import first_drawn, select_order
from evaluators.testing import made_up_trace
from evaluators.token_rows import load_tokenizer, token_ids
from evaluators.trace_cache import TraceCache
from evaluators.traces import LUT_ROWS, TRACE_VERSION, ExitTrace, Split, entropies
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
    monkeypatch.setattr("evaluators.batches.BATCH_SENTENCES", batch_sentences)
    changed, before = shuffled(tiny_task, seed=3)
    trace = LiveEvaluator(tiny, changed).trace(make_knobs())
    assert np.allclose(trace.logits, expected.logits[before], atol=2e-3, rtol=2e-3)
    assert np.array_equal(trace.tokens, expected.tokens[before])
    assert np.array_equal(trace.labels, expected.labels[before])


def cache_in(folder: Path, said: list[str] | None = None) -> TraceCache:
    """A cache without a limit."""
    return TraceCache(folder, None, ([] if said is None else said).append)


def test_second_trace_comes_from_the_cache(
    albert: Path, tiny_task: TaskData, make_knobs: MakeKnobs, tmp_path: Path
) -> None:
    """A measured trace is stored under its hash, and read from there instead of measured again."""
    knobs = make_knobs(weight_format=AF8)
    cache = cache_in(tmp_path)
    evaluator = LiveEvaluator(albert, tiny_task, cache)
    measured = evaluator.trace(knobs)
    assert (tmp_path / f"{evaluator.trace_hash(knobs)}.trace").is_file()
    assert_equal(LiveEvaluator(albert, tiny_task, cache).trace(knobs), measured)
    assert_equal(LiveEvaluator(albert, tiny_task).trace(knobs), measured)
    other = made_up_trace(0)
    cache.store_trace(evaluator.trace_hash(knobs), other)
    assert_equal(evaluator.trace(knobs), other)


def test_damaged_cache_is_measured_again(
    albert: Path, tiny_task: TaskData, make_knobs: MakeKnobs, tmp_path: Path
) -> None:
    """A damaged file in the cache is told, and replaced by what is measured instead."""
    said: list[str] = []
    evaluator = LiveEvaluator(albert, tiny_task, cache_in(tmp_path, said))
    measured = evaluator.trace(make_knobs())
    path = tmp_path / f"{evaluator.trace_hash(make_knobs())}.trace"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert_equal(evaluator.trace(make_knobs()), measured)
    assert len(said) == 1
    assert path.read_bytes() == whole


LOOKS = (6, 12)


def test_stages_end_with_the_whole_trace(
    tiny: Path, tiny_task: TaskData, make_knobs: MakeKnobs
) -> None:
    """Partial traces are of the sentences drawn first, bit for bit as in the whole trace."""
    evaluator = LiveEvaluator(tiny, tiny_task, looks=LOOKS)
    *parts, whole = evaluator.stages(make_knobs(activation_format=AF8))
    assert [len(part.tokens) for part in parts] == [6, 12, 24]
    for part in parts:
        assert_equal(part, first_drawn(whole, len(part.tokens)))
    assert whole.splits.tolist() == [Split.SELECT] * 24 + [Split.REPORT] * 16
    assert_equal(evaluator.trace(make_knobs(activation_format=AF8)), whole)
    unstaged = LiveEvaluator(tiny, tiny_task).trace(make_knobs(activation_format=AF8))
    assert np.allclose(whole.logits, unstaged.logits, atol=2e-3, rtol=2e-3)
    assert np.array_equal(whole.predicted_entropies, unstaged.predicted_entropies)
    assert np.array_equal(whole.labels, unstaged.labels)


def test_a_look_before_the_first_sentence(
    albert: Path, tiny_task: TaskData, make_knobs: MakeKnobs
) -> None:
    """It knows spans, densities and token counts, and what follows is as without it."""
    evaluator = LiveEvaluator(albert, tiny_task, looks=(0, 12))
    empty, *parts, whole = evaluator.stages(make_knobs())
    assert len(empty.tokens) == 0
    assert [len(part.tokens) for part in parts] == [12, 24]
    assert (empty.head_spans, empty.encoder_density) == (whole.head_spans, whole.encoder_density)
    assert np.array_equal(evaluator.select_tokens, whole.of(Split.SELECT).tokens)
    for part in parts:
        assert_equal(part, first_drawn(whole, len(part.tokens)))


def test_nothing_is_measured_before_it_is_asked_for(
    albert: Path, tiny_task: TaskData, make_knobs: MakeKnobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each stage runs its own sentences once, and calibration and predictor come once before."""
    rows: list[int] = []
    configured: list[ModelKnobs] = []
    measure, configure = CompressibleEncoder.logits, CompressibleEncoder.configure

    def counted(self: CompressibleEncoder, batch: torch.Tensor) -> torch.Tensor:
        rows.append(len(batch))
        return measure(self, batch)

    def noted(self: CompressibleEncoder, knobs: ModelKnobs, batches: list[torch.Tensor]) -> Any:
        configured.append(knobs)
        return configure(self, knobs, batches)

    monkeypatch.setattr(CompressibleEncoder, "logits", counted)
    monkeypatch.setattr(CompressibleEncoder, "configure", noted)
    seen = []
    for _ in LiveEvaluator(albert, tiny_task, looks=LOOKS).stages(make_knobs()):
        seen.append(sum(rows))
        rows.clear()
    assert seen == [40 + 6, 6, 12, 16]  # 40 sentences fit the predictor
    assert len(configured) == 1


def test_stages_of_two_settings_may_alternate(
    albert: Path, tiny_task: TaskData, make_knobs: MakeKnobs
) -> None:
    """Going from one setting to another and back changes neither."""
    settings = [make_knobs(weight_format=AF8, activation_format=AF8), make_knobs()]
    evaluator = LiveEvaluator(albert, tiny_task, looks=LOOKS)
    alternating = list(zip(*(evaluator.stages(knobs) for knobs in settings), strict=True))
    for knobs, traces in zip(settings, zip(*alternating, strict=True), strict=True):
        expected = LiveEvaluator(albert, tiny_task, looks=LOOKS).stages(knobs)
        for found, alone in zip(traces, expected, strict=True):
            assert_equal(found, alone)


@pytest.mark.parametrize("save_seconds", [0.0, 1e9])
def test_stopped_stages_are_gone_on_with(
    albert: Path,
    tiny_task: TaskData,
    make_knobs: MakeKnobs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    save_seconds: float,
) -> None:
    """After a stop the same traces come, and only what was not measured before is."""
    monkeypatch.setattr(live, "SAVE_SECONDS", save_seconds)
    knobs = make_knobs(activation_format=AF8)
    expected = list(LiveEvaluator(albert, tiny_task, looks=LOOKS).stages(knobs))
    stages = LiveEvaluator(albert, tiny_task, cache_in(tmp_path), LOOKS).stages(knobs)
    assert_equal(next(stages), expected[0])
    assert_equal(next(stages), expected[1])
    stages.close()
    rows: list[int] = []
    again = LiveEvaluator(albert, tiny_task, cache_in(tmp_path), LOOKS)
    measure = CompressibleEncoder.logits

    def counted(self: CompressibleEncoder, batch: torch.Tensor) -> torch.Tensor:
        rows.append(len(batch))
        return measure(self, batch)

    monkeypatch.setattr(CompressibleEncoder, "logits", counted)
    found = []
    for trace in again.stages(knobs):
        found.append(trace)
        if len(found) == 2:
            assert rows == []
    assert sum(rows) == 12 + 16
    for left, right in zip(found, expected, strict=True):
        assert_equal(left, right)
    for left, right in zip(again.stages(knobs), expected, strict=True):  # now from the cache
        assert_equal(left, right)


def test_progress_is_taken_up_by_other_stages(
    albert: Path, tiny_task: TaskData, make_knobs: MakeKnobs, tmp_path: Path
) -> None:
    """What was measured in stages serves an evaluator without them, up to rounding."""
    cache = cache_in(tmp_path)
    first = next(LiveEvaluator(albert, tiny_task, cache, looks=(10,)).stages(make_knobs()))
    whole = LiveEvaluator(albert, tiny_task, cache).trace(make_knobs())
    assert np.array_equal(whole.logits[select_order(24)[:10]], first.logits)
    expected = LiveEvaluator(albert, tiny_task).trace(make_knobs())
    assert np.allclose(whole.logits, expected.logits, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("looks", [(-1,), (5, 5), (12, 6), (24,)])
def test_looks_rise_below_the_whole_split(
    albert: Path, tiny_task: TaskData, looks: tuple[int, ...]
) -> None:
    """Looks before none, twice, backwards, or at all sentences (it comes anyway) are refused."""
    with pytest.raises(ValueError, match=r"looks .*: expected rising numbers from 0 to 23"):
        LiveEvaluator(albert, tiny_task, looks=looks)


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from evaluators import live
from evaluators.compression import CompressibleEncoder
from evaluators.trace_cache import TraceCache
from tests.evaluators.conftest import made_up_sentences
from evaluators.glue import TaskData
from search_space import FP32, FULL_SPAN_TOKENS, CellKind, ModelKnobs

drawn = made_up_sentences(80, seed=1)
task = TaskData(
    train=drawn.take(range(40, 80)), select=drawn.take(range(24)),
    report=drawn.take(range(24, 40)), calibration=drawn.take(range(40, 80)),
)
knobs = ModelKnobs(
    checkpoint="tiny", span_budget_tokens=FULL_SPAN_TOKENS, encoder_sparsity=0.0,
    embedding_sparsity=0.0, weight_format=FP32, activation_format=FP32,
    embedding_storage=CellKind.SRAM, encoder_storage=CellKind.SRAM,
)
live.SAVE_SECONDS = 0.0
left, measure, rows = int(sys.argv[3]), CompressibleEncoder.logits, []

def counted(self, batch):
    rows.append(len(batch))
    if len(rows) > left:
        os.kill(os.getpid(), signal.SIGKILL)
    return measure(self, batch)

CompressibleEncoder.logits = counted
cache = TraceCache(Path(sys.argv[2]), None, print)
live.LiveEvaluator(Path(sys.argv[1]), task, cache).trace(knobs)
print(sum(rows))
"""


@pytest.mark.slow
def test_killed_in_the_middle(
    albert: Path, tiny_task: TaskData, make_knobs: MakeKnobs, tmp_path: Path, repository: Path
) -> None:
    """``kill -9`` within the only stage loses a batch; another process ends with the same bits."""

    def run(batches: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", KILLED, str(albert), str(tmp_path), str(batches)],
            env={**os.environ, "PYTHONPATH": str(repository)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert run(13).returncode == -signal.SIGKILL
    evaluator = LiveEvaluator(albert, tiny_task, cache_in(tmp_path))
    progress = cache_in(tmp_path).progress(evaluator.trace_hash(make_knobs()))
    assert progress is not None
    measured = len(progress.positions)
    assert 0 < measured < 40
    done = run(1_000)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 40 - measured
    expected = LiveEvaluator(albert, tiny_task).trace(make_knobs())
    assert_equal(evaluator.trace(make_knobs()), expected)


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
