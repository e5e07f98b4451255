"""The long forms of `tests.dse.reliability`, whose table is ``docs/reliability.md``.

``python -m tests.dse.reliability_report [--seed N] [--out FILE]``, or ``make test-faults``. The
exit code is 1 if a trial was lost, a difference went unsaid or a failure was no sentence.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.dse import fuzz, reliability
from tests.dse.reliability import Tally
from tests.small_study import write_small_traces

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"

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
and several drivers on one study.
"""


def tallies(folder: Path, traces: Path, seed: int) -> list[Callable[[], Sequence[Tally]]]:
    """Every kind of fault, as often as the table says."""
    return [
        lambda: reliability.cut_journals(folder / "cuts"),
        lambda: [reliability.flipped_journals(folder / "flips", 2_000, seed)],
        lambda: [reliability.moved_lines(folder / "lines", 300, seed)],
        lambda: [reliability.failed_writes(folder / "writes", traces, 4)],
        lambda: [reliability.kills(folder / "kills", traces, 30, 100, seed)],
        lambda: [reliability.signals(folder / "signals", traces, 30, 30, seed)],
        lambda: [reliability.flipped_files(folder / "files", traces, 500, seed)],
        lambda: [reliability.failing_evaluations(folder / "evaluations", 40)],
        lambda: [fuzz.study_files(folder / "studies", 9_000, seed)],
        lambda: [fuzz.run_folders(folder / "folders", traces, 1_000, seed)],
    ]


def page(found: Sequence[Tally], seed: int) -> str:
    """The page, from the tallies."""
    lines = [ABOUT]
    lines.append("| fault | count | mended | detected | lost | no sentence | slowest |")
    lines.append("|---|---|---|---|---|---|---|")
    for tally in found:
        slowest = "" if tally.slowest_s is None else f"{tally.slowest_s:.2f} s"
        lines.append(
            f"| {tally.fault} | {tally.count:,} | {tally.mended:,} | {tally.detected:,} | "
            f"{tally.lost} | {tally.tracebacks} | {slowest} |"
        )
    lines.append("")
    lines.append(
        f"Seed {seed}, Python {platform.python_version()}. *slowest* is the most processor "
        "time that a driver took until its first new trial, without the start of Python."
    )
    return "\n".join(lines) + "\n" + NOTES


def main() -> int:
    """Make every fault and write the page; 1 if one of them did harm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=PAGE)
    arguments = parser.parse_args()
    found: list[Tally] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_small_traces(folder / "traces")
        for tally in tallies(folder, folder / "traces", arguments.seed):
            for each in tally():
                found.append(each)
                print(each, file=sys.stderr, flush=True)
    arguments.out.write_text(page(found, arguments.seed), encoding="utf-8")
    return int(any(tally.lost or tally.tracebacks for tally in found))


if __name__ == "__main__":
    sys.exit(main())
