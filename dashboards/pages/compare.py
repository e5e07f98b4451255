"""Compare: designs side by side with only what differs, and runs on one chart."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, html
from dash.development.base_component import Component

from dashboards.cards import (
    figure_card,
    labelled,
    sentence_figure,
)
from dashboards.compare_figures import (
    ablation_figure,
    attainment_figure,
    fronts_figure,
    roofline_figure,
    waterfall_figure,
)
from dashboards.compared_designs import (
    design_of,
    difference_table,
    offered_designs,
    short_label,
)
from dashboards.progress_figures import growth_figure
from dashboards.run_views import RunView, RunViews
from dashboards.scored_design import ScoredDesign
from dashboards.stack_data import COSTS, parts_of
from dashboards.theme import theme_of
from dashboards.titles import metric
from studies.ablation import ablation_path
from studies.metrics import is_score
from studies.reference_design import scored_reference

MOST_RUNS = 12


def layout(view: RunView, views: RunViews) -> list[Component]:
    """The page's frame with its menus."""
    costs = [{"value": field, "label": title} for field, (_, title) in COSTS.items()]
    objectives = [
        {"value": o.metric, "label": metric(o.metric, view.task).title}
        for o in view.front.objectives
        if not is_score(o.metric)
    ]
    designs = [
        html.Div(id="compare-table", className="wide"),
        figure_card(
            "Where the difference comes from",
            "compare-waterfall",
            height=360,
            note="From the first design to the second, block by block.",
            above=html.Div(_segments("compare-cost", "Cost", costs), className="controls"),
        ),
        figure_card(
            "Roofline",
            "compare-roofline",
            height=406,
            note="Achieved by each GEMM with weights of the longest sentence, under what arrays "
            "and memory allow at the highest supply.",
        ),
        figure_card(
            "From the published design to the first one",
            "compare-ablation",
            height=480,
            wide=True,
            note="One knob at a time, each the one that lowers the metric most; what cannot be "
            "scored alone is changed together. Beside the bars: the metric and the accuracy.",
            above=html.Div(_segments("compare-metric", "Metric", objectives), className="controls"),
        ),
    ]
    runs = [
        html.Div(
            [
                dmc.MultiSelect(
                    id="compare-runs",
                    label="Runs",
                    data=views.names,
                    value=views.names[:MOST_RUNS],
                    maxValues=MOST_RUNS,
                    size="xs",
                    w=520,
                ),
                html.P(id="compare-unread", className="note", role="status"),
            ],
            className="wide",
        ),
        figure_card("Fronts of the runs", "compare-fronts", height=400),
        figure_card(
            "Attainment",
            "compare-attainment",
            height=400,
            note="What one, more than half and all of the runs reach: the spread over seeds.",
        ),
        figure_card("Hypervolume against trials", "compare-trials", height=340),
        figure_card("Hypervolume against time", "compare-time", height=340),
    ]
    return [
        html.H1("Compare"),
        html.P(id="compare-note", className="note"),
        html.Div(
            [
                html.Div(
                    [
                        dmc.Select(
                            id="compare-first", label="First design", size="xs", data=[], w=300
                        ),
                        dmc.Select(
                            id="compare-second", label="Second design", size="xs", data=[], w=300
                        ),
                    ],
                    className="controls designs",
                )
            ]
        ),
        html.Div(designs, className="grid"),
        html.H2("Runs", style={"marginTop": "26px"}),
        html.Div(runs, className="grid"),
    ]


def _segments(menu_id: str, label: str, data: list[dict[str, str]]) -> Component:
    control: Component = dmc.SegmentedControl(
        id=menu_id,
        data=data,
        value=data[0]["value"] if data else None,
        size="xs",
        **labelled(label),
    )
    return control


