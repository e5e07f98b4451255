"""The official metrics of GLUE with their standard errors, for many prediction vectors at once.

Values and errors are NumPy arithmetic over (n_settings, n_sentences) predictions, since they stand
in the inner search. `official_score` is the definition of each, by scikit-learn or SciPy, one
vector at a time: reports use it, and tests compare the arithmetic with it. Ranks are SciPy's.

Standard errors of accuracy (binomial) and of Pearson's correlation (Fisher's z) are closed forms.
Those of F1, Matthews' and Spearman's correlations come from bootstrap samples that all settings
share (`evaluators.bootstrap`).

Differences between two settings are paired, since both answer the same sentences: the standard
error of a difference of accuracies is that of the mean of the sentences' differences, those of the
other metrics are the standard deviation of the difference over the same bootstrap samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from evaluators.bootstrap import (
    RESAMPLES,
    Array,
    FloatArray,
    OfPredictions,
    Resampled,
    bootstrap_differences,
    bootstrap_error,
    resamples,
)

_ROUNDING: Final = 1e-12
"""Share of a sum of squares below which its spread is the rounding of equal numbers."""
OfCounts = Callable[[Array, Array, Array, int], FloatArray]


@dataclass(frozen=True, slots=True)
class TaskMetric:
    """One official metric: 1 is perfect, more is better.

    Attributes:
        title: for people.
        unit: for people, of a hundredth: per cent of a share, points of a correlation.
        values: metric (n_settings,) of predictions (n_settings, n_sentences) and labels
            (n_sentences,).
        errors: its standard errors (n_settings,).
        resampled: metric (`RESAMPLES`, n_settings) in every bootstrap sample, from the same.
        differences: the metric of some predictions less that of others (n_settings,), of the same
            sentences, and the paired standard errors (n_settings,); from both predictions
            (n_settings, n_sentences), two sentences or more, and the labels (n_sentences,).
    """

    title: str
    unit: str
    values: OfPredictions
    errors: OfPredictions
    resampled: Resampled
    differences: Callable[[Array, Array, Array], tuple[FloatArray, FloatArray]]


def accuracy(predictions: Array, labels: Array) -> FloatArray:
    """Share of right answers (n_settings,)."""
    right: FloatArray = (predictions == labels).mean(axis=1)
    return right


def accuracy_error(predictions: Array, labels: Array) -> FloatArray:
    """Binomial standard error (n_settings,) of an accuracy a: sqrt(a (1 - a) / (n - 1))."""
    share = accuracy(predictions, labels)
    error: FloatArray = np.sqrt(share * (1 - share) / max(predictions.shape[1] - 1, 1))
    return error


def _accuracy_resampled(predictions: Array, labels: Array) -> FloatArray:
    """Share of right answers in every bootstrap sample."""
    right = (predictions == labels).T.astype(np.float32)
    found = np.empty((RESAMPLES, len(predictions)))
    for block, weights in resamples(len(labels)):
        found[block] = weights.astype(np.float32) @ right  # exact: counts are far below 2**24
    return found / len(labels)


def accuracy_differences(
    predictions: Array, others: Array, labels: Array
) -> tuple[FloatArray, FloatArray]:
    """Differences of accuracies and their paired standard errors, as `TaskMetric.differences`.

    The sentences' differences are 1, 0 and -1; the error is their standard deviation (n - 1 degrees
    of freedom) over the root of their number.
    """
    gained = (predictions == labels).astype(np.int64) - (others == labels)
    error: FloatArray = gained.std(axis=1, ddof=1) / np.sqrt(gained.shape[1])
    return gained.mean(axis=1), error


def f1(predictions: Array, labels: Array) -> FloatArray:
    """Harmonic mean (n_settings,) of precision and recall of class 1; 0 where it has neither."""
    return _f1_of_counts(*_counts(predictions, labels))


def matthews(predictions: Array, labels: Array) -> FloatArray:
    """Matthews' correlation (n_settings,) of classes 0 and 1; 0 where one of the two is constant.

    Matthews, Biochimica et Biophysica Acta 405 (1975).
    """
    return _matthews_of_counts(*_counts(predictions, labels))


def pearson(predictions: Array, labels: Array) -> FloatArray:
    """Pearson's correlation (n_settings,); 0 where one of the two is constant."""
    x = predictions - predictions.mean(axis=1, keepdims=True)
    y = labels - labels.mean()
    varies = (np.ptp(predictions, axis=1) > 0) & (np.ptp(labels) > 0)  # a mean may be rounded
    spread = np.sqrt((x * x).sum(axis=1) * (y * y).sum())
    return _ratio((x * y).sum(axis=1), np.where(varies, spread, 0))


def pearson_error(predictions: Array, labels: Array) -> FloatArray:
    """Standard error (n_settings,) of a correlation r: (1 - r^2) / sqrt(n - 3).

    That of Fisher's z = artanh r, 1 / sqrt(n - 3), times dr/dz (Fisher, Metron 1, 1921).
    """
    r = pearson(predictions, labels)
    error: FloatArray = (1 - r * r) / np.sqrt(max(predictions.shape[1] - 3, 1))
    return error


def _pearson_resampled(predictions: Array, labels: Array) -> FloatArray:
    """Pearson's correlation in every bootstrap sample; 0 where one of the two is constant."""
    n_sentences = len(labels)
    x, y = (predictions - predictions.mean(axis=1, keepdims=True)).T, labels - labels.mean()
    found = np.empty((RESAMPLES, len(predictions)))
    for block, weights in resamples(n_sentences):
        sum_x, sum_y = weights @ x, (weights @ y)[:, None]
        square_x, square_y = weights @ (x * x), (weights @ (y * y))[:, None]
        spread_x = square_x - sum_x**2 / n_sentences
        spread_y = square_y - sum_y**2 / n_sentences
        varies = (spread_x > _ROUNDING * square_x) & (spread_y > _ROUNDING * square_y)
        spread = np.where(varies, spread_x * spread_y, 0)
        common = weights @ (x * y[:, None]) - sum_x * sum_y / n_sentences
        found[block] = _ratio(common, np.sqrt(spread))
    return found


