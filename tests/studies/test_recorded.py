"""Recorded traces: what is read is what was written, or one sentence says why not."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.faults.trials import FaultTrials
from evaluators.testing import made_up_trace
from search_space import CellKind, KnobValue, ModelKnobs, adaptivfloat, model_knobs
from studies.recorded import (
    KEY_NAMES,
    RecordedTraces,
    RecordedTracesError,
    knobs_of_key,
    write_recorded,
)
from tests.small_study import HEADS, LAYERS, SHAPES


@pytest.fixture
def knobs(model_points: list[dict[str, KnobValue]]) -> ModelKnobs:
    """A recorded setting."""
    return model_knobs(model_points[0])


@pytest.fixture
def copied(small_traces: Path, tmp_path: Path) -> Path:
    """A copy of the set of traces, to be damaged."""
    return Path(shutil.copytree(small_traces, tmp_path / "traces"))


class TestReading:
    """A whole set of traces."""

    def test_trace_is_the_one_written(self, recorded: RecordedTraces, knobs: ModelKnobs) -> None:
        """A trace comes back bit for bit, spans and densities included."""
        written = made_up_trace(seed=0, quality=0.6, head_spans=((128,) * HEADS,) * LAYERS)
        read = recorded.trace(knobs)
        for name in ("logits", "tokens", "labels", "splits", "predicted_entropies"):
            np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
        assert read.head_spans == written.head_spans
        assert (read.encoder_density, read.embedding_density) == (1.0, 1.0)

    def test_shapes(self, recorded: RecordedTraces) -> None:
        """The shape of each checkpoint is the one written."""
        assert {name: recorded.shape(name) for name in SHAPES} == SHAPES

    def test_settings(
        self, recorded: RecordedTraces, model_points: list[dict[str, KnobValue]]
    ) -> None:
        """Each setting is listed once: the cells that hold the weights do not count."""
        assert len(recorded.settings()) == len(set(recorded.settings())) == 4
        assert set(recorded.settings()) == {model_knobs(p).trace_key() for p in model_points}

    def test_cells_do_not_change_the_trace(
        self, recorded: RecordedTraces, model_points: list[dict[str, KnobValue]]
    ) -> None:
        """Settings that differ in where weights are stored share one trace."""
        by_key: dict[Any, bytes] = {}
        for point in model_points:
            trace = recorded.trace(model_knobs(point))
            by_key.setdefault(model_knobs(point).trace_key(), trace.logits.tobytes())
            assert by_key[model_knobs(point).trace_key()] == trace.logits.tobytes()
        assert len(by_key) == len(set(by_key.values())) == 4


class TestMissing:
    """What is not recorded is an error that names it, never a trace of something near."""

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            (
                {"span_budget_tokens": 16},
                "No trace is recorded for span_budget_tokens 16 (recorded: 128): choose one of "
                "these, or use --evaluator live.",
            ),
            (
                {"weight_format": adaptivfloat(7, 3)},
                "No trace is recorded for weight_format adaptivfloat<7,3> (recorded: "
                "adaptivfloat<6,3>, adaptivfloat<8,3>): choose one of these, or use --evaluator "
                "live.",
            ),
            (
                {"checkpoint": "own-layer"},
                "Checkpoint 'own-layer' has no recorded traces, did you mean 'own-layers'?: "
                "expected one of own-layers, one-layer, or use the live evaluator.",
            ),
        ],
    )
    def test_setting(
        self, recorded: RecordedTraces, knobs: ModelKnobs, changes: dict[str, Any], told: str
    ) -> None:
        """The first value that is not recorded is named with those that are."""
        with pytest.raises(RecordedTracesError) as caught:
            recorded.trace(dataclasses.replace(knobs, **changes))
        assert str(caught.value) == told

    def test_hole_in_the_grid(self, copied: Path, knobs: ModelKnobs) -> None:
        """Where every value is recorded but not together, the whole setting is named."""
        manifest = json.loads((copied / "manifest.json").read_text())
        settings = manifest["checkpoints"]["own-layers"]["settings"]
        settings[0][2], settings[1][3] = 0.5, 0.5
        (copied / "manifest.json").write_text(json.dumps(manifest))
        hole = dataclasses.replace(knobs, encoder_sparsity=0.5, embedding_sparsity=0.5)
        with pytest.raises(RecordedTracesError, match=r"for the setting checkpoint own-layers, "):
            RecordedTraces(copied).trace(hole)

    def test_shape_of_unknown_checkpoint(self, recorded: RecordedTraces) -> None:
        """The shape of a checkpoint that is not recorded is an error that names those there are."""
        with pytest.raises(RecordedTracesError, match="expected one of own-layers, one-layer"):
            recorded.shape("bert")

    def test_no_manifest(self, tmp_path: Path) -> None:
        """A folder without a manifest is told with the command that makes one."""
        with pytest.raises(RecordedTracesError, match=r"manifest\.json: no such file; .*dse rec"):
            RecordedTraces(tmp_path)


class TestDamage:
    """A damaged set is noticed, not read."""

    @pytest.mark.parametrize("position", [0, 100, -1])
    def test_changed_byte(self, copied: Path, knobs: ModelKnobs, position: int) -> None:
        """One changed byte of an array file is noticed by its hash."""
        path = copied / "own-layers.npz"
        content = bytearray(path.read_bytes())
        content[position] ^= 1
        path.write_bytes(content)
        with pytest.raises(RecordedTracesError, match=r"own-layers\.npz: its SHA-256 is not the"):
            RecordedTraces(copied).trace(knobs)

    def test_missing_arrays(self, copied: Path, knobs: ModelKnobs) -> None:
        """An array file that is gone is named; the other checkpoint is still there."""
        (copied / "own-layers.npz").unlink()
        traces = RecordedTraces(copied)
        with pytest.raises(RecordedTracesError, match=r"own-layers\.npz: no such file"):
            traces.trace(knobs)
        assert traces.trace(dataclasses.replace(knobs, checkpoint="one-layer")).n_exits == LAYERS

    @pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 2}'])
    def test_manifest(self, copied: Path, content: str) -> None:
        """A manifest that is cut, empty or of another format is named in one line."""
        (copied / "manifest.json").write_text(content)
        with pytest.raises(RecordedTracesError, match="not a manifest of traces") as caught:
            RecordedTraces(copied)
        assert "\n" not in str(caught.value)

    def test_binary_manifest(self, copied: Path) -> None:
        """A manifest that is not even text is named too."""
        (copied / "manifest.json").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(RecordedTracesError, match="not a manifest of traces"):
            RecordedTraces(copied)


def test_labels_of_a_regression_stay_numbers(tmp_path: Path, knobs: ModelKnobs) -> None:
    """Traces of STS-B come back with their real-valued labels and their task."""
    plain = made_up_trace(seed=1)
    written = dataclasses.replace(
        plain,
        logits=plain.logits[..., :1],
        labels=np.add(plain.labels, 0.25, dtype=np.float64),
        task="STS-B",
    )
    name = knobs.checkpoint
    about = {
        "task": "STS-B",
        "data_sha256": "0" * 64,
        "trace_version": 1,
        "machine": "made up",
        "versions": {},
    }
    ones = {name: 1.0}
    pairs = {name: [(knobs, written)]}
    write_recorded(tmp_path, pairs, {name: SHAPES[name]}, {name: "0" * 64}, ones, about)
    read = RecordedTraces(tmp_path).trace(knobs)
    assert read.task == "STS-B"
    assert read.labels.dtype == np.float64
    np.testing.assert_array_equal(read.labels, written.labels)


def test_trials_of_faults_are_recorded(tmp_path: Path, knobs: ModelKnobs) -> None:
    """Traces with faults come back with their trials, beside others without any."""
    faulty = dataclasses.replace(knobs, encoder_storage=CellKind.RERAM_MLC3)
    trials = FaultTrials((0.5, 0.75, 0.625))
    written = dataclasses.replace(made_up_trace(seed=2), faults=trials)
    name = knobs.checkpoint
    about = {
        "task": "SST-2",
        "data_sha256": "0" * 64,
        "trace_version": 1,
        "machine": "made up",
        "versions": {},
    }
    pairs = {name: [(knobs, made_up_trace(seed=1)), (faulty, written)]}
    write_recorded(tmp_path, pairs, {name: SHAPES[name]}, {name: "0" * 64}, {name: 1.0}, about)
    recorded = RecordedTraces(tmp_path)
    assert recorded.trace(knobs).faults is None
    assert recorded.trace(faulty).faults == trials
    elsewhere = dataclasses.replace(knobs, embedding_storage=CellKind.RERAM_MLC3)
    with pytest.raises(RecordedTracesError, match="embedding_storage reram-mlc3: use --evaluator"):
        recorded.trace(elsewhere)


def test_knobs_of_a_key(knobs: ModelKnobs) -> None:
    """The six knobs by name, and those that follow in one text."""
    assert list(knobs_of_key(knobs.trace_key())) == list(KEY_NAMES)
    faulty = dataclasses.replace(knobs, encoder_storage=CellKind.RERAM_MLC3)
    assert knobs_of_key(faulty.trace_key()) == {
        **knobs_of_key(knobs.trace_key()),
        "encoder_storage": "reram-mlc3",
        "exit_storage": "reram-mlc3",
    }
