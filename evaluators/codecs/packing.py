"""Codes of tensors, the bits that they take, and packed images that decode to the same values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.codecs.codec import Codec, Scaling, Values, by_group, n_groups
from search_space import FormatKind, NumberFormat

Codes = NDArray[np.unsignedinteger[Any]]


def encode(x: Values, codec: Codec, scaling: Scaling) -> Codes:
    """Codes (same shape) of values that the codec rounded under those scales.

    uint8 for formats of up to 8 bits, uint16 up to 16, uint32 for fp32. A value that is not in the
    format gets a neighbouring code.
    """
    number_format = codec.number_format
    if number_format.kind is FormatKind.IEEE:
        if number_format.bits == 32:
            return x.view(np.uint32)
        return x.astype(np.float16).view(np.uint16)
    table = codec.numbers
    codes = np.flatnonzero(~np.isnan(table))
    numbers, first = np.unique(table[codes], return_index=True)
    group = by_group(number_format, x.shape)
    wanted = x / scaling.factor.astype(np.float64)[group]
    if number_format.kind is FormatKind.INTEGER:
        wanted = np.rint(wanted) + scaling.zero_point[group]
    place = np.searchsorted((numbers[1:] + numbers[:-1]) / 2, wanted)
    found = codes[first[place]]
    negative_zero = np.flatnonzero((table == 0) & np.signbit(table))
    if len(negative_zero):
        found = np.where((wanted == 0) & np.signbit(x), negative_zero[0], found)
    return found.astype(_code_type(number_format.bits))


def decode(codes: Codes, codec: Codec, scaling: Scaling) -> Values:
    """Values (same shape) of codes under those scales."""
    number_format = codec.number_format
    if number_format.kind is FormatKind.IEEE:
        if number_format.bits == 32:
            return codes.view(np.float32)
        return codes.view(np.float16).astype(np.float32)
    group = by_group(number_format, codes.shape)
    number = codec.numbers[codes] - scaling.zero_point[group]
    values: Values = (number * scaling.factor.astype(np.float64)[group]).astype(np.float32)
    return values


def storage_bits(number_format: NumberFormat, shape: tuple[int, ...]) -> int:
    """Bits of a tensor of that shape, its scales and zero points included."""
    scales = n_groups(number_format, shape) * number_format.scale_bits
    return math.prod(shape) * number_format.bits + scales


@dataclass(frozen=True, slots=True)
class PackedTensor:
    """The image of a tensor in bytes.

    Attributes:
        number_format: of the values.
        shape: of the tensor.
        codes: codes in the order of the values, each least bit first, one after another without
            gaps, the first in the lowest bits; zeros fill the last byte.
        scales: scales in the order of groups: a byte exponent + 127 (E8M0) for a power of two, fp32
            with the least byte first for integers; then zero points of affine integers, one byte
            each, or two with the least first.
    """

    number_format: NumberFormat
    shape: tuple[int, ...]
    codes: bytes
    scales: bytes


def pack(x: Values, codec: Codec, scaling: Scaling) -> PackedTensor:
    """The image of values that the codec rounded under those scales.

    Raises:
        ValueError: a power-of-two scale is not between 2**-127 and 2**127.
    """
    number_format = codec.number_format
    return PackedTensor(
        number_format=number_format,
        shape=x.shape,
        codes=code_bytes(encode(x, codec, scaling), number_format.bits),
        scales=scale_bytes(number_format, scaling),
    )


def unpack(packed: PackedTensor, codec: Codec) -> Values:
    """The values of an image.

    Raises:
        ValueError: the image is not as long as its shape says.
    """
    number_format, size = packed.number_format, math.prod(packed.shape)
    expected = -(-size * number_format.bits // 8)
    if len(packed.codes) != expected:
        raise ValueError(
            f"Packed tensor of shape {packed.shape} in {number_format} with {len(packed.codes)} "
            f"bytes of codes: expected {expected}."
        )
    codes = codes_of_bytes(packed.codes, number_format.bits, size)
    return decode(
        codes.reshape(packed.shape),
        codec,
        scaling_of_bytes(packed.scales, number_format, packed.shape),
    )


def code_bytes(codes: Codes, bits: int) -> bytes:
    """Codes (any shape) of that many bits without gaps, as in `PackedTensor`."""
    flat = codes.reshape(-1)
    if bits in (8, 16, 32):
        return flat.astype(f"<u{bits // 8}").tobytes()
    places = np.arange(bits, dtype=flat.dtype)
    stream = (flat[:, None] >> places & 1).astype(np.uint8)
    return np.packbits(stream, bitorder="little").tobytes()


def codes_of_bytes(content: bytes, bits: int, count: int) -> Codes:
    """Codes (count,) of that many bits from what `code_bytes` made of them."""
    kind = _code_type(bits)
    if bits in (8, 16, 32):
        return np.frombuffer(content, dtype=f"<u{bits // 8}", count=count).astype(kind)
    stream = np.frombuffer(content, dtype=np.uint8)
    table = np.unpackbits(stream, bitorder="little", count=count * bits).reshape(count, bits)
    codes: Codes = np.zeros(count, dtype=kind)
    for place in range(bits):
        codes += table[:, place] * kind(1 << place)
    return codes


def _code_type(bits: int) -> type[np.uint8 | np.uint16 | np.uint32]:
    if bits <= 8:
        return np.uint8
    return np.uint16 if bits <= 16 else np.uint32


def scale_bytes(number_format: NumberFormat, scaling: Scaling) -> bytes:
    """Scales, and zero points behind them, as in `PackedTensor`.

    Raises:
        ValueError: a power-of-two scale is not between 2**-127 and 2**127.
    """
    if number_format.kind is FormatKind.INTEGER:
        zeros = scaling.zero_point.astype(_code_type(number_format.bits))
        tail = (
            zeros.astype(zeros.dtype.newbyteorder("<")).tobytes() if number_format.affine else b""
        )
        return scaling.factor.astype("<f4").tobytes() + tail
    exponents = np.frexp(scaling.factor)[1] + 126
    if ((exponents < 0) | (exponents > 254)).any():
        raise ValueError(
            f"Scale 2**{int(exponents.min()) - 127} of a packed tensor: expected 2**-127 to 2**127."
        )
    return exponents.astype(np.uint8).tobytes()


def scaling_of_bytes(
    content: bytes, number_format: NumberFormat, shape: tuple[int, ...]
) -> Scaling:
    """The scales of a tensor of that shape from what `scale_bytes` made of them.

    Raises:
        ValueError: they are not as many bytes as such a tensor has.
    """
    count = n_groups(number_format, shape)
    if len(content) * 8 != count * number_format.scale_bits:
        raise ValueError(
            f"Packed tensor of shape {shape} in {number_format} with {len(content)} "
            f"bytes of scales: expected {count * number_format.scale_bits // 8}."
        )
    if number_format.kind is not FormatKind.INTEGER:
        exponents = np.frombuffer(content, dtype=np.uint8).astype(np.int32) - 127
        return Scaling.of_factors(np.ldexp(np.float32(1), exponents).astype(np.float32))
    factor = np.frombuffer(content, dtype="<f4", count=count).astype(np.float32)
    if not number_format.affine:
        return Scaling.of_factors(factor)
    kind = np.dtype(_code_type(number_format.bits)).newbyteorder("<")
    zeros = np.frombuffer(content, dtype=kind, offset=4 * count)
    return Scaling(factor, zeros.astype(np.int32))
