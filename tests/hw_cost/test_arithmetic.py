"""Energy and area of a MAC by number format."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_cost import Technology
from hw_cost.arithmetic import mac_area_um2, mac_energy_pj
from search_space import (
    FP16,
    FP32,
    NumberFormat,
    adaptivfloat,
    integer,
    minifloat,
    mx,
    posit,
)

WIDTHS = st.integers(4, 16)


def by_width(kind: str, bits: int) -> NumberFormat:
    """A format of that family and width."""
    makers = {
        "adaptivfloat": lambda: adaptivfloat(bits, 3),
        "minifloat": lambda: minifloat(bits, 3),
        "int": lambda: integer(bits),
        "posit": lambda: posit(bits, 1),
    }
    return makers[kind]()


def test_eight_bit_formats_by_hand(technology: Technology) -> None:
    """An 8-bit float MAC is the constant, an integer and a posit one its stated multiples."""
    eight = [by_width(kind, 8) for kind in ("adaptivfloat", "minifloat", "int", "posit")]
    energies = [mac_energy_pj(f, f, technology) for f in eight]
    assert energies == pytest.approx([0.12, 0.12, 0.138, 0.12 * technology.posit_mac_ratio])
    assert mac_energy_pj(FP32, FP32, technology) == technology.mac_fp32_energy_pj
    assert mac_energy_pj(FP16, adaptivfloat(8, 3), technology) == technology.mac_fp16_energy_pj


def test_the_multiplier_scales_with_both_widths_and_the_adder_with_the_accumulator(
    technology: Technology,
) -> None:
    """4 x 8 bit: half of the multiplier's share; 16 accumulator bits: half of the adder's."""
    share = technology.mac_multiplier_share
    four, eight = adaptivfloat(4, 2), adaptivfloat(8, 3)
    assert mac_energy_pj(four, eight, technology) == pytest.approx(0.12 * (share / 2 + 1 - share))
    energies = mac_energy_pj(eight, eight, technology, np.array([16, 32, 64]))
    np.testing.assert_allclose(energies, 0.12 * (share + (1 - share) * np.array([0.5, 1, 2])))


@given(
    kind=st.sampled_from(["adaptivfloat", "minifloat", "int", "posit"]),
    narrow=WIDTHS,
    wide=WIDTHS,
    accumulator=st.integers(8, 64),
)
def test_fewer_bits_never_cost_more(
    technology: Technology, kind: str, narrow: int, wide: int, accumulator: int
) -> None:
    """Within a family, energy and area rise with the width of operands and of the accumulator."""
    narrow, wide = sorted((narrow, wide))
    widths = np.array([accumulator, 64])
    small, large = by_width(kind, narrow), by_width(kind, wide)
    for figure in (mac_energy_pj, mac_area_um2):
        low = figure(small, small, technology, widths)
        high = figure(large, large, technology, widths)
        assert (low <= high * (1 + 1e-12)).all()
        assert low[0] <= low[1]
        assert (low > 0).all()


def test_mixed_families_take_the_dearer_one(technology: Technology) -> None:
    """A posit operand makes the MAC a posit one."""
    mixed = mac_energy_pj(posit(8, 1), adaptivfloat(8, 3), technology)
    assert mixed == mac_energy_pj(posit(8, 1), posit(8, 1), technology)


def test_block_formats_and_options_of_integers_cost_what_their_elements_do(
    technology: Technology,
) -> None:
    """An MX MAC is that of its elements; zero points and scales of channels change no MAC."""
    widths = np.array([16, 32])
    pairs = [
        (mx(8, 4), minifloat(8, 4)),
        (mx(6, 3), minifloat(6, 3)),
        (mx(8, 0), integer(8)),
        (integer(4, affine=True, per_channel=True), integer(4)),
    ]
    for shared, element in pairs:
        for figure in (mac_energy_pj, mac_area_um2):
            found = figure(shared, shared, technology, widths)
            np.testing.assert_array_equal(found, figure(element, element, technology, widths))
