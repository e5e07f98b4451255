"""Cards: what pages are made of. Texts of records go in as text, never as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import dcc, html
from dash.development.base_component import Component

Children = Sequence[Component | str] | Component | str | None

_CONFIG: Final[Any] = {
    "displaylogo": False,
    "responsive": True,
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "modeBarButtonsToRemove": ["toImage", "resetScale2d", "autoScale2d", "lasso2d", "select2d"],
}
_SELECTING: Final[Any] = _CONFIG | {
    "modeBarButtonsToRemove": ["toImage", "resetScale2d", "autoScale2d"],
    "displayModeBar": True,
}
VERDICT_COLOURS: Final = {"PASS": "teal", "WARN": "yellow", "FAIL": "red"}


def card(
    title: str, children: Children, *, note: str = "", actions: Children = None, wide: bool = False
) -> Component:
    """A card with a title, a note under it and something to press beside it."""
    head = html.Div(
        [html.H2(title), html.Div(actions, className="actions")] if actions else html.H2(title),
        className="card-head",
    )
    body: list[Any] = [head]
    if note:
        body.append(html.P(note, className="note"))
    body += children if isinstance(children, list | tuple) else [children]
    return html.Section(body, className="card wide" if wide else "card", **labelled(title))


def figure_card(
    title: str,
    figure_id: str,
    figure: go.Figure | None = None,
    *,
    height: int = 360,
    least_px: int = 0,
    note: str = "",
    selecting: bool = False,
    wide: bool = False,
    above: Children = None,
) -> Component:
    """A card with one figure, and buttons that save it as PNG and as SVG.

    Args:
        title: of the card.
        figure_id: of the figure.
        figure: that it starts with; none for one that a callback fills in.
        height: of the figure in pixels; its width is the card's.
        least_px: width below which the figure scrolls sideways instead of shrinking.
        note: under the title.
        selecting: whether designs are selected in it, so that its tools are always shown.
        wide: whether the card takes the whole width.
        above: what stands over the figure.
    """
    buttons = [
        dmc.Button(
            kind.upper(),
            id={"role": "save", "kind": kind, "figure": figure_id},
            size="compact-xs",
            variant="subtle",
            **labelled(f"Save {title} as {kind.upper()}"),
        )
        for kind in ("png", "svg")
    ]
    graph = dcc.Graph(
        id=figure_id,
        figure=figure if figure is not None else waiting_figure(),
        config=_SELECTING if selecting else _CONFIG,
        responsive=True,
        className="figure",
        style={"height": f"{height}px", "minWidth": f"{least_px}px"},
    )
    # The script of graphs comes a moment later: until then their place is kept free.
    place: dict[str, Any] = {"style": {"minHeight": f"{height}px"}}
    if least_px:
        place |= {"className": "sideways", "tabIndex": 0}
    shown = html.Div(graph, **place)
    inside: list[Any] = [above, shown] if above is not None else [shown]
    return card(title, inside, note=note, actions=buttons, wide=wide)


def waiting_figure() -> go.Figure:
    """What is shown until the data are there: nothing."""
    return sentence_figure("")


def sentence_figure(text: str) -> go.Figure:
    """A sentence in place of a figure that has nothing to show."""
    figure = go.Figure()
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        xaxis={"visible": False},
        yaxis={"visible": False},
    )
    if text:
        lines = [html_safe(line) for line in _wrapped(text, 74)]
        figure.add_annotation(
            text="<br>".join(lines), showarrow=False, font={"size": 14, "color": "#7d8996"}
        )
    return figure


def html_safe(text: str) -> str:
    """A text for a Plotly annotation, which reads a small HTML of its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def sentence(text: str) -> Component:
    """What stands where there is nothing to show."""
    return html.P(text, className="empty", role="status")


def problem(text: str) -> Component:
    """Something is wrong; the rest of the page stays as it is."""
    alert: Component = dmc.Alert(text, title="This cannot be shown", color="red", variant="light")
    return alert


def entry_list(entries: Sequence[tuple[str, str]]) -> Component:
    """Names and values in two columns."""
    parts: list[Component] = []
    for name, text in entries:
        parts += [html.Dt(name), html.Dd(text)]
    return html.Dl(parts)


def verdict_badge(verdict: str) -> Component:
    """PASS, WARN or FAIL in its colour, readable in both themes."""
    return html.Span(verdict, className=f"verdict {verdict.lower()}")


def plain_table(
    heads: Sequence[str],
    rows: Sequence[Sequence[Component | str]],
    *,
    numbers: Sequence[int] = (),
    label: str,
) -> Component:
    """A small table; columns whose index is in ``numbers`` are set flush right."""
    align = ["n" if i in numbers else "" for i in range(len(heads))]
    return html.Div(
        html.Table(
            [
                html.Thead(
                    html.Tr(
                        [
                            html.Th(h, scope="col", className=a)
                            for h, a in zip(heads, align, strict=True)
                        ]
                    )
                ),
                html.Tbody(
                    [
                        html.Tr([html.Td(c, className=a) for c, a in zip(row, align, strict=True)])
                        for row in rows
                    ]
                ),
            ],
            className="plain",
        ),
        className="scroll",
        tabIndex=0,
        role="region",
        **labelled(label),
    )


def labelled(text: str) -> dict[str, Any]:
    """What names a component to those who do not see it."""
    return {"aria-label": text}


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
