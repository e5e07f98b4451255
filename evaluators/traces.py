"""Exit traces: what one forward pass over the sentences leaves behind for one setting."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluators.faults.trials import FaultTrials
from evaluators.tasks import SST2, TASKS
from evaluators.trace_archives import Arrays, archive_bytes, measured_fields, opened_archive

TRACE_VERSION: Final = 1
"""Raised when a change of code changes logits: part of the key of cached and recorded traces."""

ENTROPY_STEP: Final = 0.01
LUT_ROWS: Final = 100


class Split(IntEnum):
    """Which sentences a figure is computed on.

    ``MISMATCHED`` is the dev set of MNLI from other genres, read beside ``REPORT``; no other task
    has one.
    """

    SELECT = 0
    REPORT = 1
    MISMATCHED = 2


@dataclass(frozen=True, kw_only=True)
class ExitTrace:
    """Logits of every exit for every sentence, in half precision by definition.

    Attributes:
        logits: (n_sentences, n_exits, n_classes) float16; of a regression one output instead of
            classes, the number that each exit gives.
        tokens: (n_sentences,) token counts, special tokens included.
        labels: (n_sentences,) class indices, or float64 numbers of a regression.
        splits: (n_sentences,) `Split` of each.
        predicted_entropies: (`LUT_ROWS`, n_exits - 2) float16: row r holds the predicted entropies
            (nats) of exits 2 … n_exits - 1 for a sentence whose entropy at exit 1 is about
            r * `ENTROPY_STEP`.
        head_spans: (n_distinct_layers, n_heads) attention span of each head, tokens; 0 is off.
        encoder_density: measured share of encoder weights that are not zero.
        embedding_density: measured share of embedding weights that are not zero.
        task: name of the GLUE task, which says what metric the sentences are scored by.
        faults: trials of faults in the stored weights, of which this is `FaultTrials.chosen`; None
            for weights that are read as written.
    """

    logits: NDArray[np.float16]
    tokens: NDArray[np.int64]
    labels: NDArray[np.int64] | NDArray[np.float64]
    splits: NDArray[np.int64]
    predicted_entropies: NDArray[np.float16]
    head_spans: tuple[tuple[int, ...], ...]
    encoder_density: float
    embedding_density: float
    task: str = SST2.name
    faults: FaultTrials | None = None

    def __post_init__(self) -> None:
        """Require matching shapes, half precision, finite logits and a known task."""
        if self.logits.ndim != 3 or self.logits.dtype != np.float16:
            raise ValueError("ExitTrace: logits must be float16 (sentences, exits, classes).")
        n_sentences, n_exits, _ = self.logits.shape
        for name in ("tokens", "labels", "splits"):
            if getattr(self, name).shape != (n_sentences,):
                raise ValueError(f"ExitTrace: {name} must have one entry for each sentence.")
        if self.predicted_entropies.shape != (LUT_ROWS, n_exits - 2):
            raise ValueError(
                f"ExitTrace: predicted_entropies has shape {self.predicted_entropies.shape}, "
                f"expected ({LUT_ROWS}, {n_exits - 2})."
            )
        if not np.isfinite(self.logits).all():
            raise ValueError("ExitTrace: logits must be finite.")
        if self.task not in TASKS or TASKS[self.task].is_regression != (self.logits.shape[2] == 1):
            raise ValueError(
                f"ExitTrace: task {self.task!r} with {self.logits.shape[2]} outputs; expected a "
                "GLUE task, and one output for a regression alone."
            )

    @property
    def n_exits(self) -> int:
        """Exits of the encoder, one after each layer."""
        return int(self.logits.shape[1])

    @cached_property
    def entropy(self) -> NDArray[np.float64]:
        """Entropy (n_sentences, n_exits) of every exit, nats."""
        return entropies(self.logits)

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """Largest softmax probability (n_sentences, n_exits) of every exit."""
        return confidences(self.logits)

    def of(self, split: Split) -> ExitTrace:
        """The part of the trace that belongs to one split."""
        return self._parts[split]

    @cached_property
    def _parts(self) -> dict[Split, ExitTrace]:
        return {split: self._part(split) for split in Split}

    def _part(self, split: Split) -> ExitTrace:
        keep = self.splits == split
        return ExitTrace(
            logits=self.logits[keep],
            tokens=self.tokens[keep],
            labels=self.labels[keep],
            splits=self.splits[keep],
            predicted_entropies=self.predicted_entropies,
            head_spans=self.head_spans,
            encoder_density=self.encoder_density,
            embedding_density=self.embedding_density,
            task=self.task,
            faults=self.faults,
        )


def entropies(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Entropy in nats, (...,) from logits (..., n_classes): ln sum e^x - sum x e^x / sum e^x.

    >>> bool(np.isclose(entropies(np.zeros(2)), np.log(2)))
    True
    """
    x = logits.astype(np.float64)
    x = x - x.max(axis=-1, keepdims=True)
    exponentials = np.exp(x)
    total = exponentials.sum(axis=-1)
    result: NDArray[np.float64] = np.log(total) - (x * exponentials).sum(axis=-1) / total
    return result


def confidences(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Largest softmax probability, (...,) from logits (..., n_classes): 1 / sum e^(x - max x).

    >>> float(confidences(np.zeros(4)))
    0.25
    """
    x = logits.astype(np.float64)
    result: NDArray[np.float64] = 1 / np.exp(x - x.max(axis=-1, keepdims=True)).sum(axis=-1)
    return result


def trace_bytes(trace: ExitTrace) -> bytes:
    """The trace as an ``.npz`` archive, in which SST-2 goes without saying."""
    sentences: Arrays = {
        "logits": trace.logits,
        "tokens": trace.tokens,
        "labels": trace.labels,
        "splits": trace.splits,
    }
    named = {} if trace.task == SST2.name else {"task": np.array(trace.task)}
    return archive_bytes(sentences, trace, **named)


def trace_of_bytes(content: bytes) -> ExitTrace:
    """What `trace_bytes` was made of.

    Raises:
        ValueError: the archive is damaged.
    """
    with opened_archive(content, "trace") as stored:
        return ExitTrace(
            logits=stored["logits"],
            tokens=stored["tokens"],
            labels=stored["labels"],
            splits=stored["splits"],
            **measured_fields(stored),
            task=str(stored["task"]) if "task" in stored else SST2.name,
        )
