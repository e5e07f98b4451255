"""Technology: every constant of the model at one node, with one eNVM and one logic preset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from hw_cost.constants import (
    DATA,
    Constant,
    Mark,
    Scaling,
    TechnologyError,
    load_constants,
)
from hw_cost.memory_cells import Dram, EnvmCell
from hw_cost.scaling import NODES_NM, node_factor
from search_space import CellKind, DramKind, nearest

__all__ = [
    "ENVM_PRESETS",
    "LOGIC_PRESETS",
    "NODES_NM",
    "Constant",
    "Dram",
    "EnvmCell",
    "Mark",
    "Technology",
    "TechnologyError",
    "load_constants",
    "load_technology",
    "technology_constants",
]

ENVM_PRESETS: Final = ("optimistic", "conservative")
LOGIC_PRESETS: Final = ("default", "hp", "lp", "silicon")

_BASE_NM: Final = 12.0
_ENVM_NM: Final = 22.0
"""Node of the eNVM arrays; a smaller node leaves them as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Technology:
    """Every constant of the model by name; units are the suffixes, sources in the data files.

    `with_values` makes a variant for a sensitivity study.

    Attributes:
        envm: every kind of eNVM cell.
        dram: every kind of DRAM.
    """

    mac_energy_pj: float
    mac_multiplier_share: float
    mac_fp16_energy_pj: float
    mac_fp32_energy_pj: float
    integer_mac_ratio: float
    posit_mac_ratio: float
    conversion_energy_pj_per_element: float
    gated_mac_share: float
    control_share: float
    residual_energy_pj_per_lane_cycle: float
    accumulator_bits: float
    compaction_imbalance: float
    compaction_energy_share: float
    tile_fill_cycles_per_n: float
    mac_area_um2: float
    control_area_share: float
    integer_mac_area_ratio: float
    posit_mac_area_ratio: float
    compaction_area_share: float
    softmax_cycles_per_vector: float
    softmax_cycles_per_row: float
    layer_norm_cycles_per_vector: float
    layer_norm_cycles_per_row: float
    add_cycles_per_vector: float
    add_cycles_per_row: float
    entropy_cycles_per_vector: float
    entropy_cycles_per_row: float
    gelu_cycles_per_vector: float
    special_function_overlap: float
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
    dynamic_exponent: float
    alpha_power: float
    leakage_slope_per_v: float
    leakage_temperature_k: float
    leakage_doubling_k: float
    logic_leakage_mw_per_mm2: float
    ldo_slew_ns_per_v: float
    clock_hop_ns: float
    power_gate_wake_ns: float
    power_gate_wake_pj_per_mm2: float
    ldo_current_efficiency: float
    ldo_dropout_v: float
    ldo_area_mm2_per_ma: float
    pll_energy_pj_per_cycle: float
    pll_area_mm2: float
    envm: Mapping[CellKind, EnvmCell] = field(hash=False)
    dram: Mapping[DramKind, Dram] = field(hash=False)

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
            envm={
                kind: replace(cell, leakage_mw_per_mib=cell.leakage_mw_per_mib * factor)
                for kind, cell in self.envm.items()
            },
        )

    def with_values(self, values: Mapping[str, float]) -> Technology:
        """A variant with other values.

        Args:
            values: by dotted field name, such as ``mac_energy_pj``, ``envm.stt-mram.read_ns`` or
                ``dram.lpddr4.latency_ns``, in the unit of the field.

        Raises:
            TechnologyError: there is no such constant.
        """
        plain: dict[str, Any] = {}
        cells: dict[CellKind, dict[str, float]] = {}
        drams: dict[DramKind, dict[str, float]] = {}
        for name, value in values.items():
            group, _, rest = name.partition(".")
            kind, _, inner = rest.partition(".")
            if name in _PLAIN:
                plain[name] = value
            elif group == "envm" and kind in self.envm and inner in _CELL:
                cells.setdefault(CellKind(kind), {})[inner] = value
            elif group == "dram" and kind in self.dram and inner in _DRAM:
                drams.setdefault(DramKind(kind), {})[inner] = value
            else:
                raise TechnologyError(
                    f"Constant {name!r} is not known{nearest(name, self._names()) or '.'}"
                )
        if cells:
            plain["envm"] = {k: replace(c, **cells.get(k, {})) for k, c in self.envm.items()}
        if drams:
            plain["dram"] = {k: replace(d, **drams.get(k, {})) for k, d in self.dram.items()}
        return replace(self, **plain)

    def _names(self) -> list[str]:
        """Dotted names of every constant."""
        return _dotted(self.envm, self.dram)


_PLAIN: Final = tuple(f.name for f in fields(Technology) if f.name not in ("envm", "dram"))
_CELL: Final = tuple(f.name for f in fields(EnvmCell))
_DRAM: Final = tuple(f.name for f in fields(Dram))


