"""What leaving accelerators out saves: inner fronts of recorded settings, pruned and whole.

    python benchmarks/enumeration.py [--study edgebert-sst2] [--settings 6] [--json]

Each setting is enumerated whole and with floors (`studies.floors`), and both fronts must name the
same designs. Reported are seconds, the share of designs that no score was needed for, and the
largest memory that the process has held.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from typing import Any

import numpy as np

from dse.evaluation import Evaluation
from search_space import MODEL_KNOBS
from studies.enumeration import inner_front
from studies.inner_space import InnerSpace
from studies.presets import load_study
from studies.recorded import RecordedTraces


def measure(study: str, n_settings: int) -> list[dict[str, Any]]:
    """One row for each of some settings, evenly spaced over the study's."""
    spec = load_study(study)
    evaluation = Evaluation(spec, RecordedTraces())
    space = spec.search_space()
    inner = InnerSpace.of(space)
    points = space.points(MODEL_KNOBS)
    rows = []
    for place in np.linspace(0, len(points) - 1, n_settings + 1).astype(int):
        flat = points[place]
        seconds, fronts = [], []
        for prune in (False, True):
            started = time.perf_counter()
            fronts.append(
                inner_front(
                    evaluation.asked_scorer,
                    evaluation.setting(flat),
                    flat,
                    inner,
                    spec.objectives,
                    spec.constraints,
                    prune=prune,
                )
            )
            seconds.append(time.perf_counter() - started)
        whole, pruned = fronts
        assert (whole.hardware == pruned.hardware).all()
        assert (whole.exits == pruned.exits).all()
        rows.append(
            {
                "setting": int(place),
                "checkpoint": flat["checkpoint"],
                "designs": pruned.designs_scored,
                "pruned_share": round(pruned.designs_pruned / pruned.designs_scored, 3),
                "front": len(pruned.values),
                "whole_s": round(seconds[0], 3),
                "pruned_s": round(seconds[1], 3),
            }
        )
    return rows[1:]  # the first one compiles


def main() -> None:
    """Print a row for each setting, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", default="edgebert-sst2")
    parser.add_argument("--settings", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = measure(arguments.study, arguments.settings)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if arguments.json:
        print(json.dumps({"settings": rows, "peak_mib": round(megabytes)}, indent=1))
        return
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    whole, pruned = (sum(row[name] for row in rows) for name in ("whole_s", "pruned_s"))
    print(f"{whole:.2f} s whole, {pruned:.2f} s pruned; peak {megabytes:.0f} MiB")


if __name__ == "__main__":
    main()
