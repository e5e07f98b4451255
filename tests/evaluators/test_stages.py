"""The drawn order, partial traces, and progress that is stored."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from evaluators.faults.trials import FaultTrials
from evaluators.stages import (
    Progress,
    first_drawn,
    progress_bytes,
    progress_of_bytes,
    select_order,
)
from evaluators.testing import made_up_trace
from evaluators.traces import ExitTrace, Split


@pytest.fixture
def whole() -> ExitTrace:
    """A made-up trace of 30 select and 20 report sentences."""
    return made_up_trace(0, n_select=30, n_report=20, n_exits=4, head_spans=((3, 5), (0, 128)))


def progress_of(trace: ExitTrace, rows: list[int]) -> Progress:
    """Progress in which those rows of a trace are measured."""
    return Progress(
        positions=np.array(rows, dtype=np.int64),
        logits=trace.logits[rows],
        predicted_entropies=trace.predicted_entropies,
        head_spans=trace.head_spans,
        encoder_density=0.25,
        embedding_density=0.5,
    )


def test_order_is_a_shuffle_that_stays() -> None:
    """Every sentence is drawn once, in an order that is the same in every run of every version."""
    assert select_order(10).tolist() == [3, 1, 9, 7, 8, 6, 2, 0, 5, 4]
    for n in (1, 2, 1_000):
        assert sorted(select_order(n).tolist()) == list(range(n))


def test_first_drawn(whole: ExitTrace) -> None:
    """The first sentences drawn are those of the order, of the select split, and nested."""
    part = first_drawn(whole, 7)
    rows = select_order(30)[:7]
    np.testing.assert_array_equal(part.logits, whole.logits[rows])
    np.testing.assert_array_equal(part.labels, whole.labels[rows])
    np.testing.assert_array_equal(part.tokens, whole.tokens[rows])
    assert (part.splits == Split.SELECT).all()
    assert part.head_spans == whole.head_spans
    np.testing.assert_array_equal(first_drawn(whole, 20).logits[:7], part.logits)


def test_split_is_found_wherever_it_lies(whole: ExitTrace) -> None:
    """Report sentences between the others play no part."""
    rows = np.r_[np.arange(30, 50), np.arange(30)]
    turned = dataclasses.replace(
        whole,
        logits=whole.logits[rows],
        tokens=whole.tokens[rows],
        labels=whole.labels[rows],
        splits=whole.splits[rows],
    )
    np.testing.assert_array_equal(first_drawn(turned, 9).logits, first_drawn(whole, 9).logits)


@pytest.mark.parametrize("count", [-1, 31])
def test_too_many_to_draw(whole: ExitTrace, count: int) -> None:
    """Only as many can be drawn as there are."""
    sentence = f"{count} sentences drawn: expected 0 to the 30 of the select split"
    with pytest.raises(ValueError, match=sentence):
        first_drawn(whole, count)


def test_progress_gives_traces(whole: ExitTrace) -> None:
    """Sentences measured in any order are found again, those of a trace in the order asked for."""
    progress = progress_of(whole, [4, 2, 30]).extended(np.array([9]), whole.logits[[9]])
    rows = np.array([9, 4, 30])
    trace = progress.trace(rows, whole.tokens, whole.labels, whole.splits, "RTE")
    np.testing.assert_array_equal(trace.logits, whole.logits[rows])
    assert trace.labels.tolist() == whole.labels[rows].tolist()
    assert trace.tokens.tolist() == whole.tokens[rows].tolist()
    assert trace.splits.tolist() == [Split.SELECT, Split.SELECT, Split.REPORT]
    assert (trace.encoder_density, trace.embedding_density) == (0.25, 0.5)
    assert trace.task == "RTE"


@pytest.mark.parametrize("rows", [[], [3, 31, 0]])
def test_progress_survives_storage(whole: ExitTrace, rows: list[int]) -> None:
    """Progress read back is what was written, also before the first sentence."""
    written = dataclasses.replace(progress_of(whole, rows), faults=FaultTrials((0.25, 0.5)))
    read = progress_of_bytes(progress_bytes(written))
    for field in dataclasses.fields(Progress):
        left, right = getattr(read, field.name), getattr(written, field.name)
        assert np.array_equal(left, right), field.name
        assert type(left) is type(right)
    assert read.logits.dtype == np.float16


def test_damaged_progress() -> None:
    """Bytes that are no archive, or one that lacks something, are refused."""
    with pytest.raises(ValueError, match="damaged progress"):
        progress_of_bytes(b"PK\x03\x04 and no more")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"logits": np.zeros((1, 4, 2))}, "logits must be float16"),
        ({"positions": np.zeros(2, dtype=np.int64)}, "positions must have one entry"),
    ],
)
def test_progress_refuses_what_does_not_fit(
    whole: ExitTrace, changes: dict[str, object], sentence: str
) -> None:
    """Logits of another precision and positions of another number are refused."""
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(progress_of(whole, [1]), **changes)  # type: ignore[arg-type]
