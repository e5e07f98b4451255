"""The metrics that can be objectives or constraints: names, directions, units for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a design.

    Attributes:
        name: with its unit as suffix.
        direction: which way is better.
        title: for people.
        unit: for people.
        scale: multiply by it to get that unit.
    """

    name: str
    direction: Literal["minimize", "maximize"]
    title: str
    unit: str
    scale: float


METRICS: Final = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "maximize", "Accuracy", "%", 100.0),
        Metric("energy_pj", "minimize", "Energy per sentence", "µJ", 1e-6),
        Metric("latency_mean_ns", "minimize", "Mean latency", "ms", 1e-6),
        Metric("latency_p99_ns", "minimize", "99th percentile latency", "ms", 1e-6),
        Metric("area_mm2", "minimize", "Area", "mm²", 1.0),
        Metric("power_mw", "minimize", "Average power", "mW", 1.0),
        Metric("storage_bits", "minimize", "Weight storage", "Mbit", 1e-6),
        Metric("deadline_miss_rate", "minimize", "Deadline misses", "%", 100.0),
    )
}
