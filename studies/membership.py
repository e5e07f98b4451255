"""How sure a design's place on a front is, over the sentences that it was measured on.

Accuracy, energy and latency of a design are means and percentiles over the ``select`` sentences; on
other sentences they, and with them the front, would be others. Bootstrap samples of the sentences
stand for those: in each, every design is scored anew, all designs on the same sentences, so that
what decides between two of them is their paired difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluators.bootstrap import RESAMPLES
from evaluators.resampling import resampled_histogram
from hw_cost import AcceleratorColumns
from search_space import DesignPoint, ExitKnobs, ModelKnobs
from studies.fronts import Axis, FloatArray, non_dominated, rounded
from studies.metrics import is_score
from studies.objectives import Constraint, within
from studies.scoring import Scorer, Setting

LOW: Final = 0.05
"""Share of the samples in which the accuracy is below its lower bound."""

ROBUST: Final = 0.9
"""Probability of membership from which a design counts as robust."""


def resampled_values(
    scorer: Scorer, designs: Sequence[tuple[Setting, DesignPoint]]
) -> dict[str, FloatArray]:
    """The scorer's metrics (`RESAMPLES`, n_designs) of feasible designs in every sample."""
    found = {name: np.empty((RESAMPLES, len(designs))) for name in scorer.metrics}
    alike: dict[tuple[ModelKnobs, ExitKnobs], list[int]] = {}
    for place, (setting, point) in enumerate(designs):
        alike.setdefault((setting.knobs, point.exits), []).append(place)
    for (_, exits), places in alike.items():
        setting = designs[places[0]][0]
        first, *others = (
            resampled_histogram(each.trace, exits, scorer.scenario.padded_tokens)
            for each in setting.tasks.values()
        )
        histogram = replace(first, others=tuple(others))
        columns = AcceleratorColumns.from_knobs([designs[place][1].hardware for place in places])
        for name, values in scorer.score(setting, histogram, columns).values.items():
            found[name][:, places] = values.T
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """What the samples say of some designs; (n_designs,) arrays.

    Attributes:
        probability: share of the samples in which a design keeps the constraints and no other of
            these designs dominates it.
        accuracy_low: accuracy that 5 % of the samples are below: its lower confidence bound
            (percentile bootstrap); NaN if accuracy was not resampled.
    """

    probability: FloatArray
    accuracy_low: FloatArray

    @classmethod
    def of(
        cls,
        samples: Mapping[str, FloatArray],
        objectives: Sequence[Axis],
        constraints: Sequence[Constraint],
    ) -> Membership:
        """Membership from metrics (n_samples, n_designs) of objectives and constraints."""
        kept = within(dict(samples), constraints)
        values = rounded(np.stack([samples[o.metric] for o in objectives], axis=2))
        n_samples, n_designs = kept.shape
        on_front = np.zeros((n_samples, n_designs), dtype=np.bool_)
        for sample in range(n_samples):
            places = np.flatnonzero(kept[sample])
            best = non_dominated(values[sample, places], objectives, keep_equal=True)
            on_front[sample, places[best]] = True
        accuracy = samples.get("accuracy", np.full((1, n_designs), np.nan))
        return cls(
            probability=on_front.mean(axis=0), accuracy_low=np.quantile(accuracy, LOW, axis=0)
        )


def nearest_rivals(
    front: FloatArray, others: FloatArray, objectives: Sequence[Axis], most: int
) -> NDArray[np.int64]:
    """Places of the dominated designs nearest to a front, at most so many, in their order.

    A design's distance is the accuracy that it lacks: the largest difference to a design of the
    front that is at least as good in all other objectives. Those are the ones that other sentences
    might put on the front. With the accuracy of several tasks it is the least over them.

    Args:
        front: (n_points, n_objectives).
        others: (n_others, n_objectives).
        objectives: one for each column; without accuracy among them there are no rivals.
        most: 0 or more.
    """
    scores = [i for i, o in enumerate(objectives) if is_score(o.metric)]
    if not scores or not len(others) or not len(front):
        return np.zeros(0, dtype=np.int64)
    signs = np.array([-1.0 if o.maximised else 1.0 for o in objectives])
    ours, theirs = front * signs, others * signs
    lacking = np.zeros((len(scores), len(others)))
    for row, column in enumerate(scores):
        rest = [i for i in range(len(objectives)) if i != column]
        for place, other in enumerate(theirs):
            rivals = (ours[:, rest] <= other[rest]).all(axis=1)
            if rivals.any():
                lacking[row, place] = other[column] - ours[rivals, column].min()
    nearest: NDArray[np.int64] = np.sort(np.argsort(lacking.min(axis=0), kind="stable")[:most])
    return nearest


def lower_front(
    values: FloatArray,
    accuracy_low: FloatArray,
    objectives: Sequence[Axis],
    constraints: Sequence[Constraint],
) -> NDArray[np.bool_]:
    """(n_designs,) which designs make the front that counts every accuracy at its lower bound.

    A design whose lower bound breaks a constraint on accuracy is not on it.

    Args:
        values: (n_designs, n_objectives).
        accuracy_low: (n_designs,) lower bounds.
        objectives: one for each column.
        constraints: of the study; all but those on accuracy are met.
    """
    lowered = values.copy()
    for column, objective in enumerate(objectives):
        if objective.metric == "accuracy":
            lowered[:, column] = accuracy_low
    of_accuracy = [c for c in constraints if c.metric == "accuracy"]
    kept = within({"accuracy": accuracy_low}, of_accuracy)
    places = np.flatnonzero(kept)
    result = np.zeros(len(values), dtype=np.bool_)
    result[places[non_dominated(lowered[places], objectives)]] = True
    return result
