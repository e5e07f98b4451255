"""Scoring: exit histogram times cost table gives the metrics of designs.

One `Setting` holds what follows from the model knobs: the trace and its workload. Scoring it for
D accelerators and X settings of the exit knobs gives arrays (D, X); means are matrix products.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluators.exits import ExitHistogram, accuracy_with_error, exit_histogram, exit_layers
from evaluators.traces import ExitTrace, Split
from hw_cost import (
    AcceleratorColumns,
    CostTable,
    EncoderShape,
    Groups,
    Technology,
    Workload,
    breakdown,
    cost_table,
)
from search_space import DesignPoint, ExitKnobs, HardwareKnobs, ModelKnobs, Scenario
from studies.metrics import METRICS
from studies.records import Breakdown, Figure

FloatArray = NDArray[np.float64]

_PERCENTILE: Final = 0.99
_PJ_PER_HOUR_TO_MW: Final = 1e-9 / 3600.0  # pJ/h = 1e-12 J / 3600 s; 1e3 mW per W


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
    """

    scenario: Scenario
    technology: Technology
    metrics: Collection[str] = tuple(METRICS)

    def histogram(self, setting: Setting, exits: Sequence[ExitKnobs]) -> ExitHistogram:
        """Histogram of the ``select`` split for settings of the exit knobs."""
        return exit_histogram(
            setting.trace, exits, Split.SELECT, padded_tokens=self.scenario.padded_tokens
        )

    def score(
        self, setting: Setting, histogram: ExitHistogram, columns: AcceleratorColumns
    ) -> Scores:
        """Metrics of every accelerator with every setting of the exit knobs."""
        groups = _groups(histogram)
        table = cost_table(setting.workload, columns, groups, self.scenario, self.technology)
        shares = histogram.shares
        shape = (len(columns), len(shares))
        mean_energy = table.energy_pj @ shares.T
        values: dict[str, FloatArray] = {}
        for name in self.metrics:
            if name == "accuracy":
                values[name] = np.where(table.feasible[:, None], histogram.accuracy[None], np.nan)
            elif name == "energy_pj":
                values[name] = mean_energy
            elif name == "latency_mean_ns":
                values[name] = table.latency_ns @ shares.T
            elif name == "latency_p99_ns":
                values[name] = _percentile(table.latency_ns, shares)
            elif name == "area_mm2":
                values[name] = np.broadcast_to(table.area_mm2[:, None], shape)
            elif name == "power_mw":
                rate = self.scenario.sentences_per_hour * _PJ_PER_HOUR_TO_MW
                values[name] = mean_energy * rate + table.standby_power_mw[:, None]
            elif name == "storage_bits":
                values[name] = np.broadcast_to(
                    table.storage_bits[:, None].astype(np.float64), shape
                )
            else:
                missed = table.missed.astype(np.float64) @ shares.T
                values[name] = np.where(table.feasible[:, None], missed, np.nan)
        return Scores(values=values, feasible=table.feasible, table=table)


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignDetail:
    """Everything that is shown of one design.

    Attributes:
        metrics: every metric with its standard error over the ``select`` sentences.
        report_accuracy: accuracy on the ``report`` split.
        breakdown: costs by part.
        exit_layer_shares: share of ``select`` sentences by exit layer.
        voltage_shares: share of ``select`` sentences by voltage of the later layers.
    """

    metrics: dict[str, Figure]
    report_accuracy: Figure
    breakdown: Breakdown
    exit_layer_shares: list[float]
    voltage_shares: dict[str, float]


def design_details(
    scenario: Scenario, technology: Technology, setting: Setting, designs: Sequence[DesignPoint]
) -> list[DesignDetail]:
    """Details of feasible designs that share one setting.

    Standard errors of means are s / sqrt(n) over sentences; the 99th percentile has none here.
    """
    scorer = Scorer(scenario=scenario, technology=technology)
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
    report = setting.trace.of(Split.REPORT)
    _, actual = exit_layers(report, [exits])
    accuracy, accuracy_se = accuracy_with_error(report, actual)
    by_layer = np.bincount(
        histogram.actual_layer, weights=shares, minlength=setting.trace.n_exits + 1
    )
    parts = breakdown(
        setting.workload, columns, _groups(histogram), shares, scorer.scenario, scorer.technology
    )
    return [
        DesignDetail(
            metrics=_figures(scorer, scores, histogram, row),
            report_accuracy=Figure(value=float(accuracy[0]), se=float(accuracy_se[0])),
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


def _figures(
    scorer: Scorer, scores: Scores, histogram: ExitHistogram, row: int
) -> dict[str, Figure]:
    """Every metric of one accelerator, with its standard error where it has one."""
    table, shares, n = scores.table, histogram.shares[0], histogram.n_sentences
    errors = {
        "accuracy": float(histogram.accuracy_se[0]),
        "energy_pj": _standard_error(table.energy_pj[row], shares, n),
        "latency_mean_ns": _standard_error(table.latency_ns[row], shares, n),
        "deadline_miss_rate": _standard_error(table.missed[row].astype(np.float64), shares, n),
    }
    rate = scorer.scenario.sentences_per_hour * _PJ_PER_HOUR_TO_MW
    errors["power_mw"] = errors["energy_pj"] * rate
    return {
        name: Figure(value=float(values[row, 0]), se=errors.get(name))
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


def _standard_error(values: FloatArray, shares: FloatArray, n: int) -> float:
    """Standard error of the mean of per-group values over n sentences."""
    mean = float(values @ shares)
    variance = float(np.square(values - mean) @ shares) * n / max(n - 1, 1)
    return float(np.sqrt(max(variance, 0.0) / n))


def _percentile(latency_ns: FloatArray, shares: FloatArray) -> FloatArray:
    """Least latency (D, X) within which at least 99 % of the sentences are answered."""
    order = np.argsort(latency_ns, axis=1)
    ordered = np.take_along_axis(latency_ns, order, axis=1)
    result = np.empty((len(latency_ns), len(shares)))
    for setting, share in enumerate(shares):
        reached = np.cumsum(share[order], axis=1) >= _PERCENTILE - 1e-12
        first = reached.argmax(axis=1)
        result[:, setting] = np.take_along_axis(ordered, first[:, None], axis=1)[:, 0]
    return result
