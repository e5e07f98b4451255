"""Progress: how the front has grown, what became of the trials, and how long is left."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, html
from dash.development.base_component import Component

from dashboards.cards import card, figure_card, plain_table, sentence, sentence_figure
from dashboards.progress_data import pace
from dashboards.progress_figures import duration_figure, growth_figure, state_figure
from dashboards.run_views import RunView, RunViews
from dashboards.theme import theme_of
from dashboards.titles import number_text

MOST_REASONS = 12


def layout(_: RunView, __: RunViews) -> list[Component]:
    """The page's frame."""
    return [
        html.H1("Progress"),
        html.Div(id="progress-head"),
        html.Div(
            [
                html.Div(
                    figure_card("Hypervolume", "progress-growth", height=380), className="span-7"
                ),
                html.Div(
                    figure_card("What became of the trials", "progress-states", height=380),
                    className="span-5",
                ),
                html.Div(
                    figure_card("Time of each evaluation", "progress-times", height=340),
                    className="span-7",
                ),
                html.Div(id="progress-reasons", className="span-5"),
            ],
            className="grid",
        ),
    ]


def register(app: Dash, views: RunViews) -> None:
    """Callbacks of the page."""

    @app.callback(
        Output("progress-head", "children"),
        Output("progress-reasons", "children"),
        Input("version", "data"),
        State("run", "value"),
    )
    def texts(_: Any, run: str) -> Any:
        view = views.view(run)
        return _head(view), _reasons(view)

    @app.callback(
        Output("progress-growth", "figure"),
        Output("progress-states", "figure"),
        Output("progress-times", "figure"),
        Input("version", "data"),
        Input("theme", "data"),
        State("run", "value"),
    )
    def figures(_: Any, theme: str, run: str) -> Any:
        view, colours = views.view(run), theme_of(theme)
        if not len(view.snapshot.trials):
            empty = sentence_figure("No trial has ended yet.")
            return empty, empty, empty
        return (
            growth_figure({view.name: view.snapshot}, "trials", colours),
            state_figure(view.snapshot.trials, colours),
            duration_figure(view.snapshot.trials, colours),
        )


def _head(view: RunView) -> Component:
    snapshot, found = view.snapshot, pace(view.snapshot)
    facts = [
        (f"{len(snapshot.trials):,} of {snapshot.spec.search.trials:,}", "trials told"),
        (f"{snapshot.trials.in_flight:,}", "in the air"),
        (f"{snapshot.spec.search.workers:,}", "workers asked for"),
        (duration_text(found.elapsed_s), "from first to last trial"),
        (f"{number_text(found.per_minute)}", "trials a minute of late"),
        (
            duration_text(found.left_s) if snapshot.state == "running" else "–",
            "left at this pace",
        ),
    ]
    return html.Div(
        [html.Div([html.B(value), html.Span(text)], className="fact") for value, text in facts],
        className="figures",
        style={"marginTop": "14px"},
    )


def duration_text(seconds: float) -> str:
    """A time span as people say it.

    >>> duration_text(42.4), duration_text(754.0), duration_text(7_500.0)
    ('42 s', '12 min 34 s', '2 h 5 min')
    """
    if seconds != seconds:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60} min"


def _reasons(view: RunView) -> Component:
    found = view.snapshot.trials.reason_counts()
    if not found:
        return card("Reasons", sentence("No trial was infeasible, and none has failed."))
    rows: list[list[Component | str]] = [
        [f"{count:,}", state, reason] for state, reason, count in found[:MOST_REASONS]
    ]
    more = len(found) - MOST_REASONS
    note = f"{more} rarer ones are left out." if more > 0 else ""
    table = plain_table(
        ["Trials", "State", "Reason"], rows, numbers=[0], label="Reasons of infeasible trials"
    )
    return card("Why trials failed or were infeasible", table, note=note)
