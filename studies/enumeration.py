"""The inner search: for one setting of the model knobs, every exit and hardware choice scored.

The result is exact: the constrained non-dominated set of all combinations on the grid that the
study file states.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluators.exits import ExitHistogram
from hw_cost import AcceleratorColumns, Groups
from search_space import (
    EXIT_KNOBS,
    HARDWARE_KNOBS,
    MODEL_KNOBS,
    KnobValue,
    SearchSpace,
    design_point,
    exit_knobs,
    hardware_knobs,
)
from studies.fronts import FloatArray, non_dominated
from studies.scoring import Scorer, Setting
from studies.spec_tables import Constraint, Objective

BLOCK_PAIRS: Final = 200_000
"""(design, exit setting) pairs scored at once: bounds memory to some tens of megabytes."""

REASONS_TOLD: Final = 200
"""Infeasible accelerators that are asked for their reason, evenly spaced."""


@dataclass(frozen=True, slots=True)
class InnerSpace:
    """The grid that is enumerated for every setting of the model knobs.

    Attributes:
        exits: settings of the exit knobs, flat.
        hardware: settings of the hardware knobs, flat.
        columns: the same as columns.
        joined: further conditions that tie model, exit and hardware knobs together.
    """

    exits: tuple[dict[str, KnobValue], ...]
    hardware: tuple[dict[str, KnobValue], ...]
    columns: AcceleratorColumns
    joined: tuple[Any, ...]

    @classmethod
    def of(cls, space: SearchSpace) -> InnerSpace:
        """The inner grid of a search space."""
        kinds = (set(MODEL_KNOBS), set(EXIT_KNOBS), set(HARDWARE_KNOBS))
        joined = tuple(c for c in space.conditions if not any(c.names <= kind for kind in kinds))
        hardware = tuple(space.points(HARDWARE_KNOBS))
        columns = AcceleratorColumns.from_knobs([hardware_knobs(h) for h in hardware])
        return cls(tuple(space.points(EXIT_KNOBS)), hardware, columns, joined)

    def allowed(self, model: dict[str, KnobValue], rows: Sequence[int]) -> NDArray[np.bool_] | None:
        """Which (hardware row, exit setting) pairs the joined conditions allow; None for all."""
        if not self.joined:
            return None
        shape = (len(rows), len(self.exits))
        point: dict[str, Any] = dict(model)
        for name in HARDWARE_KNOBS:
            point[name] = np.array([self.hardware[i][name] for i in rows])[:, None]
        for name in EXIT_KNOBS:
            point[name] = np.array([x[name] for x in self.exits])[None]
        result = np.ones(shape, dtype=bool)
        for condition in self.joined:
            result &= np.broadcast_to(condition(point), shape)
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerFront:
    """Non-dominated designs of one setting.

    Attributes:
        hardware: (n_points,) rows of the inner space's hardware.
        exits: (n_points,) rows of its exit settings.
        values: (n_points, n_objectives).
        designs_scored: pairs that were scored.
        designs_feasible: pairs that fit the accelerator and keep every constraint.
        reasons: how many of a sample of infeasible accelerators are so for which reason (digits
            replaced by #).
    """

    hardware: NDArray[np.int64]
    exits: NDArray[np.int64]
    values: FloatArray
    designs_scored: int
    designs_feasible: int
    reasons: dict[str, int]


def within(values: dict[str, FloatArray], constraints: Sequence[Constraint]) -> NDArray[np.bool_]:
    """Which designs keep every constraint, in the shape of the metric arrays."""
    shape = next(iter(values.values())).shape
    kept = np.ones(shape, dtype=bool)
    for constraint in constraints:
        metric = values[constraint.metric]
        kept &= metric <= constraint.bound if constraint.upper else metric >= constraint.bound
    return kept


def inner_front(
    scorer: Scorer,
    setting: Setting,
    model: dict[str, KnobValue],
    inner: InnerSpace,
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
) -> InnerFront:
    """The exact constrained front over all exit and hardware choices of one setting."""
    histogram = scorer.histogram(setting, [exit_knobs(x) for x in inner.exits])
    columns = inner.columns
    fits, reasons = _feasible(scorer, setting, histogram, columns)
    feasible_rows = np.flatnonzero(fits)
    block = max(1, BLOCK_PAIRS // max(len(inner.exits), len(histogram.tokens)))
    hardware = np.zeros(0, dtype=np.int64)
    exits = np.zeros(0, dtype=np.int64)
    values = np.zeros((0, len(objectives)))
    unfit = np.flatnonzero(~fits)
    scored = len(unfit) * len(inner.exits)
    if len(unfit) and (unfit_allowed := inner.allowed(model, unfit.tolist())) is not None:
        scored = int(unfit_allowed.sum())
    feasible = 0
    for start in range(0, len(feasible_rows), block):
        rows = feasible_rows[start : start + block]
        scores = scorer.score(setting, histogram, columns.take(rows))
        kept = within(scores.values, constraints) & scores.feasible[:, None]
        allowed = inner.allowed(model, rows.tolist())
        scored += kept.size if allowed is None else int(allowed.sum())
        if allowed is not None:
            kept &= allowed
        feasible += int(kept.sum())
        d, x = np.nonzero(kept)
        found = np.stack([scores.values[o.metric][d, x] for o in objectives], axis=1)
        best = non_dominated(found, objectives)
        hardware = np.concatenate([hardware, rows[d[best]]])
        exits = np.concatenate([exits, x[best]])
        values = np.concatenate([values, found[best]])
        best = non_dominated(values, objectives)
        hardware, exits, values = hardware[best], exits[best], values[best]
    return InnerFront(
        hardware=hardware,
        exits=exits,
        values=values,
        designs_scored=scored,
        designs_feasible=feasible,
        reasons=reasons,
    )


def _feasible(
    scorer: Scorer, setting: Setting, histogram: ExitHistogram, columns: AcceleratorColumns
) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Which accelerators (n_designs,) can run the setting at all, and why the others cannot.

    What fits is decided by the longest sentence, so one group tells, and only designs that fit are
    worth a cost table.
    """
    longest = Groups(
        tokens=histogram.tokens.max(keepdims=True),
        predicted_layer=np.array([setting.trace.n_exits]),
        actual_layer=np.array([setting.trace.n_exits]),
    )
    table = scorer.cost_model.cost_table(setting.workload, columns, longest, scorer.scenario)
    unfit = np.flatnonzero(~table.feasible)
    told = unfit[:: max(1, len(unfit) // REASONS_TOLD)]
    tally = Counter(_without_digits(table.reason(int(index)) or "") for index in told)
    return table.feasible, dict(tally)


def flat_design(
    model: dict[str, KnobValue], inner: InnerSpace, hardware: int, exits: int
) -> dict[str, KnobValue]:
    """All knobs of one enumerated design, flat."""
    flat = {**model, **inner.exits[exits], **inner.hardware[hardware]}
    design_point(flat)
    return flat


def _without_digits(reason: str) -> str:
    return "".join("#" if c.isdigit() else c for c in reason)
