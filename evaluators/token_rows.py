"""Sentences as a model takes them: token ids of texts and pairs, and padded batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer
from torch import Tensor

from evaluators.pretrained import read_tokenizer

MAX_TOKENS: Final = 128

TokenRow = Sequence[int] | Sequence[tuple[int, int]]
"""Token ids of one text, or token and token type ids of a pair."""


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
