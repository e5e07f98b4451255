"""Bootstrap samples of a trace's sentences, the same ones for every setting.

A sample draws as many sentences as there are, with repetition (Efron, Annals of Statistics 7,
1979). All settings are read on the same samples, so what they differ by in one is paired.
"""

from __future__ import annotations

import numpy as np

from evaluators.bootstrap import BOOTSTRAP_SEED, RESAMPLES, resample_weights
from evaluators.exits import ExitHistogram, exit_answers, exit_layers
from evaluators.task_metrics import TASK_METRICS
from evaluators.tasks import glue_task
from evaluators.traces import ExitTrace, Split
from search_space import ExitKnobs


def resampled_histogram(
    trace: ExitTrace, knobs: ExitKnobs, padded_tokens: int | None = None
) -> ExitHistogram:
    """Histogram of the ``select`` split in every bootstrap sample, for one setting.

    What is a setting of the exit knobs elsewhere is a sample here: shares and accuracies have one
    row for each of the `RESAMPLES` samples, and the standard errors are 0. With faults in the
    weights a sample also draws a chip: the accuracy moves by what that chip's score at the last
    exit is above that of the trace's own.

    Args:
        trace: all splits.
        knobs: the setting.
        padded_tokens: token count that every sentence is padded to; None for actual lengths.
    """
    part = trace.of(Split.SELECT)
    n_sentences = len(part.tokens)
    tokens = part.tokens if padded_tokens is None else np.full_like(part.tokens, padded_tokens)
    predicted, actual = exit_layers(part, [knobs])
    base = trace.n_exits + 1
    codes = (tokens * base + predicted[0]) * base + actual[0]
    order = np.argsort(codes, kind="stable")
    groups, starts = np.unique(codes[order], return_index=True)
    weights = resample_weights(n_sentences)
    counts = np.add.reduceat(weights[:, order], starts, axis=1, dtype=np.int64)
    metric = TASK_METRICS[glue_task(trace.task).primary_metric]
    accuracy = metric.resampled(exit_answers(part, actual), part.labels)[:, 0]
    if trace.faults is not None:
        scores = np.array(trace.faults.scores)
        chips = np.random.default_rng(BOOTSTRAP_SEED).integers(0, len(scores), RESAMPLES)
        accuracy = accuracy + scores[chips] - scores[trace.faults.chosen]
    return ExitHistogram(
        tokens=groups // (base * base),
        predicted_layer=groups // base % base,
        actual_layer=groups % base,
        shares=counts / counts.sum(axis=1, keepdims=True),
        accuracy=accuracy,
        accuracy_se=np.zeros(RESAMPLES),
        n_sentences=n_sentences,
    )
