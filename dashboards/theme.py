"""The two themes of the dashboard, for its pages and for the figures on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import plotly.graph_objects as go

from dashboards.palette import FONT

Theme = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Colours:
    """What a figure is drawn in, beside its data.

    Attributes:
        ink: text.
        muted: axis lines and ticks.
        grid: grid lines.
        card: behind hover cards and between symbols.
        behind: dominated designs.
        shade: regions that a constraint rules out.
        faint: designs that are not selected.
    """

    ink: str
    muted: str
    grid: str
    card: str
    behind: str
    shade: str
    faint: str


COLOURS: Final[dict[Theme, Colours]] = {
    "light": Colours(
        ink="#1c2530",
        muted="#7d8996",
        grid="#e6eaef",
        card="#ffffff",
        behind="#c3cad3",
        shade="rgba(213, 94, 0, 0.08)",
        faint="#d5dae0",
    ),
    "dark": Colours(
        ink="#d9dee4",
        muted="#8b96a3",
        grid="#333b45",
        card="#22272e",
        behind="#566069",
        shade="rgba(230, 159, 0, 0.10)",
        faint="#4a545e",
    ),
}

MANTINE: Final[dict[str, Any]] = {
    "fontFamily": FONT,
    "primaryColor": "ocean",
    "primaryShade": 7,  # white text can be read on it in both themes
    "defaultRadius": "md",
    "autoContrast": True,
    "colors": {
        "ocean": [
            *("#e8f4fc", "#cfe6f6", "#9dcbec", "#68afe2", "#56b4e9"),
            *("#2188ca", "#0f7cc0", "#0067a0", "#005a8c", "#004a75"),
        ],
    },
    "headings": {"fontFamily": FONT, "fontWeight": "600"},
}
"""Theme of the layout components; its blue is that of the first category of `palette`."""


def theme_of(value: object) -> Theme:
    """The theme that a store holds; light if it holds none."""
    return "dark" if value == "dark" else "light"


def themed(figure: go.Figure, theme: Theme) -> go.Figure:
    """A figure of `figure_style.styled` in a theme; as large as the card that it lies on."""
    colours = COLOURS[theme]
    axis = {
        "gridcolor": colours.grid,
        "linecolor": colours.muted,
        "tickcolor": colours.muted,
        "zerolinecolor": colours.muted,
        "title": {"font": {"size": 13}},
        "tickfont": {"size": 12},
    }
    figure.update_layout(
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": colours.ink, "family": FONT, "size": 13},
        hoverlabel={
            "bgcolor": colours.card,
            "bordercolor": colours.muted,
            "font": {"color": colours.ink},
        },
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": colours.muted, "activecolor": colours.ink},
        legend={
            "bgcolor": "rgba(0,0,0,0)",
            "font": {"size": 12},
            "title": {"font": {"size": 12}},
        },
        uirevision="kept",
        height=None,
    )
    figure.update_xaxes(axis)
    figure.update_yaxes(axis)
    figure.for_each_trace(lambda trace: _repaint(trace, colours))
    return figure


def _repaint(trace: Any, colours: Colours) -> None:
    """Colours that a trace has for a white page, for this one."""
    if trace.type == "parcoords":
        font = {"color": colours.ink}
        trace.update(labelfont=font, tickfont=font, unselected={"line": {"color": colours.faint}})
    elif trace.name == "dominated":
        trace.update(marker={"color": colours.behind})
    elif trace.type in ("scatter", "scattergl") and trace.marker.line.color == "white":
        trace.update(marker={"line": {"color": colours.card}})
