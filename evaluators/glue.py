"""GLUE tasks from the official TSV files, and the two splits that every trace has.

``select`` is 1,000 full sentences of the training set: objectives, thresholds and choices are made
on it. ``report`` is the GLUE dev set: it is only read at the end. Training uses what is left when
the ``select`` sentences and every row contained in them are taken out.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SELECT_SENTENCES = 1_000
SELECT_SEED = 20_201
CALIBRATION_SENTENCES = 256
_SENTENCE_END = {".", "!", "?", "...", "''", "`", "'"}

# Rows of each official file, header not counted (gluebenchmark.com; counted again in the data).
_SST2_ROWS = {"train.tsv": 67_349, "dev.tsv": 872}

# File, columns that hold sentences, whether the file has a header. Only for text without labels.
_TRAINING_TEXT: tuple[tuple[str, tuple[int, ...], bool], ...] = (
    ("SST-2/train.tsv", (0,), True),
    ("CoLA/train.tsv", (3,), False),
    ("MRPC/train.tsv", (3, 4), True),
    ("RTE/train.tsv", (1, 2), True),
    ("STS-B/train.tsv", (7, 8), True),
    ("QNLI/train_subset.tsv", (1, 2), True),
    ("QQP/train_subset.tsv", (3, 4), True),
    ("MNLI/train_subset.tsv", (8, 9), True),
)


class GlueDataError(ValueError):
    """A GLUE file is missing or is not what the official one is."""


@dataclass(frozen=True, slots=True)
class Sentences:
    """Labelled sentences in file order.

    Attributes:
        texts: the sentences, stripped.
        labels: class index of each.
        rows: row number of each in its file, the first row after the header being 0.
    """

    texts: tuple[str, ...]
    labels: tuple[int, ...]
    rows: tuple[int, ...]

    def __post_init__(self) -> None:
        """Require one label and one row number for each text."""
        if not len(self.texts) == len(self.labels) == len(self.rows):
            raise ValueError("Sentences: texts, labels and rows must have one length.")

    def __len__(self) -> int:
        """Number of sentences."""
        return len(self.texts)

    def take(self, indices: Iterable[int]) -> Sentences:
        """The sentences at those positions, in that order."""
        chosen = list(indices)
        return Sentences(
            tuple(self.texts[i] for i in chosen),
            tuple(self.labels[i] for i in chosen),
            tuple(self.rows[i] for i in chosen),
        )

    def content_hash(self) -> str:
        """SHA-256 of texts and labels, hexadecimal."""
        digest = hashlib.sha256()
        for text, label in zip(self.texts, self.labels, strict=True):
            digest.update(f"{text}\t{label}\n".encode())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class TaskData:
    """One task: what may be trained on, what choices are made on, what is reported.

    Attributes:
        train: what may be trained on.
        select: full training sentences held out, for objectives and choices.
        report: the GLUE dev set, only read at the end.
        calibration: full sentences of ``train``, for activation scales, spans and the predictor.
    """

    train: Sentences
    select: Sentences
    report: Sentences
    calibration: Sentences

    def content_hash(self) -> str:
        """SHA-256 of all but ``train``, hexadecimal: the data part of a trace's key."""
        parts = (self.select, self.report, self.calibration)
        return hashlib.sha256("".join(p.content_hash() for p in parts).encode()).hexdigest()


def load_sst2(glue_dir: Path) -> TaskData:
    """SST-2 with its splits from ``glue_dir/SST-2/{train,dev}.tsv``.

    Raises:
        GlueDataError: a file is missing, or a row, a label or the number of rows is not official.
    """
    folder = glue_dir / "SST-2"
    train = _read_sst2(folder / "train.tsv")
    report = _read_sst2(folder / "dev.tsv")
    full = full_sentences(train.texts)
    select_rows, contained_rows = select_split(train.texts, full)
    left = [i for i in range(len(train)) if i not in contained_rows]
    others = sorted(set(full) - contained_rows)
    calibration = sorted(random.Random(SELECT_SEED).sample(others, CALIBRATION_SENTENCES))
    return TaskData(
        train=train.take(left),
        select=train.take(select_rows),
        report=report,
        calibration=train.take(calibration),
    )


