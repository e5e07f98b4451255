"""Levels: every exit policy as one rule on a trace.

Each sentence has a level at every exit but the last. Levels never rise from exit to exit, and a
sentence is still there after an exit if its level is at or above the threshold. A threshold that
sentences leave sooner the lower it is (confidence, patience) counts negative. What the policies
are, and where they come from, is said in `evaluators.exits`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.tasks import glue_task
from evaluators.traces import ENTROPY_STEP, ExitTrace
from search_space import ExitKnobs, ExitPolicy

FloatArray = NDArray[np.float64]
LayerArray = NDArray[np.signedinteger[Any]]
"""Exit layers, counted from 1, in the fewest bytes that hold them."""


def layers_at(levels: FloatArray, thresholds: FloatArray) -> LayerArray:
    """Exit layer (n_thresholds, n_sentences) of sentences with given levels, counted from 1.

    Neighbours in memory are the thresholds of one sentence. Quickest for thresholds that rise or
    fall throughout: then each sentence's layers are a staircase, laid out in one go.

    Args:
        levels: (n_sentences, n_exits - 1), no row rising.
        thresholds: (n_thresholds,).
    """
    n_sentences, n_levels = levels.shape
    n_thresholds = len(thresholds)
    order = None
    if (thresholds[1:] < thresholds[:-1]).any():
        if (thresholds[1:] <= thresholds[:-1]).all():
            return layers_at(levels, thresholds[::-1])[::-1]
        order = np.argsort(thresholds, kind="stable")
        thresholds = thresholds[order]
    # The lowest thresholds keep a sentence to the last layer, the highest to the first only.
    ends = np.zeros((n_sentences, n_levels + 2), dtype=np.int64)
    ends[:, 1:-1] = np.searchsorted(thresholds, levels[:, ::-1], side="right")
    ends[:, -1] = n_thresholds
    steps = np.arange(n_levels + 1, 0, -1, dtype=layer_type(n_levels + 1))
    stairs = np.repeat(np.tile(steps, n_sentences), np.diff(ends, axis=1).ravel())
    layers = stairs.reshape(n_sentences, n_thresholds)
    if order is not None:
        places = np.empty_like(order)
        places[order] = np.arange(n_thresholds)
        layers = layers.take(places, axis=1, mode="clip")  # "clip" spares a copy
    return layers.T


def layer_type(n_layers: int) -> np.dtype[np.signedinteger[Any]]:
    """The smallest integer type that counts so many layers."""
    return np.dtype(np.int8 if n_layers <= np.iinfo(np.int8).max else np.int16)


def policy_levels(trace: ExitTrace, knobs: ExitKnobs) -> FloatArray:
    """Levels (n_sentences, n_exits - 1) of a policy; the threshold of the knobs plays no part.

    Raises:
        ValueError: the policy is ``none``, or asks for the probabilities of a regression.
    """
    policy, n_classes = knobs.exit_policy, trace.logits.shape[2]
    refuse_regression(trace.task, policy)
    if policy is ExitPolicy.NONE:
        raise ValueError(f"Exit policy {policy.value!r} has no threshold, and so no levels.")
    if policy is ExitPolicy.PATIENCE:
        return patience_levels(exit_agreement(trace, knobs.patience_tolerance))
    if policy is ExitPolicy.CONFIDENCE:
        return confidence_levels(trace.confidence)
    if policy is ExitPolicy.NORMALISED_ENTROPY:
        return entropy_levels(trace.entropy / math.log(n_classes))
    if policy is ExitPolicy.LATENCY_AWARE:
        predicted = predicted_levels(trace.entropy[:, 0], trace.predicted_entropies)
        return np.minimum(predicted, entropy_levels(trace.entropy))
    return entropy_levels(trace.entropy)


def refuse_regression(task: str, policy: ExitPolicy) -> None:
    """Refuse an exit policy that needs class probabilities for a task that has none.

    Raises:
        ValueError: the task is a regression, and the policy neither ``none`` nor ``patience``.
    """
    if glue_task(task).is_regression and policy not in (ExitPolicy.NONE, ExitPolicy.PATIENCE):
        raise ValueError(
            f"exit_policy {policy.value!r} needs class probabilities, and {task} is a regression "
            f"without them: expected {ExitPolicy.PATIENCE.value!r} or {ExitPolicy.NONE.value!r}."
        )


def threshold_sign(policy: ExitPolicy) -> int:
    """1 if a sentence leaves sooner the higher the threshold is, -1 if the lower it is."""
    return -1 if policy in (ExitPolicy.CONFIDENCE, ExitPolicy.PATIENCE) else 1


def exit_agreement(trace: ExitTrace, tolerance: float) -> NDArray[np.bool_]:
    """Whether exits 2 … n_exits agree with the one before, (n_sentences, n_exits - 1).

    Classes agree if they are the same; the one output of a regression agrees if it differs by less
    than the tolerance.
    """
    if trace.logits.shape[2] == 1:
        answers = trace.logits[:, :, 0].astype(np.float64)
        close: NDArray[np.bool_] = np.abs(np.diff(answers, axis=1)) < tolerance
        return close
    classes = trace.logits.argmax(axis=-1)
    same: NDArray[np.bool_] = classes[:, 1:] == classes[:, :-1]
    return same


def entropy_levels(entropy: FloatArray) -> FloatArray:
    """Lowest entropy so far, (n_sentences, n_exits - 1), from entropies (n_sentences, n_exits)."""
    return np.minimum.accumulate(entropy[:, :-1], axis=1)


def confidence_levels(confidence: FloatArray) -> FloatArray:
    """Highest confidence so far, negative, (n_sentences, n_exits - 1), for negative thresholds.

    It is the next number below, since being as confident as the threshold is enough to leave.
    """
    highest = np.maximum.accumulate(confidence[:, :-1], axis=1)
    levels: FloatArray = np.nextafter(-highest, -np.inf)
    return levels


def patience_levels(agrees: NDArray[np.bool_]) -> FloatArray:
    """Most agreements in a row so far and one more, negative, for negative thresholds.

    Args:
        agrees: (n_sentences, n_exits - 1) whether exits 2 … n_exits agree with the one before.
    """
    longest = np.zeros(agrees.shape)
    row = np.zeros(len(agrees))
    for exit_index in range(1, agrees.shape[1]):
        row = (row + 1) * agrees[:, exit_index - 1]
        longest[:, exit_index] = np.maximum(longest[:, exit_index - 1], row)
    return -longest - 1


def predicted_levels(
    first_entropy: FloatArray, predicted_entropies: NDArray[np.floating]
) -> FloatArray:
    """Lowest predicted entropy so far, (n_sentences, n_exits - 1); that of exit 1 is the true one.

    Args:
        first_entropy: (n_sentences,) entropy at exit 1, nats; it chooses the nearest row.
        predicted_entropies: (n_rows, n_exits - 2) table of exits 2 … n_exits - 1.
    """
    last = len(predicted_entropies) - 1
    rows = np.clip(np.rint(first_entropy / ENTROPY_STEP).astype(np.int64), 0, last)
    foretold = np.column_stack([first_entropy, predicted_entropies[rows].astype(np.float64)])
    levels: FloatArray = np.minimum.accumulate(foretold, axis=1)
    return levels