def spearman(predictions: Array, labels: Array) -> FloatArray:
    """Spearman's correlation (n_settings,): Pearson's of the ranks, equal values sharing theirs."""
    from scipy.stats import rankdata

    return pearson(rankdata(predictions, axis=1), rankdata(labels))


def _spearman_resampled(predictions: Array, labels: Array) -> FloatArray:
    """Spearman's correlation in every bootstrap sample."""
    distinct, where = np.unique(predictions, axis=0, return_inverse=True)
    n_sentences = len(labels)
    middle = (n_sentences + 1) / 2
    found = np.empty((RESAMPLES, len(distinct)))
    for block, weights in resamples(n_sentences):
        y = _ranks_within(labels, weights) - middle
        for column, row in enumerate(distinct):
            x = _ranks_within(row, weights) - middle
            spread = (weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1)
            found[block, column] = _ratio((weights * x * y).sum(axis=1), np.sqrt(spread))
    return found[:, where.reshape(-1)]


def _ranks_within(values: Array, weights: FloatArray) -> FloatArray:
    """Ranks (n_resamples, n_sentences) in samples that hold sentence i ``weights[r, i]`` times."""
    order = np.argsort(values, kind="stable")
    _, starts, group = np.unique(values[order], return_index=True, return_inverse=True)
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    by_group = np.cumsum(counts, axis=1) - (counts - 1) / 2
    ranks = np.empty_like(weights)
    ranks[:, order] = by_group[:, group]
    return ranks


def _counts(predictions: Array, labels: Array) -> tuple[Array, Array, Array, int]:
    """Right ones, predicted ones (n_settings,), labelled ones and sentences of class 1."""
    said, true = predictions == 1, labels == 1
    return (said & true).sum(axis=1), said.sum(axis=1), true.sum(), len(labels)


def _f1_of_counts(right: Array, said: Array, true: Array, _n: int) -> FloatArray:
    return _ratio(2.0 * right, said + true)


def _matthews_of_counts(right: Array, said: Array, true: Array, n: int) -> FloatArray:
    said, true = said.astype(np.float64), true.astype(np.float64)
    return _ratio(n * right - said * true, np.sqrt(said * (n - said) * true * (n - true)))


def _resampled_counts(of_counts: OfCounts) -> Resampled:
    """A metric that follows from the counts of class 1, in every bootstrap sample."""

    def resampled(predictions: Array, labels: Array) -> FloatArray:
        n_sentences = len(labels)
        said, true = (predictions == 1).T, labels == 1
        found = np.empty((RESAMPLES, len(predictions)))
        columns = [(said & true[:, None]), said, true[:, None]]
        right, predicted, labelled = (column.astype(np.float32) for column in columns)
        for block, weights in resamples(n_sentences):
            times = weights.astype(np.float32)  # exact: counts are far below 2**24
            found[block] = of_counts(
                times @ right, times @ predicted, times @ labelled, n_sentences
            )
        return found

    return resampled


def _ratio(above: Array, below: Array) -> FloatArray:
    """The quotient, 0 where the denominator is."""
    return np.divide(above, below, out=np.zeros(np.shape(above)), where=below > 0)


def _bootstrapped(
    title: str,
    unit: str,
    values: OfPredictions,
    resampled: Resampled,
    errors: OfPredictions | None = None,
) -> TaskMetric:
    """A metric whose standard errors come from bootstrap samples, unless there is a closed form."""
    differences = bootstrap_differences(values, resampled)
    error = errors or bootstrap_error(resampled)
    return TaskMetric(title, unit, values, error, resampled, differences)


TASK_METRICS: Final = {
    "accuracy": TaskMetric(
        "Accuracy", "%", accuracy, accuracy_error, _accuracy_resampled, accuracy_differences
    ),
    "f1": _bootstrapped("F1", "%", f1, _resampled_counts(_f1_of_counts)),
    "matthews": _bootstrapped(
        "Matthews correlation", "points", matthews, _resampled_counts(_matthews_of_counts)
    ),
    "pearson": _bootstrapped(
        "Pearson correlation", "points", pearson, _pearson_resampled, errors=pearson_error
    ),
    "spearman": _bootstrapped("Spearman correlation", "points", spearman, _spearman_resampled),
}
"""Every metric that a task names."""


def official_score(name: str, predictions: Array, labels: Array) -> float:
    """A metric of one prediction vector by scikit-learn or SciPy, as GLUE defines it.

    Args:
        name: of the metric.
        predictions: (n_sentences,) class indices or numbers.
        labels: (n_sentences,).
    """
    varies = min(np.ptp(predictions), np.ptp(labels)) > 0
    if name in ("matthews", "pearson", "spearman") and not varies:
        return 0.0  # SciPy has no number for it, scikit-learn a warning
    if name in ("pearson", "spearman"):
        from scipy.stats import pearsonr, spearmanr

        correlation = pearsonr if name == "pearson" else spearmanr
        return float(correlation(predictions, labels).statistic)
    from sklearn import metrics

    if name == "f1":
        return float(metrics.f1_score(labels, predictions, zero_division=0))
    if name == "matthews":
        return float(metrics.matthews_corrcoef(labels, predictions))
    return float(metrics.accuracy_score(labels, predictions))
