"""Images in cells: layouts and shifts by hand, rates in binomial intervals, formats read back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluators.codecs.codec import Scaling
from evaluators.codecs.packing import pack
from evaluators.codecs.registry import codec_of
from evaluators.faults.cells import CellErrors, cell_errors, gray_levels
from evaluators.faults.images import image_of, read_bits, read_image
from search_space import CellKind, parse_number_format

FORMATS = [
    "fp32",
    "fp16",
    "adaptivfloat<8,3>",
    "adaptivfloat<5,3>",
    "e4m3",
    "int8",
    "int4-channel",
    "int5-affine",
    "posit<6,1>",
    "mxfp4",
]
NONE = cell_errors(CellKind.SRAM)
ALL_UP = CellErrors((0.0, 0.0), (1.0, 0.0))
"""Single-bit cells in which every 0 is read as 1."""
INT4 = codec_of(parse_number_format("int4"))
STEP_ONE = Scaling.power_of_two(0)


def _matrix(rows: int = 5, width: int = 67, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, width)).astype(np.float32)
    return np.where(rng.random((rows, width)) < 0.6, np.float32(0), x)


def test_dense_layout_by_hand() -> None:
    """int4 codes 1, 2 and -1, -7 (15 and 9): low half of a byte first, rows one after another."""
    x = np.array([[1, 2], [-1, -7]], dtype=np.float32)
    image = image_of(x, INT4, STEP_ONE, masked=False)
    assert image.codes == bytes([0x21, 0x9F])
    assert image.mask is None
    assert image.starts.tolist() == [0, 2]


def test_masked_layout_by_hand() -> None:
    """Rows 0 3 0 and 5 0 6: mask 010 101 from the lowest bit, codes 3, 5, 6, rows from 0 and 1."""
    x = np.array([[0, 3, 0], [5, 0, 6]], dtype=np.float32)
    image = image_of(x, INT4, STEP_ONE, masked=True)
    assert image.mask == bytes([0b101010])
    assert image.codes == bytes([0x53, 0x06])
    assert image.starts.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("flipped", "expected"),
    [
        (0, [[1, 2, 0, 5], [5, 0, 6, 0]]),  # a bit more: the row reads on into the next one
        (1, [[0, 0, 0, 1], [5, 0, 6, 0]]),  # a bit less: what follows takes the code before
        (7, [[0, 1, 0, 2], [5, 0, 6, 0]]),  # behind the last row there are zeros
    ],
)
def test_a_fault_in_the_mask_moves_what_follows_in_its_row(
    flipped: int, expected: list[list[int]]
) -> None:
    """Rows 0 1 0 2 and 5 0 6 0 are stored as 1 2 | 5 6; rows begin where they were written."""
    x = np.array([[0, 1, 0, 2], [5, 0, 6, 0]], dtype=np.float32)
    image = image_of(x, INT4, STEP_ONE, masked=True)
    assert image.mask is not None
    wrong = int.from_bytes(image.mask, "little") ^ (1 << flipped)
    read, _ = read_image(
        replace(image, mask=wrong.to_bytes(1, "little")),
        INT4,
        NONE,
        NONE,
        np.random.default_rng(0),
    )
    assert read.tolist() == expected


def test_a_code_fault_stays_where_it_is() -> None:
    """Every 0 bit of int4 3 (0011) read as 1 gives 1111, which is -1; zeros of the mask stay 0."""
    x = np.array([[0, 3, 0]], dtype=np.float32)
    image = image_of(x, INT4, STEP_ONE, masked=True)
    read, misread = read_image(image, INT4, ALL_UP, NONE, np.random.default_rng(0))
    assert read.tolist() == [[0, -1, 0]]
    assert misread == 2


def test_three_bits_a_cell_by_hand() -> None:
    """Bits 110 (level 2) read one level up are 010 (level 3): the first bit of the stream flips.

    The stream is 0b011 from its lowest bit; two bits more fill a second cell with a zero.
    """
    up = CellErrors((0.0,) * 8, (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    levels = gray_levels(3)
    assert levels[0b011] == 2
    assert levels[0b010] == 3
    read, misread = read_bits(bytes([0b00_011]), 5, up, np.random.default_rng(0))
    assert read == bytes([0b00_010])
    assert misread == 1


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_without_faults_the_codecs_values_are_read(name: str, masked: bool) -> None:
    """Rate 0 changes nothing, in either form, of any format."""
    codec = codec_of(parse_number_format(name))
    x = _matrix()
    scaling = codec.own_scaling(x)
    values = codec.quantise(x, scaling)
    image = image_of(values, codec, scaling, masked=masked)
    read, misread = read_image(image, codec, NONE, NONE, np.random.default_rng(0))
    np.testing.assert_array_equal(read, values)
    assert misread == 0
    if not masked:
        assert image.codes == pack(values, codec, scaling).codes


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_whatever_is_read_is_a_number(name: str, masked: bool) -> None:
    """A fifth of all cells misread, in mask and codes: finite values, and the same for a seed."""
    codec = codec_of(parse_number_format(name))
    x = _matrix()
    scaling = codec.own_scaling(x)
    image = image_of(codec.quantise(x, scaling), codec, scaling, masked=masked)
    errors = cell_errors(CellKind.RERAM_MLC3, 0.2)
    reads = [
        read_image(image, codec, errors, errors, np.random.default_rng(seed)) for seed in (1, 1, 2)
    ]
    assert all(np.isfinite(values).all() for values, _ in reads)
    np.testing.assert_array_equal(reads[0][0], reads[1][0])
    assert reads[0][1] == reads[1][1]
    assert (reads[0][0] != reads[2][0]).any()


def test_codes_that_are_no_number() -> None:
    """int4 code 1000, left unused, is -8 in two's complement; posit NaR and fp16 infinity are 0."""
    for name, code, expected in (("int4", 0b1000, -8), ("posit<4,0>", 0b1000, 0)):
        codec = codec_of(parse_number_format(name))
        image = image_of(np.ones((1, 1), dtype=np.float32), codec, STEP_ONE, masked=False)
        read, _ = read_image(
            replace(image, codes=bytes([code])), codec, NONE, NONE, np.random.default_rng(0)
        )
        assert read.tolist() == [[expected]]
    half = codec_of(parse_number_format("fp16"))
    for codes in (0x7C00, 0x7D01):
        image = image_of(np.ones((1, 1), dtype=np.float32), half, STEP_ONE, masked=False)
        stored = replace(image, codes=codes.to_bytes(2, "little"))
        assert read_image(stored, half, NONE, NONE, np.random.default_rng(0))[0].tolist() == [[0]]


