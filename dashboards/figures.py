"""Figures for notebooks: each a function from a front's record to a Plotly figure.

    from pathlib import Path
    from dashboards import figures
    from studies.records import read_front

    front = read_front(Path("runs/edgebert-sst2-001/front.json"))
    figures.front_figure(front, x="energy_pj", y="accuracy").show()

The arrays behind them are had apart, from `figure_data` and `stack_data`; figures of trials take a
`studies.trial_table.TrialTable` and are in `progress_figures` and `knob_figures`.
"""

from __future__ import annotations

from typing import Final, Literal

import plotly.graph_objects as go

from dashboards import front_figures, stack_figures
from dashboards.figure_data import front_data, history_data
from dashboards.front_views import FrontChoice, front_view
from dashboards.parallel_view import parallel_lines
from dashboards.stack_data import breakdown_stack, exit_stack, voltage_stack
from dashboards.theme import Theme, themed
from dashboards.titles import FigureError, metric
from studies.records import Front

Cost = Literal["energy_pj", "latency_ns", "area_mm2"]

_METRIC_OF: Final = {
    "energy_pj": "energy_pj",
    "latency_ns": "latency_mean_ns",
    "area_mm2": "area_mm2",
}
"""The metric that a breakdown sums to."""


def front_figure(
    front: Front, *, x: str = "", y: str = "", z: str = "", theme: Theme = "light"
) -> go.Figure:
    """Every design of a front over two or three metrics, with errors; dominated ones in grey.

    Args:
        front: the record.
        x: metric; by default the second objective.
        y: metric; by default the first objective.
        z: metric of a third axis; empty for two axes.
        theme: light or dark.

    Raises:
        FigureError: the front has no designs, or no such metric.
    """
    _require_designs(front)
    cost, score = front.axes()
    choice = FrontChoice(x=x or cost, y=y or score, z=z, theme=theme)
    return front_view(front_data(front, None), front, choice)


def parallel_figure(front: Front, *, theme: Theme = "light", most: int = 300) -> go.Figure:
    """A line a design across knobs and objectives, better down; bulk lines of a larger front.

    Args:
        front: the record.
        theme: light or dark.
        most: designs up to which each line tells of itself when it is pointed at.

    Raises:
        FigureError: the front has no designs.
    """
    _require_designs(front)
    data = front_data(front, None)
    if len(data.ids) > most:
        return themed(front_figures.parallel_figure(data), theme)
    return parallel_lines(data, theme)


def survival_figure(front: Front, *, theme: Theme = "light") -> go.Figure:
    """The primary metric on the report split against the select split.

    Raises:
        FigureError: the front has no designs.
    """
    _require_designs(front)
    return themed(front_figures.survival_figure(front_data(front, None)), theme)


def history_figure(front: Front, *, theme: Theme = "light") -> go.Figure:
    """Hypervolume and size of the front against designs scored.

    Raises:
        FigureError: the record has no history.
    """
    if not front.history:
        raise FigureError("The record has no history: no trial was told.")
    return themed(stack_figures.history_figure(history_data(front)), theme)


def breakdown_figure(
    front: Front, cost: Cost = "energy_pj", *, theme: Theme = "light"
) -> go.Figure:
    """Which parts a cost of each design is made of.

    Args:
        front: the record.
        cost: field of a design's breakdown.
        theme: light or dark.

    Raises:
        FigureError: the front has no designs.
    """
    _require_designs(front)
    about = metric(_METRIC_OF[cost])
    stack = breakdown_stack(front, cost, about.name)
    return themed(stack_figures.breakdown_figure(stack, about.title, about.unit), theme)


def exit_figure(front: Front, *, theme: Theme = "light") -> go.Figure:
    """After which layer the sentences of each design leave.

    Raises:
        FigureError: the front has no designs.
    """
    _require_designs(front)
    return themed(stack_figures.exit_figure(exit_stack(front)), theme)


def voltage_figure(front: Front, *, theme: Theme = "light") -> go.Figure:
    """At which voltage the later layers of each design run.

    Raises:
        FigureError: the front has no designs.
    """
    _require_designs(front)
    return themed(stack_figures.voltage_figure(voltage_stack(front)), theme)


def _require_designs(front: Front) -> None:
    if not front.designs:
        raise FigureError("The front has no designs: there is nothing to draw.")
