"""The report: one page with every figure of a front, which opens without a network."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Final

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from dashboards import figures, front_figures
from dashboards.figure_data import FrontData, front_data, history_data, survival
from dashboards.front_table import table_html
from dashboards.menus import Menu
from dashboards.page_assets import SCRIPT, STYLE
from dashboards.parts_table import parts_table_html
from dashboards.run_card import (
    found_sentence,
    honest_note,
    membership_note,
    run_card_html,
)
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

_SECTIONS: Final = (
    ("front-section", "Front"),
    ("survival-section", "Select and report"),
    ("history-section", "History"),
    ("parallel-section", "Parallel coordinates"),
    ("breakdown-section", "Where costs go"),
    ("shares-section", "Exits and voltages"),
    ("table-section", "Table"),
)

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


def write_report(front: Front, path: Path) -> None:
    """Write the report page of a front, whole or not at all.

    Raises:
        FigureError: the record holds a metric without title, or designs that are not alike.
        UnwritableError: the page cannot be written.
    """
    write_whole(path, report_html(front).encode())


def report_html(front: Front) -> str:
    """The page: plotly.js once, every figure as data, and no address of another file."""
    title = html.escape(front.title)
    links = "".join(f'<a href="#{anchor}">{name}</a>' for anchor, name in _SECTIONS)
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
{_sections(front)}
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _sections(front: Front) -> str:
    data = front_data(front)
    bodies = (
        _front_body(data),
        _survival_body(front, data),
        _history_body(front),
        _parallel_body(front_data(front, MAX_LINES)),
        _breakdown_body(front),
        _shares_body(front),
        _table_body(data),
    )
    titles = (
        "The front",
        f"Select against report {mid_sentence(data.report.title)}",
        "History of the search",
        "Parallel coordinates",
        "Where energy, time and area go",
        "Exit layers and voltages",
        "All designs",
    )
    return "\n".join(
        f'<section id="{anchor}"><h2>{title}</h2>\n{body}\n</section>'
        for (anchor, _), title, body in zip(_SECTIONS, titles, bodies, strict=True)
    )


def _front_body(data: FrontData) -> str:
    if not len(data.ids):
        return _sentence("The front has no designs, so there is nothing to draw.")
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
    return _note(note) + _figure("front", front_figures.front_figure(data), menus)


def _survival_body(front: Front, data: FrontData) -> str:
    if not len(data.ids):
        return _sentence("The front has no designs, so there are no accuracies to compare.")
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
    return _note(note) + _figure("survival", front_figures.survival_figure(data), most_px=760)


def _history_body(front: Front) -> str:
    if not front.history:
        return _sentence("The record has no history: no trial was told yet.")
    last = front.history[-1]
    note = (
        f"After {last.trial:,} trials and {last.designs_scored:,} designs scored, the front has "
        f"{last.front_size:,} designs and the hypervolume is {last.hypervolume:.5g}, as a share "
        "of the box between ideal and reference in the run card."
    )
    history = history_data(front)
    menus = (figures.history_menu(history),)
    return _note(note) + _figure("history", figures.history_figure(history), menus)


def _parallel_body(data: FrontData) -> str:
    constants = "; ".join(f"{title} = {text}" for title, text in data.constants)
    equal = _note(f"The same for every design: {constants}.") if constants else ""
    if len(data.ids) < 2:
        return _sentence("Parallel coordinates compare designs: fewer than two are there.") + equal
    if not data.knobs:
        return _sentence("No knob varies over the front, so there are no lines to compare.") + equal
    note = (
        _shown_note(len(data.ids), data.n_front)
        + " One line is one design, spread a little around a category by its "
        f"{mid_sentence(data.report.title)}. Drag along an axis to keep a range, "
        " click the axis to let it go, drag an axis title to move it."
    )
    body = _note(note) + equal + '<p class="note" id="brushed" role="status"></p>'
    n_axes = len(data.knobs) + sum(column.is_objective for column in data.metrics)
    figure = front_figures.parallel_figure(data)
    return body + _figure("parallel", figure, least_px=84 * n_axes + 150)


def _breakdown_body(front: Front) -> str:
    if not front.designs:
        return _sentence("The front has no designs, so there are no costs to break down.")
    body = ""
    chosen = knee(front)
    for field, name, title in _BREAKDOWNS:
        stack = breakdown_stack(front, field, name)
        if not body:
            body = _note(f"{_stack_note(stack)} {_KNEE_NOTE}")
        body += f"<h3>{title}</h3>"
        if not stack.parts:
            body += _sentence(f"The record has no parts of the {title.lower()}.")
            continue
        unit = metric(name).unit
        menus = (figures.share_menu(title, unit),)
        drawn = _figure(f"breakdown-{field}", figures.breakdown_figure(stack, title, unit), menus)
        table = parts_table_html(chosen.id, parts_of(chosen, field, name), unit)
        body += f'<div class="beside"><div>{drawn}</div>{table}</div>'
    return body


def _shares_body(front: Front) -> str:
    if not front.designs:
        return _sentence("The front has no designs, so there are no shares to show.")
    exits, voltages = exit_stack(front), voltage_stack(front)
    body = _note(_stack_note(exits)) + "<h3>Layer after which sentences exit</h3>"
    if exits.parts:
        body += _figure("exits", figures.exit_figure(exits))
    else:
        body += _sentence("The record has no exit layers.")
    body += "<h3>Voltage at which later layers run</h3>"
    if voltages.parts:
        body += _figure("voltages", figures.voltage_figure(voltages))
    else:
        body += _sentence("The record has no voltages.")
    return body


def _table_body(data: FrontData) -> str:
    if not len(data.ids):
        return _sentence("The front has no designs, so the table has no rows.")
    note = _shown_note(len(data.ids), data.n_front)
    note += " Click a header to sort; ± is one standard error. Knobs that do not vary are left out."
    return _note(note) + table_html(data)


def _figure(
    name: str, figure: go.Figure, menus: tuple[Menu, ...] = (), least_px: int = 0, most_px: int = 0
) -> str:
    """A figure's menus, its place on the page, and its data."""
    selects = "".join(
        f'<label>{html.escape(menu.title)}<select data-figure="{name}" data-menu="{i}">'
        + "".join(
            f'<option value="{j}">{html.escape(choice.label)}</option>'
            for j, choice in enumerate(menu.choices)
        )
        + "</select></label>"
        for i, menu in enumerate(menus)
        if len(menu.choices) > 1
    )
    menus_json = json.dumps([menu.record() for menu in menus], separators=(",", ":"))
    content = f'{figure.to_json().removesuffix("}")},"menus":{menus_json}}}'
    height = f"height: {figure.layout.height}px"
    width = f"; min-width: {least_px}px" if least_px else ""
    width += f"; max-width: {most_px}px" if most_px else ""
    webgl = ' data-webgl="yes"' if figure.data[0].type == "parcoords" else ""
    place = f'<div class="figure" id="{name}"{webgl} style="{height}{width}"></div>'
    return (
        (f'<div class="menus">{selects}</div>' if selects else "")
        + (f'<div class="wide">{place}</div>' if least_px else place)
        + f'<script type="application/json" id="{name}-data">{_script_text(content)}</script>'
    )


def _script_text(text: str) -> str:
    """JSON that cannot end the script element that it stands in."""
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _note(text: str) -> str:
    return f'<p class="note">{html.escape(text.strip())}</p>\n'


def _sentence(text: str) -> str:
    return f'<p class="empty">{html.escape(text)}</p>\n'


def _shown_note(shown: int, n: int) -> str:
    if shown == n:
        return "The only design of the front." if n == 1 else f"All {n:,} designs of the front."
    return f"{shown:,} of the front's {n:,} designs, in even steps of its order."


def _stack_note(stack: Stack) -> str:
    return _shown_note(len(stack.labels), stack.n_front)


def _sample_text(n: int, of: int) -> str:
    return f"all {of:,}" if n == of else f"a sample of {n:,} of {of:,}"
