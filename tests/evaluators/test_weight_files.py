"""Packed weight files: what is damage and what is read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from evaluators.checkpoints import CheckpointError
from evaluators.weight_files import pack_tensors, unpack_tensors
from search_space import FP16, parse_number_format


@pytest.mark.parametrize(
    ("name", "metadata"),
    [
        ("w", {"shapes": '{"w": [2, 3]}'}),
        ("w", {"shapes": '{"w": [-2, -2]}'}),
        ("w", {"shapes": '{"w": "x"}'}),
        ("w", {"shapes": '{"v": [2, 2]}'}),
        ("w", {"shapes": "[]"}),
        ("w", {"shapes": "{"}),
        ("v", {"shapes": '{"w": [2, 2]}'}),
    ],
)
def test_damaged_images_are_refused(tmp_path: Path, name: str, metadata: dict[str, str]) -> None:
    """Shapes that do not fit, and images without one, are damage; the right one is read."""
    path = tmp_path / "weights.safetensors"
    packed, right = pack_tensors(
        {"w": torch.tensor([[1.0, -7], [0, 3]])}, parse_number_format("int4")
    )
    save_file(packed, path, metadata=right)
    assert unpack_tensors(path)["w"].tolist() == [[1, -7], [0, 3]]
    changed = {name: packed["w"], f"{name}.scales": packed["w.scales"]}
    save_file(changed, path, metadata={"format": "int4"} | metadata)
    with pytest.raises(CheckpointError, match="not a packed weight file"):
        unpack_tensors(path)


def test_weights_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    """A single infinity among the weights is refused, with the tensor that has it."""
    path = tmp_path / "weights.safetensors"
    tensors = {"a": torch.zeros(2, 2), "b": torch.tensor([[1.0, torch.inf]])}
    packed, metadata = pack_tensors(tensors, FP16)
    save_file(packed, path, metadata=metadata)
    with pytest.raises(
        CheckpointError, match=r"weights\.safetensors: b has values that are not fin"
    ):
        unpack_tensors(path)


def test_images_are_bytes(tmp_path: Path) -> None:
    """Codes of another type are damage."""
    path = tmp_path / "weights.safetensors"
    packed, metadata = pack_tensors({"w": torch.eye(4)}, parse_number_format("int8"))
    save_file(packed | {"w": packed["w"].to(torch.int16)}, path, metadata=metadata)
    with pytest.raises(CheckpointError, match=r"w in torch\.int16: expected bytes"):
        unpack_tensors(path)


def test_codes_outside_their_format_are_refused(tmp_path: Path) -> None:
    """A byte that is no code of the format it is said to have is damage, not a weight."""
    path = tmp_path / "weights.safetensors"
    metadata = {"format": "adaptivfloat<4,2>", "exponents": '{"w": 0}'}
    save_file({"w": torch.full((2, 2), 15, dtype=torch.uint8)}, path, metadata=metadata)
    assert unpack_tensors(path)["w"].tolist() == [[-1.5] * 2] * 2
    save_file({"w": torch.full((2, 2), 16, dtype=torch.uint8)}, path, metadata=metadata)
    with pytest.raises(CheckpointError, match="not a packed weight file"):
        unpack_tensors(path)
