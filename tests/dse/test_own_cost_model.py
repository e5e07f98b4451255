"""Studies with a cost model of the user's own: the documented example, from file to front."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dse.cli import main
from dse.executors import InlineExecutor, RayExecutor
from dse.search import Search
from dse.trace_sources import SourceOptions
from hw_cost import load_technology
from hw_cost.testing import check_cost_model, example_inputs
from studies.records import read_front
from studies.spec import StudySpec, read_spec
from tests.dse.commands import failure, json_of
from tests.dse.conftest import MakeEvaluation, opened, quiet
from tests.small_study import changed, tiny_document, toml_text


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    """The page that documents own models."""
    return (repository / "docs" / "own-cost-model.md").read_text()


def code(page: str, language: str, word: str) -> str:
    """The block of code in a language that holds a word."""
    (block,) = (b for b in re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL) if word in b)
    return str(block)


@pytest.fixture(scope="module")
def study(page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny study beside the documented model, which it names as documented."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_model.py").write_text(code(page, "python", "class TableModel"))
    named = tomllib.loads(code(page, "toml", "my_model.py"))
    path = folder / "tiny.toml"
    # An array of 4 was measured, one of 2 was not.
    document = changed(tiny_document(), {"space.mac_vector_size": [2, 4], "constraints": []})
    path.write_text(toml_text(document | named))
    return path


@pytest.fixture(scope="module")
def run(study: Path, small_traces: Path) -> str:
    """A finished nested run of it."""
    out = str(study.parent / "run")
    assert main(["run", str(study), "--traces", str(small_traces), "--out", out]) == 0
    return out


def test_documented_model_passes_the_documented_check(study: Path, page: str) -> None:
    """The example is a cost model, by the lines that the page says to run."""
    lines = code(page, "python", "check_cost_model(")
    subprocess.run([sys.executable, "-c", lines], cwd=study.parent, check=True)


def test_documented_model_with_options(study: Path) -> None:
    """It keeps its promises with the study's options too."""
    spec = importlib.util.spec_from_file_location("my_model", study.parent / "my_model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    options = tomllib.loads(study.read_text())["cost_model"]["options"]
    check_cost_model(module.TableModel(load_technology(), **options), *example_inputs())


def test_front_is_the_models(run: str) -> None:
    """Figures, parts and infeasible designs on the front are those of the named model."""
    front = read_front(Path(run, "front.json"))
    assert front.designs
    mac_mm2 = load_technology().mac_area_um2 / 1e6
    for design in front.designs:
        assert design.knobs["mac_vector_size"] == 4
        assert design.metrics["area_mm2"].value == pytest.approx(16 * mac_mm2)
        parts = design.breakdown
        for by_part, metric in (
            (parts.energy_pj, "energy_pj"),
            (parts.latency_ns, "latency_mean_ns"),
            (parts.area_mm2, "area_mm2"),
        ):
            assert by_part == {"whole": pytest.approx(design.metrics[metric].value)}
    assert front.provenance["cost_model"].endswith("my_model.py:TableModel")
    script = Path(run).parent / "my_model.py"
    assert front.provenance["cost_model_sha256"] == hashlib.sha256(script.read_bytes()).hexdigest()


def test_run_folder_is_enough_to_resume(
    run: str, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolved spec has the script's absolute path, so a run goes on from anywhere."""
    spec = read_spec(Path(run, "spec.json"))
    assert spec.cost_model.name == f"{study.parent / 'my_model.py'}:TableModel"
    assert spec.cost_model.options == {"pj_per_access": 1.5}
    front = Path(run, "front.json").read_bytes()
    monkeypatch.chdir(tmp_path)
    assert main(["resume", run]) == 0
    assert Path(run, "front.json").read_bytes() == front


def test_joint_strategy(
    study: Path, small_traces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Single designs are asked too; those that the model cannot run are infeasible with its reason.

    An eNVM that would be too small for our model is none of this model's business.
    """
    words = ["run", str(study), "--traces", str(small_traces), "--strategy", "joint"]
    found = json_of(capsys, *words, "--trials", "30", "--out", str(tmp_path / "run"))
    assert found["counts"]["complete"] > 0
    journal = (tmp_path / "run" / "journal.log").read_text()
    assert "an array of 2 was not measured" in journal
    assert "envm_mib" not in re.sub(r'"envm_mib(\[index\])?"', "", journal)


def test_constants_that_the_model_reads_count(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Sensitivity makes the model anew: here the area of a MAC moves the area, nothing the rest."""
    found = json_of(capsys, "sources", "--run", run, "--id", "0", "--samples", "2")
    moved = {
        row["name"]: effects
        for row in found["constants"]
        if (effects := {n: e["up"] for n, e in row["effect"].items() if e["up"]})
    }
    assert moved == {"mac_area_um2": {"area_mm2": pytest.approx(0.1)}}


def test_no_mapping_to_explain(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`dse explain` knows the mappings of our model only, and says so."""
    told = failure(capsys, 3, "explain", run, "--id", "0")
    assert "was scored by cost model" in told
    assert "only 'edge-dse' has mappings to explain" in told


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("edge-dsee", "cost_model 'edge-dsee' is not known, did you mean 'edge-dse'?: expected"),
        ("nowhere.py:Model", "nowhere.py:Model' cannot be imported (FileNotFoundError: no such"),
        ("my_model.py:TabelModel", "my_model.py has no TabelModel, did you mean 'TableModel'?"),
    ],
)
def test_unknown_models(
    name: str,
    told: str,
    study: Path,
    small_traces: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A model that is not there ends the run with 3 and leaves no run folder."""
    document = tomllib.loads(study.read_text()) | {"cost_model": {"name": name}}
    path = study.parent / "wrong.toml"
    path.write_text(toml_text(document))
    out = tmp_path / "run"
    words = ["run", str(path), "--traces", str(small_traces), "--out", str(out)]
    assert told in failure(capsys, 3, *words)
    assert not out.exists()


def test_failing_model(
    study: Path, small_traces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that raises ends the run with 3 and one sentence; mended, the run goes on."""
    script, path, out = tmp_path / "my_model.py", tmp_path / "tiny.toml", str(tmp_path / "run")
    good = (study.parent / "my_model.py").read_text()
    bad = good.replace("energy_pj=pj * macs", "energy_pj=pj.T * macs")
    script.write_text(bad)
    path.write_text(study.read_text())
    words = ["run", str(path), "--traces", str(small_traces), "--out", out]
    told = failure(capsys, 3, *words, after_progress=True)
    assert told.startswith(f"cost_model '{script}:TableModel': cost_table failed (")
    # nothing was told, so nothing is kept; a second run starts anew
    script.write_text(good)
    assert main(words) == 0


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_workers_make_the_model_from_the_spec(
    study: Path, small_traces: Path, evaluation_of: MakeEvaluation, tmp_path: Path
) -> None:
    """Ray workers load the script by its path and find the front of one process."""
    spec = read_spec(study).with_overrides(
        {"search.workers": 2, "search.trials": 30, "search.sampler": {"name": "random"}}
    )
    alone = _searched(spec, InlineExecutor(evaluation_of(spec)), tmp_path / "alone")
    options = SourceOptions(glue_dir=None, cache=None, recorded=str(small_traces))
    shared = _searched(spec, RayExecutor(spec, options, 2, None, quiet), tmp_path / "shared")
    assert alone.archive.values.tolist()
    assert sorted(shared.archive.values.tolist()) == sorted(alone.archive.values.tolist())


def _searched(spec: StudySpec, executor: InlineExecutor | RayExecutor, folder: Path) -> Search:
    """A search that has run to its end."""
    folder.mkdir()
    try:
        search = opened(spec, folder)
        search.run(executor, quiet)
    finally:
        executor.close()
    return search


@pytest.fixture
def zigzag_study(tmp_path: Path) -> Path:
    """The tiny study with ZigZag as its cost model, sentences padded to one length."""
    changes = {"scenario.sequences": "padded(40)", "space.processing_units": [1, 2]}
    document = changed(tiny_document(), changes)
    document["cost_model"] = {"name": "zigzag", "options": {"loop_factors": 3}}
    path = tmp_path / "zigzag.toml"
    path.write_text(toml_text(document))
    return path


def test_zigzag_by_name(
    zigzag_study: Path, small_traces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A study file may name ZigZag: the front has its figures, which are near ours."""
    pytest.importorskip("zigzag", reason="ZigZag is not installed: pip install edge-dse[zigzag]")
    words = ["--traces", str(small_traces), "--strategy", "joint", "--trials", "12"]
    ours = tmp_path / "ours.toml"
    document = tomllib.loads(zigzag_study.read_text())
    del document["cost_model"]
    ours.write_text(toml_text(document))
    fronts = []
    for path in (zigzag_study, ours):
        out = path.with_suffix("")
        json_of(capsys, "run", str(path), *words, "--out", str(out))
        fronts.append(read_front(out / "front.json"))
    assert [front.provenance["cost_model"] for front in fronts] == ["zigzag", "edge-dse"]
    energies = [{str(d.knobs): d.metrics["energy_pj"].value for d in f.designs} for f in fronts]
    both = energies[0].keys() & energies[1].keys()
    assert both
    for knobs in both:
        assert energies[0][knobs] != energies[1][knobs]
        assert energies[0][knobs] == pytest.approx(energies[1][knobs], rel=0.15)


def test_zigzag_that_is_not_installed(
    zigzag_study: Path,
    small_traces: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A study that names it then ends with the command that installs it."""
    monkeypatch.setitem(sys.modules, "zigzag.stages.main", None)
    words = ["run", str(zigzag_study), "--traces", str(small_traces), "--out", str(tmp_path / "r")]
    told = failure(capsys, 3, *words)
    assert "cost_model 'zigzag' cannot be made" in told
    assert "run `pip install edge-dse[zigzag]`" in told
