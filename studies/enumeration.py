"""The inner search: for one setting of the model knobs, every exit and hardware choice scored.

The result is exact: the constrained non-dominated set of all combinations on the grid that the
study file states.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluators.exits import ExitHistogram
from hw_cost import AcceleratorColumns, Groups
from search_space import (
    KnobValue,
    exit_knobs,
)
from studies.floors import Floors, dominated, floor_groups
from studies.fronts import FloatArray, non_dominated, rounded
from studies.inner_space import InnerSpace
from studies.objectives import Constraint, Objective, within
from studies.scoring import Scorer, Setting

BLOCK_PAIRS: Final = 200_000
"""(design, exit setting) pairs scored at once: bounds memory to some tens of megabytes."""

FIRST_BLOCK: Final = 16
"""The first block is that part of a whole one, and each is twice as large as the one before: a few
good designs are enough to leave many others out."""

REASONS_TOLD: Final = 200
"""Infeasible accelerators that are asked for their reason, evenly spaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerFront:
    """Non-dominated designs of one setting.

    Attributes:
        hardware: (n_points,) rows of the inner space's hardware; of `joined_front` those of the
            storage before them, times the number of accelerators, added.
        exits: (n_points,) rows of its exit settings.
        values: (n_points, n_objectives), to 12 significant digits (`studies.fronts.rounded`).
        designs_scored: pairs that the front is of, those of `designs_pruned` among them.
        designs_pruned: pairs that no score was needed for: their accelerator's floor settled it.
        designs_feasible: scored pairs that fit the accelerator and keep every constraint; 0 only if
            no pair does.
        reasons: how many of a sample of infeasible accelerators are so for which reason (digits
            replaced by #).
    """

    hardware: NDArray[np.int64]
    exits: NDArray[np.int64]
    values: FloatArray
    designs_scored: int
    designs_pruned: int
    designs_feasible: int
    reasons: dict[str, int]


