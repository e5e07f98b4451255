"""How soon searches find the exact front: goals, a table and a picture of the runs kept.

``python benchmarks/search.py [FOLDER] [--seeds 10] [--kept] [--picture FILE.svg] [--json]``

(the picture over settings is FILE.svg, that over time FILE-time.svg)

makes what is missing of the runs (`search_runs`; with ``--kept`` nothing) and says, for each way to
search, how many distinct settings had to be measured, and how long that takes, until the
hypervolume of its front is 90, 95 and 99 % of the exact one, and whether the goals of 99 % are met.
Time is that of the sentences, one setting after the other, and the processor time of all the rest;
the plain script is the best joint sampler whose every trial measures its sentences anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from curves import chart
from exact_fronts import ExactFronts
from figures import parsed
from search_runs import METHODS, runs_of

from studies.presets import load_study
from studies.recorded import SHIPPED

SHARES: Final = (0.90, 0.95, 0.99)
OWN: Final = "nested fronts"
STEP_S: Final = 20
"""Seconds between points of the picture over time."""
Rows = Sequence[dict[str, float]]


def until(rows: Rows, volume: float, *, cached: bool = True) -> tuple[float, float] | None:
    """Distinct settings and seconds until a hypervolume; None if it was not reached."""
    for trial, row in enumerate(rows, start=1):
        if row["hypervolume"] >= volume:
            if cached:
                return row["traces"], row["live_s"] + row["own_s"]
            return trial, row["live_every_s"] + row["own_s"]
    return None


def summary(runs: Sequence[dict[str, Any]], method: str, exact: float, *, cached: bool) -> Any:
    """Medians and ranges over the seeds of one method."""
    chosen = [run["rows"] for run in runs if run["method"] == method]
    found: dict[str, Any] = {
        "runs": len(chosen),
        "trials": max(len(rows) for rows in chosen),
        "settings_at_the_end": _spread([rows[-1]["traces"] for rows in chosen]),
        "share_at_the_end": _spread([rows[-1]["hypervolume"] / exact for rows in chosen]),
    }
    for share in SHARES:
        reached = [until(rows, share * exact, cached=cached) for rows in chosen]
        hit = [pair for pair in reached if pair is not None]
        found[f"reached_{share:.0%}"] = f"{len(hit)} of {len(chosen)}"
        if 2 * len(hit) > len(chosen):
            # Runs that did not get there count as later than any that did.
            late = [np.inf] * (len(chosen) - len(hit))
            found[f"settings_to_{share:.0%}"] = _median([pair[0] for pair in hit] + late)
            found[f"seconds_to_{share:.0%}"] = _median([pair[1] for pair in hit] + late)
    return found


def goals(runs: Sequence[dict[str, Any]], joint: str, exact: float, grid: int) -> dict[str, Any]:
    """What our sampler needs for 99 %, beside the grid and the best joint search.

    A joint run that ends below 99 % counts with what it had spent at its end, so that ratios are
    lower bounds then.
    """
    chosen = {n: [r["rows"] for r in runs if r["method"] == n] for n in (OWN, joint)}
    own = [until(rows, SHARES[-1] * exact) or (np.inf, np.inf) for rows in chosen[OWN]]
    other = [_until_or_end(rows, exact, cached=True) for rows in chosen[joint]]
    plain = [_until_or_end(rows, exact, cached=False) for rows in chosen[joint]]
    settings, seconds = (_median([pair[i] for pair in own]) for i in (0, 1))
    return {
        "best joint search": joint,
        "joint runs that reach 99 %": sum(
            until(rows, SHARES[-1] * exact) is not None for rows in chosen[joint]
        ),
        "share of the grid (goal 0.25)": round(settings / grid, 3),
        "share of the joint search's settings (goal 0.333)": round(
            settings / _median([pair[0] for pair in other]), 3
        ),
        "times sooner than the joint search (goal 5)": round(
            _median([pair[1] for pair in other]) / seconds, 1
        ),
        "times sooner than the plain script (goal 50)": round(
            _median([pair[1] for pair in plain]) / seconds, 1
        ),
    }


def _until_or_end(rows: Rows, exact: float, *, cached: bool) -> tuple[float, float]:
    found = until(rows, SHARES[-1] * exact, cached=cached)
    end = rows[-1]
    if cached:
        return found or (end["traces"], end["live_s"] + end["own_s"])
    return found or (len(rows), end["live_every_s"] + end["own_s"])


def _median(values: Sequence[float]) -> float:
    return round(float(np.median(values)), 1)


def _spread(values: Sequence[float]) -> list[float]:
    return [round(float(v), 4) for v in (np.median(values), np.min(values), np.max(values))]


def curves(runs: Sequence[dict[str, Any]], exact: float) -> dict[str, list[float]]:
    """Median share of the exact hypervolume when 1, 2, … settings had been measured, by method."""
    found = {}
    for name in METHODS:
        chosen = [run["rows"] for run in runs if run["method"] == name]
        if chosen:
            most = int(max(rows[-1]["traces"] for rows in chosen))
            volumes = np.array([_by_settings(rows, most) for rows in chosen])
            found[name] = (np.median(volumes, axis=0) / exact).tolist()
    return found


def curves_in_time(runs: Sequence[dict[str, Any]], exact: float) -> dict[str, list[float]]:
    """Median share of the exact hypervolume after 1, 2, … times `STEP_S` seconds, by method."""
    found = {}
    for name in METHODS:
        chosen = [run["rows"] for run in runs if run["method"] == name]
        if chosen:
            volumes = [_by_time(rows) for rows in chosen]
            least = min(len(each) for each in volumes)  # later there are not all runs
            found[name] = (np.median([v[:least] for v in volumes], axis=0) / exact).tolist()
    return found


def _by_time(rows: Rows) -> list[float]:
    """Hypervolume after 1, 2, … times `STEP_S` seconds, as long as the run lasted."""
    times = np.array([row["live_s"] + row["own_s"] for row in rows])
    volumes = np.concatenate([[0.0], [row["hypervolume"] for row in rows]])
    steps = np.arange(STEP_S, times[-1] + STEP_S, STEP_S)
    risen: list[float] = volumes[np.searchsorted(times, steps, side="right")].tolist()
    return risen


def _by_settings(rows: Rows, most: int) -> list[float]:
    """Hypervolume when so many settings, 1 to ``most``, had been measured."""
    best = [0.0] * most
    for row in rows:
        best[int(row["traces"]) - 1] = row["hypervolume"]
    risen: list[float] = np.maximum.accumulate(best).tolist()
    return risen


def main() -> None:
    """Print a row for each method, and the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs/search-benchmark"))
    parser.add_argument("--study", default="edgebert-sst2")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--traces", type=Path, default=SHIPPED)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--kept", action="store_true")
    parser.add_argument("--picture", type=Path)
    arguments = parsed(parser)
    study = load_study(arguments.study)
    fronts = ExactFronts.of(arguments.folder, study, arguments.traces)
    runs = runs_of(
        arguments.folder,
        study,
        arguments.traces,
        arguments.seeds,
        arguments.methods,
        make=not arguments.kept,
    )
    made = {run["method"] for run in runs}
    exact = fronts.hypervolume()
    grid = fronts.n_traces()
    rows = {name: summary(runs, name, exact, cached=True) for name in METHODS if name in made}
    joint = [name for name in rows if name.startswith("joint")]
    result: dict[str, Any] = {
        "exact_hypervolume": exact,
        "designs_on_the_exact_front": len(fronts.joint_front()),
        "grid": grid,
        "methods": rows,
    }
    if joint:
        best = max(joint, key=lambda name: rows[name]["share_at_the_end"][0])
        rows[f"plain script ({best})"] = summary(runs, best, exact, cached=False)
        if OWN in rows:
            result["goals"] = goals(runs, best, exact, grid)
    if arguments.picture is not None:
        share = "share of the exact front's hypervolume"
        by_settings = chart(curves(runs, exact), 0.3, "distinct settings measured", share)
        arguments.picture.write_text(by_settings)
        in_time = chart(curves_in_time(runs, exact), 0.3, "seconds", share, STEP_S)
        arguments.picture.with_stem(f"{arguments.picture.stem}-time").write_text(in_time)
    if arguments.json:
        print(json.dumps(result, indent=1))
        return
    print(f"exact hypervolume {exact:.4f}; {result['grid']} distinct settings")
    for name, row in rows.items():
        print(f"{name:28}" + "  ".join(f"{key} {value}" for key, value in row.items()))
    for name, value in result.get("goals", {}).items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
