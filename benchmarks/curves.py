"""Line and bar charts as SVG pictures, for the pages of the documentation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

WIDTH: Final = 890
HEIGHT: Final = 440
LEFT: Final = 60
RIGHT: Final = 230
TOP: Final = 20
BOTTOM: Final = 46
_COLOURS: Final = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"),
    *("#000000", "#7f7f7f", "#8c564b", "#17becf", "#bcbd22"),
)


def chart(
    curves: Mapping[str, Sequence[float]], low: float, x_title: str, y_title: str, step: int = 1
) -> str:
    """The picture of curves over 1, 2, … steps; names that begin with ``joint`` are dotted.

    Args:
        curves: values by name, between ``low`` and 1; those below are not drawn.
        low: lowest value of the axis.
        x_title: what is counted.
        y_title: what the values are.
        step: how many of what is counted a step is.
    """
    most = max(len(values) for values in curves.values())

    def x(count: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (count - 1) / max(1, most - 1)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value) / (1 - low)

    parts = []
    for tenth in range(round(low * 10), 11):
        height = y(tenth / 10)
        parts.append(f'<path d="M{LEFT},{height:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, height + 4, f"{tenth * 10} %", "end"))
    for count in range(0, most + 1, 20):
        label = f"{max(1, count) * step:,}"
        parts.append(_text(x(max(1, count)), HEIGHT - BOTTOM + 18, label, "middle"))
    for place, (name, values) in enumerate(curves.items()):
        points = " ".join(
            f"{x(i):.1f},{y(value):.1f}" for i, value in enumerate(values, 1) if value >= low
        )
        dash = ' stroke-dasharray="3 3"' if name.startswith("joint") else ""
        style = f'fill="none" stroke="{_COLOURS[place % len(_COLOURS)]}" stroke-width="2"{dash}'
        parts.append(f'<polyline points="{points}" {style}/>')
        height = TOP + 16 + 18 * place
        start = WIDTH - RIGHT + 16
        parts.append(f'<path d="M{start},{height - 4}h24" {style}/>')
        parts.append(_text(start + 32, height, name, "start"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_title, "middle"))
    parts.append(_text(LEFT, 12, y_title, "start"))
    return _picture(parts, HEIGHT)


def bars(values: Mapping[str, float], title: str) -> str:
    """The picture of a bar for each value, on a log axis from a tenth of the least one.

    Args:
        values: above 0, by name.
        title: what they are, with the unit.
    """
    low = math.log10(min(values.values())) - 1
    scale = (WIDTH - LEFT - 2 * RIGHT) / (math.log10(max(values.values())) - low)
    parts = [_text(LEFT + RIGHT, 14, f"{title}, log scale", "start")]
    for place, (name, value) in enumerate(values.items()):
        top = 26 + 30 * place
        length = (math.log10(value) - low) * scale
        parts.append(_text(LEFT + RIGHT - 10, top + 15, name, "end"))
        parts.append(
            f'<rect x="{LEFT + RIGHT}" y="{top}" width="{length:.1f}" height="20" '
            f'fill="{_COLOURS[place % len(_COLOURS)]}"/>'
        )
        told = f"{value:,.2f}" if value < 10 else f"{value:,.0f}"
        parts.append(_text(LEFT + RIGHT + length + 8, top + 15, told, "start"))
    return _picture(parts, 36 + 30 * len(values))


def _picture(parts: Sequence[str], height: int) -> str:
    content = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" '
        f'fill="white"/>\n{content}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
