"""Near names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from search_space.knob_values import KNOBS
from search_space.names import nearest


def test_misspelt_name_gets_the_nearest_known_one() -> None:
    """A swapped letter finds the knob that was meant."""
    assert nearest("entropy_treshold", KNOBS) == ", did you mean 'entropy_threshold'?"


def test_case_does_not_matter() -> None:
    """A name in the wrong case finds the known spelling."""
    assert nearest("SST-2", ["sst-2", "CoLA"]) == ", did you mean 'sst-2'?"
    assert nearest("cola", ["sst-2", "CoLA"]) == ", did you mean 'CoLA'?"


def test_nothing_near_says_nothing() -> None:
    """A name that resembles none, or no known names at all, adds nothing to a sentence."""
    assert nearest("zzz", KNOBS) == ""
    assert nearest("zzz", []) == ""


@given(st.sampled_from(KNOBS), st.data())
def test_one_dropped_letter_still_finds_a_known_name(knob: str, data: st.DataObject) -> None:
    """Whatever letter is dropped from a knob's name, a knob is offered."""
    i = data.draw(st.integers(0, len(knob) - 1))
    offered = nearest(knob[:i] + knob[i + 1 :], KNOBS)
    assert offered.removeprefix(", did you mean '").removesuffix("'?") in KNOBS
