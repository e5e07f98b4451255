"""Published figures: value, unit, source and mark, from ``validation_data/published.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, model_validator

from studies.validation.rows import Row, SourceMark

VALIDATION_DATA: Final = Path(__file__).parents[1] / "validation_data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Figures that share unit, source and mark.

    Attributes:
        values: by label; a single figure has the label ``""``.
        unit: of all.
        source: publication, page or run.
        mark: how the figures got here.
    """

    values: Mapping[str, float]
    unit: str
    source: str
    mark: SourceMark

    @property
    def value(self) -> float:
        """The figure, where there is but one."""
        return self.values[""]

    def row(
        self,
        name: str,
        ours: float | None,
        *,
        tolerance: float,
        label: str = "",
        fitted: tuple[str, ...] = (),
        reason: str = "",
        note: str = "",
        series: str = "",
        digits: int = 3,
    ) -> Row:
        """A row that compares one of the figures with the model's; see `Row`."""
        return Row(
            name=name,
            published=self.values[label],
            unit=self.unit,
            ours=None if ours is None else float(ours),
            source=self.source,
            mark=self.mark,
            tolerance=tolerance,
            fitted=fitted,
            reason=reason,
            note=note,
            series=series,
            digits=digits,
        )


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float | None = None
    values: dict[str, float] = {}
    unit: str
    source: str
    mark: SourceMark

    @model_validator(mode="after")
    def _has_one_kind(self) -> _Table:
        if (self.value is None) == (not self.values):
            raise ValueError("expected either value or values")
        return self

    def figures(self, sources: Mapping[str, str]) -> Figures:
        """The figures, their source by its full name."""
        return Figures(
            values=self.values if self.value is None else {"": self.value},
            unit=self.unit,
            source=sources[self.source],
            mark=self.mark,
        )


class ArrayFigure(BaseModel):
    """A figure of a memory array or macro, and the constant of the model behind ours.

    Attributes:
        name: array or macro, and what was measured.
        cell: kind of cell.
        preset: eNVM preset of the model.
        constant: field of the model's cell.
        mib: useful capacity of the array or macro, MiB.
        amount: useful bits that an energy is of; 1 for other figures.
        value: the published figure.
        unit: of it.
        source: publication or run.
        mark: how the figure got here.
        fitted: whether the constant is this figure, or its law goes through it.
        reason: key of the reason, where the two differ by intention.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    cell: str
    preset: str
    constant: str
    mib: float
    amount: float = 1.0
    value: float
    unit: str
    source: str
    mark: SourceMark
    fitted: bool = False
    reason: str = ""


@cache
def _document() -> dict[str, Any]:
    with (VALIDATION_DATA / "published.toml").open("rb") as file:
        return tomllib.load(file)


def published(name: str) -> Figures:
    """The figures of that dotted name, as ``chip.clock``."""
    table = _document()
    for part in name.split("."):
        table = table[part]
    return _Table.model_validate(table).figures(_document()["sources"])


def array_figures() -> tuple[ArrayFigure, ...]:
    """Every figure of a memory array or macro, its source by its full name."""
    sources = _document()["sources"]
    found = (ArrayFigure.model_validate(table) for table in _document()["envm"]["arrays"])
    return tuple(figure.model_copy(update={"source": sources[figure.source]}) for figure in found)
