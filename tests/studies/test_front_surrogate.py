"""Attainments are hypervolumes place by place, and the model expects gains where they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space import Dimension
from studies.front_surrogate import Surrogate, attainment, encoded
from studies.fronts import hypervolume
from studies.spec_tables import Objective

TWO = [
    Objective(metric="accuracy", ideal=1.0, reference=0.0),
    Objective(metric="energy_pj", ideal=0.0, reference=1.0),
]
THREE = [*TWO, Objective(metric="area_mm2", ideal=0.0, reference=1.0)]
POINTS = st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.2), st.floats(0.0, 1.2))
NUMBERS = Dimension("encoder_sparsity", (0.0, 0.25, 0.5, 0.75))
TEXT = Dimension("checkpoint", ("a", "b", "c"))


class TestAttainment:
    """A front at a grid of places."""

    def test_one_point_by_hand(self) -> None:
        """Accuracy 0.5 and energy 0.25: 0.25 at the 32 places of 64 below that accuracy, else 1."""
        found = attainment(np.array([[0.5, 0.25]]), TWO)
        assert found.tolist() == [1.0] * 32 + [0.25] * 32

    def test_no_point(self) -> None:
        """Nothing attains nothing."""
        assert attainment(np.zeros((0, 3)), THREE).tolist() == [1.0] * 100

    @given(st.lists(POINTS, min_size=1, max_size=12))
    def test_mean_is_the_hypervolume(self, rows: list[tuple[float, float, float]]) -> None:
        """One less the mean is the hypervolume, but for half a place along each of two axes."""
        values = np.array(rows)
        share = 1 - attainment(values, THREE).mean()
        assert share == pytest.approx(hypervolume(values, THREE), abs=2 * 0.5 / 10 + 1e-9)

    @given(st.lists(POINTS, min_size=2, max_size=12))
    def test_two_fronts_together(self, rows: list[tuple[float, float, float]]) -> None:
        """The attainment of all points is the lower of those of two parts, at each place."""
        values = np.array(rows)
        parts = [attainment(values[:1], THREE), attainment(values[1:], THREE)]
        np.testing.assert_array_equal(attainment(values, THREE), np.minimum(*parts))


class TestSurrogate:
    """What is expected of settings not measured."""

    codes = encoded(
        [{"encoder_sparsity": s, "checkpoint": c} for s in NUMBERS.values for c in TEXT.values],
        [NUMBERS, TEXT],
    )
    model = Surrogate(dimensions=[NUMBERS, TEXT])

    def test_positions(self) -> None:
        """Values become their positions in the list."""
        assert self.codes[:4].tolist() == [[0, 0], [0, 1], [0, 2], [1, 0]]

    def test_nothing_varies(self) -> None:
        """Where all settings attained the same, no candidate stands out."""
        known = self.codes[:3]
        gains = self.model.gains(known, np.ones((3, 5)), self.codes[3:], np.ones(5))
        assert (gains == gains[0]).all()

    def test_gains_are_expected_improvements(self) -> None:
        """They are means over draws of the model of what lies below the front (Monte Carlo)."""
        rng = np.random.default_rng(0)
        known, candidates = self.codes[::2], self.codes[1::2]
        attained = rng.uniform(size=(len(known), 4))
        front = attained.min(axis=0)
        gains = self.model.gains(known, attained, candidates, front)
        centre, spread = attained.mean(axis=0), attained.std(axis=0)
        scaled = (attained - centre) / spread
        weights, noise = self.model._likeliest(known, scaled)
        kernel = self.model._kernel
        inverse = np.linalg.inv(kernel(known, known, weights) + noise * np.eye(len(known)))
        across = kernel(candidates, known, weights)
        mean = across @ inverse @ scaled * spread + centre
        sigma = np.sqrt(1 + noise - np.einsum("ij,jk,ik->i", across, inverse, across))
        draws = mean + sigma[:, None] * spread * rng.normal(size=(200_000, *mean.shape))
        expected = np.maximum(front - draws, 0).mean(axis=(0, 2))
        np.testing.assert_allclose(gains, expected, rtol=0.03, atol=1e-4)

    def test_learns_a_monotone_effect(self) -> None:
        """Where more sparsity always attained more, sparser settings are expected to gain more."""
        known = self.codes[[0, 3, 6, 1, 4]]
        attained = 1 - 0.2 * known[:, :1] * np.ones((1, 3))
        gains = self.model.gains(known, attained, self.codes[[2, 5, 8, 11]], attained.min(axis=0))
        assert gains[2:].min() > gains[:2].max()
