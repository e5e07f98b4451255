"""TSV files of every task: what is read, and one sentence on whatever is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.glue import GlueDataError, load_task
from evaluators.glue_files import TsvReader
from evaluators.tasks import COLA, MNLI, MRPC, QNLI, QQP, RTE, SST2, STSB, TASKS, GlueTask
from tests.generated_glue import generated_rows, shrunk, tsv_line, write_generated_task

SMALL = {task.name: shrunk(task, train=40, report=10) for task in TASKS.values()}


@pytest.mark.parametrize("name", [name for name in TASKS if name != SST2.name])
def test_every_task_is_read(name: str, tmp_path: Path) -> None:
    """Texts, pairs, labels and rows come back as they were written; splits do not overlap."""
    task = SMALL[name]
    data = load_task(task, write_generated_task(tmp_path, task))
    written = generated_rows(task, 10, seed=1)
    assert data.report.texts == tuple(texts[0] for texts, _ in written)
    assert data.report.pairs == (tuple(t[1] for t, _ in written) if task.is_pair else ())
    labels = [float(s) if task.is_regression else task.spellings.index(s) for _, s in written]
    assert list(data.report.labels) == labels
    assert data.report.rows == tuple(range(10))
    assert (data.task, len(data.select), len(data.train)) == (task, 8, 32)
    assert len(data.calibration) == 32
    assert not set(data.select.rows) & set(data.train.rows)
    assert (None if data.mismatched is None else len(data.mismatched)) == (
        11 if name == "MNLI" else None
    )
    assert data.description.startswith(f"{name}: 40 training rows, of which 8 to select on")


@pytest.mark.parametrize("task", [MNLI, QNLI, QQP], ids=lambda task: task.name)
def test_subset_of_the_training_set_says_so(task: GlueTask, tmp_path: Path) -> None:
    """Where the whole training set is missing its subset is read, and called a subset."""
    small = SMALL[task.name]
    folder = write_generated_task(tmp_path, small) / task.name
    (folder / "train.tsv").rename(folder / "train_subset.tsv")
    official = shrunk(task, train=5_000, report=10)
    data = load_task(official, tmp_path)
    assert data.description.startswith(f"{task.name}: a SUBSET of 40 of 5,000 training rows")
    assert (len(data.train), len(data.select)) == (32, 8)
    (folder / "train.tsv").write_text("index\n")
    with pytest.raises(GlueDataError, match=r"train\.tsv: header 'index'"):
        load_task(official, tmp_path)


def test_empty_or_too_large_subset_is_refused(tmp_path: Path) -> None:
    """A subset has at least one row and no more than the whole."""
    task = SMALL["QNLI"]
    folder = write_generated_task(tmp_path, task) / task.name
    (folder / "train.tsv").rename(folder / "train_subset.tsv")
    with pytest.raises(GlueDataError, match=r"train_subset\.tsv: 40 rows, expected 1 to 39, some"):
        load_task(shrunk(QNLI, train=39, report=10), tmp_path)
    (folder / "train_subset.tsv").write_text("\t".join(task.train.columns))
    with pytest.raises(GlueDataError, match=r"train_subset\.tsv: 0 rows, expected 1 to 40, some"):
        load_task(task, tmp_path)


def test_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    """MRPC's official files begin with a byte-order mark."""
    task = SMALL["MRPC"]
    path = write_generated_task(tmp_path, task) / "MRPC" / "dev.tsv"
    plain = TsvReader(task, tmp_path).read(task.report)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert TsvReader(task, tmp_path).read(task.report) == plain


def test_broken_rows_of_qqp_do_not_count(tmp_path: Path) -> None:
    """A row of QQP that lacks columns counts for nothing; that of another task is an error."""
    task = SMALL["QQP"]
    path = write_generated_task(tmp_path, task) / "QQP" / "dev.tsv"
    plain = TsvReader(task, tmp_path).read(task.report)
    lines = path.read_text().split("\n")
    path.write_text("\n".join([*lines[:3], "7\tbroken", *lines[3:]]))
    read = TsvReader(task, tmp_path).read(task.report)
    assert (read.texts, read.labels) == (plain.texts, plain.labels)
    assert read.rows == (0, 1, *range(3, 11))


