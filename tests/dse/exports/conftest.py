"""Exports that tests share: of the hardware alone, and with the model of a tiny checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dse.cli import main
from dse.exports.document import DesignDocument, read_document
from dse.exports.parameters import Parameters, parameters_of
from dse.exports.tables import Table
from evaluators.tasks import WNLI
from tests.dse.commands import finished_run
from tests.dse.test_live_tasks import live_document
from tests.generated_glue import write_generated_task, write_tiny_checkpoint
from tests.small_study import tiny_document, toml_text


@pytest.fixture(scope="session")
def hardware_once(small_traces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of the hardware alone, of the tiny study; no test may write there."""
    folder = tmp_path_factory.mktemp("hardware")
    run = finished_run(tiny_document(), folder, small_traces)
    out = folder / "export"
    words = ["--select", "min energy where exit_policy == 'latency-aware'", "--no-model"]
    assert main(["export", str(run), "--out", str(out), *words]) == 0
    return out


@pytest.fixture
def hardware(hardware_once: Path, tmp_path: Path) -> Path:
    """A copy of it that may be damaged."""
    return Path(shutil.copytree(hardware_once, tmp_path / "export"))


@pytest.fixture(scope="session")
def glue_of_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up WNLI."""
    return write_generated_task(tmp_path_factory.mktemp("glue"), WNLI)


@pytest.fixture(scope="session")
def model_once(glue_of_pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export with a model, pruned, in two-bit cells; no test may write there."""
    folder = tmp_path_factory.mktemp("model")
    checkpoint = write_tiny_checkpoint(folder / "mine", WNLI.n_outputs)
    changes = {
        "space.encoder_sparsity": 0.5,
        "space.embedding_sparsity": 0.6,
        "space.encoder_storage": "reram-mlc2",
        "space.weight_format": "adaptivfloat<6,3>",
        "space.envm_mib": 0.25,
        "space.span_budget_tokens": 5,
        "search.trials": 1,
    }
    study = folder / "study.toml"
    study.write_text(toml_text(live_document("WNLI", checkpoint, **changes)))
    run, out = folder / "run", folder / "export"
    data = ["--data", str(glue_of_pairs)]
    assert main(["run", str(study), *data, "--workers", "1", "--out", str(run)]) == 0
    words = ["--select", "min energy where exit_policy == 'entropy'", "--model"]
    assert main(["export", str(run), *data, "--out", str(out), *words]) == 0
    return out


@pytest.fixture
def model(model_once: Path, tmp_path: Path) -> Path:
    """A copy of it that may be damaged."""
    return Path(shutil.copytree(model_once, tmp_path / "export"))


@pytest.fixture(scope="session")
def document(hardware_once: Path) -> DesignDocument:
    """``design.json`` of the export of the hardware."""
    return read_document(hardware_once)


@pytest.fixture(scope="session")
def tables(hardware_once: Path) -> dict[str, Table]:
    """Its tables."""
    from dse.exports.loading import ExportFolder

    return ExportFolder.open(hardware_once).tables()


@pytest.fixture(scope="session")
def parameters(document: DesignDocument, tables: dict[str, Table]) -> Parameters:
    """Its parameters."""
    return parameters_of(document, tables)
