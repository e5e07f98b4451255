"""Memories: energy, area and leakage of SRAM by size and width, and the cells of eNVM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_cost.technology import Technology
from hw_cost.units import BITS_PER_KIB, BITS_PER_MBIT, BITS_PER_MIB, Floats, Ints
from search_space import CellKind

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


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvmCell:
    """What one kind of eNVM cell costs.

    Attributes:
        read_energy_pj_per_bit: energy of a useful bit read.
        read_ns: time of one word of one macro.
        word_bits: useful bits of that word.
        macro_bits: useful bits of one macro.
        area_mm2_per_mib: area of a useful MiB.
        leakage_mw_per_mib: leakage of a useful MiB while powered.
    """

    read_energy_pj_per_bit: float
    read_ns: float
    word_bits: float
    macro_bits: float
    area_mm2_per_mib: float
    leakage_mw_per_mib: float


def envm_cell(kind: CellKind, t: Technology) -> EnvmCell:
    """The cell of that kind.

    Raises:
        ValueError: the cell is not an eNVM.
    """
    if kind is CellKind.SRAM:
        raise ValueError("Cell kind 'sram' is not an eNVM: expected 'reram-slc' or 'reram-mlc2'.")
    slc = kind is CellKind.RERAM_SLC
    return EnvmCell(
        read_energy_pj_per_bit=t.slc_read_energy_pj_per_bit
        if slc
        else t.mlc2_read_energy_pj_per_bit,
        read_ns=t.slc_read_ns if slc else t.mlc2_read_ns,
        word_bits=t.envm_word_cells * kind.bits_per_cell,
        macro_bits=t.envm_macro_mib_cells * BITS_PER_MIB * kind.bits_per_cell,
        area_mm2_per_mib=t.slc_area_mm2_per_mib if slc else t.mlc2_area_mm2_per_mib,
        leakage_mw_per_mib=t.slc_leakage_mw_per_mib if slc else t.mlc2_leakage_mw_per_mib,
    )
