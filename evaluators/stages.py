"""Evaluation in stages: the order in which sentences are drawn, and a setting measured part-way.

The ``select`` sentences are drawn in a random order that their number alone decides: Python's
``random.Random(ORDER_SEED)`` shuffles their positions. The first k drawn are so a random sample
without replacement for any k, the same sentences for every setting, and bounds on the accuracy
(`evaluators.confidence`) and differences in pairs may be read off at any time.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluators.faults.trials import FaultTrials
from evaluators.trace_archives import Arrays, archive_bytes, measured_fields, opened_archive
from evaluators.traces import ExitTrace, Split

ORDER_SEED: Final = 20_202


def select_order(n_select: int) -> NDArray[np.int64]:
    """Positions (n_select,) of the ``select`` sentences in the order drawn."""
    positions = list(range(n_select))
    random.Random(ORDER_SEED).shuffle(positions)
    return np.array(positions, dtype=np.int64)


def first_drawn(trace: ExitTrace, count: int) -> ExitTrace:
    """The trace of the first ``count`` ``select`` sentences, in the order drawn.

    Raises:
        ValueError: the trace has fewer ``select`` sentences.
    """
    positions = np.flatnonzero(trace.splits == Split.SELECT)
    if not 0 <= count <= len(positions):
        raise ValueError(
            f"{count} sentences drawn: expected 0 to the {len(positions)} of the select split."
        )
    rows = positions[select_order(len(positions))[:count]]
    return replace(
        trace,
        logits=trace.logits[rows],
        tokens=trace.tokens[rows],
        labels=trace.labels[rows],
        splits=trace.splits[rows],
    )


def checked_looks(looks: Sequence[int], n_select: int) -> None:
    """Require looks that rise from 0 or more to less than all ``select`` sentences.

    Raises:
        ValueError: they do not.
    """
    counts = [*looks, n_select]
    if sorted(set(counts)) != counts or counts[0] < 0:
        raise ValueError(f"looks {list(looks)}: expected rising numbers from 0 to {n_select - 1}.")


def looks_below(n_select: int, looks: Sequence[int]) -> tuple[int, ...]:
    """Looks of which there are sentences left: tasks differ in how many they have."""
    return tuple(look for look in looks if look < n_select)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What is known of a setting part-way through its sentences.

    Attributes:
        positions: (n_measured,) which sentences, by their positions in the whole trace.
        logits: (n_measured, n_exits, n_classes) float16, of those sentences.
        predicted_entropies: as in `ExitTrace`.
        head_spans: as in `ExitTrace`.
        encoder_density: as in `ExitTrace`.
        embedding_density: as in `ExitTrace`.
        faults: as in `ExitTrace`.
    """

    positions: NDArray[np.int64]
    logits: NDArray[np.float16]
    predicted_entropies: NDArray[np.float16]
    head_spans: tuple[tuple[int, ...], ...]
    encoder_density: float
    embedding_density: float
    faults: FaultTrials | None = None

    def __post_init__(self) -> None:
        """Require logits for each position, in half precision."""
        if self.logits.ndim != 3 or self.logits.dtype != np.float16:
            raise ValueError("Progress: logits must be float16 (sentences, exits, classes).")
        if self.positions.shape != (len(self.logits),):
            raise ValueError("Progress: positions must have one entry for each sentence.")

    def extended(self, positions: NDArray[np.int64], logits: NDArray[np.float16]) -> Progress:
        """The same with more sentences measured."""
        return replace(
            self,
            positions=np.concatenate([self.positions, positions]),
            logits=np.concatenate([self.logits, logits]),
        )

    def trace(
        self,
        rows: NDArray[np.int64],
        tokens: NDArray[np.int64],
        labels: NDArray[np.int64] | NDArray[np.float64],
        splits: NDArray[np.int64],
        task: str,
    ) -> ExitTrace:
        """The trace of some of the sentences measured, in the order of ``rows``.

        Args:
            rows: (n_rows,) their positions in the whole trace.
            tokens: (n_sentences,) of the whole trace, as in `ExitTrace`.
            labels: likewise.
            splits: likewise.
            task: likewise.
        """
        place = np.full(len(tokens), -1)
        place[self.positions] = np.arange(len(self.positions))
        assert (place[rows] >= 0).all()
        return ExitTrace(
            logits=self.logits[place[rows]],
            tokens=tokens[rows],
            labels=labels[rows],
            splits=splits[rows],
            predicted_entropies=self.predicted_entropies,
            head_spans=self.head_spans,
            encoder_density=self.encoder_density,
            embedding_density=self.embedding_density,
            task=task,
            faults=self.faults,
        )


def progress_bytes(progress: Progress) -> bytes:
    """Progress as an ``.npz`` archive."""
    sentences: Arrays = {"positions": progress.positions, "logits": progress.logits}
    return archive_bytes(sentences, progress)


def progress_of_bytes(content: bytes) -> Progress:
    """What `progress_bytes` was made of.

    Raises:
        ValueError: the archive is damaged.
    """
    with opened_archive(content, "progress") as stored:
        return Progress(
            positions=stored["positions"], logits=stored["logits"], **measured_fields(stored)
        )
