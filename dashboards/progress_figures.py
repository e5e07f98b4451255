"""Figures of how a search goes: growth, states, times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import numpy as np
import plotly.graph_objects as go

from dashboards.figure_style import styled
from dashboards.palette import CATEGORIES
from dashboards.progress_data import hypervolume_times
from dashboards.theme import Theme, themed
from dashboards.ticks import log_axis
from dashboards.titles import plotly_text
from studies.run_snapshot import RunSnapshot
from studies.trial_table import STATES, TrialTable

MOST_POINTS: Final = 4_000
_STATE_COLOURS: Final = (CATEGORIES[2], CATEGORIES[4], CATEGORIES[3], CATEGORIES[1])
_DASHES: Final = ("solid", "dash", "dot", "dashdot")


def growth_figure(
    runs: Mapping[str, RunSnapshot], against: Literal["trials", "time"], theme: Theme
) -> go.Figure:
    """Hypervolume of one or more runs against trials told, or against seconds since the start."""
    figure = go.Figure()
    for i, (name, snapshot) in enumerate(runs.items()):
        history = snapshot.front.history
        if against == "time":
            x, y = hypervolume_times(snapshot)
        else:
            x = [float(point.trial) for point in history]
            y = [point.hypervolume for point in history]
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines",
            line={
                "color": CATEGORIES[i % len(CATEGORIES)],
                "dash": _DASHES[i // len(CATEGORIES) % len(_DASHES)],
                "width": 2,
                "shape": "hv",
            },
            name=plotly_text(name),
            hovertemplate="hypervolume %{y:.5f} after %{x:,.4~g}"
            + (" s" if against == "time" else " trials"),
        )
    styled(figure, height=360)
    figure.update_layout(
        xaxis={"title": {"text": "Trials" if against == "trials" else "Time (s)"}},
        yaxis={"title": {"text": "Hypervolume (share of the box)"}, "tickformat": ".4~g"},
        showlegend=len(runs) > 1,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 68, "r": 14, "t": 26 if len(runs) > 1 else 12, "b": 48},
        hovermode="x unified" if len(runs) > 1 else "closest",
    )
    return themed(figure, theme)


def state_figure(trials: TrialTable, theme: Theme) -> go.Figure:
    """Trials by state, in up to 40 stretches of equal length; repeats are told apart."""
    n = len(trials)
    edges = np.unique(np.linspace(0, n, min(40, n) + 1).astype(int))
    kinds = [
        ("complete", (trials.states == 0) & ~trials.repeated, CATEGORIES[2]),
        ("repeated", trials.repeated, CATEGORIES[5]),
        *(
            (state, (trials.states == code) & ~trials.repeated, _STATE_COLOURS[code])
            for code, state in enumerate(STATES)
            if code
        ),
    ]
    middles = (edges[:-1] + edges[1:]) / 2
    figure = go.Figure()
    for name, mask, colour in kinds:
        if not mask.any():
            continue
        counts = np.add.reduceat(mask.astype(int), edges[:-1]) if n else np.zeros(0)
        figure.add_bar(
            x=middles.tolist(),
            y=(100 * counts / np.diff(edges)).tolist(),
            width=np.diff(edges).tolist(),
            marker={"color": colour, "line": {"width": 0}},
            name=f"{name} ({int(mask.sum()):,})",
            hovertemplate="around trial %{x:.0f}: %{y:.0f} %",
        )
    styled(figure, height=360)
    figure.update_layout(
        barmode="stack",
        bargap=0,
        xaxis={"title": {"text": "Trials"}, "range": [0, n]},
        yaxis={"title": {"text": "Share (%)"}, "range": [0, 100]},
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 56, "r": 14, "t": 44, "b": 48},
    )
    return themed(figure, theme)


def duration_figure(trials: TrialTable, theme: Theme) -> go.Figure:
    """Seconds that each evaluation took, on a log axis."""
    rows = np.flatnonzero((trials.evaluation_s > 0) & ~trials.repeated)
    if len(rows) > MOST_POINTS:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_POINTS).astype(np.intp)]
    figure = go.Figure()
    for code, (state, colour) in enumerate(zip(STATES, _STATE_COLOURS, strict=True)):
        own = rows[trials.states[rows] == code]
        if len(own):
            figure.add_trace(
                (go.Scattergl if len(own) > 1_500 else go.Scatter)(
                    x=trials.numbers[own],
                    y=trials.evaluation_s[own],
                    mode="markers",
                    marker={"color": colour, "size": 5, "opacity": 0.7},
                    name=state,
                    hovertemplate="trial %{x:,}: %{y:.3~g} s",
                )
            )
    styled(figure, height=340)
    figure.update_layout(
        xaxis={"title": {"text": "Trial"}},
        yaxis=log_axis("Evaluation (s)", [trials.evaluation_s[rows]]),
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 64, "r": 14, "t": 26, "b": 48},
    )
    return themed(figure, theme)
