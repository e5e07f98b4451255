"""MX block formats: blocks by hand, elements against ml_dtypes, rows that blocks do not fill."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.codecs.calibration import Calibration
from evaluators.codecs.microscaling import MxCodec
from evaluators.codecs.packing import pack
from search_space import parse_number_format

ORACLES = {
    "mxfp8-e4m3": (ml_dtypes.float8_e4m3fn, 8),
    "mxfp8-e5m2": (ml_dtypes.float8_e5m2, 15),
    "mxfp6-e3m2": (ml_dtypes.float6_e3m2fn, 4),
    "mxfp6-e2m3": (ml_dtypes.float6_e2m3fn, 2),
    "mxfp4": (ml_dtypes.float4_e2m1fn, 2),
}
SEEDS = st.integers(0, 10_000)


def codec(name: str) -> MxCodec:
    """The codec of that block format."""
    return MxCodec(parse_number_format(name))


def test_a_block_of_mxfp4_by_hand() -> None:
    """The largest magnitude 5 is in [4, 8), as 6 is: the scale is 1; 0.2 becomes 0, 5 becomes 4."""
    x = np.zeros(32, dtype=np.float32)
    x[:6] = 5.0, -3.4, 0.3, 0.2, 1.3, -1.8
    assert codec("mxfp4").own_scaling(x).factor.tolist() == [1.0]
    assert codec("mxfp4").quantise(x, None)[:6].tolist() == [4, -3, 0.5, 0, 1.5, -2]


def test_what_is_above_the_largest_element_saturates() -> None:
    """In a block with maximum 7.9 the scale is still 1, and 7.9 becomes 6."""
    x = np.array([7.9, -7.0, 1.0], dtype=np.float32)
    assert codec("mxfp4").quantise(x, None).tolist() == [6, -6, 1]


def test_a_block_of_mxint8_by_hand() -> None:
    """Elements are 64ths of the scale, from -127/64 to 127/64."""
    x = np.array([1.0, 1.999, -1.999, 1 / 128, 3 / 128, 0.3], dtype=np.float32)
    found = codec("mxint8").quantise(x, None) * 64
    assert found.tolist() == [64, 127, -127, 0, 2, 19]
    numbers = codec("mxint8").numbers
    assert numbers[[1, 0x7F, 0xFF, 0x81]].tolist() == [1 / 64, 127 / 64, -1 / 64, -127 / 64]
    assert np.flatnonzero(np.isnan(numbers)).tolist() == [0x80]


def test_each_block_has_its_own_scale() -> None:
    """Blocks of 32 along the last axis; the last is shorter; rows do not share blocks."""
    x = np.full((2, 40), 1.0, dtype=np.float32)
    x[0, 32:], x[1] = 2.0**-10, 2.0**5
    factors = codec("mxfp8-e4m3").own_scaling(x).factor
    assert factors.tolist() == [2.0**-8, 2.0**-18, 2.0**-3, 2.0**-3]
    assert np.array_equal(codec("mxfp8-e4m3").quantise(x, None), x)


def test_scale_bytes_are_biased_exponents() -> None:
    """E8M0: 2**-8 is the byte 119."""
    one = np.ones(32, dtype=np.float32)
    mxfp8 = codec("mxfp8-e4m3")
    packed = pack(one, mxfp8, mxfp8.own_scaling(one))
    assert packed.scales == bytes([119])
    assert packed.codes == bytes([0x78] * 32)  # 2**8 in E4M3


@pytest.mark.parametrize("name", ORACLES)
@given(seed=SEEDS, width=st.integers(1, 100), tail=st.booleans())
def test_blocks_equal_the_oracle(name: str, seed: int, width: int, tail: bool) -> None:
    """Every block divided by its scale is what ml_dtypes makes of it, times the scale."""
    rng = np.random.default_rng(seed)
    drawn = rng.standard_t(2, (3, width)) if tail else rng.standard_normal((3, width))
    x = (drawn * 2.0 ** rng.integers(-20, 20, (3, 1))).astype(np.float32)
    dtype, largest_exponent = ORACLES[name]
    limit = np.float32(codec(name).grid.largest)
    expected = np.empty_like(x)
    for row in range(3):
        for start in range(0, width, 32):
            block = x[row, start : start + 32]
            scale = np.float32(2.0 ** (np.floor(np.log2(np.abs(block).max())) - largest_exponent))
            element = (block / scale).clip(-limit, limit).astype(dtype).astype(np.float32)
            expected[row, start : start + 32] = element * scale
    np.testing.assert_array_equal(codec(name).quantise(x, None), expected)


@given(seed=SEEDS, width=st.integers(1, 100))
def test_mxint8_equals_a_division(seed: int, width: int) -> None:
    """Elements of MXINT8 are rounded quotients by a 64th of the scale."""
    x = np.random.default_rng(seed).standard_normal((2, width)).astype(np.float32)
    for row, found in zip(x, codec("mxint8").quantise(x, None), strict=True):
        for start in range(0, width, 32):
            block = row[start : start + 32]
            step = 2.0 ** (np.floor(np.log2(np.abs(block).max())) - 6)
            expected = (np.rint(block / step).clip(-127, 127) * step).astype(np.float32)
            np.testing.assert_array_equal(found[start : start + 32], expected)


@pytest.mark.parametrize("name", [*ORACLES, "mxint8"])
def test_rounding_twice_with_own_scales_changes_nothing(name: str) -> None:
    """Rounded blocks have the scales that they were rounded with."""
    x = np.random.default_rng(3).standard_t(3, (20, 70)).astype(np.float32)
    once = codec(name).quantise(x, None)
    assert np.array_equal(codec(name).quantise(once, None), once)


def test_activations_bring_their_own_scales() -> None:
    """Nothing is calibrated: a row is rounded alike beside any other."""
    mxfp4 = codec("mxfp4")
    assert mxfp4.calibrated_scaling(Calibration.of_extremes(-1.0, 1.0)) is None
    x = np.random.default_rng(4).standard_normal((6, 48)).astype(np.float32)
    whole = mxfp4.quantise(x, None)
    assert np.array_equal(whole[2:3], mxfp4.quantise(x[2:3], None))


def test_extreme_and_empty_blocks() -> None:
    """Blocks near the ends of fp32 stay finite, zeros stay 0 and nothing stays nothing."""
    for scale in (1e-38, 1e38):
        x = (np.array([1.0, -2.0, 0.0]) * scale).astype(np.float32)
        assert np.isfinite(codec("mxint8").quantise(x, None)).all()
    assert codec("mxfp4").own_scaling(np.zeros((2, 32), dtype=np.float32)).factor.tolist() == [1, 1]
    assert codec("mxfp4").quantise(np.empty((0, 5), dtype=np.float32), None).shape == (0, 5)
