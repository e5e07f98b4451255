"""What several commands print: a front, and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from dse.runs import RunFolder
from dse.shown import shown_path
from dse.tables import TABLE_WIDTH, front_table, spread
from studies.records import Front, FrontDesign
from studies.survival import survival_sentence


def print_front(
    front: Front, rows: int, folder: RunFolder, chosen: Sequence[FrontDesign] | None = None
) -> None:
    """Print a front as a table, with what it is worth below.

    Args:
        front: of a finished run.
        rows: of the table at most; designs are left out evenly by rank.
        folder: of the run.
        chosen: the designs to print; None for all.
    """
    if not front.designs:
        print("The front is empty: no design meets the constraints.")
        return
    designs = front.designs if chosen is None else chosen
    if not designs:
        print(f"None of the {len(front.designs)} designs on the front is among those asked for.")
        return
    positions = spread(len(designs), rows)
    table = front_table(front, [designs[i] for i in positions])
    Console(width=width()).print(table)
    print()
    if len(positions) == len(front.designs):
        shown = f"All {len(front.designs)} designs on the front."
    elif len(positions) == len(designs):
        shown = f"{len(designs)} of the {len(front.designs)} designs on the front."
    else:
        shown = (
            f"Shown: {len(positions)} of {len(designs)} designs on the front, evenly by rank "
            f"(all: dse pareto {shown_path(folder.path)} --rows 0)."
        )
    print(f"{shown} Hypervolume {front.hypervolume:.4f}; ± is one standard error.")
    print(survival_sentence(front))
    if front.stopped:
        print(f"The search ended because {front.stopped}.")


def width() -> int:
    """Columns of a printed table."""
    return max(TABLE_WIDTH, Console().width)


def print_json(value: Any) -> None:
    """Print a value as JSON; what JSON does not know as text."""
    print(json.dumps(value, indent=1, default=str))
