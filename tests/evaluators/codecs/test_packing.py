"""Packed images: bytes by hand, and images that do not fit their shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluators.codecs.codec import Scaling
from evaluators.codecs.packing import pack, storage_bits, unpack
from evaluators.codecs.registry import codec_of
from search_space import parse_number_format


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("fp32", 32 * 70),
        ("fp16", 16 * 70),
        ("adaptivfloat<8,3>", 8 * 70 + 8),
        ("posit<6,1>", 6 * 70 + 8),
        ("int4", 4 * 70 + 32),
        ("int4-channel", 4 * 70 + 2 * 32),
        ("int8-affine-channel", 8 * 70 + 2 * 40),
        ("int16-affine", 16 * 70 + 48),
        ("mxfp4", 4 * 70 + 2 * 2 * 8),
    ],
)
def test_storage_of_two_rows_of_35(name: str, bits: int) -> None:
    """Codes and shared scales: one, one for each row, or two blocks a row."""
    assert storage_bits(parse_number_format(name), (2, 35)) == bits


def test_bytes_by_hand() -> None:
    """int4 codes 1, 2, -1 take a byte and a half, least bits first; the scale is fp32."""
    int4 = codec_of(parse_number_format("int4"))
    packed = pack(np.array([1, 2, -1], dtype=np.float32), int4, Scaling.power_of_two(0))
    assert packed.codes == bytes([0x21, 0x0F])
    assert packed.scales == np.float32(1).tobytes()
    assert unpack(packed, int4).tolist() == [1, 2, -1]


def test_zero_points_follow_the_scales() -> None:
    """int2-affine of -1 ... 2: step 1, zero point 1 in a byte of its own."""
    affine = codec_of(parse_number_format("int2-affine"))
    x = np.array([-1, 0, 2], dtype=np.float32)
    packed = pack(x, affine, affine.own_scaling(x))
    assert packed.scales == np.float32(1).tobytes() + bytes([1])
    assert packed.codes == bytes([0b110100])


@pytest.mark.parametrize("field", ["codes", "scales"])
def test_images_of_another_length_are_refused(field: str) -> None:
    """A byte too few is named with what was expected."""
    mxfp4 = codec_of(parse_number_format("mxfp4"))
    x = np.ones((2, 40), dtype=np.float32)
    packed = pack(x, mxfp4, mxfp4.own_scaling(x))
    cut = replace(packed, **{field: getattr(packed, field)[:-1]})
    with pytest.raises(ValueError, match=rf"of shape \(2, 40\) in mxfp4 with \d+ bytes of {field}"):
        unpack(cut, mxfp4)


def test_scales_beyond_a_byte_are_refused() -> None:
    """A power of two that E8M0 cannot hold is not packed as another one."""
    codec = codec_of(parse_number_format("adaptivfloat<4,2>"))
    x = np.array([1e-42], dtype=np.float32)
    with pytest.raises(ValueError, match=r"Scale 2\*\*-140 of a packed tensor: expected 2\*\*-127"):
        pack(codec.quantise(x, None), codec, codec.own_scaling(x))
