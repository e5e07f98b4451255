"""Studies that commands make: by ``dse init``, by ``dse refine``, and what a dry run says."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from dse.dry_run import dry_run
from dse.new_study import TARGETS, study_text
from dse.outcomes import Outcome
from dse.refining import narrowed
from dse.trace_sources import SourceOptions
from evaluators.tasks import TASKS
from search_space import Dimension
from studies.design_lists import read_designs
from studies.records import read_front
from studies.spec import read_spec
from tests.dse.commands import failure, json_of, text_of
from tests.dse.conftest import MakeStudy
from tests.small_study import tiny_document

pytestmark = pytest.mark.usefixtures("in_an_empty_folder")


class TestInit:
    """``dse init``."""

    @pytest.mark.parametrize("target", TARGETS)
    @pytest.mark.parametrize("task", TASKS)
    def test_every_study_is_valid(self, task: str, target: str, tmp_path: Path) -> None:
        """For every task and device the file is a study; its comments are for people."""
        path = tmp_path / "study.toml"
        path.write_text(study_text(task, target))
        spec = read_spec(path)
        assert spec.scenario.task == task
        assert spec.scenario.deadline_ms == TARGETS[target].deadline_ms
        assert spec.search_space().size() > 10_000
        assert study_text(task, target).count("#") > 10

    def test_shipped_checkpoints_are_used(self) -> None:
        """A task that has a shipped checkpoint starts from it; others say how to train one."""
        assert 'checkpoint = ["albert-mini", "minilm-exits"]' in study_text("SST-2", "phone")
        qqp = study_text("QQP", "phone")
        assert 'checkpoint = ["minilm-qqp"]' in qqp
        assert "dse train" not in qqp
        assert "dse train aware --task RTE" in study_text("RTE", "phone")

    def test_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The file is written once, and never over another."""
        printed = text_of(capsys, "init", "--task", "SST-2", "--target", "sensor")
        assert printed.endswith("Next:   dse run sst-2-sensor.toml --dry-run\n")
        assert read_spec(Path("sst-2-sensor.toml")).scenario.power_mode == "off"
        told = failure(capsys, 4, "init", "--target", "sensor", "--out", "sst-2-sensor.toml")
        assert "exists already" in told

    def test_wrong_words(self, capsys: pytest.CaptureFixture[str]) -> None:
        """An unknown target or task ends with one sentence, with a near name."""
        assert "did you mean 'phone'" in failure(capsys, 2, "init", "--target", "phon")
        assert "SST" in failure(capsys, 3, "init", "--task", "SST2")


