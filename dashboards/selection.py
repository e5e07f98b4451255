"""The designs that are selected: as numbers, as short text in an address, as a shell command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import Final

MOST_IN_ADDRESS: Final = 500
"""Runs of numbers that an address takes; a longer selection is not put there."""

_PART: Final = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


def id_runs(ids: Iterable[int]) -> list[tuple[int, int]]:
    """First and last of each run of numbers without a gap.

    >>> id_runs([7, 1, 2, 3])
    [(1, 3), (7, 7)]
    """
    runs: list[tuple[int, int]] = []
    for number in sorted(set(ids)):
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def ids_text(ids: Iterable[int]) -> str:
    """The ids as an address has them.

    >>> ids_text([7, 1, 2, 3])
    '1-3,7'
    """
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in id_runs(ids)[:MOST_IN_ADDRESS])


def ids_of_text(text: str, n_designs: int) -> list[int]:
    """The ids that a text of an address names, those alone that there are.

    Anything that is not such a text names none: addresses are written by hand, too.

    >>> ids_of_text("1-3,7,99", 10), ids_of_text("<script>", 10)
    ([1, 2, 3, 7], [])
    """
    found: set[int] = set()
    for part in text.split(",")[:MOST_IN_ADDRESS]:
        match = _PART.fullmatch(part)
        if match is not None:
            first = int(match[1])
            last = min(int(match[2] or match[1]), n_designs - 1)
            found.update(range(first, last + 1))
    return sorted(found)


def condition_of(ids: Iterable[int]) -> str:
    """The condition on ``id`` that holds for these designs and no others.

    >>> condition_of([7, 1, 2, 3])
    '1 <= id <= 3 or id == 7'
    """
    parts = (f"id == {a}" if a == b else f"{a} <= id <= {b}" for a, b in id_runs(ids))
    return " or ".join(parts)


def pareto_command(run: str, ids: Iterable[int]) -> str:
    """The command that prints these designs; all of the front if there are none.

    >>> pareto_command("runs/a b", [3])
    "dse pareto 'runs/a b' --where 'id == 3'"
    """
    condition = condition_of(ids)
    command = f"dse pareto {shlex.quote(run)}"
    return f"{command} --where {shlex.quote(condition)}" if condition else command
