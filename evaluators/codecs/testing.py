"""Conformance kit for codecs: what `evaluators.codecs.codec.Codec` promises, checked.

A test of one's own codec is ``check_codec(MyCodec(number_format))``. Every check raises
`AssertionError` with a sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from evaluators.codecs.calibration import Calibration
from evaluators.codecs.codec import Codec, Scaling, Values, by_group, n_groups
from evaluators.codecs.packing import decode, encode, pack, storage_bits, unpack
from search_space import FormatKind, ScaleSharing

_SHAPE: Final = (3, 70)
"""Of example tensors: several rows, and a last block that is shorter."""


def example_tensors() -> dict[str, Values]:
    """Tensors of shape (3, 70) by name: usual ones and awkward ones."""
    rng = np.random.default_rng(0)
    bell = rng.standard_normal(_SHAPE).astype(np.float32)
    ramp = np.linspace(-3, 3, bell.size, dtype=np.float32).reshape(_SHAPE)
    sparse = np.where(rng.random(_SHAPE) < 0.8, 0.0, bell).astype(np.float32)
    return {
        "bell": bell,
        "small": bell * np.float32(2.0**-20),
        "heavy-tailed": rng.standard_t(3, _SHAPE).astype(np.float32),
        "positive": np.abs(bell),
        "negative": -np.abs(bell),
        "ramp": ramp,
        "sparse": sparse,
        "constant": np.full(_SHAPE, 0.3, dtype=np.float32),
        "zeros": np.zeros(_SHAPE, dtype=np.float32),
    }


def check_codec(codec: Codec) -> None:
    """Check everything that a codec promises, on `example_tensors`.

    Raises:
        AssertionError: a promise is broken.
    """
    for check in CHECKS:
        check(codec)


def check_numbers(codec: Codec) -> None:
    """There is a number for every code, and only few codes are none."""
    bits = codec.number_format.bits
    if bits > 16:
        return
    _assert(
        codec.numbers.shape == (1 << bits,),
        f"numbers has shape {codec.numbers.shape}: expected ({1 << bits},).",
    )
    _assert(0.0 in codec.numbers, "No code is 0: expected one.")


def check_codes_are_kept(codec: Codec) -> None:
    """The value of every code is its own nearest value, and its code is that code."""
    number_format = codec.number_format
    if number_format.bits > 16:
        return
    codes = np.flatnonzero(~np.isnan(codec.numbers))
    count = n_groups(number_format, codes.shape)
    for exponent in (0, -5, 3):
        factor = np.full(count, 2.0**exponent, dtype=np.float32)
        if number_format.kind is FormatKind.INTEGER:
            factor *= np.float32(1.1)
        zero_point = 3 if number_format.affine else 0
        scaling = Scaling(factor, np.full(count, zero_point, dtype=np.int32))
        values = decode(codes.astype(np.uint16), codec, scaling)
        again = codec.quantise(values, scaling)
        _assert_equal(again, values, "The value of a code is rounded to another one")
        _assert_equal(encode(values, codec, scaling), codes, "The code of a code's value differs")


def check_rounding(codec: Codec) -> None:
    """Rounding keeps shape and argument, is idempotent and monotone, and odd if codes are."""
    symmetric = not codec.number_format.affine
    for name, x in example_tensors().items():
        scaling = codec.own_scaling(x)
        before = x.copy()
        once = codec.quantise(x, scaling)
        _assert(
            once.shape == x.shape and once.dtype == np.float32,
            f"{name}: quantise gives {once.dtype} of shape {once.shape}: expected float32 of "
            f"shape {x.shape}.",
        )
        _assert_equal(x, before, f"{name}: quantise changes its argument")
        _assert_equal(codec.quantise(x, None), once, f"{name}: None is not the tensor's own scale")
        _assert_equal(codec.quantise(once, scaling), once, f"{name}: rounding twice differs")
        if symmetric:
            _assert_equal(codec.quantise(-x, scaling), -once, f"{name}: rounding is not odd")
        if codec.number_format.scale_sharing is ScaleSharing.NONE:
            continue
        group = by_group(codec.number_format, x.shape)
        for index in range(n_groups(codec.number_format, x.shape)):
            order = np.argsort(x[group == index])
            steps = np.diff(once[group == index][order])
            _assert(
                bool((steps >= 0).all()),
                f"{name}: a larger number is rounded to a smaller one, by {steps.min():g}.",
            )


def check_error(codec: Codec) -> None:
    """A value lies between two neighbouring codes, one of which it becomes; or beyond the last."""
    if codec.number_format.bits > 16:
        return
    numbers = np.unique(codec.numbers[~np.isnan(codec.numbers)])
    for name, x in example_tensors().items():
        scaling = codec.own_scaling(x)
        rounded = codec.quantise(x, scaling)
        if len(scaling.factor):
            group = by_group(codec.number_format, x.shape)
            factor = scaling.factor.astype(np.float64)[group]
            low, high = x / factor, rounded / factor
            low, high = low + scaling.zero_point[group], high + scaling.zero_point[group]
        else:
            low, high = x.astype(np.float64), rounded.astype(np.float64)
        inside = low.clip(numbers[0], numbers[-1])
        above = np.searchsorted(numbers, inside)
        gap = numbers[above] - numbers[np.maximum(above - 1, 0)]
        excess = np.abs(high - inside) - gap
        slack = 1e-6 * max(1.0, float(np.abs(numbers).max()))
        _assert(
            bool((excess <= slack).all()),
            f"{name}: a value is further from its rounded one than two codes from each other.",
        )


def check_finite(codec: Codec) -> None:
    """Weights that are not finite are refused."""
    if codec.number_format.kind is FormatKind.IEEE:
        return
    for value in (np.inf, np.nan):
        x = np.array([[1.0, value]], dtype=np.float32)
        try:
            codec.own_scaling(x)
        except ValueError:
            continue
        raise AssertionError(f"Weights with {value} are given a scale: expected ValueError.")


def check_calibration(codec: Codec) -> None:
    """A calibrated scale does not depend on order or batches, and zeros alone have a scale."""
    x = np.concatenate(list(example_tensors().values()))
    seen = [Calibration(distribution=codec.needs_distribution) for _ in range(2)]
    seen[0].add(x)
    for row in x[::-1]:
        seen[1].add(row)
    whole, parts = (codec.calibrated_scaling(s) for s in seen)
    empty = codec.calibrated_scaling(Calibration(distribution=codec.needs_distribution))
    if whole is None or parts is None or empty is None:
        _assert(whole is parts is empty, "Some calibrations give a scale and others none.")
        return
    _assert_equal(whole.factor, parts.factor, "Batches change the calibrated scale")
    _assert_equal(whole.zero_point, parts.zero_point, "Batches change the calibrated zero point")
    nothing = np.zeros(3, dtype=np.float32)
    _assert_equal(codec.quantise(nothing, empty), nothing, "Zeros do not stay 0")


def check_storage(codec: Codec) -> None:
    """A packed image has the bits that it should, and unpacks to the rounded values."""
    number_format = codec.number_format
    for name, x in example_tensors().items():
        scaling = codec.own_scaling(x)
        rounded = codec.quantise(x, scaling)
        codes = encode(rounded, codec, scaling)
        _assert_equal(decode(codes, codec, scaling), rounded, f"{name}: codes are other values")
        packed = pack(rounded, codec, scaling)
        found = 8 * (len(packed.codes) + len(packed.scales)) - -(x.size * number_format.bits) % 8
        _assert(
            found == storage_bits(number_format, x.shape),
            f"{name}: an image takes {found} bits, expected "
            f"{storage_bits(number_format, x.shape)}.",
        )
        _assert_equal(unpack(packed, codec), rounded, f"{name}: an image is other values")


CHECKS: Final[tuple[Callable[[Codec], None], ...]] = (
    check_numbers,
    check_codes_are_kept,
    check_rounding,
    check_error,
    check_finite,
    check_calibration,
    check_storage,
)
"""What `check_codec` does."""


def _assert(holds: bool, sentence: str) -> None:
    if not holds:
        raise AssertionError(sentence)


def _assert_equal(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Two arrays are equal."""
    if not np.array_equal(found, expected):
        place = tuple(int(i) for i in np.argwhere(found != expected)[0])
        raise AssertionError(f"{what}: {found[place]} at {place}, expected {expected[place]}.")
