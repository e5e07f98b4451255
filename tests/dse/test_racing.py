"""Racing in a search: the same front from fewer sentences, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from dse.evaluation import Evaluation
from dse.executors import InlineExecutor
from dse.outcomes import Outcome
from dse.race_counts import race_counts
from dse.racing import StagedTraces
from dse.search import Search
from dse.trace_sources import looks_of
from dse.trials_table import trial_rows
from evaluators.traces import ExitTrace
from search_space import MODEL_KNOBS, ModelKnobs, model_knobs
from studies.recorded import RecordedTraces
from studies.spec import StudyFileError, StudySpec, spec_of
from tests.dse.conftest import finished_front, opened, quiet
from tests.small_study import changed, small_document, spec_with, tiny_document

RACING = {"looks": [15, 30], "risk": 0.05, "accuracy_ceiling": 1.0}
MakeRaced = Callable[[StudySpec], Evaluation]


@pytest.fixture
def raced(small_traces: Path) -> MakeRaced:
    """Makes the evaluation of a study with racing on the made-up traces."""
    return lambda spec: Evaluation(spec, RecordedTraces(small_traces, looks_of(spec)))


def racing_spec(trials: int = 24, **search: object) -> StudySpec:
    """The tiny study with racing; one encoder is far too large for the deadline's chips."""
    return spec_with(tiny_document(), trials=trials, racing=RACING, **search)


def results(search: Search) -> list[dict[str, object]]:
    """Told trials without what the clock says."""
    return [
        {name: value for name, value in row.items() if not name.startswith("wall_")}
        for row in trial_rows(search)
    ]


class TestSearch:
    """A nested study with racing."""

    def test_same_front_from_fewer_sentences(self, tmp_path: Path, raced: MakeRaced) -> None:
        """All settings tried: the front is that without racing, and sentences are spared."""
        spec, plain = racing_spec(), spec_with(tiny_document(), trials=24)
        searches = []
        for name, each in (("raced", spec), ("plain", plain)):
            (tmp_path / name).mkdir()
            search = opened(each, tmp_path / name)
            search.run(InlineExecutor(raced(each)), quiet)
            searches.append(search)
        own, other = searches
        assert {str(told.flat) for told in own.told} == {str(told.flat) for told in other.told}
        np.testing.assert_array_equal(
            np.unique(own.archive.values, axis=0), np.unique(other.archive.values, axis=0)
        )
        measured = [told.outcome.sentences for told in own.told]
        assert max(measured) == 60  # of 100: those of the report split wait for the front
        assert all(told.outcome.sentences == 0 for told in other.told)

    def test_lost_settings_are_recorded(self, tmp_path: Path, raced: MakeRaced) -> None:
        """Settings whose accuracy is soon seen to be too low are pruned, with the reason."""
        spec = racing_spec().with_overrides(
            {"search.racing.looks": [15, 30, 50], "constraints": ["accuracy >= 0.93"]}
        )
        search = opened(spec, tmp_path)
        search.run(InlineExecutor(raced(spec)), quiet)
        lost = [told for told in search.told if told.outcome.state == "pruned"]
        assert lost
        for told in lost:
            assert told.outcome.reason == (
                f"after {told.outcome.sentences} of 60 sentences no design can be on the front"
            )
            assert told.outcome.values == []
        rows = [row for row in trial_rows(search) if row["state"] == "pruned"]
        assert [row["sentences"] for row in rows] == [told.outcome.sentences for told in lost]
        front = finished_front(search, raced(spec), spec)
        assert front.counts["pruned"] == len(lost)
        assert front.counts["sentences_saved"] > 0

    def test_what_is_forbidden_saves_nothing(self, tmp_path: Path, raced: MakeRaced) -> None:
        """Sentences measured and saved are those of the distinct traces that conditions allow."""
        spec = racing_spec(sampler={"name": "random"}).with_overrides(
            {"conditions": ["checkpoint != 'one-layer'"]}
        )
        search = opened(spec, tmp_path)
        search.run(InlineExecutor(raced(spec)), quiet)
        flats = [told.flat for told in search.told]
        allowed = [flat for flat in flats if flat["checkpoint"] != "one-layer"]
        assert 0 < len(allowed) < len(flats)
        traces = {model_knobs(flat).trace_key() for flat in allowed}
        counts = race_counts(search, raced(spec))
        assert counts["sentences"] + counts["sentences_saved"] == 100 * len(traces)

    def test_a_resumed_search_goes_on_alike(self, tmp_path: Path, raced: MakeRaced) -> None:
        """Stopped after every outcome with three trials in flight: the same trials and front."""
        spec = racing_spec(in_flight=3)
        (tmp_path / "whole").mkdir()
        whole = opened(spec, tmp_path / "whole")
        whole.run(InlineExecutor(raced(spec)), quiet)
        evaluation = raced(spec)
        for _ in range(100):
            search = opened(spec, tmp_path)
            try:
                search.run(_Stopping(evaluation), quiet)
                break
            except KeyboardInterrupt:
                continue
        assert results(search) == results(whole)
        np.testing.assert_array_equal(search.archive.values, whole.archive.values)


