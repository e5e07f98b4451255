"""Commands that draw a run: dashboard, doctor and report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dse.errors import UsageError
from dse.options import Json, Run
from dse.runs import RUNS, open_run
from dse.shown import shown_path


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

    try:
        serve(runs, host=host, port=port, ready=ready)
    except OSError as error:
        raise UsageError(
            f"--host {host} --port {port}: cannot be bound; expected an address of this machine "
            "and a port that no other program has: '--port 0' takes a free one."
        ) from error


def doctor(run_dir: Run, as_json: Json = False) -> None:
    """Check the health of a run: each finding with its remedy; ends with 10 if one has failed."""
    from dse.doctor_command import print_findings

    print_findings(run_dir, as_json)


def report(
    run_dir: Run,
    out: Annotated[
        Path | None, typer.Option("--out", help="HTML file; by default DIR-report.html.")
    ] = None,
) -> None:
    """Write a run's report: the dashboard's figures in one file that needs no network."""
    from dashboards import write_report
    from dse.watched_run import WatchedRun

    folder = open_run(run_dir)
    path = folder.path.with_name(f"{folder.path.name}-report.html") if out is None else out
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out {path}: expected a name that ends in .html.")
    if path.absolute().parent.resolve() == folder.path.resolve():
        raise UsageError(f"--out {path}: in the run's own folder; expected a file beside it.")
    write_report(folder.front_record(), path, WatchedRun(folder.path.name, folder.path))
    print(f"Report: {shown_path(path.absolute())}")
