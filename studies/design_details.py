"""Everything that is shown of a design: figures with their errors, costs by part, shares."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from evaluators.exits import accuracy_with_error, exit_layers, further_scores
from evaluators.traces import Split
from hw_cost import AcceleratorColumns
from search_space import DesignPoint, ExitKnobs, HardwareKnobs
from studies.metrics import of_task, parts_of
from studies.records import Breakdown, Figure
from studies.scoring import Scorer, Scores, Setting, groups_of
from studies.statistics import standard_errors
from studies.task_scores import bases_of, figure_over_tasks

FloatArray = NDArray[np.float64]


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

    Of several tasks, figures are those of `studies.task_scores`, the breakdown of the area is that
    of the task with the largest one, shares count every task as much as another, and
    ``report_metrics`` has every task's metrics as ``NAME[TASK]``.
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
        found = (
            _of_tasks(scorer, setting, exits, hardware)
            if setting.others
            else _details(scorer, setting, exits, hardware)
        )
        details.update(zip(indices, found, strict=True))
    return [details[index] for index in range(len(designs))]


def _of_tasks(
    scorer: Scorer, setting: Setting, exits: ExitKnobs, hardware: Sequence[HardwareKnobs]
) -> list[DesignDetail]:
    """Details of accelerators over several tasks."""
    base = replace(scorer, metrics=bases_of([*scorer.metrics, "accuracy", "area_mm2"]))
    by_task = {
        task: _details(base, replace(each, others=()), exits, hardware)
        for task, each in setting.tasks.items()
    }
    return [
        _joined(scorer.metrics, {task: details[row] for task, details in by_task.items()})
        for row in range(len(hardware))
    ]


def _joined(names: Collection[str], by_task: Mapping[str, DesignDetail]) -> DesignDetail:
    """One design's details over several tasks."""
    metrics = {}
    for name in names:
        base, task = parts_of(name)
        metrics[name] = (
            by_task[task].metrics[base]
            if task is not None
            else figure_over_tasks(base, {t: d.metrics[base] for t, d in by_task.items()})
        )
    report = {task: detail.report_accuracy for task, detail in by_task.items()}
    further = {of_task("accuracy", task): figure for task, figure in report.items()}
    for task, detail in by_task.items():
        further |= {of_task(name, task): f for name, f in detail.report_metrics.items()}
    details = list(by_task.values())
    largest = max(details, key=lambda detail: detail.metrics["area_mm2"].value)
    layers = zip_longest(*(detail.exit_layer_shares for detail in details), fillvalue=0.0)
    return DesignDetail(
        metrics=metrics,
        report_accuracy=figure_over_tasks("accuracy", report),
        report_metrics=further,
        breakdown=Breakdown(
            energy_pj=_mean([detail.breakdown.energy_pj for detail in details]),
            latency_ns=_mean([detail.breakdown.latency_ns for detail in details]),
            area_mm2=largest.breakdown.area_mm2,
        ),
        exit_layer_shares=[float(np.mean(shares)) for shares in layers],
        voltage_shares=dict(sorted(_mean([detail.voltage_shares for detail in details]).items())),
    )


def _mean(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean by name over several tasks; what one has not is 0 there."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: sum(part.get(name, 0.0) for part in parts) / len(parts) for name in names}


def _details(
    scorer: Scorer, setting: Setting, exits: ExitKnobs, hardware: Sequence[HardwareKnobs]
) -> list[DesignDetail]:
    """Details of accelerators that run one setting of one task with the same exit knobs."""
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
        setting.workload, columns, groups_of(histogram), shares, scorer.scenario
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
