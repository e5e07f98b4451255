"""Bootstrap samples of sentences, which all settings share, and standard errors over them.

The standard error of a metric is its standard deviation over `RESAMPLES` bootstrap samples of the
sentences (Efron, Annals of Statistics 7, 1979), that of a difference of two settings the standard
deviation of the difference over the same samples. An error depends so neither on the other settings
nor on their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 1_000
BOOTSTRAP_SEED: Final = 20_202
_BLOCK: Final = 125
"""Resamples worked out at once: bounds memory."""

Array = NDArray[Any]
FloatArray = NDArray[np.float64]
OfPredictions = Callable[[Array, Array], FloatArray]
"""A figure (n_settings,) of predictions (n_settings, n_sentences) and labels (n_sentences,)."""
Resampled = Callable[[Array, Array], FloatArray]
"""A metric (`RESAMPLES`, n_settings) in every bootstrap sample, from predictions and labels."""


def bootstrap_error(resampled: Resampled) -> OfPredictions:
    """Bootstrap standard error (n_settings,) of a metric."""

    def errors(predictions: Array, labels: Array) -> FloatArray:
        error: FloatArray = resampled(predictions, labels).std(axis=0, ddof=1)
        return error

    return errors


def bootstrap_differences(
    values: OfPredictions, resampled: Resampled
) -> Callable[[Array, Array, Array], tuple[FloatArray, FloatArray]]:
    """Differences of a metric with bootstrap errors, in pairs.

    What comes back takes predictions, others and labels as `evaluators.task_metrics.TaskMetric` has
    it, and gives what its ``differences`` do.
    """

    def differences(
        predictions: Array, others: Array, labels: Array
    ) -> tuple[FloatArray, FloatArray]:
        found = resampled(predictions, labels) - resampled(others, labels)
        return values(predictions, labels) - values(others, labels), found.std(axis=0, ddof=1)

    return differences


def resamples(n_sentences: int) -> Iterator[tuple[slice, FloatArray]]:
    """Blocks of bootstrap samples: rows of the sample, and how often each holds each sentence."""
    every = resample_weights(n_sentences)
    for start in range(0, RESAMPLES, _BLOCK):
        block = slice(start, start + _BLOCK)
        yield block, every[block].astype(np.float64)


@lru_cache(maxsize=2)
def resample_weights(n_sentences: int) -> NDArray[np.uint8]:
    """How often each of the samples holds each sentence, (`RESAMPLES`, n_sentences)."""
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    weights = np.empty((RESAMPLES, n_sentences), dtype=np.uint8)
    for row in weights:
        drawn = rng.integers(0, n_sentences, n_sentences)
        row[:] = np.minimum(np.bincount(drawn, minlength=n_sentences), 255)
    weights.flags.writeable = False
    return weights
