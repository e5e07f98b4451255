"""The look that all figures share."""

from __future__ import annotations

import plotly.graph_objects as go

from dashboards.palette import FONT, GRID, INK


def styled(figure: go.Figure, *, height: int) -> go.Figure:
    """The figure in the house style: dark on white, one font, light grid."""
    axis = {
        "gridcolor": GRID,
        "linecolor": "#aab4bf",
        "showline": True,
        "ticks": "outside",
        "tickcolor": "#aab4bf",
        "zeroline": False,
        "automargin": True,
        "title": {"standoff": 12},
    }
    figure.update_layout(
        template="none",
        font={"family": FONT, "size": 13, "color": INK},
        paper_bgcolor="white",
        plot_bgcolor="white",
        height=height,
        autosize=True,
        margin={"l": 72, "r": 24, "t": 24, "b": 60},
        hoverlabel={
            "bgcolor": "white",
            "bordercolor": "#aab4bf",
            "align": "left",
            "font": {"family": FONT, "size": 12, "color": INK},
        },
    )
    figure.update_xaxes(axis)
    figure.update_yaxes(axis)
    return figure
