"""How long workers wait for a driver that takes a stated time for each trial: arithmetic alone.

``python benchmarks/schedule.py``

The rules are the driver's: trials are told in the order of their numbers, and as many are in flight
as the study says. Tasks take the seconds recorded for the two shipped checkpoints, drawn evenly.
Longer studies than `benchmarks/scaling.py` can drive are so planned in seconds.
"""

from __future__ import annotations

import heapq
import random
from collections import deque

from studies.recorded import RecordedTraces

WORKERS = (100, 1_000)
TRIALS_A_WORKER = (2, 20)
AHEAD = (1, 2)
DRIVER_MS = (0, 10)


def idle_share(
    workers: int, trials: int, in_flight: int, driver_s: float, task_s: list[float]
) -> float:
    """Share of the workers' time without a task, from the first trial to the last told.

    Args:
        workers: number of workers.
        trials: of the study.
        in_flight: trials asked for and not told, at most.
        driver_s: time that the driver takes for one trial, s.
        task_s: times that a task may take, equally likely, s.
    """
    rng = random.Random(1)
    now = busy_s = 0.0
    told = asked = 0
    unsent: deque[float] = deque()
    numbers: deque[int] = deque()
    running: list[tuple[float, int]] = []
    done: set[int] = set()
    while told < trials:
        while asked < min(trials, told + in_flight):
            now += driver_s
            unsent.append(rng.choice(task_s))
            numbers.append(asked)
            asked += 1
        while unsent and len(running) < workers:
            seconds = unsent.popleft()
            busy_s += seconds
            heapq.heappush(running, (now + seconds, numbers.popleft()))
        if told in done:
            told += 1
            continue
        ended, number = heapq.heappop(running)
        now = max(now, ended)
        done.add(number)
    return 1 - busy_s / (workers * now)


def main() -> None:
    """Print the table of the page."""
    recorded = RecordedTraces().manifest.checkpoints
    task_s = [checkpoint.seconds_per_setting for checkpoint in recorded.values()]
    header = [f"{ms} ms, in flight {ahead} a worker" for ms in DRIVER_MS for ahead in AHEAD]
    print(f"| workers | trials | {' | '.join(header)} |")
    print("|---" * (len(header) + 2) + "|")
    for workers in WORKERS:
        for each in TRIALS_A_WORKER:
            shares = [
                idle_share(workers, each * workers, ahead * workers, ms / 1000, task_s)
                for ms in DRIVER_MS
                for ahead in AHEAD
            ]
            cells = " | ".join(f"{share:.0%}" for share in shares)
            print(f"| {workers:,} | {each * workers:,} | {cells} |")


if __name__ == "__main__":
    main()
