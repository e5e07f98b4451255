"""Traces of settings whose cells are misread: which draw they are, and what they remember of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluators import live
from evaluators.compression import CompressibleEncoder
from evaluators.exit_levels import FloatArray
from evaluators.exits import accuracy_with_error
from evaluators.faults.storage import Storage, storage_of
from evaluators.faults.trials import FAULT_TRIALS, FaultTrials
from evaluators.glue import TaskData
from evaluators.live import LiveEvaluator
from evaluators.trace_cache import TraceCache
from evaluators.traces import LUT_ROWS, ExitTrace, Split
from search_space import CellKind, ModelKnobs, parse_number_format

MLC3 = CellKind.RERAM_MLC3


@pytest.fixture(autouse=True)
def quick_predictor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is made at once of the entropies that the predictor is fitted on."""

    def table(fitted: FloatArray) -> NDArray[np.float16]:
        return np.full((LUT_ROWS, fitted.shape[1] - 2), fitted.mean(), dtype=np.float16)

    monkeypatch.setattr(live, "predicted_entropy_table", table)


@pytest.fixture
def knobs(make_knobs: Callable[..., ModelKnobs]) -> ModelKnobs:
    """Pruned embeddings, stored with a bitmask, in cells that are misread."""
    return make_knobs(
        weight_format=parse_number_format("int8"),
        embedding_sparsity=0.6,
        embedding_storage=MLC3,
        encoder_storage=MLC3,
    )


@pytest.fixture
def folder(tiny_folders: dict[str, Path]) -> Path:
    """One of the tiny checkpoints, where its family plays no part."""
    return tiny_folders["bert"]


def last_scores(trace: ExitTrace, split: Split) -> float:
    """Accuracy of the last exit on a split."""
    part = trace.of(split)
    return float((part.logits[:, -1].argmax(-1) == part.labels).mean())


def assert_equal(found: ExitTrace, expected: ExitTrace) -> None:
    """Every field the same."""
    for field in dataclasses.fields(ExitTrace):
        left, right = getattr(found, field.name), getattr(expected, field.name)
        assert np.array_equal(left, right), field.name


