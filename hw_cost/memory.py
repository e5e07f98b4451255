"""Memories: energy, area and leakage of SRAM by size and width."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_cost.technology import Technology
from hw_cost.units import BITS_PER_KIB, BITS_PER_MBIT, Floats, Ints

Numbers = NDArray[np.floating[Any]] | Ints | float


def sram_read_energy_pj(capacity_kib: Numbers, width_bits: Numbers, t: Technology) -> Floats:
    """Energy of one read access at the nominal supply, pJ; arguments broadcast."""
    size, width = _as_floats(capacity_kib), _as_floats(width_bits)
    energy: Floats = (
        t.sram_read_energy_scale_pj
        * size**t.sram_read_capacity_exponent
        * width**t.sram_read_width_exponent
    )
    return energy


def sram_write_energy_pj(capacity_kib: Numbers, width_bits: Numbers, t: Technology) -> Floats:
    """Energy of one write access at the nominal supply, pJ; arguments broadcast."""
    size, width = _as_floats(capacity_kib), _as_floats(width_bits)
    energy: Floats = (
        t.sram_write_energy_scale_pj
        * size**t.sram_write_capacity_exponent
        * width**t.sram_write_width_exponent
    )
    return energy


def sram_area_mm2(capacity_kib: Numbers, width_bits: Numbers, t: Technology) -> Floats:
    """Area of one macro, mm2; arguments broadcast; 0 for no capacity."""
    size, width = _as_floats(capacity_kib), _as_floats(width_bits)
    area: Floats = (
        t.sram_area_scale_mm2
        * size**t.sram_area_capacity_exponent
        * width**t.sram_area_width_exponent
    )
    return area


def sram_leakage_mw(capacity_kib: Numbers, t: Technology) -> Floats:
    """Leakage at the nominal supply, mW."""
    mbit = np.asarray(capacity_kib, dtype=np.float64) * BITS_PER_KIB / BITS_PER_MBIT
    return t.sram_leakage_mw_per_mbit * mbit


def _as_floats(values: Numbers) -> Floats:
    return np.asarray(values, dtype=np.float64)
