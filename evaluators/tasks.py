"""The nine GLUE tasks: classes, official metrics, and how the official files are laid out.

Wang et al., "GLUE: A Multi-Task Benchmark and Analysis Platform for Natural Language
Understanding", ICLR 2019, Table 1. Row counts are those of the files, header not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypedDict

from search_space import nearest


class UnknownTaskError(ValueError):
    """No GLUE task of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlueFile:
    """One official file of a task.

    Attributes:
        name: file name in the task's folder.
        split: name of the same rows in the ``datasets`` library.
        rows: rows of the official file.
        columns: its columns, in order.
    """

    name: str
    split: str
    rows: int
    columns: tuple[str, ...]

    @property
    def subset_name(self) -> str:
        """Name of a file that holds some of its rows, which no one takes for the whole."""
        return self.name.replace(".tsv", "_subset.tsv")

    @property
    def subset_split(self) -> str:
        """Name of a split that holds some of its rows."""
        return f"{self.split}_subset"


@dataclass(frozen=True, slots=True, kw_only=True)
class GlueTask:
    """One task.

    Attributes:
        name: as GLUE writes it; also the name of its folder.
        dataset: configuration of the task in the ``datasets`` library.
        classes: names of the classes by index; empty for a regression.
        spellings: each class as the files write it.
        texts: the one or two columns of the files that hold sentences.
        dataset_texts: the same in the ``datasets`` library.
        label: column of the files that holds the label (``label`` in the ``datasets`` library).
        metrics: the official ones, the primary one first.
        train: the training set.
        report: the dev set, or the matched one.
        mismatched: the dev set from other genres than the training set; None but for MNLI.
        has_header: whether the files begin with the names of their columns.
        has_broken_rows: whether official files hold rows that lack columns; such rows count for
            nothing, here as in the ``datasets`` library.
    """

    name: str
    dataset: str
    classes: tuple[str, ...]
    spellings: tuple[str, ...]
    texts: tuple[str, ...]
    dataset_texts: tuple[str, ...]
    label: str
    metrics: tuple[str, ...]
    train: GlueFile
    report: GlueFile
    mismatched: GlueFile | None = None
    has_header: bool = True
    has_broken_rows: bool = False

    @property
    def is_regression(self) -> bool:
        """Whether labels are real numbers."""
        return not self.classes

    @property
    def is_pair(self) -> bool:
        """Whether a row has two sentences."""
        return len(self.texts) == 2

    @property
    def n_outputs(self) -> int:
        """Outputs of a classifier: one for each class, or the one number of a regression."""
        return max(len(self.classes), 1)

    @property
    def primary_metric(self) -> str:
        """The metric that studies call ``accuracy``."""
        return self.metrics[0]


STSB_SCORES: Final = (0.0, 5.0)
"""Lowest and highest similarity of STS-B (Cer et al., SemEval 2017)."""

_BINARY: Final = ("0", "1")
_PAIR: Final = ("sentence1", "sentence2")
_PARSES: Final = (
    *("index", "promptID", "pairID", "genre", "sentence1_binary_parse", "sentence2_binary_parse"),
    *("sentence1_parse", "sentence2_parse", "sentence1", "sentence2"),
)
_MNLI_DEV: Final = (*_PARSES, *(f"label{i}" for i in range(1, 6)), "gold_label")


class _Files(TypedDict):
    train: GlueFile
    report: GlueFile


def _files(columns: tuple[str, ...], train_rows: int, report_rows: int) -> _Files:
    """The two files of every task but MNLI, which have the same columns."""
    return {
        "train": GlueFile(name="train.tsv", split="train", rows=train_rows, columns=columns),
        "report": GlueFile(name="dev.tsv", split="validation", rows=report_rows, columns=columns),
    }


