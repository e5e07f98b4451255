"""Figures of the designs of a front: the front, what survives, parallel coordinates."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go

from dashboards.figure_data import FrontData, hover_texts
from dashboards.figure_style import styled
from dashboards.front_axes import (
    axis_title,
    colour_bar,
    error_bars,
    error_ends,
    knob_colours,
    metric_colours,
    on_axis,
    rounded,
    tick_layout,
    wrapped,
)
from dashboards.front_columns import Column, Floats, KnobColumn
from dashboards.menus import Choice, Menu
from dashboards.palette import (
    CATEGORIES,
    DOMINATED,
    INK,
    MUTED,
    category_colours,
    smooth_scale,
)
from dashboards.ticks import round_ticks, tick_texts, window
from dashboards.titles import measured_text, plotly_text
from studies.metrics import is_score

MAX_CATEGORY_NAMES: Final = 24
"""Levels that a parallel axis can name without overlap."""


CROWD: Final = 500
"""With more designs than that, dots are smaller and error bars paler."""


def front_figure(data: FrontData) -> go.Figure:
    """Accuracy against the first choice of `x_menu`, coloured by the first of `colour_menu`."""
    accuracy = data.metric("accuracy")
    is_crowded = len(data.ids) > CROWD
    figure = go.Figure(
        [
            go.Scatter(
                y=rounded(data.dominated.column("accuracy")),
                mode="markers",
                name="dominated",
                marker={"color": DOMINATED, "size": 5, "opacity": 0.6},
                hoverinfo="skip",
            ),
            go.Scatter(
                y=rounded(accuracy.values),
                error_y=error_bars(accuracy, opacity=0.2 if is_crowded else 0.45),
                error_x=error_bars(accuracy, opacity=0.2 if is_crowded else 0.45),
                mode="markers",
                name="front",
                marker={
                    "size": 6 if is_crowded else 9,
                    "line": {"color": "white", "width": 0.2 if is_crowded else 0.7},
                },
                unselected={"marker": {"opacity": 0.08}},
                customdata=data.ids.tolist(),
                text=hover_cards(data),
                hovertemplate="%{text}<extra></extra>",
            ),
        ]
    )
    styled(figure, height=560)
    shown = _accuracy_window(data)
    figure.update_layout(
        showlegend=False,
        yaxis={"title": {"text": f"{accuracy.label}, select split"}, "range": shown},
        hovermode="closest",
    )
    for menu in (x_menu(data), colour_menu(data)):
        menu.start(figure)
    return figure


def x_menu(data: FrontData) -> Menu:
    """What the front may be drawn against: every metric but accuracy, objectives first."""
    columns = [column for column in data.metrics if not is_score(column.name)]
    columns.sort(key=lambda column: (column.name != "energy_pj", not column.is_objective))
    choices = []
    for column in columns:
        behind = data.dominated.column(column.name)
        low, high = float(column.values.min()), float(column.values.max())
        is_known = bool(np.isfinite(behind).any())
        margins = (0.06, 0.25 if is_known else 0.06)  # dominated designs lie on the worse side
        before, after = margins[::-1] if column.is_maximised else margins
        shown = window(low, high, column.scale, before=before, after=after)
        traces: dict[str, list[Any]] = {
            "x": [rounded(behind) if is_known else [], rounded(column.values)],
            "error_x.array": [None, rounded(column.errors) if column.has_errors else None],
            "error_x.visible": [False, column.has_errors],
        }
        choices.append(
            Choice(
                column.label,
                traces,
                layout={
                    "xaxis.title.text": axis_title(column),
                    "xaxis.type": "log" if shown.scale == "log10" else "linear",
                    "xaxis.range": shown.plotly_range(),
                    **tick_layout("xaxis", shown),
                },
            )
        )
    return Menu("Horizontal axis", (0, 1), tuple(choices))


def colour_menu(data: FrontData) -> Menu:
    """What the front may be coloured by: every knob that varies, then every cost."""
    choices = [colour_choice(data, i) for i in range(len(colour_titles(data)))]
    return Menu("Colour", (1,), tuple(choices), keeps_window=True)


def colour_titles(data: FrontData) -> list[str]:
    """Titles of the choices of `colour_menu`; always at least one."""
    titles = [c.title if isinstance(c, KnobColumn) else c.label for c in _colour_columns(data)]
    return titles or ["nothing: all knobs and costs are equal"]


def colour_choice(data: FrontData, index: int) -> Choice:
    """One choice of `colour_menu` alone; any number counts, as those of a circle do."""
    columns = _colour_columns(data)
    if not columns:
        return Choice(
            colour_titles(data)[0],
            traces={"marker.color": [CATEGORIES[0]], "marker.showscale": [False]},
        )
    column = columns[index % len(columns)]
    return knob_colours(column) if isinstance(column, KnobColumn) else metric_colours(column)


def _colour_columns(data: FrontData) -> list[KnobColumn | Column]:
    knobs = sorted(data.knobs, key=lambda knob: (knob.name != "checkpoint", knob.is_number))
    costs = [c for c in data.metrics if not is_score(c.name) and np.ptp(c.values) > 0]
    return [*knobs, *costs]


def survival_figure(data: FrontData) -> go.Figure:
    """Accuracy on the report split against accuracy on the select split, with the diagonal."""
    select, report = data.metric("accuracy"), data.report
    ends = np.array([error_ends(select), error_ends(report)])
    shown = window(float(ends[:, 0].min()), float(ends[:, 1].max()), "linear")
    figure = go.Figure(
        go.Scatter(
            x=[shown.low, shown.high],
            y=[shown.low, shown.high],
            mode="lines",
            line={"color": MUTED, "width": 1.5, "dash": "dash"},
            name="nothing lost",
            hoverinfo="skip",
        )
    )
    opacity, size = (0.12, 5) if len(data.ids) > CROWD else (0.25, 7)
    group = next((knob for knob in data.knobs if knob.name == "checkpoint"), None)
    texts = group.texts if group else ("front",)
    codes = group.codes if group else np.zeros(len(data.ids), dtype=np.intp)
    for code, (text, colour) in enumerate(zip(texts, category_colours(len(texts)), strict=True)):
        own = np.flatnonzero(codes == code)
        figure.add_scatter(
            x=rounded(select.values[own]),
            y=rounded(report.values[own]),
            error_x=error_bars(select, own, opacity=opacity),
            error_y=error_bars(report, own, opacity=opacity),
            mode="markers",
            marker={"color": colour, "size": size, "line": {"color": "white", "width": 0.4}},
            name=plotly_text(text),
            text=[
                f"<b>Design #{data.ids[i]}</b><br>"
                f"select {measured_text(select.values[i], select.errors[i])} {select.unit}<br>"
                f"report {measured_text(report.values[i], report.errors[i])} {report.unit}"
                for i in own
            ],
            hovertemplate="%{text}<extra></extra>",
        )
    styled(figure, height=600)
    ends_shown = shown.plotly_range()
    figure.update_layout(
        xaxis={"title": {"text": f"{select.label}, select split"}, "range": ends_shown},
        yaxis={"title": {"text": f"{report.label}, report split"}, "range": ends_shown},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        hovermode="closest",
    )
    return figure


def parallel_figure(data: FrontData) -> go.Figure:
    """One line a design across the knobs that vary and the objectives, coloured by accuracy."""
    accuracy = data.metric("accuracy")
    objectives = [column for column in data.metrics if column.is_objective]
    figure = go.Figure(
        go.Parcoords(
            dimensions=[
                *(_knob_dimension(knob, _spread(accuracy)) for knob in data.knobs),
                *map(_metric_dimension, objectives),
            ],
            ids=[str(i) for i in data.ids],
            line={
                "color": rounded(accuracy.values),
                "colorscale": smooth_scale(),
                "showscale": True,
                "colorbar": colour_bar(accuracy.label),
            },
            unselected={"line": {"color": "#d5dae0", "opacity": 0.15}},
            labelfont={"size": 11, "color": INK},
            tickfont={"size": 11, "color": INK},
            rangefont={"size": 1, "color": "rgba(0,0,0,0)"},
        )
    )
    styled(figure, height=540)
    first = data.knobs[0] if data.knobs else None
    left = 7 * max(map(len, first.texts)) if first and first.is_stepped else 60
    figure.update_layout(margin={"l": max(60, left + 12), "r": 46, "t": 84, "b": 28})
    return figure


def hover_cards(data: FrontData) -> list[str]:
    """For each design its id, the main metrics with units, and knobs that vary."""
    return [
        f"<b>Design #{data.ids[i]}</b> of trial {data.trials[i]}<br>"
        + "<br>".join(f"{plotly_text(title)}: <b>{plotly_text(text)}</b>" for title, text in card)
        for i, card in enumerate(hover_texts(data))
    ]


def _accuracy_window(data: FrontData) -> list[float]:
    low, high = error_ends(data.metric("accuracy"))
    has_dominated = data.dominated.n_sampled > 0
    return window(low, high, "linear", before=0.25 if has_dominated else 0.06).plotly_range()


def _spread(accuracy: Column) -> Floats:
    """(n_designs,) offsets within ±0.14 by rank in accuracy: lines of one category fan out."""
    ranks = np.argsort(np.argsort(accuracy.values, kind="stable"), kind="stable")
    return np.asarray(0.28 * (ranks / max(1, len(ranks) - 1) - 0.5))


def _knob_dimension(knob: KnobColumn, spread: Floats) -> dict[str, Any]:
    n = len(knob.levels)
    is_named = knob.is_stepped and n <= MAX_CATEGORY_NAMES
    dimension: dict[str, Any] = {
        "label": wrapped(knob.title),
        "values": rounded(knob.codes + spread),
    }
    if is_named:
        dimension |= {"tickvals": list(range(n)), "ticktext": list(knob.texts)}
        dimension["range"] = [-0.3, n - 0.7]
    elif knob.is_number:
        dimension["values"] = rounded(knob.values)
    else:
        some = list(range(0, n, math.ceil(n / MAX_CATEGORY_NAMES)))
        dimension |= {"tickvals": some, "ticktext": [knob.texts[i] for i in some]}
    return dimension


def _metric_dimension(column: Column) -> dict[str, Any]:
    values, shown = on_axis(column)
    ticks = round_ticks(shown)
    positions = map(math.log10, ticks) if shown.scale == "log10" else ticks
    return {
        "label": wrapped(column.label),
        "values": rounded(values),
        "range": shown.plotly_range(),
        "tickvals": list(positions),
        "ticktext": list(tick_texts(ticks)),
    }
