"""The weights of a setting as a chip stores them: bitmasks, packed codes and scales; no torch.

A matrix is stored dense (the codes of all values) or masked (a bit for each value, 1 where it is
not zero, and the codes of those), as in `evaluators.faults.images`; which of the two is settled for
a part of the encoder at once. Vectors (biases, layer norms) are numbers of half precision if that
loses nothing, else of single precision.

In a safetensors file a matrix NAME is the bytes ``NAME.codes``, ``NAME.mask`` if it is masked, and
``NAME.scales`` if its format has any; a vector is a tensor of its own name. The metadata say format
and shapes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from evaluators.checkpoints import CheckpointError
from evaluators.codecs.codec import Codec, Scaling, Values
from evaluators.codecs.packing import (
    codes_of_bytes,
    decode,
    scale_bytes,
    scaling_of_bytes,
)
from evaluators.codecs.registry import codec_of
from evaluators.faults.images import image_of
from evaluators.faults.storage import Part, part_of
from search_space import NumberFormat, parse_number_format

PACKED_FORMAT: Final = "edge-dse packed weights 1"
_PARTS: Final = ("codes", "mask", "scales")
Vector = NDArray[np.float16] | NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedMatrix:
    """One matrix.

    Attributes:
        shape: of the matrix.
        codes: of all values, or of those with a mask bit (`evaluators.codecs.packing`).
        mask: bits of all values, least first; None for the dense form.
        scales: as in `evaluators.codecs.packing.PackedTensor`; empty if the format has none.
    """

    shape: tuple[int, ...]
    codes: bytes
    mask: bytes | None
    scales: bytes

    def values(self, number_format: NumberFormat) -> Values:
        """The matrix (shape).

        Raises:
            ValueError: its parts do not fit its shape.
        """
        codec = codec_of(number_format)
        kept = self._kept()
        count = int(kept.sum())
        expected = -(-count * number_format.bits // 8)
        if len(self.codes) != expected:
            raise ValueError(
                f"{len(self.codes)} bytes of codes for {count} values in {number_format}, "
                f"expected {expected}"
            )
        codes = codes_of_bytes(self.codes, number_format.bits, count)
        whole = np.zeros(kept.shape, dtype=codes.dtype)
        whole[kept] = codes
        values = decode(whole, codec, self.scaling(number_format))
        values[~kept] = 0
        return values

    def scaling(self, number_format: NumberFormat) -> Scaling:
        """Its scales."""
        return scaling_of_bytes(self.scales, number_format, self.shape)

    def _kept(self) -> NDArray[np.bool_]:
        """Which values (shape) have a code."""
        if self.mask is None:
            return np.ones(self.shape, dtype=np.bool_)
        size = math.prod(self.shape)
        if len(self.mask) != -(-size // 8):
            raise ValueError(f"{len(self.mask)} bytes of mask, expected {-(-size // 8)}")
        stream = np.frombuffer(self.mask, dtype=np.uint8)
        bits = np.unpackbits(stream, count=size, bitorder="little")
        return bits.astype(np.bool_).reshape(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedWeights:
    """All weights of an encoder with its exits.

    Attributes:
        number_format: of the matrices.
        matrices: by name.
        vectors: by name.
    """

    number_format: NumberFormat
    matrices: Mapping[str, PackedMatrix]
    vectors: Mapping[str, Vector]

    def tensors(self) -> dict[str, Values]:
        """Every weight by name, fp32.

        Raises:
            ValueError: parts of a matrix do not fit its shape.
        """
        found: dict[str, Values] = {}
        for name, matrix in self.matrices.items():
            try:
                found[name] = matrix.values(self.number_format)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        return found | {name: v.astype(np.float32) for name, v in self.vectors.items()}

    def blobs(self) -> dict[str, bytes]:
        """What is stored, by name with what it is behind it, in the order of names.

        ``.codes``, ``.mask`` and ``.scales`` of a matrix; ``.vector`` of a vector, its numbers with
        the least byte first.
        """
        found = {}
        for name, matrix in self.matrices.items():
            found[f"{name}.codes"], found[f"{name}.scales"] = matrix.codes, matrix.scales
            if matrix.mask is not None:
                found[f"{name}.mask"] = matrix.mask
        for name, vector in self.vectors.items():
            found[f"{name}.vector"] = vector.astype(vector.dtype.newbyteorder("<")).tobytes()
        return {name: found[name] for name in sorted(found) if found[name]}

    def content_hash(self) -> str:
        """SHA-256 of format, shapes and everything stored, hexadecimal."""
        digest = hashlib.sha256(json.dumps(self._metadata(), sort_keys=True).encode())
        for name, content in self.blobs().items():
            digest.update(f"{name} {len(content)}\n".encode() + content)
        return digest.hexdigest()

    def _metadata(self) -> dict[str, str]:
        shapes = {name: list(m.shape) for name, m in sorted(self.matrices.items())}
        return {
            "format": PACKED_FORMAT,
            "number_format": str(self.number_format),
            "shapes": json.dumps(shapes),
        }

    def file_bytes(self, metadata: Mapping[str, str]) -> bytes:
        """A safetensors file, with further metadata."""
        tensors: dict[str, NDArray[Any]] = {
            n: np.ascontiguousarray(v) for n, v in self.vectors.items()
        }
        for name, matrix in self.matrices.items():
            for part in _PARTS:
                content = getattr(matrix, part)
                if content:
                    tensors[f"{name}.{part}"] = np.frombuffer(content, dtype=np.uint8)
        return bytes(save(tensors, metadata={**self._metadata(), **metadata}))


def packed_of_bytes(content: bytes) -> tuple[PackedWeights, dict[str, str]]:
    """Weights and metadata of a file of `PackedWeights.file_bytes`.

    Raises:
        CheckpointError: it is not one.
    """
    try:
        metadata = _metadata_of(content)
        if metadata.get("format") != PACKED_FORMAT:
            raise ValueError(f"format {metadata.get('format')!r}, expected {PACKED_FORMAT!r}")
        stored = load(content)
        matrices = {
            name: PackedMatrix(
                shape=tuple(shape),
                codes=_bytes(stored.pop(f"{name}.codes", None)) or b"",
                mask=_bytes(stored.pop(f"{name}.mask", None)),
                scales=_bytes(stored.pop(f"{name}.scales", None)) or b"",
            )
            for name, shape in json.loads(metadata["shapes"]).items()
        }
        number_format = parse_number_format(metadata["number_format"])
    except (SafetensorError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"weights.safetensors: not packed weights ({error}).") from error
    packed = PackedWeights(number_format=number_format, matrices=matrices, vectors=stored)
    return packed, metadata


def _metadata_of(content: bytes) -> dict[str, str]:
    """Metadata of a safetensors file: its header is JSON behind 8 bytes of length."""
    size = int.from_bytes(content[:8], "little")
    found: dict[str, str] = json.loads(content[8 : 8 + size])["__metadata__"]
    return found


def _bytes(array: NDArray[Any] | None) -> bytes | None:
    return None if array is None else array.tobytes()


@dataclass(slots=True, kw_only=True)
class PackingReader:
    """Reads every matrix as it was written, and keeps what was written.

    Attributes:
        masked: whether each part is stored with a bitmask.
        matrices: those seen so far, by name.
    """

    masked: Mapping[Part, bool]
    matrices: dict[str, PackedMatrix] = field(default_factory=dict)
    _number_format: NumberFormat | None = None

    def read(self, name: str, x: Values, codec: Codec, scaling: Scaling) -> Values:
        """The matrix itself."""
        self._number_format = codec.number_format
        image = image_of(x, codec, scaling, masked=self.masked[part_of(name)])
        self.matrices[name] = PackedMatrix(
            shape=image.shape,
            codes=image.codes,
            mask=image.mask,
            scales=scale_bytes(codec.number_format, scaling),
        )
        return x

    def packed(self, vectors: Mapping[str, Values]) -> PackedWeights:
        """All matrices seen, with those vectors."""
        assert self._number_format is not None
        return PackedWeights(
            number_format=self._number_format,
            matrices=self.matrices,
            vectors={name: _shortest(vector) for name, vector in vectors.items()},
        )


def _shortest(vector: Values) -> Vector:
    """The vector in half precision if that loses nothing."""
    with np.errstate(over="ignore"):
        half = vector.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), vector) else vector
