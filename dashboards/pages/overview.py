"""The first page: what the run is, what it found, how far to trust it, with no click needed."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from dashboards.cards import (
    card,
    entry_list,
    figure_card,
    plain_table,
    sentence,
    sentence_figure,
    verdict_badge,
)
from dashboards.clicked_design import open_clicked
from dashboards.design_table import design_grid
from dashboards.front_views import FrontChoice, front_view
from dashboards.knob_figures import importance_figure
from dashboards.recommended import recommended_designs
from dashboards.run_card import found_sentence
from dashboards.run_origin import origin_entries
from dashboards.run_views import RunView, RunViews
from dashboards.theme import theme_of
from dashboards.titles import measured_text, metric, number_text
from dashboards.trial_values import first_target, value_title
from studies.health import findings


def layout(view: RunView, _: RunViews) -> list[Component]:
    """The page's frame; what changes with the run is filled in."""
    return [
        html.H1(view.front.title),
        html.Div(id="overview-head"),
        html.Div(
            [
                html.Div(
                    figure_card(
                        "Front", "overview-front", height=400, note="Click a design to open it."
                    ),
                    className="span-8",
                ),
                html.Div(id="overview-health", className="span-4 lone"),
                html.Div(id="overview-recommended", className="wide"),
                html.Div(
                    figure_card(
                        "Strongest knobs",
                        "overview-knobs",
                        height=310,
                        note="Share of a value's spread over the trials that a knob explains "
                        "alone (functional ANOVA).",
                    ),
                    className="span-5",
                ),
                html.Div(id="overview-card", className="span-7"),
                html.Div(id="overview-table", className="wide"),
            ],
            className="grid",
        ),
    ]


def register(app: Dash, views: RunViews) -> None:
    """Callbacks of the page."""

    @app.callback(
        Output("overview-head", "children"),
        Output("overview-recommended", "children"),
        Output("overview-card", "children"),
        Input("version", "data"),
        State("run", "value"),
    )
    def texts(_: Any, run: str) -> Any:
        view = views.view(run)
        return _head(view), _recommended(view), _card(view)

    @app.callback(
        Output("overview-health", "children"), Input("version", "data"), State("run", "value")
    )
    def health(_: Any, run: str) -> Component:
        return _health(views.view(run))  # by itself: forests are grown for it

    @app.callback(
        Output("overview-table", "children"), Input("version", "data"), State("run", "value")
    )
    def table(_: Any, run: str) -> Component:
        return _table(views.view(run))

    @app.callback(
        Output("overview-front", "figure"),
        Input("version", "data"),
        Input("theme", "data"),
        State("run", "value"),
    )
    def front(_: Any, theme: str, run: str) -> go.Figure:
        view = views.view(run)
        if not len(view.data.ids):
            return sentence_figure(found_sentence(view.front))
        x, y = view.front.axes()
        choice = FrontChoice(x=x, y=y, theme=theme_of(theme))
        figure = front_view(view.data, view.front, choice)
        return figure.update_layout(dragmode="zoom")

    @app.callback(
        Output("overview-knobs", "figure"),
        Input("version", "data"),
        Input("theme", "data"),
        State("run", "value"),
    )
    def knobs(_: Any, theme: str, run: str) -> go.Figure:
        view = views.view(run)
        target = first_target(view.snapshot)
        try:
            shares = view.source.importances(target)
        except ValueError as error:
            return sentence_figure(str(error))
        title = value_title(target, view.task)
        return importance_figure(shares, title, theme_of(theme), most=8)

    open_clicked(app, "overview-front")


def _head(view: RunView) -> list[Component]:
    front, trials = view.front, view.snapshot.trials
    facts = [
        (f"{len(front.designs):,}", "designs on the front"),
        (number_text(front.hypervolume), "hypervolume"),
        (f"{len(trials):,} of {view.snapshot.spec.search.trials:,}", "trials"),
        (f"{front.counts.get('designs_scored', 0):,}", "designs scored"),
    ]
    for objective in front.objectives:
        about = metric(objective.metric, view.task)
        values = [d.metrics[objective.metric].value * about.scale for d in front.designs]
        if values:
            best = max(values) if objective.maximised else min(values)
            most = "highest" if objective.maximised else "lowest"
            facts.append((f"{best:.3g} {about.unit}", f"{most} {about.title.lower()}"))
    children: list[Component] = []
    if view.snapshot.note:
        children.append(dmc.Alert(view.snapshot.note, color="yellow", variant="light", mb=8))
    if not front.designs:
        children.append(sentence(_empty_sentence(view)))
    return [
        *children,
        html.Div(
            [html.Div([html.B(value), html.Span(text)], className="fact") for value, text in facts],
            className="figures",
            style={"margin": "14px 0 0"},
        ),
    ]


def _empty_sentence(view: RunView) -> str:
    """Why there is no front."""
    trials = view.snapshot.trials
    if not len(trials):
        return "No trial has ended yet; the page fills as they do."
    reasons = trials.reason_counts()
    if reasons:
        return (
            f"None of the {len(trials):,} trials so far found a design that meets the constraints; "
            f"the commonest reason is: {reasons[0][1]}."
        )
    return found_sentence(view.front)


def _health(view: RunView) -> Component:
    found = findings(view.snapshot)
    shown = [f for f in found if f.verdict != "PASS"]
    passed = len(found) - len(shown)
    rows = [
        html.Div(
            [
                html.Div([verdict_badge(f.verdict), html.B(f" {f.check}")]),
                html.P(f.text, className="note"),
            ]
        )
        for f in shown[:5]
    ]
    more = f"{passed} check{'' if passed == 1 else 's'} passed."
    if len(shown) > 5:
        more = f"{len(shown) - 5} more to look at, {more}"
    link = dcc.Link("All checks and remedies", href="/health")
    return card("Health", [*rows, html.P([more, " ", link], className="note")])


def _recommended(view: RunView) -> Component:
    chosen = recommended_designs(view.front)
    if not chosen:
        return card("Recommended designs", sentence("There is no design to recommend yet."))
    objectives = [metric(o.metric, view.task) for o in view.front.objectives]
    rows: list[list[Component | str]] = []
    for each in chosen:
        figures = []
        for about in objectives:
            figure = each.design.metrics[about.name]
            error = float("nan") if figure.se is None else figure.se * about.scale
            figures.append(measured_text(figure.value * about.scale, error))
        rows.append([f"#{each.design.id}", each.title, *figures, each.reason])
    heads = [
        "Design",
        "Why",
        *(f"{o.title} ({o.unit})" if o.unit else o.title for o in objectives),
        "Against its neighbour",
    ]
    numbers = range(2, 2 + len(objectives))
    return card(
        "Recommended designs",
        plain_table(heads, rows, numbers=list(numbers), label="Recommended designs"),
    )


def _card(view: RunView) -> Component:
    return card("Run", entry_list(origin_entries(view.snapshot, view.source.path)))


def _table(view: RunView) -> Component:
    if not len(view.data.ids):
        return card("Designs", sentence("The front has no designs, so the table has no rows."))
    constants = len(view.data.constants)
    note = "Values with one standard error. Click a header to sort."
    if constants:
        note += f" +{constants} fixed knobs are left out."
    return card("Designs", design_grid(view.data, "overview-grid", height=360), note=note)