def _dotted(cells: Iterable[str], drams: Iterable[str]) -> list[str]:
    """Names of the constants of a technology with those cells and DRAMs."""
    return [
        *_PLAIN,
        *(f"envm.{kind}.{name}" for kind in cells for name in _CELL),
        *(f"dram.{kind}.{name}" for kind in drams for name in _DRAM),
    ]


def load_technology(
    envm: str = "optimistic", logic: str = "default", node_nm: float = 12, folder: Path = DATA
) -> Technology:
    """The constants with one eNVM preset and one logic preset at one node.

    Args:
        envm: ``optimistic`` (arrays as NVSim designs them) or ``conservative`` (published macros).
        logic: ``default``, ``hp``, ``lp`` or ``silicon`` (the chip of ISSCC 2023).
        node_nm: one of `NODES_NM`. All nodes run at the same supplies; see `technology_constants`.
        folder: data files.

    Raises:
        TechnologyError: no such preset or node, or the files do not define exactly the known
            constants.
    """
    values = {c.name: c.value for c in technology_constants(envm, logic, node_nm, folder)}
    cells = [kind for kind in CellKind if kind.is_envm]
    drams = [kind for kind in DramKind if kind is not DramKind.NONE]
    known = _dotted(cells, drams)
    missing = [name for name in known if name not in values]
    unknown = sorted(values.keys() - set(known))
    if missing:
        raise TechnologyError(f"Technology files in {folder} lack constant {missing[0]!r}: add it.")
    if unknown:
        raise TechnologyError(
            f"Technology files in {folder} have constant {unknown[0]!r}, which the model does not "
            "use: remove it or correct its name."
        )
    return Technology(
        **{name: values[name] for name in _PLAIN},
        envm={k: EnvmCell(**{n: values[f"envm.{k}.{n}"] for n in _CELL}) for k in cells},
        dram={k: Dram(**{n: values[f"dram.{k}.{n}"] for n in _DRAM}) for k in drams},
    )


def technology_constants(
    envm: str = "optimistic", logic: str = "default", node_nm: float = 12, folder: Path = DATA
) -> tuple[Constant, ...]:
    """Where every constant of `load_technology` with these arguments comes from.

    Names are dotted fields of `Technology`, as `Technology.with_values` takes them; value and range
    are those at the node. Logic and SRAM scale from 12 nm, eNVM from 22 nm upwards only, DRAM and
    what says ``scaling = "none"`` not at all.

    Raises:
        TechnologyError: no such preset or node, or a damaged data file.
    """
    for what, asked, expected in (
        ("eNVM preset", envm, ENVM_PRESETS),
        ("Logic preset", logic, LOGIC_PRESETS),
        ("Node", node_nm, NODES_NM),
    ):
        if asked not in expected:
            unit = " nm" if what == "Node" else ""
            raise TechnologyError(
                f"{what} {asked!r}{unit} is not known: expected one of "
                f"{', '.join(str(name) for name in expected)}{unit}."
            )
    found: dict[str, Constant] = {}
    for constant in load_constants(folder):
        group, _, rest = constant.name.partition(".")
        if group == "envm":
            kind, preset, name = _split(rest)
            if kind == "array" and preset in ("", envm):
                found |= {c.name: c for c in _of_each_cell(constant, name)}
            elif preset == envm:
                found[f"envm.{kind}.{name}"] = _at_node(constant, _ENVM_NM, max(node_nm, _ENVM_NM))
        elif group == "logic":
            preset, _, name = rest.partition(".")
            if preset == logic:
                found[name] = _at_node(constant, _BASE_NM, node_nm)
        else:
            found[constant.name] = _at_node(constant, _BASE_NM, node_nm)
    return tuple(replace(constant, name=name) for name, constant in found.items())


def _split(name: str) -> tuple[str, str, str]:
    """Cell, preset and field of a name inside the eNVM file; no preset for what cells share."""
    kind, _, rest = name.partition(".")
    preset, _, inner = rest.partition(".")
    return (kind, preset, inner) if inner else (kind, "", preset)


def _of_each_cell(constant: Constant, name: str) -> list[Constant]:
    """What all arrays share, for each cell; a word of cells becomes one of useful bits."""
    found = []
    for kind in (kind for kind in CellKind if kind.is_envm):
        bits = kind.bits_per_cell if name == "word_cells" else 1
        found.append(
            replace(
                constant,
                name=f"envm.{kind}.{'word_bits' if name == 'word_cells' else name}",
                value=constant.value * bits,
                low=constant.low * bits,
                high=constant.high * bits,
                unit="bit" if name == "word_cells" else constant.unit,
            )
        )
    return found


def _at_node(constant: Constant, from_nm: float, to_nm: float) -> Constant:
    """The constant, its value and range, moved from one node to another."""
    if from_nm == to_nm or constant.scaling is Scaling.NONE:
        return constant
    factor = node_factor(constant.scaling, from_nm, to_nm)
    return replace(
        constant,
        value=constant.value * factor,
        low=constant.low * factor,
        high=constant.high * factor,
    )
