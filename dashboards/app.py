"""The dashboard as a Dash application over some runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from urllib.parse import parse_qs

from dash import (
    MATCH,
    ClientsideFunction,
    Dash,
    Input,
    Output,
    State,
    ctx,
    no_update,
)
from dash.development.base_component import Component

from dashboards.cards import problem
from dashboards.host_guard import LOOPBACK, guard
from dashboards.pages import (
    compare,
    design,
    front,
    health,
    knobs,
    overview,
    progress,
    what_if,
)
from dashboards.run_source import RunSource
from dashboards.run_views import RunView, RunViews
from dashboards.selection import ids_of_text
from dashboards.shell import INDEX, shell

PAGES: Final[Mapping[str, tuple[str, ModuleType]]] = {
    "/": ("Overview", overview),
    "/front": ("Front", front),
    "/design": ("Design", design),
    "/compare": ("Compare", compare),
    "/what-if": ("What if", what_if),
    "/progress": ("Progress", progress),
    "/knobs": ("Knobs", knobs),
    "/health": ("Health", health),
}
"""Title and module of each page by its path."""


def create_app(
    runs: Sequence[RunSource], *, hosts: Collection[str] = LOOPBACK, by_address: bool = False
) -> Dash:
    """The application; it reads these runs and writes nothing.

    Args:
        runs: to show, each with a name of its own.
        hosts: names by which a browser may ask for it.
        by_address: whether any address in figures is one of them too.
    """
    app = Dash(
        "edge-dse",
        assets_folder=str(Path(__file__).parent / "assets"),
        title="edge-dse",
        update_title="",
        index_string=INDEX,
        suppress_callback_exceptions=True,
        add_log_handler=False,
        enable_mcp=False,
    )
    views = RunViews(runs)
    app.layout = shell(views.names, {path: title for path, (title, _) in PAGES.items()})
    _share(app, views)
    for _, page in PAGES.values():
        page.register(app, views)
    guard(app.server, hosts, app.csp_hashes(), by_address=by_address)
    return app


def _share(app: Dash, views: RunViews) -> None:
    """Callbacks of the frame."""
    for name, output, inputs in (
        (
            "theme",
            [Output("provider", "forceColorScheme"), Output("other-theme", "children")],
            [Input("theme", "data")],
        ),
        (
            "otherTheme",
            [Output("theme", "data")],
            [Input("other-theme", "n_clicks"), State("theme", "data")],
        ),
        (
            "address",
            [],
            [
                Input("url", "pathname"),
                Input("run", "value"),
                Input("selected", "data"),
                Input("design", "data"),
            ],
        ),
        (
            "saveFigure",
            [],
            [
                Input({"role": "save", "kind": MATCH, "figure": MATCH}, "n_clicks"),
                State({"role": "save", "kind": MATCH, "figure": MATCH}, "id"),
            ],
        ),
    ):
        # The library's own method has no types.
        app.clientside_callback(  # type: ignore[no-untyped-call]
            ClientsideFunction("edge", name), *output, *inputs
        )

    @app.callback(
        Output("page", "children"),
        Input("url", "pathname"),
        Input("run", "value"),
    )
    def page_of(path: str | None, run: str | None) -> Any:
        return _page(views, path if path and path in PAGES else "/", run)

    @app.callback(
        Output("run", "value"),
        Output("selected", "data"),
        Output("design", "data"),
        Input("url", "search"),
        State("run", "value"),
    )
    def named(search: str | None, run: str | None) -> Any:
        return _named(views, search or "", run)

    @app.callback(
        Output("version", "data"),
        Output("state", "children"),
        Output("state", "className"),
        Input("tick", "n_intervals"),
        Input("run", "value"),
        State("version", "data"),
    )
    def looked_at(_: int | None, run: str | None, version: Any) -> Any:
        found, text, kind = _state(views, run)
        if found == version and ctx.triggered_id == "tick":
            return no_update, no_update, no_update
        return found, text, f"state {kind}"


def _page(views: RunViews, path: str, run: str | None) -> Component | list[Component]:
    if not views.names:
        return problem("There is no run to show: start one with 'dse run'.")
    try:
        view = views.view(run)
    except ValueError as error:
        return problem(str(error))
    children: list[Component] = PAGES[path][1].layout(view, views)
    return children


def _named(views: RunViews, search: str, run: str | None) -> Any:
    """Run, selection and design that an address names; nothing of an address without them."""
    query = parse_qs(search.removeprefix("?"), max_num_fields=8)
    name = query.get("run", [run or ""])[0]
    if not query or name not in views.names:
        return no_update, no_update, no_update
    try:
        n_designs = len(views.view(name).front.designs)
    except ValueError:
        return name, no_update, no_update
    ids = ids_of_text(query.get("select", [""])[0], n_designs)
    design = ids_of_text(query.get("design", [""])[0], n_designs)
    return (
        name if name != run else no_update,
        {"run": name, "ids": ids} if ids else no_update,
        {"run": name, "id": design[0]} if design else no_update,
    )


def _state(views: RunViews, run: str | None) -> tuple[Any, str, str]:
    """What tells versions of a run apart, its state in a few words, and the kind of that state."""
    try:
        view: RunView = views.view(run)
    except ValueError as error:
        return [run, str(error)], "cannot be read", "damaged"
    trials, total = len(view.snapshot.trials), view.snapshot.spec.search.trials
    text = f"{view.snapshot.state}, {trials:,} of {total:,} trials"
    return [run, view.snapshot.number], text, view.snapshot.state
