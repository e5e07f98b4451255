"""The live evaluator: model knobs in, an exit trace measured on real sentences out."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Generator, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from evaluators.batches import equal_length_batches
from evaluators.checkpoint_folders import checkpoint_hash
from evaluators.checkpoints import CheckpointError, trained_task
from evaluators.compression import CompressibleEncoder
from evaluators.encoders import ExitHead
from evaluators.faults.storage import Storage, storage_of
from evaluators.faults.trials import FAULT_TRIALS, FaultTrials
from evaluators.glue import TaskData
from evaluators.learned_spans import read_spans
from evaluators.limits import check_rows, check_spans
from evaluators.predictor import predicted_entropy_table
from evaluators.stages import Progress, checked_looks, first_drawn, select_order
from evaluators.task_metrics import TASK_METRICS
from evaluators.token_rows import TokenRow, load_tokenizer, token_rows
from evaluators.trace_cache import TraceCache
from evaluators.traces import LUT_ROWS, TRACE_VERSION, ExitTrace, Split, entropies
from search_space import ModelKnobs, TraceKey

SCALE_SENTENCES: Final = 64
"""Calibration sentences that set activation scales and spans; the predictor uses all of them."""
SAVE_SECONDS: Final = 20.0
"""Progress within a stage is stored when that long has passed since it last was."""


class LiveEvaluator:
    """One checkpoint and one task, loaded once.

    Sentences run in batches of one exact length, so there is no padding and a trace does not depend
    on which sentences share a batch, but for the rounding of matrix products.
    """

    def __init__(
        self,
        folder: Path,
        data: TaskData,
        cache: TraceCache | None = None,
        looks: Sequence[int] = (),
    ) -> None:
        """Load the checkpoint and tokenise the task's sentences.

        Args:
            folder: checkpoint folder.
            data: the task.
            cache: of finished traces and of progress, shared by all workers; None for no cache.
            looks: rising numbers of drawn ``select`` sentences, below all of them, after which
                `stages` gives a partial trace; 0 for one before the first sentence. Smaller batches
                make the whole trace slower: by a sixth to a fifth for looks after a quarter and a
                half of 1,000 sentences.

        Raises:
            ValueError: the looks do not rise from 0 to less than all ``select`` sentences.
            CheckpointError: the checkpoint is missing or damaged, its files do not fit one another,
                it has not as many outputs as the task has classes, or its card names another task.
        """
        self._encoder = CompressibleEncoder(folder, data.task.n_outputs)
        self._task = data.task
        self._check_task(folder)
        self._cache = cache
        self._data_key = (checkpoint_hash(folder), data.content_hash(), TRACE_VERSION)
        has_types = self._encoder.model.has_token_types
        rows = partial(token_rows, load_tokenizer(folder), has_types=has_types)
        parts = {Split.SELECT: data.select, Split.REPORT: data.report}
        if data.mismatched is not None:
            parts[Split.MISMATCHED] = data.mismatched
        self._evaluated = [row for part in parts.values() for row in rows(part.texts, part.pairs)]
        self._tokens = np.array([len(row) for row in self._evaluated], dtype=np.int64)
        labels = [label for part in parts.values() for label in part.labels]
        self._labels: NDArray[np.int64] | NDArray[np.float64] = (
            np.array(labels, dtype=np.float64)
            if data.task.is_regression
            else np.array(labels, dtype=np.int64)
        )
        self._splits = np.repeat([*parts], [len(part) for part in parts.values()]).astype(np.int64)
        self._stages = _stages(len(data.select), len(self._evaluated), looks)
        self._configured: TraceKey | None = None
        self._set_to: TraceKey | None = None
        self._has_faults = False
        self._calibration = rows(data.calibration.texts, data.calibration.pairs)
        check_rows(folder, self._encoder.model, [*self._evaluated, *self._calibration])
        check_spans(folder, self._encoder.model, read_spans(folder))
        self._scale_batches = [
            batch for _, batch in equal_length_batches(self._calibration[:SCALE_SENTENCES])
        ]

    def _check_task(self, folder: Path) -> None:
        head = self._encoder.model.exits[0]
        assert isinstance(head, ExitHead)
        outputs = head.classifier.out_features
        if outputs != self._task.n_outputs:
            kind = "a regression" if self._task.is_regression else "its classes"
            raise CheckpointError(
                f"{folder}: {outputs} outputs at every exit, expected {self._task.n_outputs} for "
                f"{self._task.name} ({kind}); name a checkpoint that was trained for it."
            )
        trained = trained_task(folder)
        if trained not in (None, self._task.name):
            raise CheckpointError(
                f"{folder}: its card.json says that it was trained for {trained!r}, expected "
                f"{self._task.name}; name a checkpoint that was trained for it, or take 'task' out "
                "of the card to try it all the same."
            )

    @property
    def select_tokens(self) -> NDArray[np.int64]:
        """Token counts (n_select,) of the ``select`` sentences, known before any is measured."""
        counts: NDArray[np.int64] = self._tokens[self._splits == Split.SELECT]
        return counts

    def trace_hash(self, knobs: ModelKnobs) -> str:
        """Content hash of (checkpoint, data, knobs, code version), hexadecimal."""
        key = json.dumps([*self._data_key, *knobs.trace_key()])
        return hashlib.sha256(key.encode()).hexdigest()

    def trace(self, knobs: ModelKnobs) -> ExitTrace:
        """The trace of those knobs: from the cache, or by one forward pass over the sentences.

        With a cache, a measurement that was stopped is gone on with.
        """
        *_, whole = self.stages(knobs)
        return whole

    def stages(self, knobs: ModelKnobs) -> Generator[ExitTrace, None, None]:
        """The trace of those knobs, measured while it is asked for, so that one may stop early.

        With looks, first the trace of the first drawn ``select`` sentences (`first_drawn`) for each
        of the looks and for all of them; in the end the whole trace, in file order, with the
        sentences of the other splits. Nothing is measured twice: what each of these traces holds is
        bit for bit what the next one holds of the same sentences. Scales, spans and the predictor
        are settled before the first. The same traces come if some or all of it was in the cache,
        but for the rounding of matrix products where another machine or other looks had measured
        it.

        Where cells are not read as written, `FAULT_TRIALS` draws of their faults are scored first,
        and the trace is that of the median one (`evaluators.faults.trials`).
        """
        key = self.trace_hash(knobs)
        whole = None if self._cache is None else self._cache.trace(key)
        if whole is not None:
            for count, _ in self._stages[:-1]:
                yield first_drawn(whole, count)
            yield whole
            return
        progress = None if self._cache is None else self._cache.progress(key)
        if progress is None:
            progress = self._begun(knobs)
        facts = (self._tokens, self._labels, self._splits, self._task.name)
        for count, rows in self._stages[:-1]:
            progress = self._measured(knobs, key, progress, rows)
            drawn = select_order(int((self._splits == Split.SELECT).sum()))[:count]
            yield progress.trace(drawn, *facts)
        progress = self._measured(knobs, key, progress, self._stages[-1][1])
        whole = progress.trace(np.arange(len(self._evaluated)), *facts)
        if self._cache is not None:
            self._cache.store_trace(key, whole)
        yield whole

    def _begun(self, knobs: ModelKnobs) -> Progress:
        """Progress before the first sentence."""
        spans, encoder_density, embedding_density = self._configure(knobs)
        n_exits = self._encoder.model.n_layers
        predicted_entropies = self._predicted_entropies(n_exits)
        storage, faults = storage_of(knobs), None
        if not storage.is_faithful:
            trials = self.faulty_scores(knobs, storage, range(FAULT_TRIALS))
            faults = FaultTrials(tuple(score for score, _ in trials))
        self._read_back(knobs, faults)
        return Progress(
            positions=np.zeros(0, dtype=np.int64),
            logits=np.zeros((0, n_exits, self._task.n_outputs), dtype=np.float16),
            predicted_entropies=predicted_entropies,
            head_spans=spans,
            encoder_density=encoder_density,
            embedding_density=embedding_density,
            faults=faults,
        )

    def faulty_scores(
        self,
        knobs: ModelKnobs,
        storage: Storage,
        seeds: Iterable[int],
        sentences: int | None = None,
    ) -> Generator[tuple[float, int], None, None]:
        """Scores of a setting with draws of faults, and how many cells each misread.

        Args:
            knobs: the setting.
            storage: cells of each part of its weights, whatever the setting says of them.
            seeds: of the draws.
            sentences: how many ``select`` sentences, the first drawn (`select_order`); None for
                all of them.

        Yields:
            The task's primary metric at the last exit on them, and the count of cells.
        """
        rows = select_order(int((self._splits == Split.SELECT).sum()))[:sentences]
        faultless: float | None = None
        for seed in seeds:
            if self._configured != knobs.trace_key():
                self._configure(knobs)
            self._set_to, self._has_faults = None, True
            misread = self._encoder.read_back(knobs, storage, seed)
            if misread:
                yield self._last_score(rows), misread
                continue
            if faultless is None:
                faultless = self._last_score(rows)
            yield faultless, misread

    def _last_score(self, rows: NDArray[np.int64]) -> float:
        """Primary metric of the task at the last exit, on the sentences at those positions."""
        logits = self._logits([self._evaluated[row] for row in rows])[:, -1].astype(np.float64)
        answers = logits[:, 0] if self._task.is_regression else logits.argmax(axis=-1)
        metric = TASK_METRICS[self._task.primary_metric]
        return float(metric.values(answers[None], self._labels[rows])[0])

    def _measured(
        self, knobs: ModelKnobs, key: str, progress: Progress, rows: NDArray[np.int64]
    ) -> Progress:
        """Progress with the sentences at those positions measured; stored on the way."""
        known = set(progress.positions.tolist())
        left = [int(row) for row in rows if int(row) not in known]
        if left and self._set_to != knobs.trace_key():
            # Gone on with, or another setting was measured meanwhile.
            self._configure(knobs)
            self._read_back(knobs, progress.faults)
        saved = time.monotonic()
        for places, batch in equal_length_batches([self._evaluated[row] for row in left]):
            logits = self._half_precision(self._encoder.logits(batch))
            positions = np.array([left[place] for place in places], dtype=np.int64)
            progress = progress.extended(positions, logits)
            if self._cache is not None and time.monotonic() - saved >= SAVE_SECONDS:
                self._cache.store_progress(key, progress)
                saved = time.monotonic()
        if self._cache is not None and left and len(progress.positions) < len(self._evaluated):
            self._cache.store_progress(key, progress)
        return progress

    def _configure(self, knobs: ModelKnobs) -> tuple[tuple[tuple[int, ...], ...], float, float]:
        """Set the encoder to a setting: its spans and densities."""
        self._configured = self._set_to = None
        self._has_faults = False
        compressed = self._encoder.configure(knobs, self._scale_batches)
        self._configured = self._set_to = knobs.trace_key()
        return compressed

    def _read_back(self, knobs: ModelKnobs, faults: FaultTrials | None) -> None:
        """Let the encoder, configured, have the faults that the trace of the setting has."""
        if faults is not None:
            self._set_to, self._has_faults = None, True
            self._encoder.read_back(knobs, storage_of(knobs), faults.chosen)
            self._set_to = knobs.trace_key()

    def _half_precision(self, logits: Tensor) -> NDArray[np.float16]:
        """Logits (same shape) as a trace has them.

        Faults can make weights so large that logits leave the range: they are then its largest
        number, and 0 where they are no number at all.
        """
        values = logits.numpy()
        if self._has_faults:
            largest = float(np.finfo(np.float16).max)
            values = np.nan_to_num(values, nan=0.0, posinf=largest, neginf=-largest)
            values = values.clip(-largest, largest)
        return values.astype(np.float16)

    def _predicted_entropies(self, n_exits: int) -> NDArray[np.float16]:
        """The table of the exit predictor; all 0 for a regression, which has no entropies."""
        if self._task.is_regression:
            return np.zeros((LUT_ROWS, n_exits - 2), dtype=np.float16)
        return predicted_entropy_table(entropies(self._logits(self._calibration)))

    def _logits(self, rows: Sequence[TokenRow]) -> NDArray[np.float16]:
        """Logits (n_rows, n_exits, n_classes) of token id rows, in half precision."""
        parts = [
            (positions, self._half_precision(self._encoder.logits(batch)))
            for positions, batch in equal_length_batches(rows)
        ]
        result = np.empty((len(rows), *parts[0][1].shape[1:]), dtype=np.float16)
        for positions, logits in parts:
            result[positions] = logits
        return result


def _stages(
    n_select: int, n_sentences: int, looks: Sequence[int]
) -> list[tuple[int, NDArray[np.int64]]]:
    """For each stage, how many drawn sentences are measured after it, and positions to measure.

    Without looks there is one stage, with the largest batches that can be.
    """
    if not looks:
        return [(n_select, np.arange(n_sentences))]
    checked_looks(looks, n_select)
    counts = [*looks, n_select]
    order = select_order(n_select)
    drawn = [(end, order[start:end]) for start, end in zip([0, *looks], counts, strict=True)]
    return [*drawn, (n_select, np.arange(n_select, n_sentences))]
