"""Traces: entropies by hand, storage, and what is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.faults.trials import FaultTrials
from evaluators.testing import made_up_trace
from evaluators.traces import LUT_ROWS, ExitTrace, Split, entropies, trace_bytes, trace_of_bytes


class Bomb:
    """Unpickling this makes a folder: a sign that code of the file was run."""

    def __init__(self, sign: Path) -> None:
        """Choose the folder that gives it away."""
        self.sign = sign

    def __reduce__(self) -> tuple[Any, ...]:
        """What pickle would call."""
        return (os.mkdir, (str(self.sign),))


class DamageFoundError(Exception):
    """`trace_of_bytes` refused the archive as it should."""


def load_or_refuse(content: bytes) -> ExitTrace:
    """The trace, unless it is refused with the message for damaged archives."""
    try:
        return trace_of_bytes(content)
    except ValueError as error:
        if "damaged trace" in str(error):
            raise DamageFoundError from error
        raise


def assert_equal(found: ExitTrace, expected: ExitTrace) -> None:
    """Every field the same, with the same type."""
    for field in dataclasses.fields(ExitTrace):
        left, right = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(right, np.ndarray):
            assert left.dtype == right.dtype
            assert np.array_equal(left, right)
        else:
            assert left == right


def test_entropy_of_equal_logits_is_ln_of_the_classes() -> None:
    """Two equal logits have ln 2, three have ln 3, whatever their value."""
    assert entropies(np.array([4.0, 4.0])) == pytest.approx(np.log(2), abs=1e-15)
    assert entropies(np.full(3, -7.5)) == pytest.approx(np.log(3), abs=1e-15)


def test_entropy_by_hand() -> None:
    """Logits 0 and ln 3 are probabilities 1/4 and 3/4: 2 ln 2 - 3/4 ln 3 nats."""
    expected = 2 * np.log(2) - 0.75 * np.log(3)
    assert entropies(np.array([0.0, np.log(3)])) == pytest.approx(expected, abs=1e-15)


def test_entropy_of_a_sure_answer_is_zero() -> None:
    """Logits far apart have entropy 0 without overflow, and it is never negative."""
    sure = np.array([[60_000.0, -60_000.0], [-800.0, 0.0], [0.0, 40.0]], dtype=np.float16)
    found = entropies(sure)
    assert (found >= 0).all()
    assert found == pytest.approx(0, abs=1e-15)


def test_entropy_keeps_leading_axes() -> None:
    """Entropies of (sentences, exits, classes) are (sentences, exits), entry by entry."""
    logits = np.random.default_rng(0).normal(size=(4, 3, 2))
    found = entropies(logits)
    assert found.shape == (4, 3)
    assert found[2, 1] == entropies(logits[2, 1])


def test_trace_survives_storage() -> None:
    """A trace read back is the trace that was written, types included."""
    trace = made_up_trace(3, head_spans=((0, 5, 128), (7, 1, 2)), encoder_density=0.3)
    assert_equal(trace_of_bytes(trace_bytes(trace)), trace)
    faulty = dataclasses.replace(trace, faults=FaultTrials((0.25, 0.5)))
    assert_equal(trace_of_bytes(trace_bytes(faulty)), faulty)
    assert faulty.of(Split.REPORT).faults == faulty.faults


def test_splits_part_the_sentences() -> None:
    """Each split holds its own sentences in order, and the rest of the trace unchanged."""
    trace = made_up_trace(0, n_select=7, n_report=4)
    select, report = trace.of(Split.SELECT), trace.of(Split.REPORT)
    assert np.array_equal(np.concatenate([select.logits, report.logits]), trace.logits)
    assert np.array_equal(np.concatenate([select.labels, report.labels]), trace.labels)
    assert (len(select.tokens), len(report.tokens)) == (7, 4)
    assert select.predicted_entropies is trace.predicted_entropies


def test_made_up_sentences_do_not_depend_on_the_seed() -> None:
    """Made-up traces of several settings are of the same sentences, later exits being better."""
    one, other = made_up_trace(1, 2_000, 0), made_up_trace(2, 2_000, 0)
    assert np.array_equal(one.labels, other.labels)
    assert np.array_equal(one.tokens, other.tokens)
    assert not np.array_equal(one.logits, other.logits)
    right = (one.logits.argmax(-1) == one.labels[:, None]).mean(0)
    assert right[-1] > right[0] + 0.1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"logits": np.zeros((5, 4, 2))}, "logits must be float16"),
        ({"logits": np.zeros((5, 4), dtype=np.float16)}, "logits must be float16"),
        ({"tokens": np.zeros(4, dtype=np.int64)}, "tokens must have one entry for each sentence"),
        ({"labels": np.zeros((5, 1), dtype=np.int64)}, "labels must have one entry"),
        ({"splits": np.zeros(0, dtype=np.int64)}, "splits must have one entry"),
        (
            {"predicted_entropies": np.zeros((LUT_ROWS, 3), dtype=np.float16)},
            r"predicted_entropies has shape \(100, 3\), expected \(100, 2\)",
        ),
        ({"logits": np.full((5, 4, 2), np.nan, dtype=np.float16)}, "logits must be finite"),
        ({"logits": np.full((5, 4, 2), np.inf, dtype=np.float16)}, "logits must be finite"),
    ],
)
def test_trace_refuses_what_does_not_fit(changes: dict[str, Any], sentence: str) -> None:
    """Shapes that do not match, other precisions and logits that are not finite are refused."""
    trace = made_up_trace(0, n_select=3, n_report=2, n_exits=4)
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(trace, **changes)


def archive(**arrays: Any) -> bytes:
    """An archive of arrays."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_missing_array_is_a_damaged_trace() -> None:
    """An archive without one of the arrays is refused."""
    with pytest.raises(ValueError, match=r"damaged trace .*tokens"):
        trace_of_bytes(archive(logits=np.zeros((1, 3, 2), dtype=np.float16)))


