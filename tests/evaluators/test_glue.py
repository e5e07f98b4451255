"""GLUE files: the real SST-2 and its splits, made-up files with every kind of error."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evaluators.checkpoints import SHIPPED
from evaluators.glue import GlueDataError, Sentences, TaskData, load_task, training_texts
from evaluators.glue_files import TsvReader
from evaluators.tasks import SST2, GlueTask

HEADER = "sentence\tlabel\n"
SMALL = replace(SST2, train=replace(SST2.train, rows=4), report=replace(SST2.report, rows=2))
"""SST-2 with the rows of `small_sst2`."""


def dev_of(folder: Path, task: GlueTask = SMALL) -> Sentences:
    """The dev set of a small task."""
    return TsvReader(task, folder).read(task.report)


@pytest.fixture
def small_sst2(tmp_path: Path) -> Path:
    """A GLUE folder whose SST-2 has four training rows and two dev rows."""
    folder = tmp_path / "SST-2"
    folder.mkdir()
    rows = "a fine film . \t1\nfine film \t1\nso dull ! \t0\ndull \t0\n"
    (folder / "train.tsv").write_text(HEADER + rows)
    (folder / "dev.tsv").write_text(HEADER + "good .\t1\nbad .\t0\n")
    return tmp_path


def runs_in(rows: set[str], sentences: tuple[str, ...]) -> set[str]:
    """The rows that some sentence contains as a run of whole tokens, found by comparing slices."""
    by_start: dict[tuple[str, ...], list[list[str]]] = {}
    for row in rows:
        tokens = row.split()
        by_start.setdefault(tuple(tokens[:2]), []).append(tokens)
    found = set()
    for sentence in sentences:
        tokens = sentence.split()
        for start in range(len(tokens)):
            near = tokens[start : start + 2]
            for candidate in by_start.get(tuple(near[:1]), []) + by_start.get(tuple(near), []):
                if tokens[start : start + len(candidate)] == candidate:
                    found.add(" ".join(candidate))
    return found


def test_official_counts(sst2: TaskData, glue_dir: Path) -> None:
    """SST-2 has 67,349 training rows and 872 dev rows, 444 of these positive."""
    assert len(sst2.report) == 872
    assert sum(sst2.report.labels) == 444
    assert sst2.report.rows == tuple(range(872))
    rows = (glue_dir / "SST-2" / "train.tsv").read_bytes().count(b"\n") - 1
    assert rows == 67_349
    assert max(sst2.train.rows) < rows


def test_select_sentences_are_out_of_training(sst2: TaskData) -> None:
    """1,000 select sentences: neither they nor any row contained in them may be trained on."""
    assert len(sst2.select) == len(set(sst2.select.texts)) == 1_000
    assert not set(sst2.select.rows) & set(sst2.train.rows)
    train = {" ".join(text.split()) for text in sst2.train.texts}
    assert not runs_in(train, sst2.select.texts)


def test_rows_left_out_are_only_the_contained_ones(sst2: TaskData, glue_dir: Path) -> None:
    """Every row that is not in train is contained in a select sentence: no other is wasted."""
    lines = (glue_dir / "SST-2" / "train.tsv").read_text(encoding="utf-8").split("\n")[1:-1]
    texts = [line.split("\t")[0].strip() for line in lines]
    kept = set(sst2.train.rows)
    left_out = {" ".join(text.split()) for i, text in enumerate(texts) if i not in kept}
    assert runs_in(left_out, sst2.select.texts) == left_out
    assert all(sst2.train.texts[i] == texts[row] for i, row in enumerate(sst2.train.rows))


def test_calibration_is_training_text(sst2: TaskData) -> None:
    """256 calibration sentences are rows of train, distinct, and none is a select sentence."""
    assert len(sst2.calibration) == len(set(sst2.calibration.rows)) == 256
    assert set(sst2.calibration.rows) <= set(sst2.train.rows)
    assert not set(sst2.calibration.texts) & set(sst2.select.texts)


def test_select_sentences_look_like_the_dev_set(sst2: TaskData) -> None:
    """Select sentences are full ones: as long as dev sentences and as evenly labelled."""
    mean_words = [
        sum(len(text.split()) for text in part.texts) / len(part)
        for part in (sst2.select, sst2.report)
    ]
    assert mean_words[0] == pytest.approx(mean_words[1], rel=0.1)
    assert 0.45 < sum(sst2.select.labels) / 1_000 < 0.65


def test_splits_are_those_of_the_shipped_checkpoints(sst2: TaskData) -> None:
    """The splits never change: shipped checkpoints and recorded traces were made with them."""
    parts = (sst2.select, sst2.report, sst2.calibration)
    assert [part.content_hash()[:12] for part in parts] == [
        "9f9ca5aa572c",
        "fdb21a491401",
        "0c8d0219b142",
    ]
    card = json.loads((SHIPPED / "minilm-exits" / "card.json").read_text())
    assert len(sst2.train) == card["train_sentences"]


def test_quotes_are_plain_text(small_sst2: Path) -> None:
    """A quotation mark neither opens a field nor joins lines."""
    path = small_sst2 / "SST-2" / "dev.tsv"
    path.write_text(HEADER + "\"good\t1\nbad\" 'quoted'\t0\n")
    assert dev_of(small_sst2).texts == ('"good', "bad\" 'quoted'")


def test_rows_are_stripped_and_counted(small_sst2: Path) -> None:
    """Texts lose the blank at their end, and rows are numbered from the one after the header."""
    sentences = TsvReader(SMALL, small_sst2).read(SMALL.train)
    assert sentences.texts == ("a fine film .", "fine film", "so dull !", "dull")
    assert sentences.labels == (1, 1, 0, 0)
    assert sentences.rows == (0, 1, 2, 3)


def test_unusual_line_breaks_are_text(small_sst2: Path) -> None:
    """Only line feeds end a row: other characters that Python would split at stay inside."""
    path = small_sst2 / "SST-2" / "dev.tsv"
    path.write_text(HEADER + "a\u2028b\x85c\t1\nbad .\t0\n", encoding="utf-8")
    assert dev_of(small_sst2).texts[0] == "a\u2028b\x85c"


def test_last_line_feed_may_be_missing(small_sst2: Path) -> None:
    """A file whose last row has no line feed has the same rows."""
    path = small_sst2 / "SST-2" / "dev.tsv"
    before = dev_of(small_sst2)
    path.write_text(path.read_text().removesuffix("\n"))
    assert dev_of(small_sst2) == before


def test_missing_file_is_named(small_sst2: Path) -> None:
    """A missing file is named, with the ways to say where the data is."""
    (small_sst2 / "SST-2" / "dev.tsv").unlink()
    with pytest.raises(GlueDataError, match=r"dev\.tsv: no such file.*--data or GLUE_DIR"):
        load_task(SMALL, small_sst2)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"dev\.tsv: header '', expected 'sentence<TAB>label'"),
        (b"text\tlabel\nok\t1\n", r"dev\.tsv: header 'text\\tlabel', expected"),
        (b"good .\t1\nbad .\t0\n", r"dev\.tsv: header 'good \.\\t1', expected"),
        (
            HEADER.encode() + b"ok\t1\nbad .\t2\n",
            r"dev\.tsv, line 3: .bad \.\\t2., expected 2 columns between tabs with label 0 or 1",
        ),
        (HEADER.encode() + b"no label\n", r"dev\.tsv, line 2: 'no label', expected"),
        (HEADER.encode() + b"a\tb\t1\n", r"dev\.tsv, line 2: 'a\\tb\\t1', expected"),
        (HEADER.encode() + b"ok\t1\n\nbad\t0\n", r"dev\.tsv, line 3: '', expected"),
        (HEADER.encode() + b"ok\t1\n", r"dev\.tsv: 1 rows, expected the official 2"),
        (HEADER.encode() + b"a\t1\nb\t1\nc\t1\n", r"dev\.tsv: 3 rows, expected the official 2"),
        (HEADER.encode() + b"ok\t1\ncaf\xe9\t1\n", r"dev\.tsv, line 3: not UTF-8 text"),
    ],
)
def test_damaged_file_is_named(small_sst2: Path, content: bytes, sentence: str) -> None:
    """A wrong header, row, label, count or encoding names the file, and the line if it is one."""
    (small_sst2 / "SST-2" / "dev.tsv").write_bytes(content)
    with pytest.raises(GlueDataError, match=sentence):
        load_task(SMALL, small_sst2)


def test_training_texts_come_from_every_task(small_sst2: Path) -> None:
    """Sentences of all tasks that are there, each once, stripped, without the empty ones."""
    (small_sst2 / "CoLA").mkdir()
    (small_sst2 / "CoLA" / "train.tsv").write_text("gj04\t1\t\tHe left. \nx\t0\t*\tfine film\n")
    (small_sst2 / "MRPC").mkdir()
    (small_sst2 / "MRPC" / "train.tsv").write_text("header\n1\t2\t3\tOne.\tTwo.\n1\t2\t3\t\tTwo.\n")
    texts = training_texts(small_sst2, held_out=())
    expected = ["a fine film .", "fine film", "so dull !", "dull", "He left.", "One.", "Two."]
    assert texts == expected


def test_training_texts_leave_held_out_texts_out(small_sst2: Path) -> None:
    """A held-out text is not returned, whichever task it stands in."""
    (small_sst2 / "CoLA").mkdir()
    (small_sst2 / "CoLA" / "train.tsv").write_text("x\t1\t\tso dull !\nx\t1\t\tnew\n")
    texts = training_texts(small_sst2, held_out=("so dull !", "fine film"))
    assert texts == ["a fine film .", "dull", "new"]


def test_training_text_with_too_few_columns_is_named(small_sst2: Path) -> None:
    """A short row names file and line, and a missing SST-2 is an error too."""
    (small_sst2 / "MRPC").mkdir()
    (small_sst2 / "MRPC" / "train.tsv").write_text("header\n1\t2\t3\tOne.\tTwo.\n1\t2\n")
    with pytest.raises(GlueDataError, match=r"train\.tsv, line 3: 2 columns, expected over 4"):
        training_texts(small_sst2, ())
    (small_sst2 / "SST-2" / "train.tsv").unlink()
    with pytest.raises(GlueDataError, match=r"SST-2/train\.tsv: no such file"):
        training_texts(small_sst2, ())
