"""`dse sources` and `dse pareto --uncertainty`: what they print, and how they fail."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from dse.cli import main
from hw_cost.technology import technology_constants
from studies.rescoring import FIGURES
from tests.dse.commands import failure, finished_run, json_of, text_of
from tests.small_study import changed, tiny_document, toml_text


@pytest.fixture(scope="module")
def run(small_traces: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A finished nested run of the tiny study."""
    return str(finished_run(tiny_document(), tmp_path_factory.mktemp("finished"), small_traces))


@pytest.fixture(scope="module")
def listed(run: str) -> Any:
    """What ``dse sources`` says of design 2 of that run."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(["sources", "--run", run, "--id", "2", "--samples", "3", "--json"]) == 0
    return json.loads(printed.getvalue())


class TestSources:
    """`dse sources`."""

    def test_every_constant_with_its_source_and_effect(self, listed: Any) -> None:
        """All constants of the run's technology, largest effect first, facts last."""
        rows = listed["constants"]
        assert sorted(r["name"] for r in rows) == sorted(c.name for c in technology_constants())
        assert all(r["source"] and r["unit"] and r["mark"] for r in rows)
        is_fact = [r["low"] == r["high"] for r in rows]
        assert is_fact == sorted(is_fact)
        largest = [
            max(abs(end) for effect in r["effect"].values() for end in effect.values())
            for r in rows
            if r["low"] < r["high"]
        ]
        assert largest == sorted(largest, reverse=True)
        assert largest[0] > 0.01

    def test_figures_are_those_of_the_front(
        self, run: str, listed: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The design's figures are the recorded ones, with an interval of the samples."""
        design = json_of(capsys, "pareto", run)[2]
        assert listed["design"] == design["knobs"]
        assert (listed["samples"], listed["seed"]) == (3, 0)
        assert 0 < listed["runs_share"] <= 1
        for name in FIGURES:
            figure = listed["figures"][name]
            assert figure["value"] == pytest.approx(design["metrics"][name]["value"])
            assert figure["p05"] < figure["p95"]

    def test_seed_decides(self, run: str, listed: Any, capsys: pytest.CaptureFixture[str]) -> None:
        """Another seed draws other constants; effects do not depend on it."""
        words = ["sources", "--run", run, "--id", "2", "--samples", "3", "--seed", "1"]
        other = json_of(capsys, *words)
        assert other["figures"] != listed["figures"]
        assert other["constants"] == listed["constants"]

    def test_table(self, run: str, capsys: pytest.CaptureFixture[str]) -> None:
        """The table has a row a constant, and the intervals stand below it."""
        printed = text_of(capsys, "sources", "--run", run, "--id", "0", "--samples", "3")
        lines = printed.splitlines()
        for constant in technology_constants():
            assert any(line.startswith(constant.name + " ") for line in lines), constant.name
        assert "published" in printed
        assert "Energy per sentence: " in printed
        assert "3 samples, seed 0; it runs in 100% of them." in printed

    @pytest.mark.slow
    def test_default_design(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Without a run it is a plain design on shipped traces, in the study's technology."""
        found = json_of(capsys, "sources", "--samples", "2")
        assert found["design"]["mac_vector_size"] == 16
        assert found["design"]["checkpoint"] == "albert-mini"
        by_name = {row["name"]: row for row in found["constants"]}
        assert by_name["envm.reram-mlc2.read_ns"]["value"] == 1.103

    def test_default_design_must_run(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Where it cannot be scored the command says what to do."""
        study = tmp_path / "padded.toml"
        document = changed(tiny_document(), {"scenario.sequences": "padded(8)"})
        study.write_text(toml_text(document))
        assert "scenario.sequences 'padded(8)'" in failure(capsys, 3, "sources", str(study))

    @pytest.mark.parametrize(
        ("words", "code", "sentence"),
        [
            (["--id", "0"], 2, "--id names a design of a run: give the run's folder by --run."),
            (["--run", "RUN"], 2, "--run needs --id N: 'dse pareto RUN' lists the designs."),
            (
                ["edgebert-sst2", "--run", "RUN", "--id", "0"],
                2,
                "Study 'edgebert-sst2' and --run RUN: expected one of them, not both.",
            ),
            (["--run", "RUN", "--id", "9999"], 3, "--id 9999: Design id 9999 is not on the front"),
            (["--run", "nowhere", "--id", "0"], 4, "nowhere: not a run folder"),
            (["edgebert-sst"], 3, "'edgebert-sst' is neither a file nor a preset"),
        ],
    )
    def test_wrong_input(
        self,
        words: list[str],
        code: int,
        sentence: str,
        run: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Options that contradict each other, and designs that are not there, get a sentence."""
        told = failure(capsys, code, "sources", *(run if w == "RUN" else w for w in words))
        assert sentence.replace("RUN", run) in told


class TestUncertainty:
    """`dse pareto --uncertainty`."""

    def test_every_design_has_intervals(self, run: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Each front design keeps its figures and gets intervals and shares."""
        front = json_of(capsys, "pareto", run)
        found = json_of(capsys, "pareto", run, "--uncertainty", "--samples", "7")
        assert [row["id"] for row in found] == [design["id"] for design in front]
        for row, design in zip(found, front, strict=True):
            for name in FIGURES:
                assert row[name]["value"] == pytest.approx(design["metrics"][name]["value"])
                assert row[name]["p05"] <= row[name]["p95"]
            assert 0 <= row["front_share"] <= row["kept_share"] <= 1
        assert max(row["front_share"] for row in found) > 0.5

    def test_table(self, run: str, capsys: pytest.CaptureFixture[str]) -> None:
        """The table shows as many rows as asked for, and says how many stay on the front."""
        found = json_of(capsys, "pareto", run)
        printed = text_of(capsys, "pareto", run, "--uncertainty", "--samples", "3", "--rows", "2")
        assert f"Shown: 2 of {len(found)} designs." in printed
        assert "in at least half of 3 samples of the constants (seed 0)" in printed

    def test_samples_need_uncertainty(self, run: str, capsys: pytest.CaptureFixture[str]) -> None:
        """A number of samples without the option that uses it is a mistake."""
        told = failure(capsys, 2, "pareto", run, "--samples", "5")
        assert told == "--samples says how often constants are drawn: it needs --uncertainty."

    def test_no_samples(self, run: str, capsys: pytest.CaptureFixture[str]) -> None:
        """At least one sample is needed."""
        told = failure(capsys, 2, "pareto", run, "--uncertainty", "--samples", "0")
        assert told.startswith("Invalid value for '--samples'")
