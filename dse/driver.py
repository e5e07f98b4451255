"""Driving one run: executor, search, progress on stderr, records and report at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from optuna.exceptions import StorageInternalError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dse.cluster import ClusterExecutor
from dse.cross_check import check_records
from dse.errors import EmptyFrontError, RunFolderError
from dse.evaluation import Evaluation
from dse.executors import Executor, InlineExecutor, RayExecutor
from dse.finish import front_of, write_front_table
from dse.inputs import (
    input_hashes,
    origin_of,
    refuse_another_study,
    refuse_changed,
    study_facts,
)
from dse.interruption import uninterrupted
from dse.provenance import provenance_of
from dse.runs import RunFolder
from dse.search import Search
from dse.storage import close, notes, open_storage, require_study
from dse.trace_sources import SourceOptions, make_source
from dse.trials_table import write_trials
from hw_cost import compile_model
from studies.records import Front, write_front
from studies.records import Progress as State
from studies.spec import StudySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverOptions:
    """What is not part of the study: where it runs and what it shows.

    Attributes:
        storage: database URL; None for the run folder's journal.
        study_name: name of the Optuna study in its storage.
        driver: name of this driver among those that share the study.
        glue_dir: GLUE folder, or ``datasets:NAME``; None if not known.
        recorded: folder of recorded traces; None for the shipped ones.
        address: of a Ray cluster; None for this machine.
    """

    storage: str | None = None
    study_name: str = "edge-dse"
    driver: str = ""
    glue_dir: str | None = None
    recorded: str | None = None
    address: str | None = None


def drive(run: RunFolder, options: DriverOptions, write_pictures: Callable[[Front], None]) -> Front:
    """Run a study to the end of its budget and write its records and pictures; its front.

    Whatever ends it, the trials told so far are in the storage and in ``trials.parquet``.

    Raises:
        EmptyFrontError: no design meets the constraints.
        ChangedInputError: data, checkpoint, traces or cost model are not those of earlier trials.
        RunFolderError: the folder or the storage is damaged, in use, or cannot be written.
        DseError: see `dse.errors`.
        ValueError: data, checkpoint or recorded traces are missing or damaged.
    """
    try:
        return _driven(run, options, write_pictures)
    except StorageInternalError as error:
        cause = str(error.__cause__ or error).splitlines()[0]
        raise RunFolderError(
            f"{run.path}: its storage does not answer ({cause}); trials told so far are in it. "
            "Mend that and 'dse resume'."
        ) from error


def _driven(
    run: RunFolder, options: DriverOptions, write_pictures: Callable[[Front], None]
) -> Front:
    spec = run.spec()
    console = Console(stderr=True)
    source_options = SourceOptions(
        glue_dir=options.glue_dir,
        cache=str(run.cache_of(spec)),
        recorded=options.recorded,
        cache_limit_mib=spec.evaluator.cache_mib,
    )

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    with run.driven(), ExitStack() as opened:
        manifest = run.manifest()
        storage = open_storage(options.storage, run.journal, options.driver)
        opened.callback(close, storage)
        run.require_journal()
        for note in notes(storage):
            say(note)
        if manifest is not None and manifest.inputs:
            require_study(storage, options.study_name, run.path)
        search = Search(spec, storage, options.study_name)
        damaged = check_records(run.trials, search)
        if damaged is not None:
            say(damaged)
        if search.unfinished:
            say(f"going on with {search.unfinished} unfinished trials")
        for note in search.notes:
            say(note)
        source = make_source(spec, source_options, say)
        evaluation = Evaluation(spec, source)
        origin = origin_of(spec, source)
        inputs = input_hashes(spec, source, origin)
        if manifest is not None:
            refuse_changed(manifest.inputs, inputs)
        refuse_another_study(search.agreed(study_facts(spec)), spec, options.study_name)
        refuse_changed(search.agreed(inputs), inputs)
        run.seal(inputs, records=False)
        try:
            if search.budget_left:
                _search(search, spec, evaluation, source_options, options.address, console)
        finally:
            with uninterrupted():
                if search.told:
                    write_trials(run.trials, search)
                    run.seal(inputs, records=True)
                else:  # nothing is kept of this driver, which so cannot go on
                    search.give_back()
                    run.seal({}, records=False)
        front = front_of(search, evaluation, spec, provenance_of(spec, origin))
        write_front(run.front, front)
        write_front_table(run.front_table, front)
        write_pictures(front)
        run.seal(inputs, records=True)
    if not front.designs:
        reasons = [t.outcome.reason for t in search.told if t.outcome.reason]
        commonest = max(set(reasons), key=reasons.count, default="no trial was made")
        raise EmptyFrontError(
            f"{run.path}: no design meets the constraints; the commonest reason is: {commonest}."
        )
    return front


def _search(
    search: Search,
    spec: StudySpec,
    evaluation: Evaluation,
    source_options: SourceOptions,
    address: str | None,
    console: Console,
) -> None:
    executor = _executor(spec, evaluation, source_options, address, console)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed}/{task.total} trials"),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(elapsed_when_finished=False),
    )
    try:
        with Progress(*columns, console=console, refresh_per_second=4) as bar:
            task = bar.add_task(
                spec.search.strategy,
                total=spec.search.trials,
                completed=len(search.told),
                state="",
            )

            def show(state: State) -> None:
                text = (
                    f"{state.designs_scored:,} designs, front {state.front_size}, "
                    f"hypervolume {state.hypervolume:.4f}"
                )
                bar.update(task, completed=state.trial, state=text)

            search.run(executor, show)
    finally:
        executor.close()


def _executor(
    spec: StudySpec,
    evaluation: Evaluation,
    source_options: SourceOptions,
    address: str | None,
    console: Console,
) -> Executor:
    """Ray where a task is worth sending; in this process otherwise.

    A design scored on a recorded trace takes some milliseconds, and the sampler as much again.
    """
    cheap = spec.search.strategy == "joint" and spec.evaluator.kind == "recorded"
    if address is None and (cheap or spec.search.workers == 1):
        return InlineExecutor(evaluation, spec.evaluator.limit_s)
    with console.status("compiling the cost model (once on a machine)"):
        compile_model()  # workers then load it instead of compiling it each

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    limit_s = spec.evaluator.limit_s
    if address is not None:
        return ClusterExecutor(spec, source_options, address, say, limit_s)
    return RayExecutor(spec, source_options, spec.search.workers, None, say, limit_s)
