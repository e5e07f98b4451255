"""Sentences and pairs of them, and the hash of a task's data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluators.sentences import Sentences, TaskData
from evaluators.tasks import RTE


def test_sentences_need_one_label_each() -> None:
    """Texts, labels and row numbers of different lengths are refused."""
    with pytest.raises(ValueError, match="texts, labels and rows must have one length"):
        Sentences(("a",), (1, 0), (0,))


def test_taking_sentences() -> None:
    """Sentences are taken in the order asked for, with their labels and rows."""
    sentences = Sentences(("a", "b", "c"), (0, 1, 0), (5, 6, 9))
    assert sentences.take([2, 0]) == Sentences(("c", "a"), (0, 0), (9, 5))


def test_content_hash_sees_texts_labels_and_splits(tiny_task: TaskData) -> None:
    """The hash of a task changes with a text, a label or a split, not with the training text."""
    a = Sentences(("a", "b"), (0, 1), (0, 1))
    assert a.content_hash() != Sentences(("a", "b"), (1, 1), (0, 1)).content_hash()
    assert a.content_hash() != Sentences(("a", "c"), (0, 1), (0, 1)).content_hash()
    assert a.content_hash() == Sentences(("a", "b"), (0, 1), (7, 8)).content_hash()
    task = TaskData(tiny_task.train, tiny_task.select, tiny_task.report, tiny_task.calibration)
    swapped = TaskData(task.train, task.report, task.select, task.calibration)
    retrained = TaskData(task.select, task.select, task.report, task.calibration)
    assert task.content_hash() == retrained.content_hash() != swapped.content_hash()


def test_pairs_go_with_their_sentences() -> None:
    """Second sentences are taken along, are one for each first one, and change the hash."""
    pairs = Sentences(("a", "b"), (0, 1), (0, 1), ("c", "d"))
    assert pairs.take([1]) == Sentences(("b",), (1,), (1,), ("d",))
    assert pairs.content_hash() != Sentences(("a", "b"), (0, 1), (0, 1), ("c", "e")).content_hash()
    assert pairs.content_hash() != Sentences(("a", "b"), (0, 1), (0, 1)).content_hash()
    with pytest.raises(ValueError, match="1 second texts for 2 texts"):
        Sentences(("a", "b"), (0, 1), (0, 1), ("c",))


def test_task_and_mismatched_rows_are_part_of_the_hash(tiny_task: TaskData) -> None:
    """Equal sentences of another task, or another mismatched set, are other data."""
    other = replace(tiny_task, task=RTE)
    hashes = {
        task.content_hash()
        for task in (
            tiny_task,
            other,
            replace(other, mismatched=tiny_task.report),
            replace(other, mismatched=tiny_task.select),
        )
    }
    assert len(hashes) == 4
