"""Runs that are made up, for pages that need no folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from studies.bench import Bench
from studies.records import Front
from studies.run_snapshot import RunSnapshot, RunState
from studies.spec import spec_of
from studies.trial_table import TrialTable, no_trials, trial_table
from tests.small_study import changed, small_document


def made_up_trials(n: int, *, infeasible: int = 0, **columns: list[Any]) -> TrialTable:
    """A table of n trials a second apart, the last of them infeasible; columns are added to it."""
    states = ["complete"] * (n - infeasible) + ["infeasible"] * infeasible
    table = {
        "trial": list(range(n)),
        "state": states,
        "reason": ["" if state == "complete" else "no room" for state in states],
        "repeated_of": pa.array([None] * n, type=pa.int64()),
        "wall_start_s": [float(i) for i in range(n)],
        "wall_seconds": [1.0] * n,
        "wall_evaluation_s": [0.5] * n,
        "designs_scored": [1] * n,
    }
    return trial_table(pa.table(table | columns)) if n else no_trials()


def made_up_snapshot(
    front: Front,
    trials: TrialTable,
    *,
    state: RunState = "finished",
    changes: Mapping[str, Any] | None = None,
) -> RunSnapshot:
    """A snapshot of the small study; changes are values of its document by dotted name."""
    spec = spec_of(changed(small_document(), changes or {}), "test")
    return RunSnapshot(number=1, state=state, spec=spec, front=front, trials=trials, note="")


@dataclass
class FakeRun:
    """A run that is whatever it was made with; a text instead of a snapshot is its damage."""

    name: str
    found: RunSnapshot | str
    path: Path = Path("runs/fake")

    def snapshot(self) -> RunSnapshot:
        """As given."""
        if isinstance(self.found, str):
            raise ValueError(self.found)
        return self.found

    def grown(self, **changes: Any) -> None:
        """Become another version."""
        assert isinstance(self.found, RunSnapshot)
        self.found = replace(self.found, number=self.found.number + 1, **changes)

    def bench(self) -> Bench:
        """None."""
        raise ValueError("nothing can be scored here")

    def importances(self, target: str) -> Mapping[str, float]:
        """None."""
        raise ValueError(f"too few trials for {target}")

    def exported(self, design_id: int) -> Mapping[str, bytes]:
        """One file."""
        return {"design.json": str(design_id).encode()}
