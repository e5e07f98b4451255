"""Fronts that are moved to where the model expects them, and the hypervolume that they add."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space import Dimension
from studies.front_surrogate import Surrogate, encoded, likeness, normal_draws, thinned
from studies.fronts import FloatArray, hypervolume
from studies.objectives import Objective

NUMBERS = Dimension("encoder_sparsity", (0.0, 0.25, 0.5, 0.75))
TEXT = Dimension("checkpoint", ("a", "b", "c"))
FORMATS = Dimension("weight_format", ("adaptivfloat<8,3>", "adaptivfloat<4,3>", "int6"))
AXES = [
    Objective(metric="accuracy", ideal=1.0, reference=0.0),
    Objective(metric="energy_pj", ideal=0.0, reference=1.0),
]
CODES = encoded(
    [{"encoder_sparsity": s, "checkpoint": c} for s in NUMBERS.values for c in TEXT.values],
    [NUMBERS, TEXT],
)
MODEL = Surrogate(dimensions=[NUMBERS, TEXT])
CORNER = np.array([[0.5, 0.5]])


def front_at(*ideal: float) -> FloatArray:
    """Two designs whose best values are these, each 0.1 worse on the other axis."""
    first, second = ideal
    return np.array([[first, second + 0.1], [first + 0.1, second]])


def test_positions() -> None:
    """Values become their positions in the list."""
    assert CODES[:4].tolist() == [[0, 0], [0, 1], [0, 2], [1, 0]]


class TestLikeness:
    """How much values of a knob are alike."""

    def test_numbers_by_place(self) -> None:
        """The first and last of four are 1 apart, neighbours a third of that."""
        assert likeness(NUMBERS)[0] == pytest.approx(np.exp([0, -1 / 3, -2 / 3, -1]))

    def test_text_is_alike_or_not(self) -> None:
        """Names have no order."""
        np.testing.assert_array_equal(likeness(TEXT), np.eye(3))

    def test_formats_by_bits(self) -> None:
        """8 and 4 bits are 1 apart, and 6 bits lie half-way."""
        assert likeness(FORMATS)[2] == pytest.approx(np.exp([-0.5, -0.5, 0.0]))


class TestDraws:
    """Normal variables that fill space evenly."""

    @pytest.mark.parametrize("n_objectives", [2, 3, 4, 5])
    def test_moments(self, n_objectives: int) -> None:
        """Eight draws whose mean is 0, of about unit variance, no two axes the same."""
        draws = normal_draws(n_objectives)
        assert draws.shape == (8, n_objectives)
        np.testing.assert_allclose(draws.sum(axis=0), 0.0, atol=1e-12)
        assert (draws.std(axis=0) > 0.5).all()
        assert (draws.std(axis=0) < 1.5).all()
        for one, other in itertools.combinations(draws.T, 2):
            assert abs(np.corrcoef(one, other)[0, 1]) < 0.9


class TestThinned:
    """Fronts of many points."""

    def test_few_are_kept(self) -> None:
        """A front within the limit is as it was."""
        points = np.ones((30, 5))
        assert thinned(points) is points

    def test_many_become_few(self) -> None:
        """Of a thousand points 400 are kept, the best and worst first value among them."""
        rng = np.random.default_rng(0)
        points = rng.uniform(size=(1000, 3))
        kept = thinned(points)
        assert kept.shape == (400, 3)
        assert {points[:, 0].min(), points[:, 0].max()} <= set(kept[:, 0])


class TestGains:
    """Hypervolume that settings are expected to add."""

    def test_equal_fronts_add_nothing(self) -> None:
        """Where all settings had the same front, there is nothing to gain."""
        gains = MODEL.gains(CODES[:3], [front_at(0.5, 0.5)] * 3, CODES[3:])
        np.testing.assert_allclose(gains, 0.0, atol=1e-4)

    def test_none_has_a_front(self) -> None:
        """Settings that no design is feasible of say nothing, and no front is expected."""
        gains = MODEL.gains(CODES[:3], [np.zeros((0, 2))] * 3, CODES[3:])
        assert gains.tolist() == [0.0] * len(CODES[3:])

    def test_a_copy_of_the_knobs_is_the_front_moved_nowhere(self) -> None:
        """A candidate with the knobs of a measured setting adds next to nothing."""
        fronts = [front_at(0.5, 0.5), front_at(0.3, 0.6), front_at(0.7, 0.2)]
        known = CODES[[0, 4, 8]]
        copies, others = (MODEL.gains(known, fronts, c) for c in (known, CODES[[1, 5, 9]]))
        assert copies.max() < others.min() / 8

    def test_gain_by_hand(self) -> None:
        """One point at (0.5, 0.5) moved by the draws: the mean of what each rectangle adds."""
        known = CODES[[0, 1, 2]]
        fronts = [CORNER, CORNER + 0.1, CORNER + 0.2]
        ideals = np.concatenate(fronts)
        mean, deviation, alike = MODEL._ideals(known, ideals, CODES[3:4])
        base = alike[0].argmax()
        added = []
        for draw in normal_draws(2):
            point = fronts[base][0] + mean[0] + draw * deviation[0] - ideals[base]
            union = np.stack([CORNER[0], point])
            values = np.stack([1 - union[:, 0], union[:, 1]], axis=1)
            added.append(hypervolume(values, AXES) - 0.25)
        gain = MODEL.gains(known, fronts, CODES[3:4])
        assert gain[0] == pytest.approx(np.mean(added), rel=1e-9)

    def test_learns_a_monotone_effect(self) -> None:
        """Where more sparsity always lowered costs, sparser settings are expected to gain more."""
        known = CODES[[0, 3, 6, 1, 4]]
        fronts = [front_at(0.5, 0.6 - 0.15 * code[0]) for code in known]
        gains = MODEL.gains(known, fronts, CODES[[2, 5, 8, 11]])
        assert gains[2:].min() > gains[:2].max()

    @given(st.permutations(range(5)))
    def test_order_of_trials_does_not_matter(self, order: list[int]) -> None:
        """Settings told in another order give the same gains."""
        rng = np.random.default_rng(1)
        rows = CODES[[0, 4, 8, 9, 2]]
        fronts = [front_at(*rng.uniform(0.2, 0.7, 2)) for _ in rows]
        gains = MODEL.gains(rows, fronts, CODES[[1, 3]])
        shuffled = MODEL.gains(rows[order], [fronts[i] for i in order], CODES[[1, 3]])
        np.testing.assert_allclose(shuffled, gains, rtol=1e-6, atol=1e-9)


def test_ideal_points_are_interpolated() -> None:
    """At measured settings the model has what was measured, and little doubt."""
    known = CODES[[0, 3, 6, 9, 1]]
    ideals = np.array([[0.1], [0.2], [0.3], [0.4], [0.5]])
    mean, deviation, _ = MODEL._ideals(known, ideals, known)
    np.testing.assert_allclose(mean, ideals, atol=0.01)
    assert deviation.max() < 0.02
