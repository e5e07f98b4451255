"""Speed of exit policies: exit layers of all sentences at many thresholds.

``python benchmarks/exit_policies.py [--thresholds N] [--sentences N] [--exits N] [--repeats N]
[--json]``

The trace is made up. Times are the best of several, in ms: from entropies or confidences at hand
to the exit layer of every sentence at every threshold, thresholds in order and shuffled;
patience for as many settings of it; then the same through settings of the exit knobs, and the
drop targets of 1, 2 and 5 points.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
from figures import parsed, seconds, tell

from evaluators.drop_targets import drop_targets
from evaluators.exit_levels import exit_agreement
from evaluators.exits import (
    confident_exits,
    conventional_exits,
    exit_layers,
    latency_aware_exits,
    patient_exits,
)
from evaluators.testing import made_up_trace
from search_space import ExitKnobs, ExitPolicy


def best_ms(work: Callable[[], object], repeats: int) -> float:
    """Least time of several runs, ms."""
    return seconds(work, repeats)[0] * 1e3


def measure(thresholds: int, sentences: int, exits: int, repeats: int) -> dict[str, float]:
    """Best time of each policy, ms."""
    trace = made_up_trace(0, n_select=sentences, n_report=2, n_exits=exits)
    entropy, confidence = trace.entropy[:sentences], trace.confidence[:sentences]
    table, agrees = trace.predicted_entropies, exit_agreement(trace, 0.5)[:sentences]
    in_order = np.linspace(0.0, 0.7, thresholds)
    shuffled = np.random.default_rng(0).permutation(in_order)
    result: dict[str, float] = {"thresholds": thresholds, "sentences": sentences, "exits": exits}
    for order, values in {"in_order": in_order, "shuffled": shuffled}.items():
        runs: dict[str, Callable[[], object]] = {
            "entropy": partial(conventional_exits, entropy, values),
            "confidence": partial(confident_exits, confidence, 1 - values / 2),
            "latency_aware": partial(latency_aware_exits, entropy, table, values),
            "patience": partial(patient_exits, agrees, 1 + (values * exits).astype(np.int64)),
        }
        for name, run in runs.items():
            result[f"{name}_{order}_ms"] = best_ms(run, repeats)
    for policy in (ExitPolicy.ENTROPY, ExitPolicy.LATENCY_AWARE):
        name = policy.value.replace("-", "_")
        knobs = [ExitKnobs(exit_policy=policy, entropy_threshold=t) for t in in_order.tolist()]
        result[f"{name}_knobs_ms"] = best_ms(partial(exit_layers, trace, knobs), repeats)
        targets = partial(drop_targets, trace, policy, (0.01, 0.02, 0.05))
        result[f"{name}_drop_targets_ms"] = best_ms(targets, repeats)
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--thresholds", type=int, default=10_000)
    parser.add_argument("--sentences", type=int, default=872)
    parser.add_argument("--exits", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=10)
    options = parsed(parser)
    result = measure(options.thresholds, options.sentences, options.exits, options.repeats)
    tell(result, "{:32s} {:10,.1f}".format, as_json=options.json)


if __name__ == "__main__":
    main()
