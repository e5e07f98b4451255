"""One design: its knobs, its figures, where costs go, and what changing a knob would do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, html, no_update
from dash.development.base_component import Component

from dashboards.cards import (
    card,
    figure_card,
    labelled,
    problem,
    sentence,
    sentence_figure,
)
from dashboards.design_card import design_head, placement_table
from dashboards.design_figures import (
    entropy_figure,
    exit_bars,
    gemm_figure,
    parts_figure,
    sensitivity_figure,
    slack_figure,
)
from dashboards.downloads import zip_file
from dashboards.run_card import found_sentence
from dashboards.run_views import RunView, RunViews
from dashboards.scored_design import ScoredDesign
from dashboards.stack_data import parts_of
from dashboards.theme import Theme, theme_of
from dashboards.titles import metric
from studies.bench import one_at_a_time

_BREAKDOWNS = (
    ("energy_pj", "energy_pj", "Energy per sentence"),
    ("latency_ns", "latency_mean_ns", "Mean latency"),
    ("area_mm2", "area_mm2", "Area"),
)


def layout(view: RunView, _: RunViews) -> list[Component]:
    """The page's frame."""
    if not view.front.designs:
        return [html.H1("Design"), sentence(found_sentence(view.front))]
    objectives = [
        {"value": o.metric, "label": metric(o.metric, view.task).title}
        for o in view.front.objectives
    ]
    figures = [
        *(
            html.Div(figure_card(title, f"design-{field}", height=290), className="span-4")
            for field, _, title in _BREAKDOWNS
        ),
        html.Div(figure_card("Exits", "design-exits", height=290), className="span-4"),
        html.Div(
            figure_card("Entropy against the threshold", "design-entropy", height=290),
            className="span-4",
        ),
        html.Div(
            figure_card("Voltage and deadline", "design-slack", height=290), className="span-4"
        ),
        figure_card(
            "One knob at a time",
            "design-change",
            height=400,
            above=html.Div(
                dmc.SegmentedControl(
                    id="design-change-metric",
                    data=objectives,
                    value=view.front.axes()[0],
                    size="xs",
                    **labelled("Metric"),
                ),
                className="controls",
            ),
            note="What changing one knob would do, all else left as it is; scored now.",
        ),
        figure_card(
            "Utilisation of each GEMM",
            "design-gemms",
            height=440,
            note="Of the longest sentence through all layers, at the highest supply.",
        ),
        html.Div(id="design-memory", className="wide"),
    ]
    return [
        html.Div(id="design-head"),
        html.Div(figures, className="grid"),
    ]


def register(app: Dash, views: RunViews) -> None:
    """Callbacks of the page."""
    shared = (
        Input("version", "data"),
        Input("theme", "data"),
        Input("design", "data"),
        State("run", "value"),
    )

    @app.callback(Output("design-head", "children"), *shared)
    def head(_: Any, __: Any, stored: Any, run: str) -> Any:
        view = views.view(run)
        design = view.design(stored)
        return design_head(view, design) if design else sentence(found_sentence(view.front))

    for field, name, _title in _BREAKDOWNS:

        def parts(
            _: Any, theme: str, stored: Any, run: str, field: str = field, name: str = name
        ) -> go.Figure:
            design = views.view(run).design(stored)
            found = parts_of(design, field, name) if design else []
            if not found:
                return sentence_figure("The record has no parts of it.")
            return parts_figure(found, metric(name).unit, theme_of(theme))

        app.callback(Output(f"design-{field}", "figure"), *shared)(parts)

    @app.callback(
        Output("design-exits", "figure"),
        Output("design-entropy", "figure"),
        Output("design-slack", "figure"),
        Output("design-gemms", "figure"),
        Output("design-memory", "children"),
        *shared,
    )
    def scored(_: Any, theme: str, stored: Any, run: str) -> Any:
        view = views.view(run)
        design = view.design(stored)
        if design is None:
            return no_update
        exits = exit_bars(design.exit_layer_shares, theme_of(theme))
        try:
            bench = view.source.bench()
            found = ScoredDesign.of(bench, design.knobs)
        except ValueError as error:
            missing = sentence_figure(str(error))
            return exits, missing, missing, missing, problem(str(error))
        memory = card("Memory placement", placement_table(found.placements(bench)))
        return exits, *_scored_figures(view, found, theme_of(theme)), memory

    @app.callback(
        Output("design-change", "figure"),
        *shared[:3],
        Input("design-change-metric", "value"),
        shared[3],
    )
    def change(_: Any, theme: str, stored: Any, name: str, run: str) -> go.Figure:
        view = views.view(run)
        design = view.design(stored)
        if design is None:
            return sentence_figure(found_sentence(view.front))
        try:
            space = view.snapshot.spec.search_space()
            changed = one_at_a_time(view.source.bench(), space, design.knobs)
        except ValueError as error:
            return sentence_figure(str(error))
        value = design.metrics[name].value
        return sensitivity_figure(changed, name, value, view.task, theme_of(theme))

    @app.callback(
        Output("download", "data", allow_duplicate=True),
        Input("design-export", "n_clicks"),
        State("design", "data"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def exported(clicks: int | None, stored: Any, run: str) -> Any:
        design = views.view(run).design(stored)
        if not clicks or design is None:
            return no_update
        files = views.source(run).exported(design.id)
        return zip_file(f"{views.view(run).name}-design-{design.id}", files)

    @app.callback(
        Output("pinned", "data"),
        Input("design-pin", "n_clicks"),
        State("pinned", "data"),
        State("design", "data"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def pinned(clicks: int | None, old: Any, stored: Any, run: str) -> Any:
        design = views.view(run).design(stored)
        if not clicks or design is None:
            return no_update
        entry = {"run": run, "id": design.id}
        return [*(each for each in old or [] if each != entry), entry][-6:]

    @app.callback(
        Output("design", "data", allow_duplicate=True),
        Input("design-number", "value"),
        State("design", "data"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def chosen(value: Any, stored: Any, run: str) -> Any:
        design = views.view(run).design(stored)
        number = int(value) if value not in (None, "") else None
        if number is None or (design is not None and number == design.id):
            return no_update
        return {"run": run, "id": number}


def _scored_figures(view: RunView, found: ScoredDesign, theme: Theme) -> tuple[go.Figure, ...]:
    """Entropy, slack and GEMMs; a sentence in place of what cannot be."""
    bench = view.source.bench()
    figures = []
    drawings: tuple[Callable[[], go.Figure], ...] = (
        lambda: entropy_figure(found.setting, found.point.exits, theme),
        lambda: slack_figure(found.histogram, found.scores.table, bench.scorer.scenario, theme),
        lambda: gemm_figure(found.gemms(bench), theme),
    )
    for draw in drawings:
        try:
            figures.append(draw())
        except ValueError as error:
            figures.append(sentence_figure(str(error)))
    return tuple(figures)
