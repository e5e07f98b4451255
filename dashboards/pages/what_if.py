"""What if: thresholds, deadline and voltages of one design on sliders, scored as they move."""

from __future__ import annotations

import time
from typing import Any

from dash import (
    ClientsideFunction,
    Dash,
    Input,
    Output,
    State,
    dcc,
    html,
    no_update,
)
from dash.development.base_component import Component

from dashboards.cards import sentence, sentence_figure
from dashboards.held_design import HeldDesign, held_design
from dashboards.run_card import found_sentence
from dashboards.run_source import RunSource
from dashboards.run_views import RunView, RunViews
from dashboards.theme import theme_of
from dashboards.threshold_figure import threshold_figure
from dashboards.titles import knob_title, metric
from dashboards.what_if import (
    WhatIf,
    threshold_curve,
    threshold_knob,
    what_if,
)
from dashboards.what_if_frame import SHOWN, started_at, what_if_frame
from search_space import KNOB_DEFAULTS


def layout(_: RunView, __: RunViews) -> list[Component]:
    """The page's frame."""
    return [
        html.H1("What if"),
        dcc.Store(id="what-if-held"),
        html.Div(id="what-if-frame"),
    ]


def register(app: Dash, views: RunViews) -> None:
    """Callbacks of the page."""

    # Sliders are made for a design, and stand as they stand whatever becomes of its run.
    @app.callback(
        Output("what-if-frame", "children"),
        Output("what-if-held", "data"),
        Input("design", "data"),
        Input("run", "value"),
        Input("version", "data"),
        State("what-if-held", "data"),
    )
    def frame(asked: Any, run: str, _: Any, stored: Any) -> Any:
        held = held_design(stored)
        if held is not None and (held.run, held.asked) == (run, asked):
            return no_update, no_update
        view = views.view(run)
        design = view.design(asked)
        if design is None:
            return sentence(found_sentence(view.front)), None
        held = HeldDesign.of(view, design, asked)
        try:
            return what_if_frame(view, held), held.stored()
        except ValueError as error:
            return sentence(str(error)), None

    @app.callback(
        Output("what-if-design", "children"),
        Input("version", "data"),
        State("what-if-held", "data"),
        prevent_initial_call=True,
    )
    def named(_: Any, stored: Any) -> Any:
        held = held_design(stored)
        return no_update if held is None else held.name_in(views.view(held.run))

    # The browser asks one question at a time, and always the latest: see `ask` in dashboard.js.
    _in_browser(
        app,
        "ask",
        [Output("what-if-asked", "data")],
        Input("what-if-threshold", "value"),
        Input("what-if-deadline", "value"),
        Input("what-if-volts", "value"),
        Input("what-if-answer", "data"),
        State("what-if-frame-key", "data"),
        at_once=True,
    )

    @app.callback(
        Output("what-if-answer", "data"),
        Input("what-if-asked", "data"),
        State("what-if-held", "data"),
        prevent_initial_call=True,
    )
    def scored(asked: Any, stored: Any) -> Any:
        held = held_design(stored)
        if held is None or not asked:
            return no_update
        return {
            "number": asked["number"],
            **_answer(views.source(held.run), held, *asked["values"]),
        }

    _in_browser(
        app,
        "answered",
        [
            *(Output(f"what-if-{name}", "children") for name in SHOWN),
            *(Output(f"what-if-{name}-change", "children") for name in SHOWN),
            Output("what-if-reason", "children"),
            Output("what-if-values", "children"),
        ],
        Input("what-if-answer", "data"),
    )

    @app.callback(
        Output("what-if-drawn", "data"),
        Input("what-if-ranges", "data"),
        Input("theme", "data"),
        State("what-if-held", "data"),
        prevent_initial_call=True,
    )
    def curve(ranges: Any, theme: str, stored: Any) -> Any:
        held = held_design(stored)
        if held is None or not ranges:
            return no_update
        threshold, deadline, volts = ranges
        name, changes = _changes(held, threshold, volts)
        try:
            bench = views.source(held.run).bench()
            found = threshold_curve(bench, held.knobs, deadline_ms=float(deadline), changes=changes)
        except ValueError as error:
            return sentence_figure(str(error))
        if found is None:
            return sentence_figure("There is no threshold to go over, or the design cannot run.")
        return threshold_figure(found, name, threshold, held.task, theme_of(theme))

    _in_browser(
        app,
        "standing",
        [Output("what-if-curve", "figure")],
        Input("what-if-drawn", "data"),
        Input("what-if-threshold", "value"),
    )

    @app.callback(
        Output("what-if-threshold", "value"),
        Output("what-if-deadline", "value"),
        Output("what-if-volts", "value"),
        Input("what-if-reset", "n_clicks"),
        State("what-if-held", "data"),
        prevent_initial_call=True,
    )
    def reset(clicks: int | None, stored: Any) -> Any:
        held = held_design(stored)
        if not clicks or held is None:
            return no_update, no_update, no_update
        return started_at(held)


def _in_browser(
    app: Dash,
    function: str,
    outputs: list[Output],
    *inputs: Input | State,
    at_once: bool = False,
) -> None:
    # The library's own method has no types.
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("edge", function), *outputs, *inputs, prevent_initial_call=not at_once
    )


def _answer(
    source: RunSource,
    held: HeldDesign,
    threshold: float,
    deadline: float,
    volts: list[float],
) -> dict[str, Any]:
    """What the page shows of the design as the sliders stand, as texts."""
    name, changes = _changes(held, threshold, volts)
    start = time.perf_counter()
    try:
        found = what_if(source.bench(), held.knobs, deadline_ms=float(deadline), changes=changes)
    except ValueError as error:
        return {"facts": [], "reason": str(error), "told": ""}
    spent_ms = 1e3 * (time.perf_counter() - start)
    title = f"{knob_title(name)} {threshold:g}" if name else "No threshold"
    told = (
        f"{title}, deadline {deadline:g} ms, {volts[0]:.2f} to {volts[1]:.2f} V: "
        f"scored in {spent_ms:.0f} ms."
    )
    reason = "" if found.metrics else f"It cannot run: {found.reason}."
    return {"facts": _facts(held, found), "reason": reason, "told": told}


def _changes(
    held: HeldDesign, threshold: float, volts: list[float]
) -> tuple[str, dict[str, float]]:
    """The design's threshold knob, and what the sliders change."""
    name = threshold_knob({**KNOB_DEFAULTS, **held.knobs})
    changes = {"min_voltage_v": float(volts[0]), "max_voltage_v": float(volts[1])}
    if name:
        changes[name] = int(threshold) if name == "patience" else float(threshold)
    return name, changes


def _facts(held: HeldDesign, found: WhatIf) -> list[tuple[str, str]]:
    """Value and change of each metric shown; none if the design cannot run."""
    facts = []
    for name in SHOWN if found.metrics else ():
        shown = metric(name, held.task)
        new, old = found.metrics[name] * shown.scale, held.values[name] * shown.scale
        change = f"{shown.title}, {_difference(new, old, shown.unit)}"
        facts.append((f"{new:.4g} {shown.unit}".strip(), change))
    return facts


def _difference(new: float, old: float, unit: str) -> str:
    """A change against the design, relative unless the unit is per cent."""
    if abs(new - old) <= 1e-9 * max(abs(new), abs(old)):
        return "as in the design"
    text = (
        f"{new - old:+.2g} points" if unit == "%" or old == 0 else f"{100 * (new / old - 1):+.2g} %"
    )
    return text.replace("-", "−")
