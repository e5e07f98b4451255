"""``dse cache``: what the caches of live traces hold, and how to empty one."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from dse.errors import RunFolderError, UsageError
from dse.options import Json
from dse.runs import RUNS, RunFolder, open_run, run_folders
from evaluators.trace_cache import MIB, TraceCache
from studies.spec import StudyFileError


def cache(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Run folder or folder of live traces.")
    ] = None,
    root: Annotated[Path, typer.Option(help="Folder of run folders, without DIR.")] = RUNS,
    clear: Annotated[bool, typer.Option("--clear", help="Remove the traces of DIR.")] = False,
    as_json: Json = False,
) -> None:
    """Show how many live traces are kept, their size and use; or remove them."""
    if clear and folder is None:
        raise UsageError("--clear removes the traces of one folder: name it, as in dse cache DIR.")
    caches = _of_runs(root) if folder is None else [_cache_at(folder)]
    rows: list[dict[str, Any]] = []
    for path, limit_mib in caches:
        kept = TraceCache(path, None, print)  # looking and clearing say nothing
        if clear:
            try:
                kept.clear()
            except OSError as error:
                raise RunFolderError(f"{path}: cannot be cleared ({error}).") from error
        rows.append({"cache": str(path), "limit_mib": limit_mib, **asdict(kept.summary())})
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        limit = "" if row["limit_mib"] is None else f" of {row['limit_mib']:,}"
        print(
            f"{row['cache']}  {row['traces']:,} traces, {row['unfinished']:,} unfinished, "
            f"{row['size_bytes'] / MIB:,.1f}{limit} MiB; {row['hits']:,} read, "
            f"{row['misses']:,} measured"
        )
    if not rows:
        print(f"No live traces in the runs of {root}/.")


def _of_runs(root: Path) -> list[tuple[Path, int | None]]:
    """The caches of all runs that have one, each once, with their limits, MiB."""
    found: dict[Path, int | None] = {}
    for run in run_folders(root):
        try:
            path, limit_mib = _of_run(run)
        except StudyFileError:  # 'dse list' says so
            continue
        if path.is_dir():
            found.setdefault(path, limit_mib)
    return list(found.items())


def _of_run(run: RunFolder) -> tuple[Path, int | None]:
    spec = run.spec()
    return run.cache_of(spec), spec.evaluator.cache_mib


def _cache_at(folder: Path) -> tuple[Path, int | None]:
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise RunFolderError(f"{folder}: {what}; expected a run or a folder of traces.")
    if (folder / "spec.json").is_file():
        return _of_run(open_run(folder))
    return folder.absolute(), None
