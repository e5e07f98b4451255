"""`dse explain`: what it prints of a design, and how it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.cli import main
from dse.evaluation import Evaluation
from dse.explain_command import ExplainedSentence
from evaluators.traces import Split
from hw_cost import AcceleratorColumns, ExplainedGemm, Groups, cost_table
from search_space import design_point
from studies.recorded import RecordedTraces
from studies.spec import read_spec
from tests.dse.commands import failure, finished_run, json_of, text_of
from tests.small_study import LAYERS, changed, tiny_document, toml_text


@pytest.fixture(scope="module")
def run(small_traces: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A finished run of the tiny study, its buffers just large enough for its sentences."""
    document = changed(tiny_document(), {"space.data_sram_kib": 8})
    return str(finished_run(document, tmp_path_factory.mktemp("finished"), small_traces))


def longest_tokens(traces: Path, design: Any) -> int:
    """Longest sentence of the ``select`` split of a design's trace."""
    knobs = design_point(design["knobs"]).model
    return int(RecordedTraces(traces).trace(knobs).of(Split.SELECT).tokens.max())


class TestExplanation:
    """What is printed."""

    def test_time_is_that_of_the_cost_table(
        self, run: str, small_traces: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Start and one layer add up to the latency of a sentence that leaves after it, awake."""
        design = json_of(capsys, "pareto", run)[0]
        found = json_of(capsys, "explain", run, "--id", "0", "--tokens", "20")
        spec = read_spec(Path(run, "spec.json"))
        evaluation = Evaluation(spec, RecordedTraces(small_traces))
        hardware = design_point(design["knobs"]).hardware
        table = cost_table(
            evaluation.setting(design["knobs"]).workload,
            AcceleratorColumns.from_knobs([hardware]),
            Groups(*(np.array([x]) for x in (20, 1, 1))),
            spec.scenario.scenario(),
            evaluation.technology,
        )
        assert {gemm["step"] for gemm in found["gemms"]} == {"start", f"layers 1-{LAYERS}"}
        start_and_one = sum(gemm["time_ns"] for gemm in found["gemms"])
        assert start_and_one == pytest.approx(table.latency_ns[0, 0] - table.wake_ns[0])

    def test_whole_sentence(self, run: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Totals weigh a step by how often it is run, and shares of the time add up to 1."""
        found = json_of(capsys, "explain", run, "--id", "0", "--tokens", "20")
        runs = {gemm["step"]: gemm["runs"] for gemm in found["gemms"]}
        assert runs.pop("start") == 1
        assert sum(runs.values()) == LAYERS
        for figure in ("time_ns", "energy_pj"):
            total = sum(gemm["runs"] * gemm[figure] for gemm in found["gemms"])
            assert found[figure] == pytest.approx(total)
        assert sum(found["time_shares"].values()) == pytest.approx(1)
        assert found["voltage_v"] == 0.8

    def test_sizes_and_mapping(self, run: str, capsys: pytest.CaptureFixture[str]) -> None:
        """GEMMs of a layer have the encoder's sizes, a tile no larger, and at most full use."""
        found = json_of(capsys, "explain", run, "--id", "0", "--tokens", "20")
        by_name = {gemm["name"]: gemm for gemm in found["gemms"] if gemm["step"] != "start"}
        for name, sizes in {"qkv": [20, 64, 64, 3], "ffn2": [20, 128, 64, 1]}.items():
            gemm = by_name[name]
            assert [gemm[key] for key in ("rows", "depth", "columns", "count")] == sizes
            assert gemm["order"].endswith("-stationary")
            assert 1 <= gemm["tile_rows"] <= 20
            assert 1 <= gemm["tile_depth"] <= gemm["depth"]
            assert gemm["weight_reads"] >= 1
            assert 0 < gemm["utilisation"] <= 1
        assert by_name["special functions"]["bound"] == "special functions"

    def test_default_length(
        self, run: str, small_traces: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Without a length it is the longest sentence that designs were chosen by."""
        design = json_of(capsys, "pareto", run)[0]
        longest = longest_tokens(small_traces, design)
        assert json_of(capsys, "explain", run, "--id", "0")["tokens"] == longest

    def test_padded_length(
        self, small_traces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Where the scenario pads, it is what the scenario pads to."""
        study = tmp_path / "padded.toml"
        study.write_text(toml_text(changed(tiny_document(), {"scenario.sequences": "padded(48)"})))
        out = str(tmp_path / "run")
        words = ["run", str(study), "--traces", str(small_traces), "--trials", "2", "--out", out]
        assert main(words) == 0
        assert json_of(capsys, "explain", out, "--id", "0")["tokens"] == 48

    def test_table(self, run: str, capsys: pytest.CaptureFixture[str]) -> None:
        """The table has a row a GEMM, and below it what the sentence takes."""
        printed = text_of(capsys, "explain", run, "--id", "0", "--tokens", "20")
        assert "20 x 64 x 64 x 3" in printed
        assert "special functions" in printed
        assert "Design 0, sentence of 20 tokens through all layers at 0.8 V: " in printed
        assert "is bound by compute" in printed
        assert max(map(len, printed.splitlines())) <= 200


def test_memory_bound_time_is_that_of_any_memory() -> None:
    """Waiting for a memory of any kind is memory-bound; the other bounds stand for themselves."""
    bounds = {"compute": 1.0, "DRAM": 2.0, "eNVM": 3.0, "special functions": 4.0}
    gemms = tuple(
        ExplainedGemm(step="layer 1", name=bound, time_ns=time_ns, bound=bound)
        for bound, time_ns in bounds.items()
    )
    sentence = ExplainedSentence(design_id=0, tokens=9, voltage_v=0.8, gemms=gemms)
    assert sentence.time_shares == {"compute": 0.1, "memory": 0.5, "special functions": 0.4}


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["RUN"], 2, "Missing option '--id'"),
        (["RUN", "--id", "0", "--tokens", "0"], 2, "Invalid value for '--tokens'"),
        (["RUN", "--id", "0", "--tokens", "129"], 2, "--tokens 129: expected 1 to 128"),
        (["RUN", "--id", "9999"], 3, "--id 9999: Design id 9999 is not on the front"),
        (["nowhere", "--id", "0"], 4, "nowhere: not a run folder"),
    ],
)
def test_wrong_input(
    words: list[str], code: int, sentence: str, run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Designs and lengths that are not there get a sentence."""
    told = failure(capsys, code, "explain", *(run if w == "RUN" else w for w in words))
    assert sentence in told


def test_too_long_for_the_chip(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A design that cannot hold a longer sentence says what is too small for it."""
    told = failure(capsys, 3, "explain", run, "--id", "0", "--tokens", "128")
    assert told.startswith("Design 0, sentence of 128 tokens: The design cannot run: data buffers")
    assert "are too small for the" in told


def test_run_without_front(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that was stopped has no design to explain."""
    (tmp_path / "run.json").write_text(Path(run, "run.json").read_text())
    (tmp_path / "spec.json").write_text(Path(run, "spec.json").read_text())
    told = failure(capsys, 4, "explain", str(tmp_path), "--id", "0")
    assert "the run has no front yet" in told
