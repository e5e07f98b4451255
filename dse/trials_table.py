"""``trials.parquet``: a row for each trial that was told."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from dse.errors import RunFolderError
from dse.search import Search
from studies.whole_files import write_whole

_INTEGER_COLUMNS: Final = {
    *("trial", "repeated_of", "front_size", "designs_scored", "designs_pruned", "sentences"),
}
_TEXT_COLUMNS: Final = {"state", "reason"}


def trial_rows(search: Search) -> list[dict[str, Any]]:
    """One row for each told trial, in Optuna's order: the content of ``trials.parquet``."""
    rows = []
    is_raced = search.spec.search.racing is not None
    for told in sorted(search.told, key=lambda t: t.number):
        outcome = told.outcome
        state: Literal["complete", "infeasible", "pruned", "failed"] = outcome.state
        rows.append(
            {
                "trial": told.number,
                "state": state,
                "reason": outcome.reason,
                "repeated_of": told.repeated_of,
                **told.flat,
                **outcome.metrics,
                "own_hypervolume": outcome.own_hypervolume,
                **search.told_values(outcome),
                "front_size": len(outcome.values),
                "designs_scored": 0 if told.repeated_of is not None else outcome.designs_scored,
                "designs_pruned": 0 if told.repeated_of is not None else outcome.designs_pruned,
                **({"sentences": outcome.sentences} if is_raced else {}),
                "wall_start_s": told.wall_start,
                "wall_seconds": told.wall_seconds,
                "wall_evaluation_s": outcome.seconds,
            }
        )
    return rows


def write_trials(path: Path, search: Search) -> None:
    """Write ``trials.parquet``, whole or not at all.

    Raises:
        UnwritableError: it cannot be written.
    """
    rows = trial_rows(search)
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        kind = pa.int64() if name in _INTEGER_COLUMNS else None
        kind = pa.string() if name in _TEXT_COLUMNS else kind
        columns[name] = pa.array(values, type=kind)
    write_table(path, pa.table(columns))


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file with checksums of its pages, whole or not at all.

    Raises:
        UnwritableError: it cannot be written.
    """
    buffer = io.BytesIO()
    pq.write_table(table, buffer, write_page_checksum=True)
    write_whole(path, buffer.getvalue())


def read_trials(path: Path) -> list[dict[str, Any]]:
    """Rows of ``trials.parquet``, its pages' checksums compared; none if there is no such file.

    Raises:
        RunFolderError: the file is damaged.
    """
    if not path.exists():
        return []
    try:
        with path.open("rb") as file:
            rows: list[dict[str, Any]] = pq.read_table(
                pa.BufferReader(file.read()), page_checksum_verification=True
            ).to_pylist()
        if any(not isinstance(row.get("trial"), int) for row in rows):
            raise ValueError("it has no column of trial numbers")
    except (OSError, ValueError, pa.ArrowException) as error:
        first = str(error).splitlines()[0]
        raise RunFolderError(
            f"{path}: damaged ({first}); 'dse resume' writes it anew from the journal."
        ) from error
    return rows
