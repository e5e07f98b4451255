"""Constants with where they come from: read from data files in which each has source and range."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

DATA: Final = Path(__file__).parent / "data"
_KEYS: Final = frozenset(
    {"value", "low", "high", "unit", "scaling", "node_nm", "voltage_v", "source", "mark", "note"}
)
_REQUIRED: Final = frozenset({"value", "low", "high", "unit", "scaling", "source", "mark"})


class TechnologyError(ValueError):
    """A technology file, preset, node or constant that cannot be used."""


class Mark(StrEnum):
    """How far to trust a constant."""

    PUBLISHED = "published"
    COMPUTED = "computed"
    ASSUMED = "assumed"


class Scaling(StrEnum):
    """How a constant follows the node: in step with which property of a gate."""

    ENERGY = "energy"
    AREA = "area"
    DELAY = "delay"
    LEAKAGE = "leakage"
    CLOCK = "1/delay"
    LEAKAGE_DENSITY = "leakage/area"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """One constant with where it comes from.

    Attributes:
        name: field of `Technology`, dotted inside a cell or a DRAM; constants of a preset have the
            preset's name in it, as in ``envm.reram-slc.optimistic.read_ns``.
        value: in `unit`.
        low: least value that is plausible; equal to `value` for a fact.
        high: largest value that is plausible.
        unit: as printed.
        scaling: how it follows the node.
        node_nm: node of the source; None for a DRAM, which has a process of its own.
        voltage_v: supply that the value stands for; None where it does not depend on one.
        source: publication, run or judgement.
        mark: how far to trust it.
        note: caution, reason of the range.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str
    scaling: Scaling
    node_nm: float | None
    voltage_v: float | None
    source: str
    mark: Mark
    note: str


def load_constants(folder: Path = DATA) -> tuple[Constant, ...]:
    """All constants of the data files at 12 nm, every preset included, in file order.

    Names are those of `Technology`'s fields, with the preset where there are several:
    ``mac_energy_pj``, ``logic.silicon.threshold_v``, ``envm.reram-slc.optimistic.read_ns``,
    ``dram.lpddr4.latency_ns``.

    Raises:
        TechnologyError: a constant lacks a key, has an unknown one, an unknown mark or scaling, or
            a range that its value is outside of.
    """
    found: list[Constant] = []
    for name, prefix in (
        ("technology-12nm", ""),
        ("logic", "logic."),
        ("envm", "envm."),
        ("dram", "dram."),
    ):
        with (folder / f"{name}.toml").open("rb") as file:
            document: dict[str, Any] = tomllib.load(file)
        sources: Mapping[str, str] = document.pop("sources", {})
        shared: dict[str, dict[str, Any]] = document.pop("fields", {})
        found += [
            _constant(f"{prefix}{'.'.join(path)}", shared.get(path[-1], {}) | table, sources)
            for path, table in _tables(document, ())
        ]
    return tuple(found)


def _tables(
    table: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every table that is a constant, with its path in the file."""
    if any(not isinstance(inner, dict) for inner in table.values()):
        yield path, dict(table)
        return
    for name, inner in table.items():
        yield from _tables(inner, (*path, name))


def _constant(name: str, table: Mapping[str, Any], sources: Mapping[str, str]) -> Constant:
    """One constant of its TOML table."""
    missing = sorted(_REQUIRED - table.keys())
    unknown = sorted(table.keys() - _KEYS)
    if missing or unknown:
        fault = f"lacks {missing[0]!r}" if missing else f"has unknown key {unknown[0]!r}"
        raise TechnologyError(f"Constant {name!r} {fault}: expected {', '.join(sorted(_KEYS))}.")
    for key, kinds in (("mark", Mark), ("scaling", Scaling)):
        if table[key] not in list(kinds):
            raise TechnologyError(
                f"Constant {name!r} has {key} {table[key]!r}: expected one of {', '.join(kinds)}."
            )
    low, value, high = (float(table[key]) for key in ("low", "value", "high"))
    if not low <= value <= high:
        raise TechnologyError(
            f"Constant {name!r} is {value:g} with a range of {low:g} to {high:g}: expected a range "
            "around the value."
        )
    node, voltage = table.get("node_nm"), table.get("voltage_v")
    return Constant(
        name=name,
        value=value,
        low=low,
        high=high,
        unit=table["unit"],
        scaling=Scaling(table["scaling"]),
        node_nm=None if node is None else float(node),
        voltage_v=None if voltage is None else float(voltage),
        source=sources.get(table["source"], table["source"]),
        mark=Mark(table["mark"]),
        note=table.get("note", ""),
    )
