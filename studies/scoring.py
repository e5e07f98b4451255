"""Scoring: exit histogram times cost table gives the metrics of designs.

One `Setting` holds what follows from the model knobs: the trace and its workload. Scoring it for
D accelerators and X settings of the exit knobs gives arrays (D, X) of the metrics asked for; those
that are statistics over the sentences come from `studies.statistics`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evaluators.exits import (
    ExitHistogram,
    accuracy_with_error,
    exit_histogram,
    exit_layers,
    further_scores,
)
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
from search_space import (
    DesignPoint,
    ExitKnobs,
    HardwareKnobs,
    IdleAccounting,
    ModelKnobs,
    Scenario,
)
from studies.metrics import METRICS
from studies.records import Breakdown, Figure
from studies.statistics import SentenceStatistics, standard_errors

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One set of model knobs, measured.

    Attributes:
        knobs: the model knobs.
        trace: their trace.
        workload: what the accelerator has to run and store.
    """

    knobs: ModelKnobs
    trace: ExitTrace
    workload: Workload


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
        table: costs by group, which knows the reasons.
    """

    values: dict[str, FloatArray]
    feasible: NDArray[np.bool_]
    table: CostTable


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
        """Histogram of the ``select`` split for settings of the exit knobs."""
        return exit_histogram(
            setting.trace, exits, Split.SELECT, padded_tokens=self.scenario.padded_tokens
        )

    def score(
        self, setting: Setting, histogram: ExitHistogram, columns: AcceleratorColumns
    ) -> Scores:
        """Metrics of every accelerator with every setting of the exit knobs."""
        table = self.cost_model.cost_table(
            setting.workload, columns, _groups(histogram), self.scenario
        )
        statistics = self.statistics(table, histogram.shares)
        found = statistics.values(self.metrics)
        if "accuracy" in self.metrics:
            found["accuracy"] = np.where(table.feasible[:, None], histogram.accuracy[None], np.nan)
        for name, by_design in (("area_mm2", table.area_mm2), ("storage_bits", table.storage_bits)):
            if name in self.metrics:
                found[name] = by_design[:, None].repeat(len(histogram.shares), axis=1)
        return Scores(
            values={name: found[name] for name in self.metrics},
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignDetail:
    """Everything that is shown of one design.

    Attributes:
        metrics: every metric with its standard error over the ``select`` sentences.
        report_accuracy: primary metric of the task on the ``report`` split.
        report_metrics: its further official metrics there, by name.
        breakdown: costs by part.
        exit_layer_shares: share of ``select`` sentences by exit layer.
        voltage_shares: share of ``select`` sentences by voltage of the later layers.
    """

    metrics: dict[str, Figure]
    report_accuracy: Figure
    report_metrics: dict[str, Figure]
    breakdown: Breakdown
    exit_layer_shares: list[float]
    voltage_shares: dict[str, float]


def design_details(
    scorer: Scorer, setting: Setting, designs: Sequence[DesignPoint]
) -> list[DesignDetail]:
    """Details of feasible designs that share one setting, with the scorer's metrics.

    Standard errors are those of `studies.statistics.standard_errors`, and of the accuracy.
    """
    by_exits: dict[ExitKnobs, list[int]] = {}
    for index, design in enumerate(designs):
        by_exits.setdefault(design.exits, []).append(index)
    details: dict[int, DesignDetail] = {}
    for exits, indices in by_exits.items():
        hardware = [designs[index].hardware for index in indices]
        details.update(zip(indices, _details(scorer, setting, exits, hardware), strict=True))
    return [details[index] for index in range(len(designs))]


def _details(
    scorer: Scorer, setting: Setting, exits: ExitKnobs, hardware: Sequence[HardwareKnobs]
) -> list[DesignDetail]:
    """Details of accelerators that run one setting with the same exit knobs."""
    columns = AcceleratorColumns.from_knobs(hardware)
    histogram = scorer.histogram(setting, [exits])
    scores = scorer.score(setting, histogram, columns)
    shares = histogram.shares[0]
    statistics = scorer.statistics(scores.table, histogram.shares)
    errors = standard_errors(statistics, histogram.n_sentences)
    errors["accuracy"] = np.full(len(columns), histogram.accuracy_se[0])
    report = setting.trace.of(Split.REPORT)
    _, actual = exit_layers(report, [exits])
    accuracy, accuracy_se = accuracy_with_error(report, actual)
    further = {
        name: Figure(value=value, se=se)
        for name, (value, se) in further_scores(setting.trace, exits).items()
    }
    by_layer = np.bincount(
        histogram.actual_layer, weights=shares, minlength=setting.trace.n_exits + 1
    )
    parts = scorer.cost_model.breakdown(
        setting.workload, columns, _groups(histogram), shares, scorer.scenario
    )
    return [
        DesignDetail(
            metrics=_figures(scores, errors, row),
            report_accuracy=Figure(value=float(accuracy[0]), se=float(accuracy_se[0])),
            report_metrics=further,
            breakdown=Breakdown(
                energy_pj={name: float(v[row]) for name, v in parts.energy_pj.items()},
                latency_ns={name: float(v[row]) for name, v in parts.latency_ns.items()},
                area_mm2={name: float(v[row]) for name, v in parts.area_mm2.items()},
            ),
            exit_layer_shares=[float(share) for share in by_layer[1:]],
            voltage_shares=_voltage_shares(scores.table.voltage_v[row], shares),
        )
        for row in range(len(columns))
    ]


def _figures(scores: Scores, errors: Mapping[str, FloatArray], row: int) -> dict[str, Figure]:
    """Every metric of one accelerator, with its standard error where it has one."""
    return {
        name: Figure(
            value=float(values[row, 0]),
            se=float(errors[name][row]) if name in errors else None,
        )
        for name, values in scores.values.items()
    }


def _voltage_shares(voltage_v: FloatArray, shares: FloatArray) -> dict[str, float]:
    """Share of the sentences by voltage, from the voltage (n_groups,) of each group."""
    found: dict[str, float] = {}
    for voltage, share in zip(voltage_v, shares, strict=True):
        if share > 0:
            key = f"{voltage:.3f}"
            found[key] = found.get(key, 0.0) + float(share)
    return dict(sorted(found.items()))


def score_one(
    scorer: Scorer, setting: Setting, exits: ExitKnobs, hardware: HardwareKnobs
) -> Scores:
    """Metrics of one design: arrays (1, 1)."""
    return scorer.score(
        setting, scorer.histogram(setting, [exits]), AcceleratorColumns.from_knobs([hardware])
    )


def _groups(histogram: ExitHistogram) -> Groups:
    return Groups(
        tokens=histogram.tokens,
        predicted_layer=histogram.predicted_layer,
        actual_layer=histogram.actual_layer,
    )
