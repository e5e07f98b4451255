"""Exit policies as arithmetic on a trace, vectorised over thresholds.

* Entropy: a sentence leaves at the first exit whose entropy is below the threshold, else after the
  last layer (Xin et al., "DeeBERT", ACL 2020; the conventional exit of EdgeBERT).
* Normalised entropy: the same with the entropy divided by the logarithm of the number of classes
  (the uncertainty of Liu et al., "FastBERT", ACL 2020).
* Confidence: at the first exit whose largest softmax probability is at or above the threshold
  (Schwartz et al., "The Right Tool for the Job", ACL 2020; without their calibration).
* Patience: at the first exit that is the last of so many in a row which each agree with the exit
  before them (Zhou et al., "BERT Loses Patience", NeurIPS 2020, arXiv:2006.04152): never before
  layer patience + 1. Numbers of a regression agree if they differ by less than a tolerance.
* Latency-aware (Tambe et al., "EdgeBERT", MICRO 2021): the entropy at exit 1 gives, through a
  table, predicted entropies of the later exits, and with them a predicted exit layer, known after
  layer 1. The sentence may leave sooner, by its entropy, and is forced out there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.exit_levels import (
    FloatArray,
    LayerArray,
    confidence_levels,
    entropy_levels,
    layer_type,
    layers_at,
    patience_levels,
    policy_levels,
    predicted_levels,
    threshold_sign,
)
from evaluators.task_metrics import TASK_METRICS, official_score
from evaluators.tasks import glue_task
from evaluators.traces import ExitTrace, Split
from search_space import KNOBS_OF_EXIT_POLICY, ExitKnobs, ExitPolicy

IntArray = NDArray[np.int64]
Answers = IntArray | FloatArray
"""Class indices, or the numbers of a regression."""


def conventional_exits(entropy: FloatArray, thresholds: FloatArray) -> LayerArray:
    """Exit layer (n_thresholds, n_sentences), layers counted from 1.

    Args:
        entropy: (n_sentences, n_exits), nats. The last column plays no part: who gets there stays.
        thresholds: (n_thresholds,), nats.
    """
    return layers_at(entropy_levels(entropy), thresholds)


def confident_exits(confidence: FloatArray, thresholds: FloatArray) -> LayerArray:
    """Exit layer (n_thresholds, n_sentences) of the first exit as confident as the threshold.

    Args:
        confidence: (n_sentences, n_exits) largest probability. The last column plays no part.
        thresholds: (n_thresholds,).
    """
    return layers_at(confidence_levels(confidence), -thresholds)


def patient_exits(agrees: NDArray[np.bool_], patience: IntArray) -> LayerArray:
    """Exit layer (n_patiences, n_sentences) of the first exit after so many agreements in a row.

    Args:
        agrees: (n_sentences, n_exits - 1) whether exits 2 … n_exits agree with the one before.
        patience: (n_patiences,) agreements, 1 or more.
    """
    return layers_at(patience_levels(agrees), -patience.astype(np.float64))


def predicted_exits(
    first_entropy: FloatArray, predicted_entropies: NDArray[np.floating], thresholds: FloatArray
) -> LayerArray:
    """Predicted exit layer (n_thresholds, n_sentences), known after layer 1.

    A sentence whose first entropy is below the threshold is predicted to exit at layer 1.

    Args:
        first_entropy: (n_sentences,) entropy at exit 1, nats.
        predicted_entropies: (n_rows, n_exits - 2) table of exits 2 … n_exits - 1.
        thresholds: (n_thresholds,), nats.
    """
    return layers_at(predicted_levels(first_entropy, predicted_entropies), thresholds)


def latency_aware_exits(
    entropy: FloatArray, predicted_entropies: NDArray[np.floating], thresholds: FloatArray
) -> tuple[LayerArray, LayerArray]:
    """Predicted and actual exit layers, both (n_thresholds, n_sentences)."""
    predicted = predicted_levels(entropy[:, 0], predicted_entropies)
    actual = np.minimum(predicted, entropy_levels(entropy))
    return layers_at(predicted, thresholds), layers_at(actual, thresholds)


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
        others: of the same settings on further tasks.
    """

    tokens: IntArray
    predicted_layer: IntArray
    actual_layer: IntArray
    shares: FloatArray
    accuracy: FloatArray
    accuracy_se: FloatArray
    n_sentences: int
    others: tuple[ExitHistogram, ...] = ()

    def mean_exit_layer(self) -> FloatArray:
        """Mean actual exit layer of each setting, (n_settings,)."""
        mean: FloatArray = self.shares @ self.actual_layer
        return mean


