"""Exports of a design: what an RTL engineer and an ML engineer build from."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

from dse.errors import RunFolderError
from dse.export import design_hash, export_design, parameter_package
from search_space import (
    CellKind,
    DvfsPolicy,
    ExitPolicy,
    KnobValue,
    PruningScope,
    SpecialFunctions,
    design_point,
)
from studies.records import Front
from studies.whole_files import UnwritableError
from tests.dse.fronts import KNOBS_OF_A_DESIGN, make_front

PARAMETER = re.compile(r"  localparam int unsigned (\w+) = (\d+);(?:  // .*)?")


@pytest.fixture
def front() -> Front:
    """A front of one design."""
    return make_front([(0.86, 1e7, 2.0, 5e6)])


def exported(front: Front, folder: Path) -> tuple[dict[str, Any], str]:
    """The document and the package of the first design."""
    document, package = export_design(front, front.designs[0], "knee", folder)
    return json.loads(document.read_text()), package.read_text()


def parameters(package: str) -> dict[str, int]:
    """The integer parameters of a package."""
    return {m[1]: int(m[2]) for m in map(PARAMETER.fullmatch, package.splitlines()) if m}


class TestDocument:
    """``design.json``."""

    def test_says_everything(self, front: Front, tmp_path: Path) -> None:
        """Knobs, metrics, costs by part, scenario, provenance and why it was chosen are in it."""
        document, _ = exported(front, tmp_path / "out")
        design = front.designs[0]
        assert document["knobs"] == design.knobs
        assert design_point(document["knobs"]) == design_point(design.knobs)
        assert document["metrics"]["energy_pj"] == {"value": 1e7, "se": 1e3}
        assert document["report_accuracy"] == {"value": 0.85, "se": 0.011}
        assert document["breakdown"]["energy_pj"] == {"mac": 1e7}
        assert document["scenario"] == front.scenario
        assert document["provenance"] == front.provenance
        assert (document["format"], document["selected"]) == (1, "knee")
        assert document["study"] == "Made by hand"

    def test_same_design_same_files(self, front: Front, tmp_path: Path) -> None:
        """Exported twice, a design has the same files byte for byte."""
        for name in ("a", "b"):
            exported(front, tmp_path / name)
        for name in ("design.json", "edge_dse_params_pkg.sv"):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


class TestHash:
    """The hash that names a design."""

    @pytest.mark.parametrize(
        ("knob", "value"),
        [("mac_vector_size", 16), ("entropy_threshold", 0.31), ("dvfs_policy", "min-energy")],
    )
    def test_changes_with_a_knob(self, tmp_path: Path, knob: str, value: KnobValue) -> None:
        """Another value of any knob is another design."""
        row = (0.86, 1e7, 2.0, 5e6)
        first, _ = exported(make_front([row]), tmp_path / "a")
        other, _ = exported(make_front([row], knobs={knob: value}), tmp_path / "b")
        assert first["design_hash"] != other["design_hash"]

    def test_changes_with_the_scenario(self, front: Front) -> None:
        """The same chip for another deadline is another design."""
        scenario = {**front.scenario, "deadline_ms": 7.0}
        knobs = front.designs[0].knobs
        assert design_hash({"scenario": scenario, "knobs": knobs}) != design_hash(
            {"scenario": front.scenario, "knobs": knobs}
        )

    def test_not_with_a_metric(self, tmp_path: Path) -> None:
        """Figures, and the order of knobs, do not change which design it is."""
        first, _ = exported(make_front([(0.86, 1e7, 2.0, 5e6)]), tmp_path / "a")
        other, _ = exported(make_front([(0.80, 2e7, 3.0, 6e6)]), tmp_path / "b")
        assert first["design_hash"] == other["design_hash"]
        turned = dict(reversed(first["knobs"].items()))
        assert design_hash({**first, "knobs": turned}) == first["design_hash"]
        assert re.fullmatch(r"[0-9a-f]{16}", first["design_hash"])


class TestPackage:
    """The SystemVerilog parameter package."""

    def test_grammar(self, front: Front, tmp_path: Path) -> None:
        """Guarded and in one package, every line is a parameter with a whole number."""
        document, package = exported(front, tmp_path / "out")
        lines = package.splitlines()
        assert lines[0].startswith("// ")
        assert lines[1:4] == [
            "`ifndef EDGE_DSE_PARAMS_PKG_SV",
            "`define EDGE_DSE_PARAMS_PKG_SV",
            "package edge_dse_params_pkg;",
        ]
        assert lines[4] == (
            f"  localparam logic [63:0] DESIGN_HASH = 64'h{document['design_hash']};"
        )
        assert lines[-2:] == ["endpackage", "`endif"]
        names = [match[1] if (match := PARAMETER.fullmatch(line)) else line for line in lines[5:-2]]
        assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name in names)
        assert len(set(names)) == len(names)
        assert package.isascii()

    def test_values(self, front: Front, tmp_path: Path) -> None:
        """Sizes are in bytes, voltages in mV, times in ns, the threshold in 1/1024 nat."""
        _, package = exported(front, tmp_path / "out")
        assert parameters(package) == {
            "MAC_VECTOR_SIZE": 8,
            "PROCESSING_UNITS": 2,
            "DATA_SRAM_BYTES": 65_536,
            "MASK_SRAM_BYTES": 4_096,
            "AUX_SRAM_BYTES": 8_192,
            "ENVM_BYTES": 524_288,
            "MIN_VOLTAGE_MV": 500,
            "MAX_VOLTAGE_MV": 800,
            "DEADLINE_NS": 6_000_000,
            "ENTROPY_THRESHOLD_Q10": 307,
            "NORMALISED_ENTROPY_THRESHOLD_Q16": 0,
            "CONFIDENCE_THRESHOLD_Q16": 65_536,
            "PATIENCE": 6,
            "PATIENCE_TOLERANCE_Q10": 512,
            "WEIGHT_BITS": 8,
            "WEIGHT_EXPONENT_BITS": 3,
            "ACTIVATION_BITS": 6,
            "ACTIVATION_EXPONENT_BITS": 2,
            "SPAN_BUDGET_TOKENS": 128,
            "EXIT_POLICY": 2,
            "DVFS_POLICY": 0,
            "EMBEDDING_STORAGE": 1,
            "ENCODER_STORAGE": 2,
            "EXIT_STORAGE": 8,
            "TABLE_STORAGE": 0,
            "DRAM": 0,
            "ZERO_GATING": 2,
            "COMPACTION": 0,
            "SPECIAL_FUNCTIONS": 0,
            "PRUNING_SCOPE": 0,
            "WEIGHT_SRAM_BYTES": 0,
            "ACCUMULATOR_BITS": 32,
            "DVFS_LEVELS": 16,
        }

    def test_values_of_other_exit_policies(self, tmp_path: Path) -> None:
        """Thresholds that are shares are in 1/65536, patience in exits, its tolerance in 1/1024."""
        knobs: dict[str, KnobValue] = {
            "exit_policy": "patience",
            "normalised_entropy_threshold": 0.25,
            "confidence_threshold": 0.999,
            "patience": 3,
            "patience_tolerance": 0.25,
        }
        front = make_front([(0.86, 1e7, 2.0, 5e6)], knobs=knobs)
        document, package = exported(front, tmp_path / "out")
        assert {name: document["knobs"][name] for name in knobs} == knobs
        found = parameters(package)
        assert found["EXIT_POLICY"] == 5
        assert found["NORMALISED_ENTROPY_THRESHOLD_Q16"] == 16_384
        assert found["CONFIDENCE_THRESHOLD_Q16"] == 65_470
        assert (found["PATIENCE"], found["PATIENCE_TOLERANCE_Q10"]) == (3, 256)

    @pytest.mark.parametrize(
        ("knob", "kind"),
        [
            ("exit_policy", ExitPolicy),
            ("dvfs_policy", DvfsPolicy),
            ("encoder_storage", CellKind),
            ("embedding_storage", CellKind),
            ("special_functions", SpecialFunctions),
            ("pruning_scope", PruningScope),
        ],
    )
    def test_codes_have_their_names(
        self,
        knob: str,
        kind: type[ExitPolicy | DvfsPolicy | CellKind | SpecialFunctions | PruningScope],
    ) -> None:
        """Each member of an enumeration has its own code, explained beside it."""
        codes = {}
        for member in kind:
            document = {
                "scenario": {"deadline_ms": 6.0},
                "knobs": KNOBS_OF_A_DESIGN | {knob: member.value},
                "design_hash": "0" * 16,
            }
            package = parameter_package(document)
            codes[member] = parameters(package)[knob.upper()]
            assert f"{codes[member]} {member.value}" in package
        assert sorted(codes.values()) == list(range(len(kind)))

    def test_parses(self, front: Front, tmp_path: Path) -> None:
        """A SystemVerilog parser reads it without a diagnostic, where one is installed."""
        if importlib.util.find_spec("pyslang") is None:
            pytest.skip("pyslang is not installed: the grammar is checked line by line only.")
        pyslang = importlib.import_module("pyslang")
        _, package = exported(front, tmp_path / "out")
        assert list(pyslang.SyntaxTree.fromText(package).diagnostics) == []


class TestFolder:
    """Where an export goes."""

    def test_empty_folder_is_used(self, front: Front, tmp_path: Path) -> None:
        """A new folder is made, parents included, and an empty one is filled."""
        exported(front, tmp_path / "a" / "b")
        (tmp_path / "empty").mkdir()
        exported(front, tmp_path / "empty")
        assert {p.name for p in (tmp_path / "empty").iterdir()} == {
            "design.json",
            "edge_dse_params_pkg.sv",
        }

    def test_other_content_is_not_touched(self, front: Front, tmp_path: Path) -> None:
        """A folder with anything in it, or a file in its place, is refused as it is."""
        folder = tmp_path / "full"
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
        for path in (folder, folder / "notes.txt"):
            with pytest.raises(RunFolderError, match="exists already and is not empty"):
                exported(front, path)
        assert [p.name for p in folder.iterdir()] == ["notes.txt"]

    def test_cannot_be_written(self, front: Front, tmp_path: Path) -> None:
        """A folder that cannot be made is told with the reason."""
        (tmp_path / "file").write_text("")
        with pytest.raises(UnwritableError, match="cannot be written"):
            exported(front, tmp_path / "file" / "out")
