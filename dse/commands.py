"""The commands of ``dse``, in the order in which ``dse --help`` lists them."""

from __future__ import annotations

from typing import Final

import typer

from dse.cache_command import cache
from dse.front_commands import export, list_runs, pareto, show
from dse.model_commands import explain, faults, sources, thresholds, validate
from dse.preparation_commands import record, spaces, train
from dse.run_commands import resume, run

app: Final = typer.Typer(
    name="dse",
    help="Search algorithm and hardware knobs of an NLP accelerator together.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command()(run)
app.command()(resume)
app.command("list")(list_runs)
for _command in (
    show,
    pareto,
    sources,
    explain,
    thresholds,
    faults,
    validate,
    cache,
    export,
    spaces,
    record,
    train,
):
    app.command()(_command)
