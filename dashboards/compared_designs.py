"""Designs that are compared: which are offered, by what name, and what differs."""

from __future__ import annotations

from typing import Any

from dash import html
from dash.development.base_component import Component

from dashboards.cards import card, plain_table, sentence
from dashboards.recommended import recommended_designs
from dashboards.run_views import RunView, RunViews
from dashboards.titles import (
    knob_text,
    knob_title,
    measured_text,
    metric,
    number_text,
    with_unit,
)
from studies.metrics import Metric
from studies.records import FrontDesign


def offered_designs(views: RunViews, pinned: Any, run: str) -> tuple[dict[str, str], str]:
    """Keys and labels of the designs that can be compared, and a sentence on what they are."""
    keys = [f"{each['run']} #{each['id']}" for each in pinned or [] if isinstance(each, dict)]
    found = {key: key for key in keys if design_of(views, key) is not None}
    if found:
        note = "Pinned designs. Pin more on the page of a design."
    else:
        note = "No design is pinned: the recommended ones are offered. Pin on a design's page."
    if len(found) < 2:
        for each in recommended_designs(views.view(run).front):
            key = f"{run} #{each.design.id}"
            found.setdefault(key, f"#{each.design.id} {each.title}")
    return found, note


def design_of(views: RunViews, key: str | None) -> tuple[RunView, FrontDesign] | None:
    """The design of a key ``RUN #ID``; None if there is none."""
    run, _, number = (key or "").rpartition(" #")
    if not number.isdigit():
        return None
    try:
        view = views.view(run)
    except ValueError:
        return None
    designs = view.front.designs
    return (view, designs[int(number)]) if int(number) < len(designs) else None


def short_label(views: RunViews, key: str) -> str:
    """A short name of a design: without its run where there is only one."""
    return f"#{key.rpartition(' #')[2]}" if len(views.names) == 1 else key


def difference_table(views: RunViews, keys: list[str]) -> Component:
    """Metrics with errors and knobs of some designs, those alone that differ.

    The last column is how far the second design is from the first.
    """
    found = [(key, *entry) for key in keys if (entry := design_of(views, key)) is not None]
    if len(found) < 2:
        return card("What differs", sentence("Two designs are needed to compare."))
    rows: list[list[Component | str]] = []
    first_view = found[0][1]
    names = [name for name in found[0][2].metrics if all(name in d.metrics for _, _, d in found)]
    for name in names:
        about = metric(name, first_view.task)
        figures = [design.metrics[name] for _, _, design in found]
        if len({figure.value for figure in figures}) == 1:
            continue
        texts = [
            measured_text(
                f.value * about.scale, float("nan") if f.se is None else f.se * about.scale
            )
            for f in figures
        ]
        change = change_text(figures[0].value * about.scale, figures[1].value * about.scale, about)
        rows.append([with_unit(about.title, about.unit), *texts, change])
    n_metrics = len(rows)
    for knob in found[0][2].knobs:
        values = [design.knobs.get(knob) for _, _, design in found]
        if len(set(values)) > 1:
            texts = ["–" if value is None else knob_text(value) for value in values]
            rows.append([html.B(knob_title(knob)), *texts, ""])
    names = [short_label(views, key) for key, _, _ in found]
    heads = ["", *names, f"{names[1]} against {names[0]}"]
    table = plain_table(
        heads, rows, numbers=list(range(1, len(heads))), label="Designs side by side"
    )
    note = f"{n_metrics} metrics and {len(rows) - n_metrics} knobs differ; the rest is the same."
    return card("What differs", table, note=note)


def change_text(first: float, second: float, about: Metric) -> str:
    """How far the second value of a metric is from the first, both in the metric's unit.

    Shares differ by points, other values by their unit and by a percentage of the first one.

    >>> from studies.metrics import METRICS
    >>> change_text(86.3, 90.4, METRICS["accuracy"]), change_text(20.0, 15.0, METRICS["energy_pj"])
    ('+4.1 points', '−5 µJ (−25 %)')
    """
    change = second - first
    sign = "+" if change > 0 else "−" if change < 0 else "±"
    size = number_text(float(f"{abs(change):.3g}"))
    if about.unit == "%":
        return f"{sign}{size} points"
    text = f"{sign}{size} {about.unit}".strip()
    return f"{text} ({sign}{100 * abs(change / first):.3g} %)" if first else text
