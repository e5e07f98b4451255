"""Health of a run: what could make its front worse than it looks, each with the remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from search_space import KNOBS_OF_EXIT_POLICY, ExitPolicy
from studies.metrics import metric_of
from studies.predictability import explained_share
from studies.run_snapshot import RunSnapshot
from studies.trial_table import Integers

Verdict = Literal["PASS", "WARN", "FAIL"]

BOUND_SHARE: Final = 0.5
"""A number knob with that share of the front at one end of its range may be cut off there."""
KILLED_SHARE: Final = 0.5
"""Share of the trials that one reason may take before it is worth a look."""
LEAST_EFFECT: Final = 0.01
"""A knob whose levels move no value by that share of its spread has no effect."""
LEAST_EXPLAINED: Final = 0.3
"""Share of a value's variance that knobs explain out of sample, below which it is a guess."""
LEAST_TRIALS: Final = 30
"""Trials with a value below which nothing is said of effects."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what, in a few words.
        verdict: ``PASS``, ``WARN`` (the front may be poorer than need be) or ``FAIL`` (do not
            trust it as it is).
        text: what was found, in a sentence.
        remedy: what to do; empty for a pass.
    """

    check: str
    verdict: Verdict
    text: str
    remedy: str = ""


def findings(run: RunSnapshot) -> list[Finding]:
    """Everything that was looked at, the worst first and else in a fixed order."""
    checks: tuple[Callable[[RunSnapshot], list[Finding]], ...] = (
        _front,
        _killed,
        _failed,
        _orphans,
        _budget,
        _bounds,
        _effects,
        _predictable,
        _errors,
    )
    found = [finding for check in checks for finding in check(run)]
    order = ("FAIL", "WARN", "PASS")
    return sorted(found, key=lambda finding: order.index(finding.verdict))


def _front(run: RunSnapshot) -> list[Finding]:
    n = len(run.front.designs)
    if n == 0:
        return [
            Finding(
                "Front",
                "FAIL" if len(run.trials) else "WARN",
                "No design meets the constraints yet.",
                "Relax the constraint that most trials break, or widen the space.",
            )
        ]
    if n < 5:
        text = f"The front has {n} design{'' if n == 1 else 's'}: too few for a trade-off."
        return [Finding("Front", "WARN", text, "Run more trials ('search.trials').")]
    return [Finding("Front", "PASS", f"The front has {n:,} designs.")]


def _killed(run: RunSnapshot) -> list[Finding]:
    trials = run.trials
    if not len(trials):
        return []
    n_out = trials.count("infeasible")
    share = n_out / len(trials)
    if share <= KILLED_SHARE:
        return [Finding("Feasibility", "PASS", f"{share:.0%} of the trials are infeasible.")]
    reason = next(r for state, r, _ in trials.reason_counts() if state == "infeasible")
    return [
        Finding(
            "Feasibility",
            "WARN" if n_out < len(trials) else "FAIL",
            f"{share:.0%} of the trials are infeasible, most often because: {reason}.",
            "Take values that cannot work out of the space, add a condition that names them, or "
            "relax that constraint.",
        )
    ]


def _failed(run: RunSnapshot) -> list[Finding]:
    n = run.trials.count("failed")
    if not n:
        return [Finding("Failures", "PASS", "No trial has failed.")] if len(run.trials) else []
    reason = next(r for state, r, _ in run.trials.reason_counts() if state == "failed")
    share = n / len(run.trials)
    return [
        Finding(
            "Failures",
            "FAIL" if share > 0.1 else "WARN",
            f"{n} of {len(run.trials)} trials failed, most often because: {reason}.",
            "Mend the cause, then run the study anew: failed trials are not tried again.",
        )
    ]


def _orphans(run: RunSnapshot) -> list[Finding]:
    n = run.trials.in_flight
    if run.state == "running" or not n:
        return [Finding("Orphaned trials", "PASS", "No trial was left in the air.")]
    text = f"{n} trial{' was' if n == 1 else 's were'} asked for and never told; no driver is left."
    return [Finding("Orphaned trials", "WARN", text, "'dse resume' goes on with them.")]


def _budget(run: RunSnapshot) -> list[Finding]:
    total, told = run.spec.search.trials, len(run.trials)
    left = total - told
    history = run.front.history
    if run.state == "unfinished" and left > 0:
        text = f"{left} of {total} trials are left and nothing drives the run."
        return [Finding("Budget", "WARN", text, "'dse resume' goes on with them.")]
    if left > 0 and run.state == "running":
        return [Finding("Budget", "PASS", f"{left} of {total} trials are left.")]
    last = history[-1].hypervolume if history else 0.0
    if last <= 0:
        return []
    early = [p.hypervolume for p in history if p.trial <= 0.9 * told]
    grown = last - (early[-1] if early else 0.0)
    if grown > 0.01 * last:
        share = grown / last
        return [
            Finding(
                "Budget",
                "WARN",
                f"The last tenth of the trials still grew the hypervolume by {share:.1%}.",
                "Run more trials: a new run with '--warm-start' of this one and a larger budget.",
            )
        ]
    return [Finding("Budget", "PASS", "The front hardly grew over the last tenth of the trials.")]


