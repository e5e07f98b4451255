"""What sections of a still page are made of: figures with their menus, notes, sentences, tables."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from dashboards.menus import Menu

Drawing = Callable[[], go.Figure]


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a page.

    Attributes:
        anchor: that links lead to.
        name: in the page's list of sections.
        title: over the section.
        body: HTML.
    """

    anchor: str
    name: str
    title: str
    body: str


def figure_html(
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
    webgl = ' data-webgl="yes"' if figure.data and figure.data[0].type == "parcoords" else ""
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


def note_html(text: str) -> str:
    """A paragraph that explains a figure."""
    return f'<p class="note">{html.escape(text.strip())}</p>\n'


def sentence_html(text: str) -> str:
    """What stands where there is nothing to show."""
    return f'<p class="empty">{html.escape(text)}</p>\n'


def plain_table_html(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A small table of texts."""
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        f'<div class="plain-table"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def drawn_html(name: str, title: str, height: int, draw: Drawing) -> str:
    """A figure under its title; a sentence in place of one that cannot be."""
    try:
        body = figure_html(name, draw().update_layout(height=height))
    except ValueError as error:
        body = sentence_html(str(error))
    return f"<h3>{html.escape(title)}</h3>{body}"
