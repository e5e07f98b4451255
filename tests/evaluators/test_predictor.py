"""The exit predictor: shape, determinism, and that it learns what is there to learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evaluators.exits import latency_aware_exits
from evaluators.predictor import predicted_entropy_table
from evaluators.traces import ENTROPY_STEP, LUT_ROWS


def falling_entropies(
    n_sentences: int, factors: list[float]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Entropies (n_sentences, 1 + len(factors)): each exit a fixed share of the first."""
    first = np.random.default_rng(0).uniform(0, 0.69, n_sentences)
    return np.stack([first, *(first * factor for factor in factors)], axis=1)


def test_table_predicts_what_the_sentences_show() -> None:
    """Fitted to exits at 60 % and 30 % of the first entropy, the table says so at every row."""
    table = predicted_entropy_table(falling_entropies(256, [0.6, 0.3, 0.1]))
    assert table.shape == (LUT_ROWS, 2)
    assert table.dtype == np.float16
    first = np.arange(LUT_ROWS) * ENTROPY_STEP
    seen = first < 0.69
    assert table[seen, 0] == pytest.approx(0.6 * first[seen], abs=0.02)
    assert table[seen, 1] == pytest.approx(0.3 * first[seen], abs=0.02)


def test_predictions_are_never_negative() -> None:
    """Where the fit would go below 0 the prediction is 0."""
    table = predicted_entropy_table(falling_entropies(64, [-0.5, 0.2, 0.1]))
    assert (table >= 0).all()
    assert (table[20:, 0] == 0).all()


def test_table_is_the_same_every_time() -> None:
    """The same sentences give the same table, and the caller's random numbers go on as before."""
    entropy = falling_entropies(40, [0.5, 0.4, 0.2, 0.1])
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = predicted_entropy_table(entropy)
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(99)
    assert np.array_equal(predicted_entropy_table(entropy), first)


def test_two_exits_leave_nothing_to_predict() -> None:
    """Between exit 1 and a last exit 2 there is none: the prediction is 1 or 2."""
    entropy = falling_entropies(10, [0.5])
    table = predicted_entropy_table(entropy)
    assert table.shape == (LUT_ROWS, 0)
    predicted, actual = latency_aware_exits(entropy, table, np.array([0.3]))
    assert np.array_equal(predicted[0], np.where(entropy[:, 0] < 0.3, 1, 2))
    assert np.array_equal(actual, predicted)
