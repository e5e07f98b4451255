"""Choosing by the knee, by weights and by a reference point."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.choosing import AUGMENTATION, knee, losses, nearest_to, weighted
from studies.fronts import FloatArray
from studies.records import Front
from tests.dse.fronts import make_front

# Accuracy, energy in pJ (log axis), area in mm2, latency (no objective).
ROWS = [(0.9, 1e8, 4.0, 1.0), (0.85, 1e7, 2.0, 1.0), (0.7, 1e6, 1.0, 1.0)]


def test_the_design_nearest_to_the_ideal_corner() -> None:
    """The middle design loses a quarter of the accuracy, half the decades, a third of the area."""
    assert knee(make_front(ROWS)).id == 1


def test_an_end_can_be_the_knee() -> None:
    """A design that is best in two of three objectives is nearer than one between them."""
    rows = [(0.9, 1e8, 4.0, 1.0), (0.86, 9e7, 3.9, 1.0), (0.899, 1e6, 3.0, 1.0)]
    assert knee(make_front(rows)).id == 2


def test_the_only_design_is_the_knee() -> None:
    """A range of no length loses nothing."""
    assert knee(make_front(ROWS[:1])).id == 0


def test_a_logarithmic_axis_stands_a_zero() -> None:
    """A value of 0 on a logarithmic axis is the best there can be, not an error."""
    rows = [(0.9, 1e8, 4.0, 1.0), (0.9, 0.0, 4.0, 1.0)]
    assert knee(make_front(rows)).id == 1


@pytest.mark.parametrize("best", [0, 1, 2])
def test_the_order_of_designs_does_not_matter(best: int) -> None:
    """The same design is the knee wherever it stands."""
    rows = [ROWS[0], ROWS[2]]
    rows.insert(best, ROWS[1])
    assert knee(make_front(rows)).id == best


class TestLosses:
    """Values scaled to the front."""

    def test_by_hand(self) -> None:
        """0.85 of 0.9 to 0.7 is a quarter, 1e7 of 1e6 to 1e8 half; aims may lie outside."""
        front = make_front(ROWS)
        accuracy, energy, _ = front.objectives
        assert losses(accuracy, front.designs) == pytest.approx([0.0, 0.25, 1.0])
        assert losses(energy, front.designs, 1e5, 1e9) == pytest.approx([1, 0.5, 0, -0.5, 1.5])


class TestWeighted:
    """Pseudo-weights."""

    @pytest.mark.parametrize(
        ("weights", "expected"),
        [
            ({"accuracy": 1.0}, 0),
            ({"energy_pj": 1.0, "area_mm2": 1.0}, 2),
            ({"accuracy": 2.0, "energy_pj": 1.4, "area_mm2": 1.8}, 1),
            ({"accuracy": 1.0, "energy_pj": 1.0, "area_mm2": 1.0}, 1),
        ],
    )
    def test_by_hand(self, weights: dict[str, float], expected: int) -> None:
        """Gains are (1, 0, 0), (0.75, 0.5, 0.667) and (0, 1, 1): pseudo-weights their shares."""
        front = make_front(ROWS)
        assert weighted(front, front.designs, weights).id == expected

    @given(st.integers(0, 2), st.floats(0.01, 100))
    def test_own_pseudo_weights_choose_a_design(self, which: int, factor: float) -> None:
        """Whatever their scale, a design's own pseudo-weights choose it."""
        front = make_front(ROWS)
        gains = [1 - losses(o, front.designs)[which] for o in front.objectives]
        names = [o.metric for o in front.objectives]
        weights = {name: factor * gain for name, gain in zip(names, gains, strict=True)}
        assert weighted(front, front.designs, weights).id == which


class TestNearestTo:
    """Reference points."""

    @pytest.mark.parametrize(
        ("aims", "expected"),
        [
            ({"accuracy": 0.9}, 0),
            ({"accuracy": 0.84, "energy_pj": 1.2e7}, 1),
            ({"energy_pj": 1e6, "area_mm2": 1.0}, 2),
            ({"accuracy": 0.9, "energy_pj": 1e6}, 1),
        ],
    )
    def test_by_hand(self, aims: dict[str, float], expected: int) -> None:
        """The largest shortfall decides: of (0.9, 1e6) the middle design lacks 0.5, the ends 1."""
        front = make_front(ROWS)
        assert nearest_to(front, front.designs, aims).id == expected

    def test_sum_decides_between_equals(self) -> None:
        """Of two designs as accurate as aimed at, the one that is better elsewhere is chosen."""
        rows = [(0.9, 1e8, 4.0, 1.0), (0.9, 1e7, 5.0, 1.0), (0.7, 1e6, 1.0, 1.0)]
        front = make_front(rows)
        assert nearest_to(front, front.designs, {"accuracy": 0.9}).id == 1

    @given(st.integers(0, 2))
    def test_a_design_is_nearest_to_itself(self, which: int) -> None:
        """A design's own values choose it: no other is as good in all of them."""
        front = make_front(ROWS)
        design = front.designs[which]
        aims = {o.metric: design.metrics[o.metric].value for o in front.objectives}
        assert nearest_to(front, front.designs, aims).id == which


class TestBesidePymoo:
    """Choices of pymoo's methods on random fronts."""

    @pytest.fixture
    def fronts(self) -> list[tuple[Front, FloatArray]]:
        """Thirty fronts of twelve designs, and how much each loses of the best there."""
        found = []
        for drawn in np.random.default_rng(1).dirichlet([1, 1, 1], (30, 12)):
            rows = [(0.9 - 0.2 * a, 10 ** (6 + 2 * e), 1 + 3 * area, 1.0) for a, e, area in drawn]
            scaled = (drawn - drawn.min(axis=0)) / (drawn.max(axis=0) - drawn.min(axis=0))
            found.append((make_front(rows), scaled))
        return found

    def test_pseudo_weights(self, fronts: list[tuple[Front, FloatArray]]) -> None:
        """Weights choose what its PseudoWeights choose."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it imports an old name of scipy's
            from pymoo.mcdm.pseudo_weights import PseudoWeights

        for number, (front, scaled) in enumerate(fronts):
            weights = np.random.default_rng(number).dirichlet([1, 1, 1])
            names = [objective.metric for objective in front.objectives]
            chosen = weighted(front, front.designs, dict(zip(names, weights.tolist(), strict=True)))
            assert chosen.id == PseudoWeights(weights).do(scaled)

    def test_reference_points(self, fronts: list[tuple[Front, FloatArray]]) -> None:
        """A reference point chooses what its achievement function does, but for the small sum."""
        from pymoo.decomposition.asf import ASF

        for number, (front, scaled) in enumerate(fronts):
            aim = np.random.default_rng(number).random(3)
            aims = {}
            for objective, place in zip(front.objectives, aim, strict=True):
                values = [design.metrics[objective.metric].value for design in front.designs]
                best, worst = min(values), max(values)
                if objective.maximised:
                    best, worst = worst, best
                if objective.axis == "log10":
                    aims[objective.metric] = best * (worst / best) ** place
                else:
                    aims[objective.metric] = best + (worst - best) * place
            achieved = ASF().do(scaled, np.ones(3), utopian_point=aim)
            chosen = nearest_to(front, front.designs, aims)
            assert achieved[chosen.id] <= achieved.min() + 3 * AUGMENTATION
