"""What the figures show, as arrays: pure functions of a front record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dashboards.ticks import Scale
from dashboards.titles import (
    FigureError,
    knob_text,
    knob_title,
    measured_text,
    metric,
    with_unit,
)
from evaluators.task_metrics import TASK_METRICS
from search_space import EXIT_KNOBS, KNOBS_OF_EXIT_POLICY, ExitPolicy, KnobValue
from studies.records import Figure, Front, FrontDesign
from studies.survival import Survival, survival_of

MAX_DESIGNS: Final = 2_000
"""Designs that figures and the table show, at most; a larger front is shown in even steps."""

MAX_LEVELS: Final = 10
"""A number with at most that many different values is shown as steps, not as a smooth range."""

MEMBERSHIP: Final = "On the front (% of samples)"
"""Title of the memberships."""

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Column:
    """One metric of the designs shown, in the unit that people read.

    Attributes:
        name: of the metric.
        title: without unit.
        unit: empty for none.
        values: (n_designs,) array.
        errors: (n_designs,) standard errors; NaN where there is none.
        scale: of its axis; log10 only if the study says so and every value is positive.
        is_objective: whether the study optimizes it.
        is_maximised: whether more is better.
        is_on_card: whether a design's card shows it: what the study asks for, and the headlines.
        of_unit: that many of this unit are one of the record's.
    """

    name: str
    title: str
    unit: str
    values: Floats
    errors: Floats
    scale: Scale
    is_objective: bool
    is_maximised: bool
    is_on_card: bool
    of_unit: float = 1.0

    @property
    def label(self) -> str:
        """Title with unit."""
        return with_unit(self.title, self.unit)

    @property
    def has_errors(self) -> bool:
        """Whether any design has a standard error above 0."""
        return bool(np.any(self.errors > 0))


@dataclass(frozen=True, slots=True)
class KnobColumn:
    """One knob of the designs shown.

    Attributes:
        name: of the knob.
        title: with unit.
        levels: its different values in order: numbers by size, texts by the numbers in them.
        codes: (n_designs,) index of each design's value among the levels.
    """

    name: str
    title: str
    levels: tuple[KnobValue, ...]
    codes: Integers

    @property
    def is_number(self) -> bool:
        """Whether all its values are numbers."""
        return not any(isinstance(level, str) for level in self.levels)

    @property
    def is_stepped(self) -> bool:
        """Whether it is shown as steps with a name each."""
        return not self.is_number or len(self.levels) <= MAX_LEVELS

    @property
    def texts(self) -> tuple[str, ...]:
        """The levels as people read them."""
        return tuple(map(knob_text, self.levels))

    def design_texts(self) -> list[str]:
        """The value of each design as people read it."""
        texts = self.texts
        return [texts[code] for code in self.codes.tolist()]

    @property
    def values(self) -> Floats:
        """(n_designs,) values of a number knob."""
        return np.asarray(self.levels, dtype=np.float64)[self.codes]


@dataclass(frozen=True, slots=True)
class DominatedData:
    """The sample of scored designs that are not on the front.

    Attributes:
        values: (n_sampled,) array for each metric that the record has, in people's units; NaN
            where it is unknown.
        n_sampled: designs in the sample.
        of: designs that it was drawn from.
    """

    values: dict[str, Floats]
    n_sampled: int
    of: int

    def column(self, name: str) -> Floats:
        """(n_sampled,) values of a metric, all NaN if the record does not have it."""
        return self.values.get(name, np.full(self.n_sampled, np.nan))


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


def front_data(front: Front, most: int = MAX_DESIGNS) -> FrontData:
    """Columns of the designs of a front, at most ``most`` of them in even steps.

    Raises:
        FigureError: designs differ in the knobs or metrics that they name, or a metric is unknown.
    """
    shown = evenly_spaced(len(front.designs), most)
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
    for design in front.designs:
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
        stem, _, where = name.partition("_")
        if stem not in TASK_METRICS:
            raise FigureError(
                f"Report metric {name!r} has no title and no unit: expected one of "
                f"{', '.join(TASK_METRICS)}."
            )
        about = TASK_METRICS[stem]
        title = f"{about.title}, {where}" if where else about.title
        columns.append(
            replace(_column("accuracy", figures, "linear"), name=name, title=title, unit=about.unit)
        )
    return tuple(columns)


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
