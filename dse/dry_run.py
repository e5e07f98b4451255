"""``dse run --dry-run``: what a study would take, from one point of it that is evaluated."""

from __future__ import annotations

import math
import random
import resource
import sys
import time
from dataclasses import dataclass
from typing import Final, Literal

from dse.evaluation import Evaluation
from dse.outcomes import Outcome
from dse.trace_sources import SourceOptions, make_source
from search_space import KNOBS, MODEL_KNOBS, KnobValue, SearchSpace
from studies.spec import StudyFileError, StudySpec

_JOURNAL_BYTES: Final = 9_000
"""Journal, trial table and records for each trial: measured on the shipped study, rounded up."""
_RESULT_BYTES: Final = 10_000_000
"""Front, report and pictures: likewise, 8 MB with a front of 250 designs."""
_TRACE_BYTES_OF_SENTENCE_AND_EXIT: Final = 4
_ATTEMPTS: Final = 10_000
_FEASIBLE_ATTEMPTS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What a study would take.

    Attributes:
        size: distinct designs of the space.
        settings: distinct settings of the model knobs.
        point: the point that was evaluated.
        outcome: what came of it.
        seconds: predicted time of all trials; the front's records are not in it.
        memory_bytes: largest resident memory of this process so far.
        disk_bytes: predicted size of the run folder.
    """

    size: int
    settings: int
    point: dict[str, KnobValue]
    outcome: Outcome
    seconds: float
    memory_bytes: int
    disk_bytes: int


def dry_run(spec: StudySpec, options: SourceOptions) -> DryRun:
    """Evaluate one point of a study and say what all of it would take; writes nothing.

    A nested study's point is a setting with all its exits and accelerators. Each distinct setting
    is counted once, as repeated points are answered from the archive. What a process does once
    (reading recorded traces, compiling the cost model) is counted once too, however many trials.

    Raises:
        StudyFileError: no point of the space meets its conditions.
    """
    space = spec.search_space()
    nested = spec.search.strategy == "nested"
    settings = len(space.points(MODEL_KNOBS))
    chosen = spec.setting_knobs()
    point = random_point(space, chosen if nested else KNOBS, spec.search.seed)
    source = make_source(spec, options)
    evaluation = Evaluation(spec, source)
    task: Literal["setting", "design"] = "setting" if nested else "design"
    recorded = spec.evaluator.kind == "recorded"
    outcome, first = timed(evaluation, task, point)
    if not nested:  # a point that cannot be built says nothing of the time of others
        for seed in range(spec.search.seed + 1, spec.search.seed + _FEASIBLE_ATTEMPTS):
            if outcome.state != "infeasible":
                break
            point = random_point(space, KNOBS, seed)
            outcome, later = timed(evaluation, task, point)
            first = max(first, later)
    again = first
    if recorded or not nested:  # traces are read and loops compiled now: what is left is a trial
        repeated, again = timed(evaluation, task, point)
        outcome = repeated if recorded else outcome
    trials = spec.search.trials
    measured = min(trials, len(space.points(chosen)))
    in_parallel = spec.search.workers if spec.evaluator.kind == "live" or nested else 1
    once = max(first - again, 0.0)
    if recorded:
        seconds = once + (measured if nested else trials) * again / in_parallel
    elif nested:
        seconds = measured * first / in_parallel
    else:
        seconds = (measured * once + trials * again) / in_parallel
    traces = 0
    if spec.evaluator.kind == "live":
        whole = {**point, **evaluation.inner.storage[0]} if nested else point
        trace = evaluation.setting(whole).trace
        traces = measured * trace.logits.size * _TRACE_BYTES_OF_SENTENCE_AND_EXIT
    return DryRun(
        size=space.size(),
        settings=settings,
        point=point,
        outcome=outcome,
        seconds=seconds,
        memory_bytes=resident_bytes(),
        disk_bytes=_RESULT_BYTES + trials * _JOURNAL_BYTES + traces,
    )


def timed(
    evaluation: Evaluation, task: Literal["setting", "design"], point: dict[str, KnobValue]
) -> tuple[Outcome, float]:
    """What comes of a point, and the seconds that it took."""
    started = time.perf_counter()
    outcome = evaluation.evaluate(task, point)
    return outcome, time.perf_counter() - started


def random_point(space: SearchSpace, names: tuple[str, ...], seed: int) -> dict[str, KnobValue]:
    """A point of the space at random, in the knobs named.

    Raises:
        StudyFileError: none of many that were drawn meets the conditions.
    """
    rng = random.Random(seed)
    for _ in range(_ATTEMPTS):
        point = space.canonical({name: rng.choice(space[name].values) for name in names})
        if space.violation(point) is None:
            return point
    raise StudyFileError(
        f"None of {_ATTEMPTS} points drawn at random meets the conditions of the space: relax one."
    )


def resident_bytes() -> int:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def print_dry_run(found: DryRun, spec: StudySpec) -> None:
    """Print it for people."""
    print(
        f"{spec.title}\n{found.size:,} distinct designs, {found.settings:,} settings of the model"
    )
    kind = "setting" if spec.search.strategy == "nested" else "design"
    shown = ", ".join(f"{name} {value}" for name, value in found.point.items())
    print(f"One {kind}: {shown}")
    outcome = found.outcome
    told = outcome.state if not outcome.reason else f"{outcome.state}: {outcome.reason}"
    print(f"  {told} in {outcome.seconds:.2f} s, {outcome.designs_scored:,} designs scored")
    for name, value in _best(found, spec).items():
        print(f"  {name} {value:.6g}")
    print(
        f"{spec.search.trials} trials on {spec.search.workers} workers: about "
        f"{duration(found.seconds)}; {found.memory_bytes / 2**20:,.0f} MiB of memory in each "
        f"process, {found.disk_bytes / 1e6:,.0f} MB of disk"
    )


def _best(found: DryRun, spec: StudySpec) -> dict[str, float]:
    """Objectives of the point; of a setting those of its first design."""
    if not found.outcome.values:
        return {}
    names = [objective.metric for objective in spec.objectives]
    return dict(zip(names, found.outcome.values[0], strict=True))


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> [duration(s) for s in (0.4, 90, 7300)]
    ['1 s', '1 min 30 s', '2 h 1 min']
    """
    whole = max(math.ceil(seconds), 1)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
