"""A run as others look at it while it goes on and afterwards: read only, and only what is new."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dse.errors import DseError, RunFolderError
from dse.evaluation import Evaluation, Outcome
from dse.export import export_design
from dse.finish import provenance_of
from dse.importance import knob_importances
from dse.journal_follower import FollowedTrial, JournalFollower
from dse.live_front import LiveFront, ToldPoint
from dse.liveness import is_driven
from dse.rescored import source_of_run
from dse.runs import RunFolder, run_folders
from dse.strategies import Joint, Nested, Strategy
from studies.cost_models import COST_MODELS
from studies.records import Front
from studies.run_snapshot import RunSnapshot, RunState
from studies.spec import StudySpec
from studies.trial_table import TrialTable, no_trials, trial_table


class WatchedRun:
    """One run folder.

    A finished run is read from its records, one that goes on from its journal. Nothing is written.

    Attributes:
        name: of the run, as people choose it from a list.
        path: of its folder.
    """

    def __init__(self, name: str, path: Path) -> None:
        """Watch the run in a folder; nothing is read yet."""
        self.name, self.path = name, path
        self._folder = RunFolder(path.absolute())
        self._lock = threading.RLock()
        self._stamp: tuple[object, ...] = ()
        self._snapshot: RunSnapshot | None = None
        self._evaluation: Evaluation | None = None
        self._importances: dict[tuple[str, int], dict[str, float]] = {}
        self._forget()

    def _forget(self) -> None:
        self._follower = JournalFollower(self._folder.journal)
        self._live: LiveFront | None = None
        self._rows: list[dict[str, Any]] = []
        self._first_rows: dict[int, dict[str, Any]] = {}

    def snapshot(self) -> RunSnapshot:
        """What is known of the run now; the same object while nothing has changed.

        Raises:
            ValueError: the folder is no run, or damaged; the sentence says what is wrong.
        """
        with self._lock:
            driven = is_driven(self.path)
            stamp = (driven, *map(_stamp, (self._folder.journal, self._folder.front)))
            if self._snapshot is None or stamp != self._stamp:
                try:
                    self._snapshot = self._read(driven)
                except (DseError, OSError) as error:
                    raise ValueError(str(error)) from error
                self._stamp = stamp
            return self._snapshot

    def _read(self, driven: bool) -> RunSnapshot:
        spec = self._folder.spec()
        is_whole = self._folder.front.is_file() and self._folder.trials.is_file()
        if is_whole and not driven:
            front = self._folder.front_record()
            trials = finished_trials(self._folder.trials)
            return self._taken(spec, front, trials, "finished", "")
        try:
            told = self._follower.advance()
        except FileNotFoundError:
            told = []
        state: RunState = "running" if driven else "unfinished"
        self._take(spec, told)
        asked = sum(t.completed is None and "flat" in t.attributes for t in self._follower.trials)
        trials = _table(self._rows, asked)
        note = "" if driven else "Nothing drives this run now: 'dse resume' goes on with it."
        return self._taken(spec, self._live_record(spec), trials, state, note)

    def _taken(
        self, spec: StudySpec, front: Front, trials: TrialTable, state: RunState, note: str
    ) -> RunSnapshot:
        number = self._snapshot.number + 1 if self._snapshot else 1
        return RunSnapshot(
            number=number, state=state, spec=spec, front=front, trials=trials, note=note
        )

    def _take(self, spec: StudySpec, told: list[FollowedTrial]) -> None:
        """Take up trials that were told."""
        if self._live is None:
            self._live = LiveFront(spec)
        kind = Joint if spec.search.strategy == "joint" else Nested
        strategy: Strategy = kind(spec, spec.search_space())
        points = []
        for trial in told:
            attributes = trial.attributes
            if "flat" not in attributes or "reaped" in attributes:
                continue
            repeated, times = attributes.get("repeated_of"), _times(trial)
            if repeated is not None:
                own = {"trial": trial.number, "repeated_of": repeated, "designs_scored": 0}
                self._rows.append(self._first_rows[repeated] | own | times)
                continue
            outcome = Outcome(**attributes["outcome"])
            row = _row(trial, outcome, strategy) | times
            self._rows.append(row)
            self._first_rows[trial.number] = row
            place = len(self._rows)
            points.append(
                ToldPoint(
                    number=trial.number, flat=attributes["flat"], outcome=outcome, place=place
                )
            )
            attributes["outcome"] = None  # taken up: a long run need not keep it twice
        self._live.add(points)

    def _live_record(self, spec: StudySpec) -> Front:
        assert self._live is not None
        states = [row["state"] for row in self._rows]
        counts = {
            "trials": len(states),
            "distinct": sum(row["repeated_of"] is None for row in self._rows),
            **{state: states.count(state) for state in ("complete", "infeasible", "failed")},
        }
        origin = {"task": spec.scenario.task}
        return self._live.record(self.bench(), counts, provenance_of(spec, origin))

    def bench(self) -> Evaluation:
        """What scores designs of this run: its study's scorer and its measured settings.

        Raises:
            ValueError: the study has a cost model of its own, which is not run here, or its traces
                cannot be had.
        """
        with self._lock:
            if self._evaluation is None:
                spec = self._folder.spec()
                if spec.cost_model.name not in COST_MODELS:
                    raise ValueError(
                        f"The study has cost model {spec.cost_model.name!r}: only those that are "
                        "shipped are run for a dashboard, so nothing can be scored anew."
                    )
                try:
                    self._evaluation = Evaluation(spec, source_of_run(self._folder))
                except DseError as error:
                    raise ValueError(str(error)) from error
            return self._evaluation

    def importances(self, target: str) -> dict[str, float]:
        """Share of a value's variance over trials that each knob explains, the largest first.

        Args:
            target: name of a column of `TrialTable.values`.

        Raises:
            ValueError: too few trials have a value, or it does not vary.
        """
        snapshot = self.snapshot()
        with self._lock:
            key = (target, snapshot.number)
            if key not in self._importances:
                found = knob_importances(snapshot.trials, target)
                self._importances = {
                    k: v for k, v in self._importances.items() if k[1] == snapshot.number
                } | {key: found}
            return self._importances[key]

    def exported(self, design_id: int) -> dict[str, bytes]:
        """Files of the export folder of a design by name, as ``dse export`` writes them.

        Raises:
            ValueError: there is no such design, or it cannot be exported.
        """
        front = self.snapshot().front
        with tempfile.TemporaryDirectory() as folder:
            try:
                design = front.design(design_id)
                export_design(self._folder, design, f"id={design_id}", Path(folder) / "export")
            except DseError as error:
                raise ValueError(str(error)) from error
            root = Path(folder) / "export"
            files = sorted(path for path in root.rglob("*") if path.is_file())
            return {str(path.relative_to(root)): path.read_bytes() for path in files}


def finished_trials(path: Path) -> TrialTable:
    """The trials of a run that has ended, from its ``trials.parquet``.

    Raises:
        RunFolderError: the file is damaged.
    """
    try:
        with path.open("rb") as file:
            table = pq.read_table(pa.BufferReader(file.read()), page_checksum_verification=True)
        return trial_table(table)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        first = str(error).splitlines()[0]
        raise RunFolderError(
            f"{path}: damaged ({first}); 'dse resume' writes it anew from the journal."
        ) from error


def _table(rows: list[dict[str, Any]], in_flight: int) -> TrialTable:
    if not rows:
        return replace(no_trials(), in_flight=in_flight)
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: pa.array([row.get(name) for row in rows]) for name in names}
    return trial_table(pa.table(columns), in_flight=in_flight)


def _row(trial: FollowedTrial, outcome: Outcome, strategy: Strategy) -> dict[str, Any]:
    """A row as `dse.trials_table` writes it, without its times."""
    told: Mapping[str, float] = {}
    if strategy.kind == "setting" and outcome.state != "failed":
        told = dict(zip(strategy.metric_names, strategy.told(outcome)[0], strict=True))
    return {
        "trial": trial.number,
        "state": outcome.state,
        "reason": outcome.reason,
        "repeated_of": None,
        **trial.attributes["flat"],
        **outcome.metrics,
        **told,
        "designs_scored": outcome.designs_scored,
        "wall_evaluation_s": outcome.seconds,
    }


def _times(trial: FollowedTrial) -> dict[str, float]:
    started = _seconds(trial.started)
    return {"wall_start_s": started, "wall_seconds": _seconds(trial.completed) - started}


def _seconds(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else float("nan")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns, about.st_ino


def watched_runs(paths: Sequence[Path], root: Path) -> list[WatchedRun]:
    """The runs in some folders: each a run folder, or a folder of run folders.

    Args:
        paths: of the folders; none for all runs below ``root``.
        root: where runs are by default.

    Raises:
        RunFolderError: a folder is not there, or there is no run at all.
    """
    found: list[Path] = []
    for path in paths or [root]:
        if not path.is_dir():
            raise RunFolderError(
                f"{path}: no such folder; give run folders, or start a run with 'dse run'."
            )
        inside = [folder.path for folder in run_folders(path)]
        is_run = (path / "spec.json").is_file() or not inside
        found += [path] if is_run and paths else inside
    if not found:
        raise RunFolderError(f"{root}: holds no run; start one with 'dse run', or name a folder.")
    here = Path.cwd()
    unique = dict.fromkeys(path.absolute() for path in found)
    shown = [path.relative_to(here) if path.is_relative_to(here) else path for path in unique]
    names = [path.name for path in unique]
    return [
        WatchedRun(path.name if names.count(path.name) == 1 else str(path), path) for path in shown
    ]
