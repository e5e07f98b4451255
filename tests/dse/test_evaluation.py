"""Evaluation: what a setting that an encoder does not survive becomes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from dse.evaluation import Evaluation
from evaluators.codecs.errors import NotFiniteError
from evaluators.traces import ExitTrace
from hw_cost import EncoderShape
from search_space import KNOBS, ModelKnobs
from studies.recorded import RecordedTracesError
from studies.spec import spec_of
from tests.small_study import SHAPES, small_document


class Raising:
    """A source of traces that never has one."""

    def __init__(self, error: Exception) -> None:
        """What it raises."""
        self.error = error

    def trace(self, knobs: ModelKnobs) -> ExitTrace:  # noqa: ARG002 - of the protocol
        """None."""
        raise self.error

    def stages(self, knobs: ModelKnobs) -> Iterator[ExitTrace]:
        """None."""
        yield self.trace(knobs)

    def select_tokens(self, checkpoint: str) -> NDArray[np.int64]:  # noqa: ARG002 - likewise
        """None."""
        raise self.error

    def shape(self, checkpoint: str) -> EncoderShape:
        """One of the made-up shapes."""
        return SHAPES[checkpoint]


def test_overflow_is_a_failed_setting() -> None:
    """An encoder that overflows fails its own setting, with the reason, and not the study."""
    spec = spec_of(small_document(), "test")
    first = spec.search_space().points(KNOBS)[0]
    evaluation = Evaluation(spec, Raising(NotFiniteError("Activations from 0 to inf.")))
    for kind in ("setting", "design"):
        outcome = evaluation.evaluate(kind, first)
        assert (outcome.state, outcome.reason) == ("failed", "Activations from 0 to inf.")


def test_missing_traces_end_the_study() -> None:
    """What no setting can have is an error of the study."""
    spec = spec_of(small_document(), "test")
    evaluation = Evaluation(spec, Raising(RecordedTracesError("gone")))
    with pytest.raises(RecordedTracesError, match="gone"):
        evaluation.evaluate("setting", spec.search_space().points(KNOBS)[0])
