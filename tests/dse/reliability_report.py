"""The long forms of `tests.dse.reliability`, whose table is ``docs/reliability.md``.

``python -m tests.dse.reliability_report [--seed N] [--workers N] [--out FILE]``, or ``make
test-faults``. The exit code is 1 if a trial was lost, a difference went unsaid, a failure was no
sentence, or a killed run did not go on in time.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.dse import fuzz, reliability
from tests.dse.driver_lives import Resumption
from tests.dse.ended_drivers import Kills, kills, signals
from tests.dse.failing_evaluations import failing_evaluations
from tests.dse.reliability import Tally
from tests.small_study import write_small_traces

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"

COUNTS: Final = ("count", "lost", "detected", "mended", "tracebacks")
"""Numbers of a `Tally`, which add up."""

MOST_CPU_S: Final = 5.0
"""Processor time within which a resumed study goes on, imports included."""

MOST_S: Final = 5.0
"""Time on the clock within which it goes on where the machine has nothing else to do."""

ABOUT: Final = """# Reliability

What is done to run folders and drivers, and what becomes of it. `make test-faults` makes the faults
and writes this page; their short forms run with every `make test`. The study is small and joint, on
made-up traces, with real files and real syncs to the disk. A trial is acknowledged when the driver
is told that it is on the disk.

* **mended**: everything was there as before, without help. Of drivers that were ended: every trial
  that was acknowledged was in the journal once, equal to the same trial of a run that nobody
  disturbed, and in the end so were all trials and the front.
* **detected**: it was refused with a sentence that names the file and what to do. Of evaluations:
  the trial was recorded as failed, with the reason. Of generated inputs: the others were read.
* **lost**: acknowledged trials that were gone or other than before while nothing said so, and
  fronts that differ.
* **no sentence**: failures that were a traceback or more than one line.
"""

NOTES: Final = """
A record of the journal bears a checksum that begins with that of the record before, a group of
records is in the file wholly or not at all, and its last group is kept twice (`journal.tail`). So
of what a fault takes from the end of the journal nothing is lost, and what it changes elsewhere is
named by its record. `manifest.json` holds the SHA-256 of the other files of a run folder, and of
the beginning of the journal; `front.json`, `trials.parquet` and the report are written anew by
`dse resume`.

What this does not show: power cuts of a disk that forgets what it has synced, network file systems,
and several drivers on one study. A worker that dies has its task done again, three times at most. A
task that is evaluated in the driver's own process and ends it, as by its memory, is begun with by
the next `dse resume`; when three in a row have ended within it, it is recorded as failed.
"""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a campaign found.

    Attributes:
        tallies: one for each kind of fault.
        resumptions: of drivers that were killed.
    """

    tallies: list[Tally]
    resumptions: list[Resumption]

    @property
    def are_good(self) -> bool:
        """Whether nothing was lost or unsaid, and killed runs went on in time."""
        harmless = not any(tally.lost or tally.tracebacks for tally in self.tallies)
        return harmless and self.slowest_cpu_s <= MOST_CPU_S

    @property
    def slowest_cpu_s(self) -> float:
        """The most processor time of loading a state after the most of imports, s."""
        imports = (r.imports_cpu_s or 0.0 for r in self.resumptions)
        states = (r.state_cpu_s for r in self.resumptions)
        return max(imports, default=0.0) + max(states, default=0.0)


def campaign(folder: Path, traces: Path, seed: int) -> list[Callable[[], Any]]:
    """Every kind of fault, as often as the table says, in parts that need nothing of each other."""
    return [
        partial(reliability.cut_journals, folder / "cuts"),
        partial(reliability.flipped_journals, folder / "flips", 2_000, seed),
        partial(reliability.moved_lines, folder / "lines", 300, seed),
        partial(reliability.failed_writes, folder / "writes", traces, 4),
        *(
            partial(kills, folder / f"kills-{n}", traces, 30, 25, seed + n, "forked")
            for n in range(4)
        ),
        partial(kills, folder / "kills-own", traces, 30, 10, seed, "own"),
        partial(signals, folder / "signals", traces, 30, 30, seed, "forked"),
        partial(signals, folder / "signals-plain", traces, 30, 10, seed, "plain"),
        partial(reliability.flipped_files, folder / "files", traces, 500, seed),
        partial(failing_evaluations, folder / "evaluations", 40),
        partial(fuzz.study_files, folder / "studies", 9_000, seed),
        partial(fuzz.run_folders, folder / "folders", traces, 1_000, seed),
    ]


