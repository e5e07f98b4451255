"""Studies, runs and searches that tests share; some searches have outcomes that cost nothing."""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dse.evaluation import Evaluation, Flat
from dse.executors import Executor, Kind
from dse.finish import front_of
from dse.outcomes import Outcome
from dse.racing import Rivals
from dse.search import Search
from dse.storage import open_storage
from studies.metrics import METRICS
from studies.recorded import RecordedTraces
from studies.records import Front
from studies.spec import StudySpec
from tests.dse.commands import finished_run
from tests.small_study import changed, tiny_document, toml_text

MakeEvaluation = Callable[[StudySpec], Evaluation]
MakeStudy = Callable[..., str]


class FormulaExecutor:
    """Outcomes of designs by a formula: fast, the same everywhere, some infeasible.

    Attributes:
        capacity: tasks taken at once; the youngest of them is given back first.
        flats: every task taken, in order.
    """

    is_own_process = False

    def __init__(self, capacity: int = 1) -> None:
        self.capacity = capacity
        self.flats: list[Flat] = []
        self._waiting: deque[tuple[int, Flat]] = deque()

    def submit(self, ticket: int, kind: Kind, flat: Flat, rivals: Rivals | None = None) -> None:
        """Take a design."""
        assert rivals is None
        assert kind == "design"
        assert len(self._waiting) < self.capacity
        self.flats.append(flat)
        self._waiting.append((ticket, flat))

    def next_outcome(self) -> tuple[int, Outcome]:
        """Work out the youngest design."""
        ticket, flat = self._waiting.pop()
        return ticket, self.outcome(flat)

    def outcome(self, flat: Flat) -> Outcome:
        """Larger arrays and thresholds cost; half of the chips without eNVM do not fit."""
        n, threshold = float(flat["mac_vector_size"]), float(flat["entropy_threshold"])
        if flat["envm_mib"] == 0:
            return Outcome(state="infeasible", reason="no eNVM", designs_scored=1)
        metrics = dict.fromkeys(METRICS, 0.01) | {
            "accuracy": 0.9 - threshold / 2 + float(flat["envm_mib"]) / 100,
            "energy_pj": 1e6 * (1 + n) * (1 - threshold),
            "area_mm2": n * n / 64 + float(flat["envm_mib"]),
        }
        values = [metrics["accuracy"], metrics["energy_pj"], metrics["area_mm2"]]
        return Outcome(
            state="complete",
            metrics=metrics,
            values=[values],
            hardware=[0],
            exits=[0],
            designs_scored=1,
        )

    def close(self) -> None:
        """Nothing was started."""


class CountingExecutor:
    """Another executor, with every task written down."""

    is_own_process = False

    def __init__(self, inner: Executor) -> None:
        self.capacity = inner.capacity
        self.flats: list[Flat] = []
        self._inner = inner

    def submit(self, ticket: int, kind: Kind, flat: Flat, rivals: Rivals | None = None) -> None:
        """Note the task and pass it on."""
        self.flats.append(flat)
        self._inner.submit(ticket, kind, flat, rivals)

    def next_outcome(self) -> tuple[int, Outcome]:
        """The other executor's."""
        return self._inner.next_outcome()

    def close(self) -> None:
        """Stop the other executor."""
        self._inner.close()


def opened(spec: StudySpec, folder: Path, url: str | None = None) -> Search:
    """The search of a run in a folder."""
    return Search(spec, open_storage(url, folder / "journal.log"), "test")


def quiet(*_: Any) -> None:
    """Progress that no one looks at."""


def finished_front(search: Search, evaluation: Evaluation, spec: StudySpec) -> Front:
    """The front record of a search."""
    return front_of(search, evaluation, spec, {})


@pytest.fixture(scope="session")
def evaluation_of(small_traces: Path) -> MakeEvaluation:
    """Makes the evaluation of a study on the made-up traces."""
    recorded = RecordedTraces(small_traces)
    return lambda spec: Evaluation(spec, recorded)


@pytest.fixture
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in a folder of their own, without a GLUE folder in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLUE_DIR", raising=False)


@pytest.fixture
def make_study(tmp_path: Path) -> MakeStudy:
    """Writes the tiny study with some values changed; its path."""

    def make(changes: Mapping[str, Any] | None = None) -> str:
        path = tmp_path / "tiny.toml"
        path.write_text(toml_text(changed(tiny_document(), changes or {})))
        return str(path)

    return make


@pytest.fixture(scope="session")
def finished_once(small_traces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nested run of the tiny study, made once."""
    return finished_run(tiny_document(), tmp_path_factory.mktemp("finished"), small_traces)


@pytest.fixture
def finished(finished_once: Path, tmp_path: Path) -> str:
    """A copy of the finished run, its path relative."""
    shutil.copytree(finished_once, tmp_path / "run")
    return "run"


@pytest.fixture
def far_east() -> Iterator[None]:
    """A clock nine hours ahead of UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()
