"""Figure data to figures: the search's history, and bars of parts of every design."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figure_data import HistoryData
from dashboards.figure_style import styled
from dashboards.menus import Choice, Menu
from dashboards.palette import CATEGORIES, category_colours, ordered_colours
from dashboards.stack_data import Stack
from dashboards.titles import plotly_text, with_unit, words

MAX_PARTS = len(CATEGORIES)
"""Parts that a breakdown names; smaller ones are summed under one name."""


def history_figure(history: HistoryData) -> go.Figure:
    """Hypervolume and front size against designs scored."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.09)
    lines = (
        (history.hypervolumes.tolist(), "Hypervolume", "%{y:.5f}"),
        (history.front_sizes.tolist(), "Front size (designs)", "%{y:,}"),
    )
    for row, ((values, title, shown), colour) in enumerate(
        zip(lines, CATEGORIES, strict=False), start=1
    ):
        figure.add_scatter(
            y=values,
            mode="lines+markers" if len(values) <= 40 else "lines",
            line={"color": colour, "width": 2, "shape": "hv"},
            marker={"size": 5},
            hovertemplate=f"{title} {shown} after %{{x:,}}<extra></extra>",
            showlegend=False,
            row=row,
            col=1,
        )
        figure.update_yaxes(title_text=title, row=row, col=1)
    styled(figure, height=460)
    figure.update_xaxes(showticklabels=True, row=2, col=1)
    figure.update_layout(yaxis={"tickformat": ".4~g"}, yaxis2={"rangemode": "tozero"})
    history_menu(history).start(figure)
    return figure


def history_menu(history: HistoryData) -> Menu:
    """What the history may be drawn against."""
    choices = tuple(
        Choice(
            title,
            traces={"x": [values.tolist(), values.tolist()]},
            layout={"xaxis2.title.text": title},
        )
        for title, values in (
            ("Designs scored", history.designs_scored),
            ("Trials", history.trials),
        )
    )
    return Menu("Horizontal axis", (0, 1), choices)


def breakdown_figure(stack: Stack, title: str, unit: str) -> go.Figure:
    """Stacked bars of the parts of one cost; pointing at one tells its amount and its share."""
    stack = gathered(stack)
    n_parts = len(stack.parts)
    told = "%{x}: %{customdata[0]:.4~g} " + plotly_text(unit)
    hover = told + ", %{customdata[1]:.1f} % of the total<extra>%{fullData.name}</extra>"
    figure = go.Figure(
        [
            go.Bar(
                x=list(stack.labels),
                y=_numbers(values),
                name=plotly_text(words(part)),
                marker={"color": colour, "line": {"width": 0}},
                customdata=np.column_stack([values, shares]).round(9).tolist(),
                hovertemplate=hover,
            )
            for part, values, shares, colour in zip(
                stack.parts, stack.values, stack.shares, category_colours(n_parts), strict=True
            )
        ]
    )
    _stacked(figure, with_unit(title, unit))
    return figure


def share_menu(title: str, unit: str) -> Menu:
    """Whether a breakdown shows amounts or shares of each design's total."""
    amount = with_unit(title, unit)
    share = "Share of the total (%)"
    return Menu(
        "Show",
        (),
        (
            Choice(f"amounts ({unit})", layout={"barnorm": "", "yaxis.title.text": amount}),
            Choice(
                "shares of each design's total (%)",
                layout={"barnorm": "percent", "yaxis.title.text": share},
            ),
        ),
    )


def exit_figure(stack: Stack) -> go.Figure:
    """Stacked bars: the share of sentences that leaves after each layer."""
    names = [words(part) for part in stack.parts]
    return _share_figure(stack, names, "Sentences that exit (%)")


def voltage_figure(stack: Stack) -> go.Figure:
    """Stacked bars: the share of sentences whose later layers run at each voltage."""
    names = [part if part.rstrip().endswith("V") else f"{part} V" for part in stack.parts]
    return _share_figure(stack, names, "Sentences at a voltage (%)")


def gathered(stack: Stack, most: int = MAX_PARTS) -> Stack:
    """The stack with its smallest parts summed, so that at most ``most`` have a name."""
    if len(stack.parts) <= most:
        return stack
    rest = stack.values[most - 1 :].sum(axis=0, keepdims=True)
    name = f"{len(stack.parts) - most + 1} smaller parts"
    return Stack(
        stack.labels,
        (*stack.parts[: most - 1], name),
        np.concatenate([stack.values[: most - 1], rest]),
        stack.n_front,
    )


def _share_figure(stack: Stack, names: list[str], title: str) -> go.Figure:
    colours = ordered_colours(len(names))
    figure = go.Figure(
        [
            go.Bar(
                x=list(stack.labels),
                y=_numbers(values),
                name=plotly_text(name),
                marker={"color": colour, "line": {"color": "white", "width": 0.6}},
                hovertemplate="%{x}: %{y:.1f} %<extra>%{fullData.name}</extra>",
            )
            for name, values, colour in zip(names, stack.values, colours, strict=True)
        ]
    )
    _stacked(figure, title)
    figure.update_yaxes(range=[0, 100.5])
    return figure


def _stacked(figure: go.Figure, y_title: str) -> None:
    styled(figure, height=400)
    figure.update_layout(
        barmode="stack",
        bargap=0.18,
        xaxis={
            "title": {"text": "Design, in the order of the front"},
            "type": "category",
            "tickfont": {"size": 11},
            "tickangle": -45,
            "showgrid": False,
        },
        yaxis={"title": {"text": y_title}},
        legend={"traceorder": "reversed", "font": {"size": 12}},
        hovermode="closest",
    )


def _numbers(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(f"{value:.6g}") for value in values.tolist()]
