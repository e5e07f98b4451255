"""Energy and area of one multiply-accumulate by number format. One MAC is two operations."""

from __future__ import annotations

from hw_cost.technology import Technology
from search_space import FormatKind, NumberFormat


def mac_energy_pj(weight: NumberFormat, activation: NumberFormat, technology: Technology) -> float:
    """Energy of one MAC at the nominal supply, pJ, 32-bit accumulation included.

    AdaptivFloat operands of b_w and b_a bits: the multiplier's share scales with b_w b_a / 64, the
    adder's share is fixed. If an operand is IEEE, the wider IEEE format does the arithmetic.
    """
    ieee_bits = [f.bits for f in (weight, activation) if f.kind is FormatKind.IEEE]
    if ieee_bits:
        wide = max(ieee_bits) == 32
        return technology.mac_fp32_energy_pj if wide else technology.mac_fp16_energy_pj
    share = technology.mac_multiplier_share
    return technology.mac_energy_pj * (share * weight.bits * activation.bits / 64 + 1 - share)


def mac_area_um2(weight: NumberFormat, activation: NumberFormat, technology: Technology) -> float:
    """Area of one MAC with its share of adder tree and accumulator, um2: in step with energy."""
    ratio = mac_energy_pj(weight, activation, technology) / technology.mac_energy_pj
    return technology.mac_area_um2 * ratio
