"""A cluster of two Ray nodes on this machine, each with temporary files of its own.

What the nodes share is the object store alone: the driver's folders are moved away once a study has
begun.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dse.cluster import ClusterExecutor
from dse.evaluation import Evaluation
from dse.executors import InlineExecutor
from dse.outcomes import Outcome
from dse.search import Search
from dse.trace_sources import SourceOptions, make_source
from evaluators.tasks import WNLI
from studies.records import Progress
from studies.spec import StudySpec, spec_of
from tests.dse.conftest import MakeEvaluation, opened, quiet
from tests.dse.test_live_tasks import live_document
from tests.generated_glue import write_generated_task, write_tiny_checkpoint
from tests.small_study import spec_with, tiny_document

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NODE = {"object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.1"}


@pytest.fixture(scope="module")
def spec() -> StudySpec:
    """A joint study whose trials do not depend on how many workers there are."""
    return spec_with(tiny_document(), strategy="joint", trials=40, in_flight=4)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without cores, that a node may be added to, and removed from."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    from ray._private import services
    from ray.cluster_utils import Cluster

    # Nothing listens but on the loopback; a driver would look for it at the machine's address.
    monkeypatch.setattr(services, "get_node_ip_address", lambda _=None: "127.0.0.1")
    seen = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000}
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": seen, **NODE}
    made = patiently(lambda: Cluster(initialize_head=True, head_node_args=head))
    yield made
    ray.shutdown()
    made.shutdown()


def patiently(start: Callable[[], Any]) -> Any:
    """What a function starts; on a busy machine it may take longer than the 30 s that Ray waits."""
    for _ in range(2):
        try:
            return start()
        except Exception as error:  # Ray raises no narrower kind
            if "timed out during startup" not in str(error):
                raise
    return start()


def joined(cluster: Any, folder: Path) -> Any:
    """A node with a core, whose temporary files are in that folder."""
    folder.mkdir()
    return patiently(lambda: cluster.add_node(num_cpus=1, env_vars={"TMPDIR": str(folder)}, **NODE))


def staffed(executor: ClusterExecutor, workers: int) -> None:
    """Wait until there are so many workers and no others: a dead node is known a little later."""
    waited = time.monotonic()
    while not len(executor._idle) == executor.capacity == workers:
        executor._tend()
        if time.monotonic() - waited > 120:
            break


def told(search: Search) -> dict[int, tuple[dict[str, Any], Outcome]]:
    """Every trial that was told, without its times."""
    return {
        t.number: (
            t.flat,
            Outcome(state=t.outcome.state, reason=t.outcome.reason, metrics=t.outcome.metrics),
        )
        for t in search.told
    }


def test_a_node_that_is_killed_and_one_that_joins(
    spec: StudySpec,
    cluster: Any,
    small_traces: Path,
    evaluation_of: MakeEvaluation,
    tmp_path: Path,
) -> None:
    """A node dies in mid-study, later another joins: the same trials as in one process."""
    (tmp_path / "inline").mkdir()
    alone = opened(spec, tmp_path / "inline")
    alone.run(InlineExecutor(evaluation_of(spec)), quiet)

    nodes = [joined(cluster, tmp_path / name) for name in ("first", "second")]
    here = tmp_path / "traces"
    here.symlink_to(small_traces)
    options = SourceOptions(glue_dir=None, cache=None, recorded=str(here))
    said: list[str] = []
    executor = ClusterExecutor(spec, options, cluster.address, said.append)
    here.unlink()
    search = opened(spec, tmp_path)

    def change(state: Progress) -> None:
        if state.trial == 10:
            cluster.remove_node(nodes[1], allow_graceful=False)
        if state.trial == 25:
            joined(cluster, tmp_path / "third")

    try:
        assert executor.capacity == 2
        search.run(executor, change)
        staffed(executor, 2)
        assert executor.capacity == len(executor._idle) == 2
    finally:
        executor.close()
    assert told(search) == told(alone)
    assert "2 workers on 2 nodes" in said
    assert sum("is gone" in line for line in said) == 1
    for name in ("first", "second", "third"):
        assert list((tmp_path / name).glob("edge-dse-*/*/recorded/manifest.json"))


def test_live_evaluations_on_every_node(cluster: Any, tmp_path: Path) -> None:
    """Both nodes run the model, though checkpoint and data are gone; every trace comes back."""
    glue = write_generated_task(tmp_path / "glue", WNLI)
    mine = write_tiny_checkpoint(tmp_path / "mine", WNLI.n_outputs)
    changes = {"search.strategy": "joint", "search.trials": 8, "search.in_flight": 4}
    live = spec_of(live_document("WNLI", mine, **changes), "test")
    options = SourceOptions(glue_dir=str(glue), cache=None, recorded=None)
    (tmp_path / "inline").mkdir()
    alone = opened(live, tmp_path / "inline")
    alone.run(InlineExecutor(Evaluation(live, make_source(live, options, quiet))), quiet)

    nodes = [tmp_path / name for name in ("first", "second")]
    for node in nodes:
        joined(cluster, node)
    cache = tmp_path / "cache"
    kept = SourceOptions(glue_dir=str(glue), cache=str(cache), recorded=None)
    executor = ClusterExecutor(live, kept, cluster.address, quiet)
    for gone in (glue, mine):
        gone.rename(gone.with_suffix(".gone"))
    search = opened(live, tmp_path)
    try:
        staffed(executor, 2)
        search.run(executor, quiet)
    finally:
        executor.close()
    assert told(search) == told(alone)
    measured = [{path.name for path in node.glob("edge-dse-*/*.traces/*.trace")} for node in nodes]
    assert all(measured)
    assert measured[0] | measured[1] == {path.name for path in cache.glob("*.trace")}