def inner_front(
    scorer: Scorer,
    setting: Setting,
    model: dict[str, KnobValue],
    inner: InnerSpace,
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
    *,
    prune: bool = True,
) -> InnerFront:
    """The exact constrained front over all exit and hardware choices of one setting.

    Args:
        scorer: of objectives and constraints, at least.
        setting: the measured setting.
        model: its knobs.
        inner: what is enumerated.
        objectives: of the study.
        constraints: of the study.
        prune: leave out exits that are not accurate enough for the constraints, and accelerators
            whose floor (`studies.floors`) is dominated or breaks a constraint. The front is the
            same; without it every design is scored. Where a cost model turns out to break what
            floors rest on, nothing is left out; nor is it with several tasks.
    """
    prune = prune and not setting.others
    histogram, exits = _histogram(scorer, setting, inner, constraints if prune else [])
    fits, floors, reasons = probed(scorer, setting, histogram, inner.columns, prune=prune)
    rows = np.flatnonzero(fits)
    can_keep = np.zeros(0, dtype=np.bool_)
    if floors is not None and len(rows):
        rows = rows[_best_first(floors.promise(objectives)[rows], inner.columns.take(rows))]
        can_keep = floors.keep(constraints)
    whole_block = max(1, BLOCK_PAIRS // max(len(inner.exits), len(histogram.tokens)))
    size = whole_block if floors is None else max(1, whole_block // FIRST_BLOCK)
    front = _Front.empty(objectives)
    n_unfit = _pairs(inner, model, np.flatnonzero(~fits), whole_block)
    total, scored, feasible, start = n_unfit, 0, 0, 0
    while start < len(rows):
        block = np.sort(rows[start : start + size])
        start, size = start + size, min(2 * size, whole_block)
        total += _pairs(inner, model, block, whole_block)
        if floors is not None:
            block = block[can_keep[block]]
            best = rounded(floors.values(objectives, block))
            block = block[~dominated(best, front.values, objectives)]
            if len(block) == 0:
                continue
        scores = scorer.score(setting, histogram, inner.columns.take(block))
        if floors is not None and not floors.hold(scores.values, block):
            return inner_front(scorer, setting, model, inner, objectives, constraints, prune=False)
        kept = within(scores.values, constraints) & scores.feasible[:, None]
        allowed = inner.allowed(model, block.tolist())
        scored += kept.size if allowed is None else int(allowed[:, exits].sum())
        if allowed is not None:
            kept &= allowed[:, exits]
        feasible += int(kept.sum())
        d, x = np.nonzero(kept)
        found = rounded(np.stack([scores.values[o.metric][d, x] for o in objectives], axis=1))
        front = front.with_points(block[d], exits[x], found, objectives)
    return InnerFront(
        hardware=front.hardware,
        exits=front.exits,
        values=front.values,
        designs_scored=total,
        designs_pruned=total - n_unfit - scored,
        designs_feasible=feasible,
        reasons=reasons,
    )


def joined_front(
    fronts: Mapping[int, InnerFront], inner: InnerSpace, objectives: Sequence[Objective]
) -> InnerFront:
    """The exact front of settings that differ in enumerated storage alone.

    Args:
        fronts: of the settings, by row of the inner space's storage, one at least.
        inner: what is enumerated.
        objectives: of the study.
    """
    front = _Front.empty(objectives)
    reasons: Counter[str] = Counter()
    for row, found in fronts.items():
        hardware = found.hardware + row * len(inner.hardware)
        front = front.with_points(hardware, found.exits, found.values, objectives)
        reasons.update(found.reasons)
    return InnerFront(
        hardware=front.hardware,
        exits=front.exits,
        values=front.values,
        designs_scored=sum(found.designs_scored for found in fronts.values()),
        designs_pruned=sum(found.designs_pruned for found in fronts.values()),
        designs_feasible=sum(found.designs_feasible for found in fronts.values()),
        reasons=dict(reasons),
    )


@dataclass(frozen=True, slots=True)
class _Front:
    """Non-dominated points so far, by hardware row and then by exit row.

    Attributes:
        hardware: (n_points,) rows of the inner space's hardware.
        exits: (n_points,) rows of its exit settings.
        values: (n_points, n_objectives).
    """

    hardware: NDArray[np.int64]
    exits: NDArray[np.int64]
    values: FloatArray

    @classmethod
    def empty(cls, objectives: Sequence[Objective]) -> _Front:
        """No points."""
        none = np.zeros(0, dtype=np.int64)
        return cls(none, none, np.zeros((0, len(objectives))))

    def with_points(
        self,
        hardware: NDArray[np.int64],
        exits: NDArray[np.int64],
        values: FloatArray,
        objectives: Sequence[Objective],
    ) -> _Front:
        """The front with more points; of equal ones that of the first row is kept."""
        best = non_dominated(values, objectives)
        hardware = np.concatenate([self.hardware, hardware[best]])
        exits = np.concatenate([self.exits, exits[best]])
        values = np.concatenate([self.values, values[best]])
        order = np.lexsort((exits, hardware))
        order = order[non_dominated(values[order], objectives)]
        return _Front(hardware[order], exits[order], values[order])


def _histogram(
    scorer: Scorer, setting: Setting, inner: InnerSpace, constraints: Sequence[Constraint]
) -> tuple[ExitHistogram, NDArray[np.int64]]:
    """Histogram of the exit settings that keep the constraints on accuracy, and which they are.

    Accuracy does not depend on the accelerator. Where no exits keep them, it is of all.
    """
    knobs = [exit_knobs(x) for x in inner.exits]
    histogram = scorer.histogram(setting, knobs)
    of_accuracy = [c for c in constraints if c.metric == "accuracy"]
    kept = np.flatnonzero(within({"accuracy": histogram.accuracy}, of_accuracy))
    if len(kept) in (0, len(knobs)):
        return histogram, np.arange(len(knobs))
    return scorer.histogram(setting, [knobs[place] for place in kept]), kept


def _best_first(promise: FloatArray, columns: AcceleratorColumns) -> NDArray[np.int64]:
    """Places of accelerators, the most promising structure first and those of a structure together.

    Args:
        promise: (n_accelerators,); less promises more.
        columns: n_accelerators.
    """
    _, structure = columns.structure()
    best = np.full(structure.max() + 1, np.inf)
    np.minimum.at(best, structure, promise)
    return np.lexsort((promise, structure, best[structure]))


def _pairs(
    inner: InnerSpace, model: dict[str, KnobValue], rows: NDArray[np.int64], size: int
) -> int:
    """How many designs some accelerators make with the exit settings that conditions allow."""
    if not inner.joined:
        return len(rows) * len(inner.exits)
    total = 0
    for start in range(0, len(rows), size):
        allowed = inner.allowed(model, rows[start : start + size].tolist())
        total += 0 if allowed is None else int(allowed.sum())
    return total


def probed(
    scorer: Scorer,
    setting: Setting,
    histogram: ExitHistogram,
    columns: AcceleratorColumns,
    *,
    prune: bool,
) -> tuple[NDArray[np.bool_], Floors | None, dict[str, int]]:
    """Which accelerators (n_designs,) can run the setting, their floors, and why others cannot.

    What fits is decided by the longest sentence, so one group tells, and only designs that fit are
    worth a cost table. Floors are worked out in the same pass, if they are wanted.
    """
    if setting.others:
        return _fits_every_task(scorer, setting, histogram, columns)
    groups = floor_groups(histogram, setting.trace.n_exits)
    if not prune:
        longest = groups.tokens[-1:], groups.predicted_layer[-1:], groups.actual_layer[-1:]
        groups = Groups(*longest)
    size = max(1, BLOCK_PAIRS // len(groups))
    fits = np.zeros(len(columns), dtype=np.bool_)
    floors: list[Floors] = []
    tally: Counter[str] = Counter()
    for start in range(0, len(columns), size):
        part = slice(start, start + size)
        table = scorer.cost_model.cost_table(
            setting.workload, columns.take(part), groups, scorer.scenario
        )
        fits[part] = table.feasible
        if prune:
            floors.append(Floors.of(scorer, histogram, table))
        unfit = np.flatnonzero(~table.feasible)
        told = unfit[:: max(1, len(columns) // REASONS_TOLD)]
        tally.update(_without_numbers(table.reason(int(index)) or "") for index in told)
    return fits, Floors.joined(floors) if floors else None, dict(tally)


def _fits_every_task(
    scorer: Scorer, setting: Setting, histogram: ExitHistogram, columns: AcceleratorColumns
) -> tuple[NDArray[np.bool_], None, dict[str, int]]:
    """Which accelerators can run the setting of every task, and why others cannot."""
    fits = np.ones(len(columns), dtype=np.bool_)
    tally: Counter[str] = Counter()
    for each, part in zip(setting.tasks.values(), (histogram, *histogram.others), strict=True):
        single = replace(each, others=())
        fit, _, reasons = probed(scorer, single, part, columns, prune=False)
        fits &= fit
        tally.update(reasons)
    return fits, None, dict(tally)


def _without_numbers(reason: str) -> str:
    """A reason that is the same for all designs that it holds for.

    >>> _without_numbers("envm_mib 0.5 is too small for the 12.25 MiB stored in it")
    'envm_mib … is too small for the … MiB stored in it'
    """
    return re.sub(r"[0-9]+(\.[0-9]+)?", "…", reason)
