"""``dse doctor``: the health of a run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dse.errors import RunFolderError, UnhealthyRunError
from dse.exports.text import one_line
from dse.runs import open_run
from dse.tables import TABLE_WIDTH
from dse.watched_run import WatchedRun
from studies.health import Finding, findings


def print_findings(path: Path, as_json: bool) -> None:
    """Print every finding of a run, the worst first.

    Raises:
        RunFolderError: it is no run folder, or damaged.
        UnhealthyRunError: a check has failed.
    """
    open_run(path)
    try:
        found = findings(WatchedRun(path.name, path).whole_snapshot())
    except ValueError as error:
        raise RunFolderError(str(error)) from error
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=1))
    else:
        Console(width=max(TABLE_WIDTH, Console().width)).print(_table(found))
    failed = [finding for finding in found if finding.verdict == "FAIL"]
    if failed:
        checks = ", ".join(finding.check for finding in failed)
        raise UnhealthyRunError(f"{path}: {len(failed)} of {len(found)} checks failed ({checks}).")


def _table(found: list[Finding]) -> Table:
    table = Table(header_style="bold", pad_edge=False, box=None)
    for header in ("verdict", "check", "found", "what to do"):
        table.add_column(header, no_wrap=header == "verdict")
    for finding in found:
        text = Text(one_line(finding.text))  # reasons of trials hold what errors said
        table.add_row(finding.verdict, finding.check, text, finding.remedy)
    return table
