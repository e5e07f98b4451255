"""Recording: the traces of a whole grid of model knobs, by several processes, resumably."""

from __future__ import annotations

import json
import multiprocessing
import platform
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from dse.errors import UsageError
from dse.folder_locks import held_alone
from dse.live import LiveSource
from dse.provenance import version_of
from dse.trace_sources import SourceOptions
from evaluators.checkpoint_folders import checkpoint_hash
from evaluators.traces import TRACE_VERSION, ExitTrace
from search_space import (
    MODEL_KNOBS,
    ModelKnobs,
    SearchSpace,
    TraceKey,
    model_knobs,
    nearest,
)
from studies.recorded import write_recorded
from studies.spec import StudySpec
from studies.whole_files import UnwritableError, write_whole

_SOURCES: dict[str, LiveSource] = {}
_NOTES: list[str] = []
"""What a process has to tell of its cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """One setting of the grid, from the process that has it.

    Attributes:
        knobs: the setting.
        key: hash of its trace.
        trace: measured or from the cache.
        seconds: what measuring all of it took; None if it was in the cache, wholly or in part.
        notes: sentences for the user.
    """

    knobs: ModelKnobs
    key: str
    trace: ExitTrace
    seconds: float | None
    notes: tuple[str, ...]


def grid_of(space: SearchSpace) -> list[ModelKnobs]:
    """Distinct settings that need a trace of their own, in the order of the space."""
    found: dict[TraceKey, ModelKnobs] = {}
    for flat in space.points(MODEL_KNOBS):
        knobs = model_knobs(flat)
        found.setdefault(knobs.trace_key(), knobs)
    return list(found.values())


def union_of(specs: Sequence[StudySpec]) -> list[ModelKnobs]:
    """The settings of studies' grids on one task, each once, in the order of the studies.

    Raises:
        UsageError: the studies call different folders by one name.
    """
    folders: dict[str, str] = {}
    for spec in specs:
        for name, folder in spec.evaluator.checkpoints_of(spec.scenario.tasks[0]).items():
            if folders.setdefault(name, folder) != folder:
                raise UsageError(
                    f"checkpoint {name!r} is {folders[name]!r} in one study and {folder!r} in "
                    "another: expected one folder for each name."
                )
    found: dict[TraceKey, ModelKnobs] = {}
    for spec in specs:
        for knobs in grid_of(spec.search_space()):
            found.setdefault(knobs.trace_key(), knobs)
    return list(found.values())


def settings_of(specs: Sequence[StudySpec], only: Sequence[str]) -> list[ModelKnobs]:
    """The settings of studies' grids on one task, of some checkpoints or, with none named, of all.

    Raises:
        UsageError: the studies have no checkpoint of such a name.
    """
    wanted = union_of(specs)
    known = list(dict.fromkeys(knobs.checkpoint for knobs in wanted))
    for name in only:
        if name not in known:
            raise UsageError(
                f"--checkpoint {name!r}: expected one of those recorded, {', '.join(known)}"
                f"{nearest(name, known) or '.'}"
            )
    return [knobs for knobs in wanted if not only or knobs.checkpoint in only]


def record_tasks(
    specs: Sequence[StudySpec],
    glue_dir: str,
    out: Path,
    work: Path,
    workers: int,
    only: Sequence[str],
) -> None:
    """Measure every setting on every task of the studies: see `record_grid`.

    Of several tasks, each has its own folder in ``out``, named for it, as a study reads them.

    Raises:
        UsageError: the studies are not on the same tasks, or another process records there.
        UnwritableError: the work folder cannot be written.
        DseError: see `dse.errors`.
    """
    tasks = specs[0].scenario.tasks
    for spec in specs[1:]:
        if spec.scenario.tasks != tasks:
            raise UsageError(
                f"studies on the tasks {', '.join(tasks)} and on {', '.join(spec.scenario.tasks)}: "
                "traces of the same tasks are recorded together; record the others by a command of "
                "their own."
            )
    by_task = {task: [spec.of_task(task) for spec in specs] for task in tasks}
    for alone in by_task.values():
        settings_of(alone, only)  # refuses what cannot be, before anything is written
    busy = UsageError(
        f"{work}: another 'dse record' is writing there; wait for it, or give another --work."
    )
    with ExitStack() as held:
        try:
            work.mkdir(parents=True, exist_ok=True)
            held.enter_context(held_alone(work / "record.lock", busy))
        except OSError as error:
            raise UnwritableError(
                f"--work {work}: cannot be written ({error.strerror}); expected a folder, new or "
                "not, where files can be written."
            ) from error
        for task, alone in by_task.items():
            folder = out / task if len(tasks) > 1 else out
            record_grid(alone, glue_dir, folder, work, workers, only)


def record_grid(
    specs: Sequence[StudySpec],
    glue_dir: str,
    out: Path,
    work: Path,
    workers: int,
    only: Sequence[str],
) -> None:
    """Measure every setting of studies' grids and write the set of traces.

    Args:
        specs: studies of one task whose grids of model knobs are recorded, one or more.
        glue_dir: GLUE folder, or ``datasets:NAME``.
        out: folder of the recorded traces.
        work: folder of single traces, whole and in part: what is there is not measured again.
        workers: processes.
        only: checkpoints to record; all of the study's if empty.

    Raises:
        UsageError: the study has no checkpoint of such a name.
        DseError: see `dse.errors`.
    """
    grid = settings_of(specs, only)
    options = SourceOptions(glue_dir=glue_dir, cache=str(work), recorded=None)
    (task_name,) = specs[0].scenario.tasks
    folders = {n: f for one in specs for n, f in one.evaluator.checkpoints_of(task_name).items()}
    evaluator = specs[0].evaluator.model_copy(update={"checkpoints": folders})
    spec = specs[0].model_copy(update={"evaluator": evaluator})
    console = Console(stderr=True)
    seconds_file = work / "seconds.json"
    work.mkdir(parents=True, exist_ok=True)
    seconds = _kept_seconds(seconds_file, console)
    context = multiprocessing.get_context("spawn")
    arguments = [(spec, options, knobs) for knobs in grid]
    pairs: dict[str, list[tuple[ModelKnobs, ExitTrace]]] = {}
    with (
        context.Pool(workers) as pool,
        Progress(console=console) as bar,
    ):
        task = bar.add_task("settings", total=len(grid))
        for measured in pool.imap(_measure, arguments):
            for note in measured.notes:
                console.print(note, markup=False, soft_wrap=True)
            if measured.seconds is not None:
                seconds[measured.key] = measured.seconds
                write_whole(seconds_file, json.dumps(seconds).encode())
            pairs.setdefault(measured.knobs.checkpoint, []).append((measured.knobs, measured.trace))
            bar.advance(task)
    source = LiveSource(spec, options)
    mean_seconds = {}
    for name in pairs:
        measured_by = source.evaluator(name)
        times = [
            seconds[key]
            for knobs, _ in pairs[name]
            if (key := measured_by.trace_hash(knobs)) in seconds
        ]
        mean_seconds[name] = sum(times) / len(times) if times else 0.0
    write_recorded(
        out,
        pairs,
        shapes={name: source.shape(name) for name in pairs},
        checkpoint_hashes={name: checkpoint_hash(source.folder(name)) for name in pairs},
        seconds=mean_seconds,
        about={
            "task": task_name,
            "data_sha256": source.data.content_hash(),
            "trace_version": TRACE_VERSION,
            "machine": f"{platform.machine()}, {workers} processes of one thread",
            "versions": {name: version_of(name) for name in ("torch", "transformers", "numpy")},
        },
    )
    console.print(f"{len(grid)} settings in {out}")


def _kept_seconds(path: Path, console: Console) -> dict[str, float]:
    """What measuring each setting took, by hash; none of a file that is missing or damaged."""
    try:
        kept: dict[str, float] = {
            Path(name).stem: float(took)  # once by path, now by hash
            for name, took in json.loads(path.read_text()).items()
        }
    except FileNotFoundError:
        return {}
    except (AttributeError, TypeError, ValueError) as error:
        text = f"{path}: damaged ({error}); mean seconds count what is measured from now on."
        console.print(text, markup=False, soft_wrap=True)
        return {}
    return kept


def _measure(arguments: tuple[StudySpec, SourceOptions, ModelKnobs]) -> _Measured:
    """One setting, measured into the cache or taken from it."""
    spec, options, knobs = arguments
    if "source" not in _SOURCES:
        _SOURCES["source"] = LiveSource(spec, options, _NOTES.append)
    source = _SOURCES["source"]
    evaluator = source.evaluator(knobs.checkpoint)
    key = evaluator.trace_hash(knobs)
    assert source.cache is not None
    begun = key in source.cache
    started = time.perf_counter()
    trace = evaluator.trace(knobs)
    seconds = None if begun else time.perf_counter() - started
    notes = tuple(_NOTES)
    _NOTES.clear()
    return _Measured(knobs=knobs, key=key, trace=trace, seconds=seconds, notes=notes)
