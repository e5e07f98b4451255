"""Arrays of eNVM cells: what a capacity costs once it is built as one array or several."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hw_cost.technology import Technology
from hw_cost.units import Floats
from search_space import CellKind


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvmArrays:
    """Capacities of one kind of cell on many chips; (n_structures,) arrays.

    Attributes:
        count: arrays that a capacity is made of; they take turns.
        read_pj_per_bit: energy of a useful bit read.
        read_ns: time of a word of one array.
        write_pj_per_bit: energy of a useful bit written, every pulse of it.
        write_ns: time of writing a word of one array, every pulse of it.
        area_mm2: of all arrays.
        leakage_mw: of all arrays while powered.
        wake_pj: of powering up all arrays.
    """

    count: Floats
    read_pj_per_bit: Floats
    read_ns: Floats
    write_pj_per_bit: Floats
    write_ns: Floats
    area_mm2: Floats
    leakage_mw: Floats
    wake_pj: Floats


def envm_arrays(kind: CellKind, capacity_mib: Floats, t: Technology) -> EnvmArrays:
    """The arrays that hold those useful capacities.

    An array is at most as large as the cell's largest one; more capacity is more arrays of equal
    size, whose joint wiring is not counted. A figure of an array of capacity C is that at the
    capacity C0 which the constant describes, times (C / C0) ** exponent; area and leakage are
    those of a MiB times C0 before that. Laws end at the cell's smallest array: below it a bit costs
    what it costs there. Source of the exponents: power laws through NVSim's arrays of 0.5, 2 and
    8 MiB of cells (``envm.toml``).

    Args:
        kind: of the cells.
        capacity_mib: (n_structures,) useful MiB; none has no area and no leakage.
        t: constants.

    Raises:
        ValueError: the cell is not an eNVM.
    """
    if not kind.is_envm:
        raise ValueError(f"Cell kind {kind.value!r} is not an eNVM: expected one, as 'reram-slc'.")
    cell = t.envm[kind]
    capacity = np.asarray(capacity_mib, dtype=np.float64)
    cells_mib = capacity / kind.bits_per_cell
    count = np.maximum(np.ceil(cells_mib / cell.largest_array_mib_cells - 1e-9), 1.0)
    size = np.maximum(cells_mib / count, cell.smallest_array_mib_cells) / cell.array_mib_cells

    def law(value: float, exponent: float) -> Floats:
        figure: Floats = value * size**exponent
        return figure

    # Area and leakage of an array grow as C ** exponent, those of a MiB as C ** (exponent - 1).
    return EnvmArrays(
        count=count,
        read_pj_per_bit=law(cell.read_energy_pj_per_bit, cell.read_energy_capacity_exponent),
        read_ns=law(cell.read_ns, cell.read_time_capacity_exponent),
        write_pj_per_bit=cell.write_pulses
        * law(cell.write_energy_pj_per_bit, cell.write_energy_capacity_exponent),
        write_ns=np.full(len(capacity), cell.write_pulses * cell.write_ns),
        area_mm2=capacity * law(cell.area_mm2_per_mib, cell.area_capacity_exponent - 1.0),
        leakage_mw=capacity * law(cell.leakage_mw_per_mib, cell.leakage_capacity_exponent - 1.0),
        wake_pj=capacity * cell.wake_energy_pj_per_mib,
    )
