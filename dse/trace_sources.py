"""Where a worker has its exit traces from: recorded ones, or sentences that it evaluates."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evaluators.traces import ExitTrace
from hw_cost import EncoderShape
from search_space import ModelKnobs
from studies.recorded import SHIPPED, RecordedTraces, RecordedTracesError
from studies.spec import StudySpec


class TraceSource(Protocol):
    """Where traces come from."""

    def trace(self, knobs: ModelKnobs) -> ExitTrace:
        """The trace of a setting."""

    def shape(self, checkpoint: str) -> EncoderShape:
        """Shape of a checkpoint's encoder."""

    def stages(self, knobs: ModelKnobs) -> Iterator[ExitTrace]:
        """The trace of a setting as it is measured, the whole one last."""

    def select_tokens(self, checkpoint: str) -> NDArray[np.int64]:
        """Token counts (n_select,) of the ``select`` sentences."""


@dataclass(frozen=True, slots=True)
class TaskSources:
    """The trace sources of a study of several tasks.

    Attributes:
        by_task: the source of each task, in the order of the study.
    """

    by_task: Mapping[str, TraceSource]

    @property
    def first(self) -> TraceSource:
        """That of the first task."""
        return next(iter(self.by_task.values()))

    def trace(self, knobs: ModelKnobs) -> ExitTrace:
        """The trace of a setting on the first task."""
        return self.first.trace(knobs)

    def shape(self, checkpoint: str) -> EncoderShape:
        """Shape of a checkpoint's encoder on the first task."""
        return self.first.shape(checkpoint)

    def stages(self, knobs: ModelKnobs) -> Iterator[ExitTrace]:
        """The trace of a setting on the first task as it is measured."""
        return self.first.stages(knobs)

    def select_tokens(self, checkpoint: str) -> NDArray[np.int64]:
        """Token counts (n_select,) of the ``select`` sentences of the first task."""
        return self.first.select_tokens(checkpoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """How a worker makes its trace source; plain data, so that it travels.

    Attributes:
        glue_dir: GLUE folder or ``datasets:NAME``, for live evaluation.
        cache: folder of live traces; None for no cache.
        cache_limit_mib: size that the cache is kept within; None for no limit.
        recorded: folder of recorded traces; of several tasks with a folder for each.
        torch_threads: threads of live evaluation.
    """

    glue_dir: str | None
    cache: str | None
    recorded: str | None
    cache_limit_mib: int | None = None
    torch_threads: int = 1


def on_stderr(text: str) -> None:
    """Tell the user where nothing else shows progress."""
    print(text, file=sys.stderr, flush=True)


def make_source(
    spec: StudySpec, options: SourceOptions, say: Callable[[str], None] = on_stderr
) -> TraceSource:
    """The trace source that a study names.

    Args:
        spec: the study.
        options: where its data and traces are.
        say: receives a sentence on what is damaged and measured again.

    Raises:
        RecordedTracesError: there are no recorded traces, or they are of another task.
    """
    tasks = spec.scenario.tasks
    folder = SHIPPED if options.recorded is None else Path(options.recorded)
    if len(tasks) > 1:
        own = {task: replace(options, recorded=str(folder / task)) for task in tasks}
        return TaskSources({t: make_source(spec.of_task(t), own[t], say) for t in tasks})
    if spec.evaluator.kind == "recorded":
        recorded = RecordedTraces(folder, looks_of(spec))
        if recorded.manifest.task != tasks[0]:
            raise RecordedTracesError(
                f"Recorded traces are of {recorded.manifest.task}, the study is of "
                f"{tasks[0]}: record that task with 'dse record' and give the folder by "
                "--traces, or use --evaluator live."
            )
        return recorded
    from dse.live import LiveSource  # torch: only where sentences are evaluated

    return LiveSource(spec, options, say)


def looks_of(spec: StudySpec) -> tuple[int, ...]:
    """Numbers of drawn sentences after which a study looks at a setting; none without racing."""
    return () if spec.search.racing is None else (0, *spec.search.racing.looks)
