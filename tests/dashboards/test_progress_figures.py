"""Figures of how a search goes: axes that can be read, and states that are named."""

from __future__ import annotations

import pytest

from dashboards.progress_figures import duration_figure, state_figure
from tests.dashboards.fake_runs import made_up_trials


@pytest.mark.parametrize(
    "seconds",
    [[3.0, 4.0, 8.0], [0.02, 0.9, 300.0], [5.0, 5.0, 5.0]],
    ids=["within a decade", "four decades", "one time"],
)
def test_times_have_ticks(seconds: list[float]) -> None:
    """Whatever times there are, the log axis shows them all and three or more of its values."""
    trials = made_up_trials(3, wall_evaluation_s=seconds)
    axis = duration_figure(trials, "light").layout.yaxis
    low, high = (10.0**end for end in axis.range)
    assert low <= min(seconds) <= max(seconds) <= high
    assert sum(low <= tick <= high for tick in axis.tickvals) >= 3
    assert len(set(axis.ticktext)) == len(axis.tickvals)


def test_no_times_at_all() -> None:
    """A run without trials has an empty figure."""
    assert len(duration_figure(made_up_trials(0), "light").data) == 0


def test_a_single_state_is_named() -> None:
    """The states of trials are named and counted even if all trials share one."""
    figure = state_figure(made_up_trials(4), "light")
    assert [trace.name for trace in figure.data] == ["complete (4)"]
    assert figure.layout.showlegend
