"""Exit policies: the published figures of EdgeBERT, a slow oracle, hand-made histograms."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluators.exits import (
    accuracy_with_error,
    conventional_exits,
    exit_histogram,
    exit_layers,
    latency_aware_exits,
    predicted_exits,
)
from evaluators.testing import made_up_trace
from evaluators.traces import ENTROPY_STEP, LUT_ROWS, ExitTrace, Split, entropies
from search_space import ExitKnobs, ExitPolicy

FloatArray = NDArray[np.float64]

NONE = ExitKnobs(exit_policy=ExitPolicy.NONE, entropy_threshold=0.3)


def knobs(policy: ExitPolicy, *thresholds: float) -> list[ExitKnobs]:
    """Settings of one policy."""
    return [ExitKnobs(exit_policy=policy, entropy_threshold=t) for t in thresholds]


def slow_exits(
    entropy: FloatArray, table: NDArray[np.floating], threshold: float
) -> tuple[list[int], list[int], list[int]]:
    """Conventional, predicted and latency-aware exit layer of each sentence, one by one."""
    conventional, predicted, aware = [], [], []
    last = entropy.shape[1]
    for row in entropy:
        layer = 1
        while layer < last and not row[layer - 1] < threshold:
            layer += 1
        conventional.append(layer)
        if row[0] < threshold:
            guess = 1
        else:
            index = min(round(float(row[0]) / 0.01), len(table) - 1)
            guess = 2
            while guess < last and not float(table[index][guess - 2]) < threshold:
                guess += 1
        predicted.append(guess)
        now = 1
        while now < guess and not row[now - 1] < threshold:
            now += 1
        aware.append(now)
    return conventional, predicted, aware


@pytest.fixture(scope="session")
def authors_entropy(reference_dir: Path) -> FloatArray:
    """Entropies (872, 12) of the EdgeBERT authors' SST-2 dev sentences."""
    return np.loadtxt(reference_dir / "edgebert" / "sst2_dev_entropy.csv", delimiter=",")


@pytest.fixture(scope="session")
def authors_table(reference_dir: Path) -> FloatArray:
    """Their predicted entropies (100, 10) of exits 2 … 11, the column of exit 1 left out."""
    path = reference_dir / "edgebert" / "sst2_exit_lut.csv"
    table: FloatArray = np.loadtxt(path, delimiter=",")
    assert np.allclose(table[:, 0], np.arange(LUT_ROWS) * ENTROPY_STEP)
    return table[:, 1:]


def test_conventional_exits_of_edgebert(authors_entropy: FloatArray) -> None:
    """The authors' entropies leave at layers 4.297, 3.942 and 2.698 on average, as published."""
    assert authors_entropy.shape == (872, 12)
    exits = conventional_exits(authors_entropy, np.array([0.23, 0.28, 0.46]))
    assert exits.mean(axis=1) == pytest.approx([4.297, 3.942, 2.698], abs=0.001)


def test_latency_aware_exits_of_edgebert(
    authors_entropy: FloatArray, authors_table: FloatArray
) -> None:
    """Their table predicts layers 4.912 and 3.651, and sentences leave at 3.897 and 3.052."""
    predicted, actual = latency_aware_exits(authors_entropy, authors_table, np.array([0.16, 0.28]))
    assert predicted.mean(axis=1) == pytest.approx([4.912, 3.651], abs=0.005)
    assert actual.mean(axis=1) == pytest.approx([3.897, 3.052], abs=0.005)


def test_exits_by_hand() -> None:
    """A sentence leaves at the first entropy below the threshold; being equal is not below."""
    entropy = np.array([[0.5, 0.2, 0.4, 0.6], [0.1, 0.6, 0.6, 0.6], [0.6, 0.6, 0.6, 0.0]])
    exits = conventional_exits(entropy, np.array([0.5, 0.1, 0.3]))
    assert exits.tolist() == [[2, 1, 4], [4, 4, 4], [2, 1, 4]]


def test_predicted_layer_by_hand() -> None:
    """The row nearest to the first entropy says where, and entropies beyond the table use its end.

    Rows 0 and 1 predict 0.2 and 0.05 nats after layer 2, and 0.4 and 0.01 after layer 3.
    """
    table = np.array([[0.2, 0.05], [0.4, 0.01]])
    first = np.array([0.004, 0.006, 0.65])
    predicted = predicted_exits(first, table, np.array([0.0, 0.005, 0.03, 0.3]))
    assert predicted.tolist() == [[4, 4, 4], [1, 4, 4], [1, 1, 3], [1, 1, 3]]
    by_last_row = predicted_exits(np.array([0.65]), table, np.array([0.5, 0.05, 0.005]))
    assert by_last_row.tolist() == [[2], [3], [4]]