def gathered(parts: Iterable[Any]) -> Findings:
    """The findings of all parts, those of one fault added up."""
    by_fault: dict[str, Tally] = {}
    resumptions: list[Resumption] = []
    for part in parts:
        tallies = part.tallies if isinstance(part, Kills) else part
        resumptions += part.resumptions if isinstance(part, Kills) else []
        for tally in [tallies] if isinstance(tallies, Tally) else tallies:
            total = by_fault.setdefault(tally.fault, Tally(tally.fault))
            for name in COUNTS:
                setattr(total, name, getattr(total, name) + getattr(tally, name))
    return Findings(list(by_fault.values()), resumptions)


def page(found: Findings, seed: int) -> str:
    """The page, from what was found."""
    lines = [ABOUT]
    lines.append("| fault | count | mended | detected | lost | no sentence |")
    lines.append("|---|---|---|---|---|---|")
    lines += [
        f"| {tally.fault} | {tally.count:,} | {tally.mended:,} | {tally.detected:,} | "
        f"{tally.lost} | {tally.tracebacks} |"
        for tally in found.tallies
    ]
    lines += ["", f"Seed {seed}, Python {platform.python_version()}."]
    if found.resumptions:
        lines += ["", *_resumed(found.resumptions, _kills(found.tallies))]
    return "\n".join(lines) + "\n" + NOTES


def _kills(tallies: Iterable[Tally]) -> int:
    return sum(tally.count for tally in tallies if tally.fault.startswith("'kill -9'"))


def _resumed(resumptions: Sequence[Resumption], n_kills: int) -> list[str]:
    """How long resumed drivers took: words, a table, and what counts as a failure.

    Args:
        resumptions: those that were measured.
        n_kills: drivers that were killed.
    """
    in_time = sum(r.wall_s <= MOST_S for r in resumptions)
    own = [r for r in resumptions if r.imports_cpu_s is not None]
    forked = [r for r in resumptions if r.imports_cpu_s is None]
    lines = [
        f"After {len(resumptions)} of {n_kills} kills the next driver lived until the study went "
        "on: until a task was given out, a trial was told or, where none was left, the records "
        "were written. The others were killed again before that. How long it took from the start "
        "of the process, or from its fork:",
        "",
        "| driver | resumed | on the clock, median | at most | processor, median | at most |",
        "|---|---|---|---|---|---|",
    ]
    for name, kind in (
        ("`dse resume`, a process of its own", own),
        ("forked, with everything imported", forked),
    ):
        if kind:
            wall = [r.wall_s for r in kind]
            cpu = [(r.imports_cpu_s or 0.0) + r.state_cpu_s for r in kind]
            columns = (statistics.median(wall), max(wall), statistics.median(cpu), max(cpu))
            lines.append(f"| {name} | {len(kind)} | {' | '.join(f'{s:.2f} s' for s in columns)} |")
    if own:
        imports = statistics.median(r.imports_cpu_s or 0.0 for r in own)
        lines += ["", f"Of a process of its own, {imports:.2f} s of processor time are imports."]
    lines += [
        "",
        f"{in_time} of {len(resumptions)} went on within {MOST_S:g} s on the clock. The machine "
        f"({os.cpu_count()} cores, {platform.machine()}) had {os.getloadavg()[2]:.1f} processes "
        "that wanted to run in the last quarter of an hour, those of this page included, so what "
        f"decides is processor time: more than {MOST_CPU_S:g} s of it is a failure.",
    ]
    return lines


def main() -> int:
    """Make every fault and write the page; 1 if one of them did harm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=PAGE)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(arguments.workers) as pool:
        folder = Path(name)
        write_small_traces(folder / "traces")
        running = [
            pool.submit(part) for part in campaign(folder, folder / "traces", arguments.seed)
        ]
        for part in as_completed(running):
            print(part.result(), file=sys.stderr, flush=True)
        found = gathered(part.result() for part in running)
    arguments.out.write_text(page(found, arguments.seed), encoding="utf-8")
    return int(not found.are_good)


if __name__ == "__main__":
    sys.exit(main())
