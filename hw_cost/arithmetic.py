"""Energy and area of one multiply-accumulate by number format. One MAC is two operations."""

from __future__ import annotations

from typing import overload

import numpy as np

from hw_cost.technology import Technology
from hw_cost.units import Floats, Ints
from search_space import FormatKind, NumberFormat


@overload
def mac_energy_pj(
    weight: NumberFormat, activation: NumberFormat, technology: Technology
) -> float: ...


@overload
def mac_energy_pj(
    weight: NumberFormat,
    activation: NumberFormat,
    technology: Technology,
    accumulator_bits: Ints,
) -> Floats: ...


def mac_energy_pj(
    weight: NumberFormat,
    activation: NumberFormat,
    technology: Technology,
    accumulator_bits: Ints | None = None,
) -> float | Floats:
    """Energy of one MAC at the nominal supply, pJ; shape of ``accumulator_bits``.

    The multiplier's share scales with b_w b_a / 64 (measured exponents of multipliers: 1.75 to
    2.2), the adder's with the accumulator's width over its nominal one. AdaptivFloat and minifloat
    cost alike; an integer MAC costs ``integer_mac_ratio`` of that, a posit one ``posit_mac_ratio``
    (decoders and encoders around a float MAC). If operands differ in kind the dearer one rules; if
    one is IEEE, the wider IEEE format does the arithmetic, whatever the accumulator. An MX format
    costs what its elements do: adding the exponents of two blocks and shifting once for 32 MACs is
    left out, and so are the terms of zero points of affine integers, one for each result (scales
    of all kinds are applied where results are converted to the operand format).
    """
    t = technology
    ratio = np.ones(()) if accumulator_bits is None else accumulator_bits / t.accumulator_bits
    ieee_bits = [f.bits for f in (weight, activation) if f.kind is FormatKind.IEEE]
    if ieee_bits:
        wide = t.mac_fp32_energy_pj if max(ieee_bits) == 32 else t.mac_fp16_energy_pj
        energy = wide * np.ones_like(ratio)
    else:
        share = t.mac_multiplier_share
        width = share * weight.bits * activation.bits / 64 + (1 - share) * ratio
        energy = t.mac_energy_pj * width * _kind_ratio(weight, activation, _energy_ratios(t))
    return float(energy) if accumulator_bits is None else energy


def mac_area_um2(
    weight: NumberFormat,
    activation: NumberFormat,
    technology: Technology,
    accumulator_bits: Ints,
) -> Floats:
    """Area of one MAC with its share of adder tree and accumulator, um2.

    In step with its energy, but for the ratio between the kinds of format.
    """
    t = technology
    ratio = mac_energy_pj(weight, activation, t, accumulator_bits) / t.mac_energy_pj
    if FormatKind.IEEE in (weight.kind, activation.kind):
        return t.mac_area_um2 * ratio
    energies, areas = _energy_ratios(t), _area_ratios(t)
    of_kind = _kind_ratio(weight, activation, areas) / _kind_ratio(weight, activation, energies)
    area: Floats = t.mac_area_um2 * ratio * of_kind
    return area


def _kind_ratio(
    weight: NumberFormat, activation: NumberFormat, ratios: dict[FormatKind, float]
) -> float:
    return max(ratios.get(f.element.kind, 1.0) for f in (weight, activation))


def _energy_ratios(t: Technology) -> dict[FormatKind, float]:
    return {FormatKind.INTEGER: t.integer_mac_ratio, FormatKind.POSIT: t.posit_mac_ratio}


def _area_ratios(t: Technology) -> dict[FormatKind, float]:
    return {FormatKind.INTEGER: t.integer_mac_area_ratio, FormatKind.POSIT: t.posit_mac_area_ratio}
