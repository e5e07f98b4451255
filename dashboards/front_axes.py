"""Axes, colours and error bars of a front's figures, and numbers as they travel."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from dashboards.front_columns import Column, Floats, KnobColumn
from dashboards.menus import Choice
from dashboards.palette import (
    category_colours,
    ordered_colours,
    smooth_scale,
    stepped_scale,
)
from dashboards.ticks import Window, round_ticks, tick_texts, window
from dashboards.titles import plotly_text

MANY: Final = 2_000
"""More numbers than that travel as 32-bit floats instead of text: quicker made, sent and read."""


def axis_title(column: Column) -> str:
    """A metric with its unit and, on a log axis, that it is one."""
    return f"{column.label}, log scale" if column.scale == "log10" else column.label


def tick_layout(axis: str, shown: Window) -> dict[str, Any]:
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


def error_ends(column: Column) -> tuple[float, float]:
    """Lowest and highest end of the error bars."""
    errors = np.nan_to_num(column.errors)
    return float((column.values - errors).min()), float((column.values + errors).max())


def error_bars(column: Column, own: Any = slice(None), *, opacity: float = 0.45) -> dict[str, Any]:
    """Standard errors of some designs for Plotly."""
    return {
        "type": "data",
        "array": numbers(column.errors[own]),
        "visible": column.has_errors,
        "color": f"rgba(90, 102, 115, {opacity})",
        "thickness": 1,
        "width": 0,
    }


def colour_bar(title: str, ticks: tuple[Any, ...] = (), texts: tuple[str, ...] = ()) -> Any:
    """The colour bar of a scale, with its ticks where they are given."""
    bar: dict[str, Any] = {
        "title": {"text": f"{wrapped(title, 17)}<br>", "side": "top", "font": {"size": 12.5}},
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


def knob_colours(knob: KnobColumn) -> Choice:
    """Designs coloured by a knob: a colour for each step, or a smooth range."""
    n = len(knob.levels)
    if not knob.is_stepped:
        low, high = float(knob.values.min()), float(knob.values.max())
        bar = colour_bar(knob.title)
        return _colours(knob.title, rounded(knob.values), smooth_scale(), low, high, bar)
    colours = ordered_colours(n) if knob.is_number else category_colours(n)
    bar = colour_bar(knob.title, tuple(range(n)), knob.texts)
    bar["len"] = min(1.0, 0.12 + 0.07 * n)
    return _colours(knob.title, knob.codes.tolist(), stepped_scale(colours), -0.5, n - 0.5, bar)


def metric_colours(column: Column) -> Choice:
    """Designs coloured by a metric, on its axis' scale."""
    values, shown = on_axis(column)
    ticks = round_ticks(shown)
    if column.scale == "log10":
        bar = colour_bar(column.label, tuple(map(math.log10, ticks)), tick_texts(ticks))
    else:
        bar = colour_bar(column.label)
    low, high = float(values.min()), float(values.max())
    return _colours(column.label, rounded(values), smooth_scale(), low, high, bar)


def on_axis(column: Column) -> tuple[Floats, Window]:
    """Values as they lie on the column's axis (logarithms on a log axis), and its window."""
    low, high = float(column.values.min()), float(column.values.max())
    shown = window(low, high, column.scale, before=0.02, after=0.02)
    return (np.log10(column.values) if shown.scale == "log10" else column.values), shown


def rounded(values: Floats) -> list[float | None]:
    """Seven significant digits, which is a third of the bytes; None for NaN."""
    return [None if math.isnan(value) else float(f"{value:.7g}") for value in values.tolist()]


def numbers(values: Floats) -> Any:
    """Values of a trace: `rounded`, or 32-bit floats (seven digits, too) where there are many."""
    return rounded(values) if len(values) <= MANY else values.astype(np.float32)


def wrapped(title: str, longest: int = 11) -> str:
    """A title in one line, or in two of about equal length if it is longer than that."""
    words = title.split()
    if len(title) <= longest or len(words) < 2:
        return plotly_text(title)
    splits = [(" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words))]
    return "<br>".join(map(plotly_text, min(splits, key=lambda lines: max(map(len, lines)))))
