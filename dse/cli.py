"""The ``dse`` command line."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import traceback
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from dse import cache_command
from dse.errors import UsageError, exit_code_of, sentence_of
from dse.export import export_design
from dse.front_view import robust_designs, thinned
from dse.interruption import Interrupted, interruptible
from dse.model_commands import explain, faults, sources, thresholds, validate
from dse.options import SAMPLES, Data, Json, Out, Recorded, Run, Samples, data_source
from dse.runs import RUNS, RunFolder, next_run, open_run, run_folders
from dse.selection import designs_where, select
from dse.tables import TABLE_WIDTH, figure_text, front_table, space_table, spread
from studies.metrics import metric_of
from studies.presets import load_study, preset_names
from studies.records import Front, FrontDesign, RecordError
from studies.spec import StudyFileError
from studies.survival import survival_sentence

ROWS_SHOWN: Final = 15
INTERRUPTED: Final = 130

app = typer.Typer(
    name="dse",
    help="Search algorithm and hardware knobs of an NLP accelerator together.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
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
    seed: Annotated[int | None, typer.Option(help="Seed of the search.")] = None,
    warm_start: Annotated[
        list[str] | None,
        typer.Option(
            "--warm-start",
            help="Run folder, file of designs or shipped list to try first (may be repeated).",
        ),
    ] = None,
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
    path = out if out is not None else next_run(RUNS, Path(study).stem)
    settings = {
        "storage": storage,
        "study_name": "edge-dse" if storage is None else _study_name(path),
        "data": None if data is None else data_source(data),
        "traces": None if traces is None else str(traces.absolute()),
    }
    folder = RunFolder.create(path, spec, settings)
    try:
        _drive(folder, settings, address, as_json)
    finally:
        folder.remove_if_unused()


def _study_name(path: Path) -> str:
    """A name of its own for a run in a database, made of its folder's."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", path.name).strip("-")[:60]
    return f"{plain or 'run'}-{uuid.uuid4().hex[:8]}"


@app.command()
def resume(
    run_dir: Run,
    data: Data = None,
    address: Annotated[str | None, typer.Option(help="Ray cluster to join.")] = None,
    as_json: Json = False,
) -> None:
    """Go on with a run that was stopped or killed; a finished one is only reported anew."""
    folder = open_run(run_dir)
    settings = folder.settings()
    if data is not None:
        settings["data"] = data_source(data)
    _drive(folder, settings, address, as_json)


def _drive(folder: RunFolder, settings: dict[str, Any], address: str | None, as_json: bool) -> None:
    from dashboards import write_front_svg, write_report
    from dse.driver import DriverOptions, drive

    options = DriverOptions(
        storage=settings["storage"],
        study_name=settings["study_name"],
        glue_dir=settings["data"],
        recorded=settings["traces"],
        address=address,
    )

    def write_pictures(front: Front) -> None:
        write_report(front, folder.report)
        write_front_svg(front, folder.picture)

    try:
        front = drive(folder, options, write_pictures)
    except (Interrupted, KeyboardInterrupt) as error:
        number = error.number if isinstance(error, Interrupted) else signal.SIGINT
        raise Interrupted(number, _way_on(folder)) from error
    if as_json:
        _print_json(
            {
                "run": str(folder.path),
                "front_size": len(front.designs),
                "hypervolume": front.hypervolume,
                "counts": front.counts,
                "report": str(folder.report),
            }
        )
        return
    _print_front(front, ROWS_SHOWN, folder)
    shown = _shown(folder.path)
    print(f"\nReport: {_shown(folder.report)}")
    print(f"Next:   dse export {shown} --select knee --out {shown}-knee")


def _way_on(folder: RunFolder) -> str:
    """What is said of an interrupted run; it leaves no folder if nothing was told."""
    folder.remove_if_unused()
    if folder.path.exists():
        return f"what was finished is kept: 'dse resume {_shown(folder.path)}' goes on."
    return "nothing was finished and nothing is kept: 'dse run' begins anew."


