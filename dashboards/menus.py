"""Menus of a figure: what each choice sets, as data, so that a page needs no figure code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a menu.

    Attributes:
        label: for people, as plain text.
        traces: for each path in a trace (such as ``marker.color``) its values, one for each trace
            of the menu.
        layout: values by path in the layout.
    """

    label: str
    traces: dict[str, list[Any]] = field(default_factory=dict)
    layout: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Menu:
    """One menu of a figure; the first choice is the one the figure starts with.

    Attributes:
        title: what is chosen.
        trace_indices: traces that the choices set.
        choices: at least one.
        keeps_window: whether a choice leaves the axes alone, so that a zoom can stay.
    """

    title: str
    trace_indices: tuple[int, ...]
    choices: tuple[Choice, ...]
    keeps_window: bool = False

    def __post_init__(self) -> None:
        """Require a choice, and one value for every trace."""
        if not self.choices:
            raise ValueError(f"Menu {self.title!r} is empty: expected at least one choice.")
        for choice in self.choices:
            for path, values in choice.traces.items():
                if len(values) != len(self.trace_indices):
                    raise ValueError(
                        f"Choice {choice.label!r} gives {path!r} {len(values)} values: expected "
                        f"one for each of the {len(self.trace_indices)} traces of the menu."
                    )

    def record(self) -> dict[str, Any]:
        """What a page's script needs of the menu, ready for JSON."""
        return {
            "trace_indices": list(self.trace_indices),
            "keeps_window": self.keeps_window,
            "choices": [{"traces": c.traces, "layout": c.layout} for c in self.choices],
        }

    def start(self, figure: go.Figure) -> None:
        """Set the first choice on a figure."""
        first = self.choices[0]
        for path, values in first.traces.items():
            for index, value in zip(self.trace_indices, values, strict=True):
                figure.data[index].update({path.replace(".", "_"): value})
        figure.update_layout({path.replace(".", "_"): v for path, v in first.layout.items()})
