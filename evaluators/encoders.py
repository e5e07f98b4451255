"""Transformer encoders with an exit after every layer, and the checkpoint folders they live in.

A checkpoint folder stands alone: ``config.json`` (Hugging Face), ``tokenizer.json``,
``card.json`` (how it was made and what it scores) and safetensors files whose tensors are either
half precision or 8-bit AdaptivFloat codes (`pack_tensors`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AlbertConfig, AlbertModel, BertConfig, BertModel, PreTrainedModel

from evaluators.formats import decode, encode, exponent_of_maximum, quantise
from hw_cost.workload import EncoderShape
from search_space import FP16, FormatKind, NumberFormat, parse_number_format

MAX_TOKENS: Final = 128
_EMBEDDING_FILE: Final = "embeddings.safetensors"
_ENCODER_FILE: Final = "encoder.safetensors"

# A config.json can name code to run or to download; only these keys of it are ever used.
_CONFIG_KEYS: Final = {
    "model_type",
    "attention_probs_dropout_prob",
    "embedding_size",
    "hidden_act",
    "hidden_dropout_prob",
    "hidden_size",
    "initializer_range",
    "inner_group_num",
    "intermediate_size",
    "layer_norm_eps",
    "max_position_embeddings",
    "num_attention_heads",
    "num_hidden_groups",
    "num_hidden_layers",
    "pad_token_id",
    "type_vocab_size",
    "vocab_size",
}


class CheckpointError(ValueError):
    """A checkpoint folder is missing, incomplete or damaged."""


class ExitHead(nn.Module):
    """Pooler (dense and tanh on the first token) and classifier after one layer."""

    def __init__(self, hidden_size: int, n_classes: int) -> None:
        super().__init__()
        self.pooler = nn.Linear(hidden_size, hidden_size)
        self.classifier = nn.Linear(hidden_size, n_classes)

    def forward(self, first_token: Tensor) -> Tensor:
        """Logits (batch, n_classes) from hidden states of the first token (batch, hidden_size)."""
        logits: Tensor = self.classifier(torch.tanh(self.pooler(first_token)))
        return logits


class ExitEncoder(nn.Module):
    """A Hugging Face encoder whose every layer has an exit."""

    def __init__(self, backbone: PreTrainedModel, n_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        config = backbone.config
        self.n_layers: int = config.num_hidden_layers
        self.exits = nn.ModuleList(
            ExitHead(config.hidden_size, n_classes) for _ in range(self.n_layers)
        )

    def hidden_states(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """Embedding output and the output of every layer: 1 + n_layers of (batch, tokens, width).

        Args:
            input_ids: (batch, tokens) token ids.
            attention_mask: (batch, tokens), 1 for a token and 0 for padding.
        """
        output = self.backbone(
            input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True
        )
        states: tuple[Tensor, ...] = output.hidden_states
        return states

    def exit_logits(self, states: Sequence[Tensor]) -> Tensor:
        """Logits (batch, n_layers, n_classes) from the outputs of every layer."""
        return torch.stack(
            [head(state[:, 0]) for head, state in zip(self.exits, states, strict=True)], dim=1
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits (batch, n_layers, n_classes) of every exit."""
        return self.exit_logits(self.hidden_states(input_ids, attention_mask)[1:])


def backbone_from_config(config: Mapping[str, Any]) -> PreTrainedModel:
    """An untrained encoder of the family that ``model_type`` names (``albert`` or ``bert``).

    Raises:
        CheckpointError: the family is not one of these, or its sizes make no encoder.
    """
    allowed = {key: value for key, value in config.items() if key in _CONFIG_KEYS}
    family = allowed.pop("model_type", None)
    if allowed.get("inner_group_num", 1) != 1:
        raise CheckpointError(
            f"inner_group_num {allowed['inner_group_num']!r} in config.json: expected 1."
        )
    try:
        if family == "albert":
            return AlbertModel(AlbertConfig(**allowed), add_pooling_layer=False)
        if family == "bert":
            return BertModel(BertConfig(**allowed), add_pooling_layer=False)
    except Exception as error:  # of many kinds, bare assertions and divisions by 0 among them
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise CheckpointError(f"The sizes in config.json make no encoder ({reason}).") from error
    raise CheckpointError(f"Model family {family!r} in config.json: expected 'albert' or 'bert'.")


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a checkpoint folder, truncating at `MAX_TOKENS`.

    Raises:
        CheckpointError: ``tokenizer.json`` is missing or damaged.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; a checkpoint folder needs its tokenizer.")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise CheckpointError(f"{path}: not a tokenizer file ({error}).") from error
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    return tokenizer


def token_ids(tokenizer: Tokenizer, texts: Iterable[str]) -> list[list[int]]:
    """Token ids of each text, special tokens included."""
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]


TokenRow = Sequence[int] | Sequence[tuple[int, int]]
"""Token ids of one text, or token and segment ids of a pair."""


