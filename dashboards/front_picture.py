"""The front as a small still picture: plain SVG for a README."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from dashboards.figure_data import FrontData, evenly_spaced, front_data
from dashboards.front_columns import Column, Floats
from dashboards.palette import DOMINATED, FONT, GRID, INK, MUTED, category_colours
from dashboards.ticks import Window, round_ticks, tick_texts, window
from studies.records import Front
from studies.whole_files import write_whole

WIDTH: Final = 760
HEIGHT: Final = 460
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 64, 58
MAX_DOMINATED: Final = 600
MAX_FRONT: Final = 400


def write_front_svg(front: Front, path: Path) -> None:
    """Write the picture of a front, whole or not at all.

    Raises:
        FigureError: the record cannot be shown (see `front_data`).
        UnwritableError: the picture cannot be written.
    """
    write_whole(path, front_svg(front).encode())


def front_svg(front: Front) -> str:
    """Accuracy against energy, coloured by checkpoint, dominated designs in grey."""
    if not front.designs:
        return _svg(
            front.title, _text(WIDTH / 2, HEIGHT / 2, "No design is on the front.", "middle")
        )
    data = front_data(front, MAX_FRONT)
    energy, accuracy = data.metric("energy_pj"), data.metric("accuracy")
    x_axis = window(float(energy.values.min()), float(energy.values.max()), energy.scale, after=0.3)
    errors = np.nan_to_num(accuracy.errors)
    y_axis = window(
        float((accuracy.values - errors).min()),
        float((accuracy.values + errors).max()),
        "linear",
        before=0.2,
    )
    parts = [_axes(x_axis, y_axis, energy, accuracy)]
    parts.append(_dominated(data, x_axis, y_axis))
    parts += _groups(data, x_axis, y_axis)
    parts.append(_caption(data))
    return _svg(front.title, "\n".join(parts))


def _svg(title: str, content: str) -> str:
    label = escape(title, {'"': "&quot;"})
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" \
width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{label}" \
font-family="{FONT}" font-size="13" fill="{INK}">
<title>{label}</title>
<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>
{_text(LEFT, 24, _shortened(title), "start", size=16, weight=600)}
{content}
</svg>
"""


def _axes(x_axis: Window, y_axis: Window, energy: Column, accuracy: Column) -> str:
    lines, texts = [], []
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    x_ticks, y_ticks = round_ticks(x_axis, 8), round_ticks(y_axis, 6)
    xs, ys = _x(np.array(x_ticks), x_axis), _y(np.array(y_ticks), y_axis)
    for x, text in zip(xs, tick_texts(x_ticks), strict=True):
        lines.append(f"M{x:.1f} {TOP}V{bottom + 5}")
        texts.append(_text(x, bottom + 20, text, "middle"))
    for y, text in zip(ys, tick_texts(y_ticks), strict=True):
        lines.append(f"M{LEFT - 5} {y:.1f}H{right}")
        texts.append(_text(LEFT - 9, y + 4.5, text, "end"))
    x_title = energy.label + (", log scale" if x_axis.scale == "log10" else "")
    texts.append(_text((LEFT + right) / 2, HEIGHT - 14, x_title, "middle"))
    y_title = f"{accuracy.label}, ± standard error"
    middle = (TOP + bottom) / 2
    texts.append(
        f'<g transform="rotate(-90 20 {middle})">{_text(20, middle, y_title, "middle")}</g>'
    )
    frame = f'<path d="M{LEFT} {TOP}V{bottom}H{right}" stroke="#8b96a3" fill="none"/>'
    return f'<path d="{"".join(lines)}" stroke="{GRID}" fill="none"/>\n{frame}\n' + "\n".join(texts)


def _dominated(data: FrontData, x_axis: Window, y_axis: Window) -> str:
    x = x_axis.position(data.dominated.column("energy_pj"))
    y = y_axis.position(data.dominated.column("accuracy"))
    inside = np.flatnonzero((x >= 0) & (x <= 1) & (y >= 0) & (y <= 1))
    some = inside[evenly_spaced(len(inside), MAX_DOMINATED)]
    dots = _dots(_pixels_x(x[some]), _pixels_y(y[some]))
    return _dot_path(dots, DOMINATED, 4.5)


def _groups(data: FrontData, x_axis: Window, y_axis: Window) -> list[str]:
    """Error bars and dots of each checkpoint, and the legend above the plot."""
    group = next((knob for knob in data.knobs if knob.name == "checkpoint"), None)
    texts = group.texts if group else ("Pareto front",)
    codes = group.codes if group else np.zeros(len(data.ids), dtype=np.intp)
    accuracy = data.metric("accuracy")
    x = _x(data.metric("energy_pj").values, x_axis)
    y = _y(accuracy.values, y_axis)
    length = np.nan_to_num(accuracy.errors) * (HEIGHT - TOP - BOTTOM) / (y_axis.high - y_axis.low)
    parts, legend_x = [], float(LEFT)
    legend = [
        *zip(texts, category_colours(len(texts)), strict=True),
        *([("dominated", DOMINATED)] if data.dominated.n_sampled else []),
    ]
    for code, (text, colour) in enumerate(legend):
        own = np.flatnonzero(codes == code)
        bars = "".join(
            f"M{x[i]:.1f} {y[i] - length[i]:.1f}v{2 * length[i]:.1f}" for i in own if length[i] > 0
        )
        if bars:
            parts.append(f'<path d="{bars}" stroke="{colour}" stroke-opacity=".35" fill="none"/>')
        parts.append(_dot_path(_dots(x[own], y[own]), colour, 7))
        parts.append(_dot_path(_dots(np.array([legend_x + 4]), np.array([44.0])), colour, 8))
        parts.append(_text(legend_x + 13, 48.5, text, "start"))
        legend_x += 13 + 7.4 * len(text) + 22
    return parts


def _caption(data: FrontData) -> str:
    shown = len(data.ids)
    count = f"{shown:,}" if shown == data.n_front else f"{shown:,} of {data.n_front:,}"
    objectives = sum(column.is_objective for column in data.metrics)
    text = f"{count} designs, front of {objectives} objectives"
    return _text(WIDTH - RIGHT, 48.5, text, "end", colour=MUTED)


def _text(
    x: float,
    y: float,
    text: str,
    anchor: str,
    *,
    size: int = 13,
    weight: int = 400,
    colour: str = INK,
) -> str:
    look = f' font-size="{size}" font-weight="{weight}"' if (size, weight) != (13, 400) else ""
    look += f' fill="{colour}"' if colour != INK else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{look}>{escape(text)}</text>'


def _dots(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """A path of lines too short to see: with round ends each is a dot, at twelve bytes."""
    return "".join(f"M{a:.1f} {b:.1f}h.01" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _dot_path(dots: str, colour: str, diameter: float) -> str:
    if not dots:
        return ""
    return (
        f'<path d="{dots}" stroke="{colour}" stroke-width="{diameter}" stroke-linecap="round" '
        'fill="none"/>'
    )


def _x(values: Floats, axis: Window) -> Floats:
    return _pixels_x(axis.position(values))


def _y(values: Floats, axis: Window) -> Floats:
    return _pixels_y(axis.position(values))


def _pixels_x(positions: Floats) -> Floats:
    return LEFT + positions * (WIDTH - LEFT - RIGHT)


def _pixels_y(positions: Floats) -> Floats:
    return (HEIGHT - BOTTOM) - positions * (HEIGHT - TOP - BOTTOM)


def _shortened(title: str, most: int = 84) -> str:
    return title if len(title) <= most else title[: most - 1].rstrip() + "…"