def _bounds(run: RunSnapshot) -> list[Finding]:
    """Number knobs at an end of their range; thresholds that a policy ignores are left out."""
    designs = run.front.designs
    if len(designs) < 5:
        return []
    found = []
    space = run.spec.search_space()
    for dimension in space.dimensions:
        values = dimension.values
        if len(values) < 3 or any(isinstance(value, str) for value in values):
            continue
        using = [d.knobs for d in designs if _looks_at(d.knobs, dimension.name)]
        taken = [knobs[dimension.name] for knobs in using if dimension.name in knobs]
        if not taken:
            continue
        low, high = min(values, key=float), max(values, key=float)
        for end, way in ((low, "lower"), (high, "upper")):
            share = taken.count(end) / len(taken)
            if share >= BOUND_SHARE and not (end == 0 and way == "lower"):
                found.append(
                    Finding(
                        "Knob at its bound",
                        "WARN",
                        f"{dimension.name} is {end:g} in {share:.0%} of the front, its {way} end.",
                        f"Offer values {'below' if way == 'lower' else 'above'} {end:g} if the "
                        "chip or the model can have them.",
                    )
                )
    return found or [Finding("Knob at its bound", "PASS", "No knob is pressed against its range.")]


def _looks_at(knobs: dict[str, str | int | float], name: str) -> bool:
    policies = {policy.value: KNOBS_OF_EXIT_POLICY[policy] for policy in ExitPolicy}
    owners = {policy for policy, names in policies.items() if name in names}
    return not owners or knobs.get("exit_policy") in owners


def _effects(run: RunSnapshot) -> list[Finding]:
    trials = run.trials
    rows = np.flatnonzero(trials.is_complete & ~trials.repeated)
    if len(rows) < LEAST_TRIALS:
        return []
    names = _targets(run)
    targets = [v[rows] for name, v in trials.values.items() if name in names]
    targets = [v for v in targets if np.isfinite(v).all() and np.ptp(v) > 0]
    if not targets:
        return []
    idle = []
    for name, knob in trials.knobs.items():
        codes = knob.codes[rows]
        if len(np.unique(codes)) < 2:
            continue
        if all(_effect(codes, values) < LEAST_EFFECT for values in targets):
            idle.append(name)
    if not idle:
        return [Finding("Knob without effect", "PASS", f"Every knob moves {_told(run)}.")]
    listed = ", ".join(idle)
    return [
        Finding(
            "Knob without effect",
            "WARN",
            f"Means of {_told(run)} hardly depend on {listed}.",
            "Fix what has no effect at one value: the budget goes further on the rest.",
        )
    ]


def _effect(codes: Integers, values: np.ndarray) -> float:
    """Spread of a value's means over the levels, less what chance alone makes of it, by its own."""
    counts = np.bincount(codes)
    taken = counts > 0
    means = np.bincount(codes, weights=values)[taken] / counts[taken]
    between = float(np.sum(counts[taken] * (means - values.mean()) ** 2)) / len(values)
    total = float(values.var())
    by_chance = (int(taken.sum()) - 1) / len(values)
    return max(0.0, between / total - by_chance) if total else 0.0


def _targets(run: RunSnapshot) -> list[str]:
    """Values of the trials that stand for the objectives."""
    if run.spec.search.strategy == "joint":
        return [objective.metric for objective in run.spec.objectives]
    return list(run.trials.values)


def _told(run: RunSnapshot) -> str:
    """What `_targets` are, in words."""
    if run.spec.search.strategy == "joint":
        return "the objectives"
    return "what the sampler is told of a setting (not each objective)"


def _predictable(run: RunSnapshot) -> list[Finding]:
    trials = run.trials
    found = []
    n_looked_at = 0
    for name in _targets(run):
        values = trials.values.get(name)
        if values is None:
            continue
        rows = np.flatnonzero(np.isfinite(values) & ~trials.repeated)
        knobs = [k.codes[rows] for k in trials.knobs.values() if len(np.unique(k.codes[rows])) > 1]
        if len(rows) < LEAST_TRIALS or not knobs or np.ptp(values[rows]) == 0:
            continue
        n_looked_at += 1
        share = explained_share(np.column_stack(knobs), values[rows])
        if share < LEAST_EXPLAINED:
            found.append(
                Finding(
                    "Predictability",
                    "WARN",
                    f"Knobs explain {max(share, 0.0):.0%} of the spread of {name} in trials that "
                    "were held out.",
                    "Importances and contours of it mean little yet: run more trials.",
                )
            )
    if found or not n_looked_at:
        return found
    text = f"Knobs explain much of {_told(run)}."
    return [Finding("Predictability", "PASS", text)]


def _errors(run: RunSnapshot) -> list[Finding]:
    """Accuracies of neighbours on the front against their standard error."""
    figures = [d.metrics["accuracy"] for d in run.front.designs if "accuracy" in d.metrics]
    known = [(f.value, f.se) for f in figures if f.se]
    if len(known) < 5:
        return []
    values = np.array(sorted({value for value, _ in known}))
    error = float(np.median([se for _, se in known]))
    gap = float(np.median(np.diff(values))) if len(values) > 1 else 0.0
    about = metric_of("accuracy", run.spec.scenario.task)
    unit = about.unit or "points"
    text = (
        f"The median standard error of the {about.title.lower()} is {error * about.scale:.2g} "
        f"{unit}, the median gap between neighbours on the front "
        f"{gap * about.scale:.2g} {unit}."
    )
    if error <= gap:
        return [Finding("Error bars", "PASS", text)]
    return [
        Finding(
            "Error bars",
            "WARN",
            text,
            "Neighbours cannot be told apart by accuracy: choose among them by cost, and look at "
            "the membership ('dse pareto --robust membership').",
        )
    ]
