"""Health: every check of the run, with the remedy."""

from __future__ import annotations

import shlex
from typing import Any

from dash import Dash, Input, Output, State, html
from dash.development.base_component import Component

from dashboards.cards import card, plain_table, verdict_badge
from dashboards.run_views import RunView, RunViews
from studies.health import findings


def layout(_: RunView, __: RunViews) -> list[Component]:
    """The page's frame."""
    return [html.H1("Health"), html.Div(id="health-body")]


def register(app: Dash, views: RunViews) -> None:
    """Callbacks of the page."""

    @app.callback(
        Output("health-body", "children"), Input("version", "data"), State("run", "value")
    )
    def body(_: Any, run: str) -> Any:
        return _body(views.view(run))


def _body(view: RunView) -> list[Component]:
    found = findings(view.snapshot)
    counts = {v: sum(f.verdict == v for f in found) for v in ("FAIL", "WARN", "PASS")}
    rows: list[list[Component | str]] = [
        [verdict_badge(f.verdict), f.check, f.text, f.remedy or "–"] for f in found
    ]
    command = f"dse doctor {shlex.quote(str(view.source.path))}"
    told = f"{counts['FAIL']} failed, {counts['WARN']} to look at, {counts['PASS']} passed."
    return [
        html.P(told, className="lead"),
        html.Div(
            card(
                "Checks",
                plain_table(
                    ["Verdict", "Check", "What was found", "What to do"], rows, label="Checks"
                ),
                note=f"The same on the command line: {command}",
                wide=True,
            ),
            className="grid",
        ),
    ]
