"""Recorded traces of the small study, opened and as measured settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hw_cost import Technology, load_technology
from search_space import MODEL_KNOBS, KnobValue, SearchSpace, model_knobs
from studies.recorded import RecordedTraces
from studies.scoring import Setting, setting_of
from studies.spec import spec_of
from tests.small_study import small_document


@pytest.fixture(scope="session")
def technology() -> Technology:
    """The shipped constants."""
    return load_technology()


@pytest.fixture(scope="session")
def recorded(small_traces: Path) -> RecordedTraces:
    """The made-up traces."""
    return RecordedTraces(small_traces)


@pytest.fixture(scope="session")
def small_space() -> SearchSpace:
    """The space of the small study."""
    return spec_of(small_document(), "test").search_space()


@pytest.fixture(scope="session")
def model_points(small_space: SearchSpace) -> list[dict[str, KnobValue]]:
    """The 8 settings of its model knobs, flat."""
    return small_space.points(MODEL_KNOBS)


@pytest.fixture(scope="session")
def measured(recorded: RecordedTraces) -> Callable[[dict[str, KnobValue]], Setting]:
    """Makes the measured setting of a flat point."""

    def make(flat: dict[str, KnobValue]) -> Setting:
        knobs = model_knobs(flat)
        return setting_of(knobs, recorded.trace(knobs), recorded.shape(knobs.checkpoint))

    return make
