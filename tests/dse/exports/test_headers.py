"""SystemVerilog and C headers: what parsers and compilers read in them equals ``design.json``."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dse.exports.document import DesignDocument
from dse.exports.parameters import CHOICES, Parameters, parameters_of
from dse.exports.systemverilog import GUARDS, guards, id_register, package
from dse.exports.tables import Table
from search_space import KNOB_DEFAULTS, parse_number_format

pytestmark = pytest.mark.usefixtures("document")
SOURCES = ("edge_dse_params_pkg.sv", "edge_dse_guards.sv", "edge_dse_id.sv")


def compiled(*sources: str) -> Any:
    """An elaborated compilation of SystemVerilog texts."""
    from pyslang.ast import Compilation
    from pyslang.syntax import SyntaxTree

    made = Compilation()
    for source in sources:
        made.addSyntaxTree(SyntaxTree.fromText(source))
    made.getRoot()
    return made


def elaborated_values(folder: Path) -> dict[str, Any]:
    """Every parameter of the package as the elaborated design has it."""
    made = compiled(*((folder / "rtl" / name).read_text() for name in SOURCES))
    assert [str(found) for found in made.getAllDiagnostics()] == []
    values = {}
    for symbol in made.getPackage("edge_dse_params_pkg"):
        if symbol.kind.name == "Parameter":
            content = symbol.value.value
            is_array = isinstance(content, list)
            values[symbol.name] = [whole(v) for v in content] if is_array else whole(content)
    return values


def whole(number: object) -> int:
    """A SystemVerilog number, such as 32'd7 or 64'hff, as a whole number."""
    text = str(number)
    for mark, base in (("'d", 10), ("'h", 16), ("'b", 2)):
        if mark in text:
            return int(text.partition(mark)[2], base)
    return int(text)


class TestSystemVerilog:
    """The package, elaborated by pyslang."""

    def test_elaborated_values_are_those_of_the_document(
        self, hardware_once: Path, document: DesignDocument, tables: dict[str, Table]
    ) -> None:
        """Knobs in their units, tables, codes and the hash: none differs from design.json."""
        found = elaborated_values(hardware_once)
        knobs = {**KNOB_DEFAULTS, **document.knobs}
        assert found["DESIGN_HASH"] == int(document.design_hash, 16)
        assert found["MAC_VECTOR_SIZE"] == knobs["mac_vector_size"]
        assert found["DATA_SRAM_BYTES"] == int(knobs["data_sram_kib"]) * 1024
        assert found["ENVM_BYTES"] == float(knobs["envm_mib"]) * 1024**2
        assert found["MAX_VOLTAGE_MV"] == round(1000 * float(knobs["max_voltage_v"]))
        assert found["DEADLINE_NS"] == round(1e6 * float(str(document.scenario["deadline_ms"])))
        assert found["ENTROPY_THRESHOLD_Q10"] == round(1024 * float(knobs["entropy_threshold"]))
        weights = parse_number_format(str(knobs["weight_format"]))
        assert found["WEIGHT_BITS"] == weights.bits
        assert found["WEIGHT_EXPONENT_BITS"] == weights.exponent_bits
        assert found["HIDDEN"] == document.encoder.shape["hidden"]
        for name, members in CHOICES.items():
            assert members[found[name.upper()]] == knobs[name]
        for place, column in enumerate(tables["dvfs"].columns):
            expected = [row[place] for row in tables["dvfs"].rows]
            assert found[f"DVFS_{column.name.upper()}"] == expected
        spans = [span for layer in document.encoder.head_spans for span in layer]
        assert found["HEAD_SPAN_TOKENS"] == spans

    def test_every_parameter_is_typed(self, parameters: Parameters) -> None:
        """Each localparam has a type, each name once; the text is ASCII."""
        text = package(parameters)
        lines = [line.split() for line in text.splitlines() if "localparam" in line]
        kinds = {"logic", "int", "longint", *(f"{name}_e" for name in CHOICES)}
        assert all(words[1] in kinds for words in lines)
        told = (line.partition("=")[0] for line in text.splitlines() if " = " in line)
        names = [before.partition("[")[0].split()[-1] for before in told if "[63:0]" not in before]
        assert text.isascii()
        assert len(names) == len(set(names))

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("mac_vector_size", {"MAC_VECTOR_SIZE": 65}),
            ("voltage_range", {"MIN_VOLTAGE_MV": 900}),
            ("accumulator_bits", {"ACCUMULATOR_BITS": 4}),
            ("head_width", {"HEADS": 7}),
            ("weight_bits", {"WEIGHT_BITS": 0}),
        ],
    )
    def test_broken_guard_is_named(
        self, parameters: Parameters, name: str, values: dict[str, int]
    ) -> None:
        """A package whose parameters do not fit together does not elaborate; the guard says so."""
        numbers = tuple(replace(p, value=values.get(p.name, p.value)) for p in parameters.numbers)
        made = compiled(package(replace(parameters, numbers=numbers)), guards(parameters))
        told = [found for found in made.getAllDiagnostics() if found.isError()]
        assert len(told) == 1
        assert f"guard_{name}" in str(told[0].args)
        assert name in {guard for guard, _, _ in GUARDS}

    def test_package_of_another_design(self, parameters: Parameters) -> None:
        """Guards beside the package of another design do not elaborate."""
        other = replace(parameters, design_hash="f" * 16)
        made = compiled(package(other), guards(parameters))
        (told,) = [found for found in made.getAllDiagnostics() if found.isError()]
        assert "guard_design_hash" in str(told.args)

    def test_id_register_reads_the_hash(self, parameters: Parameters) -> None:
        """The register has no way to be written, and elaborates with the package."""
        text = id_register(parameters)
        made = compiled(package(parameters), text)
        assert [str(found) for found in made.getAllDiagnostics()] == []
        assert text.count("input") == 1
        assert "DESIGN_HASH[63:32]" in text

    @pytest.mark.slow
    def test_verilator_agrees(self, hardware_once: Path) -> None:
        """A second front end reads package, guards and register; no lint rule warns."""
        if shutil.which("verilator") is None:
            pytest.skip("verilator is not installed: pyslang alone has read the package.")
        for top in ("edge_dse_guards", "edge_dse_id"):
            files = [hardware_once / "rtl" / "edge_dse_params_pkg.sv"]
            files.append(hardware_once / "rtl" / f"{top}.sv")
            words = ["verilator", "--lint-only", "-Wall", "--top-module", top]
            subprocess.run([*words, *map(str, files)], check=True, capture_output=True)


class TestC:
    """The C header."""

    def test_compiled_values_are_those_of_the_package(
        self, hardware_once: Path, parameters: Parameters, tmp_path: Path
    ) -> None:
        """A program that prints every constant prints the numbers of the SystemVerilog package."""
        if shutil.which("gcc") is None:
            pytest.skip("gcc is not installed: the C header cannot be compiled.")
        expected = elaborated_values(hardware_once)
        scalars = [p.name for p in parameters.numbers]
        scalars += [c.name.upper() for c in parameters.choices] + ["DESIGN_HASH"]
        lines = [
            f'printf("{name} %llu\\n", (unsigned long long)EDGE_DSE_{name});' for name in scalars
        ]
        for vector in parameters.vectors:
            name = f"EDGE_DSE_{vector.name}"
            lines.append(
                f"{{ static const uint32_t v[{name}_COUNT] = {name};"
                f" for (unsigned i = 0; i < {name}_COUNT; i++)"
                f' printf("{vector.name} %u\\n", (unsigned)v[i]); }}'
            )
        source, program = tmp_path / "print.c", tmp_path / "print"
        body = "\n".join(lines)
        source.write_text(
            f'#include <stdio.h>\n#include "edge_dse_params.h"\nint main(void) {{\n{body}\n}}\n'
        )
        flags = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
        include = f"-I{hardware_once / 'include'}"
        subprocess.run(["gcc", *flags, include, str(source), "-o", str(program)], check=True)
        printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
        found: dict[str, list[int]] = {}
        for line in printed.splitlines():
            name, value = line.split()
            found.setdefault(name, []).append(int(value))
        assert {n: v if isinstance(expected[n], list) else v[0] for n, v in found.items()} == {
            name: expected[name] for name in found
        }
        assert found.keys() == expected.keys()


def test_thresholds_of_every_policy(document: DesignDocument, tables: dict[str, Table]) -> None:
    """Shares are in units of 2**-16, patience in exits, its tolerance in units of 2**-10."""
    knobs = {
        **document.knobs,
        "exit_policy": "patience",
        "normalised_entropy_threshold": 0.25,
        "confidence_threshold": 0.999,
        "patience": 3,
        "patience_tolerance": 0.25,
    }
    changed = document.model_copy(update={"knobs": knobs})
    found = {p.name: p.value for p in parameters_of(changed, tables).numbers}
    assert found["NORMALISED_ENTROPY_THRESHOLD_Q16"] == 16_384
    assert found["CONFIDENCE_THRESHOLD_Q16"] == 65_470
    assert (found["PATIENCE"], found["PATIENCE_TOLERANCE_Q10"]) == (3, 256)
