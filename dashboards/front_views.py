"""Figures of a front for one who looks around in it: any axes, any colour, a selection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go

from dashboards.figure_data import FrontData
from dashboards.figure_style import styled
from dashboards.front_axes import axis_title, error_bars, numbers
from dashboards.front_columns import Column, Floats
from dashboards.front_figures import CROWD, colour_choice, hover_cards
from dashboards.theme import COLOURS, Theme, themed
from dashboards.ticks import Window, round_ticks, tick_texts, window
from dashboards.titles import plotly_text
from studies.objectives import Constraint
from studies.records import Front

SYMBOLS: Final = (
    *("circle", "square", "diamond", "cross", "x", "triangle-up"),
    *("triangle-down", "star", "pentagon", "hexagon"),
)
SYMBOLS_3D: Final = ("circle", "square", "diamond", "cross", "x", "circle-open")
WEBGL_FROM: Final = 1_500
"""Points from which on WebGL draws them, without error bars: thousands of those take most of the
time of a frame, and hide the points."""
MOST_CARDS: Final = 1_500
"""Designs that have a whole card to hover; of more, each tells its number and its values here."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A point beside the front.

    Attributes:
        title: of the point.
        values: by metric, in people's units.
    """

    title: str
    values: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontChoice:
    """What a front figure shows.

    Attributes:
        x: metric.
        y: metric.
        z: metric of a third axis; empty for two axes.
        colour: index in `colour_menu`.
        symbol: name of a knob; empty for one symbol.
        theme: of the page.
    """

    x: str
    y: str
    z: str = ""
    colour: int = 0
    symbol: str = ""
    theme: Theme = "light"


def front_view(
    data: FrontData, front: Front, choice: FrontChoice, marked: Marked | None = None
) -> go.Figure:
    """The designs over two or three metrics, dominated ones in grey behind them."""
    if choice.z:
        return _three_axes(data, choice, marked)
    x, y = data.metric(choice.x), data.metric(choice.y)
    colours = COLOURS[choice.theme]
    figure = go.Figure()
    behind_x, behind_y = data.dominated.column(x.name), data.dominated.column(y.name)
    behind_type = go.Scattergl if len(behind_x) > WEBGL_FROM else go.Scatter
    figure.add_trace(
        behind_type(
            x=numbers(behind_x),
            y=numbers(behind_y),
            mode="markers",
            name="dominated",
            marker={"color": colours.behind, "size": 5, "opacity": 0.55},
            hoverinfo="skip",
        )
    )
    line = _front_line(x, y)
    figure.add_trace(
        go.Scatter(
            x=numbers(x.values[line]),
            y=numbers(y.values[line]),
            mode="lines",
            line={"color": colours.muted, "width": 1.2, "shape": _corner(x, y)},
            name="front of these two",
            hoverinfo="skip",
        )
    )
    kind = go.Scattergl if len(data.ids) > WEBGL_FROM else go.Scatter
    figure.add_trace(_designs(kind, data, choice, SYMBOLS, x=x, y=y))
    if marked is not None and {x.name, y.name} <= marked.values.keys():
        figure.add_trace(_star(go.Scatter, marked, choice, "star", x.name, y.name))
    styled(figure, height=520)
    for axis, column, behind in (("xaxis", x, behind_x), ("yaxis", y, behind_y)):
        also = marked.values.get(column.name) if marked else None
        shown = _shown(column, behind, also)
        figure.update_layout({axis: column_axis(column, shown)})
        _shade(figure, front, column, shown, axis, colours.shade)
    figure.update_layout(
        showlegend=False, dragmode="lasso" if len(data.ids) > 1 else "zoom", hovermode="closest"
    )
    return themed(figure, choice.theme).update_layout(uirevision=f"{x.name}/{y.name}")


def _designs(
    kind: Any, data: FrontData, choice: FrontChoice, symbols: Sequence[str], **axes: Column
) -> Any:
    """The trace of the front's designs, with errors, colours and symbols.

    Which designs are selected is the browser's business (`dashboard.js`): a figure is made once.
    """
    crowd = len(data.ids) > CROWD
    trace = kind(
        **{axis: numbers(column.values) for axis, column in axes.items()},
        **{
            f"error_{axis}": error_bars(column, opacity=0.2 if crowd else 0.4)
            for axis, column in axes.items()
            if column.has_errors and len(data.ids) <= WEBGL_FROM
        },
        mode="markers",
        name="front",
        customdata=data.ids.tolist(),
        marker={"size": (4 if crowd else 5) if "z" in axes else (6 if crowd else 9)},
    )
    if len(data.ids) <= MOST_CARDS:
        trace.update(text=hover_cards(data), hovertemplate="%{text}<extra></extra>")
    else:
        told = "".join(
            f"<br>{plotly_text(column.label)}: <b>%{{{axis}:.4~g}}</b>"
            for axis, column in axes.items()
        )
        trace.update(hovertemplate=f"<b>Design #%{{customdata}}</b>{told}<extra></extra>")
    for path, values in colour_choice(data, choice.colour).traces.items():
        trace.update({path.replace(".", "_"): values[0]})
    knob = next((k for k in data.knobs if k.name == choice.symbol), None)
    if knob is not None:
        trace.marker.symbol = [symbols[code % len(symbols)] for code in knob.codes.tolist()]
    if kind is not go.Scatter3d:
        trace.unselected = {"marker": {"opacity": 0.12}}
    if kind is go.Scatter:
        trace.marker.line = {"color": COLOURS[choice.theme].card, "width": 0.2 if crowd else 0.7}
    return trace


def _three_axes(data: FrontData, choice: FrontChoice, marked: Marked | None) -> go.Figure:
    columns = {axis: data.metric(getattr(choice, axis)) for axis in "xyz"}
    colours = COLOURS[choice.theme]
    names = [column.name for column in columns.values()]
    behind = {axis: numbers(data.dominated.column(c.name)) for axis, c in columns.items()}
    figure = go.Figure(
        go.Scatter3d(
            **behind,
            mode="markers",
            name="dominated",
            marker={"color": colours.behind, "size": 2, "opacity": 0.5},
            hoverinfo="skip",
        )
    )
    figure.add_trace(_designs(go.Scatter3d, data, choice, SYMBOLS_3D, **columns))
    if marked is not None and set(names) <= marked.values.keys():
        figure.add_trace(_star(go.Scatter3d, marked, choice, "diamond", *names))
    themed(styled(figure, height=560), choice.theme)
    axis = {"gridcolor": colours.grid, "color": colours.ink, "showbackground": False}
    scene = {
        f"{name}axis": axis
        | {
            "title": {"text": axis_title(column), "font": {"size": 12}},
            "type": "log" if column.scale == "log10" else "linear",
        }
        for name, column in columns.items()
    }
    figure.update_layout(
        scene=scene | {"camera": {"eye": {"x": 1.6, "y": 1.6, "z": 0.9}}},
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        showlegend=False,
        uirevision="/".join(names),
    )
    return figure


def _star(kind: Any, marked: Marked, choice: FrontChoice, symbol: str, *names: str) -> Any:
    colours = COLOURS[choice.theme]
    values = [marked.values[name] for name in names]
    text = "<br>".join(f"{plotly_text(n)}: {v:.4g}" for n, v in zip(names, values, strict=True))
    return kind(
        **{axis: [value] for axis, value in zip("xyz", values, strict=False)},
        mode="markers",
        name=marked.title,
        marker={
            "symbol": symbol,
            "size": 15 if len(names) == 2 else 7,
            "color": "#cc79a7",
            "line": {"color": colours.ink, "width": 1},
        },
        hovertemplate=f"<b>{plotly_text(marked.title)}</b><br>{text}<extra></extra>",
    )


def _front_line(x: Column, y: Column) -> Any:
    """Indices, in the order of x, of the designs that are on the front of these two alone."""
    sign_x, sign_y = (-1 if column.is_maximised else 1 for column in (x, y))
    order = np.lexsort((sign_y * y.values, sign_x * x.values))
    best = np.minimum.accumulate(sign_y * y.values[order])
    keep = np.ones(len(order), dtype=bool)
    keep[1:] = (sign_y * y.values[order])[1:] < best[:-1]
    return order[keep]


def _corner(x: Column, y: Column) -> str:
    """How steps go between designs of the front: by what the worse of two dominates."""
    return "hv" if not (x.is_maximised and y.is_maximised) else "vh"


def _shown(column: Column, behind: Floats, also: float | None) -> Window:
    """The window of an axis: the front with its errors, and a part of what lies behind it."""
    errors = np.nan_to_num(column.errors)
    low, high = float((column.values - errors).min()), float((column.values + errors).max())
    if column.scale == "log10":
        low = max(low, float(column.values.min()) / 2)
    if also is not None and (also > 0 or column.scale == "linear"):
        low, high = min(low, also), max(high, also)
    margins = (0.06, 0.22 if np.isfinite(behind).any() else 0.06)
    before, after = margins[::-1] if column.is_maximised else margins
    return window(low, high, column.scale, before=before, after=after)


def column_axis(column: Column, shown: Window, n_ticks: int = 9) -> dict[str, Any]:
    """Layout of an axis: its title with the unit, its range, and our own ticks on a log one."""
    layout: dict[str, Any] = {
        "title": {"text": axis_title(column)},
        "type": "log" if shown.scale == "log10" else "linear",
        "range": shown.plotly_range(),
    }
    if shown.scale == "log10":
        wide = Window(shown.low / 1e3, shown.high * 1e3, "log10")
        inside = round_ticks(shown, n_ticks)
        outside = [t for t in round_ticks(wide, n_ticks) if not shown.low <= t <= shown.high]
        ticks = tuple(sorted({*inside, *outside}))
        layout |= {"tickvals": list(ticks), "ticktext": list(tick_texts(ticks))}
    return layout


def _shade(
    figure: go.Figure, front: Front, column: Column, shown: Window, axis: str, colour: str
) -> None:
    """Shade what the study's constraints on a metric rule out."""
    for text in front.constraints:
        constraint = Constraint.model_validate(Constraint.parse(text))
        if constraint.metric != column.name:
            continue
        bound = constraint.bound * column.of_unit
        ends = (bound, shown.high) if constraint.upper else (shown.low, bound)
        ends = (max(ends[0], shown.low), min(ends[1], shown.high))
        if ends[0] < ends[1]:
            add = figure.add_vrect if axis == "xaxis" else figure.add_hrect
            names = ("x0", "x1") if axis == "xaxis" else ("y0", "y1")
            add(
                **dict(zip(names, ends, strict=True)), fillcolor=colour, line_width=0, layer="below"
            )
