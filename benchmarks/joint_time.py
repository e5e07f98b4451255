"""Where the time of a joint study goes: sampler, storage, cost model, and the rest (the driver).

``python benchmarks/joint_time.py [--trials N] [--traces DIR] [--json]``

Runs the preset `edgebert-sst2` with the joint strategy on recorded traces in a temporary folder.
The clock starts when the study is opened and stops when the last trial is told; records and report
are left out. Times are exclusive: storage called by the sampler counts as storage.
"""

from __future__ import annotations

import argparse
import functools
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from figures import parsed
from optuna.samplers import NSGAIISampler
from optuna.storages import JournalStorage

from dse.evaluation import Evaluation
from dse.executors import InlineExecutor
from dse.search import Search
from dse.storage import open_storage
from studies.presets import load_study
from studies.recorded import SHIPPED, RecordedTraces


class Shares:
    """Exclusive time by label, from wrapped methods."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._labels = ["driver"]
        self._since = time.perf_counter()

    def switch(self, label: str | None) -> None:
        """Charge the time so far to the current label; enter a label, or leave it (None)."""
        now = time.perf_counter()
        self.seconds[self._labels[-1]] += now - self._since
        self._since = now
        if label is None:
            self._labels.pop()
        else:
            self._labels.append(label)

    def wrap(self, owner: type, name: str, label: str) -> None:
        """Charge calls of a method to a label."""
        method = getattr(owner, name)

        @functools.wraps(method)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.switch(label)
            try:
                return method(*args, **kwargs)
            finally:
                self.switch(None)

        setattr(owner, name, timed)


def measure(trials: int, traces: Path) -> dict[str, Any]:
    """Run the study once; seconds by part."""
    spec = load_study("edgebert-sst2").with_overrides(
        {"search.strategy": "joint", "search.trials": trials}
    )
    shares = Shares()
    for name in (
        "infer_relative_search_space",
        "sample_relative",
        "sample_independent",
        "before_trial",
        "after_trial",
    ):
        shares.wrap(NSGAIISampler, name, "sampler")
    for name in ("_write_log", "_sync_with_backend", "get_all_trials", "get_trial"):
        shares.wrap(JournalStorage, name, "storage")
    shares.wrap(Evaluation, "evaluate", "cost model")
    with tempfile.TemporaryDirectory() as folder:
        evaluation = Evaluation(spec, RecordedTraces(traces))
        shares.switch("driver")
        shares.seconds.clear()
        started = time.perf_counter()
        search = Search(spec, open_storage(None, Path(folder) / "journal.log"), "benchmark")
        search.run(InlineExecutor(evaluation), lambda _: None)
        total = time.perf_counter() - started
        shares.switch(None)
    return {
        "trials": trials,
        "seconds": round(total, 3),
        "trials_per_second": round(trials / total, 1),
        "seconds_by_part": {name: round(value, 3) for name, value in shares.seconds.items()},
        "share_outside_sampler_storage_cost_model": round(shares.seconds["driver"] / total, 4),
        "front_size": len(search.archive.members),
    }


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1_000)
    parser.add_argument("--traces", type=Path, default=SHIPPED)
    arguments = parsed(parser)
    result = measure(arguments.trials, arguments.traces)
    if arguments.json:
        print(json.dumps(result, indent=1))
        return
    print(
        f"{result['trials']} joint trials in {result['seconds']} s "
        f"({result['trials_per_second']} a second), front {result['front_size']}"
    )
    for name, seconds in result["seconds_by_part"].items():
        print(f"  {name:12} {seconds:8.3f} s  {seconds / result['seconds']:6.1%}")


if __name__ == "__main__":
    main()