@app.command("list")
def list_runs(
    root: Annotated[Path, typer.Option(help="Folder of run folders.")] = RUNS,
    as_json: Json = False,
) -> None:
    """List runs and their state."""
    rows = [_listed(folder) for folder in run_folders(root)]
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        found = {
            "finished": f"{row['trials']} trials, front {row['front_size']}, "
            f"hypervolume {row['hypervolume'] or 0:.4f}",
            "unfinished": f"unfinished: dse resume {row['run']}",
        }.get(row["state"], row["state"])
        print(f"{row['run']}  {found}  {row['title']}")
    if not rows:
        print(f"No runs in {root}/. Start one: dse run {preset_names()[0]}")


def _listed(folder: RunFolder) -> dict[str, Any]:
    """One run for the list; a damaged one is named as such and does not hide the others."""
    row: dict[str, Any] = {"run": _shown(folder.path), "title": ""}
    row |= {"trials": None, "front_size": None, "hypervolume": None}
    try:
        row["title"] = folder.spec().title
        if not folder.front.is_file():
            return row | {"state": "unfinished"}
        front = folder.front_record()
    except (StudyFileError, RecordError) as error:
        return row | {"state": f"damaged: {error}"}
    return row | {
        "state": "finished",
        "trials": front.counts["trials"],
        "front_size": len(front.designs),
        "hypervolume": front.hypervolume,
    }


@app.command()
def show(run_dir: Run, as_json: Json = False) -> None:
    """Show what a run is and what it found."""
    folder = open_run(run_dir)
    spec = folder.spec()
    front = folder.front_record() if folder.front.is_file() else None
    if as_json:
        _print_json(
            {
                "run": str(folder.path),
                "spec": spec.document(),
                "finished": front is not None,
                "counts": front.counts if front else None,
                "hypervolume": front.hypervolume if front else None,
                "provenance": front.provenance if front else None,
            }
        )
        return
    print(f"{spec.title}\n{_shown(folder.path)}")
    search = spec.search
    print(
        f"{search.strategy}, {spec.evaluator.kind} evaluator, sampler {search.sampler.name}, "
        f"{search.trials} trials, seed {search.seed}, deadline {spec.scenario.deadline_ms} ms"
    )
    if front is None:
        print(f"Unfinished. Next: dse resume {_shown(folder.path)}")
        return
    counts = ", ".join(
        f"{value:,} {name.replace('_', ' ')}" for name, value in front.counts.items()
    )
    print(f"{counts}; front {len(front.designs)}, hypervolume {front.hypervolume:.4f}")
    unit = metric_of("accuracy", spec.scenario.task).unit
    for name in ("knee", "min-energy", "min-latency", "max-accuracy"):
        if front.designs:
            design, _ = select(front, name)
            accuracy = figure_text("accuracy", design.metrics["accuracy"])
            energy = figure_text("energy_pj", design.metrics["energy_pj"])
            latency = figure_text("latency_mean_ns", design.metrics["latency_mean_ns"])
            print(
                f"  {name:12} id {design.id}: {accuracy} {unit}, {energy} µJ, {latency} ms, "
                f"{design.metrics['area_mm2'].value:.3g} mm²"
            )
    print(f"Report: {_shown(folder.report)}")


@app.command()
def pareto(
    run_dir: Run,
    rows: Annotated[int, typer.Option(min=0, help="Rows of the printed table; 0 for all.")] = 40,
    robust: Annotated[
        str | None,
        typer.Option(help="Only robust designs: by 'membership' or by accuracy's 'lower-bound'."),
    ] = None,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Only that many, which keep the most hypervolume.")
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(help="Only designs that meet a condition, such as 'id == 3 or energy < 2e7'."),
    ] = None,
    uncertainty: Annotated[
        bool,
        typer.Option("--uncertainty", help="Show what the ranges of the constants make of it."),
    ] = False,
    samples: Samples = None,
    as_json: Json = False,
) -> None:
    """Print the front: every design with its knobs, objectives and report accuracy."""
    folder = open_run(run_dir)
    if uncertainty:
        from dse.uncertainty_command import print_uncertainty

        print_uncertainty(folder, samples or SAMPLES, rows, as_json)
        return
    if samples is not None:
        raise UsageError("--samples says how often constants are drawn: it needs --uncertainty.")
    front = folder.front_record()
    designs = front.designs if robust is None else robust_designs(front, robust)
    if where is not None:
        designs = designs_where(designs, where)
    if keep is not None:
        designs = thinned(front, designs, keep)
    if as_json:
        keys = {"id", "trial", "knobs", "metrics", "report_accuracy", "report_metrics"}
        keys |= {"membership", "accuracy_low"}
        _print_json([design.model_dump(include=keys) for design in designs])
        return
    _print_front(front, rows or len(front.designs), folder, designs)


