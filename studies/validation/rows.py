"""Rows: a published figure beside the model's, with its error and the reason where they differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

YES_NO: Final = "yes/no"
"""Unit of figures that are 1 for yes and 0 for no."""


class SourceMark(StrEnum):
    """How a published figure got here."""

    READ = "read"
    COMPUTED = "computed"
    RECALLED = "recalled"
    MEASURED = "measured"


class Verdict(StrEnum):
    """What came of a comparison."""

    AGREES = "agrees"
    FAILS = "fails"
    NOT_COMPARED = "not compared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison.

    Attributes:
        name: what is compared.
        published: the published figure.
        unit: of both figures; `YES_NO` for 1 and 0.
        ours: the model's figure; None where there is none, and then `reason` says why.
        source: where the published figure stands.
        mark: how it got here.
        tolerance: largest relative error, either way, that counts as agreement.
        fitted: constants of the model that were fitted to, or are, this figure.
        reason: why the two differ, one sentence; shown where they do.
        note: what else the reader should know of the model's figure.
        series: rows of one series that agree are shown as one line under this title.
        digits: significant digits that are shown.
    """

    name: str
    published: float
    unit: str
    ours: float | None
    source: str
    mark: SourceMark
    tolerance: float
    fitted: tuple[str, ...] = ()
    reason: str = ""
    note: str = ""
    series: str = ""
    digits: int = 3

    def __post_init__(self) -> None:
        """Require a reason where there is no figure to compare."""
        if self.ours is None and not self.reason:
            raise ValueError(f"Row {self.name!r} has neither a figure nor a reason: give one.")

    @property
    def relative_error(self) -> float | None:
        """The model's figure over the published one, minus 1; against 0 it is 0 or 1."""
        if self.ours is None:
            return None
        if self.published == 0:
            return float(self.ours != 0)
        return self.ours / self.published - 1

    @property
    def verdict(self) -> Verdict:
        """Whether the error is within the tolerance."""
        error = self.relative_error
        if error is None:
            return Verdict.NOT_COMPARED
        # A hair more than the tolerance: one that is met exactly is met.
        return Verdict.AGREES if abs(error) <= self.tolerance + 1e-12 else Verdict.FAILS

    @property
    def published_text(self) -> str:
        """The published figure for people."""
        return number_text(self.published, self.unit, self.digits)

    @property
    def ours_text(self) -> str:
        """The model's figure for people."""
        return "–" if self.ours is None else number_text(self.ours, self.unit, self.digits)

    @property
    def error_text(self) -> str:
        """The error for people."""
        error = self.relative_error
        return "–" if error is None else percent_text(error, signed=True)

    def as_json(self) -> dict[str, Any]:
        """The row as JSON values; numbers are not rounded."""
        failed = self.verdict is not Verdict.AGREES
        return {
            "name": self.name,
            "published": self.published,
            "ours": self.ours,
            "unit": self.unit,
            "relative_error": self.relative_error,
            "tolerance": self.tolerance,
            "verdict": self.verdict.value,
            "source": self.source,
            "mark": self.mark.value,
            "fitted": list(self.fitted),
            "reason": self.reason if failed else "",
            "note": self.note,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Rows about one thing.

    Attributes:
        title: of the section.
        text: what is compared with what, and on which assumptions.
        rows: the comparisons.
    """

    title: str
    text: str
    rows: tuple[Row, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """The section as JSON values."""
        return {
            "title": self.title,
            "text": self.text,
            "rows": [row.as_json() for row in self.rows],
        }


def number_text(value: float, unit: str = "", digits: int = 3) -> str:
    """A figure with that many significant digits; whole numbers from 10,000 on stay whole.

    >>> number_text(0.26905), number_text(931135488), number_text(4184.3), number_text(1, YES_NO)
    ('0.269', '931,135,488', '4,180', 'yes')
    """
    if unit == YES_NO:
        return "yes" if value else "no"
    if value == int(value) and abs(value) >= 10_000:
        return f"{int(value):,}"
    rounded = float(f"{value:.{digits}g}")
    text = f"{rounded:,.12f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def percent_text(share: float, *, signed: bool = False) -> str:
    """A share in percent: one decimal below 10 %, none from there on, 0 for nothing at all.

    >>> percent_text(-0.0123, signed=True), percent_text(0.5), percent_text(2.26, signed=True)
    ('−1.2 %', '50 %', '+226 %')
    """
    percent = 100 * share
    decimals = 1 if abs(percent) < 9.95 else 0
    size = f"{abs(percent):.{decimals}f}"
    if float(size) == 0:
        return "0 %"
    sign = ("−" if percent < 0 else "+") if signed or percent < 0 else ""
    return f"{sign}{size} %"
