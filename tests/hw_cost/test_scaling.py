"""Scaling between nodes: ratios worked out by hand, and what follows the node in a technology."""

from __future__ import annotations

import math

import pytest

from hw_cost.constants import Scaling, TechnologyError
from hw_cost.scaling import (
    NODES_NM,
    node_factor,
    relative_area,
    relative_delay,
    relative_energy,
)
from hw_cost.technology import load_technology, technology_constants
from search_space import CellKind


@pytest.mark.parametrize(
    ("node_nm", "energy", "delay"),
    [
        (32, 0.51, 0.66),
        (20, 0.22, 0.81),
        (16, 0.172, 0.53),
        (14, 0.138, 0.36),
        (10, 0.117, 0.29),
        (7, 0.094, 0.23),
    ],
)
def test_ratios_to_45_nm(node_nm: float, energy: float, delay: float) -> None:
    """From 45 nm at 0.9 V to a node at 0.8 V energy and delay fall as worked out by hand."""
    ratio = relative_energy(node_nm) / relative_energy(45, 0.9)
    assert ratio == pytest.approx(energy, abs=0.006 if energy > 0.2 else 0.0006)
    ratio = relative_delay(node_nm) / relative_delay(45, 0.9)
    assert ratio == pytest.approx(delay, abs=0.006)


def test_energy_of_hp14_at_low_supply() -> None:
    """HP14 uses 0.344, 0.513 and 0.732 of its energy at 0.5, 0.6 and 0.7 V."""
    ratios = [relative_energy(14, v) / relative_energy(14, 0.8) for v in (0.5, 0.6, 0.7)]
    assert ratios == pytest.approx([0.344, 0.513, 0.732], abs=6e-4)


def test_sram_energy_from_22_to_12_nm() -> None:
    """The 0.63 that the SRAM fits are scaled by is HP20 to HP14."""
    assert node_factor(Scaling.ENERGY, 20, 14) == pytest.approx(0.63, abs=0.005)


def test_area_multipliers() -> None:
    """Area follows the published multipliers; from 32 to 14 nm about 0.38."""
    assert [relative_area(node) for node in (45, 32, 20, 16, 14, 10, 7)] == pytest.approx(
        [1.0, 0.46, 0.21, 0.19, 0.17, 0.10, 0.059]
    )
    assert node_factor(Scaling.AREA, 32, 14) == pytest.approx(0.38, abs=0.015)


def test_12_nm_lies_between_14_and_10() -> None:
    """The interpolated node is within 3 % of the geometric mean of its neighbours."""
    for figure in (relative_energy, relative_delay, relative_area):
        mean = math.sqrt(figure(14) * figure(10))
        assert figure(12) == pytest.approx(mean, rel=0.03)
        assert figure(10) < figure(12) < figure(14)


def test_smaller_nodes_use_less_energy_and_area() -> None:
    """Energy and area fall at every node; delay does not (20 nm is slower than 32)."""
    for figure in (relative_energy, relative_area):
        values = [figure(node) for node in NODES_NM]
        assert values == sorted(values, reverse=True)
    assert relative_delay(20) > relative_delay(32)


def test_there_and_back_is_where_it_started() -> None:
    """Scaling to another node and back changes nothing, for every kind of scaling."""
    for scaling in Scaling:
        there, back = node_factor(scaling, 12, 32), node_factor(scaling, 32, 12)
        assert there * back == pytest.approx(1.0)
        assert node_factor(scaling, 12, 12) == pytest.approx(1.0)


def test_clock_rises_as_delay_falls() -> None:
    """A clock moves by one over the delay, leakage of an area by energy over area."""
    delay = node_factor(Scaling.DELAY, 45, 7)
    assert node_factor(Scaling.CLOCK, 45, 7) == pytest.approx(1 / delay)
    energy, area = node_factor(Scaling.ENERGY, 45, 7), node_factor(Scaling.AREA, 45, 7)
    assert node_factor(Scaling.LEAKAGE, 45, 7) == energy
    assert node_factor(Scaling.LEAKAGE_DENSITY, 45, 7) == pytest.approx(energy / area)


@pytest.mark.parametrize("node_nm", [5, 65])
def test_node_outside_the_data_is_refused(node_nm: float) -> None:
    """Nothing is extrapolated."""
    with pytest.raises(TechnologyError, match=f"Node {node_nm} nm has no scaling data: expected 7"):
        relative_energy(node_nm)


def test_technology_at_another_node() -> None:
    """At 45 nm a MAC uses 6.2 times the energy of 12 nm and 7.5 times the area, at 0.24 GHz."""
    base, old = load_technology(), load_technology(node_nm=45)
    assert old.mac_energy_pj / base.mac_energy_pj == pytest.approx(6.24, abs=0.01)
    assert old.mac_area_um2 / base.mac_area_um2 == pytest.approx(7.5, abs=0.01)
    assert old.nominal_clock_ghz == pytest.approx(0.241, abs=0.001)
    assert old.nominal_voltage_v == base.nominal_voltage_v
    assert old.gated_mac_share == base.gated_mac_share
    assert old.dram == base.dram


def test_envm_stays_at_22_nm() -> None:
    """Arrays are those of 22 nm in every smaller node, and larger in a larger one."""
    cells = {node: load_technology(node_nm=node).envm[CellKind.RERAM_MLC2] for node in NODES_NM}
    assert cells[7] == cells[12] == cells[20]
    assert cells[32].area_mm2_per_mib > cells[20].area_mm2_per_mib
    assert cells[32].read_ns == cells[20].read_ns


def test_ranges_move_with_their_values() -> None:
    """At every node a constant stays inside its range."""
    for node in NODES_NM:
        for constant in technology_constants(node_nm=node):
            assert constant.low <= constant.value <= constant.high
