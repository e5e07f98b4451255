"""The journal beside Optuna's own backend: the same trials written, synced and read again.

``python benchmarks/journal.py [--trials N] [--knobs N] [--repeats N] [--folder DIR] [--json]``

Both run the same study: ask, a random value for each knob, an attribute of some hundred bytes,
tell. Both sync to the disk of ``--folder``; ours once a trial, the stock one once a record.
Repeats take turns, and the fastest of each counts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from dse.journal import GroupCommitJournal

OPENED: dict[str, Callable[[Path], BaseStorage]] = {
    "stock": lambda path: JournalStorage(JournalFileBackend(str(path))),
    "ours": lambda path: JournalStorage(GroupCommitJournal(path)),
}


def measure(kind: str, path: Path, trials: int, knobs: int) -> dict[str, float]:
    """Seconds to write the trials and to open them again, and bytes of the file."""
    started = time.perf_counter()
    study = optuna.create_study(
        study_name="benchmark",
        storage=OPENED[kind](path),
        directions=["maximize", "minimize", "minimize"],
        sampler=optuna.samplers.RandomSampler(seed=1),
    )
    for _ in range(trials):
        trial = study.ask()
        values = [trial.suggest_int(f"knob{i}[index]", 0, 9) for i in range(knobs)]
        trial.set_user_attr("outcome", {"metrics": {f"m{i}": v / 7 for i, v in enumerate(values)}})
        study.tell(trial, [float(v) for v in values[:3]])
    written = time.perf_counter() - started
    started = time.perf_counter()
    again = optuna.load_study(study_name="benchmark", storage=OPENED[kind](path))
    n_read = len(again.get_trials(deepcopy=False))
    opened = time.perf_counter() - started
    assert n_read == trials
    return {"write_s": written, "open_s": opened, "bytes": path.stat().st_size}


def main() -> None:
    """Print both, and how many times as fast ours is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--knobs", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    best: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for repeat in range(arguments.repeats):
            for kind in OPENED:
                path = Path(folder) / f"{kind}-{repeat}.log"
                found = measure(kind, path, arguments.trials, arguments.knobs)
                before = best.get(kind, found)
                best[kind] = {name: min(before[name], value) for name, value in found.items()}
    result: dict[str, Any] = {
        "trials": arguments.trials,
        "knobs": arguments.knobs,
        **{kind: {n: round(v, 4) for n, v in found.items()} for kind, found in best.items()},
        "times_as_fast_to_write": round(best["stock"]["write_s"] / best["ours"]["write_s"], 2),
        "times_as_fast_to_open": round(best["stock"]["open_s"] / best["ours"]["open_s"], 2),
    }
    if arguments.json:
        print(json.dumps(result, indent=1))
        return
    for kind, found in best.items():
        print(
            f"{kind:6} {found['write_s']:.3f} s to write {arguments.trials} trials, "
            f"{found['open_s']:.3f} s to open them, {found['bytes'] / 1e6:.2f} MB"
        )
    print(
        f"ours writes {result['times_as_fast_to_write']} times as fast, opens "
        f"{result['times_as_fast_to_open']} times as fast"
    )


if __name__ == "__main__":
    main()
