"""The front: any two or three metrics, parallel lines, the table, and one selection for all."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, ctx, dcc, html, set_props
from dash.development.base_component import Component

from dashboards.cards import card, figure_card, sentence, sentence_figure
from dashboards.clicked_design import open_clicked
from dashboards.design_table import design_grid, table_csv
from dashboards.downloads import text_file
from dashboards.front_figures import colour_menu, parallel_figure
from dashboards.front_views import FrontChoice, Marked, front_view
from dashboards.parallel_view import parallel_lines
from dashboards.published_point import published_point
from dashboards.run_card import found_sentence
from dashboards.run_views import RunView, RunViews
from dashboards.selection import pareto_command
from dashboards.theme import theme_of, themed

MOST_LINES = 300
"""Designs that are drawn as lines that tell of themselves; of more, a bulk figure is drawn."""


def layout(view: RunView, _: RunViews) -> list[Component]:
    """The page's frame with its menus."""
    data = view.data
    if not len(data.ids):
        return [html.H1("Front"), sentence(found_sentence(view.front))]
    first, second = view.front.objectives[:2]
    metrics = [{"value": c.name, "label": c.label} for c in data.metrics]
    colours = [
        {"value": str(i), "label": choice.label}
        for i, choice in enumerate(colour_menu(data).choices)
    ]
    knobs = [{"value": k.name, "label": k.title} for k in data.knobs if len(k.levels) <= 10]
    menus = html.Div(
        [
            _menu("front-x", "Horizontal axis", metrics, second.metric),
            _menu("front-y", "Vertical axis", metrics, first.metric),
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
                    note="Bars are one standard error. Drag around designs to select them; click "
                    "one to open it. Shaded: what a constraint rules out.",
                ),
                figure_card(
                    "Parallel lines",
                    "front-parallel",
                    height=430,
                    least_px=57 * (len(data.knobs) + len(view.front.objectives)) + 80,
                    wide=True,
                    note="Objectives are turned so that better is down. Click a line to add its "
                    "design to the selection, or to take it out.",
                    above=fixed if data.constants else None,
                ),
                card(
                    "Table",
                    design_grid(data, "front-grid"),
                    wide=True,
                    note="Tick rows to select designs. Headers sort and filter.",
                    actions=[
                        dmc.Button("CSV", id="front-csv", size="compact-xs", variant="subtle"),
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

    @app.callback(
        Output("front-graph", "figure"),
        Input("version", "data"),
        Input("theme", "data"),
        Input("front-x", "value"),
        Input("front-y", "value"),
        Input("front-z", "value"),
        Input("front-colour", "value"),
        Input("front-symbol", "value"),
        Input("selected", "data"),
        State("run", "value"),
    )
    def designs(
        _: Any, theme: str, x: str, y: str, z: str, colour: str, symbol: str, chosen: Any, run: str
    ) -> go.Figure:
        view = views.view(run)
        choice = FrontChoice(
            x=x,
            y=y,
            z=z or "",
            colour=int(colour or 0),
            symbol=symbol or "",
            selected=view.selected(chosen),
            theme=theme_of(theme),
        )
        return front_view(view.data, view.front, choice, marked(run))

    @app.callback(
        Output("front-parallel", "figure"),
        Input("version", "data"),
        Input("theme", "data"),
        Input("selected", "data"),
        State("run", "value"),
    )
    def parallel(_: Any, theme: str, chosen: Any, run: str) -> go.Figure:
        view = views.view(run)
        if not view.data.knobs:
            return sentence_figure("No knob varies over the front: there are no lines to compare.")
        if len(view.data.ids) > MOST_LINES:
            return themed(parallel_figure(view.data), theme_of(theme))
        return parallel_lines(view.data, theme_of(theme), view.selected(chosen))

    @app.callback(
        Input("front-graph", "selectedData"),
        Input("front-parallel", "clickData"),
        Input("front-grid", "selectedRows"),
        Input("front-clear", "n_clicks"),
        State("selected", "data"),
        State("front-seen", "data"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def select(lasso: Any, line: Any, rows: Any, _: Any, chosen: Any, seen: Any, run: str) -> None:
        # No output: what this sets is also what the grid is set by, which would be a circle.
        view = views.view(run)
        old = view.selected(chosen)
        ids: list[int] = old
        if ctx.triggered_id == "front-graph":
            if not lasso:
                return
            ids = [int(p["customdata"]) for p in lasso["points"] if "customdata" in p]
        elif ctx.triggered_id == "front-parallel" and line:
            ids = sorted({*old} ^ {int(line["points"][0]["customdata"])})
        elif ctx.triggered_id == "front-grid":
            if not isinstance(rows, list):  # the grid is being told, not asked
                return
            ids = [row["id"] for row in rows]
            set_props("front-seen", {"data": ids})
            if not ids and not seen:  # a new grid has nothing ticked before it is told what is
                return
        elif ctx.triggered_id == "front-clear":
            ids = []
        if sorted(ids) != sorted(old):
            set_props("selected", {"data": {"run": run, "ids": sorted(ids)}})

    @app.callback(
        Output("front-grid", "selectedRows"),
        Output("front-count", "children"),
        Output("front-command", "children"),
        Input("selected", "data"),
        Input("version", "data"),
        State("run", "value"),
    )
    def shown(chosen: Any, _: Any, run: str) -> Any:
        view = views.view(run)
        ids = view.selected(chosen)
        told = {"ids": list(map(str, ids))} if ids else []  # ids without one would tick nothing off
        return told, _counted(view, ids), _command(view, ids)

    open_clicked(app, "front-graph")

    @app.callback(
        Output("download", "data", allow_duplicate=True),
        Input("front-csv", "n_clicks"),
        State("selected", "data"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def saved(_: Any, chosen: Any, run: str) -> Any:
        view = views.view(run)
        text = table_csv(view.data, view.selected(chosen))
        return text_file(f"{view.name}-front.csv", text)


def _counted(view: RunView, ids: list[int]) -> str:
    n = len(view.front.designs)
    if not ids:
        return f"{n:,} designs on the front, none selected. The command prints all of them."
    return f"{len(ids):,} of {n:,} designs selected, in every figure and the table."


def _command(view: RunView, ids: list[int]) -> str:
    return pareto_command(str(view.source.path), ids)
