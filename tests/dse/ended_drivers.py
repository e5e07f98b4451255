"""Drivers that signals end at all moments, and the runs that go on from there."""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.dse.disk_calls import FailingCall, failing_call
from tests.dse.driver_lives import Ending, Resumption, Way, lived
from tests.dse.reliability import FINISHED, Rows, Run, Tally, silently, without_origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A run that nobody disturbed.

    Attributes:
        rows: its trials.
        front: its front.
        calls: kinds of the files of all calls that wrote to the disk.
        seconds: that it took, as the others are driven (`tests.dse.driver_lives.Life`).
    """

    rows: Rows
    front: dict[str, Any]
    calls: Sequence[str]
    seconds: float


def whole_run(folder: Path, traces: Path, trials: int, way: Way) -> Whole:
    """Make the run that all others must end as."""
    run = Run(folder / "counted", traces, trials)
    with failing_call(FailingCall(0), lambda: None) as calls:
        assert silently(run.command()) in FINISHED
    other = Run(folder / "whole", traces, trials)
    life = lived(other, way, FailingCall(0), None)
    assert life.exit_code in FINISHED
    return Whole(
        rows=run.told(),
        front=without_origin(run.front()),
        calls=tuple(calls),
        seconds=life.seconds,
    )


_MOMENTS: Final = {
    "time": "'kill -9' of the driver at a random time",
    "journal": "'kill -9' of the driver within an append to the journal",
    "table": "'kill -9' of the driver within the writing of a Parquet file",
    "record": "'kill -9' of the driver within the writing of another file",
}
"""What is counted by where it hit."""


@dataclass(frozen=True, slots=True)
class Kills:
    """What became of killed drivers.

    Attributes:
        tallies: by where they were killed.
        resumptions: of those after which the next driver lived until the study went on.
    """

    tallies: list[Tally]
    resumptions: list[Resumption]


def kills(folder: Path, traces: Path, trials: int, count: int, seed: int, way: Way) -> Kills:
    """``kill -9`` of drivers, at random times, within appends and within writes of records.

    Each run is killed and resumed until it is finished, and must end as one that was never killed.

    Args:
        folder: new one to work in.
        traces: recorded ones of the small study.
        trials: of each run.
        count: kills.
        seed: of the moments.
        way: what kind of processes the drivers are; ``forked`` or ``own``.
    """
    folder.mkdir()
    rng = random.Random(seed)
    whole = whole_run(folder, traces, trials, way)
    tallies = {moment: Tally(fault) for moment, fault in _MOMENTS.items()}
    resumptions: list[Resumption] = []
    runs = n_killed = 0
    usual_s = whole.seconds
    while n_killed < count:
        runs += 1
        run = Run(folder / f"run-{runs}", traces, trials)
        told: set[int] = set()
        tally = tallies["time"]
        was_killed = False
        while True:
            is_resumed = run.command()[0] == "resume"
            moment = rng.choice(list(_MOMENTS)) if n_killed < count else ""
            life = lived(run, way, *_way_to_die(rng, moment, whole.calls, usual_s))
            told |= life.told
            if was_killed and life.resumption is not None:
                resumptions.append(life.resumption)
            was_killed = True
            if life.exit_code != -signal.SIGKILL:
                usual_s = usual_s if is_resumed else min(usual_s, life.seconds)
                break
            tally = tallies[moment]
            n_killed += 1
            tally.count += 1
            found = run.told() if (run.folder / "journal.log").exists() else {}
            wrong = sum(found.get(number) != whole.rows[number] for number in told)
            tally.lost += wrong
            tally.mended += wrong == 0
        tally.tracebacks += life.exit_code not in FINISHED or "Traceback" in life.stderr
        tally.lost += run.told() != whole.rows
        tally.lost += without_origin(run.front()) != whole.front
    return Kills(list(tallies.values()), resumptions)


def _way_to_die(
    rng: random.Random, moment: str, calls: Sequence[str], usual_s: float
) -> tuple[FailingCall, Ending | None]:
    """How the next driver ends: within which call, or after how many seconds; or neither."""
    if not moment:
        return FailingCall(0), None
    if moment == "time":
        return FailingCall(0), Ending(signal.SIGKILL, rng.uniform(0, usual_s))
    n_calls = calls.count(moment)
    most = n_calls // 2 if moment == "journal" else n_calls
    return FailingCall(rng.randint(1, most), rng.randrange(4000), moment), None


def signals(folder: Path, traces: Path, trials: int, count: int, seed: int, way: Way) -> Tally:
    """SIGINT and SIGTERM at random times: a clean end with 130 or 143, and resume goes on.

    Args:
        folder: new one to work in.
        traces: recorded ones of the small study.
        trials: of each run.
        count: signals.
        seed: of the moments.
        way: what kind of processes the drivers are; ``forked`` or ``plain``.
    """
    folder.mkdir()
    rng = random.Random(seed)
    tally = Tally("SIGINT or SIGTERM at a random time")
    whole = whole_run(folder, traces, trials, way)
    runs = 0
    usual_s = whole.seconds
    while tally.count < count:
        runs += 1
        run = Run(folder / f"run-{runs}", traces, trials)
        before: Rows = {}
        while True:
            is_resumed = run.command()[0] == "resume"
            number = rng.choice((signal.SIGINT, signal.SIGTERM))
            ending = Ending(number, rng.uniform(0, usual_s))
            life = lived(run, way, FailingCall(0), ending)
            code, said = life.exit_code, life.stderr
            if code in FINISHED or "front.json" in _sealed(run):
                usual_s = usual_s if is_resumed else min(usual_s, life.seconds)
                break
            tally.count += 1
            right = code == 128 + number and said.strip().rpartition("\n")[2].startswith(
                "Interrupted; "
            )
            right &= "'dse resume" in said or "'dse run' begins anew" in said
            tally.tracebacks += not right or "Traceback" in said
            found = run.told() if (run.folder / "journal.log").exists() else {}
            wrong = sum(found.get(trial) != row for trial, row in before.items())
            wrong += sum(row != whole.rows[trial] for trial, row in found.items())
            tally.lost += wrong
            tally.mended += right and wrong == 0
            before = found
        if code not in FINISHED:  # the signal came when all was done
            assert silently(run.command()) in FINISHED
        tally.lost += run.told() != whole.rows
        tally.lost += without_origin(run.front()) != whole.front
    return tally


def _sealed(run: Run) -> str:
    """The text of a run's manifest; empty if there is none yet."""
    try:
        return (run.folder / "manifest.json").read_text()
    except FileNotFoundError:
        return ""
