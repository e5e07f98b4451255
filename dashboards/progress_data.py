"""How fast a search goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from studies.run_snapshot import RunSnapshot

RECENT: Final = 50
"""Trials that the present pace is taken from."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast trials end.

    Attributes:
        elapsed_s: from the first trial asked for to the last one told.
        per_minute: trials told a minute, over the last of them; NaN for fewer than two.
        left_s: until the budget is used up at that pace; NaN if it is not known.
    """

    elapsed_s: float
    per_minute: float
    left_s: float


def pace(snapshot: RunSnapshot) -> Pace:
    """The pace of a run's trials."""
    trials = snapshot.trials
    ended = np.sort(trials.started_s + trials.seconds)
    ended = ended[np.isfinite(ended)]
    if len(ended) < 2:
        return Pace(float("nan"), float("nan"), float("nan"))
    elapsed = float(ended[-1] - np.nanmin(trials.started_s))
    recent = ended[-RECENT:]
    span = float(recent[-1] - recent[0])
    rate = (len(recent) - 1) / span if span > 0 else float("nan")
    left = max(0, snapshot.spec.search.trials - len(trials))
    return Pace(elapsed, 60 * rate, left / rate if rate > 0 else float("nan"))


def hypervolume_times(snapshot: RunSnapshot) -> tuple[list[float], list[float]]:
    """Seconds since the first trial, and the hypervolume then, at each point of the history.

    A point of the history is after so many trials told; trials are told in the table's order, and
    none before the ones in front of it.
    """
    trials = snapshot.trials
    if not len(trials):
        return [], []
    ended = trials.started_s + trials.seconds
    told = np.maximum.accumulate(np.where(np.isfinite(ended), ended, -np.inf))
    start = float(np.nanmin(trials.started_s))
    points = [p for p in snapshot.front.history if 0 < p.trial <= len(told)]
    times = [float(told[p.trial - 1] - start) for p in points]
    return times, [p.hypervolume for p in points]
