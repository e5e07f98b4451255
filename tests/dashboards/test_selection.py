"""Selections as numbers, as text in an address and as a command."""

from __future__ import annotations

import shlex

from hypothesis import given
from hypothesis import strategies as st

from dashboards.selection import condition_of, ids_of_text, ids_text, pareto_command
from search_space import parse_condition

IDS = st.sets(st.integers(min_value=0, max_value=60))


@given(IDS)
def test_text_and_back(ids: set[int]) -> None:
    """An address keeps a selection."""
    assert ids_of_text(ids_text(ids), 61) == sorted(ids)


@given(st.text(max_size=40))
def test_any_text_is_harmless(text: str) -> None:
    """Whatever an address says, only designs that there are come of it."""
    assert all(0 <= i < 10 for i in ids_of_text(text, 10))


@given(IDS.filter(bool))
def test_condition_holds_for_these_alone(ids: set[int]) -> None:
    """The condition picks the selected designs and no others, by the language of the commands."""
    holds = parse_condition(condition_of(ids), {"id"})
    assert {i for i in range(61) if holds({"id": i})} == ids


def test_command_survives_the_shell() -> None:
    """Folder and condition are single words of the command."""
    words = shlex.split(pareto_command("runs/it's; rm -rf", [1, 2, 3, 9]))
    assert words == ["dse", "pareto", "runs/it's; rm -rf", "--where", "1 <= id <= 3 or id == 9"]
    assert shlex.split(pareto_command("a", [])) == ["dse", "pareto", "a"]
