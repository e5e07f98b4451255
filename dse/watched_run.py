"""A run as others look at it while it goes on and afterwards: read only, and only what is new."""

from __future__ import annotations

import gc
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from dse.database_follower import DatabaseFollower
from dse.errors import DseError, RunFolderError
from dse.evaluation import Evaluation
from dse.export import export_design
from dse.importance import knob_importances
from dse.journal_follower import FollowedTrial, JournalFollower
from dse.live_front import LiveFront, ToldPoint
from dse.liveness import is_driven
from dse.outcomes import Outcome
from dse.provenance import provenance_of
from dse.rescored import source_of_run
from dse.runs import RunFolder, run_folders
from dse.strategies import Joint, Nested, Strategy
from dse.told_rows import ToldRows
from studies.cost_models import COST_MODELS
from studies.records import Front
from studies.run_snapshot import RunSnapshot, RunState
from studies.spec import StudySpec
from studies.trial_table import TrialTable, trial_table

TRIALS_AT_ONCE: Final = 1_000
"""Told trials that are held as such at a time."""
READING_SECONDS: Final = 2.0
"""Of a processor that a look spends on reading told trials; the next one goes on from there."""


class WatchedRun:
    """One run folder.

    A finished run is read from its records, one that goes on from its journal or its database.
    Nothing is written.

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
        self._followed: JournalFollower | DatabaseFollower | None = None
        self._live: LiveFront | None = None
        self._unread: Iterator[FollowedTrial] | None = None
        self._waits = 0
        self._rows = ToldRows()

    def snapshot(self) -> RunSnapshot:
        """What is known of the run now; the same object while nothing has changed.

        A look is soon over: of a long run that goes on, the first ones leave trials and designs to
        the next, and say so in the note.

        Raises:
            ValueError: the folder is no run, or damaged; the sentence says what is wrong.
        """
        with self._lock:
            driven = is_driven(self.path)
            is_whole = self._folder.front.is_file() and self._folder.trials.is_file()
            is_finished = is_whole and not driven
            try:
                told = None if is_finished else self._follower().stamp()
                stamp = (driven, _stamp(self._folder.front), told)
                if self._snapshot is None or stamp != self._stamp:
                    with _collector_paused():
                        self._snapshot = self._read(driven, is_finished)
                    is_behind = self._waits or self._unread is not None
                    self._stamp = () if is_behind else stamp
            except (DseError, OSError) as error:
                raise ValueError(str(error)) from error
            return self._snapshot

    def whole_snapshot(self) -> RunSnapshot:
        """What is known of the run now, with all that looks leave to later ones.

        Raises:
            ValueError: as of `snapshot`.
        """
        with self._lock:
            found = self.snapshot()
            while not self._stamp:
                found = self.snapshot()
            return found

    def _follower(self) -> JournalFollower | DatabaseFollower:
        """What reads the trials of the run while it goes on."""
        if self._followed is None:
            self._folder.spec()  # what is no run at all says so first
            settings = self._folder.settings()
            url, name = settings["storage"], settings["study_name"]
            journal = JournalFollower(self._folder.journal)
            self._followed = journal if url is None else DatabaseFollower(url, name)
        return self._followed

    def _read(self, driven: bool, is_finished: bool) -> RunSnapshot:
        spec = self._folder.spec()
        self._waits = 0
        if is_finished:
            front = self._folder.front_record()
            trials = finished_trials(self._folder.trials)
            return self._taken(spec, front, trials, "finished", "")
        since = time.thread_time()
        self._take(spec)
        state: RunState = "running" if driven else "unfinished"
        trials = self._rows.trials(self._follower().in_flight)
        front = self._live_record(spec, since)
        notes = [] if driven else ["Nothing drives this run now: 'dse resume' goes on with it."]
        if self._unread is not None:
            notes.append(f"{len(self._rows):,} trials are read so far; the rest is being read.")
        if self._waits:
            notes.append(f"{self._waits:,} more designs of the front are being worked out.")
        return self._taken(spec, front, trials, state, " ".join(notes))

    def _taken(
        self, spec: StudySpec, front: Front, trials: TrialTable, state: RunState, note: str
    ) -> RunSnapshot:
        number = self._snapshot.number + 1 if self._snapshot else 1
        return RunSnapshot(
            number=number, state=state, spec=spec, front=front, trials=trials, note=note
        )

    def _take(self, spec: StudySpec) -> None:
        """Take up trials that were told, for as long as a look may read."""
        if self._live is None:
            self._live = LiveFront(spec)
        kind = Joint if spec.search.strategy == "joint" else Nested
        strategy: Strategy = kind(spec, spec.search_space())
        trials = self._unread or iter(self._follower().advance())
        self._unread = None  # of what cannot be read, the next look begins anew
        until = time.thread_time() + READING_SECONDS
        while part := list(islice(trials, TRIALS_AT_ONCE)):
            self._live.add([p for trial in part if (p := self._taken_up(trial, strategy))])
            if time.thread_time() > until:
                self._unread = trials
                return

    def _taken_up(self, trial: FollowedTrial, strategy: Strategy) -> ToldPoint | None:
        """Put a trial into the rows; its point if it is the first of it."""
        attributes = trial.attributes
        if "flat" not in attributes or "reaped" in attributes:
            return None
        trial.attributes = {}  # taken up: a long run need not keep it twice
        repeated = attributes.get("repeated_of")
        if repeated is not None:
            own = {"trial": trial.number, "repeated_of": repeated, "designs_scored": 0}
            self._rows.repeat(repeated, own | _times(trial))
            return None
        outcome = Outcome(**attributes["outcome"])
        self._rows.add(_row(trial, attributes["flat"], outcome, strategy))
        return ToldPoint(
            number=trial.number, flat=attributes["flat"], outcome=outcome, place=len(self._rows)
        )

    def _live_record(self, spec: StudySpec, since: float) -> Front:
        """The front as it is now, in a look that began at a time of this thread."""
        assert self._live is not None
        rows = self._rows
        counts = {
            "trials": len(rows),
            "distinct": len(rows) - rows.n_repeated,
            **{state: rows.states[state] for state in ("complete", "infeasible", "failed")},
        }
        origin = provenance_of(spec, {"task": ", ".join(spec.scenario.tasks)})
        evaluation = self.bench()
        spent = time.thread_time() - since
        record = self._live.record(evaluation, counts, origin, spent_s=spent)
        self._waits = self._live.waiting
        return record

    def bench(self) -> Evaluation:
        """What scores designs of this run: its study's scorer and its measured settings.

        Raises:
            ValueError: the study has a cost model of its own, which is not run here, or its traces
                cannot be had.
        """
        if self._evaluation is not None:  # else sliders would wait while the run is read
            return self._evaluation
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


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Look for no cycles: what is read stays, and visiting it again takes a third more time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


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


def _row(
    trial: FollowedTrial, flat: Mapping[str, Any], outcome: Outcome, strategy: Strategy
) -> dict[str, Any]:
    """A row as `dse.trials_table` writes it."""
    told: Mapping[str, float] = {}
    if strategy.kind == "setting" and outcome.state != "failed":
        told = dict(zip(strategy.metric_names, strategy.told(outcome)[0], strict=True))
    return {
        "trial": trial.number,
        "state": outcome.state,
        "reason": outcome.reason,
        "repeated_of": None,
        **flat,
        **outcome.metrics,
        **told,
        "designs_scored": outcome.designs_scored,
        "wall_evaluation_s": outcome.seconds,
        **_times(trial),
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