def exit_layers(trace: ExitTrace, knobs: Sequence[ExitKnobs]) -> tuple[LayerArray, LayerArray]:
    """Predicted and actual exit layers, both (n_settings, n_sentences), for settings of the knobs.

    The answer does not depend on how sentences are batched or settings are ordered.

    Raises:
        ValueError: a policy asks for the probabilities of a regression.
    """
    shape = (len(trace.tokens), len(knobs))
    # As in `layers_at`, neighbours in memory are the settings of one sentence.
    predicted = np.full(shape, trace.n_exits, dtype=layer_type(trace.n_exits))
    actual = predicted.copy()
    alike: dict[tuple[ExitPolicy, float], list[int]] = {}
    for place, setting in enumerate(knobs):
        alike.setdefault((setting.exit_policy, setting.patience_tolerance), []).append(place)
    for (policy, _), places in alike.items():
        if policy is ExitPolicy.NONE:
            continue
        levels = policy_levels(trace, knobs[places[0]])
        name = KNOBS_OF_EXIT_POLICY[policy][0]
        values = np.array([getattr(knobs[i], name) for i in places], dtype=np.float64)
        thresholds = threshold_sign(policy) * values
        first, last = places[0], places[-1]
        # A slice, where settings of a policy stand together, is quicker than a list of places.
        where = slice(first, last + 1) if last - first + 1 == len(places) else places
        actual[:, where] = layers_at(levels, thresholds).T
        if policy is ExitPolicy.LATENCY_AWARE:
            foretold = predicted_levels(trace.entropy[:, 0], trace.predicted_entropies)
            predicted[:, where] = layers_at(foretold, thresholds).T
    return predicted.T, actual.T


def exit_answers(trace: ExitTrace, actual: LayerArray) -> Answers:
    """Class index or number (n_settings, n_sentences) that sentences leave with.

    Args:
        trace: of n_sentences.
        actual: (n_settings, n_sentences) exit layers, counted from 1.
    """
    if glue_task(trace.task).is_regression:
        by_exit: Answers = trace.logits[..., 0].astype(np.float64)
    else:
        by_exit = trace.logits.argmax(axis=-1)
    return by_exit[np.arange(len(by_exit))[None], actual - 1]


def accuracy_with_error(trace: ExitTrace, actual: LayerArray) -> tuple[FloatArray, FloatArray]:
    """Primary metric of the task (n_settings,) and its standard error.

    With faults in the weights, the error is that over sentences and over chips: the root of the sum
    of its square and that of `FaultTrials.deviation`, measured at the last exit.

    Args:
        trace: of n_sentences.
        actual: (n_settings, n_sentences) exit layers.
    """
    metric = TASK_METRICS[glue_task(trace.task).primary_metric]
    answers = exit_answers(trace, actual)
    errors = metric.errors(answers, trace.labels)
    if trace.faults is not None:
        errors = np.hypot(errors, trace.faults.deviation)
    return metric.values(answers, trace.labels), errors


def further_scores(trace: ExitTrace, exits: ExitKnobs) -> dict[str, tuple[float, float]]:
    """Official metrics of the reported sentences besides the primary one, with standard errors.

    The errors are those over sentences alone.

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
