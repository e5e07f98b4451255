"""Commands about exports: make one, check one, ask one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dse.options import Data, Json, Run, data_source
from dse.runs import open_run
from dse.selection import select
from dse.shown import next_step, shown_path

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Export folder.")]


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
    data: Data = None,
    model: Annotated[
        bool | None,
        typer.Option(
            "--model/--no-model",
            help="With the model or the hardware alone; by default with it if it can be made.",
        ),
    ] = None,
    rtl: Annotated[
        bool, typer.Option("--rtl", help="Make RTL of the register map by PeakRDL.")
    ] = False,
    onnx: Annotated[bool, typer.Option("--onnx", help="The encoder as an ONNX graph too.")] = False,
    task: Annotated[
        str | None,
        typer.Option(
            help="Of a study of several tasks the one whose model it is; by default the first."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Export one design: hardware parameters, tables, memory images, and the model that runs."""
    run = open_run(run_dir)
    design, reason = select(run.front_record(), selection)
    from dse.exports.building import ExportOptions, build_export

    options = ExportOptions(
        data=None if data is None else data_source(data),
        model=model,
        registers=rtl,
        onnx=onnx,
        task=task,
    )
    document, files = build_export(run, design, reason, out, options)
    if as_json:
        found = {
            "id": design.id,
            "selected": reason,
            "design_hash": document.design_hash,
            "model": document.model is not None,
            "files": [str(file) for file in files],
        }
        print(json.dumps(found, indent=1))
        return
    print(f"Design {design.id} ({reason}): {document.design_hash}")
    print(f"{len(files)} files in {shown_path(out.absolute())}; README.md says what they are.")
    if document.model is None:
        print(f"Without the model: {document.no_model}")
    print(next_step("dse", "verify", out.absolute()))


def verify(
    folder: Folder,
    data: Data = None,
    every: Annotated[bool, typer.Option("--all", help="Show every figure.")] = False,
    as_json: Json = False,
) -> None:
    """Check an export: every file, and every figure worked out anew from the folder alone."""
    from dse.verify_command import print_verification

    source = None if data is None else data_source(data)
    raise typer.Exit(print_verification(folder.absolute(), source, every, as_json))


def predict(
    folder: Folder,
    sentence: Annotated[str, typer.Argument(help="A sentence.")],
    pair: Annotated[
        str | None, typer.Option("--pair", help="The second sentence, of a task with pairs.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask an exported model: answer, exit layer, entropies, voltage, energy and latency."""
    from dse.predict_command import print_prediction  # imports torch

    print_prediction(folder.absolute(), sentence, pair, as_json)
