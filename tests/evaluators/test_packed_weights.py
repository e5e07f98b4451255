"""Weights as a chip stores them: codes, masks and scales that decode to the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.checkpoints import CheckpointError
from evaluators.codecs.codec import Values
from evaluators.codecs.registry import codec_of
from evaluators.packed_weights import (
    PackedMatrix,
    PackedWeights,
    PackingReader,
    packed_of_bytes,
)
from search_space import parse_number_format

FORMATS = (
    *("adaptivfloat<8,3>", "adaptivfloat<5,3>", "int8", "int4-channel", "int8-affine"),
    *("e4m3", "posit<8,1>", "mxfp4", "fp16", "fp32"),
)


def packed(matrix: Values, name: str, *, masked: bool) -> tuple[PackedWeights, Values]:
    """A matrix rounded to a format and packed, and what it was rounded to."""
    codec = codec_of(parse_number_format(name))
    scaling = codec.own_scaling(matrix)
    written = codec.quantise(matrix, scaling)
    reader = PackingReader(masked={"encoder": masked, "embedding": masked, "exit": masked})
    assert reader.read("layer.weight", written, codec, scaling) is written
    return reader.packed({"layer.bias": np.array([0.5, 1.0], dtype=np.float32)}), written


def test_masked_matrix_by_hand() -> None:
    """Three of six int4 values are kept: mask 0b110001, codes of 1, -2 and 7 in twelve bits."""
    matrix = PackedMatrix(
        shape=(2, 3),
        codes=bytes([0xE1, 0x07]),
        mask=bytes([0b110001]),
        scales=np.array([0.5], dtype="<f4").tobytes(),
    )
    found = matrix.values(parse_number_format("int4"))
    assert found.tolist() == [[0.5, 0.0, 0.0], [0.0, -1.0, 3.5]]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", FORMATS)
@given(seed=st.integers(0, 50), density=st.sampled_from([0.0, 0.3, 1.0]))
def test_file_gives_back_what_was_written(
    name: str, masked: bool, seed: int, density: float
) -> None:
    """Decoding the file is exact in every format, dense or masked, whatever is zero."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(5, 37)).astype(np.float32)
    matrix[rng.random(matrix.shape) >= density] = 0
    weights, written = packed(matrix, name, masked=masked)
    content = weights.file_bytes({"design_hash": "0" * 16})
    again, metadata = packed_of_bytes(content)
    assert metadata["design_hash"] == "0" * 16
    assert np.array_equal(again.tensors()["layer.weight"], written)
    assert again.tensors()["layer.bias"].tolist() == [0.5, 1.0]
    assert again.content_hash() == weights.content_hash()
    assert again.blobs() == weights.blobs()


def test_vectors_lose_nothing() -> None:
    """A vector is stored in half precision only where that is exact."""
    reader = PackingReader(masked={"encoder": False, "embedding": False, "exit": False})
    codec = codec_of(parse_number_format("int8"))
    matrix = np.eye(2, dtype=np.float32)
    reader.read("w", matrix, codec, codec.own_scaling(matrix))
    third = np.array([1 / 3], dtype=np.float32)
    found = reader.packed({"a": np.array([0.5], dtype=np.float32), "b": third})
    assert [str(found.vectors[name].dtype) for name in ("a", "b")] == ["float16", "float32"]
    assert found.tensors()["b"][0] == third[0]


def test_another_weight_is_another_content() -> None:
    """The content hash follows every code, and the format."""
    matrix = np.eye(4, dtype=np.float32)
    first, _ = packed(matrix, "int8", masked=False)
    matrix[0, 1] = 1.0
    other, _ = packed(matrix, "int8", masked=False)
    third, _ = packed(matrix, "int4", masked=False)
    assert len({w.content_hash() for w in (first, other, third)}) == 3


@pytest.mark.parametrize("content", [b"", b"\x00" * 8, b"\x10\x00\x00\x00\x00\x00\x00\x00{}"])
def test_damaged_file(content: bytes) -> None:
    """What is no file of ours is refused in one sentence."""
    with pytest.raises(CheckpointError, match="not packed weights"):
        packed_of_bytes(content)


def test_parts_that_do_not_fit() -> None:
    """A matrix whose codes are too few for its mask is refused by name."""
    weights, _ = packed(np.eye(8, dtype=np.float32), "int8", masked=True)
    cut = PackedMatrix(shape=(8, 8), codes=b"\x01", mask=b"\xff" * 8, scales=bytes(4))
    broken = type(weights)(
        number_format=weights.number_format, matrices={"layer.weight": cut}, vectors={}
    )
    with pytest.raises(ValueError, match=r"layer.weight: 1 bytes of codes for 64 values in int8"):
        broken.tensors()