@pytest.mark.parametrize(
    ("kind", "rate"),
    [
        (CellKind.RERAM_SLC, 0.01),
        (CellKind.RERAM_MLC2, 0.02),
        (CellKind.RERAM_MLC3, None),
        (CellKind.STT_MRAM, 1e-3),
    ],
)
def test_measured_rates_are_those_given(kind: CellKind, rate: float | None) -> None:
    """Cells and bits misread lie in the 99.9 % binomial interval, one bit to a cell."""
    errors = cell_errors(kind, rate)
    n_bits = 3_000_000
    content = np.random.default_rng(7).bytes(n_bits // 8)
    read, misread = read_bits(content, n_bits, errors, np.random.default_rng(11))
    flips = np.bitwise_count(np.frombuffer(content, np.uint8) ^ np.frombuffer(read, np.uint8))
    assert int(flips.sum()) == misread
    low, high = stats.binom.interval(0.999, n_bits // errors.bits, errors.cell_rate)
    assert low <= misread <= high


def test_every_level_is_misread_at_its_own_rate() -> None:
    """Cells that all hold one level go to each neighbour as often as that level does."""
    errors = cell_errors(CellKind.RERAM_MLC3)
    n_cells = 400_000
    for level in range(8):
        pattern = level ^ (level >> 1)
        stored = np.unpackbits(np.array([pattern], np.uint8), bitorder="little", count=3)
        content = np.packbits(np.tile(stored, n_cells), bitorder="little").tobytes()
        read, _ = read_bits(content, 3 * n_cells, errors, np.random.default_rng(level))
        bits = np.unpackbits(np.frombuffer(read, np.uint8), bitorder="little", count=3 * n_cells)
        levels = gray_levels(3)[(bits.reshape(-1, 3) << np.arange(3)).sum(axis=1)].astype(int)
        for step, rate in ((-1, errors.down[level]), (1, errors.up[level])):
            low, high = stats.binom.interval(0.9999, n_cells, rate)
            assert low <= int((levels == level + step).sum()) <= high
        assert np.isin(levels, (level - 1, level, level + 1)).all()


@settings(max_examples=60)
@given(
    content=st.binary(min_size=1, max_size=40),
    cut=st.integers(0, 7),
    kind=st.sampled_from([CellKind.RERAM_SLC, CellKind.RERAM_MLC2, CellKind.RERAM_MLC3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_bits_beyond_the_last_stay(content: bytes, cut: int, kind: CellKind, seed: int) -> None:
    """As long as before, one bit a misread cell at most, and no fault behind the stream's cells."""
    n_bits = 8 * len(content) - cut
    errors = cell_errors(kind, 0.2)
    read, misread = read_bits(content, n_bits, errors, np.random.default_rng(seed))
    assert len(read) == len(content)
    before, after = (
        np.unpackbits(np.frombuffer(b, np.uint8), bitorder="little") for b in (content, read)
    )
    assert int((before != after).sum()) <= misread
    end = -(-n_bits // errors.bits) * errors.bits
    np.testing.assert_array_equal(before[end:], after[end:])


def test_mask_faults_stay_in_their_rows_and_code_faults_at_their_places() -> None:
    """Against a decoder of three lines, with many faults in mask and codes."""
    codec = codec_of(parse_number_format("int8"))
    x = _matrix(rows=40, width=50)
    scaling = codec.own_scaling(x)
    values = codec.quantise(x, scaling)
    image = image_of(values, codec, scaling, masked=True)
    assert image.mask is not None
    errors = cell_errors(CellKind.RERAM_MLC3, 0.1)
    read, _ = read_image(image, codec, errors, errors, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    n_codes = int((values != 0).sum())
    codes, _ = read_bits(image.codes, 8 * n_codes, errors, rng)
    mask, _ = read_bits(image.mask, x.size, errors, rng)
    bits = np.unpackbits(np.frombuffer(mask, np.uint8), bitorder="little")[: x.size]
    start = 0
    for row in range(40):
        stream = iter([*np.frombuffer(codes, np.int8)[start:].tolist(), *[0] * 50])
        expected = [next(stream) if bit else 0 for bit in bits[50 * row : 50 * row + 50]]
        np.testing.assert_allclose(read[row], np.array(expected) * scaling.factor[0], rtol=1e-6)
        start += int((values[row] != 0).sum())
