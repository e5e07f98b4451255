"""Searches replayed on recorded traces, kept one by one: the share of the exact front over time.

``python benchmarks/search_runs.py FOLDER [--seeds 10] [--study edgebert-sst2] [--traces DIR]``

runs every method with every seed on the study of `exact_fronts` and writes a line of JSON for each
to ``FOLDER/runs-DIGEST.jsonl``; a later call goes on. After each trial it has

* ``traces``: distinct settings whose sentences had to be measured (others share their trace),
* ``live_s``: what measuring them takes, by the mean seconds of a setting that the traces were
  recorded with,
* ``live_every_s``: the same if every trial measured its own, as without a cache,
* ``own_s``: processor time of all the rest: sampler, storage, driver, inner fronts or cost model,
* ``hypervolume`` of the front so far.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from exact_fronts import ExactFronts, ReplayedEvaluation, benchmark_study, trace_of
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import ElementwiseProblem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize

from dse.archive import Archive
from dse.evaluation import Evaluation, Flat, Outcome
from dse.executors import InlineExecutor, Kind
from dse.racing import Rivals
from dse.search import Search
from dse.storage import open_storage
from search_space import KNOBS
from studies.recorded import SHIPPED, RecordedTraces
from studies.spec import StudySpec

Row = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way to search.

    Attributes:
        strategy: ``nested`` or ``joint``.
        sampler: of ours, Optuna's, or ``pymoo``.
        trials: how many.
        options: of the sampler.
    """

    strategy: str
    sampler: str
    trials: int
    options: Mapping[str, Any]


METHODS: Final = {
    **{
        f"nested {name}": Method(strategy="nested", sampler=name, trials=150, options=options)
        for name, options in {
            "fronts": {},
            "nsga2": {"population_size": 24},
            "tpe": {},
            "random": {},
            "qmc": {},
        }.items()
    },
    "nested gp": Method(strategy="nested", sampler="gp", trials=40, options={}),
    "joint nsga2": Method(
        strategy="joint", sampler="nsga2", trials=400, options={"population_size": 24}
    ),
    "joint random": Method(strategy="joint", sampler="random", trials=400, options={}),
    "joint tpe": Method(strategy="joint", sampler="tpe", trials=200, options={}),
    "joint gp": Method(strategy="joint", sampler="gp", trials=60, options={}),
    "joint pymoo": Method(strategy="joint", sampler="pymoo", trials=400, options={"pop_size": 24}),
}


class Meter:
    """What a search has spent and found, trial by trial."""

    def __init__(self, spec: StudySpec, live_s: Mapping[str, float]) -> None:
        self.rows: list[Row] = []
        self._live_s = live_s
        self._traces: set[tuple[Any, ...]] = set()
        self._archive = Archive(spec.objectives)
        self._n_objectives = len(spec.objectives)
        self._spent = {"live_s": 0.0, "live_every_s": 0.0, "known_s": 0.0}
        self._started = time.process_time()

    def note(self, flat: Flat, outcome: Outcome, known_s: float = 0.0) -> None:
        """One trial; ``known_s`` is processor time that was measured before."""
        live = self._live_s[str(flat["checkpoint"])]
        if trace_of(flat) not in self._traces:
            self._traces.add(trace_of(flat))
            self._spent["live_s"] += live
        self._spent["live_every_s"] += live
        self._spent["known_s"] += known_s
        values = np.array(outcome.values).reshape(-1, self._n_objectives)
        self._archive.add(values, [(0, 0, 0)] * len(values), 0)
        own = time.process_time() - self._started + self._spent["known_s"]
        self.rows.append(
            {
                "traces": len(self._traces),
                "live_s": round(self._spent["live_s"], 1),
                "live_every_s": round(self._spent["live_every_s"], 1),
                "own_s": round(own, 2),
                "hypervolume": self._archive.hypervolume,
            }
        )


class _Metered(InlineExecutor):
    """Notes every task."""

    def __init__(
        self, evaluation: Evaluation, meter: Meter, known_s: Callable[[Flat], float]
    ) -> None:
        super().__init__(evaluation)
        self._meter = meter
        self._known_s = known_s
        self._flats: dict[int, Flat] = {}

    def submit(self, ticket: int, kind: Kind, flat: Flat, rivals: Rivals | None = None) -> None:
        """Queue a task."""
        self._flats[ticket] = flat
        super().submit(ticket, kind, flat, rivals)

    def next_outcome(self) -> tuple[int, Outcome]:
        """Evaluate the oldest task and note it."""
        ticket, outcome = super().next_outcome()
        flat = self._flats.pop(ticket)
        self._meter.note(flat, outcome, self._known_s(flat))
        return ticket, outcome


