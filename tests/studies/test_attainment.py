"""Attainment surfaces against their definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from studies.attainment import attainment

POINT = st.tuples(st.integers(0, 9), st.integers(0, 9))
RUN = st.lists(POINT, min_size=1, max_size=6)


@given(st.lists(RUN, min_size=2, max_size=5))
def test_as_defined(runs: list[list[tuple[int, int]]]) -> None:
    """At each cost, the best, the median and the worst of what runs reach at that cost or less."""
    fronts = [
        (np.array([c for c, _ in run], dtype=float), np.array([g for _, g in run], dtype=float))
        for run in runs
    ]
    found = attainment(fronts)
    for place, cost in enumerate(found.costs):
        reached = sorted(
            (max((g for c, g in run if c <= cost), default=-np.inf) for run in runs), reverse=True
        )
        assert found.best[place] == reached[0]
        assert found.worst[place] == reached[-1]
        half = next(level for level in reached if sum(r >= level for r in reached) > len(runs) / 2)
        assert found.median[place] == half
