"""Sampling: which settings of the model knobs a step of compression-aware training draws from."""

from __future__ import annotations

import random
from dataclasses import dataclass
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
class Anchor:
    """One setting that is drawn far more often than others: what a checkpoint is to be best at.

    Attributes:
        share: share of the steps that train it.
        span_budget_tokens: mean attention span, tokens.
        encoder_sparsity: share of encoder weights that are zero.
        embedding_sparsity: share of embedding weights that are zero.
        weight_format: number format of weights.
        activation_format: number format of activations.
    """

    share: float
    span_budget_tokens: int = FULL_SPAN_TOKENS
    encoder_sparsity: float = 0.0
    embedding_sparsity: float = 0.0
    weight_format: NumberFormat = FP32
    activation_format: NumberFormat = FP32

    def __post_init__(self) -> None:
        """Refuse a share that is none, and values that no setting can have."""
        if not 0 <= self.share <= 1:
            raise ValueError(f"share {self.share} of an anchor: expected a share from 0 to 1.")
        _refuse_distributions(self.activation_format)
        self.knobs()

    def knobs(self) -> ModelKnobs:
        """The setting.

        Raises:
            ValueError: a value is out of range.
        """
        return _knobs({name: getattr(self, name) for name in DENSE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Values of each knob that a step draws from, each alike and independently of other knobs.

    A value that is given twice is drawn twice as often.

    Attributes:
        dense_share: share of the steps that train the encoder without compression instead.
        anchor: one setting that has a share of the steps of its own; None for none.
        span_budget_tokens: mean attention spans, tokens.
        encoder_sparsity: shares of encoder weights that are zero.
        embedding_sparsity: shares of embedding weights that are zero.
        weight_format: number formats of weights.
        activation_format: number formats of activations; their scale follows from extremes.
    """

    dense_share: float = 0.25
    anchor: Anchor | None = None
    span_budget_tokens: tuple[int, ...] = (FULL_SPAN_TOKENS,)
    encoder_sparsity: tuple[float, ...] = (0.0,)
    embedding_sparsity: tuple[float, ...] = (0.0,)
    weight_format: tuple[NumberFormat, ...] = (FP32,)
    activation_format: tuple[NumberFormat, ...] = (FP32,)

    def __post_init__(self) -> None:
        """Refuse a share that is none, empty lists, and values that no setting can have."""
        if not 0 <= self.dense_share <= 1:
            raise ValueError(f"dense_share {self.dense_share}: expected a share from 0 to 1.")
        if self.anchor is not None and self.dense_share + self.anchor.share > 1:
            raise ValueError(
                f"dense_share {self.dense_share} and share {self.anchor.share} of the anchor: "
                "expected 1 at most together."
            )
        for name, values in self._lists().items():
            if not values:
                raise ValueError(f"{name} of a sampling is empty: expected a value or more.")
            for value in values:
                _knobs(DENSE | {name: value})  # refuses what is out of range
        for number_format in self.activation_format:
            _refuse_distributions(number_format)

    def drawn(self, seed: int) -> ModelKnobs:
        """The setting of a step, which follows from its seed alone."""
        rng = random.Random(seed)
        chosen = {name: rng.choice(values) for name, values in self._lists().items()}
        lot = rng.random()
        if lot < self.dense_share:
            return _knobs(DENSE)
        if self.anchor is not None and lot < self.dense_share + self.anchor.share:
            return self.anchor.knobs()
        return _knobs(chosen)

    def values(self, name: str) -> frozenset[Any]:
        """Values of a knob that steps under compression can have, the anchor's among them."""
        anchored = [] if self.anchor is None else [getattr(self.anchor, name)]
        return frozenset([*getattr(self, name), *anchored])

    def _lists(self) -> dict[str, tuple[Any, ...]]:
        return {name: getattr(self, name) for name in DENSE}


def _refuse_distributions(number_format: NumberFormat) -> None:
    """Require a format of activations whose scale follows from the largest magnitude."""
    if number_format.kind is FormatKind.POSIT or number_format.clipping is not Clipping.MAXIMUM:
        raise ValueError(
            f"activation_format {str(number_format)!r} of a sampling: its scale follows from a "
            "distribution, which changes in training; expected a format whose scale follows from "
            "the largest magnitude."
        )


def _knobs(values: dict[str, Any]) -> ModelKnobs:
    """Model knobs of the encoder that is being trained."""
    return ModelKnobs(checkpoint="", **_CELLS, **values)
