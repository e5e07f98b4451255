"""Columns of a front: metrics, knobs, and what it dominates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dashboards.ticks import Scale
from dashboards.titles import (
    knob_text,
    with_unit,
)
from search_space import KnobValue

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

MAX_LEVELS: Final = 10
"""A number with at most that many different values is shown as steps, not as a smooth range."""


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
