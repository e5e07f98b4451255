"""What the figures show, as arrays: pure functions of a front record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from dashboards.front_columns import Column, DominatedData, Floats, Integers, KnobColumn
from dashboards.ticks import Scale
from dashboards.titles import (
    FigureError,
    knob_text,
    knob_title,
    measured_text,
    metric,
)
from evaluators.task_metrics import TASK_METRICS
from search_space import EXIT_KNOBS, KNOBS_OF_EXIT_POLICY, ExitPolicy
from studies.metrics import is_metric, metric_of, parts_of
from studies.records import Figure, Front, FrontDesign
from studies.survival import Survival, survival_of

MAX_DESIGNS: Final = 2_000
"""Designs that a still page shows, at most; of a larger front so many in even steps."""


MEMBERSHIP: Final = "On the front (% of samples)"
"""Title of the memberships."""


@dataclass(frozen=True, slots=True)
class FrontData:
    """The designs shown, in the order of the front, column by column.

    Attributes:
        n_front: designs on the front, shown or not.
        ids: (n_designs,) ids of those shown.
        trials: (n_designs,) trial of each.
        membership: (n_designs,) per cent of the bootstrap samples in which each is on the front;
            NaN in records without it.
        knobs: those that vary over the whole front.
        constants: title and value of those that do not.
        metrics: of the ``select`` split, objectives first.
        report: the task's primary metric on the ``report`` split.
        further: its other official metrics there.
        dominated: what lies behind.
    """

    n_front: int
    ids: Integers
    trials: Integers
    membership: Floats
    knobs: tuple[KnobColumn, ...]
    constants: tuple[tuple[str, str], ...]
    metrics: tuple[Column, ...]
    report: Column
    further: tuple[Column, ...]
    dominated: DominatedData

    @property
    def has_membership(self) -> bool:
        """Whether the record says how sure places on the front are."""
        return bool(np.isfinite(self.membership).any())

    def metric(self, name: str) -> Column:
        """The column of a metric.

        Raises:
            FigureError: the front does not have it.
        """
        for column in self.metrics:
            if column.name == name:
                return column
        raise FigureError(
            f"The designs of the front have no metric {name!r}: expected it beside "
            f"{', '.join(column.name for column in self.metrics) or 'no metric at all'}."
        )


@dataclass(frozen=True, slots=True)
class HistoryData:
    """State of the search, at the trials after which it changed (and the first and last).

    All arrays have shape (n_points,).
    """

    trials: Integers
    designs_scored: Integers
    front_sizes: Integers
    hypervolumes: Floats


def evenly_spaced(n: int, most: int) -> Integers:
    """At most ``most`` of the indices 0 … n - 1 in even steps, first and last among them."""
    if n <= most:
        return np.arange(n)
    return np.round(np.linspace(0, n - 1, most)).astype(np.intp)


def natural_key(text: str) -> tuple[tuple[int, float, str], ...]:
    """Sorts texts by the numbers in them.

    >>> sorted(["fp32", "fp8", "adaptivfloat<10,3>", "adaptivfloat<8,3>"], key=natural_key)
    ['adaptivfloat<8,3>', 'adaptivfloat<10,3>', 'fp8', 'fp32']
    """
    return tuple(
        (0, float(part), "") if part.isdigit() and part.isascii() else (1, 0.0, part)
        for part in re.split(r"([0-9]+)", text)
        if part
    )


def front_data(front: Front, most: int | None = MAX_DESIGNS) -> FrontData:
    """Columns of the designs of a front.

    Args:
        front: the record.
        most: designs at most, in even steps of the front's order; None for all.

    Raises:
        FigureError: designs differ in the knobs or metrics that they name, or a metric is unknown.
    """
    n = len(front.designs)
    shown = evenly_spaced(n, n if most is None else most)
    designs = [front.designs[i] for i in shown]
    _check_alike(front)
    first = front.designs[0] if front.designs else None
    unused = _unused_exit_knobs(front)
    names = [name for name in first.knobs if name not in unused] if first else []
    knobs = [_knob_column(name, front.designs, shown) for name in names]
    objectives = {objective.metric: objective for objective in front.objectives}
    constrained = {re.split(r"[<>]=", text)[0].strip() for text in front.constraints}
    metrics = list(first.metrics) if first else list(objectives)
    metrics.sort(key=lambda name: name not in objectives)
    task = front.scenario.get("task")
    return FrontData(
        n_front=len(front.designs),
        ids=np.array([design.id for design in designs], dtype=np.intp),
        trials=np.array([design.trial for design in designs], dtype=np.intp),
        membership=np.array(
            [np.nan if d.membership is None else 100 * d.membership for d in designs]
        ),
        knobs=tuple(knob for knob in knobs if len(knob.levels) > 1),
        constants=tuple((k.title, k.texts[0]) for k in knobs if len(k.levels) == 1),
        metrics=tuple(
            _column(
                name,
                [design.metrics[name] for design in designs],
                scale=objectives[name].axis if name in objectives else "linear",
                is_objective=name in objectives,
                is_constrained=name in constrained,
                task=task,
            )
            for name in metrics
        ),
        report=_column(
            "accuracy", [design.report_accuracy for design in designs], "linear", task=task
        ),
        further=_further_columns(designs),
        dominated=_dominated_data(front),
    )


def survival(data: FrontData) -> Survival:
    """How much of the ``select`` accuracy is left on the ``report`` split, in points."""
    select = data.metric("accuracy")
    return survival_of(select.values, select.errors, data.report.values, data.report.errors)


def history_data(front: Front) -> HistoryData:
    """The history without the points that repeat the state before and after them."""
    rows = np.array([[p.trial, p.designs_scored, p.front_size] for p in front.history], np.intp)
    rows = rows.reshape(-1, 3)
    hypervolumes = np.array([p.hypervolume for p in front.history], dtype=np.float64)
    state = np.column_stack([rows[:, 2], hypervolumes])
    changed = np.any(state[1:] != state[:-1], axis=1)
    keep = np.ones(len(rows), dtype=bool)
    keep[1:-1] = changed[:-1]
    rows, hypervolumes = rows[keep], hypervolumes[keep]
    return HistoryData(rows[:, 0], rows[:, 1], rows[:, 2], hypervolumes)


def hover_texts(data: FrontData) -> list[list[tuple[str, str]]]:
    """Title and text of what a card shows of each design shown, metrics first."""
    columns = [
        *((c.label, _measured_texts(c)) for c in data.metrics if c.is_on_card),
        *(
            (f"{c.title} on report ({c.unit})", _measured_texts(c))
            for c in (data.report, *data.further)
        ),
        *([(MEMBERSHIP, membership_texts(data))] if data.has_membership else []),
        *((knob.title, knob.design_texts()) for knob in data.knobs),
    ]
    return [[(title, texts[i]) for title, texts in columns] for i in range(len(data.ids))]


def membership_texts(data: FrontData) -> list[str]:
    """Membership of each design shown as people read it."""
    return ["–" if np.isnan(value) else f"{value:.0f}" for value in data.membership.tolist()]


def _measured_texts(column: Column) -> list[str]:
    return list(map(measured_text, column.values.tolist(), column.errors.tolist()))


def _check_alike(front: Front) -> None:
    """Require that all designs name the same knobs and metrics."""
    for design in front.designs[1:]:
        first = front.designs[0]
        for what, own, expected in (
            ("knobs", design.knobs.keys(), first.knobs.keys()),
            ("metrics", design.metrics.keys(), first.metrics.keys()),
        ):
            if own != expected:
                raise FigureError(
                    f"Design {design.id} has other {what} than design {first.id} "
                    f"({', '.join(sorted(own ^ expected))}): expected the same for every design "
                    "of a front."
                )


def _column(
    name: str,
    figures: Sequence[Figure],
    scale: Scale,
    *,
    is_objective: bool = False,
    is_constrained: bool = False,
    task: object = None,
) -> Column:
    about = metric(name, task)
    values = np.array([figure.value for figure in figures], dtype=np.float64) * about.scale
    errors = np.array([np.nan if f.se is None else f.se for f in figures], dtype=np.float64)
    is_log = scale == "log10" and bool(np.all(values > 0))
    return Column(
        name=name,
        title=about.title,
        unit=about.unit,
        values=values,
        errors=errors * about.scale,
        scale="log10" if is_log else "linear",
        is_objective=is_objective,
        is_maximised=about.direction == "maximize",
        is_on_card=is_objective or is_constrained or about.is_headline,
        of_unit=about.scale,
    )


def _unused_exit_knobs(front: Front) -> set[str]:
    """Exit knobs that no design's policy looks at: their value says nothing about the front."""
    policies = {design.knobs.get("exit_policy") for design in front.designs}
    used = {name for p in ExitPolicy if p in policies for name in KNOBS_OF_EXIT_POLICY[p]}
    known = policies <= set(ExitPolicy)
    return set(EXIT_KNOBS) - used - {"exit_policy"} if known else set()


