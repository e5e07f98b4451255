"""Checkpoint folders: an encoder with its exits, its tokenizer and its card.

A checkpoint folder stands alone: ``config.json`` (Hugging Face), ``tokenizer.json``,
``card.json`` (how it was made and what it scores) and safetensors files whose tensors are either
half precision or packed codes (`evaluators.weight_files`). A plain Hugging Face folder is one too
(`evaluators.pretrained`): its exits are new, but for the last one if it has a classifier.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from evaluators.checkpoints import CheckpointError
from evaluators.encoders import NEW_EXIT_SEED, ExitEncoder, backbone_from_config, renew_exits
from evaluators.families import family_of
from evaluators.learned_spans import SPANS_FILE
from evaluators.pretrained import WEIGHT_FILE, is_pretrained, read_weights, tokenizer_files
from evaluators.weight_files import pack_tensors, unpack_tensors
from search_space import FP16, NumberFormat

_EMBEDDING_FILE: Final = "embeddings.safetensors"
_ENCODER_FILE: Final = "encoder.safetensors"


def save_checkpoint(
    model: ExitEncoder,
    folder: Path,
    tokenizer: Tokenizer,
    number_format: NumberFormat = FP16,
    card: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint folder: config, tokenizer, model card and packed weights.

    Args:
        model: the encoder with its exits.
        folder: where to.
        tokenizer: its tokenizer.
        number_format: of its matrices; those of IEEE formats are in half precision.
        card: how it was made and what it scores.

    Raises:
        ValueError: the weights do not fit the format.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keys = model.family.config_keys
    config = {k: v for k, v in model.backbone.config.to_dict().items() if k in keys}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    tokenizer.save(str(folder / "tokenizer.json"))
    if card is not None:
        (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    state = model.state_dict()
    parts: dict[str, dict[str, Tensor]] = {_EMBEDDING_FILE: {}, _ENCODER_FILE: {}}
    for name, tensor in state.items():
        if tensor.is_floating_point():
            part = _EMBEDDING_FILE if ".embeddings." in name else _ENCODER_FILE
            parts[part][name] = tensor.detach()
    for file_name, tensors in parts.items():
        packed, metadata = pack_tensors(tensors, number_format)
        save_file(packed, folder / file_name, metadata=metadata)


def load_checkpoint(folder: Path, n_classes: int = 2) -> ExitEncoder:
    """The encoder of a checkpoint folder, in fp32, ready for inference.

    Args:
        folder: a folder of `save_checkpoint`, or a plain Hugging Face folder, whose exits are new
            (`renew_exits`). Pooler and classifier of a sequence-classification checkpoint are the
            last exit.
        n_classes: of exits that are new; a classifier in the folder has its own number.

    Raises:
        CheckpointError: the folder or a file of it is missing, damaged or of another shape, or the
            only weights are pickled.
    """
    config = _read_config(folder)
    if not (folder / _ENCODER_FILE).is_file() and is_pretrained(folder):
        return _load_pretrained(folder, config, n_classes)
    tensors = unpack_tensors(folder / _EMBEDDING_FILE) | unpack_tensors(folder / _ENCODER_FILE)
    classes = tensors.get("exits.0.classifier.bias")
    if classes is None:
        raise CheckpointError(f"{folder / _ENCODER_FILE}: no exit after layer 1.")
    model = _untrained(folder, config, len(classes))
    return _with_weights(model, tensors, folder)


def _load_pretrained(folder: Path, config: Mapping[str, Any], n_classes: int) -> ExitEncoder:
    weights = read_weights(folder, family_of(config))
    model = _untrained(folder, config, weights.classes or n_classes)
    renew_exits(model)
    tensors = {f"exits.{name}": tensor for name, tensor in model.exits.state_dict().items()}
    tensors |= {f"backbone.{name}": tensor for name, tensor in weights.encoder.items()}
    last = model.n_layers - 1
    tensors |= {f"exits.{last}.{name}": tensor for name, tensor in weights.last_exit.items()}
    return _with_weights(model, tensors, folder)


def _untrained(folder: Path, config: Mapping[str, Any], n_classes: int) -> ExitEncoder:
    try:
        return ExitEncoder(backbone_from_config(config), n_classes)
    except CheckpointError as error:
        raise CheckpointError(f"{folder}: {error}") from error


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; expected a checkpoint folder.")
    try:
        config = json.loads(path.read_text())
    except ValueError as error:
        raise CheckpointError(f"{path}: not JSON ({error}).") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: {type(config).__name__}, expected an object.")
    return config


def _with_weights(model: ExitEncoder, tensors: Mapping[str, Tensor], folder: Path) -> ExitEncoder:
    """The model with those weights: all that it has, and none that it has not."""
    try:
        missing, unexpected = model.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{folder}: weights do not fit config.json ({reason}).") from error
    buffers = {
        name for name, tensor in model.state_dict().items() if not tensor.is_floating_point()
    }
    if set(missing) - buffers or unexpected:
        names = sorted((set(missing) - buffers) | set(unexpected))
        raise CheckpointError(f"{folder}: weights do not fit config.json (first: {names[0]}).")
    return model.eval()


def checkpoint_hash(folder: Path) -> str:
    """SHA-256 of everything in a checkpoint folder that can change a logit, hexadecimal.

    Tensors count by name, type, shape and content, so the same weights written twice are the same.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    weights: tuple[str, ...] = (_EMBEDDING_FILE, _ENCODER_FILE)
    digest = hashlib.sha256()
    if not (folder / _ENCODER_FILE).is_file() and is_pretrained(folder):
        weights = (WEIGHT_FILE,)
        digest.update(f"new exits {NEW_EXIT_SEED}".encode())
    spans = [SPANS_FILE] if (folder / SPANS_FILE).is_file() else []
    for name in ("config.json", *tokenizer_files(folder), *spans):
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{path}: no such file; the checkpoint folder is incomplete.")
        digest.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
    for name in weights:
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{path}: no such file; the checkpoint folder is incomplete.")
        try:
            with safe_open(path, framework="pt") as handle:
                digest.update(json.dumps(sorted((handle.metadata() or {}).items())).encode())
                for key in sorted(handle.keys()):
                    tensor = handle.get_tensor(key)
                    digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
                    digest.update(tensor.numpy().tobytes())
        except SafetensorError as error:
            raise CheckpointError(f"{path}: not a safetensors file ({error}).") from error
    return digest.hexdigest()
