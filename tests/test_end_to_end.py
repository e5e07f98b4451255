"""The main job on what ships: recorded traces, checkpoints, and the preset study."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from dse.cli import main
from dse.live import LiveSource
from dse.trace_sources import SourceOptions
from evaluators.checkpoint_folders import checkpoint_hash
from evaluators.checkpoints import SHIPPED as CHECKPOINTS
from evaluators.checkpoints import checkpoint_folder, shipped_checkpoints, shipped_for
from evaluators.exits import exit_layers
from evaluators.glue import load_sst2
from evaluators.traces import Split
from search_space import MODEL_KNOBS, ExitKnobs, ExitPolicy, model_knobs
from studies.presets import load_study, preset_names
from studies.recorded import SHIPPED as RECORDED
from studies.recorded import RecordedTraces
from studies.records import read_front

PRESET = "edgebert-sst2"
ANY_CELLS = {"embedding_storage": "sram", "encoder_storage": "sram"}
"""A trial goes through all cells that share its trace, and names none."""


def size_mb(folder: Path, pattern: str = "*") -> float:
    """Megabytes of the files of a folder."""
    return sum(path.stat().st_size for path in folder.glob(pattern)) / 1e6


def test_recorded_traces_cover_the_presets_and_stay_small() -> None:
    """At least 400 settings are recorded, every one of the presets among them, in 25 MB."""
    recorded = RecordedTraces()
    keys = set(recorded.settings())
    assert len(keys) >= 400
    for preset in preset_names():
        space = load_study(preset).search_space()
        assert {model_knobs(flat).trace_key() for flat in space.points(MODEL_KNOBS)} <= keys
    assert size_mb(RECORDED) < 25


def test_presets_span_every_model_knob() -> None:
    """Every model knob has two values or more among the presets, whose settings are recorded."""
    found: dict[str, set[object]] = {}
    for preset in preset_names():
        for flat in load_study(preset).search_space().points(MODEL_KNOBS):
            for name in MODEL_KNOBS:
                found.setdefault(name, set()).add(flat[name])
    assert [name for name, values in found.items() if len(values) < 2] == []


def test_checkpoints_ship_small_and_are_those_that_were_recorded() -> None:
    """Checkpoints are there, of at most 25 MB; traces are of SST-2's, and carry their hashes."""
    manifest = RecordedTraces().manifest
    assert shipped_checkpoints() == ["albert-mini", "minilm-exits", "minilm-qqp"]
    assert shipped_for("SST-2") == sorted(manifest.checkpoints) == ["albert-mini", "minilm-exits"]
    assert shipped_for("QQP") == ["minilm-qqp"]
    for name in shipped_checkpoints():
        assert size_mb(CHECKPOINTS / name) < 25
    for name, recorded in manifest.checkpoints.items():
        assert recorded.checkpoint_sha256 == checkpoint_hash(checkpoint_folder(name))


@pytest.mark.parametrize(
    ("name", "layers"), [("albert-mini", 12), ("minilm-exits", 6), ("minilm-qqp", 6)]
)
def test_model_cards_say_how_good_every_exit_is(name: str, layers: int) -> None:
    """The card has data, seed, stages, and scores of every exit, the teacher and the majority."""
    card = json.loads((CHECKPOINTS / name / "card.json").read_text())
    assert {"task", "data_sha256", "seed", "stages", "train_sentences"} <= set(card)
    for split in ("select", "report"):
        assert len(card["accuracy_stored"][split]) == layers
        assert max(card["accuracy_stored"][split]) > card["majority_class"][split]
        assert card["accuracy_teacher"][split]


@pytest.mark.slow
def test_recorded_data_are_the_official_sentences(glue_dir: Path) -> None:
    """The data hash of the recorded traces is that of SST-2's two splits and calibration."""
    assert RecordedTraces().manifest.data_sha256 == load_sst2(glue_dir).content_hash()


@dataclass(frozen=True)
class LiveStudy:
    """Six live trials of the preset on two Ray workers.

    Attributes:
        out: run folder.
        result: what the command printed.
        traces: cache with the traces that were measured.
    """

    out: Path
    result: dict[str, Any]
    traces: Path


