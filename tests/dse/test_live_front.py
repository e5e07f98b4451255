"""The front of a search that goes on, as it is followed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.archive import Archive
from dse.live_front import LiveFront, ToldPoint
from dse.outcomes import Outcome
from studies.spec import StudySpec, spec_of
from tests.small_study import changed, small_document

TRIALS = 1_000
TOLD = 90


def spec() -> StudySpec:
    """A joint study of a thousand trials, whose history has a point every five."""
    changes = {"search.strategy": "joint", "search.trials": TRIALS}
    return spec_of(changed(small_document(), changes), "test")


def points(study: StudySpec) -> list[ToldPoint]:
    """Told trials at random, some of them infeasible; places of repeated ones are left out."""
    rng = np.random.default_rng(3)
    low = np.array([min(o.ideal, o.reference) for o in study.objectives])
    high = np.array([max(o.ideal, o.reference) for o in study.objectives])
    found = []
    for place in range(1, TOLD + 1):
        if rng.random() < 0.1:
            continue
        values = [(low + (high - low) * rng.random(len(low))).tolist()]
        outcome = Outcome(state="complete", values=values, hardware=[0], exits=[0])
        if rng.random() < 0.2:
            outcome = Outcome(state="infeasible", reason="no room")
        found.append(ToldPoint(number=place, flat={}, outcome=outcome, place=place))
    return found


def test_history_is_that_of_the_archive() -> None:
    """At each of its points the history tells what an archive told trial by trial holds."""
    study = spec()
    told, archive = points(study), Archive(study.objectives)
    expected = {}
    for point in told:
        values = np.array(point.outcome.values).reshape(-1, len(study.objectives))
        archive.add(values, [(point.number, 0, 0)] * len(values), point.outcome.designs_scored)
        expected[point.place] = (len(archive.members), archive.hypervolume)
    live = LiveFront(study)
    live.add(told)
    history = live.progress()
    assert history[-1].trial == told[-1].place
    assert len(history) == len({point.place // 5 for point in told})
    for reached in history:
        size, volume = expected[reached.trial]
        assert reached.front_size == size
        assert reached.hypervolume == pytest.approx(volume, rel=1e-12)


@given(st.lists(st.integers(0, TOLD), max_size=6))
def test_looking_changes_nothing(cuts: list[int]) -> None:
    """However often one looks meanwhile, the history is in the end that of a single look."""
    study = spec()
    told, once, often = points(study), LiveFront(study), LiveFront(study)
    once.add(told)
    places = sorted({0, *cuts, len(told)})
    for start, end in pairwise(places):
        often.add(told[start:end])
        assert often.progress() == often.progress()
    whole, parts = once.progress(), often.progress()
    assert [(p.trial, p.front_size) for p in parts] == [(p.trial, p.front_size) for p in whole]
    volumes = [p.hypervolume for p in whole]
    assert [p.hypervolume for p in parts] == pytest.approx(volumes, rel=1e-12)
