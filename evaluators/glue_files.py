"""GLUE tasks as TSV files in the official layouts: UTF-8, no quoting, a folder for each task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from evaluators.sentences import GlueDataError, Sentences
from evaluators.tasks import (
    COLA,
    MNLI,
    MRPC,
    QNLI,
    QQP,
    RTE,
    SST2,
    STSB,
    STSB_SCORES,
    GlueFile,
    GlueTask,
)

SCORE_DIGITS: Final = 3
"""Digits that labels of a regression are rounded to, whether they come as text or in fp32."""

_DISTILLATION_FILES: Final = (
    *((task, task.train.name) for task in (SST2, COLA, MRPC, RTE, STSB)),
    *((task, task.train.subset_name) for task in (QNLI, QQP, MNLI)),
)
"""What text for distillation is taken from, in that order."""


class TsvReader:
    """Reads one task from the folder that holds the folders of the tasks."""

    def __init__(self, task: GlueTask, glue_dir: Path) -> None:
        self._task = task
        self._folder = glue_dir / task.name

    def read(self, file: GlueFile) -> Sentences:
        """Every row of an official file.

        Raises:
            GlueDataError: the file is missing, or a row, a label or the number of rows is wrong.
        """
        path = self._folder / file.name
        sentences = self._read(path, file)
        if len(sentences) != file.rows:
            raise GlueDataError(
                f"{path}: {len(sentences)} rows, expected the official {file.rows}; fetch the file "
                "again."
            )
        return sentences

    def read_training(self) -> tuple[Sentences, str]:
        """The training set, else the subset of it that is there, and what it is in words.

        Raises:
            GlueDataError: there is neither, or a row, a label or the number of rows is wrong.
        """
        file = self._task.train
        subset = self._folder / file.subset_name
        if (self._folder / file.name).is_file() or not subset.is_file():
            return self.read(file), f"{file.rows:,} training rows"
        sentences = self._read(subset, file)
        return sentences, subset_in_words(subset, len(sentences), file)

    def _read(self, path: Path, file: GlueFile) -> Sentences:
        task, lines = self._task, _lines(path, self._task)
        first = 0
        if task.has_header:
            first = 1
            if lines[0] != "\t".join(file.columns):
                expected = "<TAB>".join(file.columns)
                raise GlueDataError(
                    f"{path}: header {lines[0][:200]!r}, expected '{expected}' as in the official "
                    "file."
                )
        columns = [file.columns.index(name) for name in task.texts]
        label_column = file.columns.index(task.label)
        texts: list[list[str]] = []
        labels: list[float] = []
        rows: list[int] = []
        for number, line in enumerate(lines[first:], start=first + 1):
            fields = line.split("\t")
            if task.has_broken_rows and len(fields) < len(file.columns):
                continue
            label = _label(task, fields[label_column]) if len(fields) == len(file.columns) else None
            if label is None:
                raise GlueDataError(
                    f"{path}, line {number}: {line[:60]!r}, expected {len(file.columns)} columns "
                    f"between tabs with {expected_label(task, task.spellings)} in "
                    f"column {label_column + 1}."
                )
            texts.append([fields[column].strip() for column in columns])
            labels.append(label)
            rows.append(number - first - 1)
        return sentences_of(texts, labels, rows, task)


def sentences_of(
    texts: Sequence[Sequence[str]], labels: Sequence[float], rows: Sequence[int], task: GlueTask
) -> Sentences:
    """Sentences from rows of one or two texts."""
    columns = list(zip(*texts, strict=True)) if texts else [()] * len(task.texts)
    return Sentences(columns[0], tuple(labels), tuple(rows), columns[1] if task.is_pair else ())


def subset_in_words(origin: object, rows: int, file: GlueFile) -> str:
    """What a training subset is, in words.

    Raises:
        GlueDataError: it has no row, or more than the whole training set.
    """
    if not 0 < rows <= file.rows:
        raise GlueDataError(
            f"{origin}: {rows} rows, expected 1 to {file.rows}, some of the official training set."
        )
    return f"a SUBSET of {rows:,} of {file.rows:,} training rows"


def score(value: float) -> float | None:
    """The label of a regression, rounded to `SCORE_DIGITS`; None for a number that is none."""
    low, high = STSB_SCORES
    return round(value, SCORE_DIGITS) if math.isfinite(value) and low <= value <= high else None


def expected_label(task: GlueTask, spellings: Sequence[str]) -> str:
    """What a label has to be, in words, where classes are spelt so."""
    if task.is_regression:
        return f"a number from {STSB_SCORES[0]:g} to {STSB_SCORES[1]:g}"
    return f"label {', '.join(spellings[:-1])} or {spellings[-1]}"


def _label(task: GlueTask, text: str) -> float | None:
    """The label that a file spells so; None if it spells none."""
    if task.is_regression:
        try:
            return score(float(text))
        except ValueError:
            return None
    return task.spellings.index(text) if text in task.spellings else None


def _lines(path: Path, task: GlueTask) -> list[str]:
    if not path.is_file():
        files = [task.train, task.report, *([task.mismatched] if task.mismatched else [])]
        names = [f"{task.name}/{file.name}" for file in files]
        raise GlueDataError(
            f"{path}: no such file; give the folder that holds {', '.join(names[:-1])} and "
            f"{names[-1]} by --data or GLUE_DIR."
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise GlueDataError(
            f"{path}, line {number}: not UTF-8 text ({error.reason}); fetch the file again."
        ) from error
    # The official files of MRPC begin with a byte-order mark.
    return text.removeprefix("\ufeff").removesuffix("\n").split("\n")


def training_texts(glue_dir: Path, held_out: Sequence[str]) -> list[str]:
    """Distinct training sentences of the GLUE tasks at hand, for distillation without labels.

    Args:
        glue_dir: folder of the GLUE tasks; tasks that are not there are left out.
        held_out: texts that must not be returned (evaluation splits, and rows contained in them).

    Raises:
        GlueDataError: SST-2 is missing, or a row has too few columns.
    """
    seen = dict.fromkeys(held_out)
    found: dict[str, None] = {}
    for task, name in _DISTILLATION_FILES:
        path = glue_dir / task.name / name
        if not path.is_file() and task.name != SST2.name:
            continue
        columns = [task.train.columns.index(column) for column in task.texts]
        first = 1 if task.has_header else 0
        for number, line in enumerate(_lines(path, task)[first:], start=first + 1):
            fields = line.split("\t")
            if len(fields) <= max(columns):
                raise GlueDataError(
                    f"{path}, line {number}: {len(fields)} columns, expected over {max(columns)}."
                )
            found.update(dict.fromkeys(fields[c].strip() for c in columns))
    return [text for text in found if text and text not in seen]