COLA: Final = GlueTask(
    name="CoLA",
    dataset="cola",
    classes=("unacceptable", "acceptable"),
    spellings=_BINARY,
    texts=("sentence",),
    dataset_texts=("sentence",),
    label="label",
    metrics=("matthews",),
    **_files(("source", "label", "star", "sentence"), 8_551, 1_043),
    has_header=False,
)
SST2: Final = GlueTask(
    name="SST-2",
    dataset="sst2",
    classes=("negative", "positive"),
    spellings=_BINARY,
    texts=("sentence",),
    dataset_texts=("sentence",),
    label="label",
    metrics=("accuracy",),
    **_files(("sentence", "label"), 67_349, 872),
)
MRPC: Final = GlueTask(
    name="MRPC",
    dataset="mrpc",
    classes=("not_equivalent", "equivalent"),
    spellings=_BINARY,
    texts=("#1 String", "#2 String"),
    dataset_texts=_PAIR,
    label="Quality",
    metrics=("f1", "accuracy"),
    **_files(("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"), 3_668, 408),
)
STSB: Final = GlueTask(
    name="STS-B",
    dataset="stsb",
    classes=(),
    spellings=(),
    texts=_PAIR,
    dataset_texts=_PAIR,
    label="score",
    metrics=("pearson", "spearman"),
    **_files(
        (
            *("index", "genre", "filename", "year", "old_index", "source1", "source2"),
            *("sentence1", "sentence2", "score"),
        ),
        5_749,
        1_500,
    ),
)
QQP: Final = GlueTask(
    name="QQP",
    dataset="qqp",
    classes=("not_duplicate", "duplicate"),
    spellings=_BINARY,
    texts=("question1", "question2"),
    dataset_texts=("question1", "question2"),
    label="is_duplicate",
    metrics=("f1", "accuracy"),
    **_files(("id", "qid1", "qid2", "question1", "question2", "is_duplicate"), 363_846, 40_430),
    has_broken_rows=True,
)
MNLI: Final = GlueTask(
    name="MNLI",
    dataset="mnli",
    classes=("entailment", "neutral", "contradiction"),
    spellings=("entailment", "neutral", "contradiction"),
    texts=_PAIR,
    dataset_texts=("premise", "hypothesis"),
    label="gold_label",
    metrics=("accuracy",),
    train=GlueFile(
        name="train.tsv", split="train", rows=392_702, columns=(*_PARSES, "label1", "gold_label")
    ),
    report=GlueFile(
        name="dev_matched.tsv", split="validation_matched", rows=9_815, columns=_MNLI_DEV
    ),
    mismatched=GlueFile(
        name="dev_mismatched.tsv", split="validation_mismatched", rows=9_832, columns=_MNLI_DEV
    ),
)
QNLI: Final = GlueTask(
    name="QNLI",
    dataset="qnli",
    classes=("entailment", "not_entailment"),
    spellings=("entailment", "not_entailment"),
    texts=("question", "sentence"),
    dataset_texts=("question", "sentence"),
    label="label",
    metrics=("accuracy",),
    **_files(("index", "question", "sentence", "label"), 104_743, 5_463),
)
RTE: Final = GlueTask(
    name="RTE",
    dataset="rte",
    classes=("entailment", "not_entailment"),
    spellings=("entailment", "not_entailment"),
    texts=_PAIR,
    dataset_texts=_PAIR,
    label="label",
    metrics=("accuracy",),
    **_files(("index", *_PAIR, "label"), 2_490, 277),
)
WNLI: Final = GlueTask(
    name="WNLI",
    dataset="wnli",
    classes=("not_entailment", "entailment"),
    spellings=_BINARY,
    texts=_PAIR,
    dataset_texts=_PAIR,
    label="label",
    metrics=("accuracy",),
    **_files(("index", *_PAIR, "label"), 635, 71),
)

TASKS: Final = {task.name: task for task in (COLA, SST2, MRPC, STSB, QQP, MNLI, QNLI, RTE, WNLI)}
"""Every task by name, in the order of GLUE's table."""


def glue_task(name: str) -> GlueTask:
    """The task of that name.

    Raises:
        UnknownTaskError: there is none.
    """
    if name not in TASKS:
        raise UnknownTaskError(
            f"Task {name!r} is not one of GLUE{nearest(name, TASKS)}: expected one of "
            f"{', '.join(TASKS)}."
        )
    return TASKS[name]
