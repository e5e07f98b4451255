"""Workers on every node of a Ray cluster: one a core, as nodes come and go.

The study's files go to a node through the object store, once (`dse.shipping`); outcomes and live
traces come back as bytes. A node that is lost costs its tasks an attempt, as a worker that dies
does. Tasks for which no worker is left wait until one is.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dse import executors
from dse.attempts import MAX_STRIKES, reason_of
from dse.errors import EvaluationError, exit_code_of
from dse.evaluation import Flat
from dse.outcomes import Outcome
from dse.racing import Rivals
from dse.shipping import Parcel, at_node, packed, unpacked
from dse.trace_sources import SourceOptions
from evaluators.trace_cache import MIB, TraceCache
from search_space import model_knobs
from studies.recorded import RecordedTraces
from studies.spec import StudySpec

LOOK_S: Final = 1.0
"""How often the driver asks which nodes there are."""
EMPTY_S: Final = 600.0
"""How long a cluster may be without any worker."""


@dataclass(frozen=True, slots=True)
class _Member(executors._Actor):
    """A worker of a node.

    Attributes:
        node: the node, by Ray's name.
    """

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a worker sends back.

    Attributes:
        outcome: of its task.
        traces: files of live traces by name, those that it has not sent before; with racing of
            settings whose ``report`` sentences are not measured.
    """

    outcome: Outcome
    traces: dict[str, bytes]


