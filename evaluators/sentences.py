"""Labelled sentences, and one task's data with its splits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from evaluators.tasks import SST2, GlueTask


class GlueDataError(ValueError):
    """GLUE data are missing or are not what the official ones are."""


@dataclass(frozen=True, slots=True)
class Sentences:
    """Labelled sentences, or pairs of them, in file order.

    Attributes:
        texts: the sentences, stripped.
        labels: class index of each, or the number that a regression is to give.
        rows: row number of each in its file, the first row after the header being 0.
        pairs: the second sentence of each, stripped; empty for a task with one.
    """

    texts: tuple[str, ...]
    labels: tuple[float, ...]
    rows: tuple[int, ...]
    pairs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Require one label and one row number for each text, and as many second texts or none."""
        if not len(self.texts) == len(self.labels) == len(self.rows):
            raise ValueError("Sentences: texts, labels and rows must have one length.")
        if self.pairs and len(self.pairs) != len(self.texts):
            raise ValueError(
                f"Sentences: {len(self.pairs)} second texts for {len(self.texts)} texts; expected "
                "one for each, or none."
            )

    def __len__(self) -> int:
        """Number of sentences, or of pairs."""
        return len(self.texts)

    def take(self, indices: Iterable[int]) -> Sentences:
        """The sentences at those positions, in that order."""
        chosen = list(indices)
        return Sentences(
            tuple(self.texts[i] for i in chosen),
            tuple(self.labels[i] for i in chosen),
            tuple(self.rows[i] for i in chosen),
            tuple(self.pairs[i] for i in chosen) if self.pairs else (),
        )

    def content_hash(self) -> str:
        """SHA-256 of texts and labels, hexadecimal."""
        digest = hashlib.sha256()
        columns = (self.texts, self.pairs, self.labels) if self.pairs else (self.texts, self.labels)
        for row in zip(*columns, strict=True):
            digest.update(("\t".join(map(str, row)) + "\n").encode())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class TaskData:
    """One task: what may be trained on, what choices are made on, what is reported.

    Attributes:
        train: what may be trained on.
        select: training rows held out, for objectives and choices.
        report: the GLUE dev set (MNLI: the matched one), only read at the end.
        calibration: rows of ``train``, for activation scales, spans and the predictor.
        task: which task.
        mismatched: MNLI's other dev set, read with ``report``; None for other tasks.
        description: where the rows come from and how many there are, a training subset said so.
    """

    train: Sentences
    select: Sentences
    report: Sentences
    calibration: Sentences
    task: GlueTask = SST2
    mismatched: Sentences | None = None
    description: str = ""

    def content_hash(self) -> str:
        """SHA-256 of all but ``train``, hexadecimal: the data part of a trace's key.

        That of SST-2 is of sentences alone; those of other tasks are of the task's name too.
        """
        parts = [self.select, self.report, self.calibration]
        if self.mismatched is not None:
            parts.append(self.mismatched)
        named = "" if self.task.name == SST2.name else self.task.name
        return hashlib.sha256(
            (named + "".join(p.content_hash() for p in parts)).encode()
        ).hexdigest()
