"""The cards of the what-if page: sliders that stand as a design does, and room for answers."""

from __future__ import annotations

import uuid
from typing import Final

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from dashboards.cards import card, figure_card
from dashboards.held_design import HeldDesign
from dashboards.run_views import RunView
from dashboards.titles import knob_title, metric
from dashboards.what_if import threshold_knob, threshold_range
from search_space import KNOB_DEFAULTS

SHOWN: Final = (
    "accuracy",
    "energy_pj",
    "latency_mean_ns",
    "latency_p99_ns",
    "deadline_miss_rate",
    "power_mw",
)
"""Metrics that are shown of a design as the sliders stand."""
LOWEST_V: Final = 0.5
HIGHEST_V: Final = 0.9
STEP_V: Final = 0.01


def what_if_frame(view: RunView, held: HeldDesign) -> Component:
    """The cards of the page for a design.

    Args:
        view: of its run.
        held: the design.

    Raises:
        ValueError: its setting cannot be had.
    """
    knobs = {**KNOB_DEFAULTS, **held.knobs}
    name = threshold_knob(knobs)
    threshold, deadline, volts = started_at(held)
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
    stores = ("what-if-asked", "what-if-answer", "what-if-ranges", "what-if-drawn")
    return html.Div(
        [
            *(dcc.Store(id=name) for name in stores),
            dcc.Store(id="what-if-frame-key", data=uuid.uuid4().hex),
            html.Div(
                card(
                    "What is changed",
                    [html.P(html.B(held.name_in(view), id="what-if-design")), *sliders],
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
            html.Div(card("Result", _result(view)), className="span-7"),
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


def _result(view: RunView) -> Component:
    """Where the answers are shown."""
    facts = [
        html.Div(
            [
                html.B("–", id=f"what-if-{name}"),
                html.Span(metric(name, view.task).title, id=f"what-if-{name}-change"),
            ],
            className="fact",
        )
        for name in SHOWN
    ]
    return html.Div(
        [
            html.Div(facts, className="figures", style={"padding": "10px 0 6px"}),
            html.P(id="what-if-reason", className="note", role="status"),
        ],
        id="what-if-facts",
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


def started_at(held: HeldDesign) -> tuple[float, float, list[float]]:
    """Where the sliders stand for a design: threshold, deadline in ms, range of supplies in V."""
    knobs = {**KNOB_DEFAULTS, **held.knobs}
    name = threshold_knob(knobs)
    volts = [float(knobs["min_voltage_v"]), float(knobs["max_voltage_v"])]
    return float(knobs[name]) if name else 0.0, held.deadline_ms, volts
