"""What a study costs beside its evaluations, and how many workers that feeds.

``python benchmarks/scaling.py [--workers N ...] [--trials N] [--sql-workers N ...] [--sql-trials N]
[--ahead N ...] [--storage KIND ...] [--ray] [--json] [--page docs/scaling.md]``

The real driver loop runs: Optuna's sampler, the storage, the archive and its hypervolume. Workers
are simulated: a task takes the time that was recorded for the checkpoint of its design. While the
driver works, the clock goes on by what that takes; while it waits, the clock leaps to the next
outcome. So an hour of 1,000 workers is seen in minutes, and the driver's part is measured.

A storage is ``memory``, ``journal``, ``sqlite``, ``postgresql`` (a server of its own for as long)
or a database URL. ``--ray`` measures a task's way to a worker on this machine and back. ``--page``
writes the tables of the page anew.
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import itertools
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, InMemoryStorage
from sqlalchemy import event

from dse.database import Database
from dse.evaluation import Flat
from dse.executors import Kind
from dse.outcomes import Outcome
from dse.search import Search
from dse.storage import open_storage
from studies.metrics import METRICS
from studies.presets import load_study
from studies.recorded import RecordedTraces
from studies.spec import StudySpec

KINDS = ("memory", "journal", "sqlite", "postgresql")
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


class SimulatedWorkers:
    """Workers of which each takes the recorded time for a task; the driver's time is real.

    Attributes:
        capacity: number of workers.
        now: time since the start, s: what the driver took, and what it waited.
        driver_s: of that, what the driver took.
        busy_s: sum of all tasks' times.
        done: tasks given back.
    """

    is_own_process = False

    def __init__(self, spec: StudySpec, workers: int, clock: Callable[[], float]) -> None:
        self.capacity = workers
        self.now = self.driver_s = self.busy_s = 0.0
        self.done = 0
        self._clock = clock
        self._left = clock()
        self._spec = spec
        self._running: list[tuple[float, int, Flat]] = []
        recorded = RecordedTraces().manifest.checkpoints
        self._seconds = {name: c.seconds_per_setting for name, c in recorded.items()}

    def _entered(self) -> None:
        took = self._clock() - self._left
        self.now += took
        self.driver_s += took

    def submit(self, ticket: int, _kind: Kind, flat: Flat, *_: Any) -> None:
        """Start a task on a worker that is free."""
        self._entered()
        seconds = self._seconds[str(flat["checkpoint"])]
        self.busy_s += seconds
        heapq.heappush(self._running, (self.now + seconds, ticket, flat))
        self._left = self._clock()

    def next_outcome(self) -> tuple[int, Outcome]:
        """The task that ends first, at once if it has ended already."""
        self._entered()
        ended, ticket, flat = heapq.heappop(self._running)
        self.now = max(self.now, ended)
        self.done += 1
        outcome = self._outcome(flat)
        self._left = self._clock()
        return ticket, outcome

    def _outcome(self, flat: Flat) -> Outcome:
        """Objectives drawn by a hash of the design: anything from the ideal to the reference."""
        digest = hashlib.sha256(json.dumps(flat, sort_keys=True).encode()).digest()
        metrics = dict.fromkeys(METRICS, 0.01)
        for i, objective in enumerate(self._spec.objectives):
            share = int.from_bytes(digest[4 * i : 4 * i + 4]) / 2**32
            ideal, reference = objective.ideal, objective.reference
            log = objective.axis == "log10"
            metrics[objective.metric] = (
                ideal * (reference / ideal) ** share if log else ideal + share * (reference - ideal)
            )
        values = [[metrics[o.metric] for o in self._spec.objectives]]
        return Outcome(
            state="complete", metrics=metrics, values=values, hardware=[0], exits=[0],
            designs_scored=1,
        )  # fmt: skip

    def close(self) -> None:
        """Nothing was started."""


def simulated(spec: StudySpec, storage: BaseStorage, workers: int, clock: str) -> dict[str, float]:
    """What a study with so many workers comes to; the first outcomes of all workers included."""
    search = Search(spec, storage, f"scaling-{workers}-{clock}")
    executor = SimulatedWorkers(spec, workers, CLOCKS[clock])
    began = time.perf_counter()
    with statements(storage) as counted:
        search.run(executor, lambda _: None)
    return {
        "workers": workers,
        "trials": len(search.told),
        "driver_ms_per_trial": 1e3 * executor.driver_s / len(search.told),
        "results_per_s": executor.done / executor.now,
        "most_results_per_s": workers * executor.done / executor.busy_s,
        "idle_share": 1 - executor.busy_s / (workers * executor.now),
        "simulated_s": executor.now,
        "took_s": time.perf_counter() - began,
        "statements_per_trial": len(counted) / len(search.told),
    }


@contextmanager
def statements(storage: BaseStorage) -> Iterator[list[None]]:
    """A list that grows by one for each statement sent to a database; one is a round trip."""
    counted: list[None] = []
    if not isinstance(storage, Database):
        yield counted
        return

    def count(*_: Any) -> None:
        counted.append(None)

    event.listen(storage.engine, "before_cursor_execute", count)
    event.listen(storage.engine, "commit", count)
    yield counted
    event.remove(storage.engine, "before_cursor_execute", count)
    event.remove(storage.engine, "commit", count)


@contextmanager
def storage_of(kind: str, folder: Path) -> Iterator[BaseStorage]:
    """A storage of a kind, or at a URL."""
    if kind == "memory":
        yield InMemoryStorage()
    elif kind == "postgresql":
        sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
        from tests.dse.postgres import running_server

        with running_server() as server:
            yield open_storage(server.url, folder, "benchmark")
    elif kind == "journal":
        yield open_storage(None, folder / "journal.log")
    else:
        url = f"sqlite:///{folder}/trials.db" if kind == "sqlite" else kind
        yield open_storage(url, folder, "benchmark")


def round_trip_ms(tasks: int = 200) -> dict[str, float]:
    """Milliseconds from submitting a task to having its outcome, by Ray on the loopback."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    from dse.outcomes import as_plain

    ray.init(
        address="local", num_cpus=1, include_dashboard=False, _node_ip_address="127.0.0.1",
        log_to_driver=False,
        object_store_memory=128 * 2**20,
    )  # fmt: skip
    outcome = SimulatedWorkers(load_study("edgebert-sst2"), 1, time.perf_counter)._outcome({})

    class Echo:
        def evaluate(self, _flat: Flat) -> Outcome:
            """The same outcome for every design."""
            return outcome

    actor: Any = ray.remote(Echo).remote()
    flat = {f"knob{i}": i for i in range(20)}
    times = []
    for _ in range(tasks):
        began = time.perf_counter()
        ray.get(actor.evaluate.remote(flat))
        times.append(time.perf_counter() - began)
    ray.shutdown()
    times.sort()
    return {
        "median_ms": 1e3 * times[tasks // 2],
        "p95_ms": 1e3 * times[int(0.95 * tasks)],
        "outcome_bytes": float(len(json.dumps(as_plain(outcome)))),
    }


def table(result: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    lines = [
        f"{result['machine']}; {result['load']:.0f} processes were waiting for {result['cores']} "
        "cores. Made by",
        f"`{result['command']}`.",
        "",
        "| storage | workers | in flight | trials | driver, ms a trial | results/s | "
        "of at most | idle | SQL statements and commits a trial |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['storage']}{', processor time alone' if row['clock'] == 'cpu' else ''} | "
        f"{row['workers']:,} | {row['in_flight']:,} | {row['trials']:,} | "
        f"{row['driver_ms_per_trial']:.1f} | "
        f"{row['results_per_s']:.2f} | {row['most_results_per_s']:.2f} | {row['idle_share']:.0%} | "
        f"{row['statements_per_trial']:.0f} |"
        for row in result["rows"]
    ]
    if result["ray"]:
        lines += [
            "",
            f"A task's way to a worker by Ray and back, without a network: median "
            f"{result['ray']['median_ms']:.1f} ms, 95th percentile {result['ray']['p95_ms']:.1f} "
            f"ms, for an outcome of {result['ray']['outcome_bytes']:.0f} bytes.",
        ]
    return "\n".join(lines)


def main() -> None:
    """Measure, then print or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 100, 1000])
    parser.add_argument("--trials", type=int, default=3000)
    parser.add_argument("--sql-workers", type=int, nargs="+", default=[1, 100])
    parser.add_argument("--sql-trials", type=int, default=300)
    parser.add_argument("--ahead", type=int, nargs="+", default=[1, 2], help="in flight a worker")
    parser.add_argument("--sampler", default="nsga2")
    parser.add_argument("--storage", nargs="+", default=list(KINDS), help="kinds or URLs")
    parser.add_argument("--clock", nargs="+", choices=list(CLOCKS), default=list(CLOCKS))
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    base = load_study("edgebert-sst2")
    rows = []
    for kind in given.storage:
        is_sql = kind not in ("memory", "journal")
        counts = given.sql_workers if is_sql else given.workers
        clocks = given.clock[:1] if kind == "memory" else given.clock
        for workers, ahead, clock in itertools.product(counts, given.ahead, clocks):
            search = {
                "search.strategy": "joint",
                "search.trials": given.sql_trials if is_sql else given.trials,
                "search.in_flight": ahead * workers,
                "search.sampler": {"name": given.sampler},
            }
            spec = base.with_overrides(search)
            with tempfile.TemporaryDirectory() as folder, storage_of(kind, Path(folder)) as s:
                found = simulated(spec, s, workers, clock)
            name = kind if kind in KINDS else kind.partition(":")[0]
            rows.append({"storage": name, "clock": clock, "in_flight": ahead * workers, **found})
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    result = {
        "command": f"python {' '.join(sys.argv)}",
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "sampler": given.sampler,
        "rows": rows,
        "ray": round_trip_ms() if given.ray else {},
    }
    if given.page is not None:
        text = given.page.read_text()
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        given.page.write_text(f"{before}{BEGIN}\n{table(result)}\n{END}{after}")
    print(json.dumps(result, indent=1) if given.json else table(result))


if __name__ == "__main__":
    main()
