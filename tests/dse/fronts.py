"""Front records made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from search_space import KnobValue
from studies.metrics import METRICS
from studies.records import Front

Row = tuple[float, float, float, float]

KNOBS_OF_A_DESIGN: dict[str, KnobValue] = {
    "checkpoint": "own-layers",
    "span_budget_tokens": 128,
    "encoder_sparsity": 0.3,
    "embedding_sparsity": 0.6,
    "weight_format": "adaptivfloat<8,3>",
    "activation_format": "adaptivfloat<6,2>",
    "embedding_storage": "reram-slc",
    "encoder_storage": "reram-mlc2",
    "exit_policy": "latency-aware",
    "entropy_threshold": 0.3,
    "mac_vector_size": 8,
    "processing_units": 2,
    "data_sram_kib": 64,
    "mask_sram_kib": 4,
    "aux_sram_kib": 8,
    "envm_mib": 0.5,
    "min_voltage_v": 0.5,
    "max_voltage_v": 0.8,
    "dvfs_policy": "fixed",
}


def make_front(
    rows: Sequence[Row], energy_axis: str = "log10", knobs: dict[str, KnobValue] | None = None
) -> Front:
    """A front of designs given by accuracy, energy in pJ, area in mm2 and mean latency in ns."""
    designs = [
        {
            "id": number,
            "trial": number,
            "knobs": KNOBS_OF_A_DESIGN | (knobs or {}),
            "metrics": {name: {"value": 1.0} for name in METRICS}
            | {
                "accuracy": {"value": accuracy, "se": 0.01},
                "energy_pj": {"value": energy_pj, "se": 1e3},
                "area_mm2": {"value": area_mm2},
                "latency_mean_ns": {"value": latency_ns, "se": 1e3},
            },
            "report_accuracy": {"value": accuracy - 0.01, "se": 0.011},
            "breakdown": {
                "energy_pj": {"mac": energy_pj},
                "latency_ns": {"compute": latency_ns},
                "area_mm2": {"mac": area_mm2},
            },
            "exit_layer_shares": [0.5, 0.5],
            "voltage_shares": {"0.800": 1.0},
        }
        for number, (accuracy, energy_pj, area_mm2, latency_ns) in enumerate(rows)
    ]
    axes: list[dict[str, Any]] = [
        {"metric": "accuracy", "direction": "maximize", "axis": "linear"},
        {"metric": "energy_pj", "direction": "minimize", "axis": energy_axis},
        {"metric": "area_mm2", "direction": "minimize", "axis": "linear"},
    ]
    ends = [(1.0, 0.5), (1e5, 1e9), (0.1, 10.0)]
    return Front.model_validate(
        {
            "format": 1,
            "title": "Made by hand",
            "strategy": "nested",
            "evaluator": "recorded",
            "scenario": {"task": "SST-2", "deadline_ms": 6.0, "sequences": "actual"},
            "objectives": [
                axis | {"ideal": ideal, "reference": reference}
                for axis, (ideal, reference) in zip(axes, ends, strict=True)
            ],
            "constraints": [],
            "hypervolume": 0.5,
            "history": [],
            "counts": {"trials": 1},
            "provenance": {"seed": 1, "commit": "0" * 12},
            "designs": designs,
            "dominated": {"columns": [], "rows": [], "of": 0},
        }
    )
