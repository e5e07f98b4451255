"""The front: any two or three metrics, parallel lines, the table, and one selection for all."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import (
    ClientsideFunction,
    Dash,
    Input,
    Output,
    State,
    ctx,
    dcc,
    html,
)
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from dashboards.cards import card, figure_card, sentence, sentence_figure
from dashboards.clicked_design import open_clicked
from dashboards.design_table import design_grid
from dashboards.front_figures import colour_titles, parallel_figure
from dashboards.front_selection import register_selection
from dashboards.front_views import WEBGL_FROM, FrontChoice, Marked, front_view
from dashboards.parallel_view import parallel_lines
from dashboards.published_point import published_point
from dashboards.run_card import found_sentence
from dashboards.run_views import RunView, RunViews
from dashboards.theme import Theme, theme_of, themed

MOST_LINES = 300
"""Designs that are drawn as lines that tell of themselves; of more, a bulk figure is drawn."""


def layout(view: RunView, _: RunViews) -> list[Component]:
    """The page's frame with its menus."""
    data = view.data
    if not len(data.ids):
        return [html.H1("Front"), sentence(found_sentence(view.front))]
    x, y = view.front.axes()
    metrics = [{"value": c.name, "label": c.label} for c in data.metrics]
    colours = [{"value": str(i), "label": title} for i, title in enumerate(colour_titles(data))]
    knobs = [{"value": k.name, "label": k.title} for k in data.knobs if len(k.levels) <= 10]
    menus = html.Div(
        [
            _menu("front-x", "Horizontal axis", metrics, x),
            _menu("front-y", "Vertical axis", metrics, y),
            _menu("front-z", "Third axis", [{"value": "", "label": "none"}, *metrics], ""),
            _menu("front-colour", "Colour", colours, "0"),
            _menu("front-symbol", "Symbol", [{"value": "", "label": "one for all"}, *knobs], ""),
        ],
        className="controls",
    )
    constants = "; ".join(f"{title} = {text}" for title, text in data.constants)
    fixed = dmc.Spoiler(
        html.P(constants, className="note"),
        showLabel=f"+{len(data.constants)} fixed knobs",
        hideLabel="Hide fixed knobs",
        maxHeight=0,
    )
    return [
        html.H1("Front"),
        dcc.Store(id="front-seen"),
        dcc.Store(id="front-drawn"),
        dcc.Store(id="front-bulk"),
        dcc.Store(id="front-lines-seen"),
        html.Div(
            [
                html.Div(id="front-count", className="note", role="status"),
                html.Div(
                    [
                        html.Code(id="front-command", tabIndex=0),
                        dcc.Clipboard(target_id="front-command", title="Copy the command"),
                    ],
                    className="command",
                ),
            ]
        ),
        html.Div(
            [
                figure_card(
                    "Designs",
                    "front-graph",
                    height=540,
                    selecting=True,
                    wide=True,
                    above=menus,
                    note=_designs_note(len(data.ids)),
                ),
                figure_card(
                    "Parallel lines",
                    "front-parallel",
                    height=430,
                    least_px=_lines_px(len(data.ids), len(data.knobs) + len(view.front.objectives)),
                    wide=True,
                    note=_parallel_note(len(data.ids)),
                    above=fixed if data.constants else None,
                ),
                card(
                    "Table",
                    [
                        html.P(id="front-exported", className="note", role="status"),
                        design_grid(data, "front-grid"),
                    ],
                    wide=True,
                    note="Tick rows to select designs. Headers sort and filter.",
                    actions=[
                        dmc.Button("CSV", id="front-csv", size="compact-xs", variant="subtle"),
                        dmc.Button(
                            "Export (ZIP)", id="front-export", size="compact-xs", variant="subtle"
                        ),
                        dmc.Button(
                            "Clear selection", id="front-clear", size="compact-xs", variant="subtle"
                        ),
                    ],
                ),
            ],
            className="grid",
        ),
    ]


