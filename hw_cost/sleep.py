"""Sleep: what a chip draws between sentences, and what waking up costs each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.area import Floorplan
from hw_cost.memory import sram_write_energy_pj
from hw_cost.stores import Stores
from hw_cost.supply import SupplyLevels
from hw_cost.technology import Technology
from hw_cost.units import BITS_PER_KIB, Floats, Ints
from hw_cost.voltage import leakage_factor, supply_factor
from hw_cost.workload import Workload
from search_space import CellKind, PowerMode


@dataclass(frozen=True, slots=True)
class Sleep:
    """Between sentences; (n_designs,) arrays.

    Attributes:
        standby_mw: drawn from the supply while nothing runs.
        wake_ns: from the request to the first look-up.
        wake_pj: of waking up, loading what was lost included.
    """

    standby_mw: Floats
    wake_ns: Floats
    wake_pj: Floats


def sleep(
    workload: Workload,
    columns: AcceleratorColumns,
    plan: Floorplan,
    held: Stores,
    structure: Ints,
    waiting: SupplyLevels,
    mode: PowerMode,
    t: Technology,
) -> Sleep:
    """Sleep of designs in a power mode; plan and stores are of their structures.

    Always on: leakage at the lowest supply, eNVM and DRAM powered. Otherwise waking takes the
    longest of the supply's, the eNVM's and the DRAM's wake-up (they wake together), recharges the
    rail of what was gated, and then copies what was lost: look-up tables that eNVM or DRAM keep,
    and with the mode ``off`` the SRAM's weights and tables too, from the DRAM.
    """
    dram = held.dram
    if mode is PowerMode.ALWAYS_ON:
        standby = waiting.leakage_input_mw[:, 0]
        standby = standby + (held.envm_mw.sum(axis=1) + dram.active_mw)[structure]
        nothing = np.zeros(len(columns))
        return Sleep(standby, nothing, nothing)
    kept_mw = np.zeros(len(plan.full_cycle_pj))
    lost_bits = np.zeros(len(kept_mw))
    tables = table_bits(workload, t)
    tables_in_sram = workload.table_storage is CellKind.SRAM
    if mode is PowerMode.RETAINED:
        kept_mw += plan.weight_sram_leakage_mw + tables_in_sram * plan.table_sram_leakage_mw
    else:
        lost_bits += np.minimum(held.weight_sram_kib * BITS_PER_KIB, held.sram_need_bits)
        lost_bits += tables_in_sram * tables
    if workload.table_storage is CellKind.DRAM:
        lost_bits += tables
    width = t.weight_sram_port_bits
    write_pj = sram_write_energy_pj(np.maximum(held.weight_sram_kib, 1.0), width, t) / width
    wake_ns = np.maximum(np.maximum(held.envm_wake_ns, dram.wake_ns), t.power_gate_wake_ns)
    wake_pj = plan.gated_mm2() * t.power_gate_wake_pj_per_mm2 + held.envm_wake_pj
    wake_ns += lost_bits * dram.ns_per_bit + (lost_bits > 0) * dram.latency_ns
    wake_pj += lost_bits * (dram.read_pj_per_bit + write_pj)
    if workload.table_storage.is_envm:
        arrays = held.envm[workload.table_storage]
        words = tables / t.envm[workload.table_storage].word_bits
        wake_ns += words * arrays.read_ns / arrays.count
        wake_pj += tables * (arrays.read_pj_per_bit + write_pj)
    floor = np.full(len(columns), t.sram_floor_v)
    rail = np.maximum(columns.max_voltage_v, floor)
    kept = kept_mw[structure] * leakage_factor(floor, t) * supply_factor(floor, rail, t)
    return Sleep(kept + dram.sleep_mw[structure], wake_ns[structure], wake_pj[structure])


def table_bits(workload: Workload, t: Technology) -> float:
    """Bits of the look-up tables that must survive: exit and DVFS tables, and head spans."""
    return workload.table_words(t.exit_table_rows, t.dvfs_table_rows) * t.table_word_bits