def _further_columns(designs: Sequence[FrontDesign]) -> tuple[Column, ...]:
    """Columns of the further official metrics that every design has."""
    names = [
        name
        for name in (designs[0].report_metrics if designs else ())
        if all(name in design.report_metrics for design in designs)
    ]
    columns = []
    for name in names:
        figures = [design.report_metrics[name] for design in designs]
        title, unit = _report_title(name)
        columns.append(
            replace(_column("accuracy", figures, "linear"), name=name, title=title, unit=unit)
        )
    return tuple(columns)


def _report_title(name: str) -> tuple[str, str]:
    """Title and unit of a metric on the report split: of GLUE, or the accuracy on one task.

    Raises:
        FigureError: there is no such metric.
    """
    if is_metric(name):
        about = metric_of(name)
        return about.title, about.unit
    base, task = parts_of(name)
    stem, _, where = base.partition("_")
    if stem not in TASK_METRICS:
        raise FigureError(
            f"Report metric {name!r} has no title and no unit: expected one of "
            f"{', '.join(TASK_METRICS)}."
        )
    of = [part for part in (where, task) if part]
    return ", ".join([TASK_METRICS[stem].title, *of]), TASK_METRICS[stem].unit


def _knob_column(name: str, designs: Sequence[FrontDesign], shown: Integers) -> KnobColumn:
    values = [design.knobs[name] for design in designs]
    distinct = set(values)
    if any(isinstance(value, str) for value in distinct):
        levels = sorted(distinct, key=lambda value: natural_key(knob_text(value)))
    else:
        levels = sorted(distinct)
    index = {level: code for code, level in enumerate(levels)}
    codes = np.array([index[values[i]] for i in shown], dtype=np.intp)
    return KnobColumn(name, knob_title(name), tuple(levels), codes)


def _dominated_data(front: Front) -> DominatedData:
    record = front.dominated
    for i, row in enumerate(record.rows):
        if len(row) != len(record.columns):
            values_text = "1 value" if len(row) == 1 else f"{len(row)} values"
            raise FigureError(
                f"Dominated design {i} has {values_text}: expected {len(record.columns)}, one for "
                "each column that the record names."
            )
    wanted = {o.metric for o in front.objectives}
    for design in front.designs[:1]:
        wanted |= design.metrics.keys()
    values = {}
    for name in wanted.intersection(record.columns):
        i = record.columns.index(name)
        cells = [row[i] for row in record.rows]
        numbers = [float(cell) if isinstance(cell, int | float) else np.nan for cell in cells]
        values[name] = np.array(numbers, dtype=np.float64) * metric(name).scale
    return DominatedData(values, len(record.rows), record.of)
