"""Figures of knobs: importance, slices, contours and correlations over the trials."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboards.figure_data import natural_key
from dashboards.figure_style import styled
from dashboards.palette import CATEGORIES, smooth_scale
from dashboards.theme import COLOURS, Theme, themed
from dashboards.titles import knob_text, knob_title, plotly_text
from studies.trial_table import Floats, KnobTrials, TrialTable

MOST_POINTS = 4_000
"""Trials that a slice draws; of more, so many in even steps."""


def importance_figure(
    shares: Mapping[str, float], value: str, theme: Theme, *, most: int = 40
) -> go.Figure:
    """Bars of the knobs' shares, the strongest on top.

    Args:
        shares: by knob, the largest first.
        value: title of what they explain.
        theme: of the page.
        most: bars at most.
    """
    names = list(shares)[:most][::-1]
    percents = [100 * shares[name] for name in names]
    figure = go.Figure(
        go.Bar(
            x=percents,
            y=[plotly_text(knob_title(name)) for name in names],
            orientation="h",
            marker={"color": CATEGORIES[0], "line": {"width": 0}},
            text=[f"{percent:.0f}" if percent >= 1 else "<1" for percent in percents],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
        )
    )
    styled(figure, height=96 + 26 * len(names))
    figure.update_layout(
        xaxis={
            "title": {"text": f"{plotly_text(value.partition(' (')[0])}: explained (%)"},
            "rangemode": "tozero",
        },
        yaxis={"ticks": "", "showgrid": False},
        margin={"l": 8, "r": 36, "t": 8, "b": 48},
        bargap=0.3,
    )
    return themed(figure, theme)


def slice_figure(
    trials: TrialTable, knob: str, values: Floats, title: str, theme: Theme
) -> go.Figure:
    """A value of the trials against one knob, with its median at each level."""
    column = trials.knobs[knob]
    rows = _even(np.flatnonzero(np.isfinite(values)), MOST_POINTS)
    order, texts = _ordered(column)
    places = order[column.codes[rows]]
    jitter = 0.16 * (np.random.default_rng(0).random(len(rows)) - 0.5) * 2
    late = trials.numbers[rows]
    figure = go.Figure(
        go.Scattergl(
            x=places + jitter,
            y=values[rows],
            mode="markers",
            marker={
                "color": late,
                "colorscale": smooth_scale(),
                "size": 6,
                "opacity": 0.7,
                "colorbar": {
                    "title": {"text": "Trial", "font": {"size": 12}},
                    "thickness": 12,
                    "outlinewidth": 0,
                },
                "showscale": True,
            },
            customdata=late,
            hovertemplate="Trial %{customdata}: %{y:.4~g}<extra></extra>",
        )
    )
    levels = np.unique(places)
    figure.add_scatter(
        x=levels,
        y=[float(np.median(values[rows][places == level])) for level in levels],
        mode="lines+markers",
        line={"color": COLOURS[theme].ink, "width": 1.5},
        marker={"symbol": "line-ew", "size": 16, "line": {"width": 2, "color": COLOURS[theme].ink}},
        hovertemplate="median %{y:.4~g}<extra></extra>",
    )
    styled(figure, height=420)
    figure.update_layout(
        showlegend=False,
        xaxis={
            "title": {"text": plotly_text(knob_title(knob))},
            "tickvals": _some(len(texts)),
            "ticktext": [plotly_text(texts[i]) for i in _some(len(texts))],
            "showgrid": False,
        },
        yaxis={"title": {"text": plotly_text(title)}},
    )
    return themed(figure, theme)


def contour_figure(
    trials: TrialTable, first: str, second: str, values: Floats, title: str, theme: Theme
) -> go.Figure:
    """The mean of a value for every pair of levels of two knobs; empty where no trial has it."""
    a, b = trials.knobs[first], trials.knobs[second]
    rows = np.flatnonzero(np.isfinite(values))
    (order_a, texts_a), (order_b, texts_b) = _ordered(a), _ordered(b)
    shape = (len(texts_b), len(texts_a))
    places = (order_b[b.codes[rows]], order_a[a.codes[rows]])
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, places, values[rows])
    np.add.at(counts, places, 1)
    means = np.divide(sums, counts, out=np.full(shape, np.nan), where=counts > 0)
    figure = go.Figure(
        go.Heatmap(
            z=[[None if np.isnan(v) else v for v in row] for row in means.tolist()],
            x=[plotly_text(text) for text in texts_a],
            y=[plotly_text(text) for text in texts_b],
            customdata=counts,
            colorscale=smooth_scale(),
            colorbar={
                "title": {"text": _broken(title), "font": {"size": 12}},
                "thickness": 12,
                "outlinewidth": 0,
            },
            hovertemplate="%{x}, %{y}: %{z:.4~g} (%{customdata} trials)<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    styled(figure, height=420)
    figure.update_layout(
        xaxis={"title": {"text": plotly_text(knob_title(first))}, "type": "category"},
        yaxis={"title": {"text": plotly_text(knob_title(second))}, "type": "category"},
    )
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(showgrid=False)
    return themed(figure, theme)


def correlations(trials: TrialTable, values: Mapping[str, Floats]) -> tuple[list[str], Floats]:
    """Names of the knobs that vary, and how each goes with each value.

    Of a number knob the rank correlation (Spearman); of one of text the correlation ratio, which
    has no sign: the share of the value's spread in ranks that lies between levels, its root.

    Returns:
        The names, and an array (n_knobs, n_values) from -1 to 1, NaN where nothing varies.
    """
    names, rows = [], []
    texts = text_knobs(trials)
    for name, knob in trials.knobs.items():
        if len(np.unique(knob.codes)) < 2:
            continue
        is_text = name in texts
        found = []
        for column in values.values():
            known = np.isfinite(column) & ~trials.repeated
            codes, ranks = knob.codes[known], _ranks(column[known])
            found.append(_ratio(codes, ranks) if is_text else _linear(_ranks(codes), ranks))
        names.append(name)
        rows.append(found)
    return names, np.array(rows, dtype=np.float64).reshape(len(names), len(values))


def text_knobs(trials: TrialTable) -> set[str]:
    """Knobs with levels of text, whose correlations have no sign."""
    return {
        name
        for name, knob in trials.knobs.items()
        if any(isinstance(level, str) for level in knob.levels)
    }


def correlation_figure(
    names: list[str], titles: list[str], found: Floats, signless: Collection[str], theme: Theme
) -> go.Figure:
    """How knobs go with values, as a table of colours with the numbers in it.

    Args:
        names: of the knobs.
        titles: of the values.
        found: (n_knobs, n_values) of `correlations`.
        signless: knobs whose correlations have no sign: they are drawn in grey.
        theme: of the page.
    """
    middle = "#f2f4f6" if theme == "light" else "#2a3038"
    signed = np.array([name not in signless for name in names], dtype=np.bool_)
    figure = go.Figure()
    for rows, scale, form in (
        (signed, [[0, "#d55e00"], [0.5, middle], [1, "#0072b2"]], "{:+.2f}"),
        (~signed, [[0, middle], [0.5, middle], [1, COLOURS[theme].muted]], "{:.2f}"),
    ):
        shown = np.where(rows[:, None], found, np.nan).tolist()
        figure.add_heatmap(
            z=[[None if np.isnan(v) else v for v in row] for row in shown],
            x=[_broken(title) for title in titles],
            y=[plotly_text(knob_title(name)) for name in names],
            text=[["" if np.isnan(v) else form.format(v) for v in row] for row in shown],
            texttemplate="%{text}",
            colorscale=scale,
            zmin=-1,
            zmax=1,
            showscale=False,
            hoverongaps=False,
            xgap=2,
            ygap=2,
            hovertemplate="%{y} and %{x}: %{text}<extra></extra>",
        )
    styled(figure, height=110 + 26 * len(names))
    figure.update_layout(
        xaxis={"side": "top", "ticks": "", "showline": False, "showgrid": False},
        yaxis={"autorange": "reversed", "ticks": "", "showline": False, "showgrid": False},
        margin={"l": 8, "r": 8, "t": 64, "b": 8},
    )
    return themed(figure, theme)


def _ordered(knob: KnobTrials) -> tuple[np.ndarray[Any, np.dtype[np.intp]], list[str]]:
    """Place of each level, and the texts in the order of the places: numbers in names count."""
    texts = [knob_text(level) for level in knob.levels]
    if not any(isinstance(level, str) for level in knob.levels):
        return np.arange(len(texts)), texts
    order = sorted(range(len(texts)), key=lambda i: natural_key(texts[i]))
    places = np.empty(len(texts), dtype=np.intp)
    places[order] = np.arange(len(texts))
    return places, [texts[i] for i in order]


def _ranks(values: Any) -> Floats:
    """Ranks with ties shared."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[inverse], dtype=np.float64)


def _linear(a: Floats, b: Floats) -> float:
    spread = float(a.std() * b.std()) if len(a) else 0.0
    return float(np.mean((a - a.mean()) * (b - b.mean()))) / spread if spread else float("nan")


def _ratio(codes: Any, values: Floats) -> float:
    if not len(values) or values.std() == 0:
        return float("nan")
    counts = np.bincount(codes)
    taken = counts > 0
    means = np.bincount(codes, weights=values)[taken] / counts[taken]
    between = float(np.sum(counts[taken] * (means - values.mean()) ** 2)) / len(values)
    return float(np.sqrt(between / values.var()))


def _even(rows: Any, most: int) -> Any:
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)]


def _some(n: int, most: int = 12) -> list[int]:
    return list(range(0, n, -(-n // most))) if n else []


def _broken(title: str) -> str:
    """A title in two lines if it is long."""
    words, lines = title.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 15 and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(map(plotly_text, lines))
