"""Transformer encoders with an exit after every layer, and the checkpoint folders they live in.

A checkpoint folder stands alone: ``config.json`` (Hugging Face), ``tokenizer.json``,
``card.json`` (how it was made and what it scores) and safetensors files whose tensors are either
half precision or packed codes (`evaluators.weight_files`). A plain Hugging Face folder is one too
(`evaluators.pretrained`): its exits are new, but for the last one if it has a classifier.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.masking_utils import create_bidirectional_mask

from evaluators.checkpoints import CheckpointError
from evaluators.families import FAMILIES, Family, family_of
from evaluators.learned_spans import SPANS_FILE
from evaluators.pretrained import (
    WEIGHT_FILE,
    is_pretrained,
    read_tokenizer,
    read_weights,
    tokenizer_files,
)
from evaluators.weight_files import pack_tensors, unpack_tensors
from hw_cost.workload import EncoderShape
from search_space import FP16, NumberFormat

MAX_TOKENS: Final = 128
_EMBEDDING_FILE: Final = "embeddings.safetensors"
_ENCODER_FILE: Final = "encoder.safetensors"

NEW_EXIT_SEED: Final = 0
"""Seed of the exits that a plain Hugging Face folder does not have."""


class ExitHead(nn.Module):
    """Pooler (dense and an activation function on the first token) and classifier after a layer."""

    def __init__(
        self, hidden_size: int, n_classes: int, activation: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.pooler = nn.Linear(hidden_size, hidden_size)
        self.classifier = nn.Linear(hidden_size, n_classes)
        self._activation = activation

    def forward(self, first_token: Tensor) -> Tensor:
        """Logits (batch, n_classes) from hidden states of the first token (batch, hidden_size)."""
        logits: Tensor = self.classifier(self._activation(self.pooler(first_token)))
        return logits


class ExitEncoder(nn.Module):
    """A Hugging Face encoder whose every layer has an exit.

    Embeddings, masks and layers are the library's own; they are called one by one, so that a depth
    can be asked for.

    Attributes:
        backbone: the library's encoder.
        family: where it keeps its parts.
        n_layers: layers, and exits.
        exits: one head for each layer, first to last.
    """

    def __init__(self, backbone: PreTrainedModel, n_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        config = backbone.config
        self.family: Family = FAMILIES[config.model_type]
        self.n_layers: int = config.num_hidden_layers
        self.exits = nn.ModuleList(
            ExitHead(config.hidden_size, n_classes, self.family.pooler_activation)
            for _ in range(self.n_layers)
        )

    @property
    def pad_id(self) -> int:
        """Token id that fills short rows of a batch."""
        return int(self.backbone.config.pad_token_id)

    @property
    def has_token_types(self) -> bool:
        """Whether tokens of a first and of a second sentence are told apart."""
        return getattr(self.backbone.config, "type_vocab_size", 0) > 1

    def hidden_states(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        layers: int | None = None,
    ) -> tuple[Tensor, ...]:
        """Input of layer 1 and output of every layer: 1 + layers of (batch, tokens, width).

        Args:
            input_ids: (batch, tokens) token ids.
            attention_mask: (batch, tokens), 1 for a token and 0 for padding; None for no padding.
            token_type_ids: (batch, tokens), 0 for tokens of the first sentence and 1 for those of
                the second; None for all 0. Ignored by encoders that do not tell them apart.
            layers: run only that many; None for all.

        Raises:
            ValueError: there are not so many layers.
        """
        depth = self.n_layers if layers is None else layers
        if not 1 <= depth <= self.n_layers:
            raise ValueError(f"layers {depth} of an encoder: expected 1 to {self.n_layers}.")
        types = {}
        if token_type_ids is not None and self.has_token_types:
            types = {"token_type_ids": token_type_ids}
        embeddings = self.backbone.get_submodule("embeddings")
        state: Tensor = embeddings(input_ids=input_ids, **types)
        mask = create_bidirectional_mask(self.backbone.config, state, attention_mask)
        if self.family.projection is not None:
            state = self.backbone.get_submodule(self.family.projection)(state)
        states = [state]
        for layer in self.family.layer_modules(self.backbone)[:depth]:
            states.append(layer(states[-1], mask))
        return tuple(states)

    def exit_logits(self, states: Sequence[Tensor]) -> Tensor:
        """Logits (batch, layers, n_classes) from the outputs of that many layers, the first on."""
        heads = list(self.exits)[: len(states)]
        return torch.stack(
            [head(state[:, 0]) for head, state in zip(heads, states, strict=True)], dim=1
        )

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        layers: int | None = None,
    ) -> Tensor:
        """Logits (batch, layers, n_classes) of every exit up to that layer; see `hidden_states`."""
        states = self.hidden_states(input_ids, attention_mask, token_type_ids, layers)
        return self.exit_logits(states[1:])


def renew_exits(model: ExitEncoder, seed: int = NEW_EXIT_SEED) -> None:
    """Give every exit new weights, as the library starts a layer, from a seed of their own.

    Matrices are normal with the standard deviation ``initializer_range`` of the config, biases 0.
    """
    generator = torch.Generator().manual_seed(seed)
    deviation: float = model.backbone.config.initializer_range
    with torch.no_grad():
        for parameter in model.exits.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, deviation, generator=generator)
            else:
                parameter.zero_()


def backbone_from_config(config: Mapping[str, Any]) -> PreTrainedModel:
    """An untrained encoder of the family that ``model_type`` names (`evaluators.families`).

    Raises:
        CheckpointError: the family is not known, or its sizes make no encoder.
    """
    family = family_of(config)
    try:
        return family.backbone(config)
    except Exception as error:  # of many kinds, bare assertions and divisions by 0 among them
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise CheckpointError(f"The sizes in config.json make no encoder ({reason}).") from error


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a checkpoint folder, truncating at `MAX_TOKENS`.

    Raises:
        CheckpointError: its files are missing or damaged.
    """
    tokenizer = read_tokenizer(folder)
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    return tokenizer


