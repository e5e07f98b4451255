"""AdaptivFloat: the paper's example, an enumeration of all values as oracle, codes, properties."""

from __future__ import annotations

import bisect
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evaluators.codecs.codec import Scaling, exponent_of_maximum
from evaluators.codecs.packing import encode as encode_array
from evaluators.codecs.registry import codec_of
from evaluators.formats import decode, quantise
from search_space import FP16, FP32, NumberFormat, adaptivfloat, parse_number_format

BYTE_FORMATS = [adaptivfloat(bits, e) for bits in range(2, 9) for e in range(1, bits)]


@st.composite
def formats(draw: st.DrawFn) -> NumberFormat:
    """Formats of 3 to 12 bits, with and without a mantissa."""
    bits = draw(st.integers(2, 12))
    return adaptivfloat(bits, draw(st.integers(1, min(bits - 1, 6))))


@st.composite
def tensors(draw: st.DrawFn) -> list[float]:
    """Values of many magnitudes around a power of two, many of them halfway between two codes."""
    anything = st.floats(-4, 4, width=32)
    on_a_grid = st.integers(-300, 300).map(lambda k: k / 64)
    small = st.tuples(st.integers(-40, 40), st.integers(1, 14)).map(
        lambda p: p[0] / 8 * 0.5 ** p[1]
    )
    scale = 2.0 ** draw(st.integers(-20, 20))
    drawn = draw(st.lists(anything | on_a_grid | small, min_size=1, max_size=30))
    return [float(np.float32(value * scale)) for value in drawn]


def positive_values(number_format: NumberFormat, max_abs: float) -> list[float]:
    """All positive values of the format, smallest first, from the definition; index 0 is code 1."""
    exp_max = 0
    while max_abs > 0 and 2.0**exp_max > max_abs:
        exp_max -= 1
    while max_abs > 0 and 2.0 ** (exp_max + 1) <= max_abs:
        exp_max += 1
    e, m = number_format.exponent_bits, number_format.mantissa_bits
    exp_bias = exp_max - (2**e - 1)
    values = [2.0 ** (E + exp_bias) * (1 + M / 2**m) for E in range(2**e) for M in range(2**m)]
    return values[1:]


def slowly_rounded(x: float, values: list[float], number_format: NumberFormat) -> float:
    """The nearest value by search: a tie goes to the even mantissa, upwards if there is none."""
    magnitude = abs(x)
    if magnitude >= values[-1]:
        nearest = values[-1]
    elif magnitude < values[0]:
        nearest = values[0] if magnitude >= 0.5 * values[0] else 0.0
    else:
        index = bisect.bisect_right(values, magnitude) - 1
        low, high = values[index], values[index + 1]
        low_is_even = number_format.mantissa_bits > 0 and (index + 1) % 2 == 0
        to_low = magnitude - low < high - magnitude
        tie = magnitude - low == high - magnitude
        nearest = low if to_low or (tie and low_is_even) else high
    return math.copysign(nearest, x)


def encode(x: Tensor, number_format: NumberFormat, exp_max: int) -> Tensor:
    """Codes (same shape, uint8) of values that `quantise` returned."""
    scaling = Scaling.power_of_two(exp_max)
    return torch.from_numpy(encode_array(x.numpy(), codec_of(number_format), scaling))


def test_worked_example_of_the_paper() -> None:
    """AdaptivFloat<4,2> on a largest magnitude of 2.89 has the values ±{0, .375, .5, … 2, 3}."""
    codes = torch.arange(16, dtype=torch.uint8)
    values = decode(codes, adaptivfloat(4, 2), exponent_of_maximum(2.89))
    positive = [0.0, 0.375, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0]
    assert values.tolist() == positive + [-value for value in positive]


def test_rounding_in_the_worked_example() -> None:
    """<4,2> on 2.89 rounds to the nearest value, clamps at 3 and gives up 0.25 for zero."""
    x = torch.tensor([2.89, -2.6, 2.4, 1.3, -0.6, 0.25, 0.1875, 0.18, -0.1, 0.0])
    expected = [3.0, -3.0, 2.0, 1.5, -0.5, 0.375, 0.375, 0.0, 0.0, 0.0]
    assert quantise(x, adaptivfloat(4, 2)).tolist() == expected


def test_ties_go_to_the_even_mantissa() -> None:
    """Halfway between 1 and 1.5 is 1, halfway between 1.5 and 2 is 2, both mantissas being 0."""
    x = torch.tensor([1.25, 1.75, 2.5, 2.89])
    assert quantise(x, adaptivfloat(4, 2)).tolist() == [1.0, 2.0, 2.0, 3.0]


