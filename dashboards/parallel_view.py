"""Parallel lines: one line a design over knobs and objectives, each of which tells of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboards.figure_data import FrontData
from dashboards.figure_style import styled
from dashboards.front_axes import rounded
from dashboards.front_columns import Column, Floats, KnobColumn
from dashboards.front_figures import hover_cards
from dashboards.palette import CATEGORIES
from dashboards.theme import COLOURS, Colours, Theme, themed
from dashboards.titles import plotly_text


def parallel_lines(
    data: FrontData, theme: Theme, selected: Sequence[int] = (), most: int = 300
) -> go.Figure:
    """One line a design over knobs and objectives, every objective turned so that better is down.

    Axes run from 0 to 1: a knob's levels in equal steps, a metric between the ends of the front.
    """
    names = [knob.title for knob in data.knobs]
    objectives = [column for column in data.metrics if column.is_objective]
    places = [*map(_knob_places, data.knobs), *map(_metric_places, objectives)]
    rows = np.arange(len(data.ids))[:most]
    height = np.column_stack(places)[rows] if places else np.zeros((len(rows), 0))
    chosen = np.isin(data.ids[rows], selected) if len(selected) else np.ones(len(rows), dtype=bool)
    colours = COLOURS[theme]
    figure = go.Figure()
    cards = hover_cards(data)
    groups = next((k for k in data.knobs if k.name == "checkpoint"), None)
    codes = groups.codes[rows] if groups else np.zeros(len(rows), dtype=np.intp)
    levels = groups.texts if groups else ("front",)
    layers: list[tuple[str, str, Any, float]] = [
        ("not selected", colours.faint, ~chosen, 0.5),
        *(
            (text, CATEGORIES[code % len(CATEGORIES)], chosen & (codes == code), 0.55)
            for code, text in enumerate(levels)
        ),
    ]
    n_axes = height.shape[1]
    for name, colour, mask, opacity in layers:
        own = np.flatnonzero(mask)
        if not len(own):
            continue
        y = np.column_stack([height[own], np.full(len(own), np.nan)]).ravel()
        figure.add_trace(
            go.Scatter(
                x=[*range(n_axes), None] * len(own),
                y=rounded(y),
                mode="lines+markers",
                line={"color": colour, "width": 1.1},
                marker={"size": 5, "color": colour},
                opacity=opacity,
                name=plotly_text(name),
                customdata=np.repeat(data.ids[rows][own], n_axes + 1).tolist(),
                text=[cards[i] for i in own for _ in range(n_axes + 1)],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    styled(figure, height=430)
    titles = [*names, *(column.label for column in objectives)]
    figure.update_layout(
        xaxis={
            "tickvals": list(range(n_axes)),
            "ticktext": [_lines(title) for title in titles],
            "side": "top",
            "range": [-0.35, n_axes - 0.65],
            "showline": False,
            "ticks": "",
            "tickangle": 0,
            "tickfont": {"size": 10},
            "gridcolor": colours.muted,
        },
        yaxis={
            "range": [-0.06, 1.06],
            "tickvals": [0, 1],
            "ticktext": ["best", "worst"],
            "showgrid": False,
            "showline": False,
            "ticks": "",
            "side": "right",
        },
        margin={"l": 24, "r": 56, "t": 76, "b": 12},
        showlegend=len(levels) > 1,
        legend={"orientation": "h", "y": -0.02, "yanchor": "top"},
        hovermode="closest",
    )
    _end_texts(figure, data, objectives, colours)
    themed(figure, theme)
    return figure.update_xaxes(tickfont={"size": 10}, gridcolor=colours.muted)


def _end_texts(
    figure: go.Figure, data: FrontData, objectives: Sequence[Column], colours: Colours
) -> None:
    """The values at both ends of each axis."""
    ends = [(knob.texts[-1], knob.texts[0]) for knob in data.knobs]
    for column in objectives:
        values = (float(column.values.max()), float(column.values.min()))
        low, high = (f"{value:.3g}" for value in values[:: 1 if column.is_maximised else -1])
        ends.append((high, low))
    for i, (top, bottom) in enumerate(ends):
        for text, y, anchor in ((top, 1.01, "bottom"), (bottom, -0.01, "top")):
            figure.add_annotation(
                x=i,
                y=y,
                text=plotly_text(_short(text)),
                showarrow=False,
                yanchor=anchor,
                font={"size": 9.5, "color": colours.ink},
                bgcolor=colours.card,
                borderpad=1,
            )


def _knob_places(knob: KnobColumn) -> Floats:
    return np.asarray(knob.codes / max(1, len(knob.levels) - 1))


def _metric_places(column: Column) -> Floats:
    """0 for the best design, 1 for the worst, in the logarithm on a log axis."""
    values = np.log10(column.values) if column.scale == "log10" else column.values
    places = (values - values.min()) / (np.ptp(values) or 1.0)
    return np.asarray(1 - places if column.is_maximised else places)


def _short(text: str, longest: int = 10) -> str:
    """A text cut to its room; of a number format the widths stay, which tell it from the others.

    AdaptivFloat is ``af``, as in the printed front.
    """
    text = text.replace("adaptivfloat", "af")
    if len(text) <= longest:
        return text
    widths = text[text.find("<") :] if text.endswith(">") else ""
    return f"{text[: max(longest - 1 - len(widths), 1)]}…{widths}"


def _lines(title: str, longest: int = 9) -> str:
    lines = [""]
    for word in title.split():
        if len(lines[-1]) + len(word) + 1 > longest and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(map(plotly_text, lines[:4]))
