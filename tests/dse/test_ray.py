"""Ray workers: the same results as in one process, and what becomes of workers that die."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dse import executors
from dse.evaluation import Flat
from dse.executors import Executor, InlineExecutor, Kind, RayExecutor
from dse.interruption import Interrupted, interruptible
from dse.outcomes import Outcome
from dse.racing import Rivals
from dse.search import Search
from dse.trace_sources import SourceOptions
from dse.trials_table import trial_rows
from search_space import MODEL_KNOBS
from studies.recorded import RecordedTracesError
from studies.spec import StudySpec
from tests.dse.conftest import MakeEvaluation, opened, quiet
from tests.small_study import changed, spec_with, tiny_document

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    # Ray leaves files and sockets to its own processes when it stops.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

FATAL = {"checkpoint": "one-layer", "weight_format": "adaptivfloat<8,3>", "encoder_storage": "sram"}
LIMIT_S = 5.0
UNLUCKY = {**FATAL, "checkpoint": "own-layers"}


@pytest.fixture(scope="module")
def spec() -> StudySpec:
    """The tiny study, with trials enough for each of its 8 settings."""
    return spec_with(tiny_document(), trials=60, workers=2, sampler={"name": "random"})


@pytest.fixture
def options(small_traces: Path) -> SourceOptions:
    """How workers find the made-up traces."""
    return SourceOptions(glue_dir=None, cache=None, recorded=str(small_traces))


@pytest.fixture(scope="module")
def inline(
    spec: StudySpec, evaluation_of: MakeEvaluation, tmp_path_factory: pytest.TempPathFactory
) -> Search:
    """The run in one process."""
    search = opened(spec, tmp_path_factory.mktemp("inline"))
    search.run(InlineExecutor(evaluation_of(spec)), quiet)
    return search


def test_same_front_as_in_one_process(
    spec: StudySpec,
    options: SourceOptions,
    inline: Search,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over all settings two workers find the front of one process, and Ray is stopped again.

    A cluster that is known here, as Ray's own variable may name one, is not joined unasked.
    """
    import ray

    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    said: list[str] = []
    executor = RayExecutor(spec, options, 2, None, said.append)
    try:
        assert executor.capacity == 2
        search = opened(spec, tmp_path)
        search.run(executor, quiet)
    finally:
        executor.close()
    assert not ray.is_initialized()
    assert said == ["starting Ray"]
    evaluated = [t for t in search.told if t.repeated_of is None]
    assert len(evaluated) == len(spec.search_space().points(MODEL_KNOBS)) == 8
    assert len(search.told) == 60
    assert sorted(search.archive.values.tolist()) == sorted(inline.archive.values.tolist())
    assert search.archive.hypervolume == pytest.approx(inline.archive.hypervolume)
    assert search.archive.designs_scored == inline.archive.designs_scored
    flats = [{name: row[name] for name in MODEL_KNOBS} for row in trial_rows(search)]
    assert flats == [{name: row[name] for name in MODEL_KNOBS} for row in trial_rows(inline)]


@pytest.mark.usefixtures("running_ray")
def test_workers_change_no_trial(
    options: SourceOptions, evaluation_of: MakeEvaluation, tmp_path: Path
) -> None:
    """With as many trials in flight, two workers and one process make the same trials and front.

    NSGA-II learns from what it was told, so an outcome told at another time would show.
    """
    spec = spec_with(tiny_document(), trials=24, workers=2, in_flight=3)
    found = []
    for name in ("ray", "inline"):
        (tmp_path / name).mkdir()
        search = opened(spec, tmp_path / name)
        executor: Executor = InlineExecutor(evaluation_of(spec))
        if name == "ray":
            executor = RayExecutor(spec, options, 2, None, quiet)
        try:
            search.run(executor, quiet)
        finally:
            executor.close()
        rows = [
            {key: value for key, value in row.items() if not key.startswith("wall_")}
            for row in trial_rows(search)
        ]
        found.append((rows, search.archive.members, search.archive.values.tolist()))
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def running_ray() -> Iterator[None]:
    """Ray, started once and stopped at the end."""
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        log_to_driver=False,
    )
    yield
    ray.shutdown()


def deadly_worker(marker: Path) -> type:
    """A worker that one setting kills every time, and another the first time only."""

    class Deadly(executors._Worker):
        def evaluate(self, kind: Kind, flat: Flat, rivals: Rivals | None = None) -> Outcome:
            if FATAL.items() <= flat.items():
                os.kill(os.getpid(), signal.SIGKILL)
            if UNLUCKY.items() <= flat.items() and not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().evaluate(kind, flat, rivals)

    return Deadly


