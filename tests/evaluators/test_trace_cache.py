"""The trace cache: what it keeps, what it survives, and many processes at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evaluators.stages import Progress
from evaluators.testing import made_up_trace
from evaluators.trace_cache import TraceCache
from evaluators.traces import ExitTrace, trace_bytes


def key(number: int) -> str:
    """A hash."""
    return f"{number:064x}"


def same(left: ExitTrace | None, right: ExitTrace) -> bool:
    """Whether a trace was found and is the one expected."""
    return left is not None and trace_bytes(left) == trace_bytes(right)


def progress_of(trace: ExitTrace, count: int) -> Progress:
    """Progress with the first sentences of a trace measured."""
    return Progress(
        positions=np.arange(count),
        logits=trace.logits[:count],
        predicted_entropies=trace.predicted_entropies,
        head_spans=trace.head_spans,
        encoder_density=1.0,
        embedding_density=1.0,
    )


@pytest.fixture
def said() -> list[str]:
    """What the cache has told."""
    return []


@pytest.fixture
def cache(tmp_path: Path, said: list[str]) -> TraceCache:
    """An empty cache without a limit, its folder not there yet."""
    return TraceCache(tmp_path / "cache", None, said.append)


def names(cache_folder: Path) -> set[str]:
    """Files of a cache but for its count of lookups."""
    return {path.name for path in cache_folder.iterdir()} - {"lookups"}


def test_trace_is_kept(cache: TraceCache, tmp_path: Path, said: list[str]) -> None:
    """What was stored is found under its hash and no other, by other caches too."""
    trace = made_up_trace(3, head_spans=((0, 5), (128, 1)))
    assert cache.trace(key(1)) is None
    assert key(1) not in cache
    cache.store_trace(key(1), trace)
    assert names(tmp_path / "cache") == {f"{key(1)}.trace"}
    other = TraceCache(tmp_path / "cache", None, said.append)
    assert same(other.trace(key(1)), trace)
    assert key(1) in other
    assert other.trace(key(2)) is None
    assert said == []


def test_progress_is_kept_until_the_trace_is_whole(cache: TraceCache, tmp_path: Path) -> None:
    """Later progress replaces earlier; the whole trace replaces both."""
    trace = made_up_trace(0)
    assert cache.progress(key(1)) is None
    for count in (10, 20):
        cache.store_progress(key(1), progress_of(trace, count))
    found = cache.progress(key(1))
    assert found is not None
    assert found.positions.tolist() == list(range(20))
    assert key(1) in cache
    assert cache.trace(key(1)) is None
    cache.store_trace(key(1), trace)
    assert cache.progress(key(1)) is None
    assert names(tmp_path / "cache") == {f"{key(1)}.trace"}


def test_trace_of_an_earlier_version_is_read(
    cache: TraceCache, tmp_path: Path, said: list[str]
) -> None:
    """An archive without a checksum is a trace, unless it is damaged."""
    trace = made_up_trace(0)
    (tmp_path / "cache").mkdir()
    older = tmp_path / "cache" / f"{key(1)}.npz"
    older.write_bytes(trace_bytes(trace))
    assert key(1) in cache
    assert same(cache.trace(key(1)), trace)
    older.write_bytes(b"PK\x03\x04 and no more")
    assert cache.trace(key(1)) is None
    assert len(said) == 1
    assert f"{older}: damaged trace (" in said[0]
    assert said[0].endswith("; it is measured again.")


def test_damage_anywhere_is_told_and_counts_as_missing(
    cache: TraceCache, tmp_path: Path, said: list[str]
) -> None:
    """A file cut off or with any bit changed is told in one sentence, and may be replaced."""
    trace = made_up_trace(0, n_select=3, n_report=2)
    cache.store_trace(key(1), trace)
    path = tmp_path / "cache" / f"{key(1)}.trace"
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [whole[:cut] for cut in (0, 1, 50, 82, len(whole) - 1)] + [whole + b"\0"]
    for position in [*range(90), *rng.integers(90, len(whole), 60)]:
        changed = bytearray(whole)
        changed[position] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(changed))
    for content in damaged:
        path.write_bytes(content)
        assert cache.trace(key(1)) is None
    assert len(said) == len(damaged)
    assert set(said) == {
        f"{path}: damaged trace (its checksum is not that of its content); it is measured again."
    }
    cache.store_trace(key(1), trace)
    assert same(cache.trace(key(1)), trace)


def test_damaged_progress_starts_anew(cache: TraceCache, tmp_path: Path, said: list[str]) -> None:
    """Progress is checked like traces."""
    cache.store_progress(key(1), progress_of(made_up_trace(0), 5))
    path = tmp_path / "cache" / f"{key(1)}.part"
    path.write_bytes(path.read_bytes()[:-7])
    assert cache.progress(key(1)) is None
    assert len(said) == 1


def test_what_cannot_be_read_or_written_is_told(tmp_path: Path, said: list[str]) -> None:
    """A folder in the place of a file, or a file in that of the folder: one sentence each."""
    cache = TraceCache(tmp_path, None, said.append)
    (tmp_path / f"{key(1)}.trace").mkdir()
    assert cache.trace(key(1)) is None
    assert "it is measured again." in said[0]
    (tmp_path / "file").write_text("")
    blocked = TraceCache(tmp_path / "file", None, said.append)
    blocked.store_trace(key(1), made_up_trace(0))
    assert "cannot be written (" in said[1]
    assert said[1].endswith("; evaluation goes on without it.")
    assert len(said) == 2


def test_least_recently_used_goes_first(tmp_path: Path, said: list[str]) -> None:
    """Beyond the limit the traces used longest ago go; reading is using, and any file counts."""
    trace = made_up_trace(0)
    size = len(trace_bytes(trace)) + 82
    cache = TraceCache(tmp_path, 3 * size, said.append)
    for number in range(3):
        cache.store_trace(key(number), trace)
        os.utime(tmp_path / f"{key(number)}.trace", (1_000 + number, 1_000 + number))
    cache.trace(key(0))
    cache.store_trace(key(3), trace)
    assert names(tmp_path) == {f"{key(n)}.trace" for n in (0, 2, 3)}
    cache.store_progress(key(4), progress_of(trace, 5))
    assert names(tmp_path) == {f"{key(0)}.trace", f"{key(3)}.trace", f"{key(4)}.part"}


def test_newest_is_kept_whatever_the_limit(tmp_path: Path, said: list[str]) -> None:
    """A trace larger than the limit replaces all others; other files are never touched."""
    cache = TraceCache(tmp_path, 10, said.append)
    (tmp_path / "seconds.json").write_text("{}")
    for number in range(3):
        cache.store_trace(key(number), made_up_trace(number))
    assert names(tmp_path) == {f"{key(2)}.trace", "seconds.json"}


def test_files_left_by_killed_writers_go(tmp_path: Path, said: list[str]) -> None:
    """Temporary files of an hour ago are removed with the rest, those of a writer at work stay."""
    cache = TraceCache(tmp_path, 10, said.append)
    old, new = (tmp_path / f"{key(n)}.trace.{'0' * 32}.tmp" for n in (1, 2))
    old.write_bytes(b"")
    new.write_bytes(b"")
    os.utime(old, (1_000, 1_000))
    for number in range(2):
        cache.store_trace(key(number), made_up_trace(0))
    assert (old.exists(), new.exists()) == (False, True)


def test_summary_and_clear(cache: TraceCache, tmp_path: Path) -> None:
    """Traces, progress, bytes and lookups are counted; clearing removes them and nothing else."""
    assert cache.summary().traces == 0
    trace = made_up_trace(0)
    for number in range(3):
        cache.store_trace(key(number), trace)
    cache.store_progress(key(3), progress_of(trace, 5))
    for _ in range(4):
        cache.trace(key(0))
    cache.trace(key(9))
    (tmp_path / "cache" / "seconds.json").write_text("{}")
    (tmp_path / "cache" / f"{key(1)}.trace.{'0' * 32}.tmp").write_bytes(b"")
    (tmp_path / "cache" / "mine.tmp").write_bytes(b"")
    summary = cache.summary()
    assert (summary.traces, summary.unfinished, summary.hits, summary.misses) == (3, 1, 4, 3)
    entries = [p for p in (tmp_path / "cache").iterdir() if p.suffix in {".trace", ".part"}]
    assert summary.size_bytes == sum(path.stat().st_size for path in entries)
    cache.clear()
    assert {p.name for p in (tmp_path / "cache").iterdir()} == {"seconds.json", "mine.tmp"}
    assert cache.summary().size_bytes == 0


HAMMER = """
import sys
from pathlib import Path
import numpy as np
from evaluators.testing import made_up_trace
from evaluators.trace_cache import TraceCache
from evaluators.traces import trace_bytes

