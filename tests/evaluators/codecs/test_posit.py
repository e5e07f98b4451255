"""Posits: known codes, a decoder that reads bits one by one, rounding by search, SQNR figures."""

from __future__ import annotations

import bisect
import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.codecs.codec import Codec, Scaling, Values
from evaluators.codecs.posit import PositCodec
from evaluators.codecs.registry import codec_of
from search_space import parse_number_format, posit

SMALL = [(n, es) for n in range(2, 9) for es in range(4)]
FORMATS = [*SMALL, (9, 0), (9, 4), (10, 1), (11, 2), (12, 0), (12, 1), (12, 2), (12, 3)]


def read_bits(word: str, es: int) -> Fraction | None:
    """What a posit's string of bits stands for, read from left to right; None for NaR."""
    if "1" not in word:
        return Fraction(0)
    if word[0] == "1" and "1" not in word[1:]:
        return None
    if word[0] == "1":
        complement = format((1 << len(word)) - int(word, 2), f"0{len(word)}b")
        positive = read_bits(complement, es)
        assert positive is not None
        return -positive
    first, run, rest = word[1], 0, word[1:]
    while rest.startswith(first):
        run, rest = run + 1, rest[1:]
    rest = rest[1:]  # the bit that ends the regime
    regime = run - 1 if first == "1" else -run
    exponent_text, fraction_text = rest[:es].ljust(es, "0"), rest[es:]
    leading: Fraction = Fraction(2) ** (regime * 2**es + (int(exponent_text, 2) if es else 0))
    ones = [place for place, bit in enumerate(fraction_text, start=1) if bit == "1"]
    return leading + sum((leading / 2**place for place in ones), Fraction(0))


@lru_cache
def positive_values(n: int, es: int) -> list[Fraction]:
    """Values of the codes 1 ... 2**(n-1) - 1."""
    words = (format(code, f"0{n}b") for code in range(1, 1 << (n - 1)))
    return [value for word in words if (value := read_bits(word, es)) is not None]


def slowly_rounded(x: float, n: int, es: int) -> Fraction:
    """The nearest posit: the middle of two codes is the posit of one bit more between them."""
    values = positive_values(n, es)
    magnitude = Fraction(abs(x))
    if magnitude == 0:
        return Fraction(0)
    if magnitude <= values[0]:
        nearest = values[0]
    elif magnitude >= values[-1]:
        nearest = values[-1]
    else:
        index = bisect.bisect_right(values, magnitude) - 1
        code = index + 1
        middle = read_bits(format(2 * code + 1, f"0{n + 1}b"), es)
        assert middle is not None
        down = magnitude < middle or (magnitude == middle and code % 2 == 0)
        nearest = values[index] if down else values[index + 1]
    return nearest if x > 0 else -nearest


def array(*values: float) -> Values:
    """Those values in fp32."""
    return np.array(values, dtype=np.float32)


@pytest.mark.parametrize(
    ("es", "at_0x50", "at_0x01"), [(0, 1.5, 2**-6), (1, 2.0, 2**-12), (2, 4.0, 2**-24)]
)
def test_known_codes_of_eight_bits(es: int, at_0x50: float, at_0x01: float) -> None:
    """0x40 is 1 in every posit; 0x50, 0x01 and 0x7F are known for es 0, 1 and 2; 0x80 is NaR."""
    numbers = PositCodec(posit(8, es)).numbers
    assert numbers[[0x00, 0x40, 0x50, 0x01, 0x7F]].tolist() == [0, 1, at_0x50, at_0x01, 1 / at_0x01]
    assert numbers[[0xC0, 0xB0]].tolist() == [-1, -at_0x50]
    assert np.flatnonzero(np.isnan(numbers)).tolist() == [0x80]


@pytest.mark.parametrize(("n", "es"), FORMATS)
def test_numbers_equal_a_decoder_that_reads_bits(n: int, es: int) -> None:
    """All 2**n codes are what a reading of their bits one by one says."""
    found = PositCodec(posit(n, es)).numbers
    for code in range(1 << n):
        expected = read_bits(format(code, f"0{n}b"), es)
        assert math.isnan(found[code]) if expected is None else found[code] == expected, code


@pytest.mark.parametrize(("n", "es"), SMALL)
def test_every_code_and_middle_is_rounded_as_by_search(n: int, es: int) -> None:
    """Values, middles of their bits and their fp32 neighbours become the nearest code's value."""
    codec = PositCodec(posit(n, es))
    values = positive_values(n, es)
    middles = [read_bits(format(2 * c + 1, f"0{n + 1}b"), es) for c in range(1, 1 << (n - 1))]
    points = array(*(float(v) for v in [*values, *middles] if v is not None))
    points = np.concatenate([points, np.nextafter(points, np.float32(0)), points * np.float32(1.1)])
    points = np.concatenate([points, np.nextafter(points, np.float32(np.inf)), -points])
    found = codec.quantise(points, Scaling.power_of_two(0))
    expected = [float(slowly_rounded(float(p), n, es)) for p in points]
    assert found.tolist() == expected


