"""The report: one page with every figure of a front, which opens without a network."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from plotly.offline import get_plotlyjs

from dashboards import front_figures, stack_figures
from dashboards.figure_data import FrontData, front_data, history_data, survival
from dashboards.front_table import table_html
from dashboards.page_assets import SCRIPT, STYLE
from dashboards.parts_table import parts_table_html
from dashboards.report_parts import Section, figure_html, note_html, sentence_html
from dashboards.run_card import (
    found_sentence,
    honest_note,
    membership_note,
    run_card_html,
)
from dashboards.run_sections import run_sections
from dashboards.run_source import RunSource
from dashboards.stack_data import Stack, breakdown_stack, exit_stack, parts_of, voltage_stack
from dashboards.titles import metric, mid_sentence
from studies.choosing import knee
from studies.records import Front
from studies.whole_files import write_whole

_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; worker-src blob:"
)
"""What a browser may fetch for the page: nothing. (Plotly compiles its WebGL code at run time.)"""

MAX_LINES: Final = 500
"""Designs that parallel coordinates draw: more lines hide each other."""

_BREAKDOWNS: Final = (
    ("energy_pj", "energy_pj", "Energy per sentence"),
    ("latency_ns", "latency_mean_ns", "Mean latency"),
    ("area_mm2", "area_mm2", "Area"),
)
"""Field of a breakdown, the metric that it sums to, and its title."""

_KNEE_NOTE: Final = (
    "The tables are of the knee: the design nearest to the best of all objectives, each scaled to "
    "the front."
)


def write_report(front: Front, path: Path, run: RunSource | None = None) -> None:
    """Write the report page of a front, whole or not at all.

    Args:
        front: the record.
        path: of the page.
        run: that the front is of, for the figures of its trials and of its knee too.

    Raises:
        FigureError: the record holds a metric without title, or designs that are not alike.
        UnwritableError: the page cannot be written.
        ValueError: the run is damaged.
    """
    write_whole(path, report_html(front, run).encode())


def report_html(front: Front, run: RunSource | None = None) -> str:
    """The page: plotly.js once, every figure as data, and no address of another file."""
    title = html.escape(front.title)
    sections = [*_front_sections(front), *(run_sections(run) if run is not None else ())]
    links = "".join(f'<a href="#{each.anchor}">{each.name}</a>' for each in sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
<nav><div>{links}</div></nav>
<main>
<h1>{title}</h1>
<p class="found">{html.escape(found_sentence(front))}</p>
<p class="note">{html.escape(honest_note(front))}</p>
{run_card_html(front)}
{_written(sections)}
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _written(sections: Sequence[Section]) -> str:
    return "\n".join(
        f'<section id="{each.anchor}"><h2>{html.escape(each.title)}</h2>\n{each.body}\n</section>'
        for each in sections
    )


def _front_sections(front: Front) -> list[Section]:
    data = front_data(front)
    left = f"Select against report {mid_sentence(data.report.title)}"
    lines = _parallel_body(front_data(front, MAX_LINES))
    costs = "Where energy, time and area go"
    return [
        Section("front-section", "Front", "The front", _front_body(data)),
        Section("survival-section", "Select and report", left, _survival_body(front, data)),
        Section("history-section", "History", "History of the search", _history_body(front)),
        Section("parallel-section", "Parallel coordinates", "Parallel coordinates", lines),
        Section("breakdown-section", "Where costs go", costs, _breakdown_body(front)),
        Section(
            "shares-section",
            "Exits and voltages",
            "Exit layers and voltages",
            _shares_body(front),
        ),
        Section("table-section", "Table", "All designs", _table_body(data)),
    ]


def _front_body(data: FrontData) -> str:
    if not len(data.ids):
        return sentence_html("The front has no designs, so there is nothing to draw.")
    menus = (front_figures.x_menu(data), front_figures.colour_menu(data))
    behind = data.dominated
    objectives = [mid_sentence(column.title) for column in data.metrics if column.is_objective]
    note = _shown_note(len(data.ids), data.n_front)
    note += (
        " Bars are one standard error over the sentences. Point at a design for its card; click "
        "it to find it in the table. Double-click shows all that was drawn."
    )
    if len(objectives) > 2:
        note += (
            f" The front is that of {len(objectives)} objectives ({', '.join(objectives)}), so a "
            "design that looks worse in this view is better in another."
        )
    if behind.n_sampled:
        note += f" Grey: {_sample_text(behind.n_sampled, behind.of)} dominated designs."
    return note_html(note) + figure_html("front", front_figures.front_figure(data), menus)


def _survival_body(front: Front, data: FrontData) -> str:
    if not len(data.ids):
        return sentence_html("The front has no designs, so there are no accuracies to compare.")
    left = survival(data)
    way = "lower" if left.mean_drop >= 0 else "higher"
    note = (
        f"On the report split, {mid_sentence(data.report.title)} is {abs(left.mean_drop):.2f} "
        f"points {way} on average over the designs."
    )
    if np.isfinite(left.slope):
        note += (
            f" Of a point gained on select along the front, {left.slope:.2f} points are left on "
            "report (least squares; 1 is all of it)."
        )
    if left.n_with_errors:
        note += (
            f" {left.n_within} of {left.n_with_errors} designs lie within two standard errors of "
            "the diagonal. All designs share the same sentences, so their errors go together."
        )
    note += f" {membership_note(front)}"
    return note_html(note) + figure_html(
        "survival", front_figures.survival_figure(data), most_px=760
    )


def _history_body(front: Front) -> str:
    if not front.history:
        return sentence_html("The record has no history: no trial was told yet.")
    last = front.history[-1]
    note = (
        f"After {last.trial:,} trials and {last.designs_scored:,} designs scored, the front has "
        f"{last.front_size:,} designs and the hypervolume is {last.hypervolume:.5g}, as a share "
        "of the box between ideal and reference in the run card."
    )
    history = history_data(front)
    menus = (stack_figures.history_menu(history),)
    return note_html(note) + figure_html("history", stack_figures.history_figure(history), menus)


def _parallel_body(data: FrontData) -> str:
    constants = "; ".join(f"{title} = {text}" for title, text in data.constants)
    equal = note_html(f"The same for every design: {constants}.") if constants else ""
    if len(data.ids) < 2:
        return (
            sentence_html("Parallel coordinates compare designs: fewer than two are there.") + equal
        )
    if not data.knobs:
        return (
            sentence_html("No knob varies over the front, so there are no lines to compare.")
            + equal
        )
    note = (
        _shown_note(len(data.ids), data.n_front)
        + " One line is one design, spread a little around a category by its "
        f"{mid_sentence(data.report.title)}. Drag along an axis to keep a range, "
        " click the axis to let it go, drag an axis title to move it."
    )
    body = note_html(note) + equal + '<p class="note" id="brushed" role="status"></p>'
    n_axes = len(data.knobs) + sum(column.is_objective for column in data.metrics)
    figure = front_figures.parallel_figure(data)
    return body + figure_html("parallel", figure, least_px=84 * n_axes + 150)


def _breakdown_body(front: Front) -> str:
    if not front.designs:
        return sentence_html("The front has no designs, so there are no costs to break down.")
    body = ""
    chosen = knee(front)
    for field, name, title in _BREAKDOWNS:
        stack = breakdown_stack(front, field, name)
        if not body:
            body = note_html(f"{_stack_note(stack)} {_KNEE_NOTE}")
        body += f"<h3>{title}</h3>"
        if not stack.parts:
            body += sentence_html(f"The record has no parts of the {title.lower()}.")
            continue
        unit = metric(name).unit
        menus = (stack_figures.share_menu(title, unit),)
        drawn = figure_html(
            f"breakdown-{field}", stack_figures.breakdown_figure(stack, title, unit), menus
        )
        table = parts_table_html(chosen.id, parts_of(chosen, field, name), unit)
        body += f'<div class="beside"><div>{drawn}</div>{table}</div>'
    return body


def _shares_body(front: Front) -> str:
    if not front.designs:
        return sentence_html("The front has no designs, so there are no shares to show.")
    exits, voltages = exit_stack(front), voltage_stack(front)
    body = note_html(_stack_note(exits)) + "<h3>Layer after which sentences exit</h3>"
    if exits.parts:
        body += figure_html("exits", stack_figures.exit_figure(exits))
    else:
        body += sentence_html("The record has no exit layers.")
    body += "<h3>Voltage at which later layers run</h3>"
    if voltages.parts:
        body += figure_html("voltages", stack_figures.voltage_figure(voltages))
    else:
        body += sentence_html("The record has no voltages.")
    return body


def _table_body(data: FrontData) -> str:
    if not len(data.ids):
        return sentence_html("The front has no designs, so the table has no rows.")
    note = _shown_note(len(data.ids), data.n_front)
    note += " Click a header to sort; ± is one standard error. Knobs that do not vary are left out."
    return note_html(note) + table_html(data)


def _shown_note(shown: int, n: int) -> str:
    if shown == n:
        return "The only design of the front." if n == 1 else f"All {n:,} designs of the front."
    return f"{shown:,} of the front's {n:,} designs, in even steps of its order."


def _stack_note(stack: Stack) -> str:
    return _shown_note(len(stack.labels), stack.n_front)


def _sample_text(n: int, of: int) -> str:
    return f"all {of:,}" if n == of else f"a sample of {n:,} of {of:,}"
