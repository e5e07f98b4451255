"""One selection for the front's figures, its table, the address and the command, and its files."""

from __future__ import annotations

from typing import Any, Final

from dash import Dash, Input, Output, State, ctx, no_update, set_props

from dashboards.design_table import table_csv
from dashboards.downloads import text_file, zip_file
from dashboards.run_views import RunView, RunViews
from dashboards.selection import pareto_command

MOST_EXPORTED: Final = 8
"""Designs that one archive takes: each is a folder of a chip, some with a model."""


def register_selection(app: Dash, views: RunViews) -> None:
    """Callbacks that read and write the selection of the front's page."""

    @app.callback(
        Input("front-graph", "selectedData"),
        Input("front-graph", "clickData"),
        Input("front-parallel", "clickData"),
        Input("front-grid", "selectedRows"),
        Input("front-clear", "n_clicks"),
        State("selected", "data"),
        State("front-seen", "data"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def select(
        lasso: Any, point: Any, line: Any, rows: Any, _: Any, chosen: Any, seen: Any, run: str
    ) -> None:
        # No output: what this sets is also what the grid is set by, which would be a circle.
        view = views.view(run)
        old = view.selected(chosen)
        ids: list[int] = old
        asked = {each["prop_id"] for each in ctx.triggered}
        if "front-graph.clickData" in asked and point and "z" in point["points"][0]:
            ids = _toggled(old, point)
            set_props("front-graph", {"clickData": None})  # so that a second click is news
        elif "front-graph.selectedData" in asked:
            if not lasso or not {"range", "lassoPoints"} & lasso.keys():
                return  # nobody has drawn anything: a figure that is drawn anew says so, too
            ids = [int(p["customdata"]) for p in lasso["points"] if "customdata" in p]
        elif ctx.triggered_id == "front-parallel" and line:
            ids = _toggled(old, line)
            set_props("front-parallel", {"clickData": None})
        elif ctx.triggered_id == "front-grid":
            if not isinstance(rows, list):  # the grid is being told, not asked
                return
            ids = [row["id"] for row in rows]
            set_props("front-seen", {"data": ids})
            if not ids and not seen:  # a new grid has nothing ticked before it is told what is
                return
        elif ctx.triggered_id == "front-clear":
            ids = []
        if sorted(ids) != sorted(old):
            set_props("selected", {"data": {"run": run, "ids": sorted(ids)}})

    @app.callback(
        Output("front-grid", "selectedRows"),
        Output("front-count", "children"),
        Output("front-command", "children"),
        Input("selected", "data"),
        Input("version", "data"),
        State("run", "value"),
    )
    def shown(chosen: Any, _: Any, run: str) -> Any:
        view = views.view(run)
        ids = view.selected(chosen)
        told = {"ids": list(map(str, ids))} if ids else []  # ids without one would tick nothing off
        return told, _counted(view, ids), _command(view, ids)

    @app.callback(
        Output("download", "data", allow_duplicate=True),
        Input("front-csv", "n_clicks"),
        State("selected", "data"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def saved(clicks: int | None, chosen: Any, run: str) -> Any:
        if not clicks:  # a new page's button asks, too
            return no_update
        view = views.view(run)
        text = table_csv(view.data, view.selected(chosen))
        return text_file(f"{view.name}-front.csv", text)

    @app.callback(
        Output("download", "data", allow_duplicate=True),
        Output("front-exported", "children"),
        Input("front-export", "n_clicks"),
        State("selected", "data"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def exported(clicks: int | None, chosen: Any, run: str) -> Any:
        if not clicks:
            return no_update, no_update
        view = views.view(run)
        return _exported(view, view.selected(chosen))


def _exported(view: RunView, ids: list[int]) -> tuple[Any, str]:
    """The folders of the selected designs as one archive, and what there is to say."""
    if not 0 < len(ids) <= MOST_EXPORTED:
        text = f"Select 1 to {MOST_EXPORTED} designs to export them; {len(ids):,} are selected."
        return no_update, text
    files: dict[str, bytes] = {}
    for number in ids:
        try:
            found = view.source.exported(number)
        except ValueError as error:
            return no_update, f"Design #{number} cannot be exported: {error}"
        files |= {f"design-{number}/{name}": content for name, content in found.items()}
    return zip_file(f"{view.name}-selection", files), ""


def _toggled(old: list[int], click: Any) -> list[int]:
    """A selection with the clicked design in it, or out of it if it was in."""
    number = click["points"][0].get("customdata")
    return sorted({*old} ^ {number}) if isinstance(number, int) else old


def _counted(view: RunView, ids: list[int]) -> str:
    n = len(view.front.designs)
    if not ids:
        return f"{n:,} designs on the front, none selected. The command prints all of them."
    return f"{len(ids):,} of {n:,} designs selected, in every figure and the table."


def _command(view: RunView, ids: list[int]) -> str:
    return pareto_command(str(view.source.path), ids)