def run(
    method: Method, seed: int, study: StudySpec, traces: Path, fronts: ExactFronts
) -> list[Row]:
    """Rows after each evaluated trial of one search."""
    recorded = RecordedTraces(traces)
    live_s = {n: c.seconds_per_setting for n, c in recorded.manifest.checkpoints.items()}
    if method.sampler == "pymoo":
        return _pymoo(method, seed, study, recorded, Meter(study, live_s))
    spec = study.with_overrides(
        {
            "search.strategy": method.strategy,
            "search.trials": method.trials,
            "search.seed": seed,
            "search.sampler": {"name": method.sampler, "options": dict(method.options)},
        }
    )
    is_nested = method.strategy == "nested"
    evaluation = (
        ReplayedEvaluation(spec, traces, fronts) if is_nested else Evaluation(spec, recorded)
    )
    with tempfile.TemporaryDirectory() as folder:
        meter = Meter(spec, live_s)
        search = Search(spec, open_storage(None, Path(folder) / "journal.log"), "benchmark")
        executor = _Metered(
            evaluation, meter, lambda flat: fronts[flat].processor_s if is_nested else 0.0
        )
        search.run(executor, lambda _: None)
    return meter.rows


class _Problem(ElementwiseProblem):  # type: ignore[misc]
    """Positions in the lists of all knobs; what cannot be is far off and breaks a constraint."""

    def __init__(self, study: StudySpec, evaluation: Evaluation, meter: Meter) -> None:
        self._space = study.search_space()
        self._free = [d for d in (self._space[n] for n in KNOBS) if not d.is_fixed]
        self._fixed = {d.name: d.values[0] for d in (self._space[n] for n in KNOBS) if d.is_fixed}
        self._objectives = study.objectives
        self._evaluation, self._meter = evaluation, meter
        upper = np.array([len(d.values) - 1 for d in self._free])
        super().__init__(
            n_var=len(upper), n_obj=len(study.objectives), n_ieq_constr=1, xl=0, xu=upper, vtype=int
        )

    def _evaluate(self, x: Any, out: dict[str, Any], *_: Any, **__: Any) -> None:
        flat = self._fixed | {d.name: d.values[int(i)] for d, i in zip(self._free, x, strict=True)}
        flat = self._space.canonical(flat)
        values = [o.reference for o in self._objectives]
        fits = False
        if self._space.violation(flat) is None:
            outcome = self._evaluation.evaluate_design(flat)
            self._meter.note(flat, outcome)
            fits = bool(outcome.values)
            values = outcome.values[0] if fits else values
        signs = [-1 if o.maximised else 1 for o in self._objectives]
        out["F"] = [s * v for s, v in zip(signs, values, strict=True)]
        out["G"] = [0.0 if fits else 1.0]


def _pymoo(
    method: Method, seed: int, study: StudySpec, recorded: RecordedTraces, meter: Meter
) -> list[Row]:
    """NSGA-II of pymoo on whole numbers, with its own defaults for them."""
    repair = RoundingRepair()
    algorithm = NSGA2(
        **method.options,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=1.0, eta=3.0, vtype=float, repair=repair),
        mutation=PM(prob=1.0, eta=3.0, vtype=float, repair=repair),
        eliminate_duplicates=True,
    )
    problem = _Problem(study, Evaluation(study, recorded), meter)
    minimize(problem, algorithm, ("n_eval", method.trials), seed=seed)
    return meter.rows


def runs_of(
    folder: Path, study: StudySpec, traces: Path, seeds: int, methods: Mapping[str, Method]
) -> list[dict[str, Any]]:
    """Every method with every seed, from the folder's file or run now."""
    fronts = ExactFronts.of(folder, study, traces)
    digest = hashlib.sha256(json.dumps(study.document(), sort_keys=True).encode()).hexdigest()[:12]
    path = folder / f"runs-{digest}.jsonl"
    kept = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(each["method"], each["seed"]): each for each in kept}
    with path.open("a") as file:
        for seed in range(seeds):
            for name, method in methods.items():
                if (name, seed) not in done:
                    rows = run(method, seed, study, traces, fronts)
                    done[name, seed] = {"method": name, "seed": seed, "rows": rows}
                    file.write(json.dumps(done[name, seed]) + "\n")
                    file.flush()
    return [each for key, each in done.items() if key[0] in methods and key[1] < seeds]


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--study", default="edgebert-sst2")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--traces", type=Path, default=SHIPPED)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    arguments = parser.parse_args()
    study = benchmark_study(arguments.study)
    methods = {name: METHODS[name] for name in arguments.methods}
    found = runs_of(arguments.folder, study, arguments.traces, arguments.seeds, methods)
    print(f"{len(found)} runs")


if __name__ == "__main__":
    main()
