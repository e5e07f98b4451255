"""Choosing one design from a front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dse.errors import EmptyFrontError, SelectionError
from dse.selection import SELECTIONS, select
from search_space import KNOBS, ConditionError
from studies.metrics import METRICS
from studies.records import Front
from tests.dse.fronts import make_front

# accuracy, energy_pj, area_mm2, latency_mean_ns
ROWS = [
    (0.90, 1e8, 4.0, 9e6),
    (0.86, 1e7, 2.0, 5e6),
    (0.80, 1e6, 1.0, 6e6),
    (0.60, 9e5, 0.9, 2e6),
]


@pytest.fixture
def front() -> Front:
    """Four designs, ids 0 to 3, in order of falling accuracy."""
    return make_front(ROWS)


class TestNamed:
    """Selections by name."""

    @pytest.mark.parametrize(
        ("selection", "expected"),
        [
            ("max-accuracy", 0),
            ("min-energy", 3),
            ("min-latency", 3),
            ("id=1", 1),
            (" id=2 ", 2),
        ],
    )
    def test_extremes_and_ids(self, front: Front, selection: str, expected: int) -> None:
        """An extreme of one metric, or the design of a number, with the selection as reason."""
        design, reason = select(front, selection)
        assert (design.id, reason) == (expected, selection.strip())

    def test_knee(self, front: Front) -> None:
        """The knee is nearest to the best corner, each objective scaled to the front's range.

        By hand, accuracy and area linear, energy in decades: design 2 has accuracy
        (0.90 - 0.80) / 0.30 = 0.333, energy log10(1e6 / 9e5) / log10(1e8 / 9e5) = 0.022 and area
        0.1 / 3.1 = 0.032: distance 0.336. Design 1: 0.133, 0.511, 0.355: distance 0.636. The others
        are 1 away on some axis.
        """
        design, reason = select(front, "knee")
        assert design.id == 2
        assert reason

    def test_knee_without_logarithms(self) -> None:
        """On linear axes only the same front has its knee elsewhere.

        Design 1 has accuracy 0.133, energy 9.1e6 / 9.91e7 = 0.092, area 0.355: distance 0.39, and
        0.64 with energy in decades. Design 2, at an accuracy of 0.75, is 0.5 away either way.
        """
        rows = [ROWS[0], ROWS[1], (0.75, *ROWS[2][1:]), ROWS[3]]
        assert select(make_front(rows, energy_axis="linear"), "knee")[0].id == 1
        assert select(make_front(rows, energy_axis="log10"), "knee")[0].id == 2

    def test_knee_of_one(self) -> None:
        """The only design of a front is its knee."""
        assert select(make_front(ROWS[:1]), "knee")[0].id == 0

    def test_ties(self) -> None:
        """Of equal designs the one with the smaller number is chosen."""
        same = make_front([ROWS[1], ROWS[1], ROWS[1]])
        for selection in ("knee", "min-energy", "max-accuracy", "min area"):
            assert select(same, selection)[0].id == 0


class TestQueries:
    """Selections by metric and condition."""

    @pytest.mark.parametrize(
        ("selection", "expected"),
        [
            ("min energy", 3),
            ("max accuracy", 0),
            ("min latency where accuracy>=0.85", 1),
            ("min energy where accuracy>=0.85", 1),
            ("min area_mm2 where accuracy >= 0.8 and energy < 1e7", 2),
            ("max accuracy where area < 3 and mac_vector_size in [4, 8]", 1),
            ("min energy where dvfs_policy == 'fixed' and id <= 1", 1),
            ("max energy_pj where not accuracy > 0.85", 2),
            ("min\tenergy\nwhere accuracy>=0.85", 1),
        ],
    )
    def test_queries(self, front: Front, selection: str, expected: int) -> None:
        """The least or greatest of a metric among the designs that meet a condition."""
        assert select(front, selection)[0].id == expected

    @pytest.mark.parametrize("metric", METRICS)
    def test_every_metric(self, front: Front, metric: str) -> None:
        """Every metric can be asked for."""
        design, _ = select(front, f"max {metric}")
        values = [d.metrics[metric].value for d in front.designs]
        assert design.metrics[metric].value == max(values)

    @pytest.mark.parametrize("knob", KNOBS)
    def test_every_knob(self, front: Front, knob: str) -> None:
        """Every knob can be bounded."""
        design, _ = select(front, f"min energy where {knob} == {knob}")
        assert design == select(front, "min energy")[0]


class TestPreferences:
    """Weights, reference points, and choices among robust designs."""

    @pytest.mark.parametrize(
        ("selection", "expected"),
        [
            ("weights accuracy=1", 0),
            ("weights energy=1, area=1", 3),
            ("near accuracy=0.86 energy=1e7", 1),
            ("near accuracy=0.86, energy=1e7 where id > 1", 2),
            ("weights accuracy=1 where accuracy < 0.87", 1),
            ("max-accuracy where id >= 2", 2),
        ],
    )
    def test_selections(self, front: Front, selection: str, expected: int) -> None:
        """What is asked for picks among the designs that meet the condition."""
        design, reason = select(front, selection)
        assert (design.id, reason) == (expected, selection)

    def test_knee_among_some(self, front: Front) -> None:
        """The knee of some designs, each objective scaled to them, says so in its reason."""
        design, reason = select(front, "knee where id < 2")
        assert design.id in (0, 1)
        assert reason.endswith("scaled to the front, among designs where id < 2")

    def test_membership(self, front: Front) -> None:
        """Membership and the accuracy's lower bound can be bounded, where they are recorded."""
        sure = {0: 0.95, 1: 0.5, 2: 0.92, 3: 0.99}
        designs = [
            d.model_copy(update={"membership": sure[d.id], "accuracy_low": 0.7})
            for d in front.designs
        ]
        known = front.model_copy(update={"designs": designs})
        text = "max accuracy where membership >= 0.9 and energy < 1e8"
        assert select(known, text)[0].id == 2
        assert select(known, "min energy where accuracy_low >= 0.7")[0].id == 3
        with pytest.raises(ConditionError, match="membership"):
            select(front, text)


