"""What the driver adds to a trial: a free objective, against the optimisers that it is built on.

``python benchmarks/driver.py [--trials 10000] [--storage memory|journal] [--sampler random|nsga2]
[--ray TRIALS] [--picture FILE.svg] [--json]``

The objective costs nothing. Compared are a joint study of the preset's space by our driver,
``optuna.study.optimize`` with the same sampler, storage, parameters and number of objectives, and
Ray Tune's ``OptunaSearch`` (as many trials as ``--ray`` says, one at a time; 0 leaves it out).
Times are processor time of this process, which does not depend on what else the machine does; that
of Ray's other processes is not in it, and its wall time stands beside it. Memory is what the
process holds more after the trials than before.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import resource
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from curves import bars
from figures import parsed
from optuna.storages import BaseStorage, InMemoryStorage

from dse.evaluation import Flat
from dse.executors import Kind
from dse.outcomes import Outcome
from dse.racing import Rivals
from dse.samplers import sampler_of
from dse.search import Search
from dse.storage import open_storage
from dse.strategies import Joint
from studies.metrics import METRICS
from studies.presets import load_study
from studies.spec import StudySpec

KINDS = ("processor", "wall")
METRICS_OF_ALL = dict.fromkeys(METRICS, 1.0)


class FreeExecutor:
    """Gives every design an outcome that costs nothing: three values by its first knobs."""

    capacity = 1

    is_own_process = False

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Flat]] = deque()

    def submit(self, ticket: int, kind: Kind, flat: Flat, rivals: Rivals | None = None) -> None:
        """Take a design."""
        assert kind == "design"
        assert rivals is None
        self._waiting.append((ticket, flat))

    def next_outcome(self) -> tuple[int, Outcome]:
        """Its outcome."""
        ticket, flat = self._waiting.popleft()
        values = _values(float(flat["mac_vector_size"]), float(flat["envm_mib"]))
        metrics = METRICS_OF_ALL | dict(
            zip(("accuracy", "energy_pj", "area_mm2"), values, strict=True)
        )
        return ticket, Outcome(
            state="complete",
            metrics=metrics,
            values=[values],
            hardware=[0],
            exits=[0],
            designs_scored=1,
        )

    def close(self) -> None:
        """Nothing was started."""


def _values(size: float, envm: float) -> list[float]:
    return [0.9 - 1 / (size + envm + 2), 1e6 * size, 1.0 + envm]


def ours(spec: StudySpec, storage: BaseStorage) -> None:
    """All trials of a study by our driver."""
    Search(spec, storage, "ours").run(FreeExecutor(), lambda _: None)


def optunas(spec: StudySpec, storage: BaseStorage) -> None:
    """As many by Optuna's own loop."""
    strategy = Joint(spec, spec.search_space())
    study = optuna.create_study(
        storage=storage,
        directions=list(strategy.directions),
        sampler=sampler_of(spec, spec.search.seed, len(strategy.directions)),
    )

    def objective(trial: optuna.Trial) -> list[float]:
        flat = strategy.point(trial)
        return _values(float(flat["mac_vector_size"]), float(flat["envm_mib"]))

    study.optimize(objective, n_trials=spec.search.trials)


def rays(spec: StudySpec, trials: int) -> None:
    """Some by Ray Tune with Optuna's samplers."""
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    strategy = Joint(spec, spec.search_space())
    objectives = spec.objectives

    def objective(config: dict[str, Any]) -> None:
        values = _values(config["mac_vector_size"], config["envm_mib"])
        tune.report(dict(zip((o.metric for o in objectives), values, strict=True)))

    search = OptunaSearch(
        space=_two_knobs,
        metric=[o.metric for o in objectives],
        mode=["max" if d == "maximize" else "min" for d in strategy.directions],
        sampler=sampler_of(spec, 0, len(objectives)),
    )
    ray.init(
        address="local",
        num_cpus=1,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        object_store_memory=128 * 1024 * 1024,
        logging_level=logging.ERROR,
    )
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            objective,
            tune_config=tune.TuneConfig(
                search_alg=search, num_samples=trials, max_concurrent_trials=1
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        tuner.fit()
    ray.shutdown()


def _two_knobs(trial: optuna.Trial) -> None:
    trial.suggest_int("mac_vector_size", 4, 32)
    trial.suggest_float("envm_mib", 0.0, 24.0)


def measured(work: Callable[[], None], trials: int) -> dict[str, float]:
    """Processor and wall time of a trial, ms, and memory of a trial, KiB."""
    before = _held_kib()
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return {
        "trials": trials,
        "processor_ms": round((time.process_time() - processor) / trials * 1e3, 3),
        "wall_ms": round((time.perf_counter() - wall) / trials * 1e3, 3),
        "memory_kib": round((_held_kib() - before) / trials, 2),
    }


def _held_kib() -> float:
    """Memory that the process holds now, KiB, as Linux counts it."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024


def main() -> None:
    """Print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--storage", choices=["memory", "journal"], default="memory")
    parser.add_argument("--sampler", choices=["random", "nsga2"], default="random")
    parser.add_argument("--ray", type=int, default=0)
    parser.add_argument("--picture", type=Path)
    arguments = parsed(parser)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    spec = load_study("edgebert-sst2").with_overrides(
        {
            "search.strategy": "joint",
            "search.trials": arguments.trials,
            "search.sampler": {"name": arguments.sampler},
        }
    )
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, work in {"ours": ours, "optuna": optunas}.items():
            storage = (
                InMemoryStorage()
                if arguments.storage == "memory"
                else open_storage(None, Path(folder) / f"{name}.log")
            )
            rows[name] = measured(lambda s=storage, w=work: w(spec, s), arguments.trials)
    if arguments.ray:
        rows["ray tune"] = measured(lambda: rays(spec, arguments.ray), arguments.ray)
    if arguments.picture is not None:
        bar = {f"{name}, {kind}": row[f"{kind}_ms"] for name, row in rows.items() for kind in KINDS}
        arguments.picture.write_text(bars(bar, "milliseconds a trial"))
    added = rows["ours"]["processor_ms"] - rows["optuna"]["processor_ms"]
    if arguments.json:
        print(json.dumps({**rows, "added_processor_ms": round(added, 3)}, indent=1))
        return
    for name, row in rows.items():
        print(f"{name:9}" + "  ".join(f"{key} {value}" for key, value in row.items()))
    print(f"the driver adds {added:.2f} ms of processor time to a trial")


if __name__ == "__main__":
    main()
