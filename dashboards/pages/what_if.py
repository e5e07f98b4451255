"""What if: thresholds, deadline and voltages of one design on sliders, scored as they move."""

from __future__ import annotations

import time
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html, no_update
from dash.development.base_component import Component

from dashboards.cards import card, figure_card, sentence, sentence_figure
from dashboards.run_card import found_sentence
from dashboards.run_views import RunView, RunViews
from dashboards.theme import theme_of
from dashboards.threshold_figure import threshold_figure
from dashboards.titles import knob_title, metric
from dashboards.what_if import (
    WhatIf,
    threshold_curve,
    threshold_knob,
    threshold_range,
    what_if,
)
from search_space import KNOB_DEFAULTS
from studies.records import FrontDesign

_SHOWN = (
    "accuracy",
    "energy_pj",
    "latency_mean_ns",
    "latency_p99_ns",
    "deadline_miss_rate",
    "power_mw",
)
LOWEST_V, HIGHEST_V, STEP_V = 0.5, 0.9, 0.01


def layout(_: RunView, __: RunViews) -> list[Component]:
    """The page's frame."""
    return [
        html.H1("What if"),
        html.Div(id="what-if-frame"),
    ]


def register(app: Dash, views: RunViews) -> None:
    """Callbacks of the page."""

    @app.callback(
        Output("what-if-frame", "children"),
        Input("design", "data"),
        Input("run", "value"),
        Input("version", "data"),
    )
    def frame(stored: Any, run: str, _: Any) -> Component:
        view = views.view(run)
        design = view.design(stored)
        if design is None:
            return sentence(found_sentence(view.front))
        try:
            return _frame(view, design)
        except ValueError as error:
            return sentence(str(error))

    sliders = (
        Input("what-if-threshold", "value"),
        Input("what-if-deadline", "value"),
        Input("what-if-volts", "value"),
    )

    @app.callback(
        Output("what-if-facts", "children"),
        Output("what-if-values", "children"),
        *sliders,
        State("design", "data"),
        State("run", "value"),
    )
    def scored(threshold: float, deadline: float, volts: list[float], stored: Any, run: str) -> Any:
        view = views.view(run)
        design = view.design(stored)
        if design is None:
            return no_update, no_update
        name, changes = _changes(design, threshold, volts)
        start = time.perf_counter()
        try:
            bench = view.source.bench()
            found = what_if(bench, design.knobs, deadline_ms=float(deadline), changes=changes)
        except ValueError as error:
            return sentence(str(error)), ""
        spent_ms = 1e3 * (time.perf_counter() - start)
        title = f"{knob_title(name)} {threshold:g}" if name else "No threshold"
        told = (
            f"{title}, deadline {deadline:g} ms, {volts[0]:.2f} to {volts[1]:.2f} V: "
            f"scored in {spent_ms:.0f} ms."
        )
        return _facts(view, design, found), told

    @app.callback(
        Output("what-if-curve", "figure"),
        *sliders,
        Input("theme", "data"),
        State("design", "data"),
        State("run", "value"),
    )
    def curve(
        threshold: float, deadline: float, volts: list[float], theme: str, stored: Any, run: str
    ) -> Any:
        view = views.view(run)
        design = view.design(stored)
        if design is None:
            return no_update
        name, changes = _changes(design, threshold, volts)
        try:
            bench = view.source.bench()
            found = threshold_curve(
                bench, design.knobs, deadline_ms=float(deadline), changes=changes
            )
        except ValueError as error:
            return sentence_figure(str(error))
        if found is None:
            return sentence_figure("There is no threshold to go over, or the design cannot run.")
        return threshold_figure(found, name, threshold, view.task, theme_of(theme))

    @app.callback(
        Output("what-if-threshold", "value"),
        Output("what-if-deadline", "value"),
        Output("what-if-volts", "value"),
        Input("what-if-reset", "n_clicks"),
        State("design", "data"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def reset(clicks: int | None, stored: Any, run: str) -> Any:
        view = views.view(run)
        design = view.design(stored)
        if not clicks or design is None:
            return no_update, no_update, no_update
        return _start(view, design)


def _changes(
    design: FrontDesign, threshold: float, volts: list[float]
) -> tuple[str, dict[str, float]]:
    """The design's threshold knob, and what the sliders change."""
    name = threshold_knob({**KNOB_DEFAULTS, **design.knobs})
    changes = {"min_voltage_v": float(volts[0]), "max_voltage_v": float(volts[1])}
    if name:
        changes[name] = int(threshold) if name == "patience" else float(threshold)
    return name, changes


def _start(view: RunView, design: FrontDesign) -> tuple[float, float, list[float]]:
    """Where the sliders stand for a design."""
    knobs = {**KNOB_DEFAULTS, **design.knobs}
    name = threshold_knob(knobs)
    volts = [float(knobs["min_voltage_v"]), float(knobs["max_voltage_v"])]
    deadline = float(view.snapshot.spec.scenario.deadline_ms)
    return float(knobs[name]) if name else 0.0, deadline, volts


def _frame(view: RunView, design: FrontDesign) -> Component:
    knobs = {**KNOB_DEFAULTS, **design.knobs}
    name = threshold_knob(knobs)
    threshold, deadline, volts = _start(view, design)
    setting = view.source.bench().setting(knobs)
    low, high, step = threshold_range(setting, name) if name else (0.0, 1.0, 1.0)
    title = knob_title(name) if name else "The exit policy has no threshold"
    longest = round(4 * deadline, 3)
    sliders = [
        *_slider("what-if-threshold", title, threshold, low, high, step, disabled=not name),
        *_slider("what-if-deadline", "Deadline (ms)", deadline, round(deadline / 20, 4), longest,
                 round(deadline / 100, 5)),
        html.H3("Range of supply voltages (V)", id="what-if-volts-title"),
        dmc.RangeSlider(
            id="what-if-volts",
            value=volts,
            min=min(LOWEST_V, volts[0]),
            max=max(HIGHEST_V, volts[1]),
            step=STEP_V,
            minRange=0,
            precision=2,
            updatemode="drag",
            thumbFromLabel="Lowest voltage",
            thumbToLabel="Highest voltage",
            mt=4,
            mb=18,
        ),
        html.P(id="what-if-values", className="note", role="status"),
    ]  # fmt: skip
    return html.Div(
        [
            html.Div(
                card(
                    f"Design #{design.id}",
                    sliders,
                    note="All else is as in the design; the same code scores it as in the study.",
                    actions=dmc.Button(
                        "Back to the design",
                        id="what-if-reset",
                        size="compact-xs",
                        variant="subtle",
                    ),
                ),
                className="span-5",
            ),
            html.Div(html.Div(id="what-if-facts"), className="span-7"),
            figure_card(
                "Over all thresholds",
                "what-if-curve",
                height=380,
                wide=True,
                note="Accuracy and energy of this design with these voltages and this deadline.",
            ),
        ],
        className="grid",
    )


def _slider(
    slider_id: str,
    title: str,
    value: float,
    low: float,
    high: float,
    step: float,
    *,
    disabled: bool = False,
) -> list[Component]:
    return [
        html.H3(title),
        dmc.Slider(
            id=slider_id,
            value=value,
            min=min(low, value),
            max=max(high, value),
            step=step,
            precision=4,
            updatemode="drag",
            disabled=disabled,
            thumbLabel=title,
            mt=4,
            mb=18,
        ),
    ]


def _facts(view: RunView, design: FrontDesign, found: WhatIf) -> Component:
    if not found.metrics:
        return card("Result", sentence(f"It cannot run: {found.reason}."))
    facts = []
    for name in _SHOWN:
        about = metric(name, view.task)
        new, old = found.metrics[name] * about.scale, design.metrics[name].value * about.scale
        facts.append(
            html.Div(
                [
                    html.B(f"{new:.4g} {about.unit}".strip()),
                    html.Span(f"{about.title}, {_difference(new, old, about.unit)}"),
                ],
                className="fact",
            )
        )
    return card("Result", html.Div(facts, className="figures", style={"padding": "10px 0 6px"}))


def _difference(new: float, old: float, unit: str) -> str:
    """A change against the design, relative unless the unit is per cent."""
    if abs(new - old) <= 1e-9 * max(abs(new), abs(old)):
        return "as in the design"
    text = (
        f"{new - old:+.2g} points" if unit == "%" or old == 0 else f"{100 * (new / old - 1):+.2g} %"
    )
    return text.replace("-", "−")