class ClusterExecutor(executors.RayExecutor):
    """One Ray actor for each core of a running cluster.

    Attributes:
        capacity: cores of the nodes that are there now.
    """

    _task_of_worker = "deliver"

    def __init__(
        self,
        spec: StudySpec,
        options: SourceOptions,
        address: str,
        say: Callable[[str], None],
        limit_s: float | None = None,
    ) -> None:
        """Join the cluster and start a worker on each of its cores.

        Args:
            spec: the study.
            options: where its files are on this machine.
            address: of the cluster.
            say: receives a line on what takes time or went wrong.
            limit_s: seconds that a task may take once its worker has started; None for no limit.

        Raises:
            OSError: a file of the study cannot be read.
            EvaluationError: the cluster has no core.
        """
        parcel = packed(spec, options)
        self._starting: dict[Any, _Member] = {}
        self._cores: dict[str, int] = {}
        self._failed: Counter[str] = Counter()
        self._looked = 0.0
        self._staffed = time.monotonic()
        limit = options.cache_limit_mib
        self._cache = (
            None
            if options.cache is None
            else TraceCache(Path(options.cache), None if limit is None else limit * MIB, say)
        )
        super().__init__(spec, options, 0, address, say, limit_s)
        self._actor_class = self._ray.remote(num_cpus=1)(ShippedWorker)
        self._parcel = self._ray.put(parcel)
        self._look_at_nodes()
        if not self.capacity:
            raise EvaluationError(
                f"The Ray cluster at {address!r} has no node with a core; add one ('ray start')."
            )
        say(f"{self.capacity} workers on {len(self._cores)} nodes")

    def _member(self, node: str) -> None:
        """Start a worker on a node."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        handle = self._actor_class.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        ).remote(self._parcel, self._spec.document(), self._options)
        started = handle.started.remote()
        self._starting[started] = _Member(handle, started, node)

    def _look_at_nodes(self) -> None:
        """Start workers on nodes that have joined, and forget those of nodes that are gone."""
        self._looked = time.monotonic()
        cores = {
            str(node["NodeID"]): int(node["Resources"].get("CPU", 0))
            for node in self._ray.nodes()
            if node["Alive"] and self._failed[str(node["NodeID"])] < MAX_STRIKES
        }
        joined = [node for node, n_cores in cores.items() if n_cores and node not in self._cores]
        for node in self._cores.keys() - cores.keys():
            self._say(f"node {node[:8]} is gone")
        if joined and self._cores:
            self._say(f"{len(joined)} more nodes")
        self._cores = {node: n_cores for node, n_cores in cores.items() if n_cores}
        self.capacity = sum(self._cores.values())
        self._idle = [actor for actor in self._idle if self._is_there(actor)]
        self._starting = {r: a for r, a in self._starting.items() if self._is_there(a)}
        for node in joined:
            for _ in range(cores[node]):
                self._member(node)

    def _is_there(self, actor: executors._Actor) -> bool:
        return isinstance(actor, _Member) and actor.node in self._cores

    def _replace(self, actor: executors._Actor) -> None:
        """Start another worker where one was lost, if its node is still there."""
        if isinstance(actor, _Member) and actor.node in self._cores:
            self._member(actor.node)

    def _tend(self) -> None:
        """Take workers that have started into service, and look for nodes now and then.

        Raises:
            EvaluationError: there has been no worker for long.
        """
        if time.monotonic() - self._looked >= LOOK_S:
            self._look_at_nodes()
        if self._starting:
            waited = None if self._idle or self._running else LOOK_S
            references = list(self._starting)
            ready = self._ready(references, at_most=len(references))
            if not ready and waited is not None:
                ready = self._ready(references, waited)
            for reference in ready:
                self._welcome(reference)
        elif not (self._idle or self._running):
            time.sleep(0.1)
        if self._idle or self._running or self._starting:
            self._staffed = time.monotonic()
        elif time.monotonic() - self._staffed > EMPTY_S:
            raise EvaluationError(
                f"The Ray cluster has had no worker for {EMPTY_S:g} s; add a node and 'dse resume'."
            )

    def _welcome(self, reference: Any) -> None:
        """Take a worker into service, or replace one that could not start."""
        member = self._starting.pop(reference)
        try:
            self._got(reference)
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            if exit_code_of(cause) is not None and not isinstance(cause, OSError):
                raise cause from None
            self._give_up(member, reason_of(cause))
        except self._ray.exceptions.RayError as error:
            self._give_up(member, reason_of(error))
        else:
            self._failed[member.node] = 0
            self._idle.append(member)

    def _give_up(self, member: _Member, reason: str) -> None:
        """Try another worker on the node, or leave it out after `MAX_STRIKES` in a row."""
        self._failed[member.node] += 1
        if self._failed[member.node] < MAX_STRIKES:
            self._say(f"a worker did not start: {reason}; trying another")
            self._replace(member)
        elif member.node in self._cores:
            self._say(f"node {member.node[:8]} is left out: its workers do not start ({reason})")
            self._look_at_nodes()

    def _patience(self) -> float:
        return min(LOOK_S, super()._patience())

    def _received(self, result: Delivery) -> Outcome:
        """Keep the traces that came with an outcome."""
        for name, file in result.traces.items():
            if self._cache is not None:
                self._cache.take_in(name, file)
        return result.outcome

    def close(self) -> None:
        """Stop the workers; the cluster goes on."""
        for member in self._starting.values():
            self._ray.kill(member.handle)
        super().close()


class ShippedWorker(executors._Worker):
    """A worker on a node that has nothing but the installed project."""

    def __init__(self, parcel: Parcel, document: dict[str, Any], options: SourceOptions) -> None:
        """Of files from the object store; they are unpacked when it starts."""
        self._load: tuple[Parcel, dict[str, Any], SourceOptions] | None
        self._load = (parcel, document, options)
        self._sent: set[str] = set()

    def started(self) -> None:
        """Unpack the files, unless another worker of the node has, and load what is needed.

        Raises:
            OSError: they cannot be unpacked.
        """
        if self._load is None:
            return
        parcel, document, options = self._load
        document, options = at_node(document, options, unpacked(parcel))
        self._load = None
        super().__init__(document, options)

    def deliver(self, kind: executors.Kind, flat: Flat, rivals: Rivals | None = None) -> Delivery:
        """One task's outcome, with the live traces that it took."""
        outcome = self.evaluate(kind, flat, rivals)
        return Delivery(outcome=outcome, traces=self._new_traces(flat))

    def _new_traces(self, flat: Flat) -> dict[str, bytes]:
        """The file of the trace that a point needs, unless this worker has sent it before."""
        if isinstance(self._source, RecordedTraces):
            return {}
        from dse.live import LiveSource  # torch: only where sentences are evaluated

        assert isinstance(self._source, LiveSource)
        knobs = model_knobs(flat)
        key = self._source.evaluator(knobs.checkpoint).trace_hash(knobs)
        cache = self._source.cache
        found = None if cache is None else cache.file(key)
        if found is None or found[0] in self._sent:
            return {}
        name, file = found
        self._sent.add(name)
        return {name: file}
