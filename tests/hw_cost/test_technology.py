"""Technology: provenance of the constants, presets, variants, laws of the supply."""

from __future__ import annotations

import math
import pickle
import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from hw_cost.arithmetic import mac_energy_pj
from hw_cost.constants import DATA, Mark, Scaling, TechnologyError, load_constants
from hw_cost.memory import sram_read_energy_pj
from hw_cost.memory_cells import Dram, EnvmCell
from hw_cost.technology import (
    ENVM_PRESETS,
    LOGIC_PRESETS,
    Technology,
    load_technology,
    technology_constants,
)
from hw_cost.voltage import clock_ghz, dynamic_factor, leakage_factor, supply_factor
from search_space import FP16, FP32, CellKind, DramKind, adaptivfloat

CELLS = [kind for kind in CellKind if kind.is_envm]
DRAMS = [kind for kind in DramKind if kind is not DramKind.NONE]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the data files, to damage."""
    shutil.copytree(DATA, tmp_path / "data")
    return tmp_path / "data"


def test_every_constant_says_where_it_comes_from() -> None:
    """Each constant has a unit, a source, a mark and a range; what is assumed is never exact."""
    for constant in load_constants():
        assert constant.unit
        assert len(constant.source) > 4, constant.name
        assert constant.node_nm is None or constant.node_nm > 0
        assert constant.low <= constant.value <= constant.high, constant.name
        assert constant.mark in Mark
        assert constant.scaling in Scaling
        exact = constant.low == constant.high
        assert not (exact and constant.mark is Mark.ASSUMED), constant.name


def test_sources_named_by_key_are_spelt_out() -> None:
    """What a cell quotes by key reads as the publication, and no key stays unresolved."""
    by_name = {constant.name: constant for constant in load_constants()}
    assert by_name["envm.stt-mram.conservative.read_energy_pj_per_bit"].source.startswith("28 nm 1")
    assert by_name["dram.lpddr4.self_refresh_exit_ns"].source.startswith("JEDEC timing")
    assert all(" " in c.source or c.source == "judgement" for c in by_name.values())


def test_constants_of_a_technology_are_its_fields() -> None:
    """The listed constants of a technology are exactly its figures, by dotted name."""
    names = {field.name for field in fields(Technology)} - {"envm", "dram"}
    names |= {f"envm.{kind}.{field.name}" for kind in CELLS for field in fields(EnvmCell)}
    names |= {f"dram.{kind}.{field.name}" for kind in DRAMS for field in fields(Dram)}
    for envm in ENVM_PRESETS:
        for logic in LOGIC_PRESETS:
            constants = technology_constants(envm, logic)
            assert {constant.name for constant in constants} == names
            technology = load_technology(envm, logic)
            values = {constant.name: constant.value for constant in constants}
            assert technology.with_values(values) == technology


def test_conservative_envm_costs_more() -> None:
    """Published macros are never quicker, denser or less hungry than simulated arrays."""
    optimistic, conservative = (load_technology(preset) for preset in ENVM_PRESETS)
    for kind in CELLS:
        good, bad = optimistic.envm[kind], conservative.envm[kind]
        for name in (
            "read_energy_pj_per_bit",
            "read_ns",
            "write_energy_pj_per_bit",
            "write_ns",
            "area_mm2_per_mib",
            "wake_ns",
            "wake_energy_pj_per_mib",
        ):
            assert getattr(bad, name) > getattr(good, name), (kind, name)
        assert bad.endurance_writes < good.endurance_writes


def test_dram_bandwidth_is_that_of_sixteen_pins(technology: Technology) -> None:
    """3200, 4267 and 6400 MT/s over 16 bit are 6.4, 8.5 and 12.8 bytes a nanosecond."""
    rates = {DramKind.LPDDR4: 3200, DramKind.LPDDR4X: 4267, DramKind.LPDDR5: 6400}
    for kind, megatransfers in rates.items():
        bandwidth = technology.dram[kind].bandwidth_bytes_per_ns
        assert bandwidth == pytest.approx(megatransfers * 2 / 1000, rel=0.01)


def test_silicon_preset_is_the_slow_chip() -> None:
    """The preset of the ISSCC 2023 chip has its clock, 503 MHz at 0.8 V, and its threshold."""
    silicon = load_technology(logic="silicon")
    assert float(clock_ghz(np.array(0.8), silicon)) == pytest.approx(0.503)
    assert silicon.threshold_v == 0.455
    assert load_technology().mac_energy_pj == silicon.mac_energy_pj
    for preset in ("hp", "lp"):
        assert replace(load_technology(logic=preset), threshold_v=0.3) == load_technology()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"envm": "best"}, "eNVM preset 'best' is not known: expected one of optimistic, conserv"),
        ({"logic": "slow"}, "Logic preset 'slow' is not known: expected one of default, hp, lp"),
        ({"node_nm": 13}, "Node 13 nm is not known: expected one of 45, 32, 20, 16, 14"),
    ],
)
def test_unknown_preset_or_node_is_named(arguments: dict[str, str], sentence: str) -> None:
    """A preset or node that does not exist is answered with those that do."""
    with pytest.raises(TechnologyError, match=sentence):
        load_technology(**arguments)  # type: ignore[arg-type]  # the node is a number


def test_variant_changes_what_it_names_and_nothing_else(technology: Technology) -> None:
    """Dotted names reach into one cell and one DRAM."""
    variant = technology.with_values(
        {"mac_energy_pj": 0.2, "envm.stt-mram.read_ns": 3.0, "dram.lpddr4.latency_ns": 50.0}
    )
    assert variant.mac_energy_pj == 0.2
    assert variant.envm[CellKind.STT_MRAM].read_ns == 3.0
    assert variant.dram[DramKind.LPDDR4].latency_ns == 50.0
    assert variant.envm[CellKind.PCM] == technology.envm[CellKind.PCM]
    back = {"mac_energy_pj": 0.12, "envm.stt-mram.read_ns": 0.59, "dram.lpddr4.latency_ns": 100.0}
    assert variant.with_values(back) == technology


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("mac_energy", "mac_energy_pj"),
        ("envm.stt-ram.read_ns", "envm.stt-mram.read_ns"),
        ("dram.lpddr4.latency", "dram.lpddr4.latency_ns"),
    ],
)
def test_variant_of_an_unknown_constant_is_refused(
    technology: Technology, name: str, near: str
) -> None:
    """A misspelt constant is answered with the one that was meant."""
    with pytest.raises(TechnologyError, match=f"{name}' is not known, did you mean '{near}'"):
        technology.with_values({name: 1.0})


def test_technology_can_be_hashed_and_sent(technology: Technology) -> None:
    """Equal technologies have equal hashes, and one survives pickling for a worker."""
    assert hash(technology) == hash(technology.with_values({}))
    assert pickle.loads(pickle.dumps(technology)) == technology


def test_leakage_of_all_parts_doubles_with_temperature(technology: Technology) -> None:
    """At 12.5 K above the reference SRAM, logic and every eNVM leak twice as much."""
    hot = technology.at_temperature(362.5)
    assert hot.sram_leakage_mw_per_mbit == 2 * technology.sram_leakage_mw_per_mbit
    assert hot.logic_leakage_mw_per_mm2 == 2 * technology.logic_leakage_mw_per_mm2
    for kind in CELLS:
        cool = technology.envm[kind]
        assert hot.envm[kind] == replace(cool, leakage_mw_per_mib=2 * cool.leakage_mw_per_mib)
    assert hot.dram == technology.dram
    assert technology.at_temperature(350.0) is technology


def test_constant_that_nothing_uses_is_refused(data: Path) -> None:
    """A misspelt constant cannot go unnoticed: it is unknown, and the right one is missing."""
    file = data / "technology-12nm.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("[threshold_v]", "[threshold]"), encoding="utf-8")
    with pytest.raises(TechnologyError, match="lack constant 'threshold_v'"):
        load_technology(folder=data)
    table = 'value = 1\nlow = 1\nhigh = 1\nunit = "1"\nscaling = "none"\n'
    added = f'[mac_speed]\n{table}mark = "assumed"\nsource = "-"\n'
    file.write_text(added + text, encoding="utf-8")
    with pytest.raises(TechnologyError, match="have constant 'mac_speed', which the model does"):
        load_technology(folder=data)


@pytest.mark.parametrize(
    ("line", "instead", "sentence"),
    [
        ('source = "judgement"\n', "", "Constant 'gated_mac_share' lacks 'source'"),
        ('mark = "assumed"', 'mark = "guess"', "has mark 'guess': expected one of published"),
        ('scaling = "none"', 'scaling = "up"', "has scaling 'up': expected one of energy, area"),
        ("high = 0.30", "high = 0.10", "is 0.15 with a range of 0.05 to 0.1: expected a range"),
        ("low = 0.05", "lowest = 0.05\nlow = 0.05", "has unknown key 'lowest'"),
    ],
)
def test_damaged_constant_is_refused(data: Path, line: str, instead: str, sentence: str) -> None:
    """A constant with no source, an invented mark or a range beside its value does not load."""
    file = data / "technology-12nm.toml"
    head, name, rest = file.read_text(encoding="utf-8").partition("[gated_mac_share]")
    assert line in rest
    file.write_text(head + name + rest.replace(line, instead, 1), encoding="utf-8")
    with pytest.raises(TechnologyError, match=sentence):
        load_constants(data)


def test_switching_time_is_a_hundred_nanoseconds(technology: Technology) -> None:
    """Regulator and clock together take 100 ns for 0.3 V."""
    assert math.isclose(technology.ldo_slew_ns_per_v * 0.3 + technology.clock_hop_ns, 100.0)


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