@pytest.fixture(scope="module")
def live_study(glue_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> LiveStudy:
    """The study, run once."""
    folder = tmp_path_factory.mktemp("live")
    out, traces = folder / "run", folder / "traces"
    command = f"run {PRESET} --evaluator live --trials 6 --workers 2 --json"
    folders = ["--data", str(glue_dir), "--out", str(out), "--cache", str(traces)]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main([*command.split(), *folders]) == 0
    return LiveStudy(out, json.loads(printed.getvalue()), traces)


@pytest.mark.slow
@pytest.mark.ray
def test_live_study_evaluates_the_shipped_checkpoints_through_ray(live_study: LiveStudy) -> None:
    """Six live trials on two workers give a front from measured settings of both checkpoints."""
    assert live_study.result["counts"]["trials"] == 6
    assert live_study.result["counts"]["failed"] == 0
    assert live_study.result["front_size"] > 0
    front = read_front(live_study.out / "front.json")
    assert set(front.provenance["checkpoints"].values()) == {
        c.checkpoint_sha256 for c in RecordedTraces().manifest.checkpoints.values()
    }


@pytest.mark.slow
@pytest.mark.ray
def test_live_traces_equal_the_recorded_ones(live_study: LiveStudy, glue_dir: Path) -> None:
    """Predictions and exits of every setting measured through Ray are those that are recorded.

    At most one sentence of a split may differ at an exit setting.
    """
    spec = load_study(PRESET)
    trials = pq.read_table(live_study.out / "trials.parquet").to_pylist()
    settings = [
        model_knobs(
            ANY_CELLS | {name: row[name] for name in MODEL_KNOBS if row.get(name) is not None}
        )
        for row in trials
        if row["state"] == "complete"
    ]
    assert {knobs.checkpoint for knobs in settings} == {"albert-mini", "minilm-exits"}
    options = SourceOptions(
        glue_dir=str(glue_dir), cache=str(live_study.traces), recorded=None, torch_threads=1
    )
    source = LiveSource(spec, options)
    before = sorted(live_study.traces.rglob("*.trace"))
    exits = [
        ExitKnobs(exit_policy=policy, entropy_threshold=threshold)
        for policy in ExitPolicy
        for threshold in (0.1, 0.3, 0.5)
    ]
    for knobs in settings:
        live, recorded = source.trace(knobs), RecordedTraces().trace(knobs)
        assert live.head_spans == recorded.head_spans
        assert live.encoder_density == pytest.approx(recorded.encoder_density, abs=1e-6)
        for split in (Split.SELECT, Split.REPORT):
            ours, theirs = live.of(split), recorded.of(split)
            np.testing.assert_array_equal(ours.tokens, theirs.tokens)
            np.testing.assert_array_equal(ours.labels, theirs.labels)
            sentences = np.arange(len(ours.tokens))
            _, mine = exit_layers(ours, exits)
            _, other = exit_layers(theirs, exits)
            for left, right in zip(mine, other, strict=True):
                answers = ours.logits[sentences, left - 1].argmax(-1)
                recorded_answers = theirs.logits[sentences, right - 1].argmax(-1)
                assert ((answers != recorded_answers) | (left != right)).sum() <= 1
    assert sorted(live_study.traces.rglob("*.trace")) == before != []  # nothing was measured anew


@pytest.mark.slow
def test_preset_front_uses_many_voltage_levels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Designs of the preset's front run their later layers at four voltages or more."""
    out = tmp_path / "nested"
    command = f"run {PRESET} --trials 12 --workers 1 --json"
    assert main([*command.split(), "--out", str(out)]) == 0
    capsys.readouterr()
    front = read_front(out / "front.json")
    used = {v for d in front.designs for v, share in d.voltage_shares.items() if share >= 0.01}
    assert len(used) >= 4
    page = (out / "report.html").read_text()
    assert len(page) < 20_000_000
    assert "<title>" in page
