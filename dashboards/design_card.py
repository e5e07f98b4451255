"""The head of a design's page: its figures and knobs; and the table of its memories."""

from __future__ import annotations

from typing import Final

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from dashboards.cards import card, entry_list, labelled, plain_table
from dashboards.recommended import neighbour_sentence
from dashboards.run_views import RunView
from dashboards.titles import knob_text, knob_title, measured_text, metric, number_text, words
from hw_cost.placement import Placement
from studies.records import FrontDesign

_BITS_PER_KIB: Final = 8192


def design_head(view: RunView, design: FrontDesign) -> list[Component]:
    """What is pressed, every figure with its error, and the knobs, fixed ones apart."""
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


def placement_table(found: tuple[Placement, ...]) -> Component:
    """What lives in which memory, and how full it is."""
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
