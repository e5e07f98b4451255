"""GLUE tasks with the splits that every trace has.

``select`` is held out of the training set: objectives, thresholds and choices are made on it
(`evaluators.splits` says which rows). ``report`` is the GLUE dev set: it is only read at the end.
Training uses what is left when the ``select`` rows and every row that would leak one are out.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final, Protocol

from evaluators.glue_datasets import DatasetsReader
from evaluators.glue_files import TsvReader, training_texts
from evaluators.sentences import GlueDataError, Sentences, TaskData
from evaluators.splits import (
    CALIBRATION_SENTENCES,
    SELECT_SEED,
    full_sentences,
    select_rows,
    select_split,
)
from evaluators.tasks import SST2, GlueFile, GlueTask

__all__ = ["GlueDataError", "Sentences", "TaskData", "load_sst2", "load_task", "training_texts"]

DATASETS_PREFIX: Final = "datasets:"
"""What a source starts with that the ``datasets`` library is to read."""


class Reader(Protocol):
    """Reads the official files of one task from wherever they are."""

    def read(self, file: GlueFile) -> Sentences:
        """Every row of an official file, as many as there should be."""

    def read_training(self) -> tuple[Sentences, str]:
        """The training set, or the subset of it that is there, and what it is in words."""


def load_task(task: GlueTask, source: Path | str) -> TaskData:
    """A task with its splits.

    Args:
        task: which.
        source: the folder of the GLUE tasks, each in its own folder of TSV files; or
            ``datasets:NAME`` with the name or the folder of a dataset that the ``datasets`` library
            can load.

    Raises:
        GlueDataError: a file is missing, or a row, a label or the number of rows is not official.
    """
    reader = _reader(task, str(source))
    train, said = reader.read_training()
    report = reader.read(task.report)
    mismatched = None if task.mismatched is None else reader.read(task.mismatched)
    if task.name == SST2.name:
        full = full_sentences(train.texts)
        select, held_out = select_split(train.texts, full)
        candidates = sorted(set(full) - held_out)
    else:
        select, held_out = select_rows(train)
        candidates = sorted(set(range(len(train))) - held_out)
    count = min(CALIBRATION_SENTENCES, len(candidates))
    calibration = sorted(random.Random(SELECT_SEED).sample(candidates, count))
    left = [i for i in range(len(train)) if i not in held_out]
    reported = f"{len(report):,}"
    if mismatched is not None:
        reported += f" matched and {len(mismatched):,} mismatched"
    return TaskData(
        train=train.take(left),
        select=train.take(select),
        report=report,
        calibration=train.take(calibration),
        task=task,
        mismatched=mismatched,
        description=(
            f"{task.name}: {said}, of which {len(select):,} to select on and {len(left):,} to "
            f"train on; {reported} dev rows to report."
        ),
    )


def load_sst2(source: Path | str) -> TaskData:
    """SST-2 with its splits: `load_task` of the task that the shipped checkpoints are for."""
    return load_task(SST2, source)


def _reader(task: GlueTask, source: str) -> Reader:
    if source.startswith(DATASETS_PREFIX):
        return DatasetsReader(task, source.removeprefix(DATASETS_PREFIX))
    return TsvReader(task, Path(source))
