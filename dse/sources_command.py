"""``dse sources``: where every constant comes from, and how far a design's figures hang on it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from dse.errors import SelectionError, UsageError
from dse.rescored import RescoredDesigns, number, source_of_run
from dse.runs import open_run
from dse.tables import TABLE_WIDTH
from hw_cost import Constant
from search_space import KNOB_DEFAULTS, KnobValue
from studies.metrics import METRICS
from studies.presets import load_study
from studies.recorded import RecordedTraces
from studies.records import RecordError
from studies.rescoring import FIGURES, FloatArray
from studies.sensitivity import STEP, Sensitivities, sensitivities
from studies.uncertainty import Interval, intervals

DEFAULT_STUDY: Final = "edgebert-sst2"
DEFAULT_DESIGN: Final[Mapping[str, KnobValue]] = {
    **KNOB_DEFAULTS,
    "checkpoint": "albert-mini",
    "span_budget_tokens": 128,
    "encoder_sparsity": 0.0,
    "embedding_sparsity": 0.0,
    "weight_format": "adaptivfloat<8,3>",
    "activation_format": "adaptivfloat<8,3>",
    "embedding_storage": "reram-mlc2",
    "encoder_storage": "reram-mlc2",
    "exit_policy": "latency-aware",
    "entropy_threshold": 0.4,
    "mac_vector_size": 16,
    "processing_units": 1,
    "data_sram_kib": 128,
    "mask_sram_kib": 16,
    "aux_sram_kib": 8,
    "envm_mib": 16.0,
    "min_voltage_v": 0.5,
    "max_voltage_v": 0.8,
    "dvfs_policy": "min-energy",
}
"""A plain EdgeBERT-like chip: 16 x 16 MACs, all weights in MLC2 ReRAM, nothing compressed."""


def print_sources(
    study: str | None,
    run_dir: Path | None,
    design_id: int | None,
    samples: int,
    seed: int,
    as_json: bool,
) -> None:
    """Print every constant with its source, its range, and what a design's figures owe to it.

    Args:
        study: preset or file; None for the default study.
        run_dir: run whose design it is; None for the default design.
        design_id: design of that run's front.
        samples: of the constants, at least 1.
        seed: of the samples.
        as_json: print JSON instead of a table.

    Raises:
        UsageError: the options contradict each other.
        SelectionError: there is no such design, or the default one cannot run in that study.
    """
    knobs, designs = _design(study, run_dir, design_id)
    effects = sensitivities(designs.rescoring, designs.technology, designs.constants)
    base = designs.rescoring.under(designs.technology)
    sampled = designs.sampled(samples, seed)
    figures = {name: (float(base[name][0]), intervals(sampled[name])[0]) for name in FIGURES}
    runs = float(np.mean(~np.isnan(sampled[FIGURES[0]][:, 0])))
    if as_json:
        print(json.dumps(_document(knobs, effects, figures, runs, samples, seed), indent=1))
        return
    Console(width=max(TABLE_WIDTH, Console().width)).print(_table(effects))
    print()
    print(f"Of {'the default design' if run_dir is None else f'design {design_id} of {run_dir}'}:")
    for name, (value, interval) in figures.items():
        metric = METRICS[name]
        low, high = interval.low * metric.scale, interval.high * metric.scale
        print(
            f"  {metric.title}: {value * metric.scale:.3g} {metric.unit}, "
            f"5-95 % of the samples {low:.3g} to {high:.3g}"
        )
    print(
        f"{samples} samples, seed {seed}; it runs in {runs:.0%} of them. Effects: per cent, when "
        f"the constant is {STEP:.0%} lower and higher."
    )


def _design(
    study: str | None, run_dir: Path | None, design_id: int | None
) -> tuple[Mapping[str, KnobValue], RescoredDesigns]:
    """The design that the command line names, its knobs first."""
    if run_dir is None:
        if design_id is not None:
            raise UsageError("--id names a design of a run: give the run's folder by --run.")
        name = DEFAULT_STUDY if study is None else study
        designs = RescoredDesigns.of(load_study(name), RecordedTraces(), [DEFAULT_DESIGN])
        if math.isnan(designs.rescoring.under(designs.technology)[FIGURES[0]][0]):
            raise SelectionError(
                f"The default design cannot run in study {name!r}: name one by --run and --id."
            )
        return DEFAULT_DESIGN, designs
    if study is not None:
        raise UsageError(f"Study {study!r} and --run {run_dir}: expected one of them, not both.")
    if design_id is None:
        raise UsageError(f"--run needs --id N: 'dse pareto {run_dir}' lists the designs.")
    run = open_run(run_dir)
    front = run.front_record()
    try:
        knobs = front.design(design_id).knobs
    except RecordError as error:
        raise SelectionError(f"--id {design_id}: {error}") from error
    return knobs, RescoredDesigns.of(run.spec(), source_of_run(run), [knobs])


def listed(effects: Sensitivities) -> list[int]:
    """Constants by falling effect: first those that have a range, then the facts."""
    facts = [constant.low == constant.high for constant in effects.constants]
    return sorted(effects.order(), key=lambda place: facts[place])


def _table(effects: Sensitivities) -> Table:
    """One row a constant."""
    table = Table(header_style="bold", pad_edge=False, box=None)
    table.add_column("constant", no_wrap=True)
    for header in ("value", "low", "high"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for header in ("nm", "V"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("mark", no_wrap=True)
    for header in ("energy", "latency", "area"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("source", overflow="fold")
    for place in listed(effects):
        constant = effects.constants[place]
        fact = constant.low == constant.high
        table.add_row(
            constant.name,
            f"{constant.value:.4g}",
            "" if fact else f"{constant.low:.3g}",
            "" if fact else f"{constant.high:.3g}",
            constant.unit,
            "" if constant.node_nm is None else f"{constant.node_nm:g}",
            "" if constant.voltage_v is None else f"{constant.voltage_v:g}",
            constant.mark,
            *(
                _effect(effects.down[place, figure, 0], effects.up[place, figure, 0])
                for figure in range(len(FIGURES))
            ),
            constant.source,
        )
    return table


def _effect(down: float, up: float) -> str:
    """Both effects in per cent; nothing where there is none to two places."""
    if max(abs(down), abs(up)) < 5e-5:
        return ""
    return " ".join("none" if math.isnan(e) else f"{100 * e:+.2f}" for e in (down, up))


def _document(
    knobs: Mapping[str, KnobValue],
    effects: Sensitivities,
    figures: Mapping[str, tuple[float, Interval]],
    runs: float,
    samples: int,
    seed: int,
) -> dict[str, Any]:
    """What ``--json`` prints."""

    def both(place: int) -> dict[str, dict[str, float | None]]:
        ends: dict[str, FloatArray] = {"down": effects.down, "up": effects.up}
        return {
            name: {way: number(values[place, figure, 0]) for way, values in ends.items()}
            for figure, name in enumerate(FIGURES)
        }

    def described(constant: Constant) -> dict[str, Any]:
        return {name: value for name, value in asdict(constant).items() if value not in (None, "")}

    return {
        "design": dict(knobs),
        "figures": {
            name: {"value": value, "p05": number(interval.low), "p95": number(interval.high)}
            for name, (value, interval) in figures.items()
        },
        "samples": samples,
        "seed": seed,
        "runs_share": runs,
        "step": STEP,
        "constants": [
            {**described(effects.constants[place]), "effect": both(place)}
            for place in listed(effects)
        ],
    }
