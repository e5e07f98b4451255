"""Figures that set designs and runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go

from dashboards.figure_data import FrontData
from dashboards.figure_style import styled
from dashboards.front_axes import axis_title, rounded
from dashboards.front_columns import Column
from dashboards.front_figures import hover_cards
from dashboards.front_views import column_axis
from dashboards.palette import CATEGORIES
from dashboards.theme import COLOURS, Theme, themed
from dashboards.ticks import Scale, log_axis, window
from dashboards.titles import knob_text, knob_title, metric, plotly_text, words
from hw_cost import ExplainedGemm
from search_space import UNITS, NumberFormat
from studies.ablation import Step
from studies.attainment import attainment

MOST_BARS: Final = 9
LEAST_TOLD: Final = 0.02
"""Share of the larger total that a change needs for its number to stand beside its bar."""
_SYMBOLS: Final = ("circle", "square", "diamond", "cross", "triangle-up", "x")


def waterfall_figure(
    first: Mapping[str, float],
    second: Mapping[str, float],
    names: tuple[str, str],
    title: str,
    unit: str,
    theme: Theme,
) -> go.Figure:
    """Which block makes the difference between two designs: from one total to the other.

    Args:
        first: parts of one design in people's unit.
        second: those of the other.
        names: of the two designs.
        title: of the cost.
        unit: of the cost.
        theme: of the page.
    """
    parts = list(dict.fromkeys([*first, *second]))
    changes = {part: second.get(part, 0.0) - first.get(part, 0.0) for part in parts}
    ordered = sorted(parts, key=lambda part: -abs(changes[part]))
    n_shown = len(ordered) if len(ordered) == MOST_BARS + 1 else MOST_BARS
    rest = ordered[n_shown:]
    shown = [(words(part), changes[part]) for part in ordered[:n_shown] if changes[part]]
    if rest:
        shown.append((f"{len(rest)} others", sum(changes[part] for part in rest)))
    totals = sum(first.values()), sum(second.values())
    least = LEAST_TOLD * max(totals)
    colours = COLOURS[theme]
    told = [f"{change:+.2g}" if abs(change) >= least else "" for _, change in shown]
    figure = go.Figure(
        go.Waterfall(
            x=[names[0], *(plotly_text(name) for name, _ in shown), names[1]],
            y=[totals[0], *(change for _, change in shown), totals[1]],
            measure=["absolute", *("relative" for _ in shown), "total"],
            text=[f"{totals[0]:.3g}", *told, f"{totals[1]:.3g}"],
            textposition="outside",
            constraintext="none",
            cliponaxis=False,
            connector={"line": {"color": colours.muted, "width": 1}},
            increasing={"marker": {"color": CATEGORIES[1]}},
            decreasing={"marker": {"color": CATEGORIES[2]}},
            totals={"marker": {"color": CATEGORIES[0]}},
            hovertemplate="%{x}: %{delta:.4~g} " + plotly_text(unit) + "<extra></extra>",
        )
    )
    styled(figure, height=320)
    figure.update_layout(
        xaxis={"showgrid": False, "tickangle": -35, "type": "category"},  # "#1" is no number
        yaxis={"title": {"text": f"{title} ({plotly_text(unit)})"}, "rangemode": "tozero"},
        margin={"l": 64, "r": 12, "t": 22, "b": 60},
        showlegend=False,
    )
    themed(figure, theme)
    return figure.update_xaxes(tickfont={"size": 11})


def roofline_figure(
    designs: Mapping[str, tuple[Sequence[ExplainedGemm], NumberFormat]], theme: Theme
) -> go.Figure:
    """What each GEMM achieves, under what the arrays and the weights' memory would allow.

    Horizontal: MACs for each byte of weights that is read, zeros counted. The flat roof is what all
    arrays could do; the slope is the fastest stream of weights of any GEMM.
    """
    figure = go.Figure()
    for i, (name, (gemms, weights)) in enumerate(designs.items()):
        colour = CATEGORIES[i % len(CATEGORIES)]
        own = [g for g in gemms if g.weight_reads and g.depth and g.columns and g.time_ns > 0]
        if not own:
            continue
        read = [
            (g.depth or 0) * (g.columns or 0) * g.count * (g.weight_reads or 0) * weights.bits / 8
            for g in own
        ]
        x = np.array([g.macs / size for g, size in zip(own, read, strict=True)])
        y = np.array([g.macs / g.time_ns for g in own])
        busy = [g for g in own if g.utilisation]
        peak = max(g.macs / (g.utilisation or 1.0) / g.time_ns for g in busy) if busy else y.max()
        speeds = [size / g.load_ns for g, size in zip(own, read, strict=True) if g.load_ns > 0]
        ends = np.geomspace(x.min() / 3, x.max() * 3, 60)
        roof = np.minimum(peak, max(speeds) * ends) if speeds else np.full(60, peak)
        figure.add_scatter(
            x=ends,
            y=roof,
            mode="lines",
            line={"color": colour, "width": 1.6},
            name=f"roof of {plotly_text(name)}",
            hoverinfo="skip",
            showlegend=False,
        )
        figure.add_scatter(
            x=x,
            y=y,
            mode="markers",
            marker={"color": colour, "size": 10, "symbol": _SYMBOLS[i % len(_SYMBOLS)]},
            name=plotly_text(name),
            text=[plotly_text(f"{g.step}: {g.name}, bound by {g.bound}") for g in own],
            hovertemplate="%{text}<br>%{x:.3~g} MAC/byte, %{y:.3~g} GMAC/s",
        )
    styled(figure, height=360)
    figure.update_layout(
        xaxis=log_axis("MACs for each byte of weights read", [t.x for t in figure.data]),
        yaxis=log_axis("Achieved (GMAC/s)", [t.y for t in figure.data]),
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 64, "r": 14, "t": 28, "b": 48},
    )
    return themed(figure, theme)


def ablation_figure(steps: Sequence[Step], name: str, task: object, theme: Theme) -> go.Figure:
    """One metric along the way from the reference to a design, and the accuracy beside it."""
    about, gain = metric(name, task), metric("accuracy", task)
    labels = ["reference", *(_step_label(step) for step in steps[1:])]
    values = [step.metrics[name] * about.scale for step in steps]
    gains = [step.metrics["accuracy"] * gain.scale for step in steps]
    colours = [CATEGORIES[0]]
    for old, new in pairwise(values):
        colours.append(CATEGORIES[2] if new <= old else CATEGORIES[1])
    texts = [
        f"{value:.3g} {about.unit}, {accuracy:.1f} {gain.unit}"
        for value, accuracy in zip(values, gains, strict=True)
    ]
    figure = go.Figure(
        go.Bar(
            y=labels[::-1],
            x=values[::-1],
            orientation="h",
            marker={"color": colours[::-1], "line": {"width": 0}},
            text=texts[::-1],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{text}<extra></extra>",
        )
    )  # fmt: skip
    styled(figure, height=120 + 28 * len(steps))
    unit = f" ({about.unit})" if about.unit else ""
    figure.update_layout(
        xaxis={
            "title": {"text": plotly_text(f"{about.title}{unit}")},
            "range": [0, 1.35 * max(values)],
        },
        yaxis={"ticks": "", "showgrid": False, "type": "category", "dtick": 1},
        margin={"l": 8, "r": 12, "t": 8, "b": 48},
        bargap=0.25,
    )
    return themed(figure, theme)


def _step_label(step: Step) -> str:
    if len(step.knobs) > 1:
        return f"{len(step.knobs)} knobs together"
    name, value = next(iter(step.knobs.items()))
    title = knob_title(name).partition(" (")[0]
    return plotly_text(f"{title} {knob_text(value)} {UNITS.get(name, '')}".strip())


def fronts_figure(fronts: Mapping[str, FrontData], x: str, y: str, theme: Theme) -> go.Figure:
    """The fronts of several runs on one chart."""
    figure = go.Figure()
    shown: Column | None = None
    for i, (name, data) in enumerate(fronts.items()):
        if not len(data.ids):
            continue
        a, b = data.metric(x), data.metric(y)
        shown = shown or a
        figure.add_scatter(
            x=rounded(a.values),
            y=rounded(b.values),
            mode="markers",
            name=plotly_text(name),
            marker={
                "color": CATEGORIES[i % len(CATEGORIES)],
                "symbol": _SYMBOLS[i % len(_SYMBOLS)],
                "size": 7,
                "opacity": 0.8,
            },
            text=hover_cards(data),
            hovertemplate="%{text}<extra>%{fullData.name}</extra>",
        )
    styled(figure, height=400)
    if shown is not None:
        column = next(d for d in fronts.values() if len(d.ids)).metric(y)
        columns = [d.metric(x) for d in fronts.values() if len(d.ids)]
        figure.update_layout(xaxis=_axis_of(columns), yaxis={"title": {"text": axis_title(column)}})
    figure.update_layout(
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 64, "r": 14, "t": 28, "b": 48},
        showlegend=True,
    )
    return themed(figure, theme)


def attainment_figure(fronts: Mapping[str, FrontData], x: str, y: str, theme: Theme) -> go.Figure:
    """What one run, more than half of them and all of them reach in two metrics.

    Of two runs, more than half are all: there are two lines then.
    """
    columns = [(d.metric(x), d.metric(y)) for d in fronts.values() if len(d.ids)]
    cost, gain = columns[0]
    signs = (-1.0 if cost.is_maximised else 1.0), (1.0 if gain.is_maximised else -1.0)
    found = attainment([(signs[0] * a.values, signs[1] * b.values) for a, b in columns])
    figure = go.Figure()
    lines = [
        ("one run", found.best, "dot", CATEGORIES[5]),
        ("more than half of the runs", found.median, "solid", CATEGORIES[0]),
        ("all runs", found.worst, "dash", CATEGORIES[1]),
    ]
    if len(columns) == 2:  # more than half of two are all
        del lines[1]
    for name, values, dash, colour in lines:
        known = np.isfinite(values)
        figure.add_scatter(
            x=signs[0] * found.costs[known],
            y=signs[1] * values[known],
            mode="lines",
            line={"dash": dash, "color": colour, "width": 2, "shape": "hv"},
            name=f"reached by {name}",
            hovertemplate="%{y:.4~g} at %{x:.4~g}",
        )
    styled(figure, height=400)
    figure.update_layout(
        xaxis=_axis_of([column for column, _ in columns]),
        yaxis={"title": {"text": axis_title(gain)}},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 64, "r": 14, "t": 28, "b": 48},
    )
    return themed(figure, theme)


def _axis_of(columns: Sequence[Column]) -> dict[str, Any]:
    """An axis that shows one metric of several runs."""
    values = np.concatenate([column.values for column in columns])
    is_log = all(column.scale == "log10" for column in columns)
    scale: Scale = "log10" if is_log else "linear"
    shown = window(float(values.min()), float(values.max()), scale)
    return column_axis(columns[0], shown, n_ticks=5)
