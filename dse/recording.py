"""Recording: the traces of a whole grid of model knobs, by several processes, resumably."""

from __future__ import annotations

import json
import multiprocessing
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from dse.errors import UsageError
from dse.evaluation import SourceOptions
from dse.finish import _version
from dse.live import LiveSource
from evaluators.checkpoint_folders import checkpoint_hash
from evaluators.traces import TRACE_VERSION, ExitTrace
from search_space import MODEL_KNOBS, KnobValue, ModelKnobs, SearchSpace, model_knobs, nearest
from studies.recorded import write_recorded
from studies.spec import StudySpec
from studies.whole_files import write_whole

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
    found: dict[tuple[KnobValue, ...], ModelKnobs] = {}
    for flat in space.points(MODEL_KNOBS):
        knobs = model_knobs(flat)
        found.setdefault(knobs.trace_key(), knobs)
    return list(found.values())


def record_grid(
    spec: StudySpec, glue_dir: str, out: Path, work: Path, workers: int, only: Sequence[str]
) -> None:
    """Measure every setting of a study's grid and write the set of traces.

    Args:
        spec: study whose grid of model knobs is recorded.
        glue_dir: GLUE folder, or ``datasets:NAME``.
        out: folder of the recorded traces.
        work: folder of single traces, whole and in part: what is there is not measured again.
        workers: processes.
        only: checkpoints to record; all of the study's if empty.

    Raises:
        UsageError: the study has no checkpoint of such a name.
        DseError: see `dse.errors`.
    """
    known = [str(name) for name in spec.search_space()["checkpoint"].values]
    for name in only:
        if name not in known:
            raise UsageError(
                f"--checkpoint {name!r}: expected one of the study's, {', '.join(known)}"
                f"{nearest(name, known) or '.'}"
            )
    options = SourceOptions(glue_dir=glue_dir, cache=str(work), recorded=None)
    grid = [k for k in grid_of(spec.search_space()) if not only or k.checkpoint in only]
    console = Console(stderr=True)
    seconds_file = work / "seconds.json"
    work.mkdir(parents=True, exist_ok=True)
    seconds = _kept_seconds(seconds_file, console)
    context = multiprocessing.get_context("spawn")
    arguments = [(spec.document(), options, knobs) for knobs in grid]
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
        evaluator = source.evaluator(name)
        times = [
            seconds[key]
            for knobs, _ in pairs[name]
            if (key := evaluator.trace_hash(knobs)) in seconds
        ]
        mean_seconds[name] = sum(times) / len(times) if times else 0.0
    write_recorded(
        out,
        pairs,
        shapes={name: source.shape(name) for name in pairs},
        checkpoint_hashes={name: checkpoint_hash(source.folder(name)) for name in pairs},
        seconds=mean_seconds,
        about={
            "task": spec.scenario.task,
            "data_sha256": source.data.content_hash(),
            "trace_version": TRACE_VERSION,
            "machine": f"{platform.machine()}, {workers} processes of one thread",
            "versions": {name: _version(name) for name in ("torch", "transformers", "numpy")},
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


def _measure(arguments: tuple[dict[str, object], SourceOptions, ModelKnobs]) -> _Measured:
    """One setting, measured into the cache or taken from it."""
    document, options, knobs = arguments
    if "source" not in _SOURCES:
        spec = StudySpec.model_validate(document)
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
