"""Integers: scales, zero points and clipping by hand; brute force for the least squared error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.codecs.calibration import Calibration
from evaluators.codecs.codec import Scaling, Values
from evaluators.codecs.integer import IntegerCodec
from evaluators.codecs.packing import encode
from search_space import Clipping, integer, parse_number_format

TENSORS = st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=40)


def codec(name: str) -> IntegerCodec:
    """The codec of that integer."""
    return IntegerCodec(parse_number_format(name))


def array(*values: float) -> Values:
    """Those values in fp32."""
    return np.array(values, dtype=np.float32)


def test_symmetric_by_hand() -> None:
    """int4 on a maximum of 7 has the integers -7 ... 7; ties go to even; -8 is not used."""
    x = array(7.0, -7.0, 0.5, 1.5, -2.5, 3.4, 0.0)
    int4 = codec("int4")
    assert int4.own_scaling(x).factor.tolist() == [1.0]
    assert int4.quantise(x, None).tolist() == [7, -7, 0, 2, -2, 3, 0]
    assert np.flatnonzero(np.isnan(int4.numbers)).tolist() == [8]
    assert int4.numbers[[7, 9, 15]].tolist() == [7, -7, -1]
    assert encode(array(7.0, -7.0, -1.0), int4, Scaling.power_of_two(0)).tolist() == [7, 9, 15]


def test_values_beyond_the_calibrated_maximum_are_clipped() -> None:
    """int8 calibrated to 127 gives 127 for more."""
    int8 = codec("int8")
    scaling = int8.calibrated_scaling(Calibration.of_extremes(-3.0, 127.0))
    assert int8.quantise(array(500.0, -1e30, 12.6), scaling).tolist() == [127, -127, 13]


def test_affine_by_hand() -> None:
    """-1 ... 2 in 2 bits: steps of 1, zero point 1; 0 is a value and so are both ends."""
    x = array(-1.0, 0.0, 0.4, 1.6, 2.0)
    scaling = codec("int2-affine").own_scaling(x)
    assert (scaling.factor.tolist(), scaling.zero_point.tolist()) == ([1.0], [1])
    assert codec("int2-affine").quantise(x, scaling).tolist() == [-1, 0, 0, 2, 2]
    assert encode(array(-1, 0, 2), codec("int2-affine"), scaling).tolist() == [0, 1, 3]


@pytest.mark.parametrize(
    ("values", "zero_point"), [((0.5, 2.55), 0), ((-2.55, -0.5), 255), ((0.0, 0.0), 0)]
)
def test_affine_range_always_holds_zero(values: tuple[float, ...], zero_point: int) -> None:
    """Values of one sign get a range that begins or ends at 0."""
    int8 = codec("int8-affine")
    scaling = int8.own_scaling(array(*values))
    assert scaling.zero_point.tolist() == [zero_point]
    assert int8.quantise(array(0.0), scaling).tolist() == [0.0]


def test_affine_activations_use_the_least_value() -> None:
    """Calibrated on -1 ... 3 the step is 4/255, half of what a symmetric range would need."""
    seen = Calibration.of_extremes(-1.0, 3.0)
    affine, symmetric = (codec(n).calibrated_scaling(seen) for n in ("int8-affine", "int8"))
    assert affine is not None
    assert symmetric is not None
    assert affine.factor.tolist() == [np.float32(4 / 255)]
    assert affine.zero_point.tolist() == [64]
    assert symmetric.factor.tolist() == [np.float32(3 / 127)]


def test_each_row_has_its_own_scale() -> None:
    """With a scale for each channel, a small row is not drowned by a large one."""
    x = np.array([[127.0, 1.0], [1.27, 0.01]], dtype=np.float32)
    channel = codec("int8-channel")
    np.testing.assert_allclose(channel.own_scaling(x).factor, [1.0, 0.01], rtol=1e-6)
    np.testing.assert_allclose(channel.quantise(x, None), x, rtol=1e-6)
    assert codec("int8").quantise(x, None).tolist() == [[127, 1], [1, 0]]


@given(st.lists(TENSORS.filter(lambda row: len(row) >= 4), min_size=1, max_size=4))
@pytest.mark.parametrize("name", ["int8", "int4-affine", "int4-mse", "int8-p90"])
def test_rows_are_rounded_as_if_alone(name: str, rows: list[list[float]]) -> None:
    """A matrix with a scale for each channel is its rows, each rounded as a tensor."""
    matrix = np.array([row[:4] for row in rows], dtype=np.float32)
    head, dash, tail = name.partition("-")
    per_channel = f"{head}-channel" + dash + tail
    if tail == "affine":
        per_channel = f"{head}-affine-channel"
    expected = [codec(name).quantise(row, None) for row in matrix]
    np.testing.assert_array_equal(codec(per_channel).quantise(matrix, None), np.stack(expected))


def test_percentile_by_hand() -> None:
    """The 90th percentile of the magnitudes 1 ... 10 is 9, and -10 is clipped to -9."""
    x = array(1, -2, 3, -4, 5, 6, 7, 8, 9, -10)
    scaling = codec("int8-p90").own_scaling(x)
    np.testing.assert_allclose(scaling.factor, 9 / 127, rtol=1e-6)
    assert codec("int8-p90").quantise(x, scaling)[-1] == pytest.approx(-9)


def test_affine_percentiles_cut_both_ends() -> None:
    """Of -10 ... 89 the 10th and 90th percentile are -1 and 79."""
    x = np.arange(-10, 90, dtype=np.float32)
    scaling = codec("int8-affine-p90").own_scaling(x)
    np.testing.assert_allclose(scaling.factor, (79 + 1) / 255, rtol=1e-6)
    assert scaling.zero_point.tolist() == [round(1 / (80 / 255))]


@given(TENSORS, st.floats(51, 99.9).map(lambda p: float(f"{p:.3g}")))
def test_percentile_equals_the_inverted_distribution(values: list[float], p: float) -> None:
    """The limit is the percentile that NumPy calls the inverted empirical distribution."""
    x = array(*values)
    number_format = integer(8, clipping=Clipping.PERCENTILE, percentile=p)
    limit = np.percentile(np.abs(x), p, method="inverted_cdf")
    expected = np.float32(float(limit) / 127) if limit / 127 > 2.0**-126 else None
    if expected is not None:
        assert IntegerCodec(number_format).own_scaling(x).factor.tolist() == [expected]


@pytest.mark.parametrize("name", ["int4-mse", "int4-affine-mse"])
def test_clipping_by_mse_tries_every_share(name: str) -> None:
    """No candidate range has a smaller squared error, each rounded anew by brute force."""
    x = np.random.default_rng(1).standard_t(3, 500).astype(np.float32)
    low, high = float(x.min()), float(x.max())
    errors = []
    for k in range(48):
        share = 2.0 ** (-k / 8)
        if name == "int4-mse":
            top = max(-low, high) * share
            step = top / 7
            rounded = np.rint(np.clip(x / step, -7, 7)) * step
        else:
            step = (high - low) * share / 15
            zero = np.rint(-low * share / step)
            rounded = (np.clip(np.rint(x / step) + zero, 0, 15) - zero) * step
        errors.append(float(((x - rounded) ** 2).sum()))
    found = float(((x - codec(name).quantise(x, None)) ** 2).sum())
    assert found == pytest.approx(min(errors), rel=1e-4)
    assert np.argmin(errors) > 0


@given(TENSORS)
def test_error_is_at_most_half_a_step(values: list[float]) -> None:
    """Without clipping every value is within half a step; an affine zero point adds nothing."""
    x = array(*values)
    for name in ("int8", "int8-affine", "int4"):
        scaling = codec(name).own_scaling(x)
        error = np.abs(codec(name).quantise(x, scaling).astype(np.float64) - x)
        slack = 1e-5 * float(np.abs(x).max())
        # Rounding the zero point may move the ends of an affine range by half a step.
        bound = 1.0 if name == "int8-affine" else 0.5
        assert (error <= bound * scaling.factor[0] + slack).all()


def test_calibrated_clipping_is_close_to_that_of_the_values() -> None:
    """The distribution kept while calibrating gives the scales of the values, but for its bins."""
    x = np.random.default_rng(2).standard_normal(50_000).astype(np.float32)
    seen = Calibration(distribution=True)
    seen.add(x)
    for name in ("int8-p99", "int4-mse", "int8-affine-p99.9", "int4-affine-mse"):
        calibrated = codec(name).calibrated_scaling(seen)
        assert calibrated is not None
        own = codec(name).own_scaling(x)
        assert calibrated.factor[0] == pytest.approx(own.factor[0], rel=0.01), name


def test_clipping_needs_a_distribution() -> None:
    """A scale by percentile or MSE is not found from a maximum alone."""
    for name in ("int8-p99", "int8-mse"):
        with pytest.raises(ValueError, match="expected one that keeps the distribution"):
            codec(name).calibrated_scaling(Calibration.of_extremes(-1.0, 1.0))
