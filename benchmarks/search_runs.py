"""Searches replayed on recorded traces, kept one by one: the share of the exact front over time.

`search` runs every method with every seed on the study of `exact_fronts`; a line of JSON for
each goes to ``FOLDER/runs-DIGEST.jsonl``, and a later call goes on. Nested searches enumerate
storage (``search.storage``) unless their name says that they sample it. After each trial it has

* ``traces``: distinct settings whose sentences had to be measured (others share their trace),
* ``live_s``: what measuring them takes, by the mean seconds of a setting that the traces were
  recorded with,
* ``live_every_s``: the same if every trial measured its own, as without a cache,
* ``own_s``: processor time of all the rest: sampler, storage, driver, inner fronts or cost model,
* ``hypervolume`` of the front so far.
"""

from __future__ import annotations

import functools
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from exact_fronts import (
    ExactFronts,
    ReplayedEvaluation,
    name_of,
    trace_of,
)
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import ElementwiseProblem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize

from dse.archive import Archive
from dse.evaluation import Evaluation, Flat
from dse.executors import InlineExecutor, Kind
from dse.outcomes import Outcome
from dse.racing import Rivals
from dse.search import Search
from dse.storage import open_storage
from search_space import KNOBS, parse_number_format
from studies.recorded import RecordedTraces
from studies.spec import StudySpec

Row = dict[str, float]
Tables = Callable[[str], ExactFronts]
"""Inner fronts with storage enumerated or sampled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way to search.

    Attributes:
        strategy: ``nested`` or ``joint``.
        sampler: of ours, Optuna's, or ``pymoo``.
        trials: how many; of nested searches for each distinct trace of the grid.
        options: of the sampler.
        seeds: how many at most: fewer of those that take minutes, one of those without chance.
        changes: of the study.
    """

    strategy: str
    sampler: str
    trials: float
    options: Mapping[str, Any]
    seeds: int = 10
    changes: Mapping[str, Any] = field(default_factory=dict)


def _nested(sampler: str, trials: float, **more: Any) -> Method:
    return Method(strategy="nested", sampler=sampler, trials=trials, **({"options": {}} | more))


METHODS: Final = {
    "nested fronts": _nested("fronts", 1 / 3),
    "nested nsga2": _nested("nsga2", 2, options={"population_size": 24}),
    "nested tpe": _nested("tpe", 1),
    "nested random": _nested("random", 2),
    "nested qmc": _nested("qmc", 2),
    "nested gp": _nested("gp", 1 / 3),
    "nested listed": _nested("listed", 1, seeds=1),
    "nested listed, few bits first": _nested("listed", 1, seeds=1),
    "nested fronts, storage sampled": _nested(
        "fronts", 1, seeds=3, changes={"search.storage": "sampled"}
    ),
    "joint nsga2": Method(
        strategy="joint", sampler="nsga2", trials=1_000, options={"population_size": 24}
    ),
    "joint random": Method(strategy="joint", sampler="random", trials=1_000, options={}),
    "joint tpe": Method(strategy="joint", sampler="tpe", trials=300, options={}),
    "joint gp": Method(strategy="joint", sampler="gp", trials=60, options={}),
    "joint pymoo": Method(
        strategy="joint", sampler="pymoo", trials=1_000, options={"pop_size": 24}
    ),
    "joint nsga2, long": Method(
        strategy="joint", sampler="nsga2", trials=10_000, options={"population_size": 100}, seeds=3
    ),
    "joint pymoo, long": Method(
        strategy="joint", sampler="pymoo", trials=30_000, options={"pop_size": 100}, seeds=3
    ),
}
LISTED_FIRST: Final = ("weight_format", "span_budget_tokens", "activation_format")
"""Knobs in which an order that was chosen with hindsight goes through the settings, slowest first;
sparsities follow, the checkpoint changes fastest."""


def few_bits_first(study: StudySpec) -> dict[str, Any]:
    """The study's space in an order from few bits and little else compressed to the opposite."""
    space = study.document()["space"]
    for name in ("weight_format", "activation_format"):
        space[name] = sorted(space[name], key=lambda text: parse_number_format(text).bits)
    space["span_budget_tokens"] = sorted(space["span_budget_tokens"], reverse=True)
    last = {"checkpoint": space.pop("checkpoint")}
    return {name: space.pop(name) for name in LISTED_FIRST} | space | last


