"""The metrics of GLUE: by hand, against scikit-learn and SciPy, and their standard errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from evaluators import task_metrics
from evaluators.bootstrap import RESAMPLES, resamples
from evaluators.task_metrics import TASK_METRICS, official_score

# Eight sentences: 3 of class 1 found, 1 missed, 2 said wrongly, 2 rightly left.
LABELS = np.array([1, 1, 1, 1, 0, 0, 0, 0])
SAID = np.array([1, 1, 1, 0, 1, 1, 0, 0])
CLASSES = ("accuracy", "f1", "matthews")


def values(name: str, predictions: object, labels: object) -> list[float]:
    """A metric of rows of predictions."""
    return [*map(float, TASK_METRICS[name].values(np.asarray(predictions), np.asarray(labels)))]


def made_up(name: str, n_sentences: int, n_settings: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Predictions that are more or less like the labels: classes, or numbers with ties."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, n_sentences)
    flips = rng.random((n_settings, n_sentences)) < np.linspace(0.1, 0.4, n_settings)[:, None]
    classes = np.where(flips, 1 - labels, labels)
    if name in CLASSES:
        return classes, labels
    real = np.round(rng.normal(labels, 0.7), 1)
    return np.round(real + rng.normal(0, 0.5, (n_settings, n_sentences)), 1), real


def test_classes_by_hand() -> None:
    """5 of 8 right; F1 2*3/(5+4); Matthews (3*2 - 2*1) / sqrt(5*3*4*4)."""
    assert values("accuracy", [SAID], LABELS) == [5 / 8]
    assert values("f1", [SAID], LABELS) == pytest.approx([6 / 9])
    assert values("matthews", [SAID], LABELS) == pytest.approx([4 / np.sqrt(240)])


def test_correlations_by_hand() -> None:
    """A line has 1, its mirror image -1; (1,2,3) against (1,3,2) has 1/2 by ranks."""
    labels = [1.0, 2.0, 4.0]
    assert values("pearson", [[2, 4, 8], [-1, -2, -4]], labels) == pytest.approx([1, -1])
    assert values("spearman", [[1, 5, 3], [1, 2, 30]], labels) == pytest.approx([0.5, 1])


def test_constant_answers_have_no_correlation() -> None:
    """Where nothing varies, F1 of no class 1, Matthews and the correlations are 0."""
    assert values("pearson", [[0.1] * 7], np.arange(7)) == [0.0]  # whose mean is not 0.1
    zeros = np.zeros((1, 8), dtype=int)
    for name in ("f1", "matthews", "pearson", "spearman"):
        assert values(name, zeros, LABELS) == [0.0]
        assert official_score(name, zeros[0], LABELS) == 0.0
        assert np.isfinite(TASK_METRICS[name].errors(zeros, LABELS)).all()


@pytest.mark.parametrize("name", TASK_METRICS)
def test_values_are_the_official_ones(name: str) -> None:
    """Every value equals scikit-learn's or SciPy's, ties among the numbers included."""
    predictions, labels = made_up(name, 200, 8)
    expected = [official_score(name, row, labels) for row in predictions]
    assert values(name, predictions, labels) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", CLASSES)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=12))
def test_classes_are_the_official_ones(name: str, rows: list[tuple[int, int]]) -> None:
    """So they are for any answers, those of one class alone included."""
    said, labels = np.array(rows).T
    assert values(name, [said], labels) == pytest.approx([official_score(name, said, labels)])


@pytest.mark.parametrize("name", TASK_METRICS)
@given(st.integers(0, 2**31))
def test_perfect_answers_and_order(name: str, seed: int) -> None:
    """Perfect answers have 1; the order of the sentences does not count."""
    rng = np.random.default_rng(seed)
    labels = np.array([0, 1, *rng.integers(0, 2, 8)])
    said = rng.integers(0, 2, (2, 10))
    order = rng.permutation(10)
    assert values(name, [labels], labels) == pytest.approx([1])
    assert values(name, said[:, order], labels[order]) == pytest.approx(values(name, said, labels))


def test_closed_errors_by_hand() -> None:
    """Accuracy: sqrt(5/8 * 3/8 / 7). Pearson: (1 - r^2) / sqrt(n - 3)."""
    (error,) = TASK_METRICS["accuracy"].errors(SAID[None], LABELS)
    assert error == pytest.approx(np.sqrt(15 / 64 / 7))
    r = 4 / np.sqrt(240)  # of two-valued numbers Pearson's is Matthews'
    (error,) = TASK_METRICS["pearson"].errors(SAID[None], LABELS)
    assert error == pytest.approx((1 - r * r) / np.sqrt(5))


@pytest.mark.parametrize("name", ["f1", "matthews", "spearman"])
def test_bootstrap_errors_are_those_of_scipy(name: str) -> None:
    """Another bootstrap of the official scores has the same standard error within a tenth."""
    predictions, labels = made_up(name, 120, 1)
    (error,) = TASK_METRICS[name].errors(predictions, labels)
    found = bootstrap(
        (predictions[0], labels),
        lambda x, y: values(name, x[None], y)[0],
        paired=True,
        vectorized=False,
        n_resamples=600,
        confidence_level=0.9,
        method="basic",
        rng=np.random.default_rng(1),
    )
    assert error == pytest.approx(found.standard_error, rel=0.1)


def test_bootstrap_is_that_of_the_resampled_sentences() -> None:
    """Ranks by weights equal the ranks of sentences that are really drawn several times."""
    predictions, labels = made_up("spearman", 30, 1)
    blocks = [weights for _, weights in resamples(30)]
    weights = np.concatenate(blocks).astype(np.int64)
    drawn = [np.repeat(np.arange(30), row) for row in weights]
    slow = [official_score("spearman", predictions[0][d], labels[d]) for d in drawn[:200]]
    assert weights.sum(axis=1).tolist() == [30] * RESAMPLES
    x = np.concatenate([task_metrics._ranks_within(predictions[0], w) for w in blocks])
    y = np.concatenate([task_metrics._ranks_within(labels, w) for w in blocks])
    for r in range(200):
        fast = np.corrcoef(x[r][drawn[r]], y[r][drawn[r]])[0, 1]
        assert fast == pytest.approx(slow[r])


@pytest.mark.parametrize("name", TASK_METRICS)
def test_errors_do_not_depend_on_the_other_settings(name: str) -> None:
    """A setting has the same error alone, in another order, and when it is asked for again."""
    predictions, labels = made_up(name, 60, 4)
    errors = TASK_METRICS[name].errors(predictions, labels)
    backwards = TASK_METRICS[name].errors(predictions[::-1], labels)[::-1]
    alone = np.concatenate([TASK_METRICS[name].errors(row[None], labels) for row in predictions])
    assert (errors > 0).all()
    assert errors.tolist() == pytest.approx(backwards.tolist(), rel=1e-12)
    assert errors.tolist() == pytest.approx(alone.tolist(), rel=1e-12)


def test_bootstrap_error_of_an_accuracy_is_the_closed_one() -> None:
    """F1 where every label is 1 follows from the accuracy a: its error is that of 2a / (1 + a)."""
    labels = np.ones(400, dtype=int)
    said = (np.arange(400) % 4 > 0).astype(int)
    (error,) = TASK_METRICS["f1"].errors(said[None], labels)
    (binomial,) = TASK_METRICS["accuracy"].errors(said[None], labels)
    assert error == pytest.approx(binomial * 2 / 1.75**2, rel=0.1)


def test_differences_by_hand() -> None:
    """6 and 5 of 8 right differ by 1/8; sentences' differences 1, 1, -1 and five zeros."""
    others = np.array([1, 1, 1, 1, 1, 0, 0, 1])
    assert values("accuracy", [others], LABELS) == [6 / 8]
    said = np.array([1, 1, 1, 0, 1, 1, 0, 0])
    differs, error = TASK_METRICS["accuracy"].differences(others[None], said[None], LABELS)
    assert differs.tolist() == [1 / 8]
    assert error.tolist() == [pytest.approx(np.std([1, 1, -1, *[0] * 5], ddof=1) / np.sqrt(8))]


