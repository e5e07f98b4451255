"""What is shown of a front: its robust part, and the few designs that keep most."""

from __future__ import annotations

import pytest

from dse.errors import SelectionError
from dse.front_view import robust_designs, thinned
from studies.records import Front
from tests.dse.fronts import make_front

# accuracy, energy_pj, area_mm2, latency_mean_ns
ROWS = [(0.90, 1e8, 4.0, 9e6), (0.89, 1e7, 2.0, 5e6), (0.80, 1e6, 1.0, 6e6), (0.60, 9e5, 0.9, 2e6)]


@pytest.fixture
def front() -> Front:
    """Four designs with memberships; the first one's accuracy is the least sure."""
    known = [(0.55, 0.86), (0.97, 0.87), (0.9, 0.78), (0.89, 0.57)]
    whole = make_front(ROWS)
    designs = [
        design.model_copy(update={"membership": share, "accuracy_low": low})
        for design, (share, low) in zip(whole.designs, known, strict=True)
    ]
    return whole.model_copy(update={"designs": designs})


def ids(designs: list[object]) -> list[int]:
    """Numbers of some designs."""
    return [design.id for design in designs]  # type: ignore[attr-defined]


class TestRobust:
    """Designs that other sentences would hardly take from the front."""

    def test_by_membership(self, front: Front) -> None:
        """Nine samples in ten are enough, less is not."""
        assert ids([*robust_designs(front, "membership")]) == [1, 2]

    def test_by_lower_bound(self, front: Front) -> None:
        """At its lower bound the first design is less accurate than the cheaper second."""
        assert ids([*robust_designs(front, "lower-bound")]) == [1, 2, 3]

    def test_lower_bounds_keep_constraints(self, front: Front) -> None:
        """A bound on accuracy must hold at the lower bound."""
        bound = front.model_copy(update={"constraints": ["accuracy >= 0.8", "area_mm2 <= 9"]})
        assert ids([*robust_designs(bound, "lower-bound")]) == [1]

    def test_errors(self, front: Front) -> None:
        """An unknown kind, and a front without memberships, are told."""
        with pytest.raises(SelectionError, match="expected membership or lower-bound"):
            robust_designs(front, "both")
        with pytest.raises(SelectionError, match="recorded without memberships"):
            robust_designs(make_front(ROWS), "membership")


class TestThinned:
    """The designs that keep the most hypervolume."""

    def test_in_their_order(self, front: Front) -> None:
        """Chosen designs stay in the front's order; asking for more than there are gives all."""
        assert ids([*thinned(front, front.designs, 9)]) == [0, 1, 2, 3]
        kept = ids([*thinned(front, front.designs, 2)])
        assert kept == sorted(kept)
        assert len(kept) == 2
        assert 3 not in kept
        assert thinned(front, [], 2) == []
