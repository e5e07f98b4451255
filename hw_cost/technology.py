"""Technology constants: read from a data file in which each has its unit, source and mark."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

_DATA_FILE: Final = Path(__file__).parent / "data" / "technology-12nm.toml"
ENVM_PRESETS: Final = ("optimistic", "conservative")
_KEYS: Final = frozenset({"value", "unit", "node_nm", "voltage_v", "source", "mark", "note"})
_REQUIRED: Final = frozenset({"value", "unit", "node_nm", "source", "mark"})


class TechnologyError(ValueError):
    """A technology file or preset that cannot be used."""


class Mark(StrEnum):
    """How far to trust a constant."""

    PUBLISHED = "published"
    COMPUTED = "computed"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """One constant with where it comes from.

    Attributes:
        name: field of `Technology`; with the prefix ``optimistic.`` or ``conservative.`` for eNVM.
        value: in `unit`.
        unit: as printed.
        node_nm: node that the value stands for.
        voltage_v: supply that the value stands for; None where it does not depend on one.
        source: publication, run or judgement.
        mark: how far to trust it.
        note: range, caution.
    """

    name: str
    value: float
    unit: str
    node_nm: float
    voltage_v: float | None
    source: str
    mark: Mark
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Technology:
    """Every constant of the model by name; units are the suffixes, sources in the data file.

    ``dataclasses.replace`` makes a variant for a sensitivity study.
    """

    mac_energy_pj: float
    mac_multiplier_share: float
    mac_fp16_energy_pj: float
    mac_fp32_energy_pj: float
    gated_mac_share: float
    control_share: float
    residual_energy_pj_per_lane_cycle: float
    accumulator_bits: float
    tile_fill_cycles_per_n: float
    mac_area_um2: float
    control_area_share: float
    softmax_cycles_per_vector: float
    softmax_cycles_per_row: float
    layer_norm_cycles_per_vector: float
    layer_norm_cycles_per_row: float
    add_cycles_per_vector: float
    add_cycles_per_row: float
    entropy_cycles_per_vector: float
    entropy_cycles_per_row: float
    gelu_cycles_per_vector: float
    softmax_energy_pj_per_element: float
    layer_norm_energy_pj_per_element: float
    add_energy_pj_per_element: float
    gelu_energy_pj_per_element: float
    special_function_area_mm2_per_lane: float
    table_word_bits: float
    exit_table_rows: float
    dvfs_table_rows: float
    sram_read_energy_scale_pj: float
    sram_read_capacity_exponent: float
    sram_read_width_exponent: float
    sram_write_energy_scale_pj: float
    sram_write_capacity_exponent: float
    sram_write_width_exponent: float
    sram_area_scale_mm2: float
    sram_area_capacity_exponent: float
    sram_area_width_exponent: float
    sram_leakage_mw_per_mbit: float
    sram_floor_v: float
    weight_sram_port_bits: float
    nominal_voltage_v: float
    highest_voltage_v: float
    nominal_clock_ghz: float
    threshold_v: float
    alpha_power: float
    leakage_slope_per_v: float
    leakage_temperature_k: float
    leakage_doubling_k: float
    logic_leakage_mw_per_mm2: float
    level_step_v: float
    dvfs_switch_ns: float
    ldo_current_efficiency: float
    ldo_dropout_v: float
    ldo_area_mm2_per_ma: float
    pll_energy_pj_per_cycle: float
    pll_area_mm2: float
    envm_word_cells: float
    envm_macro_mib_cells: float
    slc_read_energy_pj_per_bit: float
    mlc2_read_energy_pj_per_bit: float
    slc_read_ns: float
    mlc2_read_ns: float
    slc_area_mm2_per_mib: float
    mlc2_area_mm2_per_mib: float
    slc_leakage_mw_per_mib: float
    mlc2_leakage_mw_per_mib: float

    def at_temperature(self, temperature_k: float) -> Technology:
        """The constants with leakage at another junction temperature.

        Leakage doubles with every `leakage_doubling_k` kelvin above `leakage_temperature_k`; other
        constants are taken not to depend on temperature.
        """
        if temperature_k == self.leakage_temperature_k:
            return self
        factor = 2.0 ** ((temperature_k - self.leakage_temperature_k) / self.leakage_doubling_k)
        return replace(
            self,
            sram_leakage_mw_per_mbit=self.sram_leakage_mw_per_mbit * factor,
            logic_leakage_mw_per_mm2=self.logic_leakage_mw_per_mm2 * factor,
            slc_leakage_mw_per_mib=self.slc_leakage_mw_per_mib * factor,
            mlc2_leakage_mw_per_mib=self.mlc2_leakage_mw_per_mib * factor,
        )


def load_constants(path: Path = _DATA_FILE) -> tuple[Constant, ...]:
    """All constants of a data file, both eNVM presets included, in file order.

    Raises:
        TechnologyError: a constant lacks a key, has an unknown one or an unknown mark.
    """
    with path.open("rb") as file:
        tables: dict[str, dict[str, Any]] = tomllib.load(file)
    constants: list[Constant] = []
    for name, table in tables.items():
        if name in ENVM_PRESETS:
            constants += [_constant(f"{name}.{key}", inner) for key, inner in table.items()]
        else:
            constants.append(_constant(name, table))
    return tuple(constants)


def load_technology(envm: str = "optimistic", path: Path = _DATA_FILE) -> Technology:
    """The constants with one eNVM preset.

    Args:
        envm: ``optimistic`` (arrays as NVSim designs them) or ``conservative`` (published macros).
        path: data file.

    Raises:
        TechnologyError: no such preset, or the file does not define exactly the known constants.
    """
    if envm not in ENVM_PRESETS:
        raise TechnologyError(
            f"eNVM preset {envm!r} is not known: expected one of {', '.join(ENVM_PRESETS)}."
        )
    values: dict[str, float] = {}
    for constant in load_constants(path):
        preset, _, name = constant.name.rpartition(".")
        if preset in ("", envm):
            values[name] = constant.value
    known = {field.name for field in fields(Technology)}
    missing, unknown = sorted(known - values.keys()), sorted(values.keys() - known)
    if missing:
        raise TechnologyError(f"Technology file {path} lacks constant {missing[0]!r}: add it.")
    if unknown:
        raise TechnologyError(
            f"Technology file {path} has constant {unknown[0]!r}, which the model does not use: "
            "remove it or correct its name."
        )
    return Technology(**values)


def _constant(name: str, table: Mapping[str, Any]) -> Constant:
    """One constant of its TOML table."""
    missing = sorted(_REQUIRED - table.keys())
    unknown = sorted(table.keys() - _KEYS)
    if missing or unknown:
        fault = f"lacks {missing[0]!r}" if missing else f"has unknown key {unknown[0]!r}"
        raise TechnologyError(f"Constant {name!r} {fault}: expected {', '.join(sorted(_KEYS))}.")
    if table["mark"] not in list(Mark):
        raise TechnologyError(
            f"Constant {name!r} has mark {table['mark']!r}: expected one of {', '.join(Mark)}."
        )
    voltage = table.get("voltage_v")
    return Constant(
        name=name,
        value=float(table["value"]),
        unit=table["unit"],
        node_nm=float(table["node_nm"]),
        voltage_v=None if voltage is None else float(voltage),
        source=table["source"],
        mark=Mark(table["mark"]),
        note=table.get("note", ""),
    )