@pytest.mark.parametrize("name", TASK_METRICS)
def test_errors_of_differences_are_paired(name: str) -> None:
    """They are those of bootstrap samples of the sentences, and 0 between equal answers."""
    predictions, labels = made_up(name, 150, n_settings=2)
    metric = TASK_METRICS[name]
    differs, error = metric.differences(predictions[:1], predictions[1:], labels)
    assert differs == pytest.approx(
        metric.values(predictions, labels)[0] - metric.values(predictions, labels)[1]
    )
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(1_000):
        rows = rng.integers(0, 150, 150)
        first, second = metric.values(predictions[:, rows], labels[rows])
        drawn.append(first - second)
    assert error[0] == pytest.approx(np.std(drawn), rel=0.1)
    same = metric.differences(predictions[:1], predictions[:1], labels)
    assert (float(same[0][0]), float(same[1][0])) == (0.0, 0.0)


def test_differences_of_constant_numbers() -> None:
    """Constant numbers have correlation 0 in every bootstrap sample, whatever their rounding."""
    _, labels = made_up("pearson", 40)
    for name in ("pearson", "spearman"):
        found = TASK_METRICS[name].differences(np.full((1, 40), 0.1), np.zeros((1, 40)), labels)
        assert (float(found[0][0]), float(found[1][0])) == (0.0, 0.0)
