"""The storage beside the run's own records: trials of ``trials.parquet`` must be in the storage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dse.errors import RunFolderError
from dse.search import Search
from dse.trials_table import read_trials, trial_rows

_CLOCK: Final = "wall_"
"""Columns of the clock: the journal keeps them to the microsecond."""


def check_records(path: Path, search: Search) -> str | None:
    """Compare every trial of ``trials.parquet`` with the one of the journal or database.

    Returns:
        A sentence for the user if the file cannot be read; it is written anew from the storage.

    Raises:
        RunFolderError: the storage lacks a trial that was recorded, or has another of that number.
    """
    try:
        rows = read_trials(path)
    except RunFolderError as error:
        return str(error)
    told = {row["trial"]: row for row in trial_rows(search)}
    lost = [row["trial"] for row in rows if row["trial"] not in told]
    if lost:
        raise RunFolderError(
            f"{path.parent}: the storage lacks {len(lost)} of the {len(rows)} trials in "
            f"{path.name} (the first is trial {lost[0]}); restore the storage from a backup, or "
            f"remove {path.name} to go on without them."
        )
    for row in rows:
        difference = _difference(row, told[row["trial"]])
        if difference is not None:
            name, recorded, kept = difference
            raise RunFolderError(
                f"{path.parent}: trial {row['trial']} has {name} {recorded!r} in {path.name} and "
                f"{kept!r} in the storage; restore the one that is damaged from a backup, or "
                f"remove {path.name} to trust the storage."
            )
    return None


def _difference(row: Mapping[str, Any], kept: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """The first figure in which a recorded trial is not the journal's, with both values."""
    for name, recorded in row.items():
        if not name.startswith(_CLOCK) and recorded != kept.get(name):
            return name, recorded, kept.get(name)
    return None
