"""Figures of the designs of a front: the front, what survives, parallel coordinates."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go

from dashboards.figure_data import Column, Floats, FrontData, KnobColumn, hover_texts
from dashboards.figure_style import styled
from dashboards.menus import Choice, Menu
from dashboards.palette import (
    CATEGORIES,
    DOMINATED,
    INK,
    MUTED,
    category_colours,
    ordered_colours,
    smooth_scale,
    stepped_scale,
)
from dashboards.ticks import Window, round_ticks, tick_texts, window
from dashboards.titles import measured_text, plotly_text

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
    columns = [column for column in data.metrics if column.name != "accuracy"]
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
                    **_tick_layout("xaxis", shown),
                },
            )
        )
    return Menu("Horizontal axis", (0, 1), tuple(choices))


def colour_menu(data: FrontData) -> Menu:
    """What the front may be coloured by: every knob that varies, then every cost."""
    knobs = sorted(data.knobs, key=lambda knob: (knob.name != "checkpoint", knob.is_number))
    choices = [_knob_colours(knob) for knob in knobs]
    choices += [
        _metric_colours(column)
        for column in data.metrics
        if column.name != "accuracy" and np.ptp(column.values) > 0
    ]
    if not choices:
        choices = [
            Choice(
                "nothing: all knobs and costs are equal",
                traces={"marker.color": [CATEGORIES[0]], "marker.showscale": [False]},
            )
        ]
    return Menu("Colour", (1,), tuple(choices), keeps_window=True)


def survival_figure(data: FrontData) -> go.Figure:
    """Accuracy on the report split against accuracy on the select split, with the diagonal."""
    select, report = data.metric("accuracy"), data.report
    ends = np.array([_error_ends(select), _error_ends(report)])
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
                "colorbar": _colour_bar(accuracy.label),
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
    figure.update_layout(margin={"l": max(60, left + 12), "r": 30, "t": 84, "b": 28})
    return figure


def hover_cards(data: FrontData) -> list[str]:
    """For each design its id, the main metrics with units, and knobs that vary."""
    return [
        f"<b>Design #{data.ids[i]}</b> of trial {data.trials[i]}<br>"
        + "<br>".join(f"{plotly_text(title)}: <b>{plotly_text(text)}</b>" for title, text in card)
        for i, card in enumerate(hover_texts(data))
    ]


def axis_title(column: Column) -> str:
    """A metric with its unit and, on a log axis, that it is one."""
    return f"{column.label}, log scale" if column.scale == "log10" else column.label


def _tick_layout(axis: str, shown: Window) -> dict[str, Any]:
    """Our own ticks on a log axis (Plotly's leave most of a short one blank), its own elsewhere."""
    if shown.scale != "log10":
        return {f"{axis}.tickmode": "auto", f"{axis}.tickvals": None, f"{axis}.ticktext": None}
    wide = Window(shown.low / 1e3, shown.high * 1e3, "log10")  # for those who zoom out
    ticks = round_ticks(shown, 9)
    outside = [t for t in round_ticks(wide, 9) if not shown.low <= t <= shown.high]
    ticks = tuple(sorted({*ticks, *outside}))
    return {
        f"{axis}.tickmode": "array",
        f"{axis}.tickvals": list(ticks),
        f"{axis}.ticktext": list(tick_texts(ticks)),
    }


def _accuracy_window(data: FrontData) -> list[float]:
    low, high = _error_ends(data.metric("accuracy"))
    has_dominated = data.dominated.n_sampled > 0
    return window(low, high, "linear", before=0.25 if has_dominated else 0.06).plotly_range()


def _error_ends(column: Column) -> tuple[float, float]:
    """Lowest and highest end of the error bars."""
    errors = np.nan_to_num(column.errors)
    return float((column.values - errors).min()), float((column.values + errors).max())


def error_bars(column: Column, own: Any = slice(None), *, opacity: float = 0.45) -> dict[str, Any]:
    """Standard errors of some designs for Plotly."""
    return {
        "type": "data",
        "array": rounded(column.errors[own]),
        "visible": column.has_errors,
        "color": f"rgba(90, 102, 115, {opacity})",
        "thickness": 1,
        "width": 0,
    }


def _colour_bar(title: str, ticks: tuple[Any, ...] = (), texts: tuple[str, ...] = ()) -> Any:
    bar: dict[str, Any] = {
        "title": {"text": f"{_wrapped(title, 17)}<br>", "side": "top", "font": {"size": 12.5}},
        "thickness": 14,
        "outlinewidth": 0,
        "tickfont": {"size": 11.5},
        "tickmode": "array" if ticks else "auto",
    }
    if ticks:
        bar["tickvals"] = list(ticks)
        bar["ticktext"] = [plotly_text(text) for text in texts]
    return bar


def _colours(label: str, values: Any, scale: Any, low: float, high: float, bar: Any) -> Choice:
    return Choice(
        label,
        traces={
            "marker.color": [values],
            "marker.colorscale": [scale],
            "marker.cmin": [low],
            "marker.cmax": [high],
            "marker.showscale": [True],
            "marker.colorbar": [bar],
        },
    )


def _knob_colours(knob: KnobColumn) -> Choice:
    n = len(knob.levels)
    if not knob.is_stepped:
        low, high = float(knob.values.min()), float(knob.values.max())
        bar = _colour_bar(knob.title)
        return _colours(knob.title, rounded(knob.values), smooth_scale(), low, high, bar)
    colours = ordered_colours(n) if knob.is_number else category_colours(n)
    bar = _colour_bar(knob.title, tuple(range(n)), knob.texts)
    bar["len"] = min(1.0, 0.12 + 0.07 * n)
    return _colours(knob.title, knob.codes.tolist(), stepped_scale(colours), -0.5, n - 0.5, bar)


def _metric_colours(column: Column) -> Choice:
    values, shown = _on_axis(column)
    ticks = round_ticks(shown)
    if column.scale == "log10":
        bar = _colour_bar(column.label, tuple(map(math.log10, ticks)), tick_texts(ticks))
    else:
        bar = _colour_bar(column.label)
    low, high = float(values.min()), float(values.max())
    return _colours(column.label, rounded(values), smooth_scale(), low, high, bar)


def _on_axis(column: Column) -> tuple[Floats, Window]:
    """Values as they lie on the column's axis (logarithms on a log axis), and its window."""
    low, high = float(column.values.min()), float(column.values.max())
    shown = window(low, high, column.scale, before=0.02, after=0.02)
    return (np.log10(column.values) if shown.scale == "log10" else column.values), shown


def _spread(accuracy: Column) -> Floats:
    """(n_designs,) offsets within ±0.14 by rank in accuracy: lines of one category fan out."""
    ranks = np.argsort(np.argsort(accuracy.values, kind="stable"), kind="stable")
    return np.asarray(0.28 * (ranks / max(1, len(ranks) - 1) - 0.5))


def _knob_dimension(knob: KnobColumn, spread: Floats) -> dict[str, Any]:
    n = len(knob.levels)
    is_named = knob.is_stepped and n <= MAX_CATEGORY_NAMES
    dimension: dict[str, Any] = {
        "label": _wrapped(knob.title),
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
    values, shown = _on_axis(column)
    ticks = round_ticks(shown)
    positions = map(math.log10, ticks) if shown.scale == "log10" else ticks
    return {
        "label": _wrapped(column.label),
        "values": rounded(values),
        "range": shown.plotly_range(),
        "tickvals": list(positions),
        "ticktext": list(tick_texts(ticks)),
    }


def _wrapped(title: str, longest: int = 11) -> str:
    """A title in one line, or in two of about equal length if it is longer than that."""
    words = title.split()
    if len(title) <= longest or len(words) < 2:
        return plotly_text(title)
    splits = [(" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words))]
    return "<br>".join(map(plotly_text, min(splits, key=lambda lines: max(map(len, lines)))))


def rounded(values: Floats) -> list[float | None]:
    """Seven significant digits, which is a third of the bytes; None for NaN."""
    return [None if math.isnan(value) else float(f"{value:.7g}") for value in values.tolist()]
