"""Verification: a whole export holds, and whatever is done to one of its files is named."""

from __future__ import annotations

import json
import os
import random
import shlex
from pathlib import Path

import pytest

from dse.cli import main
from dse.exports.document import DESIGN_FILE, DesignDocument, read_document
from dse.exports.errors import ExportError
from dse.exports.verification import verify_export
from tests.dse.commands import failure, json_of, text_of


def files_of(folder: Path) -> list[str]:
    """Paths of all files of an export."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def flip(path: Path, place: int, bit: int) -> None:
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)


def named(folder: Path, name: str) -> bool:
    """Whether verification refuses the folder, and names the file where it goes that far."""
    try:
        found = verify_export(folder)
    except ExportError as error:
        return str(folder / name) in str(error) or name == DESIGN_FILE
    return not found.holds and name in {problem.name for problem in found.problems}


class TestHardware:
    """An export of the hardware alone."""

    def test_whole(self, hardware_once: Path) -> None:
        """Nothing is wrong with what was just written; every figure comes out the same."""
        found = verify_export(hardware_once)
        assert found.holds
        assert found.problems == []
        assert {f.name for f in found.files} == set(files_of(hardware_once))
        names = {figure.name for figure in found.figures}
        assert {"accuracy", "energy_pj", "area_mm2", "report_accuracy"} <= names
        assert len(names) == len(found.figures)
        assert any("no data" in note for note in found.notes)

    def test_flipped_bit_of_every_file_is_named(self, hardware: Path) -> None:
        """One bit, anywhere in any file."""
        rng = random.Random(1)
        for name in files_of(hardware):
            path = hardware / name
            before = path.read_bytes()
            for _ in range(3 if name == DESIGN_FILE else 1):
                flip(path, rng.randrange(len(before)), rng.randrange(8))
                assert named(hardware, name), name
                path.write_bytes(before)
        assert verify_export(hardware).holds

    def test_every_missing_file_is_named(self, hardware: Path) -> None:
        """A file that is gone."""
        for name in files_of(hardware):
            path = hardware / name
            before = path.read_bytes()
            path.unlink()
            assert named(hardware, name), name
            path.write_bytes(before)

    @pytest.mark.parametrize("name", ["notes.txt", "rtl/more.sv", ".hidden", "<b>markup</b>"])
    def test_file_that_does_not_belong_is_named(self, hardware: Path, name: str) -> None:
        """A file more, whatever it is called; a folder more."""
        (hardware / name.replace("/b", "-b")).write_text("mine")
        found = verify_export(hardware)
        assert [p.name for p in found.problems] == [name.replace("/b", "-b")]
        assert found.problems[0].problem == "does not belong here"

    def test_empty_folder_and_link_are_named(self, hardware: Path) -> None:
        """An empty folder, and a link to a file outside."""
        (hardware / "empty").mkdir()
        (hardware / "link").symlink_to("/etc/hostname")
        assert {p.name for p in verify_export(hardware).problems} == {"empty", "link"}

    def test_link_in_the_place_of_a_file(self, hardware: Path, tmp_path: Path) -> None:
        """A payload file that is a link is not followed, even to the same bytes."""
        elsewhere = tmp_path / "elsewhere"
        (hardware / "trace.npz").rename(elsewhere)
        (hardware / "trace.npz").symlink_to(elsewhere)
        assert named(hardware, "trace.npz")

    def test_file_of_another_export_is_named(
        self, hardware: Path, document: DesignDocument
    ) -> None:
        """A header of another design, as it was written there."""
        header = hardware / "include" / "edge_dse_params.h"
        header.write_text(header.read_text().replace(document.design_hash, "f" * 16))
        assert [p.name for p in verify_export(hardware).problems] == ["include/edge_dse_params.h"]

    def test_figure_that_was_improved(self, hardware: Path, document: DesignDocument) -> None:
        """An energy that was halved and sealed again is told with what it really is."""
        figures = dict(document.metrics)
        stated = figures["energy_pj"]
        figures["energy_pj"] = stated.model_copy(update={"value": stated.value / 2})
        forged = document.model_copy(update={"metrics": figures})
        forged = forged.with_files(dict(document.files))
        (hardware / DESIGN_FILE).write_bytes(forged.file_bytes())
        found = verify_export(hardware)
        (wrong,) = [f for f in found.figures if not f.holds]
        assert wrong.name == "energy_pj"
        assert wrong.recomputed == pytest.approx(stated.value)

    def test_knob_that_was_changed(self, hardware: Path, document: DesignDocument) -> None:
        """Another knob under the old hash, sealed again: the document is of another design."""
        knobs = {**document.knobs, "data_sram_kib": 128}
        forged = document.model_copy(update={"knobs": knobs}).with_files(dict(document.files))
        (hardware / DESIGN_FILE).write_bytes(forged.file_bytes())
        problems = {p.name: p.problem for p in verify_export(hardware).problems}
        assert f"not {document.design_hash}" in problems[DESIGN_FILE]


class TestHostileDocuments:
    """``design.json`` of somebody who means harm."""

    @pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "rtl/../../x", "memory/x.bin"])
    def test_paths(self, hardware: Path, document: DesignDocument, name: str) -> None:
        """A path that no export has is refused before anything is opened."""
        forged = document.with_files({**document.files, name: "0" * 64})
        (hardware / DESIGN_FILE).write_bytes(forged.file_bytes())
        with pytest.raises(ExportError, match="which no export has"):
            verify_export(hardware)

    def test_cost_model_of_ones_own_is_not_run(
        self, hardware: Path, document: DesignDocument, tmp_path: Path
    ) -> None:
        """A script that the folder names is never imported."""
        script = tmp_path / "evil.py"
        script.write_text(f"open({str(tmp_path / 'sign')!r}, 'w')\nclass Model: ...\n")
        model = document.cost_model.model_copy(update={"name": f"{script}:Model"})
        forged = document.model_copy(update={"cost_model": model}).named()
        forged = forged.with_files(dict(document.files))
        (hardware / DESIGN_FILE).write_bytes(forged.file_bytes())
        found = verify_export(hardware)
        assert any("names code to run" in note for note in found.notes)
        assert not (tmp_path / "sign").exists()

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "not JSON"),
            (b"[]", "format None"),
            (b'{"format": 1, "study": "old"}', "format 1, expected 2; it was made by another"),
            (b'{"format": 2}', "not a design"),
            (b"[" * 100_000, "not JSON"),
        ],
    )
    def test_no_document(self, tmp_path: Path, content: bytes, told: str) -> None:
        """What is no document of this version is refused in one sentence."""
        (tmp_path / DESIGN_FILE).write_bytes(content)
        with pytest.raises(ExportError, match=told):
            read_document(tmp_path)


@pytest.mark.usefixtures("in_an_empty_folder")
class TestCommand:
    """``dse verify``."""

    def test_output_and_exit_code(self, hardware: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """✓ and 0 for a whole export; ✗, the file and 9 for another."""
        printed = text_of(capsys, "verify", str(hardware))
        assert "✓ accuracy" in " ".join(printed.split())
        assert "Everything that was checked is as stated." in printed
        assert json_of(capsys, "verify", str(hardware))["holds"]
        flip(hardware / "rtl" / "edge_dse_id.sv", 5, 0)
        from dse.cli import main

        assert main(["verify", str(hardware)]) == 9
        assert "✗ rtl/edge_dse_id.sv: changed" in capsys.readouterr().out

    def test_no_export(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A folder that is no export ends with 9 and one sentence."""
        assert "not an export" in failure(capsys, 9, "verify", str(tmp_path))


