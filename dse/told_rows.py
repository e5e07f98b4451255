"""The rows of a run's told trials, as columns that grow with the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyarrow as pa

from studies.trial_table import TrialTable, no_trials, trial_table

Row = dict[str, Any]
AT_ONCE: Final = 10_000
"""Rows that are kept as such, before they become columns."""


class ToldRows:
    """Told trials in the order in which they were told; each value is kept once, as a column."""

    def __init__(self) -> None:
        self._table: pa.Table | None = None
        self._new: list[Row] = []
        self._firsts: dict[int, int] = {}
        self._places: dict[int, int] = {}
        self._states: list[str] = []
        self.states: Counter[str] = Counter()
        self.n_repeated = 0

    def __len__(self) -> int:
        """Told trials."""
        return len(self._states)

    def add(self, row: Row) -> None:
        """Take up a trial that was told for the first time.

        Args:
            row: as `dse.trials_table` writes it.
        """
        self._places[row["trial"]] = len(self)
        self._take(row, row["state"])

    def repeat(self, first: int, own: Row) -> None:
        """Take up a trial whose point an earlier one had.

        Args:
            first: number of the earlier one.
            own: what is different.
        """
        self.n_repeated += 1
        place = self._places[first]
        self._firsts[len(self)] = place
        self._take(own, self._states[place])

    def _take(self, row: Row, state: str) -> None:
        self._states.append(state)
        self.states[state] += 1
        self._new.append(row)
        if len(self._new) >= AT_ONCE:
            self._become_columns()

    def _become_columns(self) -> None:
        """Put the rows that came last behind the columns; what a repeat lacks is its first's."""
        n_old = len(self) - len(self._new)
        own = set(self._new[next(iter(self._firsts)) - n_old]) if self._firsts else set()
        new = _columns(self._new)
        whole = new if self._table is None else _joined([self._table, new])
        if self._firsts:
            places = np.arange(len(self))
            places[list(self._firsts)] = list(self._firsts.values())
            for number, name in enumerate(whole.column_names):
                if name not in own:
                    whole = whole.set_column(number, name, whole[name].take(pa.array(places)))
        self._table = whole
        self._new, self._firsts = [], {}

    def trials(self, in_flight: int) -> TrialTable:
        """All of them as columns.

        Args:
            in_flight: trials that were asked for and not told yet.
        """
        if self._new:
            self._become_columns()
        if self._table is None:
            return replace(no_trials(), in_flight=in_flight)
        self._table = self._table.combine_chunks()
        return trial_table(self._table, in_flight=in_flight)


def _columns(rows: Sequence[Row]) -> pa.Table:
    """Rows as columns, which have no value where a row lacks it.

    Most rows have the same names in the same order: those are turned over together.
    """
    alike: dict[tuple[str, ...], list[int]] = {}
    for place, names in enumerate(map(tuple, rows)):
        alike.setdefault(names, []).append(place)
    parts = []
    for names, places in alike.items():
        columns = zip(*(rows[place].values() for place in places), strict=True)
        parts.append(pa.table(dict(zip(names, map(pa.array, columns), strict=True))))
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate(list(alike.values())))
    return _joined(parts).take(pa.array(order))


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables one behind the other.

    A column may be of whole numbers, or of nothing at all, in one of them alone.
    """
    return pa.concat_tables(tables, promote_options="permissive")
