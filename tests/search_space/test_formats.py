"""Number formats by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space import (
    FP16,
    FP32,
    Clipping,
    FormatKind,
    NumberFormat,
    ScaleSharing,
    adaptivfloat,
    integer,
    minifloat,
    mx,
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


INTEGERS = st.builds(
    lambda bits, affine, per_channel, clipping, percentile: integer(
        bits,
        affine=affine,
        per_channel=per_channel,
        clipping=clipping,
        percentile=percentile / 1000 if clipping is Clipping.PERCENTILE else 100.0,
    ),
    st.integers(2, 16),
    st.booleans(),
    st.booleans(),
    st.sampled_from(Clipping),
    st.integers(50_001, 99_999),
)


@given(INTEGERS)
def test_names_of_integers_hold_their_options(number_format: NumberFormat) -> None:
    """Reading the name of an integer with options gives it back."""
    assert parse_number_format(str(number_format)) == number_format


def test_options_of_integers_by_name() -> None:
    """Zero point, channels and clipping are words after the bits, in this order."""
    found = parse_number_format("int4-affine-channel-p99.9")
    options = {"affine": True, "per_channel": True, "clipping": Clipping.PERCENTILE}
    assert found == integer(4, percentile=99.9, **options)  # type: ignore[arg-type]
    assert str(integer(8, clipping=Clipping.MSE)) == "int8-mse"
    assert str(integer(8)) == "int8"


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("mxint8", (8, 0)),
        ("mxfp8-e4m3", (8, 4)),
        ("mxfp8-e5m2", (8, 5)),
        ("mxfp6-e3m2", (6, 3)),
        ("mxfp6-e2m3", (6, 2)),
        ("mxfp4", (4, 2)),
    ],
)
def test_block_formats_by_name(name: str, fields: tuple[int, int]) -> None:
    """The concrete formats of the MX specification have names of their own."""
    found = parse_number_format(name)
    assert found == mx(*fields)
    assert str(found) == name
    assert found.element == (minifloat(*fields) if fields[1] else integer(8))
    assert parse_number_format("mxfp4-e2m1") == mx(4, 2)


@pytest.mark.parametrize(
    ("name", "sharing", "scale_bits"),
    [
        ("fp16", ScaleSharing.NONE, 0),
        ("adaptivfloat<8,3>", ScaleSharing.TENSOR, 8),
        ("posit<8,1>", ScaleSharing.TENSOR, 8),
        ("int8", ScaleSharing.TENSOR, 32),
        ("int8-channel", ScaleSharing.CHANNEL, 32),
        ("int4-affine", ScaleSharing.TENSOR, 40),
        ("int16-affine-channel", ScaleSharing.CHANNEL, 48),
        ("mxfp4", ScaleSharing.BLOCK, 8),
    ],
)
def test_what_shares_a_scale(name: str, sharing: ScaleSharing, scale_bits: int) -> None:
    """A power of two is a byte, a real scale is fp32, and a zero point one byte or two."""
    found = parse_number_format(name)
    assert (found.scale_sharing, found.scale_bits) == (sharing, scale_bits)


@pytest.mark.parametrize(
    "name", ["int8-channel-affine", "int8-p99-mse", "int8-", "int8-max", "mxfp8", "mxint4", "mx"]
)
def test_other_orders_and_options_are_refused(name: str) -> None:
    """One spelling for one format: what is not it is refused with those that are known."""
    with pytest.raises(ValueError, match=r"is not known: expected .*'-p99.9' after it"):
        parse_number_format(name)


@pytest.mark.parametrize("percentile", [50.0, 100.0, 99.99999])
def test_percentiles_outside_the_range_are_refused(percentile: float) -> None:
    """A percentile is above 50, below 100 and of at most six digits."""
    with pytest.raises(ValueError, match="expected a percentile between 50 and 100"):
        integer(8, clipping=Clipping.PERCENTILE, percentile=percentile)
    with pytest.raises(ValueError, match="Clipping 'max' at percentile 99"):
        integer(8, percentile=99.0)


def test_options_belong_to_integers() -> None:
    """A posit with a zero point is refused."""
    with pytest.raises(ValueError, match="expected such options of an integer alone"):
        NumberFormat(FormatKind.POSIT, 8, 1, affine=True)


def test_other_block_formats_are_refused() -> None:
    """Elements that the MX specification does not have are refused with those it has."""
    with pytest.raises(
        ValueError, match="4 bits and 0 exponent bits: expected one of mxint8, mxfp8"
    ):
        mx(4, 0)
