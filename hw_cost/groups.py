"""Groups of sentences that cost the same on a chip."""

from __future__ import annotations

from dataclasses import dataclass

from hw_cost.units import Ints


class GroupsError(ValueError):
    """Groups that no sentence can form."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Sentences of equal token count, predicted and actual exit layer; (n_groups,) arrays.

    Attributes:
        tokens: tokens of a sentence, special ones included (padded ones too where sentences are).
        predicted_layer: exit layer that the voltage is chosen for; layers count from 1.
        actual_layer: layer that the sentence leaves after; at most the predicted one.
    """

    tokens: Ints
    predicted_layer: Ints
    actual_layer: Ints

    def __post_init__(self) -> None:
        """Refuse arrays of different lengths, no tokens, and exits after the predicted one."""
        if not (
            self.tokens.ndim == 1
            and self.tokens.shape == self.predicted_layer.shape == self.actual_layer.shape
        ):
            raise GroupsError(
                f"Groups have {self.tokens.shape} tokens, {self.predicted_layer.shape} predicted "
                f"and {self.actual_layer.shape} actual layers: expected three equal vectors."
            )
        if not len(self):
            raise GroupsError("No groups: expected at least one.")
        if self.tokens.min() < 1 or self.actual_layer.min() < 1:
            raise GroupsError(
                f"Groups with {self.tokens.min()} tokens or layer {self.actual_layer.min()}: "
                "expected 1 or more of both."
            )
        late = self.actual_layer > self.predicted_layer
        if late.any():
            g = int(late.argmax())
            raise GroupsError(
                f"Group {g} leaves after layer {self.actual_layer[g]}, predicted "
                f"{self.predicted_layer[g]}: expected no layer after the predicted one."
            )

    def __len__(self) -> int:
        """Number of groups."""
        return len(self.tokens)
