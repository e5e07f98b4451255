"""The live evaluator: model knobs in, an exit trace measured on real sentences out."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluators.batches import equal_length_batches
from evaluators.checkpoints import CheckpointError
from evaluators.compression import CompressibleEncoder
from evaluators.encoders import (
    ExitHead,
    TokenRow,
    checkpoint_hash,
    load_tokenizer,
    token_rows,
)
from evaluators.glue import TaskData
from evaluators.predictor import predicted_entropy_table
from evaluators.stages import Progress, first_drawn, select_order
from evaluators.trace_cache import TraceCache
from evaluators.traces import LUT_ROWS, TRACE_VERSION, ExitTrace, Split, entropies
from search_space import ModelKnobs

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
                `stages` gives a partial trace. Smaller batches make the whole trace slower: by a
                sixth to a fifth for looks after a quarter and a half of 1,000 sentences.

        Raises:
            ValueError: the looks do not rise from 1 to less than all ``select`` sentences.
            CheckpointError: the checkpoint has not as many outputs as the task has classes.
        """
        self._encoder = CompressibleEncoder(folder, data.task.n_outputs)
        self._task = data.task
        self._check_outputs(folder)
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
        self._set_to: tuple[object, ...] | None = None
        self._calibration = rows(data.calibration.texts, data.calibration.pairs)
        self._scale_batches = [
            batch for _, batch in equal_length_batches(self._calibration[:SCALE_SENTENCES])
        ]

    def _check_outputs(self, folder: Path) -> None:
        head = self._encoder.model.exits[0]
        assert isinstance(head, ExitHead)
        outputs = head.classifier.out_features
        if outputs != self._task.n_outputs:
            kind = "a regression" if self._task.is_regression else "its classes"
            raise CheckpointError(
                f"{folder}: {outputs} outputs at every exit, expected {self._task.n_outputs} for "
                f"{self._task.name} ({kind}); name a checkpoint that was trained for it."
            )

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
        return Progress(
            positions=np.zeros(0, dtype=np.int64),
            logits=np.zeros((0, n_exits, self._task.n_outputs), dtype=np.float16),
            predicted_entropies=self._predicted_entropies(n_exits),
            head_spans=spans,
            encoder_density=encoder_density,
            embedding_density=embedding_density,
        )

    def _measured(
        self, knobs: ModelKnobs, key: str, progress: Progress, rows: NDArray[np.int64]
    ) -> Progress:
        """Progress with the sentences at those positions measured; stored on the way."""
        known = set(progress.positions.tolist())
        left = [int(row) for row in rows if int(row) not in known]
        if left and self._set_to != knobs.trace_key():
            self._configure(knobs)  # gone on with, or another setting was measured meanwhile
        saved = time.monotonic()
        for places, batch in equal_length_batches([self._evaluated[row] for row in left]):
            logits = self._encoder.logits(batch).numpy().astype(np.float16)
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
        self._set_to = None
        compressed = self._encoder.configure(knobs, self._scale_batches)
        self._set_to = knobs.trace_key()
        return compressed

    def _predicted_entropies(self, n_exits: int) -> NDArray[np.float16]:
        """The table of the exit predictor; all 0 for a regression, which has no entropies."""
        if self._task.is_regression:
            return np.zeros((LUT_ROWS, n_exits - 2), dtype=np.float16)
        return predicted_entropy_table(entropies(self._logits(self._calibration)))

    def _logits(self, rows: Sequence[TokenRow]) -> NDArray[np.float16]:
        """Logits (n_rows, n_exits, n_classes) of token id rows, in half precision."""
        parts = [
            (positions, self._encoder.logits(batch).numpy().astype(np.float16))
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
    counts = [*looks, n_select]
    if sorted(set(counts)) != counts or counts[0] < 1:
        raise ValueError(f"looks {list(looks)}: expected rising numbers from 1 to {n_select - 1}.")
    order = select_order(n_select)
    drawn = [(end, order[start:end]) for start, end in zip([0, *looks], counts, strict=True)]
    return [*drawn, (n_select, np.arange(n_select, n_sentences))]
