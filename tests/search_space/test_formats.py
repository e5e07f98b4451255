"""Number formats by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space import (
    FP16,
    FP32,
    FormatKind,
    NumberFormat,
    adaptivfloat,
    minifloat,
    parse_number_format,
)

ADAPTIVFLOAT_FIELDS = st.integers(2, 16).flatmap(
    lambda bits: st.tuples(st.just(bits), st.integers(1, bits - 1))
)


@given(ADAPTIVFLOAT_FIELDS)
def test_name_and_format_are_inverse(fields: tuple[int, int]) -> None:
    """Reading the name of a format gives the format back."""
    number_format = adaptivfloat(*fields)
    assert parse_number_format(str(number_format)) == number_format


@given(ADAPTIVFLOAT_FIELDS)
def test_sign_exponent_and_mantissa_fill_the_bits(fields: tuple[int, int]) -> None:
    """One sign bit, the exponent and the mantissa make up the storage bits."""
    number_format = adaptivfloat(*fields)
    assert 1 + number_format.exponent_bits + number_format.mantissa_bits == number_format.bits
    assert number_format.mantissa_bits >= 0


@pytest.mark.parametrize(
    ("name", "bits", "exponent_bits", "mantissa_bits"),
    [
        ("fp32", 32, 8, 23),
        ("fp16", 16, 5, 10),
        ("adaptivfloat<8,3>", 8, 3, 4),
        ("adaptivfloat<4,2>", 4, 2, 1),
        ("adaptivfloat<3,2>", 3, 2, 0),
        ("minifloat<8,4>", 8, 4, 3),
        ("minifloat<8,5>", 8, 5, 2),
        ("int8", 8, 0, 7),
        ("int2", 2, 0, 1),
        ("posit<8,1>", 8, 1, 4),
        ("posit<2,0>", 2, 0, 0),
    ],
)
def test_fields_of_known_formats(
    name: str, bits: int, exponent_bits: int, mantissa_bits: int
) -> None:
    """The fields are those of IEEE 754, the AdaptivFloat paper and the posit standard."""
    number_format = parse_number_format(name)
    assert (number_format.bits, number_format.exponent_bits) == (bits, exponent_bits)
    assert number_format.mantissa_bits == mantissa_bits
    assert str(number_format) == name


def test_ieee_names_give_the_constants() -> None:
    """fp32 and fp16 are one object each."""
    assert parse_number_format("fp32") is FP32
    assert parse_number_format("fp16") is FP16


def test_usual_names_of_eight_bit_floats() -> None:
    """E4M3 and E5M2 are minifloats."""
    assert parse_number_format("e4m3") == minifloat(8, 4)
    assert parse_number_format("e5m2") == minifloat(8, 5)


@pytest.mark.parametrize(
    "name",
    ["", "fp8", "FP32", " fp16", "adaptivfloat<8>", "adaptivfloat<8,3", "adaptivfloat<-8,3>"],
)
def test_unknown_name_says_what_is_known(name: str) -> None:
    """A name that is no format is refused with the names that are."""
    with pytest.raises(ValueError, match=r"is not known: expected 'fp32', 'fp16', 'int8', 'e4m3'"):
        parse_number_format(name)


@pytest.mark.parametrize(("bits", "exponent_bits"), [(1, 1), (17, 3), (8, 0), (8, 8), (2, 2)])
def test_impossible_adaptivfloat_is_refused(bits: int, exponent_bits: int) -> None:
    """Widths outside 2 to 16 bits, no exponent, or no room for it are refused."""
    with pytest.raises(ValueError, match=rf"<{bits},{exponent_bits}>: expected 2 to 16 bits"):
        adaptivfloat(bits, exponent_bits)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("int1", "Integer format int1: expected 2 to 16 bits"),
        ("int17", "Integer format int17: expected 2 to 16 bits"),
        ("posit<1,0>", "Posit format <1,0>: expected 2 to 16 bits and an es of 0 to 4"),
        ("posit<8,5>", "Posit format <8,5>: expected 2 to 16 bits and an es of 0 to 4"),
        ("minifloat<8,8>", "Minifloat format <8,8>: expected 2 to 16 bits"),
    ],
)
def test_impossible_widths_are_refused(name: str, message: str) -> None:
    """Widths that leave no room for a value are named with what was expected."""
    with pytest.raises(ValueError, match=message):
        parse_number_format(name)


def test_other_ieee_widths_are_refused() -> None:
    """Only fp32 and fp16 are implemented."""
    with pytest.raises(ValueError, match=r"expected fp32 \(8 exponent bits\) or fp16 \(5\)"):
        NumberFormat(FormatKind.IEEE, 64, 11)