folder, seed, limit, keys = Path(sys.argv[1]), *map(int, sys.argv[2:])
said = []
cache = TraceCache(folder, limit or None, said.append)
traces = [made_up_trace(n) for n in range(keys)]
rng = np.random.default_rng(seed)
found = 0
for number in rng.integers(0, keys, 150):
    key = f"{number:064x}"
    trace = cache.trace(key)
    if trace is None:
        cache.store_trace(key, traces[number])
    else:
        found += 1
        assert trace_bytes(trace) == trace_bytes(traces[number]), "another trace"
assert not said, said
print(found)
"""


@pytest.mark.slow
@pytest.mark.parametrize("traces_kept", [0, 3])
def test_many_processes(repository: Path, tmp_path: Path, traces_kept: int) -> None:
    """Four processes that read, write and remove the same eight traces never see a wrong one.

    Without a limit each trace is there in the end; with one, the folder is within it once the last
    of them has written.
    """
    size = len(trace_bytes(made_up_trace(0))) + 82
    limit = traces_kept * size
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    words = [str(tmp_path), str(limit), "8"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HAMMER, words[0], str(seed), *words[1:]],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(4)
    ]
    found = []
    for process in processes:
        out, error = process.communicate()
        assert process.returncode == 0, error
        found.append(int(out))
    cache = TraceCache(tmp_path, limit or None, print)
    if limit:
        cache.store_trace(key(0), made_up_trace(0))
        assert cache.summary().size_bytes <= limit
    else:
        assert cache.summary().traces == 8
        assert sum(found) >= 4 * 150 - 4 * 8
        assert cache.summary().hits == sum(found)
    assert names(tmp_path) == {p.name for p in tmp_path.glob("*.trace")}
