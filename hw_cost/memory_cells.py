"""Constants of memory cells: eNVM arrays and off-chip DRAM."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvmCell:
    """What one kind of eNVM cell costs in an array of `array_mib_cells`; see `envm_arrays`.

    Attributes:
        read_energy_pj_per_bit: energy of a useful bit read.
        read_ns: time of one word of one array.
        write_energy_pj_per_bit: energy of one pulse for a useful bit written.
        write_ns: time of one pulse for a word of one array.
        write_pulses: pulses of a write, each verified; 1 for one without.
        endurance_writes: writes that a cell stands.
        area_mm2_per_mib: area of a useful MiB.
        leakage_mw_per_mib: leakage of a useful MiB while powered.
        wake_ns: time from power-up to the first read.
        wake_energy_pj_per_mib: energy of powering up a useful MiB.
        word_bits: useful bits of a word.
        array_mib_cells: MiB of cells, a bit each, of the array that the figures describe.
        smallest_array_mib_cells: from where on down a bit costs the same.
        largest_array_mib_cells: of one array; more cells are more arrays.
        read_energy_capacity_exponent: of the energy of a read bit, by the array's capacity.
        read_time_capacity_exponent: of the time of a word.
        write_energy_capacity_exponent: of the energy of a written bit.
        area_capacity_exponent: of the area of an array.
        leakage_capacity_exponent: of its leakage.
    """

    read_energy_pj_per_bit: float
    read_ns: float
    write_energy_pj_per_bit: float
    write_ns: float
    write_pulses: float
    endurance_writes: float
    area_mm2_per_mib: float
    leakage_mw_per_mib: float
    wake_ns: float
    wake_energy_pj_per_mib: float
    word_bits: float
    array_mib_cells: float
    smallest_array_mib_cells: float
    largest_array_mib_cells: float
    read_energy_capacity_exponent: float
    read_time_capacity_exponent: float
    write_energy_capacity_exponent: float
    area_capacity_exponent: float
    leakage_capacity_exponent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Dram:
    """What one kind of DRAM costs, over one x16 channel.

    Attributes:
        read_energy_pj_per_bit: device and PHY.
        write_energy_pj_per_bit: device and PHY.
        bandwidth_bytes_per_ns: of the channel.
        latency_ns: of a loaded channel, once for each sequence of bursts.
        active_standby_mw: drawn while the chip works, transfers not included.
        self_refresh_mw: drawn while the chip sleeps.
        self_refresh_exit_ns: time from self-refresh to the first transfer.
        power_on_ns: time from power-up to the first transfer.
        power_on_pj: energy of powering up.
        phy_area_mm2: on the chip.
    """

    read_energy_pj_per_bit: float
    write_energy_pj_per_bit: float
    bandwidth_bytes_per_ns: float
    latency_ns: float
    active_standby_mw: float
    self_refresh_mw: float
    self_refresh_exit_ns: float
    power_on_ns: float
    power_on_pj: float
    phy_area_mm2: float