for _command in (sources, explain, thresholds, faults, validate, cache_command.cache):
    app.command()(_command)


@app.command()
def dashboard(
    run_dirs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Run folders; by default all in runs/."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for a free one.")] = 8050,
    host: Annotated[
        str, typer.Option(help="Address to bind; others than this machine may then look on.")
    ] = "127.0.0.1",
) -> None:
    """Show runs in a browser, live while they go on; reads them and writes nothing."""
    from dashboards.server import serve
    from dse.watched_run import watched_runs

    runs = watched_runs(run_dirs or [], RUNS)

    def ready(address: str) -> None:
        print(f"Dashboard: {address} ({len(runs)} run{'' if len(runs) == 1 else 's'}; Ctrl-C ends)")
        sys.stdout.flush()

    serve(runs, host=host, port=port, ready=ready)


@app.command()
def doctor(run_dir: Run, as_json: Json = False) -> None:
    """Check the health of a run: each finding with its remedy; ends with 9 if one has failed."""
    from dse.doctor_command import print_findings

    print_findings(run_dir, as_json)


@app.command()
def report(
    run_dir: Run,
    out: Annotated[
        Path | None, typer.Option("--out", help="HTML file; by default DIR-report.html.")
    ] = None,
) -> None:
    """Write the report page of a run's front: every figure in one file that needs no network."""
    from dashboards import write_report

    folder = open_run(run_dir)
    path = folder.path.with_name(f"{folder.path.name}-report.html") if out is None else out
    write_report(folder.front_record(), path)
    print(f"Report: {_shown(path.absolute())}")


@app.command()
def export(
    run_dir: Run,
    out: Annotated[Path, typer.Option("--out", help="Folder to write; it must be new.")],
    selection: Annotated[
        str,
        typer.Option(
            "--select",
            help="knee, min-energy, min-latency, max-accuracy, id=N, or a query such as "
            "'min energy where accuracy>=0.85'.",
        ),
    ] = "knee",
    as_json: Json = False,
) -> None:
    """Export one design: design.json and a SystemVerilog parameter package."""
    front = open_run(run_dir).front_record()
    design, reason = select(front, selection)
    files = export_design(front, design, reason, out)
    if as_json:
        _print_json({"id": design.id, "selected": reason, "files": [str(f) for f in files]})
        return
    print(f"Design {design.id} ({reason}):")
    for file in files:
        print(f"  {_shown(file)}")


@app.command()
def spaces(
    study: Annotated[str | None, typer.Argument(metavar="PRESET_OR_FILE")] = None,
    as_json: Json = False,
) -> None:
    """Print a study's scenario, knobs, ranges and the exact size of its space."""
    if study is None:
        if as_json:
            _print_json(preset_names())
        else:
            print("\n".join(f"{name}  {load_study(name).title}" for name in preset_names()))
        return
    spec = load_study(study)
    space = spec.search_space()
    size = space.size()
    if as_json:
        knobs = {d.name: list(d.values) for d in space.dimensions}
        _print_json({"scenario": spec.scenario.model_dump(), "knobs": knobs, "size": size})
        return
    print(spec.title)
    print(", ".join(f"{k} {v}" for k, v in spec.scenario.model_dump().items()) + "\n")
    Console(width=_width(), soft_wrap=False).print(space_table(space))
    for condition in spec.conditions:
        print(f"condition: {condition}")
    print("condition: min_voltage_v <= max_voltage_v")
    print(f"\nSize of the space: {size:,} distinct designs")