def test_scores_are_rounded(tmp_path: Path) -> None:
    """A similarity is a number with three digits, however many the file has."""
    task = shrunk(STSB, train=40, report=2)
    path = write_generated_task(tmp_path, task) / "STS-B" / "dev.tsv"
    lines = [tsv_line(task, task.report, ["a", "b"], s) for s in ("2.11111111111111", "5")]
    path.write_text("\t".join(task.report.columns) + "\n" + "".join(lines))
    assert TsvReader(task, tmp_path).read(task.report).labels == (2.111, 5.0)


@pytest.mark.parametrize(
    ("task", "label", "expected"),
    [
        (MRPC, "2", "5 columns between tabs with label 0 or 1 in column 1"),
        (COLA, "", "4 columns between tabs with label 0 or 1 in column 2"),
        (RTE, "0", "4 columns between tabs with label entailment or not_entailment in column 4"),
        (MNLI, "-", "16 columns .* label entailment, neutral or contradiction in column 16"),
        (STSB, "5.1", "10 columns between tabs with a number from 0 to 5 in column 10"),
        (STSB, "nan", "10 columns between tabs with a number from 0 to 5"),
        (STSB, "high", "10 columns between tabs with a number from 0 to 5"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_wrong_label_names_file_and_line(
    task: GlueTask, label: str, expected: str, tmp_path: Path
) -> None:
    """A label that is none is told with file, line and what would be one."""
    small = SMALL[task.name]
    path = write_generated_task(tmp_path, small) / task.name / small.report.name
    texts = ["a"] * len(task.texts)
    path.write_text(path.read_text() + tsv_line(small, small.report, texts, label))
    line = 12 if task.has_header else 11
    with pytest.raises(GlueDataError, match=rf"{path.name}, line {line}: .*, expected {expected}"):
        load_task(small, tmp_path)


def test_missing_file_names_the_others(tmp_path: Path) -> None:
    """A missing file is told with the files that the task has."""
    with pytest.raises(GlueDataError) as caught:
        load_task(MNLI, tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/MNLI/train.tsv: no such file; give the folder that holds MNLI/train.tsv, "
        "MNLI/dev_matched.tsv and MNLI/dev_mismatched.tsv by --data or GLUE_DIR."
    )


def test_missing_column_and_rows(tmp_path: Path) -> None:
    """Another header, and other counts, are told with the file."""
    task = SMALL["RTE"]
    path = write_generated_task(tmp_path, task) / "RTE" / "dev.tsv"
    with pytest.raises(GlueDataError, match=r"dev\.tsv: 10 rows, expected the official 277"):
        load_task(shrunk(RTE, train=40, report=277), tmp_path)
    path.write_text(path.read_text().replace("sentence2", "sentence3", 1))
    with pytest.raises(GlueDataError, match=r"'index\\tsentence1\\tsentence3\\tlabel', expected"):
        load_task(task, tmp_path)


REAL = {
    # select, train, label sum of the dev set
    "CoLA": (1_000, 721),
    "MRPC": (733, 279),
    "STS-B": (1_000, None),
    "QQP": (1_000, 14_885),
    "MNLI": (1_000, None),
    "QNLI": (400, 2_761),
    "RTE": (498, 131),
    "WNLI": (127, 31),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_real_tasks(name: str, glue_dir: Path) -> None:
    """Every real task is read whole, with its dev labels counted and no pair in two splits."""
    data = load_task(TASKS[name], glue_dir)
    n_select, positive = REAL[name]
    assert len(data.select) == n_select
    assert len(data.report) == TASKS[name].report.rows
    if positive is not None:
        assert sum(data.report.labels) == positive
    if name == "STS-B":
        assert sum(data.report.labels) / 1_500 == pytest.approx(2.364, abs=1e-3)
    pairs = data.train.pairs or ("",) * len(data.train)
    train = {frozenset(map(str.casefold, row)) for row in zip(data.train.texts, pairs, strict=True)}
    held = zip(data.select.texts, data.select.pairs or ("",) * n_select, strict=True)
    assert not train & {frozenset(map(str.casefold, row)) for row in held}
    assert ("SUBSET" in data.description) == (name in ("QQP", "MNLI", "QNLI"))
