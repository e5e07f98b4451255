"""Limits: what an encoder's sizes allow of the token rows and spans that it is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluators.checkpoints import CheckpointError
from evaluators.encoders import ExitEncoder
from evaluators.learned_spans import SPANS_FILE, Spans
from evaluators.token_rows import TokenRow


def check_rows(folder: Path, model: ExitEncoder, rows: Sequence[TokenRow]) -> None:
    """Refuse token rows that the encoder has no embeddings for.

    Args:
        folder: checkpoint folder, for the message.
        model: its encoder.
        rows: token ids, or (token id, token type id), as its tokenizer gives them.

    Raises:
        CheckpointError: a token, a token type or a position is beyond the encoder's embeddings.
    """
    config = model.backbone.config
    first = model.pad_id + 1 if model.family.positions_follow_padding else 0
    positions = config.max_position_embeddings - first
    longest = max(map(len, rows), default=0)
    if longest > positions:
        raise CheckpointError(
            f"{folder}: a row of {longest} tokens, expected at most the {positions} that "
            "max_position_embeddings of config.json leaves; take an encoder with more positions."
        )
    tokens, kinds = _largest(rows)
    for what, largest, key in (
        ("token id", tokens, "vocab_size"),
        ("token type id", kinds, "type_vocab_size"),
    ):
        count = getattr(config, key, 0)
        if largest >= count and (key == "vocab_size" or model.has_token_types):
            raise CheckpointError(
                f"{folder}: the tokenizer gives {what} {largest}, expected less than {key} "
                f"{count} of config.json; put the tokenizer there that the encoder was made with."
            )


def _largest(rows: Sequence[TokenRow]) -> tuple[int, int]:
    """Largest token id and largest token type id of rows; 0 where there are none."""
    tokens = kinds = 0
    for row in rows:
        for entry in row:
            token, kind = entry if isinstance(entry, tuple) else (entry, 0)
            tokens, kinds = max(tokens, token), max(kinds, kind)
    return tokens, kinds


def check_padding(folder: Path, model: ExitEncoder) -> None:
    """Refuse an encoder without a padding token, which training fills short rows with.

    Raises:
        CheckpointError: ``pad_token_id`` is none of its tokens.
    """
    config = model.backbone.config
    if config.pad_token_id is None or not 0 <= config.pad_token_id < config.vocab_size:
        raise CheckpointError(
            f"{folder}: pad_token_id {config.pad_token_id} in config.json, expected a token id "
            f"from 0 to {config.vocab_size - 1}: training pads short rows."
        )


def check_spans(folder: Path, model: ExitEncoder, spans: Spans | None) -> None:
    """Refuse learned spans that are those of another encoder.

    Raises:
        CheckpointError: they are not one for each head of each distinct layer.
    """
    if spans is None:
        return
    layers = len(model.family.weight_sets(model.backbone))
    heads = model.backbone.config.num_attention_heads
    if [len(row) for row in spans] != [heads] * layers:
        raise CheckpointError(
            f"{folder / SPANS_FILE}: rows of {', '.join(str(len(row)) for row in spans)} spans, "
            f"expected {layers} rows of {heads}, a span for each head of each distinct layer; the "
            "file is of another checkpoint."
        )
