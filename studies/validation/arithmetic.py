"""MACs and processing elements: published energies against the model's MAC at their node."""

from __future__ import annotations

from typing import Final

import numpy as np

from hw_cost import Technology, load_technology
from hw_cost.arithmetic import mac_energy_pj
from hw_cost.voltage import dynamic_factor
from search_space import NumberFormat, adaptivfloat, integer
from studies.validation.published import published
from studies.validation.rows import Row, Section

TOLERANCE: Final = 0.15
_PE_NM: Final = 16
_FJ_PER_PJ: Final = 1e3
_OPERATIONS_A_MAC: Final = 2
_FORMATS: Final[dict[str, tuple[str, NumberFormat]]] = {
    "int8": ("INT8", integer(8)),
    "hfint8": ("HFINT8", adaptivfloat(8, 3)),
    "int4": ("INT4", integer(4)),
    "hfint4": ("HFINT4", adaptivfloat(4, 3)),
}
_DELIVERY: Final = (
    "The energy of these elements falls almost as 1/K: operands delivered from their buffers, "
    "amortised over the lanes, dominate; the model's MAC stands for one lane and charges buffers "
    "and clock apart, by vector size."
)
_NODES: Final = (
    "The model's energies follow gate energies from node to node, which fall three to four times "
    "faster than those of published multipliers; away from 12 nm they are for comparison only."
)
_RATIO: Final = (
    "The published elements contain buffers, whose energy does not fall with the product of widths."
)


def operation_fj(number_format: NumberFormat, t: Technology) -> float:
    """Energy of one operation of a MAC with both operands in a format, fJ."""
    return mac_energy_pj(number_format, number_format, t) * _FJ_PER_PJ / _OPERATIONS_A_MAC


def element_rows() -> tuple[Row, ...]:
    """Processing elements of K lanes of K, in four formats."""
    t = load_technology(node_nm=_PE_NM)
    return tuple(
        published(f"pe.{key}").row(
            f"{title} element, K = {k}",
            operation_fj(number_format, t),
            label=k,
            tolerance=TOLERANCE,
            reason=_DELIVERY,
        )
        for key, (title, number_format) in _FORMATS.items()
        for k in published(f"pe.{key}").values
    )


def ratio_rows() -> tuple[Row, ...]:
    """What the format alone does to the energy of an element, K = 16."""
    t = load_technology(node_nm=_PE_NM)
    rows = []
    for above, below, fitted in (
        ("hfint8", "int8", ("integer_mac_ratio",)),
        ("hfint4", "int4", ("integer_mac_ratio",)),
        ("hfint4", "hfint8", ()),
    ):
        (title_above, format_above), (title_below, format_below) = _FORMATS[above], _FORMATS[below]
        figures = published(f"pe.{above}")
        rows.append(
            Row(
                name=f"{title_above} over {title_below}, K = 16",
                published=figures.values["16"] / published(f"pe.{below}").values["16"],
                unit="ratio",
                ours=operation_fj(format_above, t) / operation_fj(format_below, t),
                source=figures.source,
                mark=figures.mark,
                tolerance=TOLERANCE,
                fitted=fitted,
                reason=_RATIO,
            )
        )
    return tuple(rows)


def mac_rows() -> tuple[Row, ...]:
    """An int8 MAC with 32-bit accumulation at other nodes."""
    rows = []
    for key, title, node_nm, voltage_v in (
        ("horowitz", "int8 MAC at 45 nm, 0.9 V", 45, 0.9),
        ("tpu", "int8 MAC at 7 nm", 7, 0.8),
    ):
        t = load_technology(node_nm=node_nm)
        supply = float(dynamic_factor(np.array(voltage_v), t))
        rows.append(
            published(f"mac.{key}").row(
                title,
                mac_energy_pj(integer(8), integer(8), t) * supply,
                tolerance=TOLERANCE,
                fitted=("mac_energy_pj",),
                reason=_NODES,
            )
        )
    return tuple(rows)


def arithmetic_section() -> Section:
    """MACs and processing elements."""
    return Section(
        title="MACs and processing elements",
        text=(
            "The published elements (AdaptivFloat) contain their buffers; ours is the MAC alone at "
            "16 nm, operand registers and adder tree included. An operation is half a MAC. Supply "
            "0.8 V if not said otherwise. The MAC's energy at 12 nm was interpolated between the "
            "45 and 7 nm figures and the K = 16 element, so its value there is not independent."
        ),
        rows=(*element_rows(), *ratio_rows(), *mac_rows()),
    )
