"""Commands about models: the cost model's constants, mappings and trust, an encoder's exits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dse.errors import UsageError
from dse.options import SAMPLES, Data, Json, Recorded, Run, Samples, data_source
from dse.runs import open_run


def sources(
    study: Annotated[
        str | None, typer.Argument(metavar="PRESET_OR_FILE", help="Study whose constants.")
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="Run whose design it is.")
    ] = None,
    design_id: Annotated[
        int | None, typer.Option("--id", help="Design of the run, as in dse pareto.")
    ] = None,
    samples: Samples = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples.")] = 0,
    as_json: Json = False,
) -> None:
    """List every constant with its source and range, and what a design's figures owe to it."""
    from dse.sources_command import print_sources

    print_sources(study, run_dir, design_id, samples or SAMPLES, seed, as_json)


def explain(
    run_dir: Run,
    design_id: Annotated[int, typer.Option("--id", help="Design of the front, as in dse pareto.")],
    tokens: Annotated[
        int | None, typer.Option(min=1, help="Length of the sentence; by default the longest.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Explain one design: mapping, utilisation and bound of every GEMM of a sentence."""
    from dse.explain_command import print_explanation

    print_explanation(open_run(run_dir), design_id, tokens, as_json)


def thresholds(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="CHECKPOINT_OR_RUN", help="Checkpoint with recorded traces, or run folder."
        ),
    ],
    policy: Annotated[
        list[str] | None, typer.Option(help="Exit policy; by default all that have a threshold.")
    ] = None,
    drop: Annotated[
        str, typer.Option(metavar="LIST", help="Points of accuracy that may be lost.")
    ] = "1,2,5",
    knob: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Of a checkpoint: another recorded setting."),
    ] = None,
    traces: Recorded = None,
    design_id: Annotated[
        int | None, typer.Option("--id", help="Of a run: design of its front, as in dse pareto.")
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="Of patience on STS-B: its patience_tolerance.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show how early sentences may leave under each exit policy at a loss of accuracy."""
    from dse.thresholds_command import print_thresholds

    print_thresholds(subject, policy or [], drop, knob or [], traces, design_id, tolerance, as_json)


def faults(
    checkpoint: Annotated[str, typer.Argument(help="Shipped checkpoint, or a folder.")],
    cell: Annotated[
        list[str] | None,
        typer.Option(help="Kind of eNVM cell; by default all with a known error rate."),
    ] = None,
    storage: Annotated[
        str, typer.Option(help="What is kept in the cells: all, embeddings or encoder.")
    ] = "all",
    mask_cell: Annotated[
        str | None, typer.Option(help="Kind of cell for bitmasks; by default that of the codes.")
    ] = None,
    error_rate: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Share of cells misread.")
    ] = None,
    trials: Annotated[int, typer.Option(min=2, help="Draws of faults.")] = 20,
    sentences: Annotated[
        int | None, typer.Option(help="Sentences, drawn from the select split; by default all.")
    ] = None,
    knob: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Model knob of the setting.")
    ] = None,
    task: Annotated[str, typer.Option(help="GLUE task.")] = "SST-2",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show what misread memory cells make of an encoder's accuracy, over draws of faults."""
    if data is None:
        raise UsageError("This needs the GLUE data: give its folder by --data or GLUE_DIR.")
    from dse.faults_command import print_faults  # imports torch

    print_faults(
        checkpoint,
        cell or [],
        storage,
        mask_cell,
        error_rate,
        trials,
        sentences,
        knob or [],
        task,
        data_source(data),
        as_json,
    )


def validate(
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            help="Folder of published reference data.",
            envvar="DSE_REFERENCE_DIR",
            metavar="DIR",
        ),
    ] = None,
    platforms: Annotated[
        Path | None, typer.Option("--platforms", metavar="FILE", help="Add a file of platforms.")
    ] = None,
    measure_cpu: Annotated[
        Path | None,
        typer.Option("--measure-cpu", metavar="FILE", help="Measure this CPU into a file first."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Torch threads of the measurement.")] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Markdown page to write.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the model with published figures: each with its error, source and reason."""
    from dse.validate_command import print_validation

    print_validation(reference, platforms, measure_cpu, threads, out, as_json)
