"""Figures of a benchmark: taken by the clock, told as one line of JSON or as a table."""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Mapping


def seconds(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Least wall time and least processor time of all threads of several runs, s."""
    wall, processor = [], []
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    return min(wall), min(processor)


def rates(work: Callable[[], object], count: int, repeats: int) -> tuple[float, float]:
    """Best rate by wall time and by processor time, after one run that is not counted."""
    work()
    wall, processor = seconds(work, repeats)
    return count / wall, count / processor


def peak_memory_mib() -> float:
    """The most memory that the process held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts it in KiB


def fastest(works: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Least wall time of each, s, taken in turn after one run that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for repeat in range(repeats + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if repeat:
                times[name].append(time.perf_counter() - start)
    return {name: min(values) for name, values in times.items()}


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options of the command line, ``--json`` added as the last of them."""
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def tell(figures: Mapping[str, float], row: Callable[[str, float], str], *, as_json: bool) -> None:
    """Print figures in one line of JSON, or each in the row that its name and value make."""
    if as_json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(row(name, value))
