"""Generated study files and run folders: each is read, or refused in a sentence."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dse.cross_check import check_records
from dse.errors import exit_code_of
from dse.runs import open_run
from dse.search import Search
from dse.storage import open_storage
from studies.presets import PRESETS, load_study
from tests.dse.reliability import Run, Tally, silently
from tests.small_study import small_document, toml_text

HOSTILE: Final = (
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"9" * 5000,
    b"1e999",
    b"-1",
    b"nan",
    b"NaN",
    b"Infinity",
    b"null",
    b"true",
    b'""',
    b"''",
    b"{}",
    b"[]",
    b"[" * 2000,
    b"(" * 2000,
    b'"' + b"(" * 300 + b'"',
    b'{"a":' * 2000,
    b"\\ud800",
    "\u202e\u200b".encode(),
    b"../../x",
    b"<script>",
    b"\n",
    b"=",
    b'"',
    b",",
)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The content after one to four random edits."""
    found = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(found) + 1)
        length = rng.choice((0, 1, 3, 20))
        kind = rng.randrange(6)
        if kind == 0 and found:
            found[min(at, len(found) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del found[at : at + max(length, 1)]
        elif kind == 2:
            found[at : at + length] = rng.choice(HOSTILE)
        elif kind == 3:
            found[at:at] = found[at : at + 40]
        elif kind == 4:
            lines = bytes(found).split(b"\n")
            i = rng.randrange(len(lines))
            other = lines[rng.randrange(len(lines))]
            lines[i] = other if rng.random() < 0.5 else _other_value(lines[i], rng)
            found = bytearray(b"\n".join(lines))
        else:
            found = found[: at if rng.random() < 0.2 else len(found)]
    return bytes(found)


def _other_value(line: bytes, rng: random.Random) -> bytes:
    """A line whose value is a hostile one."""
    for mark in (b" = ", b": ", b":"):
        key, found, _ = line.partition(mark)
        if found:
            return key + found + rng.choice(HOSTILE)
    return rng.choice(HOSTILE)


def study_files(folder: Path, count: int, seed: int) -> Tally:
    """Study files, mutated from the small study and the presets."""
    folder.mkdir()
    rng = random.Random(seed)
    bases = [path.read_bytes() for path in sorted(PRESETS.glob("*.toml"))]
    bases.append(toml_text(small_document()).encode())
    tally = Tally("generated study files")
    path = folder / "study.toml"
    for _ in range(count):
        path.write_bytes(mutated(rng.choice(bases), rng))
        _count(tally, lambda: load_study(str(path)).document(), path.read_bytes())
    return tally


def run_folders(folder: Path, traces: Path, count: int, seed: int) -> Tally:
    """Run folders with a mutated file, with and without their manifest; shown and taken up."""
    folder.mkdir()
    rng = random.Random(seed)
    run = Run(folder / "whole", traces, 10)
    assert silently(run.command()) == 0
    names = [p.name for p in run.folder.iterdir() if p.suffix in (".json", ".log", ".parquet")]
    tally = Tally("generated run folders")
    other = folder / "run"
    for _ in range(count):
        shutil.rmtree(other, ignore_errors=True)
        shutil.copytree(run.folder, other)
        if rng.random() < 0.7:
            (other / "manifest.json").unlink()
            (other / "journal.tail").unlink()
        name = rng.choice([name for name in names if (other / name).exists()])
        (other / name).write_bytes(mutated((other / name).read_bytes(), rng))
        _count(tally, lambda: _taken_up(other), (other / name).read_bytes())
    return tally


def _taken_up(path: Path) -> None:
    run = open_run(path)
    settings = run.settings()
    if run.front.is_file():
        run.front_record()
    with run.driven():
        run.require_journal()
        storage = open_storage(None, run.journal)
        search = Search(run.spec(), storage, settings["study_name"])
        check_records(run.trials, search)


def _count(tally: Tally, read: Callable[[], object], content: bytes) -> None:
    tally.count += 1
    try:
        read()
    except Exception as error:
        if exit_code_of(error) is None or not str(error) or "\n" in str(error):
            tally.tracebacks += 1
            if os.environ.get("SHOW_FUZZ"):
                print(type(error), str(error)[:300], content[:2000])
        tally.detected += 1


def command_lines(folder: Path, traces: Path, count: int, seed: int) -> Tally:
    """The same run folders through the commands that look at them."""
    folder.mkdir()
    rng = random.Random(seed)
    run = Run(folder / "whole", traces, 10)
    assert silently(run.command()) == 0
    tally = Tally("generated run folders, by command")
    other = folder / "run"
    for number in range(count):
        shutil.rmtree(other, ignore_errors=True)
        shutil.copytree(run.folder, other)
        name = rng.choice(("spec.json", "run.json", "front.json", "manifest.json"))
        (other / name).write_bytes(mutated((other / name).read_bytes(), rng))
        words = (["show", str(other)], ["pareto", str(other)], ["list", "--root", str(folder)])
        with contextlib.suppress(SystemExit):
            code = silently(words[number % 3])
            tally.count += 1
            tally.detected += code != 0
            tally.tracebacks += code == 1
    return tally