class TestDryRun:
    """``dse run --dry-run``."""

    @pytest.mark.parametrize("strategy", ["nested", "joint"])
    def test_says_what_it_takes_and_writes_nothing(
        self,
        strategy: str,
        make_study: MakeStudy,
        small_traces: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Size of the space, one evaluated point, time, memory and disk."""
        study = make_study({"search.strategy": strategy})
        before = sorted(Path.cwd().iterdir())
        words = ["run", study, "--traces", str(small_traces), "--dry-run"]
        found = json_of(capsys, *words)
        assert found["size"] == read_spec(Path(study)).search_space().size()
        assert found["outcome"]["state"] in ("complete", "infeasible")
        assert found["seconds"] > 0
        assert found["memory_bytes"] > 50e6
        assert found["disk_bytes"] > 1e6
        printed = text_of(capsys, *words)
        assert f"{found['size']:,} distinct designs" in printed
        assert printed.endswith(f"Next:   dse run {study} --traces {small_traces}\n")
        assert sorted(Path.cwd().iterdir()) == before

    @pytest.mark.parametrize(
        ("strategy", "workers", "seconds"), [("nested", 2, 32), ("joint", 1, 34)]
    )
    def test_what_is_done_once_is_counted_once(
        self,
        strategy: str,
        workers: int,
        seconds: float,
        make_study: MakeStudy,
        small_traces: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """32 s at first, 2 s again, two trials: 30 s are those of the start, not of a trial."""
        changes = {"search.strategy": strategy, "search.trials": 2, "search.workers": workers}
        spec = read_spec(Path(make_study(changes)))
        outcome = Outcome(state="complete")
        taken = iter([32.0, 2.0])
        monkeypatch.setattr("dse.dry_run.timed", lambda *_: (outcome, next(taken)))
        options = SourceOptions(glue_dir=None, cache=None, recorded=str(small_traces))
        found = dry_run(spec, options)
        assert found.seconds == seconds

    def test_next_step_keeps_the_options(
        self,
        make_study: MakeStudy,
        small_traces: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The command that follows is the one that was tried, data of the environment left out."""
        monkeypatch.setenv("GLUE_DIR", "elsewhere")
        words = ["run", make_study({}), "--trials", "3", "--strategy", "joint"]
        words += ["--traces", str(small_traces), "--seed", "7"]
        printed = text_of(capsys, *words, "--dry-run")
        after = shlex.split(printed.splitlines()[-1])[1:]
        assert after[:3] == ["dse", *words[:2]]
        assert sorted(after[3:]) == sorted(words[2:])

    def test_a_joint_study_is_timed_by_a_point_that_can_be_built(
        self, make_study: MakeStudy, small_traces: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Points that are infeasible, which takes no time, are passed over."""
        changes = {"search.strategy": "joint", "search.trials": 10, "search.workers": 1}
        spec = read_spec(Path(make_study(changes)))
        unfit = Outcome(state="infeasible", reason="made up")
        fit = (Outcome(state="complete"), 3.0)
        results = iter([(unfit, 0.0), (unfit, 0.0), fit])
        monkeypatch.setattr("dse.dry_run.timed", lambda *_: next(results, fit))
        options = SourceOptions(glue_dir=None, cache=None, recorded=str(small_traces))
        found = dry_run(spec, options)
        assert found.outcome.state == "complete"
        assert found.seconds == 30.0


class TestRefine:
    """``dse refine``."""

    @pytest.mark.parametrize(
        ("values", "found", "kept"),
        [
            ((4, 8, 16, 32), [8], [4, 8, 16]),
            ((4, 8, 16, 32), [4, 8], [4, 8, 16]),
            ((32, 4, 16), [32], [32, 16]),
            ((0.5, 0.6, 0.7), [0.8], [0.6, 0.7]),
        ],
    )
    def test_narrowed_numbers(
        self, values: tuple[float, ...], found: list[float], kept: list[float]
    ) -> None:
        """From the smallest to the largest, and one more on either side; else the nearest."""
        assert narrowed(Dimension("max_voltage_v", values), found) == kept

    def test_narrowed_text(self) -> None:
        """Text keeps the values that were found, in the order of the space."""
        dimension = Dimension("exit_policy", ("none", "entropy", "latency-aware"))
        assert narrowed(dimension, ["latency-aware", "none"]) == ["none", "latency-aware"]

    def test_child_study(self, finished: str, capsys: pytest.CaptureFixture[str]) -> None:
        """The child begins with the chosen designs and searches a smaller space around them."""
        where = "exit_policy == 'latency-aware'"
        words = ["refine", finished, "--where", where, "--trials", "4", "--out", "child"]
        json_of(capsys, *words)
        parent, child = read_spec(Path(finished, "spec.json")), read_spec(Path("child/spec.json"))
        assert child.search_space().size() < parent.search_space().size()
        assert child.search_space()["exit_policy"].values == ("latency-aware",)
        assert child.title.endswith(f"refined where {where}")
        chosen = [d.knobs for d in read_front(Path(finished, "front.json")).designs]
        chosen = [knobs for knobs in chosen if knobs["exit_policy"] == "latency-aware"]
        assert read_designs("child.designs.toml") == chosen
        document = json.loads(Path("child/front.json").read_text())
        assert document["designs"]
        assert {d["knobs"]["exit_policy"] for d in document["designs"]} == {"latency-aware"}
        assert tiny_document()["title"] in child.title

    def test_nothing_meets_it(self, finished: str, capsys: pytest.CaptureFixture[str]) -> None:
        """A condition that no design meets ends with one sentence; nothing is left behind."""
        told = failure(capsys, 3, "refine", finished, "--where", "accuracy > 2", "--out", "child")
        assert "no design of the front meets it" in told
        assert not Path("child").exists()
        assert not Path("child.designs.toml").exists()
