"""When a search has had enough: its time, and an upper estimate of what it still gains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from studies.records import Progress
from studies.search_tables import StopTable

MISS: Final = 0.05
"""Share of samples in which the bound on a mean may fail."""


def growth_bound(hypervolumes: Sequence[float], window: int) -> float:
    """Upper estimate of the hypervolume's growth over the next ``window`` trials.

    It is ``window`` times an upper bound of the mean growth of a trial: the empirical Bernstein
    bound of Maurer and Pontil ("Empirical Bernstein bounds and sample-variance penalization", COLT
    2009, theorem 4) at 95 %, from the growth of the last ``window`` trials, whose range is taken to
    be the largest growth among the last ``2 window``:

        mean + sqrt(2 V ln(2 / d) / n) + 7 R ln(2 / d) / (3 (n - 1))

    It is an estimate: the bound would hold if the next trials were drawn like the last ones, and
    while a search learns, or a space is used up, they are not.

    Args:
        hypervolumes: after each trial, in order.
        window: 2 or more.

    Returns:
        The estimate in the hypervolume's own unit; infinite before ``2 window`` trials.
    """
    if len(hypervolumes) < 2 * window:
        return math.inf
    steps = np.diff(np.array(hypervolumes), prepend=0.0)[-2 * window :]
    last = steps[-window:]
    log = math.log(2 / MISS)
    bound = (
        float(last.mean())
        + math.sqrt(2 * float(last.var(ddof=1)) * log / window)
        + 7 * float(steps.max()) * log / (3 * (window - 1))
    )
    return window * bound


def reason_to_stop(stop: StopTable, seconds: float, history: Sequence[Progress]) -> str:
    """Why a search is to end before its budget is used up; empty to go on.

    Args:
        stop: the study's rules.
        seconds: since the search began.
        history: where it was after each trial.
    """
    if stop.seconds is not None and seconds >= stop.seconds:
        return f"{stop.seconds:g} s have passed"
    if stop.growth is None:
        return ""
    volumes = [state.hypervolume for state in history[-(2 * stop.window + 1) :]]
    if not volumes or volumes[-1] == 0:  # nothing is found yet
        return ""
    share = growth_bound(volumes, stop.window) / volumes[-1]
    if share > stop.growth:
        return ""
    return (
        f"the hypervolume would grow by {share:.2%} at most over the next {stop.window} trials "
        f"(upper estimate; the study asks for more than {stop.growth:.2%})"
    )
