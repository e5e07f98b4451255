"""``dse run``, ``refine`` and ``resume``: a study driven to its front, anew or from where it is."""

from __future__ import annotations

import os
import re
import signal
import sys
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from dse.database_urls import with_credentials, without_password
from dse.errors import UsageError
from dse.interruption import Interrupted, uninterrupted
from dse.options import Data, Json, Out, Recorded, Run, data_source
from dse.output import print_front, print_json
from dse.runs import RUNS, RunFolder, next_run, open_run
from dse.shown import next_step, shown_path
from studies.presets import load_study
from studies.records import Front
from studies.spec import StudySpec

ROWS_SHOWN: Final = 15


def run(
    study: Annotated[str, typer.Argument(metavar="PRESET_OR_FILE", help="Preset or study file.")],
    trials: Annotated[int | None, typer.Option(help="Trials of the study.")] = None,
    strategy: Annotated[str | None, typer.Option(help="joint or nested.")] = None,
    evaluator: Annotated[str | None, typer.Option(help="recorded or live.")] = None,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", help="Folder of live traces; runs may share it.", metavar="DIR"),
    ] = None,
    data: Data = None,
    traces: Recorded = None,
    workers: Annotated[int | None, typer.Option(help="Ray workers.")] = None,
    address: Annotated[str | None, typer.Option(help="Ray cluster to join.")] = None,
    storage: Annotated[str | None, typer.Option(help="Optuna database URL.")] = None,
    study_name: Annotated[
        str | None,
        typer.Option("--study-name", help="Study in the database; drivers of one name share it."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the search.")] = None,
    warm_start: Annotated[
        list[str] | None,
        typer.Option(
            "--warm-start",
            help="Run folder, file of designs or shipped list to try first (may be repeated).",
        ),
    ] = None,
    dry: Annotated[
        bool,
        typer.Option("--dry-run", help="Evaluate one point; predict time, memory and disk."),
    ] = False,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Run a study; ends with its front and where the report is."""
    changes = {
        "search.trials": trials,
        "search.strategy": strategy,
        "search.workers": workers,
        "search.seed": seed,
        "evaluator.kind": evaluator,
        "evaluator.cache": None if cache is None else str(cache.absolute()),
        "search.warm_start": warm_start or None,
    }
    spec = load_study(study).with_overrides({k: v for k, v in changes.items() if v is not None})
    if warm_start:
        spec = spec.model_copy(update={"search": spec.search.beside(Path.cwd())})
    if dry:
        options = {
            "--trials": trials,
            "--strategy": strategy,
            "--evaluator": evaluator,
            "--cache": cache,
            "--data": None if str(data) == os.environ.get("GLUE_DIR") else data,
            "--traces": traces,
            "--workers": workers,
            "--address": address,
            "--storage": storage,
            "--study-name": study_name,
            "--seed": seed,
            "--out": out,
        }
        given = [(name, value) for name, value in options.items() if value is not None]
        given += [("--warm-start", source) for source in warm_start or ()]
        words = ["run", study, *(str(word) for pair in given for word in pair)]
        _dry_run(words, spec, data, traces, as_json)
        return
    path = out if out is not None else next_run(RUNS, Path(study).stem)
    if storage is None and study_name is not None:
        raise UsageError("--study-name: names a study in a database; give its URL by --storage.")
    settings: dict[str, Any] = {
        "storage": None if storage is None else without_password(storage),
        "study_name": "edge-dse" if storage is None else study_name or _study_name(path),
        "data": None if data is None else data_source(data),
        "traces": None if traces is None else str(traces.absolute()),
    }
    if storage is not None:
        settings["driver"] = uuid.uuid4().hex
    folder = RunFolder.create(path, spec, settings)
    try:
        _drive(folder, settings | {"storage": storage}, address, as_json)
    finally:
        folder.remove_if_unused()


def _dry_run(
    words: list[str], spec: StudySpec, data: Path | None, traces: Path | None, as_json: bool
) -> None:
    """Print what the command of those words would take; it is the next step."""
    from dse.dry_run import dry_run, print_dry_run
    from dse.trace_sources import SourceOptions

    options = SourceOptions(
        glue_dir=None if data is None else data_source(data),
        cache=spec.evaluator.cache,
        recorded=None if traces is None else str(traces.absolute()),
    )
    found = dry_run(spec, options)
    if as_json:
        print_json(asdict(found))
        return
    print_dry_run(found, spec)
    print(next_step("dse", *words))


def refine(
    run_dir: Run,
    where: Annotated[
        str, typer.Option("--where", help="Condition over metrics and knobs of the front.")
    ],
    trials: Annotated[int | None, typer.Option(min=1, help="Trials of the new study.")] = None,
    out: Out = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Search the neighbourhood of some designs of a front again, starting from them."""
    from dse.refining import narrowed_study, write_designs

    parent = open_run(run_dir)
    path = out if out is not None else next_run(RUNS, f"{parent.path.name}-refined")
    listed = path.with_name(f"{path.name}.designs.toml")
    spec, chosen = narrowed_study(parent.spec(), parent.front_record(), where, listed, trials)
    settings = parent.settings()
    settings |= {"storage": None, "study_name": "edge-dse"}
    if data is not None:
        settings["data"] = data_source(data)
    folder = RunFolder.create(path, spec, settings)
    try:
        write_designs(listed, chosen)
        size = spec.search_space().size()
        print(f"From {len(chosen)} designs: {size:,} in the narrowed space.", file=sys.stderr)
        _drive(folder, settings, None, as_json)
    finally:
        folder.remove_if_unused()
        if not folder.path.exists():
            listed.unlink(missing_ok=True)


def _study_name(path: Path) -> str:
    """A name of its own for a run in a database, made of its folder's."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", path.name).strip("-")[:60]
    return f"{plain or 'run'}-{uuid.uuid4().hex[:8]}"


def resume(
    run_dir: Run,
    data: Data = None,
    address: Annotated[str | None, typer.Option(help="Ray cluster to join.")] = None,
    storage: Annotated[
        str | None, typer.Option(help="The run's database URL, with user and password.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Go on with a run that was stopped or killed; a finished one is only reported anew."""
    folder = open_run(run_dir)
    settings = folder.settings()
    if data is not None:
        settings["data"] = data_source(data)
    settings["storage"] = with_credentials(settings["storage"], storage)
    _drive(folder, settings, address, as_json)


def _drive(folder: RunFolder, settings: dict[str, Any], address: str | None, as_json: bool) -> None:
    with uninterrupted():  # some libraries swallow what is raised while they are imported
        from dse.driver import DriverOptions, drive

    options = DriverOptions(
        storage=settings["storage"],
        study_name=settings["study_name"],
        driver=settings.get("driver", ""),
        glue_dir=settings["data"],
        recorded=settings["traces"],
        address=address,
    )

    def write_pictures(front: Front) -> None:
        from dashboards import write_front_svg, write_report  # a resumed run need not wait for it

        write_report(front, folder.report)
        write_front_svg(front, folder.picture)

    try:
        front = drive(folder, options, write_pictures)
    except (Interrupted, KeyboardInterrupt) as error:
        number = error.number if isinstance(error, Interrupted) else signal.SIGINT
        raise Interrupted(number, _way_on(folder)) from error
    if as_json:
        print_json(
            {
                "run": str(folder.path),
                "front_size": len(front.designs),
                "hypervolume": front.hypervolume,
                "counts": front.counts,
                "report": str(folder.report),
            }
        )
        return
    print_front(front, ROWS_SHOWN, folder)
    shown = shown_path(folder.path)
    print(f"\nReport: {shown_path(folder.report)}")
    print(next_step("dse", "export", folder.path, "--select", "knee", "--out", f"{shown}-knee"))


def _way_on(folder: RunFolder) -> str:
    """What is said of an interrupted run; it leaves no folder if nothing was told."""
    folder.remove_if_unused()
    if folder.path.exists():
        return f"what was finished is kept: 'dse resume {shown_path(folder.path)}' goes on."
    return "nothing was finished and nothing is kept: 'dse run' begins anew."
