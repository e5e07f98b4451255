"""A worker that has nothing but a parcel: it measures there, and its traces come back as bytes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from dse import live
from dse.cluster import ShippedWorker
from dse.shipping import packed
from dse.trace_sources import SourceOptions
from evaluators.checkpoint_folders import save_checkpoint
from evaluators.glue import TaskData
from evaluators.trace_cache import TraceCache
from search_space import FP16, KNOBS, MODEL_KNOBS
from studies.spec import StudySpec, spec_of
from tests.evaluators.conftest import CONFIGS, made_up_sentences, random_encoder, tiny_tokenizer
from tests.small_study import Document, changed, tiny_document

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def made_up_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentences that are made up, for the task of any folder."""
    drawn = made_up_sentences(40, seed=1)
    task = TaskData(
        train=drawn.take(range(20, 40)),
        select=drawn.take(range(12)),
        report=drawn.take(range(12, 20)),
        calibration=drawn.take(range(20, 40)),
    )
    monkeypatch.setattr(live, "load_task", lambda *_: task)


@pytest.fixture
def document(tmp_path: Path) -> Document:
    """A live study of a tiny checkpoint."""
    folder = tmp_path / "tiny"
    save_checkpoint(random_encoder(CONFIGS["albert"]), folder, tiny_tokenizer(), FP16)
    return changed(
        tiny_document(),
        {
            "evaluator": {"kind": "live", "checkpoints": {"tiny": str(folder)}},
            "space.checkpoint": "tiny",
            "space.encoder_storage": ["sram", "reram-mlc2"],
            "constraints": [],
        },
    )


def worker_of(spec: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShippedWorker:
    """A worker on a node of its own. The folder of the checkpoint is gone by then."""
    options = SourceOptions(glue_dir="nowhere", cache=str(tmp_path / "cache"), recorded=None)
    parcel = packed(spec, options)
    (tmp_path / "tiny").rename(tmp_path / "gone")
    (tmp_path / "node").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "node"))
    worker = ShippedWorker(parcel, spec.document(), options)
    worker.started()
    worker.started()
    return worker


def test_live_traces_come_back(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trace comes with the first outcome that needs it, and is then in the driver's cache."""
    spec = spec_of(document, "test")
    worker = worker_of(spec, tmp_path, monkeypatch)
    points = spec.search_space().points(KNOBS)
    first, second = (
        next(p for p in points if p["encoder_storage"] == cell) for cell in ("sram", "reram-mlc2")
    )
    delivery = worker.deliver("design", first)
    assert delivery.outcome.state in {"complete", "infeasible"}
    ((name, file),) = delivery.traces.items()
    key = name.removesuffix(".trace")
    assert worker.deliver("design", second).traces == {}
    assert not (tmp_path / "cache").exists()

    said: list[str] = []
    cache = TraceCache(tmp_path / "cache", None, said.append)
    cache.take_in(name, file[:-1])
    cache.take_in("../elsewhere.trace", file)
    assert cache.trace(key) is None
    assert "damaged trace" in said[0]
    assert "not the name of a trace" in said[1]
    assert not (tmp_path / "elsewhere.trace").exists()
    cache.take_in(name, file)
    cache.take_in(name, file)
    assert cache.trace(key) is not None
    assert cache.file(key) == (name, file)
    assert cache.summary().misses == 1
    assert len(said) == 2


def test_raced_settings_come_back_as_far_as_they_are(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With racing the ``select`` sentences come; the driver need not measure them again."""
    spec = spec_of(changed(document, {"search.racing": {}}), "test")
    worker = worker_of(spec, tmp_path, monkeypatch)
    flat = {n: v for n, v in spec.search_space().points(KNOBS)[0].items() if n in MODEL_KNOBS}
    delivery = worker.deliver("setting", flat, [])
    assert delivery.outcome.state == "complete"
    ((name, file),) = delivery.traces.items()
    assert name.endswith(".part")
    cache = TraceCache(tmp_path / "cache", None, print)
    cache.take_in(name, file)
    progress = cache.progress(name.removesuffix(".part"))
    assert progress is not None
    assert sorted(progress.positions.tolist()) == list(range(12))
