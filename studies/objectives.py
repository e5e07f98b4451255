"""What a study asks of its designs: objectives, their axes, and bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from search_space import nearest
from studies.metrics import METRICS, is_metric, metric_of
from studies.spec_tables import Number, Table

_CONSTRAINT: Final = re.compile(r"\s*(\w+(?:\[[\w-]+\])?)\s*(<=|>=)\s*([-+.\deE]+)\s*")


class Objective(Table):
    """One objective and its axis of the hypervolume."""

    metric: str = Field(description="Name of a metric.")
    axis: Literal["linear", "log10"] = Field(default="linear", description="Scale of the axis.")
    ideal: Number = Field(description="Value that counts as 0 on the normalised axis.")
    reference: Number = Field(description="Value that counts as 1; what is worse counts nothing.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not is_metric(self.metric):
            raise ValueError(
                f"metric {self.metric!r} is not known: expected one of {', '.join(METRICS)}"
                + nearest(self.metric, METRICS)
            )
        if self.axis == "log10" and min(self.ideal, self.reference) <= 0:
            raise ValueError(f"a log10 axis of {self.metric} needs ideal and reference above 0")
        better_first = (
            self.ideal > self.reference if self.maximised else self.ideal < self.reference
        )
        if not better_first:
            raise ValueError(
                f"ideal {self.ideal} of {self.metric} must be better than reference "
                f"{self.reference} ({metric_of(self.metric).direction} it)"
            )
        return self

    @property
    def maximised(self) -> bool:
        """Whether more is better."""
        return metric_of(self.metric).direction == "maximize"


class Constraint(Table):
    """A bound on a metric, written as text such as ``area_mm2 <= 3``."""

    metric: str
    upper: bool
    bound: float
    text: str

    @classmethod
    def parse(cls, text: Any) -> Any:
        """The constraint that a text says.

        Raises:
            ValueError: it says none.
        """
        if isinstance(text, cls):
            return text
        if not isinstance(text, str):
            raise ValueError(f"{text!r} is not a constraint: expected text, 'metric <= number'")
        match = _CONSTRAINT.fullmatch(text)
        try:
            bound = float(match[3]) if match else None
        except ValueError:
            bound = None
        if match is None or bound is None:
            raise ValueError(f"{text!r} is not a constraint: expected 'metric <= number' or '>='")
        if not is_metric(match[1]):
            raise ValueError(
                f"constraint {text!r} names no metric: expected one of {', '.join(METRICS)}"
                + nearest(match[1], METRICS)
            )
        return {"metric": match[1], "upper": match[2] == "<=", "bound": bound, "text": text.strip()}


def within(
    values: Mapping[str, NDArray[np.float64]], constraints: Sequence[Constraint]
) -> NDArray[np.bool_]:
    """Which designs keep every constraint, in the shape of the metric arrays."""
    shape = next(iter(values.values())).shape
    kept = np.ones(shape, dtype=bool)
    for constraint in constraints:
        metric = values[constraint.metric]
        kept &= metric <= constraint.bound if constraint.upper else metric >= constraint.bound
    return kept