def test_same_design_same_bytes(hardware_once: Path, tmp_path: Path) -> None:
    """Exported twice, a design has the same files byte for byte."""
    run = hardware_once.parent / "run"
    from dse.cli import main

    words = ["--select", "min energy where exit_policy == 'latency-aware'", "--no-model"]
    assert main(["export", str(run), "--out", str(tmp_path / "again"), *words]) == 0
    for name in files_of(hardware_once):
        assert (tmp_path / "again" / name).read_bytes() == (hardware_once / name).read_bytes()


def test_every_file_bears_the_hash(hardware_once: Path, document: DesignDocument) -> None:
    """All but the trace, which is hashed instead, name the design."""
    for name in files_of(hardware_once):
        if name != "trace.npz":
            assert document.design_hash in (hardware_once / name).read_text(), name


def test_schema_that_ships_is_that_of_the_document(hardware_once: Path) -> None:
    """``design.json`` is valid under the schema beside it."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((hardware_once / "design.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    plain = json.loads((hardware_once / DESIGN_FILE).read_text())
    jsonschema.validate(plain, schema)
    plain["more"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain, schema)


def test_design_hash_follows_what_makes_the_design(document: DesignDocument) -> None:
    """Another knob, deadline or table is another design; another figure is not."""
    first = document.expected_hash()
    assert first == document.design_hash
    other_knob = {**document.knobs, "mac_vector_size": 4 + int(document.knobs["mac_vector_size"])}
    scenario = {**document.scenario, "deadline_ms": 7.0}
    tables = {**document.tables, "dvfs": "0" * 64}
    for changes in ({"knobs": other_knob}, {"scenario": scenario}, {"tables": tables}):
        assert document.model_copy(update=changes).expected_hash() != first
    assert document.model_copy(update={"metrics": {}, "study": "x"}).expected_hash() == first


@pytest.mark.slow
class TestModel:
    """An export with a model."""

    def test_whole_with_and_without_data(self, model_once: Path, glue_of_pairs: Path) -> None:
        """The packed model has the accuracy that is stated, and no prediction is another."""
        assert verify_export(model_once).holds
        found = verify_export(model_once, str(glue_of_pairs))
        assert found.holds
        changed = {f.name: f for f in found.figures if f.name.startswith("predictions changed")}
        assert len(changed) == 2
        assert all(f.recomputed == 0 for f in changed.values())

    def test_next_step_can_be_run(
        self,
        model_once: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """What `dse verify` ends with asks the model; of a task of pairs, with two sentences."""
        monkeypatch.delenv("GLUE_DIR", raising=False)
        assert main(["verify", str(model_once)]) == 0
        words = shlex.split(capsys.readouterr().out.splitlines()[-1].removeprefix("Next:"))
        assert words[:2] == ["dse", "predict"]
        assert "--pair" in words
        assert main(words[1:]) == 0
        page = (model_once / "README.md").read_text()
        command = next(line for line in page.splitlines() if line.startswith("dse predict"))
        asked = shlex.split(command, comments=True)[3:]
        assert asked == words[3:]

    def test_flipped_bit_of_every_file_is_named(self, model: Path) -> None:
        """One bit of each file of the model, and of each image."""
        rng = random.Random(2)
        for name in files_of(model):
            if not name.startswith(("model/", "memory/")):
                continue
            path = model / name
            before = path.read_bytes()
            flip(path, rng.randrange(len(before)), rng.randrange(8))
            assert named(model, name), name
            path.write_bytes(before)

    def test_weights_of_another_design(self, model: Path) -> None:
        """Weights that were changed and hashed again are not those of the design hash."""
        import hashlib

        from dse.exports.loading import ExportFolder

        folder = ExportFolder.open(model)
        weights = folder.weights()
        assert weights is not None
        name = next(iter(weights.matrices))
        codes = bytearray(weights.matrices[name].codes)
        codes[0] ^= 1
        from dataclasses import replace

        matrices = {**weights.matrices, name: replace(weights.matrices[name], codes=bytes(codes))}
        content = replace(weights, matrices=matrices).file_bytes(
            {"design_hash": folder.document.design_hash}
        )
        (model / "model/weights.safetensors").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        forged = folder.document.with_files(
            {**folder.document.files, "model/weights.safetensors": digest}
        )
        (model / DESIGN_FILE).write_bytes(forged.file_bytes())
        problems = {p.name: p.problem for p in verify_export(model).problems}
        assert "not in the design hash" in problems["model/weights.safetensors"]


def test_unreadable_folder_is_told(hardware: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A payload that cannot be read is a problem like any other."""
    if os.geteuid() == 0:
        (hardware / "trace.npz").unlink()
        (hardware / "trace.npz").mkdir()
    else:
        (hardware / "trace.npz").chmod(0)
    from dse.cli import main

    assert main(["verify", str(hardware)]) in (8, 9)
    capsys.readouterr()
