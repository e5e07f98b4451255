"""The frame around every page: which run, which page, which theme, and what pages share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from dashboards.cards import labelled
from dashboards.theme import MANTINE

LOOK_AGAIN_MS: Final = 2_000
"""How often a page asks whether its run has changed."""

INDEX: Final = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<title>{%title%}</title>
{%favicon%}
{%css%}
</head>
<body>
{%app_entry%}
<footer>
{%config%}
{%scripts%}
{%renderer%}
</footer>
</body>
</html>
"""


def shell(runs: Sequence[str], pages: Mapping[str, str]) -> Component:
    """The frame, with the stores that pages share.

    Args:
        runs: names of the runs.
        pages: title of each page by its path.
    """
    links = [dcc.Link(title, href=path, refresh=False) for path, title in pages.items()]
    frame: Component = dmc.MantineProvider(
        id="provider",
        theme=MANTINE,
        forceColorScheme="light",
        children=[
            dcc.Location(id="url", refresh="callback-nav"),
            dcc.Interval(id="tick", interval=LOOK_AGAIN_MS),
            dcc.Store(id="theme", storage_type="local", data="light"),
            dcc.Store(id="version", data=None),
            dcc.Store(id="selected", data=None),
            dcc.Store(id="design", data=None),
            dcc.Store(id="pinned", storage_type="session", data=[]),
            dcc.Download(id="download"),
            html.A("Skip to the page", href="#page", className="skip"),
            html.Header(
                [
                    html.Div(
                        [
                            html.Span("edge-dse", className="brand"),
                            dmc.Select(
                                id="run",
                                data=list(runs),
                                value=runs[0] if runs else None,
                                allowDeselect=False,
                                searchable=len(runs) > 8,
                                size="sm",
                                className="run",
                                **labelled("Run"),
                            ),
                            html.Span(id="state", className="state", role="status"),
                            html.Span(className="spacer"),
                            dmc.Button(
                                "Dark theme",
                                id="other-theme",
                                variant="default",
                                size="compact-sm",
                            ),
                        ],
                        className="bar",
                    ),
                    html.Nav(links, className="tabs", **labelled("Pages")),
                ],
                className="top",
            ),
            html.Main(id="page", tabIndex=-1),
        ],
    )
    return frame