@pytest.mark.usefixtures("running_ray")
def test_dead_workers_are_replaced(
    spec: StudySpec,
    options: SourceOptions,
    inline: Search,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A design whose worker died once is retried; one that kills thrice is recorded as failed."""
    monkeypatch.setattr(executors, "_Worker", deadly_worker(tmp_path / "died"))
    said: list[str] = []
    executor = RayExecutor(spec, options, 2, None, said.append)
    try:
        search = opened(spec, tmp_path)
        search.run(executor, quiet)
    finally:
        executor.close()
    assert (tmp_path / "died").exists()
    assert len(search.told) == 60
    expected = {t.number: t for t in inline.told}
    for told in search.told:
        other = expected[told.number]
        assert told.flat == other.flat
        if FATAL.items() <= told.flat.items():
            assert told.outcome.state == "failed"
            reason = "3 attempts failed, the last because a worker died: "
            assert told.outcome.reason.startswith(reason)
            assert "\n" not in told.outcome.reason
        else:
            assert told.outcome.state == other.outcome.state
            assert told.outcome.values == other.outcome.values
    assert sum("a worker died" in line and "trying its design again" in line for line in said) == 3


def unreliable_worker(marker: Path) -> type:
    """A worker that hangs on one setting, and on another raises, for want of memory at first."""

    class Unreliable(executors._Worker):
        def evaluate(self, kind: Kind, flat: Flat, rivals: Rivals | None = None) -> Outcome:
            if FATAL.items() <= flat.items():
                time.sleep(600)
            if UNLUCKY.items() <= flat.items() and not marker.exists():
                marker.touch()
                raise MemoryError
            if UNLUCKY.items() <= flat.items():
                raise ZeroDivisionError("division by zero")
            return super().evaluate(kind, flat, rivals)

    return Unreliable


@pytest.mark.usefixtures("running_ray")
def test_workers_that_hang_or_raise(
    options: SourceOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task over its limit is stopped and given up after three attempts; an exception after one.

    What may not happen again is tried again, and the study goes on to its end.
    """
    monkeypatch.setattr(executors, "_Worker", unreliable_worker(tmp_path / "raised"))
    document = changed(tiny_document(), {"space.weight_format": "adaptivfloat<8,3>"})
    spec = spec_with(document, trials=20, workers=2, sampler={"name": "random"})
    said: list[str] = []
    executor = RayExecutor(spec, options, 2, None, said.append, limit_s=LIMIT_S)
    try:
        search = opened(spec, tmp_path)
        search.run(executor, quiet)
    finally:
        executor.close()
    assert len(search.told) == 20
    for told in search.told:
        reason = told.outcome.reason
        if FATAL.items() <= told.flat.items():
            assert reason.startswith("3 attempts failed, the last because it took longer than")
        elif UNLUCKY.items() <= told.flat.items():
            assert reason == "ZeroDivisionError: division by zero"
        else:
            assert told.outcome.state != "failed"
    assert said.count("MemoryError; trying its design again") == 1


@pytest.mark.usefixtures("running_ray")
def test_missing_traces_reach_the_driver(options: SourceOptions, tmp_path: Path) -> None:
    """What cannot be evaluated at all is the driver's error, as it would be in one process."""
    document = changed(tiny_document(), {"space.span_budget_tokens": 16})
    spec = spec_with(document, workers=1)
    executor = RayExecutor(spec, options, 1, None, quiet)
    try:
        with pytest.raises(RecordedTracesError, match="for span_budget_tokens 16"):
            opened(spec, tmp_path).run(executor, quiet)
    finally:
        executor.close()


def sleeping_worker() -> type:
    """A worker that never ends a task."""

    class Sleeping(executors._Worker):
        def evaluate(self, kind: Kind, flat: Flat, rivals: Rivals | None = None) -> Outcome:
            time.sleep(600)
            return super().evaluate(kind, flat, rivals)

    return Sleeping


@pytest.mark.usefixtures("running_ray")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_while_waiting(
    number: signal.Signals,
    spec: StudySpec,
    options: SourceOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signal that comes while Ray waits ends the search soon, as an interruption by it."""
    monkeypatch.setattr(executors, "_Worker", sleeping_worker())
    executor = RayExecutor(spec, options, 1, None, quiet)
    kill = threading.Timer(1.0, os.kill, (os.getpid(), number))
    search = opened(spec, tmp_path)
    try:
        with interruptible():
            kill.start()
            with pytest.raises(Interrupted) as caught:
                search.run(executor, quiet)
        assert caught.value.exit_code == 128 + number
    finally:
        kill.cancel()
        executor.close()
