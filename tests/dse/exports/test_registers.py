"""The register map: SystemRDL, and what PeakRDL makes of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from dse.errors import UsageError
from dse.exports.parameters import Parameters
from dse.exports.registers import (
    REGISTER_FILES,
    generated_registers,
    registers_of,
    system_rdl,
)
from tests.dse.test_next_steps import next_words


def elaborated(rdl: str, folder: Path) -> Any:
    """The register map as the SystemRDL compiler has it."""
    path = folder / "map.rdl"
    path.write_text(rdl)
    compiler = import_module("systemrdl").RDLCompiler()
    compiler.compile_file(str(path))
    return compiler.elaborate().top


def test_compiler_reads_addresses_and_resets(parameters: Parameters, tmp_path: Path) -> None:
    """Every register and field is where we say, with the design's values after reset."""
    top = elaborated(system_rdl(parameters), tmp_path)
    expected = registers_of(parameters)
    found = {register.inst_name: register for register in top.registers()}
    assert list(found) == list(expected)
    for place, (name, fields) in enumerate(expected.items()):
        assert found[name].absolute_address == 4 * place
        assert [f.inst_name for f in found[name].fields()] == [f.name for f in fields]
        assert [f.get_property("reset") for f in found[name].fields()] == [f.reset for f in fields]
        assert [f.width for f in found[name].fields()] == [f.bits for f in fields]
    low, high = (found[name].get_child_by_name("design_hash") for name in ("id_low", "id_high"))
    assert f"{high.get_property('reset'):08x}{low.get_property('reset'):08x}" == (
        parameters.design_hash
    )
    assert not low.is_sw_writable
    assert not low.is_hw_writable


def test_value_that_does_not_fit(parameters: Parameters) -> None:
    """A value beyond its field is told, never cut."""
    numbers = tuple(
        replace(p, value=1 << 16) if p.name == "ENTROPY_THRESHOLD_Q10" else p
        for p in parameters.numbers
    )
    with pytest.raises(ValueError, match=r"entropy_threshold: 65536 in a field of 16 bits"):
        system_rdl(replace(parameters, numbers=numbers))


def test_generated_files(parameters: Parameters, tmp_path: Path) -> None:
    """RTL, package, C header and IP-XACT, each naming the design; gcc reads the header."""
    files = generated_registers(system_rdl(parameters), parameters.design_hash)
    assert set(files) == set(REGISTER_FILES)
    assert all(parameters.design_hash.encode() in content for content in files.values())
    for path, content in files.items():
        (tmp_path / Path(path).name).write_bytes(content)
    from xml.etree import ElementTree

    root = ElementTree.fromstring(files["rtl/edge_dse_regs.xml"])
    names = [e.text for e in root.iter() if e.tag.endswith("}name")]
    assert {"id_low", "entropy_threshold"} <= set(names)
    if shutil.which("gcc") is not None:
        header = str(tmp_path / "edge_dse_regs.h")
        words = ["gcc", "-std=c11", "-Wall", "-Werror", "-fsyntax-only", "-x", "c", header]
        subprocess.run(words, check=True)
    from pyslang.ast import Compilation
    from pyslang.syntax import SyntaxTree

    made = Compilation()
    for name in ("edge_dse_regs_pkg.sv", "edge_dse_regs.sv"):
        made.addSyntaxTree(SyntaxTree.fromFile(str(tmp_path / name)))
    made.getRoot()
    assert [str(d) for d in made.getAllDiagnostics() if d.isError()] == []


def test_peakrdl_is_optional(parameters: Parameters, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the option fails with the command that installs it."""
    monkeypatch.setitem(sys.modules, "peakrdl_regblock", None)
    with pytest.raises(UsageError, match=r"pip install edge-dse\[rtl\]"):
        generated_registers(system_rdl(parameters), parameters.design_hash)


@pytest.mark.usefixtures("in_an_empty_folder")
def test_export_with_registers_verifies(finished: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What PeakRDL made is payload: hashed, and checked with the rest."""
    from dse.cli import main

    words = ["export", finished, "--no-model", "--rtl", "--out", "chip"]
    assert main(words) == 0
    assert next_words(capsys.readouterr().out) == ["verify", "chip"]
    assert main(["verify", "chip"]) == 0
    path = Path("chip/rtl/edge_dse_regs.sv")
    path.write_text(path.read_text() + "\n")
    assert main(["verify", "chip"]) == 9
    assert "✗ rtl/edge_dse_regs.sv" in capsys.readouterr().out
