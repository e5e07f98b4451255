"""Colours and fonts: safe for colour-blind readers, dark on white."""

from __future__ import annotations

from typing import Final

from plotly.colors import sample_colorscale

FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
INK: Final = "#1c2530"
MUTED: Final = "#5a6673"
GRID: Final = "#e6eaef"
DOMINATED: Final = "#c3cad3"

CATEGORIES: Final = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#332288",
    "#882255",
    "#999933",
    "#44aa99",
    "#8c6d46",
    "#6b7785",
)
"""Okabe and Ito's set (https://jfly.uni-koeln.de/color) without black and yellow, then colours of
Paul Tol's "muted" set (SRON/EPS/TN/09-002, 2021) that are far from it, a brown and a grey."""

SEQUENCE: Final = ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151")
"""Viridis without its yellow end, which is hard to see on white."""


def category_colours(n: int) -> tuple[str, ...]:
    """``n`` colours for things without an order; more than there are come from `SEQUENCE`."""
    return CATEGORIES[:n] if n <= len(CATEGORIES) else ordered_colours(n)


def ordered_colours(n: int) -> tuple[str, ...]:
    """``n`` colours from dark to light for things with an order."""
    positions = [i / max(1, n - 1) for i in range(n)]
    return tuple(sample_colorscale(list(SEQUENCE), positions)) if n else ()


def stepped_scale(colours: tuple[str, ...]) -> list[list[float | str]]:
    """A Plotly colour scale of equal flat steps: code i of n, between -0.5 and n - 0.5."""
    n = len(colours)
    return [[edge / n, colour] for i, colour in enumerate(colours) for edge in (i, i + 1)]


def smooth_scale() -> list[list[float | str]]:
    """`SEQUENCE` as a Plotly colour scale."""
    return [[i / (len(SEQUENCE) - 1), colour] for i, colour in enumerate(SEQUENCE)]