def test_trace_is_the_median_draw(folder: Path, tiny_task: TaskData, knobs: ModelKnobs) -> None:
    """Its score is the median of five draws, and its logits those of that draw alone."""
    evaluator = LiveEvaluator(folder, tiny_task)
    trace = evaluator.trace(knobs)
    assert trace.faults is not None
    assert len(trace.faults.scores) == FAULT_TRIALS
    assert last_scores(trace, Split.SELECT) == sorted(trace.faults.scores)[FAULT_TRIALS // 2]
    scores = evaluator.faulty_scores(knobs, storage_of(knobs), range(FAULT_TRIALS))
    assert tuple(score for score, _ in scores) == trace.faults.scores
    assert_equal(evaluator.trace(knobs), trace)


def test_what_is_settled_at_design_time_knows_no_faults(
    folder: Path, tiny_task: TaskData, knobs: ModelKnobs
) -> None:
    """Spans, densities and the predictor are those of faithful cells; logits are not."""
    evaluator = LiveEvaluator(folder, tiny_task)
    knobs = dataclasses.replace(knobs, span_budget_tokens=4)
    faulty = evaluator.trace(knobs)
    sram = {"embedding_storage": CellKind.SRAM, "encoder_storage": CellKind.SRAM}
    faithful = evaluator.trace(dataclasses.replace(knobs, **sram))  # type: ignore[arg-type]
    assert faithful.faults is None
    assert faulty.head_spans == faithful.head_spans
    assert faulty.encoder_density == faithful.encoder_density
    assert faulty.embedding_density == faithful.embedding_density
    assert np.array_equal(faulty.predicted_entropies, faithful.predicted_entropies)
    assert not np.array_equal(faulty.logits, faithful.logits)


def test_settings_in_between_change_nothing(
    folder: Path, tiny_task: TaskData, knobs: ModelKnobs
) -> None:
    """Traces with and without faults, and single draws, do not touch one another."""
    sram = {"embedding_storage": CellKind.SRAM, "encoder_storage": CellKind.SRAM}
    faithful = dataclasses.replace(knobs, **sram)  # type: ignore[arg-type]
    alone = {k.trace_key(): LiveEvaluator(folder, tiny_task).trace(k) for k in (knobs, faithful)}
    evaluator = LiveEvaluator(folder, tiny_task)
    storage = storage_of(knobs)
    for setting in (faithful, knobs, faithful):
        assert_equal(evaluator.trace(setting), alone[setting.trace_key()])
        list(evaluator.faulty_scores(faithful, storage, [3]))
    stages = LiveEvaluator(folder, tiny_task, looks=(8,)).stages(knobs)
    other = evaluator.stages(faithful)
    parts = [next(stages), next(other), *stages]
    assert np.allclose(parts[-1].logits, alone[knobs.trace_key()].logits, atol=2e-3, rtol=1e-2)


def test_stopped_and_cached_traces_keep_their_draw(
    folder: Path, tiny_task: TaskData, knobs: ModelKnobs, tmp_path: Path
) -> None:
    """Gone on with after a stop, and taken from the cache, it is the same trace."""
    expected = [*LiveEvaluator(folder, tiny_task, looks=(8,)).stages(knobs)][-1]
    cache = TraceCache(tmp_path, None, lambda _: None)
    next(LiveEvaluator(folder, tiny_task, cache, looks=(8,)).stages(knobs))
    for _ in range(2):
        evaluator = LiveEvaluator(folder, tiny_task, cache, looks=(8,))
        assert_equal([*evaluator.stages(knobs)][-1], expected)


def test_partial_scores_are_of_the_first_drawn(
    folder: Path, tiny_task: TaskData, knobs: ModelKnobs
) -> None:
    """Without faults all select sentences score what the trace does; 12 of them a twelfth."""
    sram = {"embedding_storage": CellKind.SRAM, "encoder_storage": CellKind.SRAM}
    faithful = dataclasses.replace(knobs, **sram)  # type: ignore[arg-type]
    evaluator = LiveEvaluator(folder, tiny_task)
    none = Storage(errors={}, mask_errors={})
    (score, misread), again = evaluator.faulty_scores(faithful, none, [0, 1])
    assert misread == 0
    assert again == (score, 0)
    assert score == pytest.approx(last_scores(evaluator.trace(faithful), Split.SELECT))
    ((part, _),) = evaluator.faulty_scores(faithful, none, [0], 12)
    assert (part * 12).is_integer()


def test_standard_error_includes_the_spread_over_chips(
    folder: Path, tiny_task: TaskData, knobs: ModelKnobs
) -> None:
    """Squares of both deviations add."""
    trace = LiveEvaluator(folder, tiny_task).trace(knobs).of(Split.SELECT)
    trace = dataclasses.replace(trace, faults=FaultTrials((0.5, 0.7, 0.6)))
    layers = np.full((1, len(trace.tokens)), trace.n_exits)
    _, alone = accuracy_with_error(dataclasses.replace(trace, faults=None), layers)
    _, together = accuracy_with_error(trace, layers)
    assert together**2 - alone**2 == pytest.approx(0.01)


def test_logits_out_of_range(
    folder: Path, tiny_task: TaskData, knobs: ModelKnobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faults can drive logits to infinity: they saturate; without faults that is an error."""
    original = CompressibleEncoder.logits

    def huge(self: CompressibleEncoder, batch: object) -> object:
        return original(self, batch) * 1e9  # type: ignore[arg-type]

    evaluator = LiveEvaluator(folder, tiny_task)
    monkeypatch.setattr(CompressibleEncoder, "logits", huge)
    with pytest.warns(RuntimeWarning), pytest.raises(ValueError, match="must be finite"):
        evaluator.trace(
            dataclasses.replace(
                knobs, embedding_storage=CellKind.SRAM, encoder_storage=CellKind.SRAM
            )
        )
    monkeypatch.setattr(
        live, "predicted_entropy_table", lambda _: np.zeros((LUT_ROWS, 1), dtype=np.float16)
    )
    with pytest.warns(RuntimeWarning):
        trace = evaluator.trace(knobs)
    assert np.abs(trace.logits.astype(np.float64)).max() == 65504
