"""Minifloats: values and specials of the specifications, rounding by hand, ml_dtypes as oracle."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.codecs.calibration import Calibration
from evaluators.codecs.codec import Scaling, Values
from evaluators.codecs.minifloat import MinifloatCodec, float_grid
from search_space import minifloat

UNSCALED = Scaling.power_of_two(0)
ORACLES = {
    (8, 4): ml_dtypes.float8_e4m3fn,
    (8, 5): ml_dtypes.float8_e5m2,
    (6, 3): ml_dtypes.float6_e3m2fn,
    (6, 2): ml_dtypes.float6_e2m3fn,
    (4, 2): ml_dtypes.float4_e2m1fn,
}
EDGES = st.floats(-600, 600, width=32) | st.integers(-2000, 2000).map(lambda k: k / 1024)


def array(*values: float) -> Values:
    """Those values in fp32."""
    return np.array(values, dtype=np.float32)


def test_all_values_of_fp4() -> None:
    """E2M1 has ±{0, 0.5, 1, 1.5, 2, 3, 4, 6}: MX specification, table 5."""
    positive = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    assert MinifloatCodec(minifloat(4, 2)).numbers.tolist() == positive + [-v for v in positive]


@pytest.mark.parametrize(
    ("fields", "largest", "smallest_normal", "smallest"),
    [
        ((8, 4), 448.0, 2.0**-6, 2.0**-9),
        ((8, 5), 57344.0, 2.0**-14, 2.0**-16),
        ((6, 3), 28.0, 0.25, 0.0625),
        ((6, 2), 7.5, 1.0, 0.125),
        ((4, 2), 6.0, 1.0, 0.5),
        ((8, 3), 31.0, 0.25, 2.0**-6),
        ((4, 1), 3.5, 2.0, 0.5),
        ((3, 2), 4.0, 1.0, 1.0),
    ],
)
def test_ranges(
    fields: tuple[int, int], largest: float, smallest_normal: float, smallest: float
) -> None:
    """The ends of the range are those of OFP8 table 1 and MX section 5.3, others as by the rule."""
    codec = MinifloatCodec(minifloat(*fields))
    positive = codec.numbers[codec.numbers > 0]
    assert (positive.max(), positive.min()) == (largest, smallest)
    assert 2.0 ** float_grid(codec.number_format).least_exponent == smallest_normal


def test_specials_are_those_of_the_specification() -> None:
    """E4M3 has a NaN of either sign, E5M2 four codes of either sign that are no number."""
    e4m3, e5m2 = (MinifloatCodec(minifloat(8, e)).numbers for e in (4, 5))
    assert np.flatnonzero(np.isnan(e4m3)).tolist() == [0x7F, 0xFF]
    assert np.flatnonzero(np.isnan(e5m2)).tolist() == [*range(0x7C, 0x80), *range(0xFC, 0x100)]
    assert not np.isnan(MinifloatCodec(minifloat(8, 3)).numbers).any()


def test_rounding_by_hand() -> None:
    """E2M1 rounds to nearest, ties to even, subnormals alike, and saturates."""
    x = array(0.24, 0.25, 0.26, 0.75, 1.25, 2.5, 5.0, 5.1, 7.0, 1e9, -0.75, -1e9)
    expected = [0, 0, 0.5, 1, 1, 2, 4, 6, 6, 6, -1, -6]
    assert MinifloatCodec(minifloat(4, 2)).quantise(x, UNSCALED).tolist() == expected


def test_codes_by_hand() -> None:
    """E4M3: 1 is 0x38, 448 is 0x7E, the smallest subnormal is 1, and minus sets the top bit."""
    numbers = MinifloatCodec(minifloat(8, 4)).numbers
    assert numbers[[0x38, 0x7E, 0x01, 0x08, 0xB8]].tolist() == [1, 448, 2**-9, 2**-6, -1]


@pytest.mark.parametrize("fields", ORACLES, ids=str)
def test_numbers_equal_the_oracle(fields: tuple[int, int]) -> None:
    """Every code is the number that ml_dtypes reads, or not a finite number there either."""
    codes = np.arange(1 << fields[0], dtype=np.uint8)
    expected = codes.view(ORACLES[fields]).astype(np.float64)
    expected[~np.isfinite(expected)] = np.nan
    found = MinifloatCodec(minifloat(*fields)).numbers
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found)[found == 0], np.signbit(expected)[found == 0])


@pytest.mark.parametrize("fields", ORACLES, ids=str)
@given(values=st.lists(EDGES, min_size=1, max_size=50))
def test_rounding_equals_the_oracle(fields: tuple[int, int], values: list[float]) -> None:
    """Inside the range a value becomes what ml_dtypes makes of it; beyond, the largest."""
    codec = MinifloatCodec(minifloat(*fields))
    x = array(*values)
    limit = np.float32(codec.grid.largest)
    expected = x.clip(-limit, limit).astype(ORACLES[fields]).astype(np.float32)
    np.testing.assert_array_equal(codec.quantise(x, UNSCALED), expected)


def test_sixteen_bits_equal_half_precision() -> None:
    """minifloat<16,5> rounds as IEEE half precision up to 65504, its subnormals included."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(10_000) * np.logspace(-9, 4, 10_000)).astype(np.float32)
    expected = x.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(MinifloatCodec(minifloat(16, 5)).quantise(x, UNSCALED), expected)


@pytest.mark.parametrize(
    ("max_abs", "exponent"), [(448.0, 0), (449.0, 1), (224.0, -1), (0.0, 0), (1.75, -8), (1.8, -7)]
)
def test_scale_brings_the_maximum_into_range(max_abs: float, exponent: int) -> None:
    """The scale of E4M3 is the least power of two with maximum <= 448 × scale."""
    codec = MinifloatCodec(minifloat(8, 4))
    assert codec.own_scaling(array(0.1 * max_abs, -max_abs)).exponent == exponent
    calibrated = codec.calibrated_scaling(Calibration.of_extremes(0.0, max_abs))
    assert calibrated is not None
    assert calibrated.exponent == exponent


@given(st.lists(EDGES, min_size=1, max_size=20), st.integers(-40, 40))
def test_powers_of_two_scale_everything(values: list[float], exponent: int) -> None:
    """A tensor times a power of two is rounded to that many times the values."""
    codec = MinifloatCodec(minifloat(8, 4))
    x = array(*(0.0 if abs(value) < 2.0**-20 else value for value in values))
    scaled = codec.quantise(np.ldexp(x, exponent), None)
    np.testing.assert_array_equal(scaled, np.ldexp(codec.quantise(x, None), exponent))


def test_extreme_tensors_stay_finite() -> None:
    """Tensors near the ends of fp32 are rounded to finite numbers, if coarsely."""
    codec = MinifloatCodec(minifloat(4, 2))
    for scale in (1e-38, 1e38):
        rounded = codec.quantise(array(1.0, -2.0, 0.0) * np.float32(scale), None)
        assert np.isfinite(rounded).all()
