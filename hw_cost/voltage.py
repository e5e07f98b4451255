"""How clock, switching energy and leakage depend on the supply."""

from __future__ import annotations

import numpy as np

from hw_cost.technology import Technology
from hw_cost.units import Floats


def clock_ghz(voltage_v: Floats, technology: Technology) -> Floats:
    """Highest clock at a supply, GHz; any shape, supply above the threshold.

    Alpha-power law (Sakurai and Newton, JSSC 1990): f = c (V - Vt)^alpha / V, with c from the
    nominal point.
    """
    t = technology
    nominal = (t.nominal_voltage_v - t.threshold_v) ** t.alpha_power / t.nominal_voltage_v
    clock: Floats = (
        t.nominal_clock_ghz * (voltage_v - t.threshold_v) ** t.alpha_power / voltage_v / nominal
    )
    return clock


def dynamic_factor(voltage_v: Floats, technology: Technology) -> Floats:
    """Switching energy over that at the nominal supply: (V / 0.8)^e, e = 2 unless fitted."""
    t = technology
    factor: Floats = (voltage_v / t.nominal_voltage_v) ** t.dynamic_exponent
    return factor


def leakage_factor(voltage_v: Floats, technology: Technology) -> Floats:
    """Leakage power over that at the nominal supply."""
    t = technology
    factor: Floats = (voltage_v / t.nominal_voltage_v) * np.exp(
        t.leakage_slope_per_v * (voltage_v - t.nominal_voltage_v)
    )
    return factor


def sram_voltage_v(voltage_v: Floats, technology: Technology) -> Floats:
    """Supply of the SRAM rail: that of the datapath, but never below the SRAM's own floor."""
    return np.maximum(voltage_v, technology.sram_floor_v)


def supply_factor(voltage_v: Floats, max_voltage_v: Floats, technology: Technology) -> Floats:
    """Energy drawn from the LDO's input over energy used at its output.

    The LDO passes the same charge from the higher rail: E_in = E (V_in / V) / current efficiency.
    """
    t = technology
    factor: Floats = (max_voltage_v + t.ldo_dropout_v) / voltage_v / t.ldo_current_efficiency
    return factor
