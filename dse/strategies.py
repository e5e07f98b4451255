"""The two strategies: Optuna samples every knob, or model knobs only with the rest enumerated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol

import optuna

from dse.evaluation import Outcome
from dse.executors import Kind
from dse.samplers import suggest
from search_space import KNOBS, MODEL_KNOBS, KnobValue, SearchSpace
from studies.spec import StudySpec
from studies.spec_tables import Constraint, Objective

Direction = Literal["minimize", "maximize"]
FITS: Final = "fits"
"""Optuna constraint of a design that the accelerator cannot run at all."""


class Strategy(Protocol):
    """What a trial is, and what Optuna is told of it."""

    kind: Kind
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

    def __init__(self, spec: StudySpec, space: SearchSpace) -> None:
        self._objectives: Sequence[Objective] = spec.objectives
        self._constraints: Sequence[Constraint] = spec.constraints
        self._space = space
        self.directions: Sequence[Direction] = [
            "maximize" if o.maximised else "minimize" for o in spec.objectives
        ]
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

    Optuna is told two figures of the setting's own inner front: its hypervolume and its best value
    of the first objective. They depend on the setting alone, so the sampler sees a problem that
    does not change while the common front grows.
    """

    kind: Kind = "setting"

    def __init__(self, spec: StudySpec, space: SearchSpace) -> None:
        self._first = spec.objectives[0]
        self._space = space
        best = "maximize" if self._first.maximised else "minimize"
        self.directions: Sequence[Direction] = [
            "maximize",
            "maximize" if best == "maximize" else "minimize",
        ]
        self.metric_names: Sequence[str] = ["own_hypervolume", f"best_{self._first.metric}"]

    def point(self, trial: optuna.Trial) -> dict[str, KnobValue]:
        """The model knobs."""
        return {name: suggest(trial, self._space[name]) for name in MODEL_KNOBS}

    def violation(self, flat: dict[str, KnobValue]) -> str | None:
        """The first condition on model knobs alone that does not hold."""
        return self._space.violation(flat)

    def told(self, outcome: Outcome) -> tuple[list[float], dict[str, float]]:
        """Hypervolume and best first objective of the inner front."""
        if not outcome.values:
            return [0.0, self._first.reference], {FITS: 1.0}
        column = [row[0] for row in outcome.values]
        best = max(column) if self._first.maximised else min(column)
        return [outcome.own_hypervolume, best], {FITS: 0.0}
