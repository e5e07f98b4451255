"""Batches of sentences of one exact length: no padding, no mask, no work on padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from evaluators.token_rows import TokenRow

BATCH_SENTENCES: Final = 64


def equal_length_batches(rows: Sequence[TokenRow]) -> list[tuple[list[int], Tensor]]:
    """Positions and token ids (batch, tokens) of rows of one length each, shortest first.

    Pairs of sentences give (batch, tokens, 2): token and token type ids.
    """
    by_length: dict[int, list[int]] = {}
    for position, row in enumerate(rows):
        by_length.setdefault(len(row), []).append(position)
    batches = []
    for _, positions in sorted(by_length.items()):
        for start in range(0, len(positions), BATCH_SENTENCES):
            part = positions[start : start + BATCH_SENTENCES]
            batches.append((part, torch.tensor([rows[i] for i in part], dtype=torch.long)))
    return batches


def ids_and_types(batch: Tensor) -> tuple[Tensor, Tensor | None]:
    """Token ids (batch, tokens) and token type ids, if there are any, of a batch."""
    if batch.ndim == 2:
        return batch, None
    input_ids, types = batch.unbind(-1)
    return input_ids, types