class _Stopping(InlineExecutor):
    """Ends the driver after its second outcome."""

    def __init__(self, evaluation: Evaluation) -> None:
        super().__init__(evaluation)
        self._left = 2

    def next_outcome(self) -> tuple[int, Outcome]:
        """An outcome, or the interruption."""
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        return super().next_outcome()


class _Interrupted(RecordedTraces):
    """Traces whose first measurement is stopped before its end."""

    stopped = 0

    def stages(self, knobs: ModelKnobs) -> Iterator[ExitTrace]:
        """Its first stage, then once an interruption."""
        for stage in super().stages(knobs):
            yield stage
            if not self.stopped:
                self.stopped += 1
                raise TimeoutError


class TestStages:
    """Traces as far as they are needed."""

    def test_a_stopped_measurement_begins_anew(self, small_traces: Path) -> None:
        """What was interrupted is asked for again."""
        flat = spec_of(small_document(), "test").search_space().points(MODEL_KNOBS)[0]
        traces = StagedTraces(_Interrupted(small_traces, (0, 15)))
        knobs = model_knobs(flat)
        with pytest.raises(TimeoutError):
            traces.at(knobs, 1)
        assert len(traces.at(knobs, 1).tokens) == 15
        assert len(traces.at(knobs, 2).tokens) == 60
        assert len(traces.at(knobs, 3).tokens) == 100

    def test_looks_beyond_the_sentences(self, raced: MakeRaced) -> None:
        """A task with fewer sentences than a look has is raced at the others."""
        racing = {"looks": [30, 60, 500]}
        spec = spec_of(changed(tiny_document(), {"search.racing": racing}), "test")
        flat = spec.search_space().points(MODEL_KNOBS)[0]
        assert raced(spec).evaluate("setting", flat, []).sentences == 60

    def test_before_the_first_sentence(self, raced: MakeRaced) -> None:
        """A constraint that no accelerator keeps costs no sentence."""
        spec = spec_of(
            changed(
                tiny_document(), {"constraints": ["area_mm2 <= 1e-9"], "search.racing": RACING}
            ),
            "test",
        )
        flat = spec.search_space().points(MODEL_KNOBS)[0]
        outcome = raced(spec).evaluate("setting", flat, [])
        assert (outcome.state, outcome.sentences) == ("infeasible", 0)
        assert outcome.reason


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"search.racing": {"looks": [500, 250]}}, r"looks \[500, 250\] do not rise"),
        ({"search.racing": {"risk": 0.0}}, "greater than 0"),
        ({"search.racing": {}, "search.strategy": "joint"}, "racing is of nested studies"),
        (
            {
                "search.racing": {},
                "scenario.task": "MRPC",
            },
            "bounds the share of right answers, and MRPC is scored by",
        ),
    ],
)
def test_refused_tables(changes: dict[str, object], message: str) -> None:
    """Racing is of nested studies whose metric is the share of right answers."""
    with pytest.raises(StudyFileError, match=message):
        spec_of(changed(small_document(), changes), "test")