def test_ties_without_a_mantissa_go_up() -> None:
    """A format of powers of two rounds 1.5 to 2, and what is above its largest power down to it."""
    x = torch.tensor([1.5, 3.0, 0.75, 4.0, 7.9])
    assert quantise(x, adaptivfloat(3, 2)).tolist() == [2.0, 4.0, 1.0, 4.0, 4.0]


@given(tensors(), formats())
def test_weights_equal_the_enumeration(values: list[float], number_format: NumberFormat) -> None:
    """With the tensor's own maximum every value is the nearest of all that the format has."""
    table = positive_values(number_format, max(abs(value) for value in values))
    expected = [slowly_rounded(value, table, number_format) for value in values]
    assert quantise(torch.tensor(values), number_format).tolist() == expected


@given(tensors(), formats(), st.floats(2.0**-12, 2.0**12, width=32))
def test_activations_equal_the_enumeration(
    values: list[float], number_format: NumberFormat, max_abs: float
) -> None:
    """With a calibrated maximum the same holds, values beyond it being clamped."""
    table = positive_values(number_format, max_abs)
    expected = [slowly_rounded(value, table, number_format) for value in values]
    assert quantise(torch.tensor(values), number_format, max_abs).tolist() == expected


@pytest.mark.parametrize("number_format", BYTE_FORMATS, ids=str)
@pytest.mark.parametrize("exp_max", [2, 6])
def test_codes_and_values_are_one_to_one(number_format: NumberFormat, exp_max: int) -> None:
    """Decoding any code and encoding its value gives the code back, negative zero included."""
    codes = torch.arange(1 << number_format.bits, dtype=torch.uint8)
    values = decode(codes, number_format, exp_max)
    assert encode(values, number_format, exp_max).tolist() == codes.tolist()
    assert torch.equal(quantise(values, number_format, 2.0**exp_max), values)
    distinct = set(values.tolist())
    assert len(distinct) == len(codes) - 1  # the two zeros are equal


@given(tensors(), st.sampled_from(BYTE_FORMATS))
def test_storing_rounded_values_loses_nothing(
    values: list[float], number_format: NumberFormat
) -> None:
    """Decoding the codes of a rounded tensor gives exactly that tensor."""
    x = torch.tensor(values)
    exp_max = exponent_of_maximum(float(x.abs().max()))
    if exp_max - (1 << number_format.exponent_bits) < -125:
        return  # its smallest values are not normal numbers of fp32
    rounded = quantise(x, number_format)
    assert torch.equal(
        decode(encode(rounded, number_format, exp_max), number_format, exp_max), rounded
    )


@given(tensors(), formats())
def test_rounding_twice_changes_nothing(values: list[float], number_format: NumberFormat) -> None:
    """Rounded values are their own nearest values, also when their own maximum sets the scale."""
    once = quantise(torch.tensor(values), number_format)
    assert torch.equal(quantise(once, number_format), once)


@given(tensors(), formats())
def test_rounding_keeps_order_and_sign(values: list[float], number_format: NumberFormat) -> None:
    """A larger number never rounds to a smaller one, and minus x rounds to minus its value."""
    x = torch.tensor(sorted(values))
    rounded = quantise(x, number_format)
    assert (rounded.diff() >= 0).all()
    assert torch.equal(quantise(-x, number_format), -rounded)


@given(tensors(), formats())
def test_rounding_error_is_bounded(values: list[float], number_format: NumberFormat) -> None:
    """The error is at most half a step: relative in the range, half the least value below it."""
    x = torch.tensor(values, dtype=torch.float32)
    table = positive_values(number_format, float(x.abs().max()))
    error = (quantise(x, number_format).double() - x.double()).abs()
    magnitude = x.double().abs()
    inside = (magnitude >= table[0]) & (magnitude <= table[-1])
    half_step = 2.0 ** -(number_format.mantissa_bits + 1)
    # A format without mantissa has its middle at 1.5, so down from there is a third of the value.
    bound = half_step if number_format.mantissa_bits else 0.5
    assert (error[inside] <= bound * magnitude[inside]).all()
    assert (error[magnitude < table[0]] <= 0.5 * table[0]).all()


