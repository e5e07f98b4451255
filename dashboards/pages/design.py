"""One design: its knobs, its figures, where costs go, and what changing a knob would do."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from dashboards.cards import (
    card,
    entry_list,
    figure_card,
    labelled,
    plain_table,
    problem,
    sentence,
    sentence_figure,
)
from dashboards.design_figures import (
    entropy_figure,
    exit_bars,
    gemm_figure,
    parts_figure,
    sensitivity_figure,
    slack_figure,
)
from dashboards.recommended import neighbour_sentence
from dashboards.run_card import found_sentence
from dashboards.run_views import RunView, RunViews
from dashboards.scored_design import ScoredDesign
from dashboards.stack_data import parts_of
from dashboards.theme import Theme, theme_of
from dashboards.titles import knob_text, knob_title, measured_text, metric, number_text, words
from hw_cost.placement import Placement
from studies.bench import one_at_a_time
from studies.records import FrontDesign

_BREAKDOWNS = (
    ("energy_pj", "energy_pj", "Energy per sentence"),
    ("latency_ns", "latency_mean_ns", "Mean latency"),
    ("area_mm2", "area_mm2", "Area"),
)
_BITS_PER_KIB = 8192


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
                    value=view.front.objectives[1].metric,
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
        return _head(view, design) if design else sentence(found_sentence(view.front))

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
        memory = card("Memory placement", _placements(found.placements(bench)))
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
        name = f"{views.view(run).name.replace('/', '-')}-design-{design.id}"
        return dcc.send_bytes(_zip(files, name), f"{name}.zip")

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
    for draw in (
        lambda: entropy_figure(found.setting, found.point.exits, theme),
        lambda: slack_figure(found.histogram, found.scores.table, bench.scorer.scenario, theme),
        lambda: gemm_figure(found.gemms(bench), theme),
    ):
        try:
            figures.append(draw())
        except ValueError as error:
            figures.append(sentence_figure(str(error)))
    return tuple(figures)


def _head(view: RunView, design: FrontDesign) -> list[Component]:
    n = len(view.front.designs)
    picker = dmc.NumberInput(
        id="design-number",
        value=design.id,
        min=0,
        max=n - 1,
        size="xs",
        w=110,
        debounce=True,
        **labelled(f"Number of the design, 0 to {n - 1}"),
    )
    buttons = [
        dmc.Button("Pin to compare", id="design-pin", size="xs", variant="default"),
        dmc.Button("Export (ZIP)", id="design-export", size="xs"),
    ]
    figures = [
        (f"{about.title} ({about.unit})" if about.unit else about.title, text)
        for name, figure in design.metrics.items()
        for about in [metric(name, view.task)]
        for text in [
            measured_text(
                figure.value * about.scale,
                float("nan") if figure.se is None else figure.se * about.scale,
            )
        ]
    ]
    report = metric("accuracy", view.task)
    se = design.report_accuracy.se
    figures.insert(
        1,
        (
            f"{report.title}, report split ({report.unit})",
            measured_text(
                design.report_accuracy.value * report.scale,
                float("nan") if se is None else se * report.scale,
            ),
        ),
    )
    if design.membership is not None:
        figures.append(("On the front (% of samples)", f"{100 * design.membership:.0f}"))
    free = {knob.name for knob in view.data.knobs}
    varying = [(knob_title(k), knob_text(v)) for k, v in design.knobs.items() if k in free]
    fixed = [(knob_title(k), knob_text(v)) for k, v in design.knobs.items() if k not in free]
    return [
        html.Div(
            [
                html.H1(f"Design #{design.id}"),
                html.Div([picker, *buttons], className="actions", style={"gap": "8px"}),
            ],
            className="card-head",
        ),
        html.P(
            f"Found by trial {design.trial}. {neighbour_sentence(view.front, design)}",
            className="note",
        ),
        html.Div(
            [
                card("Figures", entry_list(figures)),
                card(
                    "Knobs",
                    [
                        entry_list(varying),
                        dmc.Spoiler(
                            entry_list(fixed),
                            showLabel=f"+{len(fixed)} fixed knobs",
                            hideLabel="Hide fixed knobs",
                            maxHeight=0,
                            mt=8,
                        ),
                    ],
                ),
            ],
            className="grid",
        ),
    ]


def _placements(found: tuple[Placement, ...]) -> Component:
    rows: list[list[Component | str]] = []
    for each in found:
        fill = each.fill
        width = 0.0 if fill is None else min(1.0, fill)
        over = fill is not None and fill > 1
        meter: Component | str = "–"
        if fill is not None:
            meter = html.Div(
                html.I(style={"width": f"{100 * width:.1f}%"}),
                className="meter over" if over else "meter",
            )
        capacity = each.capacity_bits
        rows.append(
            [
                each.memory,
                ", ".join(map(words, each.tensors)) or "nothing",
                ", ".join(each.cells),
                f"{number_text(each.need_bits / _BITS_PER_KIB)} KiB",
                "as needed" if capacity is None else f"{number_text(capacity / _BITS_PER_KIB)} KiB",
                "–" if fill is None else f"{100 * fill:.0f} %",
                meter,
            ]
        )
    heads = ["Memory", "Holds", "Cells", "Needed", "Capacity", "Full", "Filled"]
    return plain_table(heads, rows, numbers=[3, 4, 5], label="Memory placement")


def _zip(files: Any, root: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"{root}/{name}", data)
    return content.getvalue()
