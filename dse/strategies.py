"""The two strategies: Optuna samples every knob, or model knobs only with the rest enumerated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol

import optuna

from dse.executors import Kind
from dse.knob_parameters import suggest
from dse.outcomes import Outcome
from search_space import KNOBS, KnobValue, SearchSpace
from studies.objectives import Constraint, Objective
from studies.spec import StudySpec

Direction = Literal["minimize", "maximize"]
FITS: Final = "fits"
"""Optuna constraint of a design that the accelerator cannot run at all."""


class Strategy(Protocol):
    """What a trial is, and what Optuna is told of it."""

    kind: Kind
    knobs: Sequence[str]
    directions: Sequence[Direction]
    metric_names: Sequence[str]

    def point(self, trial: optuna.Trial) -> dict[str, KnobValue]:
        """The canonical point that the sampler chooses."""

    def violation(self, flat: dict[str, KnobValue]) -> str | None:
        """Why the point is not worth evaluating; None if it is."""

    def told(self, outcome: Outcome) -> tuple[list[float], dict[str, float]]:
        """Values and constraints (0 or less is kept) for Optuna."""


class Joint:
    """Every knob is sampled; Optuna sees the study's own objectives and constraints."""

    kind: Kind = "design"
    knobs: Sequence[str] = KNOBS

    def __init__(self, spec: StudySpec, space: SearchSpace) -> None:
        self._objectives: Sequence[Objective] = spec.objectives
        self._constraints: Sequence[Constraint] = spec.constraints
        self._space = space
        self.directions: Sequence[Direction] = [_direction(o) for o in spec.objectives]
        self.metric_names: Sequence[str] = [o.metric for o in spec.objectives]

    def point(self, trial: optuna.Trial) -> dict[str, KnobValue]:
        """Every knob."""
        flat = {name: suggest(trial, self._space[name]) for name in KNOBS}
        return self._space.canonical(flat)

    def violation(self, flat: dict[str, KnobValue]) -> str | None:
        """The first condition of the space that does not hold."""
        return self._space.violation(flat)

    def told(self, outcome: Outcome) -> tuple[list[float], dict[str, float]]:
        """Metrics as they are; a design that does not fit gets the reference values."""
        if not outcome.metrics:
            return [o.reference for o in self._objectives], {FITS: 1.0} | {
                c.text: 1.0 for c in self._constraints
            }
        values = [outcome.metrics[o.metric] for o in self._objectives]
        bounds = {FITS: 0.0}
        for constraint in self._constraints:
            excess = outcome.metrics[constraint.metric] - constraint.bound
            scale = abs(constraint.bound) or 1.0
            bounds[constraint.text] = (excess if constraint.upper else -excess) / scale
        return values, bounds


class Nested:
    """Model knobs are sampled; exits and hardware are enumerated for each setting.

    What Optuna is told is worked out from the setting's own inner front: its hypervolume and its
    best value of the first objective or, with `SearchTable.levels`, its best value of the second
    objective at each level of the first. All of it depends on the setting alone, so the sampler
    sees a problem that does not change while the common front grows.
    """

    kind: Kind = "setting"

    def __init__(self, spec: StudySpec, space: SearchSpace) -> None:
        self._first, self._second = spec.objectives[:2]
        self._levels = spec.search.levels
        self._space = space
        self.knobs: Sequence[str] = spec.setting_knobs()
        if self._levels:
            sign = ">=" if self._first.maximised else "<="
            self.directions: Sequence[Direction] = [_direction(self._second)] * len(self._levels)
            self.metric_names: Sequence[str] = [
                f"{self._second.metric} at {self._first.metric} {sign} {level:g}"
                for level in self._levels
            ]
        else:
            self.directions = ["maximize", _direction(self._first)]
            self.metric_names = ["own_hypervolume", f"best_{self._first.metric}"]

    def point(self, trial: optuna.Trial) -> dict[str, KnobValue]:
        """The model knobs that are not enumerated."""
        return {name: suggest(trial, self._space[name]) for name in self.knobs}

    def violation(self, flat: dict[str, KnobValue]) -> str | None:
        """The first condition on model knobs alone that does not hold."""
        return self._space.violation(flat)

    def told(self, outcome: Outcome) -> tuple[list[float], dict[str, float]]:
        """Hypervolume and best first objective of the inner front, or its value at each level.

        Where no design reaches a level, and where the best one is worse, it is the second
        objective's reference. Of a setting that lost its race it is what the sentences drawn say.
        """
        values = outcome.values or outcome.estimate
        bounds = {FITS: 0.0 if values else 1.0}
        if self._levels:
            return [self._at(level, values) for level in self._levels], bounds
        if not values:
            return [0.0, self._first.reference], bounds
        column = [row[0] for row in values]
        best = max(column) if self._first.maximised else min(column)
        return [outcome.own_hypervolume, best], bounds

    def _at(self, level: float, values: Sequence[Sequence[float]]) -> float:
        reached = [
            row[1]
            for row in values
            if (row[0] >= level if self._first.maximised else row[0] <= level)
        ]
        best = max if self._second.maximised else min
        return best([*reached, self._second.reference])


def _direction(objective: Objective) -> Direction:
    return "maximize" if objective.maximised else "minimize"
