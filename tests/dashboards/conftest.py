"""Hand-made front records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from studies.records import Front

MakeFront = Callable[..., Front]

METRIC_VALUES = {
    "accuracy": (0.9, 0.0095),
    "energy_pj": (40e6, 0.5e6),
    "energy_p50_pj": (38e6, 0.6e6),
    "energy_p99_pj": (66e6, 1.1e6),
    "energy_max_pj": (72e6, None),
    "latency_mean_ns": (3e6, 0.02e6),
    "latency_p50_ns": (2.8e6, 0.03e6),
    "latency_p99_ns": (4.5e6, 0.1e6),
    "latency_max_ns": (4.9e6, None),
    "deadline_miss_rate": (0.004, 0.002),
    "throughput_per_s": (333.3, 2.2),
    "duty_cycle": (0.003, 0.00002),
    "power_mw": (2.0, 0.001),
    "energy_per_hour_pj": (7.2e12, 3.6e9),
    "busy_power_mw": (13.3, 0.1),
    "peak_power_mw": (15.1, None),
    "area_mm2": (1.5, None),
    "storage_bits": (12e6, None),
}
KNOBS = {
    "checkpoint": "minilm-exits",
    "weight_format": "adaptivfloat<8,3>",
    "entropy_threshold": 0.3,
    "mac_vector_size": 16,
    "data_sram_kib": 64,
}


def design(
    number: int, *, metrics: dict[str, tuple[float, float | None]] | None = None, **knobs: Any
) -> dict[str, Any]:
    """One design of a front record."""
    values = METRIC_VALUES | (metrics or {})
    return {
        "id": number,
        "trial": 10 + number,
        "knobs": KNOBS | knobs,
        "metrics": {name: {"value": value, "se": se} for name, (value, se) in values.items()},
        "report_accuracy": {"value": values["accuracy"][0] - 0.01, "se": 0.011},
        "breakdown": {
            "energy_pj": {"sram": 10e6, "mac": 30e6},
            "latency_ns": {"compute": 2e6, "stream": 1e6},
            "area_mm2": {"mac": 0.5, "sram": 1.0},
        },
        "exit_layer_shares": [0.25, 0.75],
        "voltage_shares": {"0.80": 0.4, "0.50": 0.6},
    }


def three_designs() -> list[dict[str, Any]]:
    """Three designs that differ in checkpoint, format and vector size."""
    return [
        design(0),
        design(
            1,
            metrics={"accuracy": (0.85, 0.011), "energy_pj": (10e6, 0.1e6)},
            weight_format="adaptivfloat<10,3>",
        ),
        design(
            2,
            metrics={"accuracy": (0.8, 0.0126), "energy_pj": (4e6, 0.1e6)},
            checkpoint="albert-mini",
            mac_vector_size=8,
        ),
    ]


def record_of(designs: list[dict[str, Any]], **entries: Any) -> Front:
    """A front record of some designs; keywords replace its other entries."""
    record: dict[str, Any] = {
        "format": 1,
        "title": "A small study",
        "strategy": "nested",
        "evaluator": "recorded",
        "scenario": {"task": "SST-2", "padded_tokens": None, "deadline_ms": 5.0},
        "objectives": [
            {
                "metric": "accuracy",
                "direction": "maximize",
                "axis": "linear",
                "ideal": 0.95,
                "reference": 0.5,
            },
            {
                "metric": "energy_pj",
                "direction": "minimize",
                "axis": "log10",
                "ideal": 1e6,
                "reference": 1e9,
            },
        ],
        "constraints": ["area_mm2 <= 3"],
        "hypervolume": 0.5,
        "history": [
            {"trial": 1, "designs_scored": 100, "front_size": 1, "hypervolume": 0.2},
            {"trial": 2, "designs_scored": 200, "front_size": 2, "hypervolume": 0.4},
            {"trial": 3, "designs_scored": 300, "front_size": 2, "hypervolume": 0.4},
            {"trial": 4, "designs_scored": 400, "front_size": 2, "hypervolume": 0.4},
            {"trial": 5, "designs_scored": 500, "front_size": 3, "hypervolume": 0.5},
        ],
        "counts": {"trials": 5, "designs_scored": 500},
        "provenance": {"seed": 7, "commit": "3f2c9a1d", "versions": {"numpy": "2.4"}},
        "designs": designs,
        "dominated": {
            "columns": ["checkpoint", "accuracy", "energy_pj"],
            "rows": [["minilm-exits", 0.7, 50e6], ["albert-mini", 0.75, None]],
            "of": 497,
        },
    }
    return Front.model_validate(record | entries)


@pytest.fixture
def make_front() -> MakeFront:
    """Makes a front record of some designs; keywords replace its other entries."""
    return record_of


@pytest.fixture
def front(make_front: MakeFront) -> Front:
    """A front of three designs."""
    return make_front(three_designs())