def _menu(menu_id: str, label: str, data: list[dict[str, str]], value: str) -> dmc.Select:
    return dmc.Select(
        id=menu_id, label=label, data=data, value=value, allowDeselect=False, size="xs"
    )


def register(app: Dash, views: RunViews) -> None:
    """Callbacks of the page."""

    @lru_cache(maxsize=16)
    def marked(run: str) -> Marked | None:
        try:
            return published_point(views.view(run))
        except ValueError:
            return None

    @lru_cache(maxsize=4)
    def bulk_lines(run: str, _: int, theme: Theme) -> go.Figure:
        return themed(parallel_figure(views.view(run).data), theme)

    @app.callback(
        Output("front-drawn", "data"),
        Input("version", "data"),
        Input("theme", "data"),
        Input("front-x", "value"),
        Input("front-y", "value"),
        Input("front-z", "value"),
        Input("front-colour", "value"),
        Input("front-symbol", "value"),
        State("run", "value"),
    )
    def designs(
        _: Any, theme: str, x: str, y: str, z: str, colour: str, symbol: str, run: str
    ) -> go.Figure:
        view = views.view(run)
        choice = FrontChoice(
            x=x,
            y=y,
            z=z or "",
            colour=int(colour or 0),
            symbol=symbol or "",
            theme=theme_of(theme),
        )
        return front_view(view.data, view.front, choice, marked(run))

    @app.callback(
        Output("front-bulk", "data"),
        Input("version", "data"),
        Input("theme", "data"),
        Input("selected", "data"),
        State("run", "value"),
    )
    def parallel(_: Any, theme: str, chosen: Any, run: str) -> go.Figure:
        view = views.view(run)
        if not view.data.knobs:
            return sentence_figure("No knob varies over the front: there are no lines to compare.")
        if len(view.data.ids) <= MOST_LINES:
            return parallel_lines(view.data, theme_of(theme), view.selected(chosen))
        if ctx.triggered_id == "selected":  # the browser marks it in the figure that it has
            raise PreventUpdate
        return bulk_lines(run, view.snapshot.number, theme_of(theme))

    # A figure is made once; the browser marks in it which designs are selected.
    for drawn, graph, function, more in (
        ("front-drawn", "front-graph", "marked", ()),
        ("front-bulk", "front-parallel", "markedLines", (Input("front-lines-seen", "data"),)),
    ):
        app.clientside_callback(  # type: ignore[no-untyped-call]
            ClientsideFunction("edge", function),
            Output(graph, "figure"),
            Input(drawn, "data"),
            Input("selected", "data"),
            *more,
            State("run", "value"),
        )
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("edge", "brushedLines"),
        Input("front-parallel", "restyleData"),
        State("run", "value"),
        prevent_initial_call=True,
    )

    open_clicked(app, "front-graph")
    register_selection(app, views)


def _lines_px(n_designs: int, n_axes: int) -> int:
    """Width that the lines need: the bulk figure writes a name at every level of every axis."""
    return 57 * n_axes + 80 if n_designs <= MOST_LINES else 84 * n_axes + 150


def _designs_note(n_designs: int) -> str:
    bars = (
        "Bars are one standard error."
        if n_designs <= WEBGL_FROM
        else f"More than {WEBGL_FROM:,} designs have no error bars here; the table has the errors."
    )
    return (
        f"{bars} Drag around designs to select them; click one to open it. On three axes, click "
        "designs to select them. Shaded: what a constraint rules out."
    )


def _parallel_note(n_designs: int) -> str:
    if n_designs <= MOST_LINES:
        return (
            "Objectives are turned so that better is down. Click a line to add its design to the "
            "selection, or to take it out."
        )
    return (
        "One line is one design. Drag along an axis to select the designs in that range, along "
        "more axes to narrow them down; click an axis to let its range go."
    )
