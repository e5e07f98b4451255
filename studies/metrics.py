"""The metrics that can be objectives or constraints: names, directions, units for people."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from evaluators.task_metrics import TASK_METRICS
from evaluators.tasks import TASKS


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a design.

    Attributes:
        name: with its unit as suffix.
        direction: which way is better.
        title: for people.
        unit: for people.
        scale: multiply by it to get that unit.
        is_headline: whether it stands on a design's card even if the study does not ask for it.
    """

    name: str
    direction: Literal["minimize", "maximize"]
    title: str
    unit: str
    scale: float
    is_headline: bool = False


METRICS: Final = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "maximize", "Accuracy", "%", 100.0, is_headline=True),
        Metric("energy_pj", "minimize", "Energy per sentence", "µJ", 1e-6, is_headline=True),
        Metric("energy_p50_pj", "minimize", "Median energy", "µJ", 1e-6),
        Metric("energy_p99_pj", "minimize", "99th percentile energy", "µJ", 1e-6),
        Metric("energy_max_pj", "minimize", "Largest energy", "µJ", 1e-6),
        Metric("latency_mean_ns", "minimize", "Mean latency", "ms", 1e-6, is_headline=True),
        Metric("latency_p50_ns", "minimize", "Median latency", "ms", 1e-6),
        Metric(
            "latency_p99_ns", "minimize", "99th percentile latency", "ms", 1e-6, is_headline=True
        ),
        Metric("latency_max_ns", "minimize", "Longest latency", "ms", 1e-6),
        Metric("deadline_miss_rate", "minimize", "Deadline misses", "%", 100.0, is_headline=True),
        Metric("throughput_per_s", "maximize", "Throughput", "sentences/s", 1.0),
        Metric("duty_cycle", "minimize", "Duty cycle", "%", 100.0),
        Metric("power_mw", "minimize", "Average power", "mW", 1.0, is_headline=True),
        Metric("energy_per_hour_pj", "minimize", "Energy per hour", "mJ", 1e-9),
        Metric("busy_power_mw", "minimize", "Power while busy", "mW", 1.0),
        Metric("peak_power_mw", "minimize", "Power of the busiest sentence", "mW", 1.0),
        Metric("area_mm2", "minimize", "Area", "mm²", 1.0, is_headline=True),
        Metric("storage_bits", "minimize", "Weight storage", "Mbit", 1e-6, is_headline=True),
    )
}
"""Every metric by name. ``accuracy`` is the primary metric of the task: see `metric_of`."""


def metric_of(name: str, task: object) -> Metric:
    """The metric of that name as people read it in a study of a task.

    ``accuracy`` has the title and the unit of the task's primary metric; so has
    ``accuracy`` itself of SST-2, and of a task that is not known.
    """
    about = METRICS[name]
    if name != "accuracy" or not isinstance(task, str) or task not in TASKS:
        return about
    primary = TASK_METRICS[TASKS[task].primary_metric]
    return replace(about, title=primary.title, unit=primary.unit)
