"""Speed of scoring on a finished cost table: (design, exit setting) pairs a second.

``python benchmarks/scoring.py [--designs N] [--settings N] [--groups N] [--repeats N] [--json]``

Costs are made up: sentences of 6 to 50 tokens that leave after layer 1 to 12, on designs of
different speed, and 1,000 sentences spread over the groups anew for every exit setting. Rates are
given by wall time and by processor time of all threads, which is the rate of one core.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
from figures import parsed, peak_memory_mib, rates, tell

from studies.statistics import SentenceStatistics

_DEADLINE_NS: Final = 4e6
_SENTENCES: Final = 1_000

MEASURED: Final = {
    "mean_energy": ("energy_pj",),
    "p99_and_misses": ("latency_p99_ns", "deadline_miss_rate"),
    "latency_p50_p99_max": ("latency_p50_ns", "latency_p99_ns", "latency_max_ns"),
    "power_and_throughput": ("power_mw", "duty_cycle", "throughput_per_s", "peak_power_mw"),
}
"""Metrics asked for together."""


def made_up_statistics(designs: int, settings: int, groups: int) -> SentenceStatistics:
    """Random costs of designs, and random shares of exit settings."""
    rng = np.random.default_rng(0)
    work = rng.integers(6, 51, size=groups) * rng.integers(1, 13, size=groups) * 1e4
    latency_ns = (
        work
        * rng.gamma(4.0, 0.25, size=(designs, 1))
        * rng.uniform(0.8, 1.2, size=(designs, groups))
    )
    weights = rng.dirichlet(np.full(groups, 0.5), size=settings)
    counts = np.array([rng.multinomial(_SENTENCES, row) for row in weights])
    return SentenceStatistics(
        energy_pj=latency_ns * rng.uniform(20, 60, size=(designs, 1)),
        latency_ns=latency_ns,
        missed=latency_ns > _DEADLINE_NS,
        shares=counts / _SENTENCES,
        standby_power_mw=rng.random(designs),
        sentences_per_hour=3600.0,
        charged_until_ns=_DEADLINE_NS,
    )


def _values_of_a_copy(made_up: SentenceStatistics, metrics: tuple[str, ...]) -> object:
    return replace(made_up).values(metrics)


def measure(designs: int, settings: int, groups: int, repeats: int) -> dict[str, float]:
    """Rates of each set of metrics, and the most memory that the process held."""
    made_up = made_up_statistics(designs, settings, groups)
    result: dict[str, float] = {"designs": designs, "settings": settings, "groups": groups}
    for name, metrics in MEASURED.items():
        # A copy starts afresh: nothing that an earlier run worked out is kept.
        wall, processor = rates(
            partial(_values_of_a_copy, made_up, metrics), designs * settings, repeats
        )
        result[f"{name}_pairs_per_wall_s"] = wall
        result[f"{name}_pairs_per_cpu_s"] = processor
    result["peak_memory_mib"] = peak_memory_mib()
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--designs", type=int, default=2_000)
    parser.add_argument("--settings", type=int, default=100)
    parser.add_argument("--groups", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=10)
    options = parsed(parser)
    result = measure(options.designs, options.settings, options.groups, options.repeats)
    tell(result, "{:40s} {:14,.0f}".format, as_json=options.json)


if __name__ == "__main__":
    main()
