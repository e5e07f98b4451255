"""A narrowed study: the neighbourhood of some designs of a front, searched again and closer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dse.errors import SelectionError
from dse.selection import designs_where
from search_space import KNOB_DEFAULTS, Dimension, KnobValue
from studies.records import Front, FrontDesign
from studies.spec import StudySpec, spec_of
from studies.whole_files import write_whole


def narrowed_study(
    spec: StudySpec, front: Front, condition: str, designs_file: Path, trials: int | None
) -> tuple[StudySpec, list[FrontDesign]]:
    """A study around the designs of a front that meet a condition, and those designs.

    A knob of text keeps the values that they have. A knob of numbers keeps those of its values from
    the smallest to the largest that they have, and one more on either side, so that the best may
    lie beside what was found.

    Args:
        spec: the study of the run.
        front: its front.
        condition: on metrics and knobs, as behind ``where`` in a selection.
        designs_file: list of those designs, which the search tries first.
        trials: of the new study; None for as many as before.

    Raises:
        SelectionError: no design meets the condition.
        ConditionError: it is no condition.
    """
    chosen = designs_where(front.designs, condition)
    if not chosen:
        raise SelectionError(
            f"--where {condition!r}: no design of the front meets it; relax the bound."
        )
    document = spec.document()
    for dimension in spec.search_space().dimensions:
        if dimension.name in document["space"] and not dimension.is_fixed:
            found = [{**KNOB_DEFAULTS, **design.knobs}[dimension.name] for design in chosen]
            document["space"][dimension.name] = narrowed(dimension, found)
    document["title"] = f"{spec.title[:150]}, refined where {condition}"[:200]
    document.setdefault("search", {})["warm_start"] = [str(designs_file.absolute())]
    if trials is not None:
        document["search"]["trials"] = trials
    return spec_of(document, "refined study"), chosen


def narrowed(dimension: Dimension, found: Sequence[KnobValue]) -> list[KnobValue]:
    """Values of a dimension that a refined study keeps, for the values that its designs have.

    >>> narrowed(Dimension("mac_vector_size", (4, 8, 16, 32)), [8])
    [4, 8, 16]
    """
    numbers = [value for value in dimension.values if not isinstance(value, str)]
    wanted = [value for value in found if not isinstance(value, str)]
    if len(numbers) != len(dimension.values) or len(wanted) != len(found):
        return [value for value in dimension.values if value in found]
    places = [min(range(len(numbers)), key=lambda i: abs(numbers[i] - value)) for value in wanted]
    ranked = sorted(range(len(numbers)), key=lambda i: numbers[i])
    ranks = [ranked.index(place) for place in places]
    kept = set(ranked[max(min(ranks) - 1, 0) : max(ranks) + 2])
    return [value for i, value in enumerate(dimension.values) if i in kept]


def write_designs(path: Path, designs: Sequence[FrontDesign]) -> None:
    """Write a list of designs that a study can start from.

    Raises:
        UnwritableError: it cannot be written.
    """
    tables = []
    for design in designs:
        lines = [f"{name} = {json.dumps(value)}" for name, value in design.knobs.items()]
        tables.append("\n".join(["[[designs]]", *lines, ""]))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, "\n".join(tables).encode())
