"""The cache of live traces through the commands: shared by runs, checked, shown and cleared."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dse import executors, live, recording
from dse.cli import main
from dse.evaluation import Evaluation
from dse.outcomes import Outcome
from dse.trace_sources import SourceOptions
from evaluators.checkpoint_folders import save_checkpoint
from evaluators.checkpoints import shipped_checkpoints
from evaluators.glue import TaskData
from evaluators.trace_cache import DEFAULT_LIMIT_MIB
from search_space import FP16
from studies.recorded import RecordedTraces
from studies.spec import read_spec, spec_of
from tests.dse.commands import json_of
from tests.evaluators.conftest import CONFIGS, made_up_sentences, random_encoder, tiny_tokenizer
from tests.small_study import changed, tiny_document, toml_text


@pytest.fixture(autouse=True)
def made_up_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in a folder of their own, with made-up sentences for the data."""
    drawn = made_up_sentences(80, seed=1)
    task = TaskData(
        train=drawn.take(range(40, 80)),
        select=drawn.take(range(24)),
        report=drawn.take(range(24, 40)),
        calibration=drawn.take(range(40, 80)),
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLUE_DIR", raising=False)
    monkeypatch.setattr(live, "load_task", lambda *_: task)


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    """A live study of two settings of a tiny checkpoint."""
    folder = tmp_path / "tiny"
    save_checkpoint(random_encoder(CONFIGS["albert"]), folder, tiny_tokenizer(), FP16)
    assert "tiny" not in shipped_checkpoints()
    return changed(
        tiny_document(),
        {
            "evaluator": {"kind": "live", "checkpoints": {"tiny": str(folder)}},
            "search.trials": 12,
            "space.checkpoint": "tiny",
            "space.encoder_storage": "sram",
            "constraints": [],
        },
    )


@pytest.fixture
def study(tmp_path: Path, document: dict[str, Any]) -> str:
    """The study's file."""
    path = tmp_path / "study.toml"
    path.write_text(toml_text(document))
    return str(path)


def caches(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What ``dse cache --json`` prints."""
    return json_of(capsys, "cache", *words)


def test_runs_share_a_cache(study: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run with the same cache measures nothing, and finds the same front."""
    words = ["run", study, "--data", ".", "--cache", "shared", "--json"]
    fronts = []
    for _ in range(2):
        capsys.readouterr()
        assert main(words) == 0
        fronts.append(json.loads(capsys.readouterr().out))
    assert fronts[0]["hypervolume"] == fronts[1]["hypervolume"]
    assert not Path("runs/study-001/traces").exists()
    (row,) = caches(capsys)
    assert row["cache"] == str(Path("shared").absolute())
    assert (row["traces"], row["unfinished"], row["misses"], row["limit_mib"]) == (2, 0, 2, 1024)
    assert row["hits"] >= 2


def test_racing_measures_report_sentences_of_the_front_alone(
    document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A raced live study ends with the front of one that is not, its other trace unfinished."""
    fronts = []
    for name, changes in (("plain", {}), ("raced", {"search.racing": {"looks": [8, 500]}})):
        path = tmp_path / f"{name}.toml"
        path.write_text(toml_text(changed(document, changes)))
        assert main(["run", str(path), "--data", ".", "--cache", name, "--json"]) == 0
        fronts.append(json.loads(capsys.readouterr().out))
    assert fronts[1]["hypervolume"] == pytest.approx(fronts[0]["hypervolume"], rel=0.02)
    counts = fronts[1]["counts"]
    (row,) = caches(capsys, "raced")
    assert row["traces"] + row["unfinished"] == 2
    assert counts["sentences"] == 80 - 16 * row["unfinished"]
    assert counts["sentences_saved"] == 16 * row["unfinished"]


def test_damage_is_told_and_measured_again(study: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A run with a damaged trace says so in one line on stderr, and repairs it."""
    words = ["run", study, "--data", ".", "--cache", "shared", "--json"]
    assert main(words) == 0
    first = json.loads(capsys.readouterr().out)
    damaged = sorted(Path("shared").glob("*.trace"))[0]
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1])
    assert main(words) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["hypervolume"] == first["hypervolume"]
    assert printed.err.count("damaged trace (its checksum is not that of its content)") == 1
    assert damaged.read_bytes() == whole


def test_cache_of_a_run(study: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without options traces are in the run folder, which ``dse cache`` takes, and clears."""
    assert main(["run", study, "--data", "."]) == 0
    capsys.readouterr()
    assert main(["cache"]) == 0
    line = capsys.readouterr().out
    folder = Path("runs/study-001/traces").absolute()
    assert line.startswith(f"{folder}  2 traces, 0 unfinished, 0.0 of 1,024 MiB; ")
    assert caches(capsys, "runs/study-001") == caches(capsys)
    (Path(folder) / "mine.txt").write_text("")
    (row,) = caches(capsys, "runs/study-001", "--clear")
    assert (row["traces"], row["size_bytes"]) == (0, 0)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    assert main(["resume", "runs/study-001", "--data", "."]) == 0
    (row,) = caches(capsys, str(folder))
    assert row["traces"] > 0
    assert row["limit_mib"] is None


def test_what_cannot_be_shown_or_cleared(capsys: pytest.CaptureFixture[str]) -> None:
    """No runs is no failure; a folder that is not there, and clearing everything, are."""
    assert caches(capsys) == []
    assert main(["cache"]) == 0
    assert capsys.readouterr().out.startswith("No live traces in the runs of runs/.\n")
    assert main(["cache", "nowhere"]) == 4
    assert "nowhere: no such folder; expected a run or" in capsys.readouterr().err
    assert main(["cache", "--clear"]) == 2
    assert "--clear removes the traces of one folder: name it" in capsys.readouterr().err


def test_cache_in_a_study_file(tmp_path: Path, document: dict[str, Any]) -> None:
    """Folder and limit are keys of the evaluator; the folder is from the file's own."""
    (tmp_path / "deep").mkdir()
    path = tmp_path / "deep" / "study.toml"
    path.write_text(
        toml_text(changed(document, {"evaluator.cache": "../c", "evaluator.cache_mib": 7}))
    )
    spec = read_spec(path)
    assert spec.evaluator.cache is not None
    assert Path(spec.evaluator.cache).resolve() == tmp_path / "c"
    assert spec.evaluator.cache_mib == 7
    plain = spec_of(document, "test")
    assert (plain.evaluator.cache, plain.evaluator.cache_mib) == (None, DEFAULT_LIMIT_MIB)
    again = tmp_path / "spec.json"
    again.write_text(json.dumps(spec.document()))
    assert read_spec(again) == spec


class InlinePool:
    """A pool of no processes."""

    def __init__(self, _: int) -> None:
        """Take the number of processes for nothing."""

    def __enter__(self) -> InlinePool:
        """Nothing is started."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is stopped."""

    def imap(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """One after the other, here."""
        return map(function, items)


class InlineContext:
    """What `multiprocessing.get_context` would give."""

    Pool = InlinePool


def test_recording_goes_on_in_the_middle(
    document: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A recording stopped within a setting ends with the same traces, and tells of damage."""
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: InlineContext)
    monkeypatch.setattr(recording, "_SOURCES", {})
    spec = spec_of(document, "test")
    recording.record_grid([spec], str(tmp_path), tmp_path / "once", tmp_path / "work", 1, [])
    assert len(json.loads((tmp_path / "work" / "seconds.json").read_text())) == 2
    damaged, gone = sorted((tmp_path / "work").glob("*.trace"))
    damaged.write_bytes(b"")
    gone.unlink()
    capsys.readouterr()
    recording.record_grid([spec], str(tmp_path), tmp_path / "again", tmp_path / "work", 1, [])
    assert capsys.readouterr().err.count("it is measured again.") == 1
    once, again = (RecordedTraces(tmp_path / name) for name in ("once", "again"))
    assert once.settings() == again.settings()
    first, second = (s.manifest.checkpoints["tiny"].arrays_sha256 for s in (once, again))
    assert first == second


def test_workers_tell_through_the_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker's cache says goes with its outcome, once."""

    class Told:
        """A trace source whose every trace was damaged."""

        def __init__(self, say: Callable[[str], None]) -> None:
            self.say = say

    def evaluate(self: Evaluation, *_: object) -> Outcome:
        source: Any = self._source
        source.say("a trace was damaged")
        return Outcome(state="infeasible", reason="made up")

    monkeypatch.setattr(Evaluation, "evaluate", evaluate)
    monkeypatch.setattr(executors, "make_source", lambda _spec, _options, say: Told(say))
    options = SourceOptions(glue_dir=None, cache=None, recorded=None)
    worker = executors._Worker(tiny_document(), options)
    assert worker.evaluate("setting", {}).notes == ["a trace was damaged"]
    assert worker.evaluate("setting", {}).notes == ["a trace was damaged"]