def _read_sst2(path: Path) -> Sentences:
    texts, labels = [], []
    lines = _lines(path)
    if lines[0] != "sentence\tlabel":
        raise GlueDataError(
            f"{path}: header {lines[0]!r}, expected 'sentence<TAB>label' as in the official file."
        )
    for number, line in enumerate(lines[1:], start=2):
        fields = line.split("\t")
        if len(fields) != 2 or fields[1] not in {"0", "1"}:
            raise GlueDataError(
                f"{path}, line {number}: {line[:60]!r}, expected a sentence, a tab and "
                "label 0 or 1."
            )
        texts.append(fields[0].strip())
        labels.append(int(fields[1]))
    expected = _SST2_ROWS[path.name]
    if len(texts) != expected:
        raise GlueDataError(
            f"{path}: {len(texts)} rows, expected the official {expected}; fetch the file again."
        )
    return Sentences(tuple(texts), tuple(labels), tuple(range(len(texts))))


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise GlueDataError(
            f"{path}: no such file; give the folder that holds SST-2/train.tsv and SST-2/dev.tsv "
            "by --data or GLUE_DIR."
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise GlueDataError(
            f"{path}, line {number}: not UTF-8 text ({error.reason}); fetch the file again."
        ) from error
    return text.removesuffix("\n").split("\n")


def full_sentences(texts: Sequence[str]) -> list[int]:
    """Positions of the full sentences among phrases, sorted.

    A row is a full sentence if it ends in sentence punctuation and no other row contains it (as a
    run of whole tokens). Of equal rows the first counts.
    """
    tokens = [text.split() for text in texts]
    first_row: dict[str, int] = {}
    for position, row in enumerate(tokens):
        first_row.setdefault(" ".join(row), position)
    parts: set[str] = set()
    # Longest first: whatever a part contains, the row that it is a part of contains too.
    for text in sorted(first_row, key=lambda text: -len(tokens[first_row[text]])):
        if text not in parts:
            row = tokens[first_row[text]]
            parts.update(run for run in _runs(row, len(row) - 1) if run in first_row)
    return sorted(
        position
        for text, position in first_row.items()
        if text not in parts and tokens[position] and tokens[position][-1] in _SENTENCE_END
    )


def select_split(
    texts: Sequence[str],
    full: Sequence[int],
    count: int = SELECT_SENTENCES,
    seed: int = SELECT_SEED,
) -> tuple[list[int], set[int]]:
    """Full sentences held out of a training set of phrases, drawn without replacement.

    Returns:
        Sorted positions of the drawn rows, and the positions of all rows that are contained in one
        of them (the drawn rows themselves among them): none of these may be trained on.

    Raises:
        GlueDataError: there are fewer full sentences than asked for.
    """
    if len(full) < count:
        raise GlueDataError(
            f"{len(full)} full sentences in the training set, expected at least {count}."
        )
    chosen = sorted(random.Random(seed).sample(sorted(full), count))
    held_out: set[str] = set()
    for position in chosen:
        row = texts[position].split()
        held_out.update(_runs(row, len(row)))
    contained = {i for i, text in enumerate(texts) if " ".join(text.split()) in held_out}
    return chosen, contained


def _runs(tokens: Sequence[str], longest: int) -> Iterable[str]:
    """Every run of up to ``longest`` consecutive tokens, joined by spaces."""
    for start in range(len(tokens)):
        for end in range(start + 1, min(start + longest, len(tokens)) + 1):
            yield " ".join(tokens[start:end])


def training_texts(glue_dir: Path, held_out: Sequence[str]) -> list[str]:
    """Distinct training sentences of every GLUE task at hand, for distillation without labels.

    Args:
        glue_dir: folder of the GLUE tasks; tasks that are not there are left out.
        held_out: texts that must not be returned (evaluation splits, and rows contained in them).

    Raises:
        GlueDataError: SST-2 is missing, or a row has too few columns.
    """
    seen = dict.fromkeys(held_out)
    found: dict[str, None] = {}
    for name, columns, header in _TRAINING_TEXT:
        path = glue_dir / name
        if not path.is_file() and not name.startswith("SST-2"):
            continue
        first = 1 if header else 0
        for number, line in enumerate(_lines(path)[first:], start=first + 1):
            fields = line.split("\t")
            if len(fields) <= max(columns):
                raise GlueDataError(
                    f"{path}, line {number}: {len(fields)} columns, expected over {max(columns)}."
                )
            found.update(dict.fromkeys(fields[c].strip() for c in columns))
    return [text for text in found if text and text not in seen]