class TestErrors:
    """Selections that cannot be."""

    @pytest.mark.parametrize(
        ("selection", "told"),
        [
            ("weights accuracy=-1", "weights of 0 or more"),
            ("weights accuracy=0", "weights of 0 or more"),
            ("weights accuracy=e", "is no number"),
            ("weights accuracy=1e999", "is no finite number"),
            ("near energy=-1e999", "is no finite number"),
            ("near latency=1e6", "latency_mean_ns is no objective of the study"),
            ("near enrgy=1", "did you mean 'energy'?"),
            ("weights", "weights METRIC=W"),
            ("kneee", "did you mean 'knee'?"),
            ("min-enrgy", "did you mean 'min-energy'?"),
            ("", ", ".join(SELECTIONS)),
            ("best energy", ", ".join(SELECTIONS)),
            ("id=4", "expected id=0 to id=3"),
            ("id=-1", "expected id=0 to id=3"),
            ("id=x", "expected id=0 to id=3"),
            ("min enrgy", "did you mean 'energy'?"),
            ("min checkpoint", "names no metric"),
            ("min energy where accuracy >= 0.99", "no design of the front meets it"),
        ],
    )
    def test_one_sentence(self, front: Front, selection: str, told: str) -> None:
        """A wrong selection is named with what was expected, in one line."""
        with pytest.raises(SelectionError) as caught:
            select(front, selection)
        message = str(caught.value)
        assert told in message
        assert repr(selection) in message
        assert "\n" not in message

    @pytest.mark.parametrize(
        ("condition", "told"),
        [
            ("acuracy >= 0.8", "did you mean 'accuracy'?"),
            ("accuracy >=", "cannot be read"),
            ("accuracy >= 'high'", "text has no order"),
            ("__import__('os').system('true') == 0", "is refused"),
        ],
    )
    def test_wrong_condition(self, front: Front, condition: str, told: str) -> None:
        """A condition that cannot be read or worked out is told as such."""
        with pytest.raises(ConditionError, match="Condition") as caught:
            select(front, f"min energy where {condition}")
        assert told in str(caught.value)

    def test_a_metric_that_was_not_recorded(self) -> None:
        """A front of an older version lacks newer metrics, and the way to have them is told."""
        known = ("accuracy", "energy_pj", "area_mm2", "latency_mean_ns", "power_mw", "storage_bits")
        front = make_front(ROWS)
        old = [
            d.model_copy(update={"metrics": {name: d.metrics[name] for name in known}})
            for d in front.designs
        ]
        front = front.model_copy(update={"designs": old})
        told = r"recorded without duty_cycle; 'dse resume' writes it anew"
        with pytest.raises(SelectionError, match=told):
            select(front, "min duty_cycle")
        with pytest.raises(ConditionError, match="duty_cycle"):
            select(front, "min energy where duty_cycle <= 1")
        assert select(front, "min energy where power <= 1")[0].id == 3

    @pytest.mark.parametrize("selection", ["knee", "id=0", "min energy", "nonsense"])
    def test_empty_front(self, selection: str) -> None:
        """An empty front has nothing to select."""
        with pytest.raises(EmptyFrontError, match="nothing to select"):
            select(make_front([]), selection)


def test_rows_are_a_front() -> None:
    """The designs that the tests choose from do not dominate each other."""

    def dominates(a: Sequence[Any], b: Sequence[Any]) -> bool:
        return a[0] >= b[0] and a[1] <= b[1] and a[2] <= b[2] and a != b

    assert not any(dominates(a, b) for a in ROWS for b in ROWS)
