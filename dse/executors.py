"""Executors: where evaluations run. The search owns the loop; executors only take and give."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Literal, Protocol

from dse.evaluation import Evaluation, Flat, Outcome, SourceOptions, make_source
from studies.spec import StudySpec

Kind = Literal["setting", "design"]
MAX_WORKER_DEATHS: Final = 2
"""A task that has killed this many workers is recorded as failed and left alone."""


class Executor(Protocol):
    """Takes tasks and gives their outcomes, in any order."""

    capacity: int

    def submit(self, ticket: int, kind: Kind, flat: Flat) -> None:
        """Start a task; the ticket names it."""

    def next_outcome(self) -> tuple[int, Outcome]:
        """Wait for one task: its ticket and outcome.

        Raises:
            ValueError: the evaluation cannot be done at all (data or records missing).
        """

    def close(self) -> None:
        """Stop what was started."""


class InlineExecutor:
    """Evaluates in this process, when the outcome is asked for."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.capacity = 1
        self._evaluation = evaluation
        self._waiting: deque[tuple[int, Kind, Flat]] = deque()

    def submit(self, ticket: int, kind: Kind, flat: Flat) -> None:
        """Queue a task."""
        self._waiting.append((ticket, kind, flat))

    def next_outcome(self) -> tuple[int, Outcome]:
        """Evaluate the oldest task."""
        ticket, kind, flat = self._waiting.popleft()
        return ticket, self._evaluation.evaluate(kind, flat)

    def close(self) -> None:
        """Nothing was started."""


class RayExecutor:
    """One Ray actor a worker, each with the model loaded once; dead actors are replaced."""

    def __init__(
        self,
        spec: StudySpec,
        options: SourceOptions,
        workers: int,
        address: str | None,
        say: Callable[[str], None],
    ) -> None:
        """Start or join Ray.

        Args:
            spec: the study.
            options: how each worker makes its trace source.
            workers: number of actors.
            address: of a running cluster; None to start Ray on this machine's loopback.
            say: receives a line on what takes time or went wrong.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        self._ray = ray
        self._say = say
        self._started = not ray.is_initialized()
        if self._started:
            say("starting Ray")
            if address is None:
                ray.init(
                    num_cpus=workers,
                    include_dashboard=False,
                    _node_ip_address="127.0.0.1",
                    object_store_memory=128 * 1024 * 1024,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
            else:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        self.capacity = workers
        self._spec, self._options = spec, options
        self._actor_class: Any = ray.remote(num_cpus=1)(_Worker)
        self._idle = [self._new_actor() for _ in range(workers)]
        self._running: dict[Any, tuple[Any, int, Kind, Flat, int]] = {}

    def _new_actor(self) -> Any:
        return self._actor_class.remote(self._spec.document(), self._options)

    def submit(self, ticket: int, kind: Kind, flat: Flat) -> None:
        """Give a task to an idle actor."""
        self._start(ticket, kind, flat, deaths=0)

    def _start(self, ticket: int, kind: Kind, flat: Flat, deaths: int) -> None:
        actor = self._idle.pop()
        reference = actor.evaluate.remote(kind, dict(flat))
        self._running[reference] = (actor, ticket, kind, flat, deaths)

    def next_outcome(self) -> tuple[int, Outcome]:
        """Wait for any actor."""
        exceptions = self._ray.exceptions
        while True:
            done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=5.0)
            if not done:
                continue
            actor, ticket, kind, flat, deaths = self._running.pop(done[0])
            try:
                outcome = self._ray.get(done[0])
            except exceptions.RayTaskError as error:
                cause = error.cause
                raise cause if isinstance(cause, Exception) else error from None
            except (exceptions.ActorDiedError, exceptions.ActorUnavailableError) as error:
                self._idle.append(self._new_actor())
                cause_text = str(error).splitlines()[0]
                if deaths + 1 < MAX_WORKER_DEATHS:
                    self._say(f"a worker died ({cause_text}); trying its design again")
                    self._start(ticket, kind, flat, deaths + 1)
                    continue
                reason = f"{deaths + 1} workers died evaluating it ({cause_text})"
                return ticket, Outcome(state="failed", reason=reason)
            self._idle.append(actor)
            for note in outcome.notes:
                self._say(note)
            return ticket, replace(outcome, notes=[])

    def close(self) -> None:
        """Stop the actors, and Ray if this executor started it."""
        for actor in [*self._idle, *(entry[0] for entry in self._running.values())]:
            self._ray.kill(actor)
        if self._started:
            self._ray.shutdown()


class _Worker:
    """What runs in a Ray actor."""

    def __init__(self, document: dict[str, Any], options: SourceOptions) -> None:
        from studies.spec import spec_of

        spec = spec_of(document, "study")
        self._notes: list[str] = []
        self._evaluation = Evaluation(spec, make_source(spec, options, self._notes.append))

    def evaluate(self, kind: Kind, flat: Flat) -> Outcome:
        """One task, with what there is to tell since the last."""
        outcome = self._evaluation.evaluate(kind, flat)
        outcome = replace(outcome, notes=[*self._notes])
        self._notes.clear()
        return outcome
