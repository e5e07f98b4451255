"""The commands of ``dse``, in the order in which ``dse --help`` lists them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import typer

from dse.cache_command import cache
from dse.dashboard_commands import dashboard, doctor, report
from dse.export_commands import export, predict, verify
from dse.front_commands import list_runs, pareto, show
from dse.model_commands import explain, faults, sources, thresholds, validate
from dse.next_steps import SAID_BY_ITSELF, followed
from dse.preparation_commands import init, record, spaces, train
from dse.run_commands import refine, resume, run

app: Final = typer.Typer(
    name="dse",
    help="Search algorithm and hardware knobs of an NLP accelerator together.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "run": run,
    "refine": refine,
    "resume": resume,
    "list": list_runs,
    "show": show,
    "pareto": pareto,
    "sources": sources,
    "explain": explain,
    "thresholds": thresholds,
    "faults": faults,
    "validate": validate,
    "cache": cache,
    "dashboard": dashboard,
    "doctor": doctor,
    "report": report,
    "export": export,
    "verify": verify,
    "predict": predict,
    "init": init,
    "spaces": spaces,
    "record": record,
    "train": train,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command if _name in SAID_BY_ITSELF else followed(_name, _command))
