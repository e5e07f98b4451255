"""Trials that were told: what became of each, the front after them, and which are repeats."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dse.archive import Archive
from dse.outcomes import Outcome
from dse.racing import Rivals
from dse.trials import Point
from studies.objectives import Objective
from studies.records import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One trial as it was told.

    Attributes:
        number: Optuna's number of the trial.
        flat: its canonical point.
        outcome: what became of it.
        repeated_of: number of the earlier trial of the same point; None for a new one.
        wall_start: time of its start, seconds since the epoch.
        wall_seconds: time from asking to telling.
    """

    number: int
    flat: Point
    outcome: Outcome
    repeated_of: int | None
    wall_start: float
    wall_seconds: float


class ToldTrials:
    """The trials of a study that were told, in their order.

    Attributes:
        archive: distinct points and their front.
        trials: every trial.
        by_number: the same by Optuna's number.
        history: where the search was after each of them.
    """

    def __init__(self, objectives: Sequence[Objective]) -> None:
        """No trial yet, of a study with these objectives."""
        self._objectives = objectives
        self.archive = Archive(objectives)
        self.trials: list[Told] = []
        self.by_number: dict[int, Told] = {}
        self.history: list[Progress] = []
        self._first_of: dict[str, int] = {}

    def first_of(self, key: str) -> int | None:
        """Number of the first trial of a point (`key_of`); None if none was told."""
        return self._first_of.get(key)

    def outcome(self, number: int) -> Outcome:
        """What became of a trial that was told."""
        return self.by_number[number].outcome

    def rivals(self, n_told: int) -> Rivals:
        """Values of the front after so many trials, as settings are raced against them."""
        if n_told == len(self.trials):
            return _rows(self.archive)
        then = Archive(self._objectives)  # a driver was stopped and more has been told since
        for told in self.trials[:n_told]:
            if told.repeated_of is None:
                self._merge(told, then)
        return _rows(then)

    def note(self, told: Told) -> None:
        """Add a trial."""
        self.trials.append(told)
        self.by_number[told.number] = told
        if told.repeated_of is None:
            self._first_of[key_of(told.flat)] = told.number
            self._merge(told, self.archive)
        self.history.append(
            Progress(
                trial=len(self.trials),
                designs_scored=self.archive.designs_scored,
                front_size=len(self.archive.members),
                hypervolume=self.archive.hypervolume,
            )
        )

    def _merge(self, told: Told, archive: Archive) -> None:
        outcome = told.outcome
        members = [
            (told.number, h, x) for h, x in zip(outcome.hardware, outcome.exits, strict=True)
        ]
        values = np.array(outcome.values, dtype=np.float64).reshape(-1, len(self._objectives))
        archive.add(values, members, outcome.designs_scored)


def _rows(archive: Archive) -> Rivals:
    rows: list[list[float]] = archive.values.tolist()
    return rows


def key_of(flat: Point) -> str:
    """A canonical point as text."""
    return json.dumps(flat, sort_keys=True)
