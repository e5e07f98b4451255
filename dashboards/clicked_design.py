"""Designs that are opened by a click on a figure, by the browser alone."""

from __future__ import annotations

from dash import ClientsideFunction, Dash, Input, State


def open_clicked(app: Dash, figure_id: str) -> None:
    """Open the page of a design when its point in a figure is clicked."""
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("edge", "openDesign"),
        Input(figure_id, "clickData"),
        State("run", "value"),
        prevent_initial_call=True,
    )
