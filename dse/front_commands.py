"""Commands that look at finished runs: list, show and pareto."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dse.errors import UsageError
from dse.front_view import robust_designs, thinned
from dse.options import SAMPLES, Json, Run, Samples
from dse.output import print_front, print_json
from dse.runs import RUNS, RunFolder, open_run, run_folders
from dse.selection import designs_where, select
from dse.shown import shown_path
from dse.tables import figure_text
from studies.metrics import metric_of
from studies.presets import preset_names
from studies.records import RecordError
from studies.spec import StudyFileError


def list_runs(
    root: Annotated[Path, typer.Option(help="Folder of run folders.")] = RUNS,
    as_json: Json = False,
) -> None:
    """List runs and their state."""
    rows = [_listed(folder) for folder in run_folders(root)]
    if as_json:
        print_json(rows)
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
    row: dict[str, Any] = {"run": shown_path(folder.path), "title": ""}
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


def show(run_dir: Run, as_json: Json = False) -> None:
    """Show what a run is and what it found."""
    folder = open_run(run_dir)
    spec = folder.spec()
    front = folder.front_record() if folder.front.is_file() else None
    if as_json:
        print_json(
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
    print(f"{spec.title}\n{shown_path(folder.path)}")
    search = spec.search
    print(
        f"{search.strategy}, {spec.evaluator.kind} evaluator, sampler {search.sampler.name}, "
        f"{search.trials} trials, seed {search.seed}, deadline {spec.scenario.deadline_ms} ms"
    )
    if front is None:
        print(f"Unfinished. Next: dse resume {shown_path(folder.path)}")
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
    print(f"Report: {shown_path(folder.report)}")


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
        print_json([design.model_dump(include=keys) for design in designs])
        return
    print_front(front, rows or len(front.designs), folder, designs)
