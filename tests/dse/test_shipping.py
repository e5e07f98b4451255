"""Files of a study on their way to other machines: the same there, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dse.shipping import Parcel, ParcelError, at_node, packed, unpacked
from dse.trace_sources import SourceOptions, make_source
from studies.recorded import RecordedTraces
from studies.spec import spec_of
from tests.small_study import changed, small_document, tiny_document


def options(folder: Path | None) -> SourceOptions:
    """Options of recorded traces in a folder."""
    return SourceOptions(
        glue_dir=None, cache=None, recorded=None if folder is None else str(folder)
    )


def test_recorded_traces_arrive(small_traces: Path, tmp_path: Path) -> None:
    """A node that unpacks a parcel reads the same traces from a folder of its own."""
    spec = spec_of(tiny_document(), "test")
    parcel = packed(spec, options(small_traces))
    names = [path.name for path in small_traces.iterdir()]
    assert sorted(parcel.sizes) == sorted(f"recorded/{name}" for name in names)
    assert parcel.content.nbytes == sum(path.stat().st_size for path in small_traces.iterdir())
    folder = unpacked(parcel, tmp_path / "node")
    document, there = at_node(spec.document(), options(small_traces), folder)
    assert there.recorded == str(folder / "recorded")
    source = make_source(spec_of(document, "test"), there)
    assert isinstance(source, RecordedTraces)
    here = RecordedTraces(small_traces)
    assert source.settings() == here.settings()
    assert source.manifest == here.manifest


def test_once_a_node(small_traces: Path, tmp_path: Path) -> None:
    """What is there and whole is not written again; what is damaged is."""
    parcel = packed(spec_of(tiny_document(), "test"), options(small_traces))
    folder = unpacked(parcel, tmp_path)
    manifest = folder / "recorded" / "manifest.json"
    written = manifest.stat().st_ino
    assert unpacked(parcel, tmp_path) == folder
    assert manifest.stat().st_ino == written
    manifest.write_text("{}")
    assert unpacked(parcel, tmp_path) == folder
    assert manifest.read_bytes() == (small_traces / "manifest.json").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_shipped_traces_stay(tmp_path: Path) -> None:
    """What is installed with the project is not sent."""
    parcel = packed(spec_of(tiny_document(), "test"), options(None))
    assert not parcel.sizes
    assert unpacked(parcel, tmp_path).is_dir()


def test_live_studies_send_checkpoint_and_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints of the space, the task's files and a script go; nothing else of their folders."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "config.json").write_text("{}")
    (own / "model.safetensors").write_bytes(b"weights")
    (own / "optimizer.pt").write_bytes(b"not for a worker")
    glue = tmp_path / "glue" / "SST-2"
    glue.mkdir(parents=True)
    for name in ("train.tsv", "dev.tsv", "test.tsv"):
        (glue / name).write_text(name)
    (tmp_path / "model.py").write_text("class Model: ...\n")
    monkeypatch.chdir(tmp_path)
    changes = {
        "evaluator": {"kind": "live", "checkpoints": {"own-layers": str(own)}},
        "cost_model": {"name": f"{tmp_path}/model.py:Model"},
        "space.checkpoint": "own-layers",
    }
    spec = spec_of(changed(small_document(), changes), "test")
    glue_dir, cache = str(tmp_path / "glue"), str(tmp_path / "traces")
    live = SourceOptions(glue_dir=glue_dir, cache=cache, recorded=None)
    parcel = packed(spec, live)
    assert {name: content.decode() for name, content in parcel.files()} == {
        "checkpoints/SST-2/own-layers/config.json": "{}",
        "checkpoints/SST-2/own-layers/model.safetensors": "weights",
        "cost_model/model.py": "class Model: ...\n",
        "data/SST-2/dev.tsv": "dev.tsv",
        "data/SST-2/train.tsv": "train.tsv",
    }
    folder = unpacked(parcel, tmp_path / "node")
    document, there = at_node(spec.document(), live, folder)
    assert document["evaluator"]["checkpoints"] == {
        "own-layers": {"SST-2": str(folder / "checkpoints" / "SST-2" / "own-layers")}
    }
    assert document["cost_model"]["name"] == f"{folder}/cost_model/model.py:Model"
    assert there.glue_dir == str(folder / "data")
    assert there.cache == f"{folder}.traces"


def test_a_folder_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read from or written to a folder that another user has made."""
    parcel = Parcel(content=np.zeros(0, dtype=np.uint8), sizes={}, sha256="0" * 64)
    monkeypatch.setattr("dse.shipping.os.getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(ParcelError, match="belongs to another user; remove it, or set TMPDIR"):
        unpacked(parcel, tmp_path)
