"""Weights in safetensors files: matrices as packed codes or in half precision.

A file names its number format in the metadata. Of a format of codes, each matrix is the packed
image of its codes (uint8, `evaluators.codecs.packing`), its scales (uint8) stand beside it under
its name with ``.scales`` behind, and ``shapes`` of the metadata says what shape it has. Vectors
(biases, layer norms) and IEEE formats are in half precision.

Files without ``shapes`` are read too: those of IEEE formats, and older ones with AdaptivFloat codes
of at most 8 bits in bytes of their own, in the matrix's shape, and one exponent for each in
``exponents``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from evaluators.checkpoints import CheckpointError
from evaluators.codecs.packing import PackedTensor, pack, unpack
from evaluators.codecs.registry import codec_of
from evaluators.formats import decode
from search_space import FormatKind, NumberFormat, parse_number_format

_SCALES: Final = ".scales"


def pack_tensors(
    tensors: Mapping[str, Tensor], number_format: NumberFormat
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors as they are stored, and the safetensors metadata that `unpack_tensors` needs.

    Matrices are rounded with the scales that their own values set.

    Raises:
        ValueError: values of the format are beyond fp32, or a scale is beyond 2**-127 to 2**127.
    """
    if number_format.kind is FormatKind.IEEE:
        halves = {name: tensor.half().contiguous() for name, tensor in tensors.items()}
        return halves, {"format": str(number_format), "exponents": "{}"}
    stored: dict[str, Tensor] = {}
    shapes: dict[str, list[int]] = {}
    for name, tensor in tensors.items():
        if tensor.ndim < 2:
            stored[name] = tensor.half().contiguous()
            continue
        codec = codec_of(number_format)
        values = tensor.detach().float().contiguous().numpy()
        scaling = codec.own_scaling(values)
        packed = pack(codec.quantise(values, scaling), codec, scaling)
        stored[name], stored[name + _SCALES] = _bytes(packed.codes), _bytes(packed.scales)
        shapes[name] = list(tensor.shape)
    return stored, {"format": str(number_format), "shapes": json.dumps(shapes)}


def _bytes(content: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())


def unpack_tensors(path: Path) -> dict[str, Tensor]:
    """The fp32 tensors of a packed safetensors file.

    Raises:
        CheckpointError: the file is missing or damaged, or a weight is not finite.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; the checkpoint folder is incomplete.")
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = handle.metadata() or {}
            stored = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
        number_format = parse_number_format(metadata["format"])
        if "shapes" in metadata:
            tensors = _of_images(stored, number_format, json.loads(metadata["shapes"]))
        else:
            tensors = _of_byte_codes(stored, number_format, json.loads(metadata["exponents"]))
    except (SafetensorError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: not a packed weight file ({error}).") from error
    check_finite(path, tensors)
    return tensors


def check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse weights that are no numbers, which pruning and rounding would hide or spread.

    Raises:
        CheckpointError: a value of a tensor is not finite.
    """
    for name, tensor in sorted(tensors.items()):
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(
                f"{path}: {name} has values that are not finite; expected numbers, so the training "
                "that left them diverged or the file is damaged."
            )


def _of_images(
    stored: Mapping[str, Tensor], number_format: NumberFormat, shapes: Mapping[str, list[int]]
) -> dict[str, Tensor]:
    """Tensors of packed images, by name."""
    scales = {name + _SCALES for name in shapes}
    tensors = {}
    for name in stored.keys() - scales:
        tensors[name] = stored[name].float()
        if name in shapes:
            image, image_scales = stored[name], stored[name + _SCALES]
            if {image.dtype, image_scales.dtype} != {torch.uint8}:
                raise ValueError(f"{name} in {image.dtype}: expected bytes")
            packed = PackedTensor(
                number_format=number_format,
                shape=tuple(shapes[name]),
                codes=image.numpy().tobytes(),
                scales=image_scales.numpy().tobytes(),
            )
            tensors[name] = torch.from_numpy(unpack(packed, codec_of(number_format)))
    missing = shapes.keys() - tensors.keys()
    if missing:
        raise ValueError(f"{min(missing)} has a shape and no codes")
    return tensors


def _of_byte_codes(
    stored: Mapping[str, Tensor], number_format: NumberFormat, exponents: Mapping[str, int]
) -> dict[str, Tensor]:
    """Tensors of AdaptivFloat codes in bytes, by name."""
    if number_format.kind not in (FormatKind.ADAPTIVFLOAT, FormatKind.IEEE):
        raise ValueError(f"no weights are packed as {number_format} in bytes of their own")
    return {
        name: decode(tensor, number_format, exponents[name])
        if name in exponents
        else tensor.float()
        for name, tensor in stored.items()
    }
