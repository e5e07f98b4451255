"""How the dashboard takes a run of many trials: time to read it, to draw it, to answer; memory.

    python benchmarks/dashboard.py [--trials 100000] [--json FILE]

The run is made up: trials of the shipped preset's space with figures from a formula, written as the
records of a finished run and as the journal of one that goes on. Times are wall-clock, each of the
first look; memory is the largest resident set of the process.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dashboards.front_views import FrontChoice, front_view
from dashboards.knob_figures import correlations, slice_figure
from dashboards.pages.overview import axes_of
from dashboards.progress_figures import duration_figure, state_figure
from dashboards.run_views import RunViews
from dashboards.what_if import threshold_knob, what_if
from dse.journal_records import group_lines, record_line
from dse.watched_run import WatchedRun
from search_space import KNOBS
from studies.health import findings
from studies.metrics import METRICS
from studies.presets import load_study
from studies.spec import StudySpec

SEED = 1


def main() -> None:
    """Measure, print a table, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), arguments.trials)
    for name, value in found.items():
        print(
            f"{name:34} {value:>12,.2f}" if isinstance(value, float) else f"{name:34} {value:>12,}"
        )
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def measured(folder: Path, n_trials: int) -> dict[str, float | int]:
    """Seconds of each step, and memory in MiB."""
    spec = load_study("edgebert-sst2").with_overrides(
        {"search.strategy": "joint", "search.trials": n_trials}
    )
    rows = made_up_rows(spec, n_trials)
    running = written_run(folder / "running", spec)
    write_journal(running / "journal.log", rows)
    finished = written_run(folder / "finished", spec)
    found: dict[str, float | int] = {"trials": n_trials}
    live = WatchedRun("running", running)
    found["journal_mib"] = (running / "journal.log").stat().st_size / 2**20
    found["read_journal_s"], snapshot = timed(live.snapshot)
    found["front_designs"] = len(snapshot.front.designs)
    with (running / "journal.log").open("ab") as file:
        file.write(b"")
    found["read_again_s"], _ = timed(live.snapshot)
    (finished / "front.json").write_text(snapshot.front.model_dump_json())
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})
    pq.write_table(table, finished / "trials.parquet", write_page_checksum=True)
    del rows, table
    views = RunViews([WatchedRun("finished", finished)])
    found["read_records_s"], view = timed(lambda: views.view("finished"))
    x, y = axes_of(view)
    choice = FrontChoice(x=x, y=y)
    found["front_figure_s"], figure = timed(
        lambda: front_view(view.data, view.front, choice).to_json()
    )
    found["front_figure_mib"] = len(figure) / 2**20
    trials = view.snapshot.trials
    found["progress_figures_s"], _ = timed(
        lambda: (
            state_figure(trials, "light").to_json(),
            duration_figure(trials, "light").to_json(),
        )
    )
    values = trials.values["energy_pj"]
    found["slice_figure_s"], _ = timed(
        lambda: slice_figure(trials, "mac_vector_size", values, "", "light").to_json()
    )
    found["correlations_s"], _ = timed(lambda: correlations(trials, {"energy_pj": values}))
    found["health_s"], _ = timed(lambda: findings(view.snapshot))
    design = view.front.designs[0]
    bench = view.source.bench()
    name = threshold_knob(design.knobs)
    bench.setting(design.knobs)

    def slider() -> Any:
        return what_if(bench, design.knobs, deadline_ms=3.0, changes={name: 0.2} if name else {})

    slider()
    found["slider_s"], _ = timed(slider)
    found["peak_memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def timed(do: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that something takes, and what it gives."""
    start = time.perf_counter()
    result = do()
    return time.perf_counter() - start, result


def made_up_rows(spec: StudySpec, n: int) -> list[dict[str, Any]]:
    """Rows of ``trials.parquet``: random points of the space, one in five of them infeasible."""
    rng, space = random.Random(SEED), spec.search_space()
    noise = np.random.default_rng(SEED)
    rows = []
    for number in range(n):
        flat = {d.name: rng.choice(d.values) for d in space.dimensions}
        flat = {name: space.canonical(flat)[name] for name in KNOBS}
        is_out = rng.random() < 0.2
        row: dict[str, Any] = {
            "trial": number,
            "state": "infeasible" if is_out else "complete",
            "reason": "the eNVM is too small" if is_out else "",
            "repeated_of": None,
            **flat,
            "designs_scored": 1,
            "wall_start_s": 1.7e9 + 0.1 * number,
            "wall_seconds": 0.1,
            "wall_evaluation_s": float(noise.lognormal(-4.0, 0.5)),
        }
        if not is_out:
            area = 0.5 + flat["mac_vector_size"] ** 2 / 500 + float(flat["envm_mib"]) / 10
            energy = 1e7 * (2 - flat["entropy_threshold"]) / area**0.3 * noise.lognormal(0, 0.3)
            row |= dict.fromkeys(METRICS, 1.0) | {
                "accuracy": float(0.9 - flat["entropy_threshold"] / 5 + noise.normal(0, 0.01)),
                "energy_pj": float(energy),
                "area_mm2": float(area),
                "deadline_miss_rate": 0.0,
            }
        rows.append(row)
    return rows


def written_run(path: Path, spec: StudySpec) -> Path:
    """A run folder without trials."""
    path.mkdir()
    (path / "spec.json").write_text(json.dumps(spec.document()))
    settings = {"storage": None, "study_name": "edge-dse", "data": None, "traces": None}
    (path / "run.json").write_text(json.dumps(settings))
    return path


def write_journal(path: Path, rows: list[dict[str, Any]]) -> None:
    """The rows as a driver's journal: a group a trial, with the records of parameters too."""
    crc, start = 0, datetime(2026, 1, 1, tzinfo=UTC)
    with path.open("wb") as file:
        for row in rows:
            number = row["trial"]
            told = (start + timedelta(seconds=0.1 * number)).isoformat()
            flat = {name: row[name] for name in KNOBS}
            metrics = {name: row[name] for name in METRICS if name in row}
            outcome: dict[str, Any] = {"state": row["state"], "designs_scored": 1, "seconds": 0.01}
            if metrics:
                values = [metrics["accuracy"], metrics["energy_pj"], metrics["area_mm2"]]
                outcome |= {
                    "metrics": metrics,
                    "values": [values],
                    "hardware": [0],
                    "exits": [0],
                }
            else:
                outcome["reason"] = row["reason"]
            own = {"worker_id": "w", "trial_id": number}
            records = [
                {"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": told},
                *(
                    {"op_code": 5, **own, "param_name": name, "param_value_internal": 0.0}
                    for name in list(flat)[:18]
                ),
                {"op_code": 8, **own, "user_attr": {"flat": flat}},
                {"op_code": 8, **own, "user_attr": {"outcome": outcome}},
                {"op_code": 6, **own, "state": 1, "datetime_complete": told},
            ]
            content, crc = group_lines([record_line(record) for record in records], crc)
            file.write(content)


if __name__ == "__main__":
    main()