def test_prediction_forces_a_sentence_out() -> None:
    """Predicted to leave at layer 2, a sentence leaves there however unsure it still is."""
    table = np.full((LUT_ROWS, 2), 0.1)
    entropy = np.array([[0.6, 0.6, 0.6, 0.6], [0.1, 0.6, 0.6, 0.6]])
    predicted, actual = latency_aware_exits(entropy, table, np.array([0.3]))
    assert predicted.tolist() == [[2, 1]]
    assert actual.tolist() == [[2, 1]]


@st.composite
def examples(draw: st.DrawFn) -> tuple[FloatArray, NDArray[np.float16], list[float]]:
    """Entropies on a coarse grid (so that ties with thresholds happen), a table, thresholds."""
    n_exits, n_sentences = draw(st.integers(3, 7)), draw(st.integers(1, 8))
    grid = st.integers(0, 14).map(lambda k: k * 0.05)
    flat = draw(
        st.lists(
            grid | st.floats(0, 0.6931),
            min_size=n_exits * n_sentences,
            max_size=n_exits * n_sentences,
        )
    )
    seed = draw(st.integers(0, 2**32 - 1))
    table = np.random.default_rng(seed).uniform(0, 0.7, (LUT_ROWS, n_exits - 2))
    thresholds = draw(st.lists(grid, min_size=1, max_size=5))
    return np.array(flat).reshape(n_sentences, n_exits), table.astype(np.float16), thresholds


@given(examples())
def test_policies_equal_one_sentence_at_a_time(
    example: tuple[FloatArray, NDArray[np.float16], list[float]],
) -> None:
    """Vectorised over sentences and thresholds, the policies say what a plain loop says."""
    entropy, table, thresholds = example
    conventional = conventional_exits(entropy, np.array(thresholds))
    predicted, aware = latency_aware_exits(entropy, table, np.array(thresholds))
    for index, threshold in enumerate(thresholds):
        found = conventional[index].tolist(), predicted[index].tolist(), aware[index].tolist()
        assert found == slow_exits(entropy, table, threshold)


@given(examples())
def test_higher_thresholds_never_exit_later(
    example: tuple[FloatArray, NDArray[np.float16], list[float]],
) -> None:
    """Raising the threshold never raises an exit layer, and no sentence outstays its prediction."""
    entropy, table, thresholds = example
    rising = np.array(sorted(thresholds))
    conventional = conventional_exits(entropy, rising)
    predicted, actual = latency_aware_exits(entropy, table, rising)
    for layers in (conventional, predicted, actual):
        assert (np.diff(layers, axis=0) <= 0).all()
    assert (actual <= predicted).all()
    assert (actual <= conventional).all()


def test_threshold_zero_runs_to_the_last_layer() -> None:
    """No entropy is below 0, so neither policy lets a sentence go early."""
    settings = [*knobs(ExitPolicy.ENTROPY, 0.0), *knobs(ExitPolicy.LATENCY_AWARE, 0.0)]
    predicted, actual = exit_layers(made_up_trace(0), settings)
    assert (predicted == 6).all()
    assert (actual == 6).all()


def test_threshold_above_ln_2_exits_at_layer_1() -> None:
    """Every entropy of two classes is below 0.7, so every sentence leaves at once."""
    settings = [*knobs(ExitPolicy.ENTROPY, 0.7), *knobs(ExitPolicy.LATENCY_AWARE, 0.7)]
    predicted, actual = exit_layers(made_up_trace(0), settings)
    assert (actual == 1).all()
    assert (predicted[0] == 6).all()  # the entropy policy predicts nothing, so the last layer
    assert (predicted[1] == 1).all()


def test_policy_none_uses_every_layer() -> None:
    """Policy ``none`` runs to the last layer whatever its threshold."""
    predicted, actual = exit_layers(made_up_trace(0), [NONE])
    assert (predicted == 6).all()
    assert (actual == 6).all()


def test_order_of_settings_and_sentences_does_not_matter() -> None:
    """Permuted settings and sentences give permuted exit layers."""
    trace = made_up_trace(4)
    settings = [
        *knobs(ExitPolicy.ENTROPY, 0.1, 0.4),
        NONE,
        *knobs(ExitPolicy.LATENCY_AWARE, 0.2, 0.5),
    ]
    order = np.random.default_rng(0).permutation(len(trace.tokens))
    permuted = dataclasses.replace(
        trace,
        **{name: getattr(trace, name)[order] for name in ("logits", "tokens", "labels", "splits")},
    )
    predicted, actual = exit_layers(trace, settings)
    for found, expected in zip(
        exit_layers(permuted, settings[::-1]), (predicted, actual), strict=True
    ):
        assert np.array_equal(found[::-1], expected[:, order])


