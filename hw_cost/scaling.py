"""How a constant moves from node to node: Stillmaker and Baas, Integration 58, 2017."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from hw_cost.constants import DATA, Scaling, TechnologyError

NODES_NM: Final = (45, 32, 20, 16, 14, 12, 10, 7)
"""Nodes that a technology can be asked for; 12 nm is interpolated."""

_NOMINAL_V: Final = 0.8


@dataclass(frozen=True, slots=True)
class _Node:
    energy: tuple[float, ...]
    delay: tuple[float, ...]
    area: float


@cache
def _nodes() -> dict[float, _Node]:
    """Tabulated nodes by size in nm, largest first."""
    with (DATA / "node-scaling.toml").open("rb") as file:
        document = tomllib.load(file)
    return {
        float(name): _Node(tuple(table["energy"]), tuple(table["delay"]), table["area"])
        for name, table in document.items()
    }


def relative_energy(node_nm: float, voltage_v: float = _NOMINAL_V) -> float:
    """Switching energy of a gate at a node and supply; only ratios of two mean anything.

    >>> round(relative_energy(14) / relative_energy(45, 0.9), 3)
    0.138
    """
    return _at(node_nm, lambda node: _polynomial(node.energy, voltage_v))


def relative_delay(node_nm: float, voltage_v: float = _NOMINAL_V) -> float:
    """Delay of a gate at a node and supply; only ratios of two mean anything.

    It does not fall at every step: 20 nm is slower than 32 nm in the published fits.

    >>> round(relative_delay(14) / relative_delay(45, 0.9), 2)
    0.36
    """
    return _at(node_nm, lambda node: _polynomial(node.delay, voltage_v))


def relative_area(node_nm: float) -> float:
    """Area of a gate at a node over that at 45 nm.

    >>> relative_area(14)
    0.17
    """
    return _at(node_nm, lambda node: node.area)


def node_factor(scaling: Scaling, from_nm: float, to_nm: float) -> float:
    """What a constant is multiplied by when it moves from one node to another at 0.8 V.

    Leakage is taken to follow switching energy, as Accelergy does (ASSUMED: sources differ far more
    than that); leakage of an area is that over the area of a gate.

    Raises:
        TechnologyError: a node lies outside 7 to 45 nm.
    """
    energy = relative_energy(to_nm) / relative_energy(from_nm)
    area = relative_area(to_nm) / relative_area(from_nm)
    delay = relative_delay(to_nm) / relative_delay(from_nm)
    return {
        Scaling.ENERGY: energy,
        Scaling.AREA: area,
        Scaling.DELAY: delay,
        Scaling.LEAKAGE: energy,
        Scaling.CLOCK: 1 / delay,
        Scaling.LEAKAGE_DENSITY: energy / area,
        Scaling.NONE: 1.0,
    }[scaling]


def _at(node_nm: float, figure: Callable[[_Node], float]) -> float:
    """The figure at a node: tabulated, or a power law in the node between its two neighbours.

    12 nm so stands between 14 and 10 nm with weights 0.54 and 0.46, within 3 % of their geometric
    mean.
    """
    nodes = _nodes()
    if node_nm in nodes:
        return figure(nodes[node_nm])
    above = min((node for node in nodes if node > node_nm), default=None)
    below = max((node for node in nodes if node < node_nm), default=None)
    if above is None or below is None:
        ends = f"{min(nodes):g} to {max(nodes):g} nm"
        raise TechnologyError(f"Node {node_nm:g} nm has no scaling data: expected {ends}.")
    weight = math.log(node_nm / below) / math.log(above / below)
    return math.exp(
        weight * math.log(figure(nodes[above])) + (1 - weight) * math.log(figure(nodes[below]))
    )


def _polynomial(coefficients: tuple[float, ...], at: float) -> float:
    """Value of a polynomial whose highest power comes first."""
    value = 0.0
    for coefficient in coefficients:
        value = value * at + coefficient
    return value
