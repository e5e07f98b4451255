"""A small study with made-up traces: its document, its folder of recorded traces, its TOML text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from evaluators.testing import made_up_trace
from evaluators.traces import TRACE_VERSION
from hw_cost import EncoderShape
from search_space import MODEL_KNOBS, ModelKnobs, model_knobs
from studies.recorded import write_recorded
from studies.spec import StudySpec, spec_of

Document = dict[str, Any]

LAYERS: Final = 6
HEADS: Final = 2
SHAPES: Final = {
    "own-layers": EncoderShape(
        layers=LAYERS,
        distinct_layers=LAYERS,
        hidden=64,
        heads=HEADS,
        ffn=128,
        embedding_width=64,
        vocabulary=1000,
        positions=128,
        token_types=2,
        classes=2,
    ),
    "one-layer": EncoderShape(
        layers=LAYERS,
        distinct_layers=1,
        hidden=64,
        heads=HEADS,
        ffn=128,
        embedding_width=32,
        vocabulary=1000,
        positions=128,
        token_types=2,
        classes=2,
    ),
}
WEIGHT_FORMATS: Final = ("adaptivfloat<8,3>", "adaptivfloat<6,3>")


def small_document() -> Document:
    """The study as tables.

    8 settings of the model knobs, 41 of the exit knobs and 40 accelerators. Some accelerators have
    an eNVM too small for the weights, and some keep the deadline only for short sentences.
    """
    return {
        "format": 1,
        "title": "A small study",
        "constraints": ["deadline_miss_rate <= 0.1"],
        "conditions": ["mac_vector_size <= 8 or dvfs_policy != 'min-energy'"],
        "scenario": {
            "task": "SST-2",
            "deadline_ms": 0.4,
            "idle": "leakage",
        },
        "evaluator": {"kind": "recorded"},
        "objectives": [
            {"metric": "accuracy", "ideal": 1.0, "reference": 0.4},
            {"metric": "energy_pj", "axis": "log10", "ideal": 1e4, "reference": 1e9},
            {"metric": "area_mm2", "axis": "log10", "ideal": 0.01, "reference": 100.0},
        ],
        "search": {
            "strategy": "nested",
            "trials": 12,
            "seed": 3,
            "workers": 1,
            "sampler": {"name": "nsga2", "options": {"population_size": 4}},
        },
        "space": {
            "checkpoint": list(SHAPES),
            "span_budget_tokens": 128,
            "encoder_sparsity": 0.0,
            "embedding_sparsity": 0.0,
            "weight_format": list(WEIGHT_FORMATS),
            "activation_format": "adaptivfloat<8,3>",
            "embedding_storage": "reram-slc",
            "encoder_storage": ["sram", "reram-mlc2"],
            "exit_policy": ["none", "entropy", "latency-aware"],
            "entropy_threshold": {"low": 0.03, "high": 0.6, "step": 0.03},
            "mac_vector_size": [4, 8, 16],
            "processing_units": 1,
            "data_sram_kib": 64,
            "mask_sram_kib": 4,
            "aux_sram_kib": 4,
            "envm_mib": [0.0, 0.0625, 0.25, 0.5],
            "min_voltage_v": [0.5, 0.8],
            "max_voltage_v": 0.8,
            "dvfs_policy": ["fixed", "lowest-feasible", "min-energy"],
        },
    }


def tiny_document() -> Document:
    """The small study with 7 settings of the exit knobs and 10 accelerators: 560 designs."""
    document = small_document()
    document["space"] |= {
        "entropy_threshold": [0.1, 0.3, 0.5],
        "mac_vector_size": [4, 8],
        "envm_mib": [0.0625, 0.25],
        "min_voltage_v": 0.5,
        "dvfs_policy": ["fixed", "lowest-feasible"],
    }
    return document


def changed(document: Document, changes: Mapping[str, Any]) -> Document:
    """A document with values set by dotted name."""
    result: Document = json.loads(json.dumps(document))
    for dotted, value in changes.items():
        *tables, key = dotted.split(".")
        table: Any = result
        for name in tables:
            table = table[int(name)] if isinstance(table, list) else table[name]
        table[key] = value
    return result


def toml_text(document: Document) -> str:
    """The document as a TOML file."""

    def text(value: Any) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{k} = {text(v)}" for k, v in value.items()) + " }"
        if isinstance(value, list):
            return "[" + ", ".join(map(text, value)) + "]"
        return json.dumps(value)

    return "".join(f"{key} = {text(value)}\n" for key, value in document.items())


def spec_with(document: Document, **search: Any) -> StudySpec:
    """The spec of a document with values of its search table replaced."""
    return spec_of(changed(document, {f"search.{k}": v for k, v in search.items()}), "test")


def write_small_traces(folder: Path, task: str = "SST-2", seed: int = 0) -> None:
    """Record a made-up trace of a task for each setting of the small study."""
    space = spec_of(small_document(), "test").search_space()
    settings: dict[str, dict[object, ModelKnobs]] = {name: {} for name in SHAPES}
    for flat in space.points(MODEL_KNOBS):
        knobs = model_knobs(flat)
        settings[knobs.checkpoint].setdefault(knobs.trace_key(), knobs)
    write_recorded(
        folder,
        {
            name: [
                (
                    knobs,
                    replace(
                        made_up_trace(
                            seed=seed + 10 * which + number,
                            quality=0.6 - 0.1 * number,
                            head_spans=((128,) * HEADS,) * SHAPES[name].distinct_layers,
                        ),
                        task=task,
                    ),
                )
                for number, knobs in enumerate(by_key.values())
            ]
            for which, (name, by_key) in enumerate(settings.items())
        },
        SHAPES,
        dict.fromkeys(SHAPES, "0" * 64),
        dict.fromkeys(SHAPES, 1.0),
        {
            "task": task,
            "data_sha256": "0" * 64,
            "trace_version": TRACE_VERSION,
            "machine": "made up",
            "versions": {},
        },
    )