class Meter:
    """What a search has spent and found, trial by trial."""

    def __init__(self, spec: StudySpec, live_s: Mapping[str, float]) -> None:
        self.rows: list[Row] = []
        self._live_s = live_s
        self._spec = spec
        self._traces: set[tuple[Any, ...]] = set()
        self._archive = Archive(spec.objectives)
        self._n_objectives = len(spec.objectives)
        self._spent = {"live_s": 0.0, "live_every_s": 0.0, "known_s": 0.0}
        self._started = time.process_time()

    def note(self, flat: Flat, outcome: Outcome, known_s: float = 0.0) -> None:
        """One trial; ``known_s`` is processor time that was measured before."""
        live = self._live_s[str(flat["checkpoint"])]
        trace = trace_of(flat, self._spec)
        if trace not in self._traces:
            self._traces.add(trace)
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


def run(name: str, seed: int, study: StudySpec, traces: Path, tables: Tables) -> list[Row]:
    """Rows after each evaluated trial of one search."""
    method = METHODS[name]
    recorded = RecordedTraces(traces)
    live_s = {n: c.seconds_per_setting for n, c in recorded.manifest.checkpoints.items()}
    is_nested = method.strategy == "nested"
    changes = dict(method.changes)
    if not is_nested:
        changes["search.storage"] = "sampled"
    if name.endswith("few bits first"):
        changes["space"] = few_bits_first(study)
    grid = tables(study.search.storage).n_traces()
    spec = study.with_overrides(
        {
            "search.strategy": method.strategy,
            "search.trials": round(method.trials * grid) if is_nested else int(method.trials),
            "search.seed": seed,
            **changes,
        }
    )
    if method.sampler == "pymoo":
        return _pymoo(method, seed, spec, recorded, Meter(spec, live_s))
    spec = spec.with_overrides(
        {"search.sampler": {"name": method.sampler, "options": dict(method.options)}}
    )
    fronts = tables(spec.search.storage) if is_nested else None
    evaluation = ReplayedEvaluation(spec, traces, fronts) if fronts else Evaluation(spec, recorded)
    with tempfile.TemporaryDirectory() as folder:
        meter = Meter(spec, live_s)
        search = Search(spec, open_storage(None, Path(folder) / "journal.log"), "benchmark")
        executor = _Metered(
            evaluation, meter, lambda flat: fronts[flat].processor_s if fronts else 0.0
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
    minimize(problem, algorithm, ("n_eval", int(method.trials)), seed=seed)
    return meter.rows


def runs_of(
    folder: Path,
    study: StudySpec,
    traces: Path,
    seeds: int,
    names: Sequence[str],
    *,
    make: bool = True,
) -> list[dict[str, Any]]:
    """Every method with every seed that it has, from the folder's file or run now.

    A run whose method is defined otherwise today is made anew; one whose program has changed is
    not: such runs want a new folder. With ``make`` false there are those that the folder has.
    """
    path = folder / f"runs-{name_of(study, RecordedTraces(traces))}.jsonl"
    kept = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(e["method"], e["seed"], json.dumps(e["definition"])): e for e in kept}

    @functools.cache
    def tables(storage: str) -> ExactFronts:
        return ExactFronts.of(folder, study.with_overrides({"search.storage": storage}), traces)

    found = []
    with path.open("a") as file:
        for seed in range(seeds):
            for name in names:
                if seed >= METHODS[name].seeds:
                    continue
                definition = asdict(METHODS[name])
                key = (name, seed, json.dumps(definition))
                if key not in done and not make:
                    continue
                if key not in done:
                    rows = run(name, seed, study, traces, tables)
                    done[key] = {"method": name, "seed": seed, "definition": definition}
                    done[key]["rows"] = rows
                    file.write(json.dumps(done[key]) + "\n")
                    file.flush()
                found.append(done[key])
    return found
