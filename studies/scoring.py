"""Scoring: exit histogram times cost table gives the metrics of designs.

One `Setting` holds what follows from the model knobs: the trace and its workload. Scoring it for
D accelerators and X settings of the exit knobs gives arrays (D, X) of the metrics asked for; those
that are statistics over the sentences come from `studies.statistics`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from evaluators.exits import ExitHistogram, exit_histogram
from evaluators.traces import ExitTrace, Split
from hw_cost import (
    AcceleratorColumns,
    AnalyticModel,
    CostModel,
    CostTable,
    EncoderShape,
    Groups,
    Technology,
    Workload,
)
from hw_cost.cost_model import MakeModel
from hw_cost.units import NS_PER_MS
from search_space import ExitKnobs, HardwareKnobs, IdleAccounting, ModelKnobs, Scenario
from studies.metrics import METRICS
from studies.statistics import SentenceStatistics
from studies.task_scores import bases_of, over_tasks

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One set of model knobs, measured.

    Attributes:
        knobs: the model knobs.
        trace: their trace.
        workload: what the accelerator has to run and store.
        others: the same knobs, measured on the study's further tasks.
    """

    knobs: ModelKnobs
    trace: ExitTrace
    workload: Workload
    others: tuple[Setting, ...] = ()

    @property
    def tasks(self) -> dict[str, Setting]:
        """The setting on every task, by its name."""
        return {each.trace.task: each for each in (self, *self.others)}


def setting_of(knobs: ModelKnobs, trace: ExitTrace, shape: EncoderShape) -> Setting:
    """The setting of model knobs whose trace was measured on an encoder of that shape."""
    workload = Workload(
        shape=shape,
        head_spans=trace.head_spans,
        encoder_density=trace.encoder_density,
        embedding_density=trace.embedding_density,
        weight_format=knobs.weight_format,
        activation_format=knobs.activation_format,
        embedding_storage=knobs.embedding_storage,
        encoder_storage=knobs.encoder_storage,
        exit_storage=knobs.cell_of_exits,
        table_storage=knobs.table_storage,
    )
    return Setting(knobs=knobs, trace=trace, workload=workload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Metrics of D accelerators by X settings of the exit knobs.

    Attributes:
        values: (D, X) array of each metric by name; NaN where the accelerator is infeasible.
        feasible: (D,) whether the accelerator can run the workload at all.
        table: costs by group, of the first task.
        others: scores on further tasks.
    """

    values: dict[str, FloatArray]
    feasible: NDArray[np.bool_]
    table: CostTable
    others: tuple[Scores, ...] = ()

    def reason(self, row: int) -> str | None:
        """Why an accelerator cannot run the workload; None if it can."""
        reasons = (scores.table.reason(row) for scores in (self, *self.others))
        return next((reason for reason in reasons if reason), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """Scores settings for one scenario and technology.

    Attributes:
        scenario: what designs are asked to do.
        technology: constants of the cost model.
        metrics: names of the metrics to work out.
        make_model: the cost model under a technology.
        cost_model: that of this technology.
    """

    scenario: Scenario
    technology: Technology
    metrics: Collection[str] = tuple(METRICS)
    make_model: MakeModel = AnalyticModel
    cost_model: CostModel = field(init=False)

    def __post_init__(self) -> None:
        """Make the cost model."""
        object.__setattr__(self, "cost_model", self.make_model(self.technology))

    def histogram(self, setting: Setting, exits: Sequence[ExitKnobs]) -> ExitHistogram:
        """Histogram of the ``select`` split of every task for settings of the exit knobs."""
        padded = self.scenario.padded_tokens
        found = exit_histogram(setting.trace, exits, Split.SELECT, padded_tokens=padded)
        others = tuple(self.histogram(other, exits) for other in setting.others)
        return replace(found, others=others) if others else found

    def score(
        self, setting: Setting, histogram: ExitHistogram, columns: AcceleratorColumns
    ) -> Scores:
        """Metrics of every accelerator with every setting of the exit knobs.

        Args:
            setting: with all its tasks.
            histogram: with those of all tasks, in their order.
            columns: the accelerators.
        """
        if not setting.others:
            return self._scores(setting, histogram, columns, self.metrics)
        needed = bases_of(self.metrics)
        scores = [
            self._scores(each, part, columns, needed)
            for each, part in zip(
                setting.tasks.values(), (histogram, *histogram.others), strict=True
            )
        ]
        by_task = {t: s.values for t, s in zip(setting.tasks, scores, strict=True)}
        return Scores(
            values=over_tasks(self.metrics, by_task),
            feasible=np.all([each.feasible for each in scores], axis=0),
            table=scores[0].table,
            others=tuple(scores[1:]),
        )

    def _scores(
        self,
        setting: Setting,
        histogram: ExitHistogram,
        columns: AcceleratorColumns,
        metrics: Collection[str],
    ) -> Scores:
        """Metrics on one task."""
        table = self.cost_model.cost_table(
            setting.workload, columns, groups_of(histogram), self.scenario
        )
        statistics = self.statistics(table, histogram.shares)
        found = statistics.values(metrics)
        if "accuracy" in metrics:
            found["accuracy"] = np.where(table.feasible[:, None], histogram.accuracy[None], np.nan)
        for name, by_design in (("area_mm2", table.area_mm2), ("storage_bits", table.storage_bits)):
            if name in metrics:
                found[name] = by_design[:, None].repeat(len(histogram.shares), axis=1)
        return Scores(
            values={name: found[name] for name in metrics},
            feasible=table.feasible,
            table=table,
        )

    def statistics(self, table: CostTable, shares: FloatArray) -> SentenceStatistics:
        """Statistics of a cost table over sentences with shares (n_settings, n_groups)."""
        charged = self.scenario.idle is IdleAccounting.LEAKAGE
        return SentenceStatistics(
            energy_pj=table.energy_pj,
            latency_ns=table.latency_ns,
            missed=table.missed,
            shares=shares,
            standby_power_mw=table.standby_power_mw,
            sentences_per_hour=self.scenario.sentences_per_hour,
            charged_until_ns=self.scenario.deadline_ms * NS_PER_MS if charged else 0.0,
            idle_power_mw=table.idle_power_mw,
        )


def score_one(
    scorer: Scorer, setting: Setting, exits: ExitKnobs, hardware: HardwareKnobs
) -> Scores:
    """Metrics of one design: arrays (1, 1)."""
    return scorer.score(
        setting, scorer.histogram(setting, [exits]), AcceleratorColumns.from_knobs([hardware])
    )


def groups_of(histogram: ExitHistogram) -> Groups:
    """The groups of a histogram, as the cost model takes them."""
    return Groups(
        tokens=histogram.tokens,
        predicted_layer=histogram.predicted_layer,
        actual_layer=histogram.actual_layer,
    )
