"""Confidence, normalised entropy and patience: by hand, against a plain loop, and as one rule."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluators.exit_levels import exit_agreement, layers_at, policy_levels, threshold_sign
from evaluators.exits import (
    confident_exits,
    conventional_exits,
    exit_histogram,
    exit_layers,
    patient_exits,
)
from evaluators.testing import made_up_trace
from evaluators.traces import ExitTrace, Split, confidences, entropies
from search_space import ExitKnobs, ExitPolicy

NEW = (ExitPolicy.NORMALISED_ENTROPY, ExitPolicy.CONFIDENCE, ExitPolicy.PATIENCE)


def setting(policy: ExitPolicy, threshold: float, tolerance: float = 0.5) -> ExitKnobs:
    """A setting of one of the new policies."""
    if policy is ExitPolicy.PATIENCE:
        return ExitKnobs(exit_policy=policy, patience=int(threshold), patience_tolerance=tolerance)
    if policy is ExitPolicy.CONFIDENCE:
        return ExitKnobs(exit_policy=policy, confidence_threshold=threshold)
    return ExitKnobs(exit_policy=policy, normalised_entropy_threshold=threshold)


def slow_layer(logits: NDArray[np.float16], knobs: ExitKnobs) -> int:
    """Exit layer of one sentence from its logits (n_exits, n_classes), exit by exit."""
    n_exits, n_classes = len(logits), logits.shape[1]
    counter = 0
    for exit_index in range(n_exits - 1):
        now = logits[exit_index].astype(np.float64)
        if knobs.exit_policy is ExitPolicy.PATIENCE:
            before = logits[exit_index - 1].astype(np.float64)
            if n_classes == 1:
                same = abs(float(now[0]) - float(before[0])) < knobs.patience_tolerance
            else:
                same = int(now.argmax()) == int(before.argmax())
            counter = counter + 1 if exit_index > 0 and same else 0
            leaves = counter >= knobs.patience
        elif knobs.exit_policy is ExitPolicy.CONFIDENCE:
            leaves = float(confidences(now)) >= knobs.confidence_threshold
        else:
            share = float(entropies(now)) / math.log(n_classes)
            leaves = share < knobs.normalised_entropy_threshold
        if leaves:
            return exit_index + 1
    return n_exits


def trace_of(logits: NDArray[np.floating]) -> ExitTrace:
    """A trace of ``select`` sentences with given logits; every label is class 0."""
    n_sentences, n_exits, n_outputs = logits.shape
    labels = np.zeros(n_sentences)
    return dataclasses.replace(
        made_up_trace(0, n_sentences, 0, n_exits=n_exits),
        logits=logits.astype(np.float16),
        labels=labels if n_outputs == 1 else labels.astype(np.int64),
        task="STS-B" if n_outputs == 1 else "SST-2",
    )


@st.composite
def examples(draw: st.DrawFn) -> tuple[ExitTrace, ExitPolicy, list[ExitKnobs]]:
    """A trace of one to four outputs on a coarse grid (so that ties happen), and settings."""
    n_exits, n_outputs = draw(st.integers(2, 6)), draw(st.integers(1, 4))
    n_sentences = draw(st.integers(1, 5))
    values = draw(
        st.lists(
            st.integers(-3, 3),
            min_size=n_sentences * n_exits * n_outputs,
            max_size=n_sentences * n_exits * n_outputs,
        )
    )
    logits = np.array(values, dtype=np.float64).reshape(n_sentences, n_exits, n_outputs) / 2
    policy = ExitPolicy.PATIENCE if n_outputs == 1 else draw(st.sampled_from(NEW))
    if policy is ExitPolicy.PATIENCE:
        choices = st.integers(1, n_exits + 1).map(float)
    else:
        trace_values = confidences(logits) if policy is ExitPolicy.CONFIDENCE else np.zeros(1)
        met = st.sampled_from(sorted({float(v) for v in trace_values.ravel()}))
        choices = st.integers(0, 20).map(lambda k: k / 20) | met
    tolerance = draw(st.sampled_from([0.25, 0.5, 1.0, 1.25]))
    thresholds = draw(st.lists(choices, min_size=1, max_size=6))
    return trace_of(logits), policy, [setting(policy, t, tolerance) for t in thresholds]


@given(examples())
def test_policies_equal_one_sentence_at_a_time(
    example: tuple[ExitTrace, ExitPolicy, list[ExitKnobs]],
) -> None:
    """At every threshold, those that are met exactly included, a plain loop says the same."""
    trace, _, settings = example
    predicted, actual = exit_layers(trace, settings)
    expected = [[slow_layer(row, knobs) for row in trace.logits] for knobs in settings]
    assert actual.tolist() == expected
    assert (predicted == trace.n_exits).all()


@given(examples())
def test_stricter_thresholds_never_exit_sooner(
    example: tuple[ExitTrace, ExitPolicy, list[ExitKnobs]],
) -> None:
    """A lower entropy, a higher confidence and more patience never lower an exit layer."""
    trace, policy, settings = example

    def strictness(knobs: ExitKnobs) -> float:
        return {
            ExitPolicy.NORMALISED_ENTROPY: -knobs.normalised_entropy_threshold,
            ExitPolicy.CONFIDENCE: knobs.confidence_threshold,
            ExitPolicy.PATIENCE: float(knobs.patience),
        }[policy]

    _, actual = exit_layers(trace, sorted(settings, key=strictness))
    assert (np.diff(actual, axis=0) >= 0).all()


def test_confidence_by_hand() -> None:
    """A sentence leaves at the first exit as confident as the threshold; being equal is enough."""
    confidence = np.array([[0.6, 0.8, 0.7, 1.0], [0.9, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.99]])
    layers = confident_exits(confidence, np.array([0.8, 0.9, 0.95, 0.5]))
    assert layers.tolist() == [[2, 1, 4], [4, 1, 4], [4, 4, 4], [1, 1, 1]]


def test_confidence_of_logits_by_hand() -> None:
    """Logits 0 and ln 3 have confidence 3/4; three equal ones 1/3; far apart ones 1."""
    assert confidences(np.array([0.0, np.log(3)])) == pytest.approx(0.75)
    assert confidences(np.full(3, 7.0)) == pytest.approx(1 / 3)
    assert confidences(np.array([60_000.0, -60_000.0], dtype=np.float16)) == 1


def test_normalised_entropy_by_hand() -> None:
    """Three equal logits have all of ln 3, which no threshold is above; a sure answer has none."""
    logits = np.zeros((2, 3, 3))
    logits[1, 1] = [50, 0, 0]
    settings = [setting(ExitPolicy.NORMALISED_ENTROPY, t) for t in (0.0, 0.01, 0.99)]
    _, actual = exit_layers(trace_of(logits), settings)
    assert actual.tolist() == [[3, 3], [3, 2], [3, 2]]


def test_normalised_entropy_is_entropy_in_another_scale() -> None:
    """With two classes a share t of the largest entropy is t ln 2 nats."""
    trace = made_up_trace(3)
    shares = np.linspace(0.05, 0.95, 10)
    _, actual = exit_layers(trace, [setting(ExitPolicy.NORMALISED_ENTROPY, t) for t in shares])
    assert np.array_equal(actual, conventional_exits(trace.entropy, shares * math.log(2)))


def test_patience_by_hand() -> None:
    """PABEE counts agreements with the exit before and leaves when so many came in a row.

    Exits answer 0 0 1 1 1 1: one agreement after exit 2, none after exit 3, 1, 2 and 3 after
    exits 4, 5 and 6. The second sentence never agrees, the third always does.
    """
    classes = np.array([[0, 0, 1, 1, 1, 1], [0, 1, 0, 1, 0, 1], [1, 1, 1, 1, 1, 1]])
    trace = trace_of(np.eye(2)[classes])
    agrees = exit_agreement(trace, 0.5)
    assert agrees.tolist() == [
        [True, False, True, True, True],
        [False] * 5,
        [True] * 5,
    ]
    layers = patient_exits(agrees, np.array([1, 2, 3, 4, 5, 9]))
    assert layers.T.tolist() == [[2, 5, 6, 6, 6, 6], [6] * 6, [2, 3, 4, 5, 6, 6]]


def test_patience_of_a_regression_by_hand() -> None:
    """Numbers agree if they differ by less than the tolerance: by as much is not enough."""
    answers = np.array([[1.0, 1.5, 1.75, 2.0, 4.0]])[:, :, None]
    settings = [
        setting(ExitPolicy.PATIENCE, patience, tolerance)
        for patience, tolerance in [(1, 0.5), (1, 0.51), (2, 0.5), (2, 0.25), (3, 0.51)]
    ]
    _, actual = exit_layers(trace_of(answers), settings)
    assert actual[:, 0].tolist() == [3, 2, 4, 5, 4]


@pytest.mark.parametrize(
    "policy",
    [ExitPolicy.ENTROPY, ExitPolicy.LATENCY_AWARE, *NEW[:2]],
)
def test_regressions_have_no_probabilities(policy: ExitPolicy) -> None:
    """A policy on class probabilities is refused for a trace with one output."""
    trace = trace_of(np.zeros((2, 3, 1)))
    with pytest.raises(ValueError, match=rf"'{policy.value}' needs class probabilities"):
        exit_layers(trace, [ExitKnobs(exit_policy=policy)])
    _, actual = exit_layers(trace, [ExitKnobs(exit_policy=ExitPolicy.NONE)])
    assert (actual == 3).all()


def test_policy_none_has_no_levels() -> None:
    """There is no threshold to sweep where no sentence leaves early."""
    with pytest.raises(ValueError, match="'none' has no threshold"):
        policy_levels(made_up_trace(0), ExitKnobs(exit_policy=ExitPolicy.NONE))


@given(
    st.lists(
        st.lists(st.integers(0, 8), min_size=3, max_size=3).map(lambda r: sorted(r)[::-1]),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.integers(-1, 9), min_size=0, max_size=8),
    st.sampled_from(["as drawn", "rising", "falling"]),
)
def test_layers_are_a_count_of_levels(
    levels: list[list[int]], thresholds: list[int], order: str
) -> None:
    """A sentence passes exits whose level is at or above the threshold, in any order of those."""
    if order != "as drawn":
        thresholds = sorted(thresholds, reverse=order == "falling")
    found = layers_at(np.array(levels, dtype=np.float64), np.array(thresholds, dtype=np.float64))
    expected = [[1 + sum(v >= t for v in row) for row in levels] for t in thresholds]
    assert found.tolist() == expected


def test_layers_take_the_fewest_bytes() -> None:
    """Up to 127 layers fit in a byte, more take two."""
    thresholds = np.array([0.0, 0.5])
    for n_exits, size in ((12, 1), (127, 1), (128, 2), (300, 2)):
        layers = layers_at(np.zeros((2, n_exits - 1)), thresholds)
        assert layers.dtype.itemsize == size
        assert layers.tolist() == [[n_exits] * 2, [1] * 2]


def test_no_policy_looks_at_the_last_exit() -> None:
    """Whoever gets to the last layer stays there, so that its logits change no exit layer."""
    trace = made_up_trace(2)
    other = dataclasses.replace(trace, logits=trace.logits.copy())
    other.logits[:, -1] = 0
    for policy in NEW:
        for threshold in (1.0, 2.0) if policy is ExitPolicy.PATIENCE else (0.3, 0.9):
            knobs = [setting(policy, threshold)]
            assert np.array_equal(exit_layers(trace, knobs)[1], exit_layers(other, knobs)[1])


def test_mixed_settings_keep_their_places() -> None:
    """Settings of several policies, mixed, each get the layers that they get alone."""
    trace = made_up_trace(6)
    settings = [
        setting(ExitPolicy.CONFIDENCE, 0.9),
        setting(ExitPolicy.PATIENCE, 2),
        ExitKnobs(exit_policy=ExitPolicy.LATENCY_AWARE, entropy_threshold=0.4),
        setting(ExitPolicy.CONFIDENCE, 0.7),
        ExitKnobs(exit_policy=ExitPolicy.NONE),
        setting(ExitPolicy.PATIENCE, 1),
        setting(ExitPolicy.NORMALISED_ENTROPY, 0.4),
        ExitKnobs(exit_policy=ExitPolicy.ENTROPY, entropy_threshold=0.2),
    ]
    predicted, actual = exit_layers(trace, settings)
    for place, knobs in enumerate(settings):
        alone = exit_layers(trace, [knobs])
        assert np.array_equal(predicted[place], alone[0][0])
        assert np.array_equal(actual[place], alone[1][0])


def test_a_voltage_controller_may_count_on_the_last_layer() -> None:
    """Groups of a policy that predicts nothing have the last layer as the predicted one."""
    trace = made_up_trace(1)
    knobs = [setting(policy, 1 if policy is ExitPolicy.PATIENCE else 0.8) for policy in NEW]
    histogram = exit_histogram(trace, knobs, Split.REPORT)
    assert set(histogram.predicted_layer.tolist()) == {trace.n_exits}
    assert (histogram.mean_exit_layer() < trace.n_exits).all()
    assert histogram.shares.sum(axis=1) == pytest.approx(1)


def test_signs_of_thresholds() -> None:
    """Only confidence and patience let a sentence leave sooner the lower they are."""
    falling = {policy for policy in ExitPolicy if threshold_sign(policy) == -1}
    assert falling == {ExitPolicy.CONFIDENCE, ExitPolicy.PATIENCE}
