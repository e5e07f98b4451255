"""The metrics that can be objectives or constraints: names, directions, units for people."""

from __future__ import annotations

import re
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
        over_tasks: what it is in a study of several tasks: the mean over them, or the figure of
            the task where it is worst.
    """

    name: str
    direction: Literal["minimize", "maximize"]
    title: str
    unit: str
    scale: float
    is_headline: bool = False
    over_tasks: Literal["mean", "worst"] = "worst"


_OF_TASK: Final = re.compile(r"(?P<metric>\w+)\[(?P<task>[\w-]+)\]")

METRICS: Final = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "maximize", "Accuracy", "%", 100.0, True, "mean"),
        Metric("energy_pj", "minimize", "Energy per sentence", "µJ", 1e-6, True, "mean"),
        Metric("energy_p50_pj", "minimize", "Median energy", "µJ", 1e-6),
        Metric("energy_p99_pj", "minimize", "99th percentile energy", "µJ", 1e-6),
        Metric("energy_max_pj", "minimize", "Largest energy", "µJ", 1e-6),
        Metric("latency_mean_ns", "minimize", "Mean latency", "ms", 1e-6, True, "mean"),
        Metric("latency_p50_ns", "minimize", "Median latency", "ms", 1e-6),
        Metric("latency_p99_ns", "minimize", "99th percentile latency", "ms", 1e-6, True),
        Metric("latency_max_ns", "minimize", "Longest latency", "ms", 1e-6),
        Metric("deadline_miss_rate", "minimize", "Deadline misses", "%", 100.0, True),
        Metric("throughput_per_s", "maximize", "Throughput", "sentences/s", 1.0),
        Metric("duty_cycle", "minimize", "Duty cycle", "%", 100.0, False, "mean"),
        Metric("power_mw", "minimize", "Average power", "mW", 1.0, True, "mean"),
        Metric("energy_per_hour_pj", "minimize", "Energy per hour", "mJ", 1e-9, False, "mean"),
        Metric("busy_power_mw", "minimize", "Power while busy", "mW", 1.0),
        Metric("peak_power_mw", "minimize", "Power of the busiest sentence", "mW", 1.0),
        Metric("area_mm2", "minimize", "Area", "mm²", 1.0, True),
        Metric("storage_bits", "minimize", "Weight storage", "Mbit", 1e-6, True),
    )
}
"""Every metric by name. ``accuracy`` is the primary metric of the task: see `metric_of`.

In a study of several tasks ``NAME[TASK]`` is the metric on one of them."""


def of_task(name: str, task: str) -> str:
    """Name of a metric on one task of a study of several."""
    return f"{name}[{task}]"


def parts_of(name: str) -> tuple[str, str | None]:
    """A metric's name without its task, and the task; None if it names none.

    >>> parts_of("accuracy[RTE]"), parts_of("area_mm2")
    (('accuracy', 'RTE'), ('area_mm2', None))
    """
    found = _OF_TASK.fullmatch(name)
    return (name, None) if found is None else (found["metric"], found["task"])


def is_score(name: str) -> bool:
    """Whether a metric says how good the answers are, of the study or on one task."""
    return parts_of(name)[0] == "accuracy"


def is_metric(name: str) -> bool:
    """Whether there is such a metric, of the study or of one of the tasks that GLUE has."""
    base, task = parts_of(name)
    return base in METRICS and (task is None or task in TASKS)


def metric_of(name: str, task: object = None) -> Metric:
    """The metric of that name as people read it in a study of a task.

    ``accuracy`` has the title and the unit of the task's primary metric, and so has
    ``accuracy[TASK]``; that of SST-2 and of a task that is not known is ``accuracy`` itself. Of
    several tasks it is the mean of their primary metrics, as the GLUE score is.

    Args:
        name: of the metric, on the study or on one of its tasks.
        task: of the study; a list of several.
    """
    base, own = parts_of(name)
    about = METRICS[base]
    task = own or task
    if base == "accuracy" and isinstance(task, list):
        about = replace(about, title="Mean score", unit="points")
    elif base == "accuracy" and isinstance(task, str) and task in TASKS:
        primary = TASK_METRICS[TASKS[task].primary_metric]
        about = replace(about, title=primary.title, unit=primary.unit)
    return about if own is None else replace(about, name=name, title=f"{about.title}, {own}")