def register(app: Dash, views: RunViews) -> None:
    """Callbacks of the page."""
    pair = (
        Input("version", "data"),
        Input("theme", "data"),
        Input("compare-first", "value"),
        Input("compare-second", "value"),
    )

    @app.callback(
        Output("compare-first", "data"),
        Output("compare-second", "data"),
        Output("compare-first", "value"),
        Output("compare-second", "value"),
        Output("compare-note", "children"),
        Input("pinned", "data"),
        Input("run", "value"),
        State("compare-first", "value"),
        State("compare-second", "value"),
    )
    def menus(pinned: Any, run: str, first: str | None, second: str | None) -> Any:
        names, note = offered_designs(views, pinned, run)
        data = [{"value": key, "label": label} for key, label in names.items()]
        keys = list(names)
        first = first if first in names else (keys[0] if keys else None)
        second = second if second in names else (keys[1] if len(keys) > 1 else first)
        return data, data, first, second, note

    @app.callback(
        Output("compare-table", "children"),
        Input("pinned", "data"),
        *pair[2:],
        State("run", "value"),
    )
    def table(pinned: Any, first: str | None, second: str | None, run: str) -> Component:
        names, _ = offered_designs(views, pinned, run)
        chosen = [key for key in dict.fromkeys([first, second, *names]) if key in names]
        return difference_table(views, chosen[:6])

    @app.callback(Output("compare-waterfall", "figure"), *pair, Input("compare-cost", "value"))
    def waterfall(_: Any, theme: str, first: Any, second: Any, field: str) -> go.Figure:
        one, other = design_of(views, first), design_of(views, second)
        if one is None or other is None or first == second:
            return sentence_figure("Choose two different designs.")
        name, title = COSTS[field]
        parts = [{p.name: p.amount for p in parts_of(d, field, name)} for _, d in (one, other)]
        names = (short_label(views, first), short_label(views, second))
        unit = metric(name).unit
        return waterfall_figure(parts[0], parts[1], names, title, unit, theme_of(theme))

    @app.callback(Output("compare-roofline", "figure"), *pair)
    def roofline(_: Any, theme: str, first: Any, second: Any) -> go.Figure:
        shown = {}
        for key in dict.fromkeys([first, second]):
            found = design_of(views, key)
            if found is None:
                continue
            try:
                bench = found[0].source.bench()
                scored = ScoredDesign.of(bench, found[1].knobs)
                weights = scored.point.model.weight_format
                shown[short_label(views, key)] = (scored.gemms(bench), weights)
            except ValueError as error:
                return sentence_figure(str(error))
        if not shown:
            return sentence_figure("There is no design to show.")
        return roofline_figure(shown, theme_of(theme))

    @app.callback(Output("compare-ablation", "figure"), *pair[:3], Input("compare-metric", "value"))
    def ablation(_: Any, theme: str, first: Any, name: str | None) -> go.Figure:
        found = design_of(views, first)
        if found is None or name is None:
            return sentence_figure("There is no design to show.")
        view, design = found
        try:
            bench = view.source.bench()
            reference = scored_reference(bench, view.snapshot.spec)
            if reference is None:
                text = "The published design is of SST-2 and has no place in this study's space."
                return sentence_figure(text)
            steps = ablation_path(bench, reference[0], design.knobs, name)
        except ValueError as error:
            return sentence_figure(str(error))
        return ablation_figure(steps, name, view.task, theme_of(theme))

    @app.callback(
        Output("compare-fronts", "figure"),
        Output("compare-attainment", "figure"),
        Output("compare-trials", "figure"),
        Output("compare-time", "figure"),
        Output("compare-unread", "children"),
        Input("version", "data"),
        Input("theme", "data"),
        Input("compare-runs", "value"),
        State("run", "value"),
    )
    def runs(_: Any, theme: str, names: list[str] | None, run: str) -> Any:
        shown = _readable(views, names or [])
        unread = unread_sentence([name for name in (names or [])[:MOST_RUNS] if name not in shown])
        if not shown:
            empty = sentence_figure("Choose runs that can be read.")
            return empty, empty, empty, empty, unread
        x, y = views.view(run).front.axes()
        comparable = {
            name: view.data
            for name, view in shown.items()
            if len(view.data.ids) and {x, y} <= {c.name for c in view.data.metrics}
        }
        snapshots = {name: view.snapshot for name, view in shown.items()}
        colours = theme_of(theme)
        missing = sentence_figure("None of these runs has a front in these metrics.")
        few = sentence_figure("Attainment needs two runs or more.")
        return (
            fronts_figure(comparable, x, y, colours) if comparable else missing,
            attainment_figure(comparable, x, y, colours) if len(comparable) > 1 else few,
            growth_figure(snapshots, "trials", colours),
            growth_figure(snapshots, "time", colours),
            unread,
        )


def unread_sentence(names: list[str]) -> str:
    """Which runs are chosen and cannot be shown; empty if there are none.

    >>> unread_sentence(["a", "b"])
    'Not shown, as they cannot be read: a, b. Choose one at the top of the page to see why.'
    """
    if not names:
        return ""
    what = "it cannot" if len(names) == 1 else "they cannot"
    listed = ", ".join(names)
    return f"Not shown, as {what} be read: {listed}. Choose one at the top of the page to see why."


def _readable(views: RunViews, names: list[str]) -> dict[str, RunView]:
    """The runs of these names that can be read; a damaged one blanks no other."""
    found = {}
    for name in names[:MOST_RUNS]:
        try:
            found[name] = views.view(name)
        except ValueError:
            continue
    return found