def test_accuracy_and_its_error_by_hand() -> None:
    """Three right answers of four are 0.75 with a standard error of sqrt(0.75 * 0.25 / 3)."""
    logits = np.zeros((4, 3, 2), dtype=np.float16)
    logits[:, 0, 1] = 1  # exit 1 says class 1
    logits[:, 2, 0] = 1  # exit 3 says class 0
    trace = dataclasses.replace(
        made_up_trace(0, 4, 0, n_exits=3), logits=logits, labels=np.array([1, 1, 1, 0])
    )
    accuracy, error = accuracy_with_error(trace, np.array([[1, 1, 1, 1], [3, 3, 3, 3]]))
    assert accuracy.tolist() == [0.75, 0.25]
    assert error == pytest.approx([np.sqrt(0.75 * 0.25 / 3)] * 2)


def counted(
    trace: ExitTrace, setting: ExitKnobs, split: Split
) -> tuple[dict[tuple[int, int, int], float], float]:
    """Shares of the groups and accuracy, counted sentence by sentence."""
    part = trace.of(split)
    entropy = entropies(part.logits)
    conventional, predicted, aware = slow_exits(
        entropy, part.predicted_entropies, setting.entropy_threshold
    )
    last = [trace.n_exits] * len(entropy)
    predicted, actual = {
        ExitPolicy.NONE: (last, last),
        ExitPolicy.ENTROPY: (last, conventional),
        ExitPolicy.LATENCY_AWARE: (predicted, aware),
    }[setting.exit_policy]
    shares: dict[tuple[int, int, int], float] = {}
    right = 0
    for i, group in enumerate(zip(part.tokens.tolist(), predicted, actual, strict=True)):
        shares[group] = shares.get(group, 0) + 1 / len(entropy)
        right += int(part.logits[i, group[2] - 1].argmax() == part.labels[i])
    return shares, right / len(entropy)


@pytest.mark.parametrize("split", [Split.SELECT, Split.REPORT])
def test_histogram_equals_a_direct_count(split: Split) -> None:
    """Groups, their shares and the accuracy equal a count of sentences, for every policy."""
    trace = made_up_trace(7)
    settings = [
        NONE,
        *knobs(ExitPolicy.ENTROPY, 0.05, 0.3, 0.6),
        *knobs(ExitPolicy.LATENCY_AWARE, 0.05, 0.3, 0.6),
    ]
    histogram = exit_histogram(trace, settings, split)
    groups = list(
        zip(
            histogram.tokens.tolist(),
            histogram.predicted_layer.tolist(),
            histogram.actual_layer.tolist(),
            strict=True,
        )
    )
    assert len(set(groups)) == len(groups)
    assert histogram.shares.sum(axis=1) == pytest.approx(1)
    assert histogram.n_sentences == {Split.SELECT: 60, Split.REPORT: 40}[split]
    for index, setting in enumerate(settings):
        shares, accuracy = counted(trace, setting, split)
        found = {
            g: share for g, share in zip(groups, histogram.shares[index], strict=True) if share
        }
        assert found == pytest.approx(shares)
        assert histogram.accuracy[index] == pytest.approx(accuracy)
        mean = sum(group[2] * share for group, share in shares.items())
        assert histogram.mean_exit_layer()[index] == pytest.approx(mean)


def test_histogram_of_padded_sentences() -> None:
    """Padding makes every group one of that token count and leaves exits and accuracy alone."""
    trace, settings = made_up_trace(7), knobs(ExitPolicy.ENTROPY, 0.2, 0.4)
    actual, padded = (exit_histogram(trace, settings, padded_tokens=n) for n in (None, 64))
    assert set(padded.tokens.tolist()) == {64}
    assert padded.shares.sum(axis=1) == pytest.approx(1)
    assert padded.mean_exit_layer() == pytest.approx(actual.mean_exit_layer())
    assert padded.accuracy.tolist() == actual.accuracy.tolist()


def test_sentence_longer_than_its_padding() -> None:
    """A padding shorter than a sentence is refused with both lengths."""
    trace = made_up_trace(0)
    longest = int(trace.of(Split.SELECT).tokens.max())
    with pytest.raises(ValueError, match=f"has {longest} tokens.*at most padded_tokens 16"):
        exit_histogram(trace, [NONE], padded_tokens=16)


def test_histogram_of_an_empty_split() -> None:
    """A trace without sentences of the split is refused by the name of the split."""
    with pytest.raises(ValueError, match="no sentence of the report split"):
        exit_histogram(made_up_trace(0, n_report=0), [NONE], Split.REPORT)
