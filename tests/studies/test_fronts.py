"""Fronts and hypervolume against hand-computed boxes, moocore and brute force."""

from __future__ import annotations

import moocore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.fronts import FloatArray, hypervolume, non_dominated, normalised, rounded
from studies.objectives import Objective

ACCURACY = Objective(metric="accuracy", ideal=1.0, reference=0.5)
AREA = Objective(metric="area_mm2", ideal=0.0, reference=10.0)
ENERGY = Objective(metric="energy_pj", axis="log10", ideal=1e3, reference=1e7)


def points(*rows: tuple[float, ...]) -> FloatArray:
    """Points as an array (n_points, n_objectives)."""
    return np.array(rows, dtype=np.float64)


class TestNormalised:
    """Objective values on the hypervolume axes."""

    def test_ends(self) -> None:
        """The ideal is 0 and the reference 1 on every axis, whichever way is better."""
        objectives = [ACCURACY, AREA, ENERGY]
        ends = points((1.0, 0.0, 1e3), (0.5, 10.0, 1e7))
        np.testing.assert_allclose(normalised(ends, objectives), points((0, 0, 0), (1, 1, 1)))

    def test_middle(self) -> None:
        """A linear axis halves differences, a logarithmic one halves ratios."""
        middle = normalised(points((0.75, 5.0, 1e5)), [ACCURACY, AREA, ENERGY])
        np.testing.assert_allclose(middle, points((0.5, 0.5, 0.5)))


class TestRounded:
    """Values as they are compared."""

    def test_twelve_digits(self) -> None:
        """The thirteenth digit goes, the eleventh stays, signs and zeros are kept."""
        values = np.array([[1.0, 1.0 + 1e-14, 1.0 + 1e-11, -1.0 - 1e-14, 0.0, 3e-9]])
        found = rounded(values)[0]
        assert found[0] == found[1] == 1.0 == -found[3]
        assert found[2] > 1.0
        assert found[4] == 0.0
        np.testing.assert_allclose(found, values[0], rtol=1e-12)

    @given(st.floats(1e-300, 1e300), st.floats(1.0, 1.001))
    def test_keeps_the_order(self, value: float, ratio: float) -> None:
        """Of two values the larger one is never rounded below the other."""
        low, high = rounded(np.array([value, value * ratio]))
        assert low <= high


class TestHypervolume:
    """The volume that a front dominates."""

    def test_one_box(self) -> None:
        """One point fills its box: half the accuracy axis by 0.8 of the area axis."""
        assert hypervolume(points((0.75, 2.0)), [ACCURACY, AREA]) == pytest.approx(0.5 * 0.8)

    def test_two_boxes(self) -> None:
        """Two boxes count their overlap once: 0.5 * 0.8 + 0.8 * 0.5 - 0.5 * 0.5."""
        front = points((0.75, 2.0), (0.9, 5.0))
        assert hypervolume(front, [ACCURACY, AREA]) == pytest.approx(0.55)

    def test_log_axis(self) -> None:
        """On a logarithmic axis a tenth of the energy is worth one of the four decades."""
        assert hypervolume(points((1.0, 1e6)), [ACCURACY, ENERGY]) == pytest.approx(0.25)
        assert hypervolume(points((1.0, 1e4)), [ACCURACY, ENERGY]) == pytest.approx(0.75)

    def test_nothing(self) -> None:
        """No point, and points no better than the reference on some axis, fill nothing."""
        assert hypervolume(np.zeros((0, 2)), [ACCURACY, AREA]) == 0.0
        assert hypervolume(points((0.4, 2.0), (0.75, 10.0)), [ACCURACY, AREA]) == 0.0

    def test_worse_than_reference_takes_nothing_away(self) -> None:
        """A point outside the box leaves the volume of the others as it is."""
        inside, outside = (0.75, 2.0), (0.2, 0.1)
        alone = hypervolume(points(inside), [ACCURACY, AREA])
        assert hypervolume(points(inside, outside), [ACCURACY, AREA]) == alone

    def test_better_than_ideal(self) -> None:
        """A point beyond the ideal fills more than the unit box."""
        assert hypervolume(points((1.0, -5.0)), [ACCURACY, AREA]) == pytest.approx(1.5)

    @pytest.mark.parametrize("seed", range(5))
    def test_against_moocore(self, seed: int) -> None:
        """On random points it equals moocore's figure for the axes worked out by hand."""
        rng = np.random.default_rng(seed)
        raw = np.stack(
            [rng.uniform(0.4, 1, 40), rng.uniform(0, 12, 40), 10 ** rng.uniform(3, 8, 40)], axis=1
        )
        by_hand = np.stack(
            [(1 - raw[:, 0]) / 0.5, raw[:, 1] / 10, (np.log10(raw[:, 2]) - 3) / 4], axis=1
        )
        expected = moocore.hypervolume(by_hand, ref=[1, 1, 1])
        assert hypervolume(raw, [ACCURACY, AREA, ENERGY]) == pytest.approx(expected, rel=1e-9)


def front_by_brute_force(rows: list[tuple[float, ...]], signs: list[int]) -> list[bool]:
    """Which rows no other dominates; of equal ones the first. Signs make less better."""
    worse = [tuple(s * v for s, v in zip(signs, row, strict=True)) for row in rows]

    def dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
        return a != b and all(x <= y for x, y in zip(a, b, strict=True))

    return [
        not any(dominates(other, row) for other in worse) and row not in worse[:i]
        for i, row in enumerate(worse)
    ]


class TestNonDominated:
    """Which points make the front."""

    @given(
        st.lists(
            st.tuples(*[st.integers(0, 4).map(float)] * 3),
            min_size=1,
            max_size=30,
        )
    )
    def test_against_brute_force(self, rows: list[tuple[float, ...]]) -> None:
        """Three objectives, one of them maximised, with many ties: equal to a brute force."""
        found = non_dominated(points(*rows), [ACCURACY, AREA, ENERGY])
        assert found.tolist() == front_by_brute_force(rows, [-1, 1, 1])

    def test_no_points(self) -> None:
        """Of no points none is on the front."""
        assert non_dominated(np.zeros((0, 2)), [ACCURACY, AREA]).shape == (0,)

    def test_axis_does_not_matter(self) -> None:
        """A logarithmic axis changes the hypervolume, never who dominates whom."""
        rng = np.random.default_rng(1)
        values = np.stack([rng.uniform(0, 1, 50), 10 ** rng.uniform(3, 7, 50)], axis=1)
        linear = ENERGY.model_copy(update={"axis": "linear"})
        np.testing.assert_array_equal(
            non_dominated(values, [ACCURACY, ENERGY]), non_dominated(values, [ACCURACY, linear])
        )

    def test_front_keeps_the_hypervolume(self) -> None:
        """The front alone fills what all points fill."""
        values = np.random.default_rng(2).uniform((0.5, 0), (1, 10), (60, 2))
        front = values[non_dominated(values, [ACCURACY, AREA])]
        assert hypervolume(front, [ACCURACY, AREA]) == pytest.approx(
            hypervolume(values, [ACCURACY, AREA])
        )
