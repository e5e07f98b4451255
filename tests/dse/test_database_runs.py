"""Runs in PostgreSQL: no password is kept, folders share a study, and restarts lose nothing."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from dse.search import Search
from dse.storage import close, open_storage
from dse.watched_run import WatchedRun
from studies.records import Progress
from tests.dse.commands import failure, json_of
from tests.dse.conftest import FormulaExecutor, MakeStudy, opened, quiet
from tests.dse.postgres import Server, running_server
from tests.small_study import spec_with, tiny_document

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("in_an_empty_folder")]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL server of this module's own; it trusts whoever comes."""
    with running_server() as server:
        yield server


def test_run_and_resume(
    server: Server, make_study: MakeStudy, small_traces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second folder joins the study, and neither holds the password."""
    url = server.url.replace("tester@", "tester:s3cret@")
    words = ["run", make_study(), "--traces", str(small_traces), "--trials", "4"]
    words += ["--storage", url, "--study-name", "ours"]
    left = json_of(capsys, *words, "--out", "left")
    right = json_of(capsys, *words, "--out", "right", "--seed", "9")
    assert left["counts"]["trials"] == 4
    assert {**left, "run": "", "report": ""} == {**right, "run": "", "report": ""}
    assert json_of(capsys, "resume", "left") == left
    assert json_of(capsys, "resume", "left", "--storage", url) == left
    written = [path for path in Path().rglob("*") if path.is_file()]
    assert Path("left/run.json") in written
    assert not any(b"s3cret" in path.read_bytes() for path in written)
    other = failure(capsys, 2, "resume", "left", "--storage", "sqlite:///other.db")
    assert other.startswith("--storage 'sqlite:///")
    assert "the run is kept in postgresql://tester@/postgres" in other
    words[words.index("4")] = "5"
    told = failure(capsys, 2, *words, "--out", "third")
    assert told == (
        "Study 'ours' was begun with another study file: search differs; take that file, or "
        "another --study-name."
    )
    assert not Path("third").exists()


def test_a_name_needs_a_database(make_study: MakeStudy, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal has one study."""
    told = failure(capsys, 2, "run", make_study(), "--study-name", "ours")
    assert told == "--study-name: names a study in a database; give its URL by --storage."


def test_restarts_in_mid_study(server: Server, tmp_path: Path) -> None:
    """A server that is stopped once and crashes once: the trials of a study without a database."""
    spec = spec_with(tiny_document(), strategy="joint", trials=12, in_flight=3)
    alone = opened(spec, tmp_path)
    alone.run(FormulaExecutor(capacity=3), quiet)
    storage = open_storage(server.url, tmp_path / "none", "a")
    search = Search(spec, storage, "restarts")
    starts: list[Future[None]] = []

    def restart(state: Progress) -> None:
        if state.trial in (4, 8):
            for start in starts:
                start.result(120)
            server.stop("fast" if state.trial == 4 else "immediate")
            starts.append(pool.submit(server.start))

    with ThreadPoolExecutor(1) as pool:
        search.run(FormulaExecutor(capacity=3), restart)
        assert len(starts) == 2
    again = Search(spec, storage, "restarts")
    close(storage)
    found = [[(t.number, t.flat, t.outcome) for t in each.told] for each in (alone, search, again)]
    assert found[0] == found[1] == found[2]
    assert again.unfinished == 0


def test_a_dashboard_of_all_drivers(
    server: Server, make_study: MakeStudy, small_traces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside a folder whose driver is at work, the trials of another driver are seen too."""
    words = ["run", make_study(), "--traces", str(small_traces), "--trials", "4"]
    words += ["--storage", server.url, "--study-name", "seen"]
    json_of(capsys, *words, "--out", "one")
    folder = Path("two")
    folder.mkdir()
    for name in ("spec.json", "run.json"):
        (folder / name).write_bytes((Path("one") / name).read_bytes())
    with (folder / "driver.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        seen = WatchedRun("two", folder).snapshot()
    recorded = WatchedRun("one", Path("one")).snapshot()
    assert (seen.state, recorded.state) == ("running", "finished")
    assert seen.trials.numbers.tolist() == recorded.trials.numbers.tolist() == [0, 1, 2, 3]
    assert [d.metrics for d in seen.front.designs] == [d.metrics for d in recorded.front.designs]
    assert seen.front.hypervolume == recorded.front.hypervolume
