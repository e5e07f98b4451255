"""Technology: provenance of the constants, laws of the supply, energies by format."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from hw_cost import ENVM_PRESETS, Mark, Technology, TechnologyError, load_constants, load_technology
from hw_cost.arithmetic import mac_energy_pj
from hw_cost.memory import sram_read_energy_pj
from hw_cost.voltage import clock_ghz, dynamic_factor, leakage_factor, supply_factor
from search_space import FP16, FP32, adaptivfloat

DATA = Path(__file__).parents[2] / "hw_cost" / "data" / "technology-12nm.toml"


def test_every_constant_says_where_it_comes_from() -> None:
    """Each constant has a unit, a source and a mark, and each field of Technology a constant."""
    constants = load_constants()
    names = {c.name.rpartition(".")[2] for c in constants}
    assert names == {field.name for field in fields(Technology)}
    assert all(c.unit and c.source and c.mark in Mark and c.node_nm > 0 for c in constants)


def test_both_envm_presets_load_and_the_conservative_one_costs_more() -> None:
    """Published macros are slower, larger and hungrier than simulated arrays."""
    optimistic, conservative = (load_technology(preset) for preset in ENVM_PRESETS)
    for name in ("slc_read_ns", "slc_area_mm2_per_mib", "mlc2_read_energy_pj_per_bit"):
        assert getattr(conservative, name) > getattr(optimistic, name)


def test_unknown_preset_is_named() -> None:
    """A preset that does not exist is answered with those that do."""
    with pytest.raises(TechnologyError, match="'best' is not known: expected one of optimistic"):
        load_technology("best")


def test_constant_that_nothing_uses_is_refused(tmp_path: Path) -> None:
    """A misspelt constant cannot go unnoticed: it is unknown, and the right one is missing."""
    text = DATA.read_text(encoding="utf-8")
    extra = tmp_path / "extra.toml"
    extra.write_text(text.replace("[threshold_v]", "[threshold]"), encoding="utf-8")
    with pytest.raises(TechnologyError, match="lacks constant 'threshold_v'"):
        load_technology(path=extra)
    added = '[mac_speed]\nvalue = 1\nunit = "1"\nnode_nm = 12\nmark = "assumed"\nsource = "-"\n'
    extra.write_text(added + text, encoding="utf-8")
    with pytest.raises(TechnologyError, match="has constant 'mac_speed', which the model does"):
        load_technology(path=extra)


def test_constant_without_source_is_refused(tmp_path: Path) -> None:
    """A constant with no source or an invented mark does not load."""
    bad = tmp_path / "bad.toml"
    bad.write_text('[x]\nvalue = 1\nunit = "1"\nnode_nm = 12\nmark = "assumed"\n', encoding="utf-8")
    with pytest.raises(TechnologyError, match="Constant 'x' lacks 'source'"):
        load_constants(bad)
    bad.write_text(
        '[x]\nvalue = 1\nunit = "1"\nnode_nm = 12\nmark = "guess"\nsource = "-"\n',
        encoding="utf-8",
    )
    with pytest.raises(TechnologyError, match="mark 'guess': expected one of published"):
        load_constants(bad)


def test_supply_laws_give_the_tabulated_values(technology: Technology) -> None:
    """Clock, switching and leakage factors match the table computed by hand at 0.5 to 0.8 V."""
    volts = np.array([0.5, 0.6, 0.7, 0.8])
    np.testing.assert_allclose(clock_ghz(volts, technology), [0.486, 0.686, 0.855, 1], atol=6e-4)
    np.testing.assert_allclose(
        dynamic_factor(volts, technology), [0.391, 0.562, 0.766, 1], atol=6e-4
    )
    np.testing.assert_allclose(
        leakage_factor(volts, technology), [0.287, 0.446, 0.675, 1], atol=6e-4
    )


def test_ldo_input_energy_falls_with_the_supply_not_its_square(technology: Technology) -> None:
    """Energy at the LDO's input is V^2 x (V_in / V): from 0.8 to 0.5 V it falls by 0.625."""
    volts = np.array([0.5, 0.8])
    energy = dynamic_factor(volts, technology)
    energy = energy * supply_factor(volts, np.full(2, 0.8), technology)
    assert energy[0] / energy[1] == pytest.approx(0.625)


def test_mac_energy_by_format(technology: Technology) -> None:
    """8 bit is the anchor, 4 bit about half, IEEE formats far more; narrower never costs more."""
    eight, four = adaptivfloat(8, 3), adaptivfloat(4, 2)
    assert mac_energy_pj(eight, eight, technology) == pytest.approx(0.12)
    assert mac_energy_pj(four, four, technology) / 0.12 == pytest.approx(0.484)
    assert mac_energy_pj(eight, FP16, technology) == technology.mac_fp16_energy_pj
    assert mac_energy_pj(FP32, FP16, technology) == technology.mac_fp32_energy_pj
    widths = [mac_energy_pj(adaptivfloat(b, 2), eight, technology) for b in range(3, 17)]
    assert widths == sorted(widths)
    assert widths[-1] < technology.mac_fp16_energy_pj


def test_sram_access_energy_matches_the_reference_buffer(technology: Technology) -> None:
    """Sixteen bytes from 128 KiB cost about 7 pJ at 12 nm."""
    assert float(sram_read_energy_pj(128.0, 128.0, technology)) == pytest.approx(7.0, abs=0.1)
