"""The datasets library as a source: a local dataset gives what the TSV files give."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluators.glue import GlueDataError, load_task
from evaluators.tasks import TASKS, GlueFile, GlueTask
from tests.generated_glue import generated_rows, shrunk, write_generated_task

SMALL = {name: shrunk(TASKS[name], train=40, report=10) for name in ("MRPC", "STS-B", "MNLI")}


@pytest.fixture(autouse=True)
def no_cache_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the library keeps is kept in the test's own folder, and it says nothing."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()


def table_of(task: GlueTask, file: GlueFile, seed: int) -> pa.Table:
    """The rows of `write_generated_task` as the library has them."""
    rows = generated_rows(task, file.rows, seed)
    columns: dict[str, Any] = {
        name: pa.array([texts[i] for texts, _ in rows]) for i, name in enumerate(task.dataset_texts)
    }
    if task.is_regression:
        columns["label"] = pa.array([float(label) for _, label in rows], pa.float32())
    else:
        columns["label"] = pa.array([task.spellings.index(label) for _, label in rows], pa.int64())
    return pa.table(columns)


def write_dataset(folder: Path, task: GlueTask, **other: pa.Table | None) -> str:
    """A dataset with one configuration; ``other`` replaces splits, or leaves them out."""
    files = [task.train, task.report, *([task.mismatched] if task.mismatched else [])]
    splits = {file.split: table_of(task, file, seed) for seed, file in enumerate(files)} | other
    (folder / task.dataset).mkdir(parents=True)
    lines = ["---", "configs:", f"- config_name: {task.dataset}", "  data_files:"]
    for name, table in splits.items():
        if table is not None:
            pq.write_table(table, folder / task.dataset / f"{name}.parquet")
            lines += [f"  - split: {name}", f"    path: {task.dataset}/{name}.parquet"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))
    return f"datasets:{folder}"


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_dataset_gives_what_files_give(name: str, tmp_path: Path) -> None:
    """The same rows as TSV files and as a dataset are the same data, splits and hash included."""
    task = SMALL[name]
    from_files = load_task(task, write_generated_task(tmp_path / "glue", task))
    from_dataset = load_task(task, write_dataset(tmp_path / "set", task))
    assert from_dataset == from_files
    assert from_dataset.content_hash() == from_files.content_hash()


@pytest.mark.slow
def test_subset_of_the_training_set_says_so(tmp_path: Path) -> None:
    """A split train_subset stands in for a missing train, and is called a subset."""
    task = SMALL["MRPC"]
    part = table_of(task, task.train, 0).slice(0, 25)
    data = load_task(task, write_dataset(tmp_path / "set", task, train=None, train_subset=part))
    assert data.description.startswith("MRPC: a SUBSET of 25 of 40 training rows")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "first", "other", "sentence"),
    [
        ("label", -1, 0, r"row 0: texts .* label -1, expected text and label 0 or 1"),
        ("label", "0", "1", r"row 0: texts .* label '0', expected text and label 0 or 1"),
        ("sentence2", None, "b", r"row 0: texts .*None.* and label"),
    ],
)
def test_wrong_row_is_named(
    column: str, first: object, other: object, sentence: str, tmp_path: Path
) -> None:
    """A label or a text that is none names the dataset, the split and the row."""
    task = SMALL["MRPC"]
    splits = {}
    for seed, file in enumerate((task.train, task.report)):
        table = table_of(task, file, seed)
        values = pa.array([first, *[other] * (file.rows - 1)])
        splits[file.split] = table.set_column(table.column_names.index(column), column, values)
    source = write_dataset(tmp_path / "set", task, **splits)
    with pytest.raises(GlueDataError, match=rf"set, mrpc, split 'train', {sentence}"):
        load_task(task, source)


@pytest.mark.slow
def test_missing_column_and_split_are_named(tmp_path: Path) -> None:
    """What a dataset lacks is told with what it has."""
    task = SMALL["MRPC"]
    files = (task.train, task.report)
    fewer = {
        file.split: table_of(task, file, seed).drop_columns(["sentence2"])
        for seed, file in enumerate(files)
    }
    with pytest.raises(GlueDataError, match=r"no column 'sentence2'; there is sentence1, label\."):
        load_task(task, write_dataset(tmp_path / "fewer", task, **fewer))
    source = write_dataset(tmp_path / "half", task, validation=None)
    with pytest.raises(GlueDataError, match=r"'validation': no such split; there is train\."):
        load_task(task, source)


@pytest.mark.slow
def test_wrong_count_and_missing_configuration(tmp_path: Path) -> None:
    """Other counts than the official ones, and a task that is not in it, are refused."""
    task = SMALL["MRPC"]
    source = write_dataset(tmp_path / "set", task)
    with pytest.raises(GlueDataError, match="split 'validation': 10 rows, expected the official 9"):
        load_task(shrunk(task, train=40, report=9), source)
    with pytest.raises(GlueDataError, match=r"set, stsb: cannot be loaded .* configuration 'stsb'"):
        load_task(SMALL["STS-B"], source)


def test_missing_library_names_its_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the library the error says how to install it."""
    really_import = builtins.__import__

    def without_datasets(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "datasets":
            raise ImportError(name)
        return really_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_datasets)
    with pytest.raises(GlueDataError, match=r"'datasets:x' need .* run 'pip install datasets'\."):
        load_task(SMALL["MRPC"], "datasets:x")
    assert tmp_path.is_dir()
