"""The runs of one dashboard, each with the columns that its figures are drawn from."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from dashboards.figure_data import FrontData, front_data
from dashboards.run_source import RunSource
from studies.choosing import knee
from studies.records import Front, FrontDesign
from studies.run_snapshot import RunSnapshot

KEPT: Final = 8
"""Runs whose columns are kept at a time."""


class UnknownRunError(ValueError):
    """An address or a store names a run that this dashboard was not given."""


@dataclass(frozen=True, slots=True)
class RunView:
    """One run as it is now.

    Attributes:
        source: of the run.
        snapshot: what is known.
        data: columns of its front's designs, all of them.
    """

    source: RunSource
    snapshot: RunSnapshot
    data: FrontData

    @property
    def name(self) -> str:
        """Of the run."""
        return self.source.name

    @property
    def front(self) -> Front:
        """Its front."""
        return self.snapshot.front

    @property
    def task(self) -> object:
        """The task, which names the first metric."""
        return self.front.scenario.get("task")

    def design(self, stored: Any) -> FrontDesign | None:
        """The design that a store names if it is of this run, else the knee; None without designs.

        Args:
            stored: ``{"run": name, "id": number}``, or anything else.
        """
        designs = self.front.designs
        if not designs:
            return None
        if isinstance(stored, dict) and stored.get("run") == self.name:
            number = stored.get("id")
            if isinstance(number, int) and 0 <= number < len(designs):
                return designs[number]
        return knee(self.front)

    def selected(self, stored: Any) -> list[int]:
        """The ids that a store holds if they are of this run.

        Args:
            stored: ``{"run": name, "ids": numbers}``, or anything else.
        """
        if not isinstance(stored, dict) or stored.get("run") != self.name:
            return []
        ids = stored.get("ids")
        n = len(self.front.designs)
        return [i for i in ids if isinstance(i, int) and 0 <= i < n] if ids else []


class RunViews:
    """The given runs by name; no other is ever looked at."""

    def __init__(self, sources: Sequence[RunSource]) -> None:
        """Of these runs, in their order."""
        self._sources = {source.name: source for source in sources}
        self._views: OrderedDict[str, RunView] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """Of the runs."""
        return list(self._sources)

    def source(self, name: object) -> RunSource:
        """The run of that name.

        Raises:
            UnknownRunError: it is none of those given.
        """
        if not isinstance(name, str) or name not in self._sources:
            raise UnknownRunError("No such run here: choose one of the list.")
        return self._sources[name]

    def view(self, name: object) -> RunView:
        """The run of that name as it is now.

        Raises:
            ValueError: there is none, it is damaged, or its record cannot be drawn.
        """
        source = self.source(name)
        snapshot = source.snapshot()
        with self._lock:
            known = self._views.get(source.name)
            if known is not None and known.snapshot is snapshot:
                self._views.move_to_end(source.name)
                return known
        view = RunView(source, snapshot, front_data(snapshot.front, None))
        with self._lock:
            self._views[source.name] = view
            while len(self._views) > KEPT:
                self._views.popitem(last=False)
        return view
