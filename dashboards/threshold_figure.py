"""The figure of one design over its threshold."""

from __future__ import annotations

import plotly.graph_objects as go

from dashboards.figure_style import styled
from dashboards.palette import CATEGORIES
from dashboards.theme import COLOURS, Theme, themed
from dashboards.titles import knob_title, metric
from dashboards.what_if import ThresholdCurve


def threshold_figure(
    found: ThresholdCurve, name: str, threshold: float, task: object, theme: Theme
) -> go.Figure:
    """Accuracy and energy of one design over its threshold, with where it stands.

    Args:
        found: the curve.
        name: of the threshold's knob.
        threshold: where it stands.
        task: of the study.
        theme: of the page.
    """
    energy, gain = metric("energy_pj"), metric("accuracy", task)
    figure = go.Figure()
    for about, values, axis, colour, dash in (
        (gain, found.accuracy, "y", CATEGORIES[0], "solid"),
        (energy, found.energy_pj, "y2", CATEGORIES[1], "dash"),
    ):
        figure.add_scatter(
            x=found.thresholds,
            y=values * about.scale,
            yaxis=axis,
            mode="lines",
            line={"color": colour, "width": 2, "dash": dash},
            name=about.title,
            hovertemplate="%{y:.4~g} " + about.unit,
        )
    figure.add_vline(x=threshold, line={"color": COLOURS[theme].muted, "width": 1.5})
    styled(figure, height=380)
    figure.update_layout(
        xaxis={"title": {"text": knob_title(name)}},
        yaxis={"title": {"text": f"{gain.title} ({gain.unit})"}},
        yaxis2={
            "title": {"text": f"{energy.title} ({energy.unit})"},
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
            "rangemode": "tozero",
            "tickmode": "auto",
            "nticks": 6,
        },
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 64, "r": 68, "t": 28, "b": 48},
        hovermode="x unified",
    )
    themed(figure, theme)
    return figure.update_layout(yaxis2={"showgrid": False})
