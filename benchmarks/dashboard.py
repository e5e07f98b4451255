"""How the dashboard takes a run of many trials: time to read it, to draw it, to answer; memory.

    python benchmarks/dashboard.py [--trials 100000] [--front 8000] [--keep DIR] [--json FILE]

The run is made up: trials of the shipped preset's space, some of which no other dominates, written
as the journal of a run that goes on and as the records of a finished one. Each is read in a process
of its own, whose largest resident set is its memory. Every step is timed twice: on the clock, which
other work on the machine slows, and in seconds of this process on a processor.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dashboards.design_table import design_grid
from dashboards.front_figures import parallel_figure
from dashboards.front_views import FrontChoice, front_view
from dashboards.knob_figures import correlations, slice_figure
from dashboards.progress_figures import duration_figure, state_figure
from dashboards.run_views import RunViews
from dse.evaluation import Evaluation
from dse.journal_records import group_lines, record_line
from dse.watched_run import WatchedRun
from search_space import KNOBS
from studies.health import findings
from studies.metrics import METRICS
from studies.presets import load_study
from studies.recorded import RecordedTraces
from studies.records import Dominated, Front
from studies.spec import StudySpec

SEED = 1
GROWTH = 200
"""Trials that are told between two looks at a run that goes on."""
POOL = 60
"""Points that designs of the made-up front have, which can all be scored."""

Figures = dict[str, float | int]
Row = dict[str, Any]


def main() -> None:
    """Measure, print a table, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--front", type=int, default=8_000, help="trials that none dominates")
    parser.add_argument("--keep", type=Path, help="a new folder, which the runs are left in")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found: Figures = {"trials": arguments.trials}
    with ExitStack() as stack:
        folder = arguments.keep
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        in_own_process(write_runs, folder, arguments.trials, arguments.front)
        found |= in_own_process(of_a_running_study, folder / "running")
        found |= in_own_process(of_a_finished_run, folder / "finished")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def in_own_process(do: Callable[..., Figures], *arguments: Any) -> Figures:
    """What a function finds in a new process, with that process's memory."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(do, arguments)


class Steps:
    """Times of steps, printed as they are taken."""

    def __init__(self, prefix: str) -> None:
        self.prefix, self.found = prefix, Figures()

    def take(self, name: str, do: Callable[[], Any]) -> Any:
        """Do a step; what it gives."""
        wall, own = time.perf_counter(), time.process_time()
        result = do()
        spent = time.perf_counter() - wall, time.process_time() - own
        self.found |= {f"{self.prefix}_{name}_s": spent[0], f"{self.prefix}_{name}_cpu_s": spent[1]}
        print(f"{self.prefix:9} {name:24} {spent[0]:9.3f} s {spent[1]:9.3f} s CPU", flush=True)
        return result

    def note(self, name: str, value: float, unit: str) -> None:
        """A figure that is no time."""
        self.found[f"{self.prefix}_{name}"] = value
        print(f"{self.prefix:9} {name:24} {value:9,.1f} {unit}", flush=True)

    def ended(self) -> Figures:
        """All of them, with the memory."""
        self.note("memory_mib", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MiB")
        return self.found


def of_a_running_study(path: Path) -> Figures:
    """A journal from its start, then what a driver adds to it."""
    steps = Steps("running")
    steps.note("journal_mib", (path / "journal.log").stat().st_size / 2**20, "MiB")
    run = WatchedRun("running", path)
    views = RunViews([run])
    view = steps.take("first_look", lambda: views.view("running"))
    steps.note("trials_at_first", len(view.snapshot.trials), "told")
    steps.note("designs_at_first", len(view.data.ids), "of the front")
    steps.take("trials_read", lambda: all_read(run))
    steps.take("designs_worked_out", run.whole_snapshot)
    x, y = view.front.axes()
    choice = FrontChoice(x=x, y=y)
    steps.take("front_figure", lambda: front_view(view.data, view.front, choice).to_json())
    steps.take("second_look", lambda: views.view("running"))
    with (path / "journal.log").open("ab") as file:
        file.write((path / "later.log").read_bytes())
    steps.take(f"{GROWTH}_trials_more", lambda: views.view("running"))
    return steps.ended()


def all_read(run: WatchedRun) -> None:
    """Look again until every trial that was told has been read."""
    while "read so far" in run.snapshot().note:
        pass


def of_a_finished_run(path: Path) -> Figures:
    """Records, then the figures of every page."""
    steps = Steps("finished")
    run = WatchedRun("finished", path)
    views = RunViews([run])
    snapshot = steps.take("read", run.snapshot)
    view = steps.take("columns", lambda: views.view("finished"))
    steps.note("designs", len(snapshot.front.designs), "on the front")
    x, y = view.front.axes()
    choice = FrontChoice(x=x, y=y)
    figure = steps.take("front_figure", lambda: front_view(view.data, view.front, choice).to_json())
    steps.note("front_figure_mib", len(figure) / 2**20, "MiB")
    steps.take("parallel_figure", lambda: parallel_figure(view.data).to_json())
    grid = steps.take("table", lambda: json.dumps(design_grid(view.data, "t").to_plotly_json()))
    steps.note("table_mib", len(grid) / 2**20, "MiB")
    trials = snapshot.trials
    steps.take("states", lambda: state_figure(trials, "light").to_json())
    steps.take("durations", lambda: duration_figure(trials, "light").to_json())
    values = trials.values["energy_pj"]
    steps.take(
        "slice", lambda: slice_figure(trials, "mac_vector_size", values, "", "light").to_json()
    )
    steps.take("correlations", lambda: correlations(trials, {"energy_pj": values}))
    steps.take("importances", lambda: run.importances("energy_pj"))
    steps.take("health", lambda: findings(snapshot))
    return steps.ended()


def write_runs(folder: Path, n_trials: int, n_front: int) -> Figures:
    """The two runs, in folders ``running`` and ``finished``."""
    spec = load_study("edgebert-sst2").with_overrides(
        {"search.strategy": "joint", "search.trials": n_trials}
    )
    pool = feasible_points(spec, POOL)
    rows = made_up_rows(spec, pool, n_trials, n_front)
    running = written_run(folder / "running", spec)
    crc = write_journal(running / "journal.log", rows[:-GROWTH])
    write_journal(running / "later.log", rows[-GROWTH:], n_trials - GROWTH, crc)
    few = written_run(folder / "few", spec)
    write_journal(few / "journal.log", [*rows[:1], *(r for r in rows if r["on_front"])][:POOL])
    front = grown_front(WatchedRun("few", few).snapshot().front, rows)
    write_records(written_run(folder / "finished", spec), rows, front)
    return {}


def feasible_points(spec: StudySpec, n: int) -> list[Row]:
    """Random points of the space that can run and are recorded."""
    rng, space = random.Random(SEED), spec.search_space()
    evaluation = Evaluation(spec, RecordedTraces())
    found: list[Row] = []
    while len(found) < n:
        flat = space.canonical({d.name: rng.choice(d.values) for d in space.dimensions})
        if space.violation(flat) is None and evaluation.evaluate_design(flat).metrics:
            found.append({name: flat[name] for name in KNOBS})
    return found


def made_up_rows(spec: StudySpec, pool: list[Row], n: int, n_front: int) -> list[Row]:
    """Rows of ``trials.parquet``: one in five of the trials that are dominated is infeasible.

    Accuracy, energy and area of ``n_front`` trials lie on a surface on which nothing dominates; the
    others lie behind it.
    """
    rng, noise = random.Random(SEED), np.random.default_rng(SEED)
    dimensions = spec.search_space().dimensions
    on_front = set(rng.sample(range(n), min(n_front, n)))
    rows = []
    for number in range(n):
        own = rng.choice(pool) if number in on_front else {}
        flat = own or {d.name: rng.choice(d.values) for d in dimensions}
        is_out = number not in on_front and rng.random() < 0.2
        row: Row = {
            "trial": number,
            "state": "infeasible" if is_out else "complete",
            "reason": "the eNVM is too small" if is_out else "",
            "repeated_of": None,
            **{name: flat[name] for name in KNOBS},
            "designs_scored": 1,
            "wall_start_s": 1.7e9 + 0.1 * number,
            "wall_seconds": 0.1,
            "wall_evaluation_s": float(noise.lognormal(-4.0, 0.5)),
            "on_front": number in on_front,
        }
        if not is_out:
            a, b = noise.random(2)
            behind = 0.0 if number in on_front else float(noise.exponential(0.3)) + 0.02
            row |= dict.fromkeys(METRICS, 1.0) | {
                "accuracy": 0.90 - 0.1 * a - 0.1 * behind,
                "energy_pj": 1e7 * float(np.exp(2 * b + behind)),
                "area_mm2": 2.0 - 0.5 * a - 0.5 * b + behind,
                "deadline_miss_rate": 0.0,
            }
        rows.append(row)
    return rows


def grown_front(front: Front, rows: list[Row]) -> Front:
    """A record with a design for each trial on the front; the rest of it is of scored ones.

    Args:
        front: record of a run of a few of these trials.
        rows: of all trials.
    """
    designs = []
    ours = sorted((r for r in rows if r["on_front"]), key=lambda row: -row["accuracy"])
    for rank, row in enumerate(ours):
        like = front.designs[rank % len(front.designs)]
        values = {
            name: figure.model_copy(update={"value": row[name]} if row[name] != 1.0 else {})
            for name, figure in like.metrics.items()
        }
        knobs = {name: row[name] for name in KNOBS}
        own = {"id": rank, "trial": row["trial"], "knobs": knobs, "metrics": values}
        designs.append(like.model_copy(update=own))
    behind = [r for r in rows if not r["on_front"] and "accuracy" in r]
    names = ["accuracy", "energy_pj", "area_mm2"]
    sample = [
        [r[n] for n in (*names, "trial", *KNOBS)] for r in behind[:: max(1, len(behind) // 1500)]
    ]
    dominated = Dominated(columns=[*names, "trial", *KNOBS], rows=sample, of=len(behind))
    counts = {**front.counts, "trials": len(rows), "designs_scored": len(rows)}
    return front.model_copy(update={"designs": designs, "dominated": dominated, "counts": counts})


def written_run(path: Path, spec: StudySpec) -> Path:
    """A run folder without trials."""
    path.mkdir()
    (path / "spec.json").write_text(json.dumps(spec.document()))
    settings = {"storage": None, "study_name": "edge-dse", "data": None, "traces": None}
    (path / "run.json").write_text(json.dumps(settings))
    return path


def write_records(path: Path, rows: list[Row], front: Front) -> None:
    """The rows and their front as the records of a run that has ended."""
    (path / "front.json").write_text(front.model_dump_json())
    names = list(dict.fromkeys(name for row in rows for name in row if name != "on_front"))
    table = pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})
    pq.write_table(table, path / "trials.parquet", write_page_checksum=True)


def write_journal(path: Path, rows: list[Row], first: int = 0, crc: int = 0) -> int:
    """The rows as a driver's journal: a group a trial, with the records of parameters too.

    Args:
        path: of the file.
        rows: one for each trial.
        first: number of the first of them.
        crc: checksum behind the records before them.

    Returns:
        The checksum behind them.
    """
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with path.open("wb") as file:
        for number, row in enumerate(rows, start=first):
            told = (start + timedelta(seconds=0.1 * number)).isoformat()
            flat = {name: row[name] for name in KNOBS}
            metrics = {name: row[name] for name in METRICS if name in row}
            outcome: dict[str, Any] = {"state": row["state"], "designs_scored": 1, "seconds": 0.01}
            if metrics:
                values = [metrics["accuracy"], metrics["energy_pj"], metrics["area_mm2"]]
                outcome |= {"metrics": metrics, "values": [values], "hardware": [0], "exits": [0]}
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
    return crc


if __name__ == "__main__":
    main()