@app.command()
def record(
    grid: Annotated[str, typer.Argument(metavar="PRESET_OR_FILE", help="Study whose grid it is.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the recorded traces.")],
    work: Annotated[Path, typer.Option(help="Folder of finished traces, for resuming.")],
    data: Data = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes, one core each.")] = 2,
    checkpoint: Annotated[
        list[str] | None, typer.Option(help="Only these checkpoints; by default all of the study.")
    ] = None,
) -> None:
    """Measure and store the traces of a study's whole grid of model knobs; resumes."""
    spec, glue = load_study(grid), data_source(_data(data))
    from dse.recording import record_grid  # imports torch

    record_grid(spec, glue, out, work, workers, checkpoint or [])


@app.command()
def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE_OR_FILE", help="Recipe: shipped, or a TOML file.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Checkpoint folder to write.")],
    data: Data = None,
    work: Annotated[
        Path | None, typer.Option(help="Folder of saved states; by default OUT.work.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="GLUE task, instead of the recipe's.")] = None,
    initial: Annotated[
        str | None,
        typer.Option(help="Checkpoint to start from, instead of the recipe's: name, folder, hub."),
    ] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="Checkpoint to learn from, instead of the recipe's.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**40, help="Of everything random.")] = 1,
) -> None:
    """Train a checkpoint by a recipe; resumes from its last saved state."""
    from evaluators.recipes import load_recipe
    from evaluators.tasks import glue_task

    plan = load_recipe(recipe)
    plan = replace(plan, task=task or plan.task, initial=initial or plan.initial)
    glue_task(plan.task)
    source = data_source(_data(data))
    from evaluators.recipe_runs import RecipeRun  # imports torch

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    states = out.with_name(f"{out.name}.work") if work is None else work
    RecipeRun(plan, source, states, teacher, seed, say).finished(out)


def _data(data: Path | None) -> Path:
    if data is None:
        raise UsageError("This needs the GLUE data: give its folder by --data or GLUE_DIR.")
    return data


def _print_front(
    front: Front, rows: int, folder: RunFolder, chosen: Sequence[FrontDesign] | None = None
) -> None:
    if not front.designs:
        print("The front is empty: no design meets the constraints.")
        return
    designs = front.designs if chosen is None else chosen
    if not designs:
        print(f"None of the {len(front.designs)} designs on the front is among those asked for.")
        return
    positions = spread(len(designs), rows)
    table = front_table(front, [designs[i] for i in positions])
    Console(width=_width()).print(table)
    print()
    if len(positions) == len(front.designs):
        shown = f"All {len(front.designs)} designs on the front."
    elif len(positions) == len(designs):
        shown = f"{len(designs)} of the {len(front.designs)} designs on the front."
    else:
        shown = (
            f"Shown: {len(positions)} of {len(designs)} designs on the front, evenly by rank "
            f"(all: dse pareto {_shown(folder.path)} --rows 0)."
        )
    print(f"{shown} Hypervolume {front.hypervolume:.4f}; ± is one standard error.")
    print(survival_sentence(front))
    if front.stopped:
        print(f"The search ended because {front.stopped}.")


def _width() -> int:
    return max(TABLE_WIDTH, Console().width)


def _shown(path: Path) -> str:
    """The path as short as it can be from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, default=str))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code (`dse.errors.EXIT_CODES`)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        with interruptible():
            result = app(args=words, prog_name="dse", standalone_mode=False)
    except Interrupted as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            traceback.print_exc()
        if hasattr(error, "format_message"):  # the argument parser's own
            print(
                f"dse: {error.format_message() or 'no command given; see dse --help.'}",
                file=sys.stderr,
            )
            return 2
        code = exit_code_of(error)
        if code is None:
            print(
                f"dse: unexpected {type(error).__name__}: {error} (a bug; --debug shows where).",
                file=sys.stderr,
            )
            return 1
        print(f"dse: {sentence_of(error)}", file=sys.stderr)
        return code
    if result == INTERRUPTED:  # typer's own for KeyboardInterrupt
        print(Interrupted(signal.SIGINT), file=sys.stderr)
    return result if isinstance(result, int) else 0


def entry() -> None:
    """Console script."""
    sys.exit(main())
