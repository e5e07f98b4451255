"""Knobs: which of them matter, and how."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, html
from dash.development.base_component import Component

from dashboards.cards import figure_card, sentence, sentence_figure
from dashboards.knob_figures import (
    contour_figure,
    correlation_figure,
    correlations,
    importance_figure,
    slice_figure,
    text_knobs,
)
from dashboards.run_views import RunView, RunViews
from dashboards.theme import theme_of
from dashboards.titles import knob_title
from dashboards.trial_values import first_target, targets, value_scale, value_title
from studies.trial_table import Floats

MOST_CORRELATED = 8


def layout(view: RunView, _: RunViews) -> list[Component]:
    """The page's frame with its menus."""
    trials = view.snapshot.trials
    varying = [name for name, knob in trials.knobs.items() if len(knob.levels) > 1]
    names = targets(view.snapshot)
    if not varying or not names:
        text = "No knob varies over the trials so far: there is nothing to compare."
        return [html.H1("Knobs"), sentence(text)]
    values = [{"value": name, "label": value_title(name, view.task)} for name in names]
    knobs = [{"value": name, "label": knob_title(name)} for name in varying]
    second = varying[1] if len(varying) > 1 else varying[0]
    height = 110 + 26 * len(varying)

    def menu(menu_id: str, label: str, data: list[dict[str, str]], value: str) -> Component:
        select: Component = dmc.Select(
            id=menu_id,
            label=label,
            data=data,
            value=value,
            allowDeselect=False,
            searchable=len(data) > 12,
            size="xs",
        )
        return select

    return [
        html.H1("Knobs"),
        html.Div(
            [
                menu("knobs-value", "Value", values, first_target(view.snapshot)),
                menu("knobs-first", "Knob", knobs, varying[0]),
                menu("knobs-second", "Second knob", knobs, second),
            ],
            className="controls",
        ),
        html.Div(
            [
                figure_card(
                    "Importance",
                    "knobs-importance",
                    height=height,
                    note="Share of the value's spread over trials that a knob explains alone "
                    "(functional ANOVA).",
                ),
                figure_card(
                    "Correlation",
                    "knobs-correlation",
                    height=height,
                    note="Rank correlation of number knobs; of text knobs the correlation ratio, "
                    "which has no sign.",
                ),
                figure_card(
                    "Slice",
                    "knobs-slice",
                    height=400,
                    note="A dot is a trial, spread a little sideways; bars are medians.",
                ),
                figure_card(
                    "Two knobs together",
                    "knobs-contour",
                    height=400,
                    note="Mean over the trials of each pair of levels; empty where there is none.",
                ),
            ],
            className="grid",
        ),
    ]


def register(app: Dash, views: RunViews) -> None:
    """Callbacks of the page."""
    version, theme_in, run_in = (
        Input("version", "data"),
        Input("theme", "data"),
        State("run", "value"),
    )

    @app.callback(
        Output("knobs-importance", "figure"),
        version,
        theme_in,
        Input("knobs-value", "value"),
        run_in,
    )
    def importance(_: Any, theme: str, name: str, run: str) -> go.Figure:
        view = views.view(run)
        try:
            shares = view.source.importances(name)
        except ValueError as error:
            return sentence_figure(str(error))
        return importance_figure(shares, value_title(name, view.task), theme_of(theme))

    @app.callback(Output("knobs-correlation", "figure"), version, theme_in, run_in)
    def correlation(_: Any, theme: str, run: str) -> go.Figure:
        view = views.view(run)
        names = targets(view.snapshot)[:MOST_CORRELATED]
        columns = {name: view.snapshot.trials.values[name] for name in names}
        knobs, found = correlations(view.snapshot.trials, columns)
        titles = [value_title(name, view.task).partition(" (")[0] for name in names]
        signless = text_knobs(view.snapshot.trials)
        return correlation_figure(knobs, titles, found, signless, theme_of(theme))

    @app.callback(
        Output("knobs-slice", "figure"),
        Output("knobs-contour", "figure"),
        version,
        theme_in,
        Input("knobs-value", "value"),
        Input("knobs-first", "value"),
        Input("knobs-second", "value"),
        run_in,
    )
    def slices(_: Any, theme: str, name: str, first: str, second: str, run: str) -> Any:
        view, colours = views.view(run), theme_of(theme)
        trials = view.snapshot.trials
        values = _values(view, name)
        title = value_title(name, view.task)
        one = slice_figure(trials, first, values, title, colours)
        if first == second:
            return one, sentence_figure("Choose two different knobs.")
        return one, contour_figure(trials, first, second, values, title, colours)


def _values(view: RunView, name: str) -> Floats:
    values: Floats = view.snapshot.trials.values[name] * value_scale(name)
    return values
