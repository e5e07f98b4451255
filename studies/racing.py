"""Racing: whether a setting that is measured in part can still be on the front.

A design of the setting is bounded from its good side: its accuracy from above, its costs from
below. Where the bound breaks a constraint, or is dominated by a design of the front (whose values
are known, of all ``select`` sentences), that design is out; where every design of the setting is
out, for every choice of exits and accelerator, the rest of its sentences need not be measured.

What is certain: area and storage are known, `studies.floors` bounds what rises with the costs of
sentences, and the token counts of all sentences are known before any is measured. What is bounded
with a probability, from the sentences drawn so far:

* the share of right answers under a setting of the exit knobs, by `evaluators.confidence`, at all
  looks together;
* mean energy and mean latency: the mean over all sentences of what leaving after layer 1 costs is
  known, and what a sentence costs beyond that is bounded by the empirical Bernstein-Serfling
  inequality (Bardenet and Maillard, "Concentration inequalities for sampling without replacement",
  Bernoulli 21(3), 2015, section 4), at each look with its part of the risk.

A setting with a design on the front of the whole study is stopped only if the bounds of that one
design have failed, since all of its designs would have to be out. Which design it is depends on the
sentences and not on their order, so that the risk need not be shared among designs: it is the
probability, over the order, that such a setting is lost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluators.confidence import mean_bounds
from evaluators.exits import ExitHistogram, exit_answers, exit_histogram, exit_layers
from evaluators.traces import ExitTrace, Split
from hw_cost import CostTable, Groups
from search_space import ExitKnobs, KnobValue, exit_knobs
from studies.enumeration import BLOCK_PAIRS, probed
from studies.floors import Floors, dominated, floor_groups
from studies.fronts import FloatArray, rounded
from studies.inner_space import InnerSpace
from studies.metrics import METRICS
from studies.objectives import Constraint, Objective
from studies.scoring import Scorer, Setting

_FIRST_BLOCK: Final = 8
"""Accelerators looked at first; each block is twice as large. Most settings that go on are known by
one of the first."""
_KAPPA: Final = 7 / 3 + 3 / math.sqrt(2)
"""Constant of the empirical Bernstein-Serfling inequality."""
_MEANS: Final = {
    "energy_pj": "energy_pj",
    "latency_mean_ns": "latency_ns",
    "duty_cycle": "latency_ns",
}
"""Metrics that are means of a cost of sentences (or in proportion to one), and which cost it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When a setting may be stopped.

    Attributes:
        looks: rising numbers of drawn sentences after which it is asked.
        risk: probability that a setting with a design on the front is stopped.
        ceiling: accuracy that no design exceeds, as the study states it.
    """

    looks: tuple[int, ...]
    risk: float
    ceiling: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Race:
    """One setting against a front; made before its first sentence, asked at every look.

    Attributes:
        scorer: of objectives and constraints, at least.
        setting: with a trace of any number of sentences: what is known before the first is enough.
        tokens: (n_select,) token counts of all ``select`` sentences.
        model: knobs of the setting.
        inner: all exits and accelerators.
        objectives: of the study.
        constraints: of the study.
        rules: when to stop.
    """

    scorer: Scorer
    setting: Setting
    tokens: NDArray[np.int64]
    model: dict[str, KnobValue]
    inner: InnerSpace
    objectives: Sequence[Objective]
    constraints: Sequence[Constraint]
    rules: Rules
    exits: list[ExitKnobs] = field(init=False)
    _floors: Floors = field(init=False)
    _rows: NDArray[np.int64] = field(init=False)
    _reasons: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        """Work out the floors of all accelerators, which no sentence changes."""
        histogram = _all_at_once(self._counted(self.tokens), self.rules.ceiling)
        fits, floors, reasons = probed(
            self.scorer, self.setting, histogram, self.inner.columns, prune=True
        )
        assert floors is not None
        rows = np.flatnonzero(fits & floors.keep(self.constraints))
        rows = rows[np.argsort(floors.promise(self.objectives)[rows], kind="stable")]
        object.__setattr__(self, "exits", [exit_knobs(flat) for flat in self.inner.exits])
        object.__setattr__(self, "_floors", floors)
        object.__setattr__(self, "_rows", rows)
        object.__setattr__(self, "_reasons", reasons)

    @property
    def unfit(self) -> str | None:
        """Why no design can keep every constraint whatever the sentences; None if one may."""
        if len(self._rows):
            return None
        commonest = max(self._reasons, key=lambda reason: self._reasons[reason], default="")
        return commonest or "every design breaks a constraint"

    def lost(
        self, drawn: ExitTrace, accuracy: FloatArray, rivals: Sequence[Sequence[float]]
    ) -> bool:
        """Whether no design of the setting can be on the front.

        Args:
            drawn: trace of the first drawn ``select`` sentences, none or more.
            accuracy: (n_exits,) upper bounds of each setting of the exit knobs (`ceilings`).
            rivals: values (n_rivals, n_objectives) of designs measured on all sentences.
        """
        front = np.array(rivals, dtype=np.float64).reshape(-1, len(self.objectives))
        best = dict(self._floors.best)
        best["accuracy"] = np.full(len(self.inner.hardware), accuracy.max())
        floors = Floors({name: best[name] for name in self._floors.best})
        rows = self._rows[floors.keep(self.constraints)[self._rows]]
        histogram = None
        if len(drawn.tokens):
            histogram = exit_histogram(
                drawn, self.exits, Split.SELECT, padded_tokens=self.scorer.scenario.padded_tokens
            )
        largest = max(1, BLOCK_PAIRS // max(len(self.exits), len(drawn.tokens)))
        start, size = 0, min(_FIRST_BLOCK, largest)
        while start < len(rows):
            block = rows[start : start + size]
            start, size = start + size, min(2 * size, largest)
            values = rounded(floors.values(self.objectives, block))
            block = block[~_dominated(values, front, self.objectives)]
            if len(block) == 0:
                continue
            if histogram is None:
                if self._allowed(block).any():
                    return False
            elif self._is_possible(block, histogram, accuracy, front):
                return False
        return True

    def _is_possible(
        self,
        rows: NDArray[np.int64],
        histogram: ExitHistogram,
        accuracy: FloatArray,
        front: FloatArray,
    ) -> bool:
        """Whether any design with those accelerators may be on the front."""
        bounds = self._bounds(rows, histogram, accuracy)
        shape = (len(rows), len(self.exits))
        kept = self._allowed(rows)
        for constraint in self.constraints:
            bound = bounds[constraint.metric]
            is_maximised = METRICS[constraint.metric].direction == "maximize"
            if constraint.upper and not is_maximised:
                kept &= bound <= constraint.bound
            elif is_maximised and not constraint.upper:
                kept &= bound >= constraint.bound
        values = np.stack(
            [np.broadcast_to(bounds[o.metric], shape)[kept] for o in self.objectives], axis=1
        )
        return not _dominated(rounded(values), front, self.objectives).all()

    def _bounds(
        self, rows: NDArray[np.int64], histogram: ExitHistogram, accuracy: FloatArray
    ) -> Mapping[str, FloatArray]:
        """The best (n_rows, n_exits), or an array that broadcasts, of each metric."""
        best: dict[str, FloatArray] = {n: v[rows][:, None] for n, v in self._floors.best.items()}
        if "accuracy" in best:
            best["accuracy"] = accuracy[None]
        sampled = [name for name in self.scorer.metrics if name in _MEANS]
        if not sampled:
            return best
        columns = self.inner.columns.take(rows)
        model, scenario = self.scorer.cost_model, self.scorer.scenario
        groups = Groups(histogram.tokens, histogram.predicted_layer, histogram.actual_layer)
        table = model.cost_table(self.setting.workload, columns, groups, scenario)
        at_first = floor_groups(histogram, self.setting.trace.n_exits)
        first = model.cost_table(self.setting.workload, columns, at_first, scenario)
        place = np.searchsorted(at_first.tokens[:-1], histogram.tokens)
        risk = self.rules.risk / 2 / len(sampled) / max(1, len(self.rules.looks))
        for name in sampled:
            further = _further_costs(table, first, place, _MEANS[name])
            beyond = _lower_means(further, histogram, len(self.tokens), risk)
            if name == "duty_cycle":
                beyond = beyond * self._rate()
            best[name] = best[name] + beyond
        return best

    def _rate(self) -> float:
        """Duty cycle of a nanosecond of mean latency."""
        return self.scorer.scenario.sentences_per_hour / 3600e9

    def _allowed(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        allowed = self.inner.allowed(self.model, rows.tolist())
        if allowed is None:
            return np.ones((len(rows), len(self.inner.exits)), dtype=np.bool_)
        return allowed

    def _counted(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        padded = self.scorer.scenario.padded_tokens
        return tokens if padded is None else np.full_like(tokens, padded)


def ceilings(
    drawn: ExitTrace, exits: Sequence[ExitKnobs], n_select: int, rules: Rules
) -> FloatArray:
    """Upper bounds (n_exits,) of the accuracy of settings of the exit knobs, at any number drawn.

    Half of the risk is theirs, and the stated ceiling bounds them too.

    Args:
        drawn: trace of the first drawn ``select`` sentences, none or more.
        exits: the settings.
        n_select: how many ``select`` sentences there are.
        rules: risk and ceiling.
    """
    if len(drawn.tokens) == 0:
        return np.full(len(exits), rules.ceiling)
    _, actual = exit_layers(drawn, exits)
    right = exit_answers(drawn, actual) == drawn.labels
    alike, place = np.unique(right, axis=0, return_inverse=True)
    # Both of two bounds hold with 1 - alpha, and so one of them with 1 - alpha / 2.
    _, upper = mean_bounds(alike, n_select, [len(drawn.tokens)], rules.risk)
    bounds: FloatArray = np.minimum(upper[place.ravel(), 0], rules.ceiling)
    return bounds


def _further_costs(
    table: CostTable, first: CostTable, place: NDArray[np.int64], cost: str
) -> FloatArray:
    """What each group costs beyond leaving after layer 1, (n_designs, n_groups).

    No more than all layers cost the longest sentence: what is above counts as that, so that costs
    have a range that is known and their mean is, if anything, too low.

    Args:
        table: of the groups.
        first: of all token counts after layer 1, and the longest sentence through all layers.
        place: (n_groups,) of the token count of each group in the table of layer 1.
        cost: which.
    """
    base: FloatArray = getattr(first, cost)
    most = base[:, -1] - base[:, -2]
    further: FloatArray = np.minimum(getattr(table, cost) - base[:, place], most[:, None])
    return np.concatenate([further, most[:, None]], axis=1)


def _lower_means(
    further: FloatArray, histogram: ExitHistogram, population: int, risk: float
) -> FloatArray:
    """Lower bounds (n_designs, n_exits) of means over all sentences, 0 or more.

    Args:
        further: (n_designs, n_groups + 1) costs of a sentence of each group; the last is the range.
        histogram: of the sentences drawn.
        population: how many sentences there are.
        risk: that a bound fails.
    """
    n = histogram.n_sentences
    costs, ranges = further[:, :-1], further[:, -1]
    mean = costs @ histogram.shares.T
    variance = np.maximum((costs**2) @ histogram.shares.T - mean**2, 0.0)
    # Shares of sentences not drawn, as the inequality has them below and above one half.
    left = 1 - (n - 1) / population if 2 * n <= population else (1 - n / population) * (1 + 1 / n)
    log = math.log(5 / risk)
    width = np.sqrt(variance * 2 * left * log / n) + (_KAPPA * log / n) * ranges[:, None]
    lower: FloatArray = np.maximum(mean - width, 0.0) * (1 - 1e-9)  # less than rounding makes of it
    return lower


def _all_at_once(tokens: NDArray[np.int64], ceiling: float) -> ExitHistogram:
    """All sentences leaving after layer 1, and as accurate as can be."""
    found, counts = np.unique(tokens, return_counts=True)
    ones = np.ones(len(found), dtype=np.int64)
    return ExitHistogram(
        tokens=found,
        predicted_layer=ones,
        actual_layer=ones,
        shares=counts[None] / len(tokens),
        accuracy=np.array([ceiling]),
        accuracy_se=np.zeros(1),
        n_sentences=len(tokens),
    )


def _dominated(
    values: FloatArray, front: FloatArray, objectives: Sequence[Objective]
) -> NDArray[np.bool_]:
    """`dominated`, in blocks that bound memory."""
    if len(values) == 0 or len(front) == 0:
        return np.zeros(len(values), dtype=np.bool_)
    size = max(1, BLOCK_PAIRS * 10 // len(front))
    parts = [
        dominated(values[start : start + size], front, objectives)
        for start in range(0, len(values), size)
    ]
    return np.concatenate(parts)