def token_rows(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str], *, has_segments: bool = True
) -> list[TokenRow]:
    """Token ids of each text, or (token id, segment id) of each pair of texts, marks included.

    Args:
        tokenizer: of the checkpoint; it knows what stands between the texts of a pair.
        texts: the first texts.
        pairs: the second ones; empty for a task with one text.
        has_segments: whether the encoder tells segments apart; else pairs are token ids alone.
    """
    if not pairs:
        return [*token_ids(tokenizer, texts)]
    encodings = tokenizer.encode_batch(list(zip(texts, pairs, strict=True)))
    if not has_segments:
        return [encoding.ids for encoding in encodings]
    return [list(zip(e.ids, e.type_ids, strict=True)) for e in encodings]


def pad_batch(rows: Sequence[Sequence[int]], pad_id: int = 0) -> tuple[Tensor, Tensor]:
    """Input ids and attention mask, both (batch, longest row), of token id rows."""
    longest = max(len(row) for row in rows)
    input_ids = torch.full((len(rows), longest), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for i, row in enumerate(rows):
        input_ids[i, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[i, : len(row)] = 1
    return input_ids, mask


def pack_tensors(
    tensors: Mapping[str, Tensor], number_format: NumberFormat
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors as they are stored, and the safetensors metadata that `unpack_tensors` needs.

    Matrices become half precision or AdaptivFloat codes (uint8, one exponent a tensor); vectors
    (biases, layer norms) stay in half precision.
    """
    packed: dict[str, Tensor] = {}
    exponents: dict[str, int] = {}
    for name, tensor in tensors.items():
        if number_format.kind is FormatKind.ADAPTIVFLOAT and tensor.ndim > 1:
            exponents[name] = exponent_of_maximum(float(tensor.abs().max()))
            packed[name] = encode(quantise(tensor, number_format), number_format, exponents[name])
        else:
            packed[name] = tensor.half()
    metadata = {"format": str(number_format), "exponents": json.dumps(exponents)}
    return {name: tensor.contiguous() for name, tensor in packed.items()}, metadata


def unpack_tensors(path: Path) -> dict[str, Tensor]:
    """The fp32 tensors of a packed safetensors file.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; the checkpoint folder is incomplete.")
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = handle.metadata() or {}
            number_format = parse_number_format(metadata["format"])
            if number_format.kind not in (FormatKind.ADAPTIVFLOAT, FormatKind.IEEE):
                raise ValueError(f"no weights are packed as {number_format}")
            exponents: dict[str, int] = json.loads(metadata["exponents"])
            return {
                name: decode(handle.get_tensor(name), number_format, exponents[name])
                if name in exponents
                else handle.get_tensor(name).float()
                for name in handle.keys()  # noqa: SIM118 - not a dict
            }
    except (SafetensorError, LookupError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: not a packed weight file ({error}).") from error


def save_checkpoint(
    model: ExitEncoder,
    folder: Path,
    tokenizer: Tokenizer,
    number_format: NumberFormat = FP16,
    card: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint folder: config, tokenizer, model card and packed weights."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {k: v for k, v in model.backbone.config.to_dict().items() if k in _CONFIG_KEYS}
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


def load_checkpoint(folder: Path) -> ExitEncoder:
    """The encoder of a checkpoint folder, in fp32, ready for inference.

    Raises:
        CheckpointError: the folder or a file of it is missing, damaged or of another shape.
    """
    config_path = folder / "config.json"
    if not config_path.is_file():
        raise CheckpointError(f"{config_path}: no such file; expected a checkpoint folder.")
    try:
        config = json.loads(config_path.read_text())
    except ValueError as error:
        raise CheckpointError(f"{config_path}: not JSON ({error}).") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{config_path}: {type(config).__name__}, expected an object.")
    tensors = unpack_tensors(folder / _EMBEDDING_FILE) | unpack_tensors(folder / _ENCODER_FILE)
    classes = tensors.get("exits.0.classifier.bias")
    if classes is None:
        raise CheckpointError(f"{folder / _ENCODER_FILE}: no exit after layer 1.")
    model = ExitEncoder(backbone_from_config(config), n_classes=len(classes))
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


def encoder_shape(config: Mapping[str, Any], n_classes: int = 2) -> EncoderShape:
    """What the cost model needs to know of an encoder, from its ``config.json``.

    Raises:
        CheckpointError: a size is missing or the family is not known.
    """
    try:
        layers = config["num_hidden_layers"]
        shared = config["model_type"] == "albert"
        return EncoderShape(
            layers=layers,
            distinct_layers=config["num_hidden_groups"] if shared else layers,
            hidden=config["hidden_size"],
            heads=config["num_attention_heads"],
            ffn=config["intermediate_size"],
            embedding_width=config["embedding_size"] if shared else config["hidden_size"],
            vocabulary=config["vocab_size"],
            positions=config["max_position_embeddings"],
            token_types=config["type_vocab_size"],
            classes=n_classes,
        )
    except KeyError as error:
        raise CheckpointError(f"config.json lacks {error}; expected an encoder's sizes.") from error


def checkpoint_hash(folder: Path) -> str:
    """SHA-256 of everything in a checkpoint folder that can change a logit, hexadecimal.

    Tensors count by name, type, shape and content, so the same weights written twice are the same.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    digest = hashlib.sha256()
    for name in ("config.json", "tokenizer.json"):
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{path}: no such file; the checkpoint folder is incomplete.")
        digest.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
    for name in (_EMBEDDING_FILE, _ENCODER_FILE):
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
