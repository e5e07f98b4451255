"""Rows of told trials that become columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from dse.told_rows import ToldRows


def row(number: int, **own: Any) -> dict[str, Any]:
    """A row of a complete trial."""
    return {
        "trial": number,
        "state": "complete",
        "reason": "",
        "repeated_of": None,
        "mac_vector_size": 16,
        "envm_mib": 0,
        "designs_scored": 1,
        "wall_start_s": float(number),
        "wall_seconds": 1.0,
        "wall_evaluation_s": 0.5,
    } | own


def test_rows_in_parts_are_those_in_one() -> None:
    """Columns do not depend on when they were asked for, whatever types the first rows have."""
    rows = [
        row(0),
        row(1, state="infeasible", reason="no room"),
        row(2, accuracy=0.9, envm_mib=0.5),
        row(3, accuracy=0.8, mac_vector_size=4),
    ]
    parts, whole = ToldRows(), ToldRows()
    for each in rows:
        parts.add(each)
        parts.trials(0)
        whole.add(each)
    a, b = parts.trials(2), whole.trials(2)
    assert (len(parts), a.in_flight, b.in_flight) == (4, 2, 2)
    assert a.numbers.tolist() == b.numbers.tolist() == [0, 1, 2, 3]
    assert a.states.tolist() == b.states.tolist()
    assert a.reasons.tolist() == b.reasons.tolist() == ["", "no room", "", ""]
    assert a.knobs["envm_mib"].levels == b.knobs["envm_mib"].levels == (0.0, 0.5)
    assert a.knobs["mac_vector_size"].codes.tolist() == [1, 1, 1, 0]
    np.testing.assert_array_equal(a.values["accuracy"], [np.nan, np.nan, 0.9, 0.8])


def test_a_repeat_has_the_row_of_the_first() -> None:
    """What a repeated trial was told is what its first was, taken up a while ago or just now."""
    rows = ToldRows()
    rows.add(row(0, accuracy=0.9))
    rows.trials(0)
    rows.add(row(1, accuracy=0.7, mac_vector_size=4))
    own = {"repeated_of": 0, "designs_scored": 0}
    rows.repeat(0, own | {"trial": 2})
    rows.repeat(1, own | {"trial": 3, "repeated_of": 1})
    table = rows.trials(0)
    assert table.values["accuracy"].tolist() == [0.9, 0.7, 0.9, 0.7]
    assert table.repeated.tolist() == [False, False, True, True]
    assert table.designs_scored.tolist() == [1, 1, 0, 0]
    assert (rows.n_repeated, rows.states["complete"]) == (2, 4)


def test_nothing_told() -> None:
    """No trial is an empty table that knows what is in the air."""
    table = ToldRows().trials(3)
    assert (len(table), table.in_flight) == (0, 3)
