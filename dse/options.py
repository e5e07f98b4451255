"""Options that several commands take, with the same words everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from evaluators.glue import DATASETS_PREFIX

SAMPLES: Final = 200
"""Samples of the constants unless told otherwise."""

Out = Annotated[Path | None, typer.Option("--out", help="Folder to write; it must be new.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Run = Annotated[Path, typer.Argument(help="Run folder.", metavar="DIR")]
Samples = Annotated[
    int | None, typer.Option(min=1, help=f"Samples of the constants; by default {SAMPLES}.")
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder of the GLUE tasks, or datasets:NAME for the datasets library.",
        envvar="GLUE_DIR",
        metavar="GLUE_DIR",
    ),
]
Recorded = Annotated[
    Path | None,
    typer.Option("--traces", help="Folder of recorded traces; by default the shipped ones."),
]


def data_source(data: Path) -> str:
    """What ``--data`` names, for any working folder: a folder, or ``datasets:NAME``.

    >>> data_source(Path("datasets:someone/glue"))
    'datasets:someone/glue'
    """
    name = str(data).removeprefix(DATASETS_PREFIX)
    if name == str(data):
        return str(data.absolute())
    return DATASETS_PREFIX + (str(Path(name).absolute()) if Path(name).is_dir() else name)