@given(tensors(), st.integers(1, 4), st.integers(1, 6))
def test_a_mantissa_bit_more_never_rounds_worse_in_the_range(
    values: list[float], exponent_bits: int, mantissa_bits: int
) -> None:
    """One more mantissa bit never increases the error of a value that neither format clamps."""
    x = torch.tensor(values)
    narrow, wide = (
        adaptivfloat(1 + exponent_bits + m, exponent_bits)
        for m in (mantissa_bits, mantissa_bits + 1)
    )
    table = positive_values(narrow, float(x.abs().max()))
    inside = (x.abs() >= table[0]) & (x.abs() <= table[-1])
    errors = [(quantise(x, f) - x).abs()[inside] for f in (narrow, wide)]
    assert (errors[1] <= errors[0]).all()


def test_zeros_stay_zeros_with_their_sign() -> None:
    """Zero, negative zero and what is far too small become zero and keep their sign."""
    x = torch.tensor([0.0, -0.0, 1e-30, -1e-30, 1.0])
    rounded = quantise(x, adaptivfloat(8, 3))
    assert rounded.tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert torch.signbit(rounded).tolist() == [False, True, False, True, False]
    assert encode(rounded, adaptivfloat(8, 3), 0).tolist()[:4] == [0, 128, 0, 128]


def test_tensor_of_zeros_stays_zero() -> None:
    """A tensor without any magnitude is representable in every format."""
    assert quantise(torch.zeros(2, 3), adaptivfloat(4, 2)).tolist() == [[0.0] * 3] * 2


def test_shape_and_layout_do_not_matter() -> None:
    """A transposed view rounds like its copy, and the argument is left as it was."""
    x = torch.randn(5, 7, generator=torch.manual_seed(0))
    before = x.clone()
    assert torch.equal(
        quantise(x.T, adaptivfloat(6, 3)), quantise(x.T.contiguous(), adaptivfloat(6, 3))
    )
    assert torch.equal(x, before)


def test_fp32_is_left_alone() -> None:
    """fp32 returns the tensor itself."""
    x = torch.tensor([1 / 3, -1e-30])
    assert quantise(x, FP32) is x


def test_fp16_rounds_as_numpy_does() -> None:
    """fp16 gives the nearest half-precision numbers, subnormal ones included."""
    x = torch.randn(1_000, generator=torch.manual_seed(0)) * torch.logspace(-9, 3, 1_000)
    expected = x.numpy().astype(np.float16).astype(np.float32)
    assert np.array_equal(quantise(x, FP16).numpy(), expected)


@pytest.mark.parametrize(
    ("max_abs", "expected"),
    [(0.0, 0), (1.0, 0), (1.999, 0), (2.0, 1), (2.89, 1), (0.5, -1), (0.49, -2), (1e-3, -10)],
)
def test_exponent_of_maximum(max_abs: float, expected: int) -> None:
    """The exponent is the power of two at or just below the largest magnitude, 0 for none."""
    assert exponent_of_maximum(max_abs) == expected


@pytest.mark.parametrize("max_abs", [-1.0, math.inf, math.nan])
def test_largest_magnitude_must_be_finite(max_abs: float) -> None:
    """A negative or non-finite largest magnitude is refused with its value."""
    with pytest.raises(ValueError, match=rf"magnitude {max_abs}.*expected a finite number >= 0"):
        exponent_of_maximum(max_abs)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_weights_must_be_finite(value: float) -> None:
    """A weight that is not finite is refused, not rounded."""
    with pytest.raises(ValueError, match="expected a finite number"):
        quantise(torch.tensor([1.0, value]), adaptivfloat(8, 3))


@pytest.mark.parametrize("number_format", [FP16, FP32, adaptivfloat(9, 3)], ids=str)
def test_only_byte_formats_have_codes(number_format: NumberFormat) -> None:
    """Codes of IEEE formats and of more than 8 bits are refused by name."""
    with pytest.raises(ValueError, match=f"{number_format}: only AdaptivFloat of at most 8 bits"):
        decode(torch.ones(1, dtype=torch.uint8), number_format, 0)


@pytest.mark.parametrize("name", ["int8", "int8-channel", "e4m3", "posit<8,1>", "mxfp8-e4m3"])
def test_other_formats_are_rounded_by_their_codecs(name: str) -> None:
    """A torch tensor of any layout becomes what the codec makes of the array."""
    number_format = parse_number_format(name)
    x = torch.randn(40, 6, generator=torch.manual_seed(0)).T
    expected = codec_of(number_format).quantise(np.ascontiguousarray(x.numpy()), None)
    assert np.array_equal(quantise(x, number_format).numpy(), expected)


def test_a_largest_magnitude_is_not_enough_for_a_posit() -> None:
    """A scale by squared error is not made up from a maximum."""
    with pytest.raises(ValueError, match="expected one that keeps the distribution"):
        quantise(torch.ones(2), parse_number_format("posit<8,1>"), 1.0)
