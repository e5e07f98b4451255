"""Accuracy-drop targets: by hand, against an exhaustive search, and their paired errors."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from evaluators.drop_targets import accuracy_drop, drop_targets
from evaluators.exits import exit_answers, exit_layers
from evaluators.task_metrics import official_score
from evaluators.tasks import glue_task
from evaluators.testing import made_up_trace
from evaluators.traces import ExitTrace, Split
from search_space import KNOBS_OF_EXIT_POLICY, ExitKnobs, ExitPolicy

WITH_THRESHOLD = tuple(policy for policy in ExitPolicy if KNOBS_OF_EXIT_POLICY[policy])


def hand_made(labels: list[int]) -> ExitTrace:
    """Four ``select`` and two ``report`` sentences, three exits, two classes.

    The gap between the logits at exits 1 and 2 is 4, 3, 2, 1 (2, 1 on ``report``); both exits
    answer class 1, the last one class 0.
    """
    gaps = np.array([4, 3, 2, 1, 2, 1], dtype=np.float64)
    logits = np.zeros((6, 3, 2))
    logits[:, 0, 1] = logits[:, 1, 1] = gaps
    logits[:, 2, 0] = 5
    return dataclasses.replace(
        made_up_trace(0, 4, 2, n_exits=3),
        logits=logits.astype(np.float16),
        labels=np.array(labels),
    )


def test_confidence_by_hand() -> None:
    """The surest sentences leave first, as many as the drop allows.

    Labels are 1, 0, 0, 0: at exit 1 the first sentence turns right and the others wrong. With no
    drop the two surest leave (a gain and a loss), with a quarter three, with a half all four.
    """
    trace = hand_made([1, 0, 0, 0, 1, 0])
    none, quarter, half = drop_targets(trace, ExitPolicy.CONFIDENCE, (0.0, 0.25, 0.5))
    assert none is not None
    assert quarter is not None
    assert half is not None
    confidence = [1 / (1 + math.exp(-gap)) for gap in (4, 3, 2, 1)]
    assert confidence[2] < none.threshold <= confidence[1]
    assert confidence[3] < quarter.threshold <= confidence[2]
    assert half.threshold <= confidence[3]
    assert none.select.mean_exit_layer == (1 + 1 + 3 + 3) / 4
    assert quarter.select.mean_exit_layer == (1 + 1 + 1 + 3) / 4
    assert half.select.mean_exit_layer == 1
    assert [t.select.drop for t in (none, quarter, half)] == [0.0, 0.25, 0.5]
    assert (quarter.select.accuracy, quarter.select.n_sentences) == (0.5, 4)
    # On report: the first one leaves at exit 1 and turns right, the second stays and is right.
    assert quarter.report.mean_exit_layer == 2
    assert (quarter.report.accuracy, quarter.report.drop) == (1.0, -0.5)


def test_paired_error_by_hand() -> None:
    """Differences 1, -1, 0, 0 have variance 2/3 with three degrees of freedom, over four."""
    trace = hand_made([0, 1, 0, 0, 0, 0])
    knobs = ExitKnobs(exit_policy=ExitPolicy.CONFIDENCE, confidence_threshold=0.95)
    found = accuracy_drop(trace, knobs, Split.SELECT)
    assert (found.drop, found.accuracy) == (0.0, 0.75)
    assert found.drop_se == pytest.approx(math.sqrt(2 / 3 / 4))


def test_threshold_has_few_decimals() -> None:
    """Of all thresholds between two levels one with few decimals is shown."""
    trace = hand_made([1, 0, 0, 0, 1, 0])
    for policy in (ExitPolicy.ENTROPY, ExitPolicy.NORMALISED_ENTROPY, ExitPolicy.CONFIDENCE):
        (target,) = drop_targets(trace, policy, (0.25,))
        assert target is not None
        assert len(str(target.threshold)) <= len("0.12")


def test_confidence_that_cannot_be_exceeded() -> None:
    """Sentences that are all sure at once leave at any confidence, so a loss cannot be avoided."""
    trace = hand_made([0, 0, 0, 0, 0, 0])
    logits = trace.logits.copy()
    logits[:, :2, 1] = 60_000
    sure = dataclasses.replace(trace, logits=logits)
    assert drop_targets(sure, ExitPolicy.CONFIDENCE, (0.05, 1.0))[0] is None
    assert drop_targets(sure, ExitPolicy.CONFIDENCE, (1.0,))[0] is not None
    (entropy,) = drop_targets(sure, ExitPolicy.ENTROPY, (0.05,))
    assert entropy is not None
    assert entropy.select.mean_exit_layer == 3


def every_setting(trace: ExitTrace, policy: ExitPolicy) -> list[ExitKnobs]:
    """A setting on, just above and between any two values that sentences can be compared with."""
    if policy is ExitPolicy.PATIENCE:
        return [ExitKnobs(exit_policy=policy, patience=t) for t in range(1, trace.n_exits + 1)]
    part = trace.of(Split.SELECT)
    values = {
        ExitPolicy.CONFIDENCE: part.confidence,
        ExitPolicy.NORMALISED_ENTROPY: part.entropy / math.log(part.logits.shape[2]),
    }.get(policy, part.entropy)
    met = np.unique(np.append(values.ravel(), trace.predicted_entropies.astype(np.float64)))
    met = np.unique(
        np.concatenate([[0.0, 1.0], met, np.nextafter(met, 9), met[1:] / 2 + met[:-1] / 2])
    )
    name = KNOBS_OF_EXIT_POLICY[policy][0]
    top = 1.0 if policy in (ExitPolicy.CONFIDENCE, ExitPolicy.NORMALISED_ENTROPY) else 9.0
    knobs: list[dict[str, Any]] = [{name: float(v)} for v in met if 0 <= v <= top]
    return [dataclasses.replace(ExitKnobs(exit_policy=policy), **changes) for changes in knobs]


@given(
    st.integers(0, 10_000),
    st.sampled_from(WITH_THRESHOLD),
    st.sampled_from([0.0, 0.05, 0.1, 0.25, 1.0]),
    st.integers(2, 5),
)
def test_targets_equal_an_exhaustive_search(
    seed: int, policy: ExitPolicy, most: float, n_exits: int
) -> None:
    """No setting of the policy has a lower mean exit layer without losing more."""
    trace = made_up_trace(seed, n_select=12, n_report=5, n_exits=n_exits, quality=0.2)
    part = trace.of(Split.SELECT)
    knobs = every_setting(trace, policy)
    _, layers = exit_layers(part, knobs)
    right = part.logits.argmax(axis=-1) == part.labels[:, None]
    answers = right[np.arange(len(right))[None], layers - 1].sum(axis=1)
    kept = right[:, -1].sum() - answers <= most * len(right)
    (target,) = drop_targets(trace, policy, (most,))
    assert target is not None
    assert target.select.drop <= most
    assert target.select.mean_exit_layer == pytest.approx(layers.mean(axis=1)[kept].min())
    assert target.knobs.exit_policy is policy
    assert target.report == accuracy_drop(trace, target.knobs, Split.REPORT)


@given(st.integers(0, 10_000), st.sampled_from(WITH_THRESHOLD))
def test_more_to_lose_never_costs_layers(seed: int, policy: ExitPolicy) -> None:
    """The more may be lost, the lower the mean exit layer; losing all lets everyone leave early."""
    trace = made_up_trace(seed, n_select=20, n_report=5)
    targets = drop_targets(trace, policy, (0.0, 0.05, 0.2, 1.0))
    means = [target.select.mean_exit_layer for target in targets if target is not None]
    assert len(means) == 4
    assert means == sorted(means, reverse=True)
    if policy is not ExitPolicy.PATIENCE:
        assert means[-1] == 1


def test_what_cannot_be() -> None:
    """``none``, splits without sentences and entropies of a number are refused in one sentence."""
    trace = made_up_trace(0)
    with pytest.raises(ValueError, match="'none' has no threshold"):
        drop_targets(trace, ExitPolicy.NONE, (0.01,))
    with pytest.raises(ValueError, match="report split has 1 sentences: expected 2 or more"):
        drop_targets(made_up_trace(0, n_report=1), ExitPolicy.ENTROPY, (0.01,))
    with pytest.raises(ValueError, match="'entropy' needs class probabilities, and STS-B"):
        drop_targets(of_task(trace, "STS-B"), ExitPolicy.ENTROPY, (0.01,))


def of_task(trace: ExitTrace, task: str) -> ExitTrace:
    """The same sentences as if they were of another task; STS-B takes what is for class 1."""
    if task != "STS-B":
        return dataclasses.replace(trace, task=task)
    noise = np.random.default_rng(7).normal(0, 0.5, len(trace.labels))
    numbers = trace.logits[:, :, 1:2]
    return dataclasses.replace(trace, task=task, logits=numbers, labels=trace.labels + noise)


def test_f1_by_hand() -> None:
    """Of MRPC it is F1 that may fall, not the share of right answers.

    Exit 1 says 1 of all four sentences and the last exit 0. Labels are 1, 0, 0, 0: F1 is 0 while
    all stay, 1 when the surest has left, then 2/3, 2/4 and 2/5, though ever more answers are wrong.
    """
    trace = of_task(hand_made([1, 0, 0, 0, 1, 0]), "MRPC")
    (target,) = drop_targets(trace, ExitPolicy.CONFIDENCE, (0.0,))
    assert target is not None
    assert target.select.mean_exit_layer == 1
    assert target.select.accuracy == pytest.approx(2 / 5)
    assert target.select.drop == pytest.approx(-2 / 5)
    assert target.select.drop_se > 0
    strict = ExitKnobs(exit_policy=ExitPolicy.CONFIDENCE, confidence_threshold=0.97)
    surest = accuracy_drop(trace, strict, Split.SELECT)
    assert (surest.accuracy, surest.mean_exit_layer) == (1.0, 2.5)


def test_numbers_leave_by_patience_by_hand() -> None:
    """Sentences of STS-B leave where the number has settled, if the correlation allows.

    Exits give 1 1.25 9, 2 2 2 and 3 3.125 0 for similarities 1, 2 and 3: exit 2 is within 0.5 of
    exit 1 for all, and its correlation with the labels is nearly 1, that of exit 3 below 0. Within
    0.2 the first one stays, and the other two are all that is right.
    """
    numbers = np.array([[1, 1.25, 9], [2, 2, 2], [3, 3.125, 0]] * 2)[:, :, None]
    trace = dataclasses.replace(
        made_up_trace(0, 3, 3, n_exits=3),
        logits=numbers.astype(np.float16),
        labels=np.array([1.0, 2.0, 3.0] * 2),
        task="STS-B",
    )
    (settled,) = drop_targets(trace, ExitPolicy.PATIENCE, (0.0,))
    assert settled is not None
    assert (settled.threshold, settled.knobs.patience_tolerance) == (1, 0.5)
    assert settled.select.mean_exit_layer == 2
    by_scipy = pearsonr([1.25, 2, 3.125], [1, 2, 3]).statistic
    assert settled.select.accuracy == pytest.approx(by_scipy)
    last = pearsonr([9, 2, 0], [1, 2, 3]).statistic
    assert settled.select.drop == pytest.approx(last - by_scipy)
    (closer,) = drop_targets(trace, ExitPolicy.PATIENCE, (1.0,), patience_tolerance=0.2)
    assert closer is not None
    assert closer.select.mean_exit_layer == pytest.approx((3 + 2 + 2) / 3)


@settings(max_examples=8)  # the official scores take seconds each
@given(
    st.integers(0, 10_000),
    st.sampled_from(["MRPC", "CoLA", "STS-B"]),
    st.sampled_from(WITH_THRESHOLD),
    st.sampled_from([0.0, 0.05, 0.25, 1.0]),
)
def test_targets_of_other_metrics_equal_an_exhaustive_search(
    seed: int, task: str, policy: ExitPolicy, most: float
) -> None:
    """No setting has a lower mean exit layer without losing more of the task's official metric."""
    policy = ExitPolicy.PATIENCE if task == "STS-B" else policy
    plain = made_up_trace(seed, n_select=12, n_report=5, n_exits=4, quality=0.2)
    trace, name = of_task(plain, task), glue_task(task).primary_metric
    part = trace.of(Split.SELECT)
    knobs = every_setting(plain, policy)
    _, layers = exit_layers(part, knobs)
    answers = exit_answers(part, layers)
    last = exit_answers(part, np.full_like(layers[:1], trace.n_exits))
    scores = np.array([official_score(name, row, part.labels) for row in answers])
    kept = official_score(name, last[0], part.labels) - scores <= most + 1e-9
    (target,) = drop_targets(trace, policy, (most,))
    if not kept.any():
        assert target is None
        return
    assert target is not None
    assert target.select.drop <= most + 1e-9
    assert target.select.mean_exit_layer == pytest.approx(layers.mean(axis=1)[kept].min())