def token_ids(tokenizer: Tokenizer, texts: Iterable[str]) -> list[list[int]]:
    """Token ids of each text, special tokens included."""
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]


TokenRow = Sequence[int] | Sequence[tuple[int, int]]
"""Token ids of one text, or token and token type ids of a pair."""


def token_rows(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str], *, has_types: bool = True
) -> list[TokenRow]:
    """Token ids of each text, or (token id, token type id) of each pair, marks included.

    Args:
        tokenizer: of the checkpoint; it knows what stands between the texts of a pair.
        texts: the first texts.
        pairs: the second ones; empty for a task with one text.
        has_types: whether the encoder tells the two texts apart; else pairs are token ids alone.
    """
    if not pairs:
        return [*token_ids(tokenizer, texts)]
    encodings = tokenizer.encode_batch(list(zip(texts, pairs, strict=True)))
    if not has_types:
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


def pad_rows(rows: Sequence[TokenRow], pad_id: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """Input ids, attention mask and token type ids, all (batch, longest row), of `token_rows`.

    Token type ids are None for rows of single texts, and 0 where there is padding.
    """
    if not isinstance(rows[0][0], tuple):
        return *pad_batch(rows, pad_id), None  # type: ignore[arg-type]
    ids, mask = pad_batch([[token for token, _ in row] for row in rows], pad_id)  # type: ignore[misc]
    types, _ = pad_batch([[kind for _, kind in row] for row in rows], 0)  # type: ignore[misc]
    return ids, mask, types


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
    model = ExitEncoder(backbone_from_config(config), n_classes=len(classes))
    return _with_weights(model, tensors, folder)


def _load_pretrained(folder: Path, config: Mapping[str, Any], n_classes: int) -> ExitEncoder:
    weights = read_weights(folder, family_of(config))
    model = ExitEncoder(backbone_from_config(config), weights.classes or n_classes)
    renew_exits(model)
    tensors = {f"exits.{name}": tensor for name, tensor in model.exits.state_dict().items()}
    tensors |= {f"backbone.{name}": tensor for name, tensor in weights.encoder.items()}
    last = model.n_layers - 1
    tensors |= {f"exits.{last}.{name}": tensor for name, tensor in weights.last_exit.items()}
    return _with_weights(model, tensors, folder)


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


def encoder_shape(config: Mapping[str, Any], n_classes: int = 2) -> EncoderShape:
    """What the cost model needs to know of an encoder, from its ``config.json``.

    Raises:
        CheckpointError: a size is missing or the family is not known.
    """
    family = family_of(config)
    try:
        sizes = {field: config[key] for field, key in family.sizes.items()}
        first = config["pad_token_id"] + 1 if family.positions_follow_padding else 0
    except KeyError as error:
        raise CheckpointError(f"config.json lacks {error}; expected an encoder's sizes.") from error
    return EncoderShape(**({"token_types": 0} | sizes), first_position=first, classes=n_classes)


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
