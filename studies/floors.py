"""Floors: the best that an accelerator can do with any exits, before its exits are looked at.

A sentence that takes more layers costs no less, whatever is predicted (`hw_cost.CostModel` promises
it). So a table in which every sentence leaves after layer 1 bounds all statistics that rise with
the costs of sentences; area and storage do not depend on exits at all, and no setting of the exit
knobs is more accurate than the most accurate one. An accelerator whose floor is dominated, or
breaks a constraint, is left out unscored: none of its designs can be on the front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluators.exits import ExitHistogram
from hw_cost import CostTable, Groups
from studies.fronts import FloatArray, normalised
from studies.metrics import METRICS
from studies.objectives import Constraint, Objective
from studies.scoring import Scorer

RISING: Final = frozenset(
    {
        *("energy_pj", "energy_p50_pj", "energy_p99_pj", "energy_max_pj"),
        *("latency_mean_ns", "latency_p50_ns", "latency_p99_ns", "latency_max_ns"),
        *("deadline_miss_rate", "duty_cycle"),
    }
)
"""Metrics that do not fall when a sentence costs more: the floor of the costs is theirs."""

_SLACK: Final = 1e-9
"""Share that the floor of a sum is lowered by: far above what rounding makes of it."""


@dataclass(frozen=True, slots=True)
class Floors:
    """The best value that each metric can take on each accelerator, over all exits.

    Attributes:
        best: (n_accelerators,) by metric: the least value, or the greatest of one that is
            maximised.
    """

    best: Mapping[str, FloatArray]

    @classmethod
    def of(cls, scorer: Scorer, histogram: ExitHistogram, table: CostTable) -> Floors:
        """Floors of the scorer's metrics; NaN for accelerators that cannot run.

        Args:
            scorer: its metrics are bounded.
            histogram: of every setting of the exit knobs.
            table: of `floor_groups` on n_accelerators.
        """
        tokens = np.unique(histogram.tokens)
        shares = [histogram.shares[0, histogram.tokens == t].sum() for t in tokens]
        rising = [name for name in scorer.metrics if name in RISING]
        found = scorer.statistics(table, np.array([[*shares, 0.0]])).values(rising)
        best = {name: values[:, 0] * (1 - _SLACK) for name, values in found.items()}
        best |= {"area_mm2": table.area_mm2, "storage_bits": table.storage_bits}
        best["accuracy"] = np.where(table.feasible, histogram.accuracy.max(), np.nan)
        for name in scorer.metrics:
            unbounded = np.inf if METRICS[name].direction == "maximize" else 0.0
            best.setdefault(name, np.where(table.feasible, unbounded, np.nan))
        return cls({name: best[name] for name in scorer.metrics})

    @classmethod
    def joined(cls, parts: Sequence[Floors]) -> Floors:
        """Floors of accelerators that were worked out in blocks, one or more."""
        names = parts[0].best
        return cls({name: np.concatenate([part.best[name] for part in parts]) for name in names})

    def values(
        self, objectives: Sequence[Objective], rows: NDArray[np.int64] | slice
    ) -> FloatArray:
        """Best values (n_rows, n_objectives) of some accelerators."""
        found: FloatArray = np.stack([self.best[o.metric][rows] for o in objectives], axis=1)
        return found

    def keep(self, constraints: Sequence[Constraint]) -> NDArray[np.bool_]:
        """(n_accelerators,) whether some exits could keep every constraint.

        Only bounds from the side that a metric is bounded on can rule an accelerator out.
        """
        kept = np.ones(len(next(iter(self.best.values()))), dtype=np.bool_)
        for constraint in constraints:
            best = self.best[constraint.metric]
            is_maximised = METRICS[constraint.metric].direction == "maximize"
            if constraint.upper and not is_maximised:
                kept &= best <= constraint.bound
            elif is_maximised and not constraint.upper:
                kept &= best >= constraint.bound
        return kept

    def promise(self, objectives: Sequence[Objective]) -> FloatArray:
        """(n_accelerators,) sum of the floors on the study's axes: less promises more."""
        bounded = [o for o in objectives if not np.isinf(self.best[o.metric]).any()]
        if not bounded:
            return np.zeros(len(next(iter(self.best.values()))))
        promise: FloatArray = normalised(self.values(bounded, slice(None)), bounded).sum(axis=1)
        return promise

    def hold(self, values: Mapping[str, FloatArray], rows: NDArray[np.int64]) -> bool:
        """Whether metrics (n_rows, n_exits) of some accelerators are no better than their floors.

        They always are with a cost model that keeps its promise.
        """
        for name, scored in values.items():
            best = self.best[name][rows, None]
            if METRICS[name].direction == "maximize":
                better = scored > best
            else:
                better = scored < best * (1 - _SLACK)
            if better.any():
                return False
        return True


def floor_groups(histogram: ExitHistogram, n_layers: int) -> Groups:
    """One group for each token count that leaves after layer 1, and the longest through all layers.

    The last one decides what runs at all.
    """
    tokens = np.unique(histogram.tokens)
    layers = np.append(np.ones(len(tokens), dtype=np.int64), n_layers)
    return Groups(tokens=np.append(tokens, tokens[-1]), predicted_layer=layers, actual_layer=layers)


def dominated(
    floors: FloatArray, front: FloatArray, objectives: Sequence[Objective]
) -> NDArray[np.bool_]:
    """(n_floors,) whether a point of a front is as good as a floor everywhere, and better once.

    Args:
        floors: (n_floors, n_objectives).
        front: (n_points, n_objectives).
        objectives: one for each column.
    """
    signs = np.array([-1.0 if o.maximised else 1.0 for o in objectives])
    ours, theirs = (floors * signs)[:, None], (front * signs)[None]
    beats = (theirs <= ours).all(axis=2) & (theirs < ours).any(axis=2)
    result: NDArray[np.bool_] = beats.any(axis=1)
    return result
