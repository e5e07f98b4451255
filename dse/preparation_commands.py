"""Commands that come before a run: its space, a checkpoint's training and its recorded traces."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dse.errors import UsageError
from dse.options import Data, Json, data_source
from dse.output import print_json, width
from dse.shown import next_step
from dse.tables import space_table
from studies.presets import load_study, preset_names


def init(
    task: Annotated[str, typer.Option("--task", help="GLUE task.")] = "SST-2",
    target: Annotated[
        str, typer.Option("--target", help="Kind of device: sensor, wearable or phone.")
    ] = "wearable",
    out: Annotated[
        Path | None, typer.Option("--out", help="Study file to write; by default TASK-TARGET.toml.")
    ] = None,
) -> None:
    """Write a commented study file for a task and a kind of device."""
    from dse.new_study import write_study

    path = Path(f"{task}-{target}.toml".lower()) if out is None else out
    write_study(task, target, path)
    print(f"Written: {path}")
    print(next_step("dse", "run", str(path), "--dry-run"))


def spaces(
    study: Annotated[str | None, typer.Argument(metavar="PRESET_OR_FILE")] = None,
    as_json: Json = False,
) -> None:
    """Print a study's scenario, knobs, ranges and the exact size of its space."""
    if study is None:
        if as_json:
            print_json(preset_names())
        else:
            print("\n".join(f"{name}  {load_study(name).title}" for name in preset_names()))
        return
    spec = load_study(study)
    space = spec.search_space()
    size = space.size()
    if as_json:
        knobs = {d.name: list(d.values) for d in space.dimensions}
        print_json({"scenario": spec.scenario.model_dump(), "knobs": knobs, "size": size})
        return
    print(spec.title)
    print(", ".join(f"{k} {v}" for k, v in spec.scenario.model_dump().items()) + "\n")
    Console(width=width(), soft_wrap=False).print(space_table(space))
    for condition in spec.conditions:
        print(f"condition: {condition}")
    print("condition: min_voltage_v <= max_voltage_v")
    print(f"\nSize of the space: {size:,} distinct designs")


def record(
    grids: Annotated[
        list[str], typer.Argument(metavar="PRESET_OR_FILE...", help="Studies whose grids they are.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the recorded traces.")],
    work: Annotated[Path, typer.Option(help="Folder of finished traces, for resuming.")],
    data: Data = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes, one core each.")] = 2,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(help="Only these checkpoints; by default all of the studies."),
    ] = None,
) -> None:
    """Measure and store the traces of whole grids of model knobs, those of studies; resumes."""
    specs, glue = [load_study(grid) for grid in grids], data_source(_data(data))
    from dse.recording import record_tasks  # imports torch

    record_tasks(specs, glue, out, work, workers, checkpoint or [])


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
