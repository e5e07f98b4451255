"""Exit policies as arithmetic on a trace, vectorised over thresholds.

Conventional exit: a sentence leaves at the first exit whose entropy is below the threshold, else
after the last layer. Latency-aware exit (Tambe et al., "EdgeBERT", MICRO 2021): the entropy at
exit 1 gives, through a table, predicted entropies of the later exits, and with them a predicted
exit layer, known after layer 1. The sentence may leave sooner, and is forced out there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.task_metrics import TASK_METRICS, official_score
from evaluators.tasks import glue_task
from evaluators.traces import ENTROPY_STEP, ExitTrace, Split
from search_space import ExitKnobs, ExitPolicy

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def conventional_exits(entropy: FloatArray, thresholds: FloatArray) -> IntArray:
    """Exit layer (n_thresholds, n_sentences), layers counted from 1.

    Args:
        entropy: (n_sentences, n_exits), nats. The last column plays no part: who gets there stays.
        thresholds: (n_thresholds,), nats.
    """
    lowest = np.minimum.accumulate(entropy[:, :-1], axis=1)
    exits: IntArray = 1 + (lowest[None] >= thresholds[:, None, None]).sum(axis=2)
    return exits


def predicted_exits(
    first_entropy: FloatArray, predicted_entropies: NDArray[np.floating], thresholds: FloatArray
) -> IntArray:
    """Predicted exit layer (n_thresholds, n_sentences), known after layer 1.

    A sentence whose first entropy is below the threshold is predicted to exit at layer 1.

    Args:
        first_entropy: (n_sentences,) entropy at exit 1, nats.
        predicted_entropies: (n_rows, n_exits - 2) table of exits 2 … n_exits - 1.
        thresholds: (n_thresholds,), nats.
    """
    n_rows = len(predicted_entropies)
    rows = np.clip(np.rint(first_entropy / ENTROPY_STEP).astype(np.int64), 0, n_rows - 1)
    lowest = np.minimum.accumulate(predicted_entropies.astype(np.float64), axis=1)
    by_row = 2 + (lowest[None] >= thresholds[:, None, None]).sum(axis=2)
    leaves_first = first_entropy[None] < thresholds[:, None]
    return np.where(leaves_first, 1, by_row[:, rows]).astype(np.int64)


def latency_aware_exits(
    entropy: FloatArray, predicted_entropies: NDArray[np.floating], thresholds: FloatArray
) -> tuple[IntArray, IntArray]:
    """Predicted and actual exit layers, both (n_thresholds, n_sentences)."""
    predicted = predicted_exits(entropy[:, 0], predicted_entropies, thresholds)
    return predicted, np.minimum(predicted, conventional_exits(entropy, thresholds))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitHistogram:
    """How the sentences of one split spread over groups, for several settings of the exit knobs.

    A group is (token count, predicted exit layer, actual exit layer). A policy without prediction
    predicts the last layer, since that is all a voltage controller may count on.

    Attributes:
        tokens: (n_groups,) token count of each group.
        predicted_layer: (n_groups,).
        actual_layer: (n_groups,).
        shares: (n_settings, n_groups) share of the sentences; rows sum to 1.
        accuracy: (n_settings,) primary metric of the task; of SST-2 the share of right answers.
        accuracy_se: (n_settings,) its standard error.
        n_sentences: sentences counted.
    """

    tokens: IntArray
    predicted_layer: IntArray
    actual_layer: IntArray
    shares: FloatArray
    accuracy: FloatArray
    accuracy_se: FloatArray
    n_sentences: int

    def mean_exit_layer(self) -> FloatArray:
        """Mean actual exit layer of each setting, (n_settings,)."""
        mean: FloatArray = self.shares @ self.actual_layer
        return mean


def exit_layers(trace: ExitTrace, knobs: Sequence[ExitKnobs]) -> tuple[IntArray, IntArray]:
    """Predicted and actual exit layers, both (n_settings, n_sentences), for settings of the knobs.

    The answer does not depend on how sentences are batched or settings are ordered.

    Raises:
        ValueError: a policy needs entropies and the task is a regression.
    """
    for policy in {k.exit_policy for k in knobs} - {ExitPolicy.NONE}:
        refuse_regression(trace.task, policy)
    entropy = trace.entropy
    n_settings, n_sentences = len(knobs), len(entropy)
    predicted = np.full((n_settings, n_sentences), trace.n_exits, dtype=np.int64)
    actual = predicted.copy()
    thresholds = np.array([k.entropy_threshold for k in knobs], dtype=np.float64)
    policies = np.array([k.exit_policy.value for k in knobs])
    conventional = policies == ExitPolicy.ENTROPY.value
    if conventional.any():
        actual[conventional] = conventional_exits(entropy, thresholds[conventional])
    aware = policies == ExitPolicy.LATENCY_AWARE.value
    if aware.any():
        predicted[aware], actual[aware] = latency_aware_exits(
            entropy, trace.predicted_entropies, thresholds[aware]
        )
    return predicted, actual


def refuse_regression(task: str, policy: ExitPolicy) -> None:
    """Refuse an exit policy that needs entropies for a task that has none.

    Raises:
        ValueError: the task is a regression.
    """
    if glue_task(task).is_regression:
        raise ValueError(
            f"exit_policy {policy.value!r} for {task}, a regression whose one output has no "
            f"entropy: expected {ExitPolicy.NONE.value!r}."
        )


def exit_answers(trace: ExitTrace, actual: IntArray) -> IntArray | FloatArray:
    """Class index or number (n_settings, n_sentences) that sentences leave with.

    Args:
        trace: of n_sentences.
        actual: (n_settings, n_sentences) exit layers, counted from 1.
    """
    if glue_task(trace.task).is_regression:
        by_exit: IntArray | FloatArray = trace.logits[..., 0].astype(np.float64)
    else:
        by_exit = trace.logits.argmax(axis=-1)
    return by_exit[np.arange(len(by_exit))[None], actual - 1]


def accuracy_with_error(trace: ExitTrace, actual: IntArray) -> tuple[FloatArray, FloatArray]:
    """Primary metric of the task (n_settings,) and its standard error.

    Args:
        trace: of n_sentences.
        actual: (n_settings, n_sentences) exit layers.
    """
    metric = TASK_METRICS[glue_task(trace.task).primary_metric]
    answers = exit_answers(trace, actual)
    return metric.values(answers, trace.labels), metric.errors(answers, trace.labels)


def further_scores(trace: ExitTrace, exits: ExitKnobs) -> dict[str, tuple[float, float]]:
    """Official metrics of the reported sentences besides the primary one, with standard errors.

    By name; those of MNLI's mismatched dev set have ``_mismatched`` behind theirs. Empty for a task
    with one metric and one dev set.

    Args:
        trace: all splits.
        exits: one setting of the exit knobs.
    """
    task = glue_task(trace.task)
    wanted = [(Split.REPORT, name, name) for name in task.metrics[1:]]
    if task.mismatched is not None and (trace.splits == Split.MISMATCHED).any():
        wanted += [(Split.MISMATCHED, name, f"{name}_mismatched") for name in task.metrics]
    scores = {}
    for split, name, key in wanted:
        part = trace.of(split)
        answers = exit_answers(part, exit_layers(part, [exits])[1])
        error = TASK_METRICS[name].errors(answers, part.labels)[0]
        scores[key] = (official_score(name, answers[0], part.labels), float(error))
    return scores


def exit_histogram(
    trace: ExitTrace,
    knobs: Sequence[ExitKnobs],
    split: Split = Split.SELECT,
    padded_tokens: int | None = None,
) -> ExitHistogram:
    """Histogram and primary metric of one split for several settings of the exit knobs.

    Args:
        trace: both splits.
        knobs: the settings.
        split: which sentences to count.
        padded_tokens: token count that every sentence is padded to; None for actual lengths.

    Raises:
        ValueError: the split has no sentence, or one is longer than it shall be padded to.
    """
    part = trace.of(split)
    n_sentences = len(part.tokens)
    if n_sentences == 0:
        raise ValueError(f"The trace has no sentence of the {split.name.lower()} split.")
    tokens = part.tokens
    if padded_tokens is not None:
        if int(tokens.max()) > padded_tokens:
            raise ValueError(
                f"A sentence has {tokens.max()} tokens: expected at most padded_tokens "
                f"{padded_tokens}; raise it or use actual lengths."
            )
        tokens = np.full_like(tokens, padded_tokens)
    predicted, actual = exit_layers(part, knobs)
    base = trace.n_exits + 1
    codes = (tokens[None] * base + predicted) * base + actual
    groups, inverse = np.unique(codes, return_inverse=True)
    flat = np.arange(len(knobs))[:, None] * len(groups) + inverse.reshape(codes.shape)
    counts = np.bincount(flat.ravel(), minlength=len(knobs) * len(groups))
    accuracy, accuracy_se = accuracy_with_error(part, actual)
    return ExitHistogram(
        tokens=groups // (base * base),
        predicted_layer=groups // base % base,
        actual_layer=groups % base,
        shares=counts.reshape(len(knobs), len(groups)) / n_sentences,
        accuracy=accuracy,
        accuracy_se=accuracy_se,
        n_sentences=n_sentences,
    )
