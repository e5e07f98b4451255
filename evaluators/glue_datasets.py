"""GLUE tasks by the ``datasets`` library: a dataset's folder on disk, or its name on a hub.

The library is optional and imported when it is used. Its GLUE has the tasks as configurations and
the official files as splits; rows and labels are those of the TSV files.
"""

from __future__ import annotations

from typing import Any

from evaluators.glue_files import expected_label, score, sentences_of, subset_in_words
from evaluators.sentences import GlueDataError, Sentences
from evaluators.tasks import GlueFile, GlueTask


class DatasetsReader:
    """Reads one task of a GLUE dataset."""

    def __init__(self, task: GlueTask, name: str) -> None:
        """Load the task's configuration.

        Args:
            task: which.
            name: the folder of the dataset, or its name on a hub.

        Raises:
            GlueDataError: the library is not installed, or cannot load that.
        """
        try:
            from datasets import load_dataset
        except ImportError as error:
            raise GlueDataError(
                f"Data 'datasets:{name}' need the datasets library: run 'pip install datasets'."
            ) from error
        self._task = task
        self._origin = f"datasets:{name}, {task.dataset}"
        try:
            self._splits: Any = load_dataset(name, task.dataset)
        except Exception as error:  # of many kinds, those of files, networks and parsers among them
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise GlueDataError(
                f"{self._origin}: cannot be loaded ({reason[:300]}); give the folder or the name "
                f"of a dataset with a configuration {task.dataset!r}."
            ) from error

    def read(self, file: GlueFile) -> Sentences:
        """Every row of the split that is an official file.

        Raises:
            GlueDataError: the split is missing, or a row, a label or the number of rows is wrong.
        """
        sentences = self._read(file.split)
        if len(sentences) != file.rows:
            raise GlueDataError(
                f"{self._origin}, split {file.split!r}: {len(sentences)} rows, expected the "
                f"official {file.rows}."
            )
        return sentences

    def read_training(self) -> tuple[Sentences, str]:
        """The training set, else the subset of it that is there, and what it is in words.

        Raises:
            GlueDataError: there is neither, or a row, a label or the number of rows is wrong.
        """
        file = self._task.train
        if file.split in self._splits or file.subset_split not in self._splits:
            return self.read(file), f"{file.rows:,} training rows"
        sentences = self._read(file.subset_split)
        origin = f"{self._origin}, split {file.subset_split!r}"
        return sentences, subset_in_words(origin, len(sentences), file)

    def _read(self, split: str) -> Sentences:
        task = self._task
        where = f"{self._origin}, split {split!r}"
        if split not in self._splits:
            raise GlueDataError(f"{where}: no such split; there is {', '.join(self._splits)}.")
        rows = self._splits[split]
        missing = [c for c in (*task.dataset_texts, "label") if c not in rows.column_names]
        if missing:
            raise GlueDataError(
                f"{where}: no column {missing[0]!r}; there is {', '.join(rows.column_names)}."
            )
        columns = [list(rows[name]) for name in task.dataset_texts]
        labels: list[float] = []
        texts = list(zip(*columns, strict=True))
        for number, (row, given) in enumerate(zip(texts, rows["label"], strict=True)):
            label = _label(task, given)
            if label is None or not all(isinstance(text, str) for text in row):
                indices = [str(index) for index in range(len(task.classes))]
                raise GlueDataError(
                    f"{where}, row {number}: texts {str(row)[:60]} and label {given!r}, expected "
                    f"text and {expected_label(task, indices)}."
                )
            labels.append(label)
        stripped = [[text.strip() for text in row] for row in texts]
        return sentences_of(stripped, labels, range(len(labels)), task)


def _label(task: GlueTask, given: object) -> float | None:
    """The label of a row; None if it is none (hidden ones are -1)."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    if task.is_regression:
        return score(float(given))
    return given if isinstance(given, int) and 0 <= given < len(task.classes) else None
