"""The live evaluator: model knobs in, an exit trace measured on real sentences out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluators.compression import CompressibleEncoder
from evaluators.encoders import (
    CheckpointError,
    ExitHead,
    TokenRow,
    checkpoint_hash,
    load_tokenizer,
    token_rows,
)
from evaluators.glue import TaskData
from evaluators.predictor import predicted_entropy_table
from evaluators.traces import (
    LUT_ROWS,
    TRACE_VERSION,
    ExitTrace,
    Split,
    entropies,
    load_trace,
    save_trace,
)
from search_space import ModelKnobs

BATCH_SENTENCES: Final = 64
SCALE_SENTENCES: Final = 64
"""Calibration sentences that set activation scales and spans; the predictor uses all of them."""


class LiveEvaluator:
    """One checkpoint and one task, loaded once.

    Sentences run in batches of one exact length, so there is no padding and a trace does not depend
    on which sentences share a batch, but for the rounding of matrix products.
    """

    def __init__(self, folder: Path, data: TaskData, cache: Path | None = None) -> None:
        """Load the checkpoint and tokenise the task's sentences.

        Args:
            folder: checkpoint folder.
            data: the task.
            cache: folder of finished traces, shared by all workers; None for no cache.

        Raises:
            CheckpointError: the checkpoint has not as many outputs as the task has classes.
        """
        self._encoder = CompressibleEncoder(folder)
        self._task = data.task
        self._check_outputs(folder)
        self._cache = cache
        self._data_key = (checkpoint_hash(folder), data.content_hash(), TRACE_VERSION)
        types = getattr(self._encoder.model.backbone.config, "type_vocab_size", 0)
        rows = partial(token_rows, load_tokenizer(folder), has_segments=types > 1)
        parts = {Split.SELECT: data.select, Split.REPORT: data.report}
        if data.mismatched is not None:
            parts[Split.MISMATCHED] = data.mismatched
        self._evaluated = [row for part in parts.values() for row in rows(part.texts, part.pairs)]
        labels = [label for part in parts.values() for label in part.labels]
        self._labels: NDArray[np.int64] | NDArray[np.float64] = (
            np.array(labels, dtype=np.float64)
            if data.task.is_regression
            else np.array(labels, dtype=np.int64)
        )
        self._splits = np.repeat([*parts], [len(part) for part in parts.values()]).astype(np.int64)
        self._calibration = rows(data.calibration.texts, data.calibration.pairs)
        self._scale_batches = [
            batch for _, batch in _equal_length_batches(self._calibration[:SCALE_SENTENCES])
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
        """The trace of those knobs: from the cache, or by one forward pass over the sentences."""
        path = None if self._cache is None else self._cache / f"{self.trace_hash(knobs)}.npz"
        if path is not None and path.is_file():
            return load_trace(path)
        trace = self._measure(knobs)
        if path is not None:
            save_trace(path, trace)
        return trace

    def _measure(self, knobs: ModelKnobs) -> ExitTrace:
        spans, encoder_density, embedding_density = self._encoder.configure(
            knobs, self._scale_batches
        )
        logits = self._logits(self._evaluated)
        return ExitTrace(
            logits=logits,
            tokens=np.array([len(row) for row in self._evaluated], dtype=np.int64),
            labels=self._labels,
            splits=self._splits,
            predicted_entropies=self._predicted_entropies(logits.shape[1]),
            head_spans=spans,
            encoder_density=encoder_density,
            embedding_density=embedding_density,
            task=self._task.name,
        )

    def _predicted_entropies(self, n_exits: int) -> NDArray[np.float16]:
        """The table of the exit predictor; all 0 for a regression, which has no entropies."""
        if self._task.is_regression:
            return np.zeros((LUT_ROWS, n_exits - 2), dtype=np.float16)
        return predicted_entropy_table(entropies(self._logits(self._calibration)))

    def _logits(self, rows: Sequence[TokenRow]) -> NDArray[np.float16]:
        """Logits (n_rows, n_exits, n_classes) of token id rows, in half precision."""
        parts = [
            (positions, self._encoder.logits(batch).numpy().astype(np.float16))
            for positions, batch in _equal_length_batches(rows)
        ]
        result = np.empty((len(rows), *parts[0][1].shape[1:]), dtype=np.float16)
        for positions, logits in parts:
            result[positions] = logits
        return result


def _equal_length_batches(rows: Sequence[TokenRow]) -> list[tuple[list[int], Tensor]]:
    """Positions and token ids (batch, tokens) of rows of one length each, shortest first.

    Pairs of sentences give (batch, tokens, 2): token and segment ids.
    """
    by_length: dict[int, list[int]] = {}
    for position, row in enumerate(rows):
        by_length.setdefault(len(row), []).append(position)
    batches = []
    for _, positions in sorted(by_length.items()):
        for start in range(0, len(positions), BATCH_SENTENCES):
            part = positions[start : start + BATCH_SENTENCES]
            batches.append((part, torch.tensor([rows[i] for i in part], dtype=torch.long)))
    return batches
