"""Images of matrices in memory cells, and what is read of them with faults.

A matrix of a number format is stored in one of two forms:

* dense: the codes of all values, row after row;
* masked: a bitmask with one bit for each value, row after row, 1 where the value is not zero; and
  the codes of those values, row after row.

Bits are those of `evaluators.codecs.packing`: codes without gaps, least bit first. Mask and codes
each begin with a cell of their own and fill cells of k bits with k bits of the stream after another
(`evaluators.faults.cells`); zeros fill the last cell.

Rows are addressed: where the codes of a row begin is kept apart, with scales and zero points, and
is read as written. So a fault in the mask moves the codes of what follows in its row, and no other
row. Where a row's mask gained a bit, its last value is the first code of the next row; behind the
last row are zeros.

What decodes to no number is read as 0, but for the code that symmetric integers leave unused, which
is minus the largest power of two in two's complement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.codecs.codec import Codec, Scaling, Values, by_group
from evaluators.codecs.packing import Codes, code_bytes, codes_of_bytes, decode, encode
from evaluators.faults.cells import CellErrors, gray_levels
from search_space import FormatKind


@dataclass(frozen=True, slots=True)
class Image:
    """A matrix as stored.

    Attributes:
        shape: of the matrix; rows are what its first axes count.
        scaling: its scales.
        codes: bytes of the codes: of all values, or of those with a mask bit.
        n_codes: how many they are.
        mask: bytes of the bitmask, least bit first; None for the dense form.
        starts: (n_rows,) how many codes lie before each row.
    """

    shape: tuple[int, ...]
    scaling: Scaling
    codes: bytes
    n_codes: int
    mask: bytes | None
    starts: NDArray[np.int64]


def image_of(x: Values, codec: Codec, scaling: Scaling, *, masked: bool) -> Image:
    """The image of a matrix (..., width) that the codec rounded under those scales."""
    bits = codec.number_format.bits
    codes = encode(x, codec, scaling)
    width = x.shape[-1]
    counts = np.full(math.prod(x.shape[:-1]), width, dtype=np.int64)
    mask = None
    if masked:
        kept = x != 0
        codes, counts = codes[kept], kept.reshape(-1, width).sum(axis=1, dtype=np.int64)
        mask = np.packbits(kept, bitorder="little").tobytes()
    return Image(
        shape=x.shape,
        scaling=scaling,
        codes=code_bytes(codes, bits),
        n_codes=codes.size,
        mask=mask,
        starts=np.cumsum(counts) - counts,
    )


def read_bits(
    content: bytes, n_bits: int, errors: CellErrors, rng: np.random.Generator
) -> tuple[bytes, int]:
    """What is read of stored bits, and how many cells were misread.

    Cells that may be misread are drawn at the worst level's rate, and each of them is then misread
    at its own level's share of that: so every cell is misread at its level's rate, whatever the
    others are, and time follows the faults instead of the cells.

    Args:
        content: the bits, least first.
        n_bits: of them; the rest of the last byte is no part of it.
        errors: of the cells.
        rng: draws the faults.
    """
    bits = errors.bits
    down, up = np.array(errors.down), np.array(errors.up)
    worst = float((down + up).max())
    n_cells = -(-n_bits // bits)
    count = int(rng.binomial(n_cells, worst))
    if count == 0:
        return content, 0
    drawn = rng.choice(n_cells, count, replace=False, shuffle=False)
    places = drawn[:, None] * bits + np.arange(bits)
    stored = np.zeros(-(-n_cells * bits // 8), dtype=np.uint8)
    stored[: len(content)] = np.frombuffer(content, dtype=np.uint8)
    patterns = ((stored[places // 8] >> (places % 8).astype(np.uint8)) & 1) << np.arange(
        bits, dtype=np.uint8
    )
    levels = gray_levels(bits)[patterns.sum(axis=1)].astype(np.int64)
    u = rng.random(count) * worst
    step = np.where(u < down[levels], -1, np.where(u < (down + up)[levels], 1, 0))
    wrong = levels + step
    changed = (wrong ^ (wrong >> 1)) ^ (levels ^ (levels >> 1))  # at most one bit
    which, place = np.nonzero((changed[:, None] >> np.arange(bits)) & 1)
    flips = places[which, place]
    np.bitwise_xor.at(stored, flips // 8, np.uint8(1) << (flips % 8).astype(np.uint8))
    return stored[: len(content)].tobytes(), int((step != 0).sum())


def read_image(
    image: Image,
    codec: Codec,
    errors: CellErrors,
    mask_errors: CellErrors,
    rng: np.random.Generator,
) -> tuple[Values, int]:
    """The matrix that is read of an image, and how many of its cells were misread.

    Args:
        image: as stored.
        codec: of its number format.
        errors: of the cells of the codes.
        mask_errors: of the cells of the bitmask.
        rng: draws the faults: those of the codes, then those of the mask.
    """
    bits = codec.number_format.bits
    read, wrong = read_bits(image.codes, image.n_codes * bits, errors, rng)
    codes = codes_of_bytes(read, bits, image.n_codes)
    if image.mask is None:
        return _numbers(codes.reshape(image.shape), codec, image.scaling), wrong
    size = math.prod(image.shape)
    mask, wrong_in_mask = read_bits(image.mask, size, mask_errors, rng)
    stream = np.frombuffer(mask, dtype=np.uint8)
    ones = np.unpackbits(stream, count=size, bitorder="little").reshape(-1, image.shape[-1])
    place = image.starts[:, None] + np.cumsum(ones, axis=1, dtype=np.int64) - 1
    read_out = (ones != 0) & (place < image.n_codes)
    whole = np.zeros(ones.shape, dtype=codes.dtype)
    whole[read_out] = codes[place[read_out]]
    values = _numbers(whole.reshape(image.shape), codec, image.scaling)
    values[~read_out.reshape(image.shape)] = 0
    return values, wrong + wrong_in_mask


def _numbers(codes: Codes, codec: Codec, scaling: Scaling) -> Values:
    """Values (same shape) of codes, whatever they are; see above for those that are no number."""
    values = decode(codes, codec, scaling)
    lost = ~np.isfinite(values)
    if not lost.any():
        return values
    values = np.where(lost, np.float32(0), values)
    if codec.number_format.kind is FormatKind.INTEGER:
        group = by_group(codec.number_format, codes.shape)[lost]
        values[lost] = -(2.0 ** (codec.number_format.bits - 1)) * scaling.factor[group]
    return values
