"""Executors: where evaluations run. The search owns the loop; executors only take and give."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Protocol

from dse.attempts import MAX_STRIKES, given_up, is_transient, limited, over_limit, reason_of
from dse.errors import UsageError, exit_code_of
from dse.evaluation import Evaluation, Flat
from dse.interruption import own_handlers, uninterrupted
from dse.outcomes import Outcome
from dse.racing import Rivals
from dse.trace_sources import SourceOptions, make_source
from studies.spec import StudySpec

Kind = Literal["setting", "design"]
WAITED_AT_ONCE_S: Final = 0.2
"""Time that Ray waits before a signal is looked at: it loses what a handler raises inside it."""


class Executor(Protocol):
    """Takes tasks and gives their outcomes, in any order.

    Attributes:
        capacity: tasks that run at a time.
        is_own_process: whether a task that ends its process ends the driver's.
    """

    capacity: int
    is_own_process: bool

    def submit(self, ticket: int, kind: Kind, flat: Flat, rivals: Rivals | None = None) -> None:
        """Start a task that the ticket names; a setting is raced against the rivals, if any."""

    def next_outcome(self) -> tuple[int, Outcome]:
        """Wait for one task: its ticket and outcome.

        A task that cannot be evaluated has a failed outcome with the reason, after `MAX_STRIKES`
        attempts where another one may help.

        Raises:
            ValueError: the evaluation cannot be done at all (data or records missing).
        """

    def close(self) -> None:
        """Stop what was started."""


class InlineExecutor:
    """Evaluates in this process, when the outcome is asked for."""

    is_own_process = True

    def __init__(self, evaluation: Evaluation, limit_s: float | None = None) -> None:
        """Of a study's evaluation.

        Args:
            evaluation: does the work.
            limit_s: seconds that a task may take; None for no limit. It is looked at between steps
                of Python, so that one long call into a library is stopped when it returns.
        """
        self.capacity = 1
        self._evaluation = evaluation
        self._limit_s = limit_s
        self._waiting: deque[tuple[int, Kind, Flat, Rivals | None]] = deque()

    def submit(self, ticket: int, kind: Kind, flat: Flat, rivals: Rivals | None = None) -> None:
        """Queue a task."""
        self._waiting.append((ticket, kind, flat, rivals))

    def next_outcome(self) -> tuple[int, Outcome]:
        """Evaluate the oldest task."""
        ticket, kind, flat, rivals = self._waiting.popleft()
        for strike in range(1, MAX_STRIKES + 1):
            try:
                with limited(self._limit_s):
                    return ticket, self._evaluation.evaluate(kind, flat, rivals)
            except Exception as error:
                reason = reason_of(error)
                if not is_transient(error):
                    if exit_code_of(error) is not None:
                        raise
                    return ticket, Outcome(state="failed", reason=reason)
                outcome = given_up(strike, reason)
        return ticket, outcome

    def close(self) -> None:
        """Nothing was started."""


@dataclass(frozen=True, slots=True)
class _Actor:
    """A worker.

    Attributes:
        handle: of the Ray actor.
        started: reference to what it gives once it has loaded its model.
    """

    handle: Any
    started: Any


@dataclass(slots=True)
class _Task:
    """A task on an actor.

    Attributes:
        actor: that has it; None while it waits for one.
        ticket: its name.
        kind: of task.
        flat: its point.
        rivals: the front that it is raced against; None for no race.
        strikes: attempts that failed before.
        started: monotonic time at which the actor was first seen to have started, s.
    """

    actor: _Actor | None
    ticket: int
    kind: Kind
    flat: Flat
    rivals: Rivals | None
    strikes: int
    started: float | None = None


class RayExecutor:
    """One Ray actor a worker, each with the model loaded once; dead actors are replaced."""

    is_own_process = False
    _task_of_worker = "evaluate"

    def __init__(
        self,
        spec: StudySpec,
        options: SourceOptions,
        workers: int,
        address: str | None,
        say: Callable[[str], None],
        limit_s: float | None = None,
    ) -> None:
        """Start or join Ray.

        Args:
            spec: the study.
            options: how each worker makes its trace source.
            workers: number of actors.
            address: of a running cluster; None to start Ray on this machine's loopback.
            say: receives a line on what takes time or went wrong.
            limit_s: seconds that a task may take once its worker has started; None for no limit.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        self._ray = ray
        self._say = say
        self._started = not ray.is_initialized()
        if self._started:
            say("starting Ray")
            quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
            with own_handlers():  # Ray would end the driver at SIGTERM, without records
                if address is None:
                    ray.init(
                        address="local",  # and not a cluster that happens to run here
                        num_cpus=workers,
                        include_dashboard=False,
                        _node_ip_address="127.0.0.1",
                        object_store_memory=128 * 1024 * 1024,
                        **quiet,
                    )
                else:
                    try:
                        ray.init(address=address, **quiet)
                    except (ValueError, ConnectionError) as error:
                        raise UsageError(
                            f"--address {address!r}: no Ray cluster can be joined there; expected "
                            "HOST:PORT of one that runs ('ray start --head' prints it), or 'auto'."
                        ) from error
        self.capacity = workers
        self._spec, self._options = spec, options
        self._actor_class: Any = ray.remote(num_cpus=1)(_Worker)
        self._idle = [self._new_actor() for _ in range(workers)]
        self._limit_s = limit_s
        self._running: dict[Any, _Task] = {}
        self._waiting: deque[_Task] = deque()

    def _new_actor(self) -> _Actor:
        handle = self._actor_class.remote(self._spec.document(), self._options)
        return _Actor(handle, handle.started.remote())

    def submit(self, ticket: int, kind: Kind, flat: Flat, rivals: Rivals | None = None) -> None:
        """Give a task to an idle actor."""
        self._start(ticket, kind, flat, rivals, strikes=0)

    def _start(
        self, ticket: int, kind: Kind, flat: Flat, rivals: Rivals | None, strikes: int
    ) -> None:
        self._waiting.append(_Task(None, ticket, kind, flat, rivals, strikes))
        self._dispatch()

    def _dispatch(self) -> None:
        """Give tasks that wait to idle actors."""
        while self._waiting and self._idle:
            task = self._waiting.popleft()
            task.actor = self._idle.pop()
            method = getattr(task.actor.handle, self._task_of_worker)
            self._running[method.remote(task.kind, dict(task.flat), task.rivals)] = task

    def _tend(self) -> None:
        """Look after the actors before waiting for them."""

    def _replace(self, actor: _Actor) -> None:  # noqa: ARG002 - where it was matters in a cluster
        """Start another actor for one that is lost."""
        self._idle.append(self._new_actor())

    def _received(self, result: Any) -> Outcome:
        """The outcome in what an actor gave."""
        assert isinstance(result, Outcome)
        return result

    def next_outcome(self) -> tuple[int, Outcome]:
        """Wait for any actor."""
        exceptions = self._ray.exceptions
        while True:
            self._tend()
            self._dispatch()
            ended = self._end_overdue()
            if ended is not None:
                return ended
            running = list(self._running)
            done = self._ready(running, self._patience()) if running else []
            if done:
                task = self._running.pop(done[0])
                assert task.actor is not None
                try:
                    outcome = self._received(self._got(done[0]))
                except exceptions.RayTaskError as error:
                    self._idle.append(task.actor)
                    cause = error.cause if isinstance(error.cause, Exception) else error
                    if not is_transient(cause):
                        if exit_code_of(cause) is not None:
                            raise cause from None
                        return task.ticket, Outcome(state="failed", reason=reason_of(cause))
                    ended = self._again(task, reason_of(cause))
                except exceptions.RayError as error:  # dead, out of memory, or out of reach
                    self._replace(task.actor)
                    ended = self._again(task, f"a worker died: {reason_of(error)}")
                else:
                    self._idle.append(task.actor)
                    for note in outcome.notes:
                        self._say(note)
                    return task.ticket, replace(outcome, notes=[])
            if ended is not None:
                return ended

    def _ready(
        self, references: Sequence[Any], timeout_s: float = 0.0, at_most: int = 1
    ) -> list[Any]:
        """References whose results are there, as soon as one is; none after the timeout.

        Raises:
            Interrupted: by a signal.
        """
        until = time.monotonic() + timeout_s
        while True:
            left = max(0.0, until - time.monotonic())
            with uninterrupted():
                found: list[Any] = self._ray.wait(
                    list(references), num_returns=at_most, timeout=min(left, WAITED_AT_ONCE_S)
                )[0]
            if found or left <= WAITED_AT_ONCE_S:
                return found

    def _got(self, reference: Any) -> Any:
        """The result of a reference that is ready."""
        with uninterrupted():
            return self._ray.get(reference)

    def _patience(self) -> float:
        """Seconds to wait for the next outcome before looking at limits."""
        if self._limit_s is None:
            return 5.0
        return min(5.0, self._limit_s / 10)

    def _end_overdue(self) -> tuple[int, Outcome] | None:
        """Stop one task that is over its limit and try it again; its outcome if it is given up."""
        if self._limit_s is None:
            return None
        for reference, task in self._running.items():
            assert task.actor is not None
            if task.started is None:
                if self._ready([task.actor.started]):
                    task.started = time.monotonic()
            elif time.monotonic() - task.started > self._limit_s:
                del self._running[reference]
                self._ray.kill(task.actor.handle)
                self._replace(task.actor)
                return self._again(task, over_limit(self._limit_s))
        return None

    def _again(self, task: _Task, reason: str) -> tuple[int, Outcome] | None:
        """Try a task again; its outcome if it has failed too often."""
        strikes = task.strikes + 1
        if strikes < MAX_STRIKES:
            self._say(f"{reason}; trying its design again")
            self._start(task.ticket, task.kind, task.flat, task.rivals, strikes)
            return None
        return task.ticket, given_up(strikes, reason)

    def close(self) -> None:
        """Stop the actors, and Ray if this executor started it."""
        for actor in [*self._idle, *(task.actor for task in self._running.values())]:
            if actor is not None:
                self._ray.kill(actor.handle)
        if self._started:
            self._ray.shutdown()


class _Worker:
    """What runs in a Ray actor."""

    def __init__(self, document: dict[str, Any], options: SourceOptions) -> None:
        from studies.spec import spec_of

        spec = spec_of(document, "study")
        self._notes: list[str] = []
        self._source = make_source(spec, options, self._notes.append)
        self._evaluation = Evaluation(spec, self._source)

    def started(self) -> None:
        """Nothing, once the worker is there."""

    def evaluate(self, kind: Kind, flat: Flat, rivals: Rivals | None = None) -> Outcome:
        """One task, with what there is to tell since the last."""
        outcome = self._evaluation.evaluate(kind, flat, rivals)
        outcome = replace(outcome, notes=[*self._notes])
        self._notes.clear()
        return outcome
