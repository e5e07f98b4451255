"""Axes: the window that shows the data, and round tick values in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dashboards.titles import number_text

Scale = Literal["linear", "log10"]


@dataclass(frozen=True, slots=True)
class Window:
    """What an axis shows.

    Attributes:
        low: left or lower end, in the axis's own unit.
        high: the other end.
        scale: linear, or log10 (then both ends are positive).
    """

    low: float
    high: float
    scale: Scale

    def __post_init__(self) -> None:
        """Refuse a window without a length."""
        if not (self.low < self.high and (self.scale == "linear" or self.low > 0)):
            raise ValueError(
                f"Axis from {self.low} to {self.high} ({self.scale}): expected low < high, "
                "and low > 0 on a log10 axis."
            )

    def plotly_range(self) -> list[float]:
        """Ends as Plotly wants them: exponents on a log axis."""
        ends = (self.low, self.high)
        return [math.log10(end) for end in ends] if self.scale == "log10" else list(ends)

    def position(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where values lie, 0 at the low end and 1 at the high one; NaN below 0 on a log axis."""
        low, high = self.plotly_range()
        if self.scale == "log10":
            with np.errstate(invalid="ignore", divide="ignore"):
                values = np.where(values > 0, np.log10(values), np.nan)
        return np.asarray((values - low) / (high - low))


def window(
    low: float, high: float, scale: Scale, *, before: float = 0.06, after: float = 0.06
) -> Window:
    """The window that shows low to high with margins, as shares of the length shown.

    A single value gets a window around it. Ends that are not positive make a linear window.
    """
    if scale == "log10" and low > 0:
        start, end = math.log10(low), math.log10(high)
        length = max(end - start, 0.1)
        middle = (start + end) / 2
        start, end = min(start, middle - length / 2), max(end, middle + length / 2)
        return Window(10 ** (start - before * length), 10 ** (end + after * length), "log10")
    length = high - low
    if length <= 1e-9 * max(abs(low), abs(high)):
        length = 0.1 * abs(low) or 1.0
        low, high = low - length / 2, high + length / 2
    return Window(low - before * length, high + after * length, "linear")


def round_ticks(shown: Window, count: int = 6) -> tuple[float, ...]:
    """About ``count`` round values inside a window.

    >>> round_ticks(Window(0.0, 10.0, "linear")), round_ticks(Window(3.0, 150.0, "log10"))
    ((0.0, 2.0, 4.0, 6.0, 8.0, 10.0), (5.0, 10.0, 20.0, 50.0, 100.0))
    """
    if shown.scale == "log10":
        first, last = (math.floor(end) for end in shown.plotly_range())
        for digits in ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
            ticks = [
                d * 10.0**exponent
                for exponent in range(first, last + 1)
                for d in digits
                if shown.low <= d * 10.0**exponent <= shown.high
            ]
            if len(ticks) <= count:
                break
        if len(ticks) >= 3:
            return tuple(ticks[:: math.ceil(len(ticks) / count)])
    length = shown.high - shown.low
    step = 10.0 ** math.floor(math.log10(length / count))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if length / (factor * step) <= count)
    first_index, last_index = math.ceil(shown.low / step), math.floor(shown.high / step)
    return tuple(round(i * step, 12) for i in range(first_index, last_index + 1))


def tick_texts(ticks: tuple[float, ...]) -> tuple[str, ...]:
    """The ticks as text."""
    return tuple(map(number_text, ticks))


def log_axis(title: str, values: Sequence[Any]) -> dict[str, Any]:
    """Plotly's layout of a log axis around values above 0, with ticks that are good to read.

    Args:
        title: with the unit.
        values: arrays of what it shows; around 1 if there is nothing.
    """
    given = [np.asarray(each, dtype=np.float64) for each in values]
    every = np.concatenate(given) if any(map(len, given)) else np.ones(1)
    shown = window(float(every.min()), float(every.max()), "log10", before=0.03, after=0.03)
    ticks = round_ticks(shown, 5)
    return {
        "title": {"text": title},
        "type": "log",
        "range": shown.plotly_range(),
        "tickvals": list(ticks),
        "ticktext": list(tick_texts(ticks)),
    }
