"""Sampling: which settings of the model knobs a step of compression-aware training draws from."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import Any, Final

from search_space import (
    FP32,
    FULL_SPAN_TOKENS,
    CellKind,
    Clipping,
    FormatKind,
    ModelKnobs,
    NumberFormat,
)

DENSE: Final[dict[str, Any]] = {
    "span_budget_tokens": FULL_SPAN_TOKENS,
    "encoder_sparsity": 0.0,
    "embedding_sparsity": 0.0,
    "weight_format": FP32,
    "activation_format": FP32,
}
"""Model knobs that compress nothing."""

_CELLS: Final[dict[str, Any]] = {
    "embedding_storage": CellKind.SRAM,
    "encoder_storage": CellKind.SRAM,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Values of each knob that a step draws from, each alike and independently of other knobs.

    A value that is given twice is drawn twice as often.

    Attributes:
        dense_share: share of the steps that train the encoder without compression instead.
        span_budget_tokens: mean attention spans, tokens.
        encoder_sparsity: shares of encoder weights that are zero.
        embedding_sparsity: shares of embedding weights that are zero.
        weight_format: number formats of weights.
        activation_format: number formats of activations; their scale follows from extremes.
    """

    dense_share: float = 0.25
    span_budget_tokens: tuple[int, ...] = (FULL_SPAN_TOKENS,)
    encoder_sparsity: tuple[float, ...] = (0.0,)
    embedding_sparsity: tuple[float, ...] = (0.0,)
    weight_format: tuple[NumberFormat, ...] = (FP32,)
    activation_format: tuple[NumberFormat, ...] = (FP32,)

    def __post_init__(self) -> None:
        """Refuse a share that is none, empty lists, and values that no setting can have."""
        if not 0 <= self.dense_share <= 1:
            raise ValueError(f"dense_share {self.dense_share}: expected a share from 0 to 1.")
        for name, values in self._lists().items():
            if not values:
                raise ValueError(f"{name} of a sampling is empty: expected a value or more.")
            for value in values:
                _knobs(DENSE | {name: value})  # refuses what is out of range
        for number_format in self.activation_format:
            if number_format.kind is FormatKind.POSIT or (
                number_format.clipping is not Clipping.MAXIMUM
            ):
                raise ValueError(
                    f"activation_format {str(number_format)!r} of a sampling: its scale follows "
                    "from a distribution, which changes in training; expected a format whose "
                    "scale follows from the largest magnitude."
                )

    def drawn(self, seed: int) -> ModelKnobs:
        """The setting of a step, which follows from its seed alone."""
        rng = random.Random(seed)
        chosen = {name: rng.choice(values) for name, values in self._lists().items()}
        return _knobs(DENSE if rng.random() < self.dense_share else chosen)

    def _lists(self) -> dict[str, tuple[Any, ...]]:
        names = [field.name for field in fields(self) if field.name != "dense_share"]
        return {name: getattr(self, name) for name in names}


def _knobs(values: dict[str, Any]) -> ModelKnobs:
    """Model knobs of the encoder that is being trained."""
    return ModelKnobs(checkpoint="", **_CELLS, **values)