def test_short_arrays_are_a_damaged_trace() -> None:
    """An array of the wrong shape, also one that is only looked into, is a damaged trace."""
    with np.load(io.BytesIO(trace_bytes(made_up_trace(0, 3, 2)))) as stored:
        arrays = dict(stored)
    for name, wrong in (
        ("densities", np.zeros(1)),
        ("head_spans", np.zeros(2, dtype=np.int64)),
        ("labels", np.zeros(2, dtype=np.int64)),
    ):
        with pytest.raises(ValueError, match="damaged trace"):
            trace_of_bytes(archive(**(arrays | {name: wrong})))


def test_damage_anywhere_is_noticed() -> None:
    """An archive cut off or with one byte changed is refused, or read as what it was."""
    trace = made_up_trace(0, n_select=2, n_report=1, n_exits=3)
    whole = trace_bytes(trace)
    rng = np.random.default_rng(0)
    for cut in (0, 1, 10, len(whole) // 2, len(whole) - 1):
        with pytest.raises(ValueError, match="damaged trace"):
            trace_of_bytes(whole[:cut])
    refused = 0
    headers = [*range(60), *range(len(whole) - 300, len(whole))]
    positions = [*headers, *rng.integers(60, len(whole) - 300, 100)]
    for position in positions:
        damaged = bytearray(whole)
        damaged[position] ^= int(rng.integers(1, 256))
        with contextlib.suppress(DamageFoundError):
            assert_equal(load_or_refuse(bytes(damaged)), trace)
            continue
        refused += 1
    assert refused > 200


def test_loading_a_trace_runs_no_code(tmp_path: Path) -> None:
    """An archive with a pickled object is refused before anything in it can run."""
    sign = tmp_path / "sign"
    with pytest.raises(ValueError, match="damaged trace"):
        trace_of_bytes(archive(logits=np.array([Bomb(sign)], dtype=object)))
    assert not sign.exists()


@pytest.mark.parametrize(("task", "outputs"), [("STS-B", 2), ("SST-2", 1), ("SST2", 2)])
def test_task_and_outputs_belong_together(task: str, outputs: int) -> None:
    """One output is a regression's, and no task but those of GLUE is known."""
    plain = made_up_trace(0)
    with pytest.raises(ValueError, match=f"task '{task}' with {outputs} outputs; expected a GLUE"):
        dataclasses.replace(plain, logits=plain.logits[..., :outputs], task=task)