@given(
    st.sampled_from([(16, 1), (16, 2), (12, 1), (8, 2), (6, 3)]),
    st.lists(st.floats(-64, 64, width=32).filter(lambda v: v == 0 or abs(v) > 1e-30), min_size=1),
    st.integers(-10, 10),
)
def test_rounding_equals_the_search(
    fields: tuple[int, int], values: list[float], exponent: int
) -> None:
    """Under any power-of-two scale the same holds for any value."""
    found = PositCodec(posit(*fields)).quantise(array(*values), Scaling.power_of_two(exponent))
    scale = Fraction(2) ** exponent
    expected = [float(slowly_rounded(v / 2.0**exponent, *fields) * scale) for v in values]
    assert found.tolist() == expected


def test_nothing_but_zero_becomes_zero() -> None:
    """Tiny values become the smallest, huge ones the largest; zeros lose their sign."""
    codec = PositCodec(posit(8, 0))
    x = array(1e-30, -1e-30, 1e30, -1e30, 0.0, -0.0)
    found = codec.quantise(x, Scaling.power_of_two(0))
    assert found.tolist() == [2**-6, -(2**-6), 64, -64, 0, 0]
    assert not np.signbit(found[4:]).any()


def test_scale_has_the_least_squared_error() -> None:
    """No power of two within 40 octaves does better than the one chosen."""
    rng = np.random.default_rng(0)
    for es, scale in ((0, 0.04), (1, 3.0), (2, 1e-6)):
        codec = PositCodec(posit(8, es))
        x = (rng.standard_normal(1000) * scale).astype(np.float32)
        errors = {
            k: float(((codec.quantise(x, Scaling.power_of_two(k)) - x) ** 2).sum())
            for k in range(-30, 11)
        }
        chosen = codec.own_scaling(x).exponent
        assert errors[chosen] == pytest.approx(min(errors.values()), rel=1e-5)


def sqnr_db(x: Values, codec: Codec, scaling: Scaling | None) -> float:
    """Signal to quantisation noise, dB."""
    noise = codec.quantise(x, scaling).astype(np.float64) - x
    return float(10 * np.log10((x.astype(np.float64) ** 2).sum() / (noise**2).sum()))


@pytest.fixture(scope="module")
def weights() -> dict[str, Values]:
    """200,000 made-up weights of each distribution, standard deviation 0.04."""
    rng = np.random.default_rng(0)
    drawn = {
        "gauss": rng.standard_normal(200_000),
        "laplace": rng.laplace(size=200_000) / np.sqrt(2),
        "t3": rng.standard_t(3, 200_000) / np.sqrt(3),
    }
    return {name: (0.04 * values).astype(np.float32) for name, values in drawn.items()}


@pytest.mark.parametrize(
    ("name", "distribution", "unscaled", "best"),
    [
        ("posit<8,0>", "gauss", 16.1, 41.2),
        ("posit<8,0>", "laplace", 15.0, 39.4),
        ("posit<8,0>", "t3", 15.0, 34.2),
        ("posit<8,1>", "gauss", 27.6, 37.4),
        ("posit<8,1>", "laplace", 28.1, 37.2),
        ("posit<8,1>", "t3", 28.4, 35.5),
        ("posit<8,2>", "gauss", 27.8, 31.5),
        ("posit<8,2>", "laplace", 28.5, 31.6),
        ("posit<8,2>", "t3", 28.6, 31.5),
        ("posit<7,0>", "gauss", 8.4, 35.0),
        ("posit<7,0>", "laplace", 7.2, 33.3),
        ("posit<7,0>", "t3", 7.0, 27.8),
        ("posit<7,1>", "gauss", 21.6, 31.4),
        ("posit<7,1>", "laplace", 22.1, 31.2),
        ("posit<7,1>", "t3", 22.5, 29.8),
        ("posit<6,0>", "gauss", 0.3, 28.8),
        ("posit<6,0>", "laplace", -0.6, 27.0),
        ("posit<6,1>", "gauss", 15.7, 25.4),
        ("posit<6,1>", "laplace", 16.3, 25.3),
        ("posit<6,1>", "t3", 16.7, 23.5),
    ],
)
def test_sqnr_equals_the_reference(
    weights: dict[str, Values], name: str, distribution: str, unscaled: float, best: float
) -> None:
    """SQNR is within 0.5 dB of that of an independent program on weights of that distribution.

    Computed figures, not published ones; posit<6,0> on Student-t weights, whose error is that of
    the few largest draws, is left out.
    """
    x, codec = weights[distribution], codec_of(parse_number_format(name))
    assert sqnr_db(x, codec, Scaling.power_of_two(0)) == pytest.approx(unscaled, abs=0.5)
    assert sqnr_db(x, codec, None) == pytest.approx(best, abs=0.5)


@pytest.mark.parametrize(
    ("name", "distribution", "best"),
    [
        ("int8", "gauss", 39.1),
        ("int8", "laplace", 34.3),
        ("int8-mse", "gauss", 40.3),
        ("int8-mse", "laplace", 35.5),
        ("int6", "gauss", 26.9),
        ("int6", "laplace", 22.0),
        ("int6-mse", "gauss", 29.7),
        ("int6-mse", "laplace", 25.4),
        ("int4", "gauss", 14.0),
        ("int4", "laplace", 9.5),
        ("int4-mse", "gauss", 18.9),
        ("int4-mse", "laplace", 15.7),
    ],
)
def test_sqnr_of_integers_equals_the_reference(
    weights: dict[str, Values], name: str, distribution: str, best: float
) -> None:
    """The same for integers, by maximum and by MSE; on Student-t the largest draw decides."""
    x = weights[distribution]
    assert sqnr_db(x, codec_of(parse_number_format(name)), None) == pytest.approx(best, abs=0.5)
