"""The shape of an encoder, as the accelerator sees it."""

from __future__ import annotations

from dataclasses import dataclass, fields


class WorkloadError(ValueError):
    """A model shape or compression that does not fit together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderShape:
    """Dimensions of an encoder with an exit (pooler and classifier) after every layer.

    Attributes:
        layers: layers that a sentence can run through.
        distinct_layers: different sets of layer weights: 1 for ALBERT, `layers` for BERT.
        hidden: width of the hidden state.
        heads: attention heads of a layer.
        ffn: width of the feed-forward layer.
        embedding_width: width of the embeddings; below `hidden` a projection follows them.
        vocabulary: rows of the token embedding.
        positions: rows of the position embedding.
        token_types: rows of the token-type embedding; 0 for none (reading one and adding it are
            counted all the same: a row in 2 n + 1, one addition in 2).
        classes: outputs of a classifier.
        first_position: row of the position embedding that the first token reads.
    """

    layers: int
    distinct_layers: int
    hidden: int
    heads: int
    ffn: int
    embedding_width: int
    vocabulary: int
    positions: int
    token_types: int
    classes: int
    first_position: int = 0

    def __post_init__(self) -> None:
        """Refuse dimensions that are not positive or do not divide."""
        for field in fields(self):
            least = 0 if field.name in ("token_types", "first_position") else 1
            if getattr(self, field.name) < least:
                raise WorkloadError(
                    f"{field.name} {getattr(self, field.name)} of an encoder: expected {least} or "
                    "more."
                )
        if self.longest_sentence < 1:
            raise WorkloadError(
                f"first_position {self.first_position}: expected less than the {self.positions} "
                "positions."
            )
        if self.hidden % self.heads:
            raise WorkloadError(
                f"hidden {self.hidden} with {self.heads} heads: expected a multiple of the heads."
            )
        if self.layers % self.distinct_layers:
            raise WorkloadError(
                f"distinct_layers {self.distinct_layers} of {self.layers} layers: expected a "
                "divisor of the layers."
            )
        if self.embedding_width > self.hidden:
            raise WorkloadError(
                f"embedding_width {self.embedding_width}: expected at most hidden {self.hidden}."
            )

    @property
    def head_width(self) -> int:
        """Width of one head."""
        return self.hidden // self.heads

    @property
    def longest_sentence(self) -> int:
        """Tokens that have a position of their own."""
        return self.positions - self.first_position

    @property
    def has_projection(self) -> bool:
        """Whether embeddings are narrower than the hidden state."""
        return self.embedding_width < self.hidden

    def weight_set(self, layer: int) -> int:
        """Which set of weights a layer uses; layers count from 1, sets from 0, in equal blocks."""
        return (layer - 1) * self.distinct_layers // self.layers

    @property
    def embedding_parameters(self) -> int:
        """Token, position and token-type embeddings and their layer norm."""
        rows = self.vocabulary + self.positions + self.token_types
        return (rows + 2) * self.embedding_width

    @property
    def projection_parameters(self) -> int:
        """Projection from embedding to hidden width with its bias; 0 without one."""
        return (self.embedding_width + 1) * self.hidden if self.has_projection else 0

    @property
    def layer_weights(self) -> int:
        """Matrix elements of one layer."""
        return 4 * self.hidden**2 + 2 * self.hidden * self.ffn

    @property
    def layer_parameters(self) -> int:
        """One layer with its biases and two layer norms."""
        return self.layer_weights + 4 * self.hidden + self.ffn + self.hidden + 4 * self.hidden

    @property
    def pooler_parameters(self) -> int:
        """Pooler of one exit with its bias."""
        return self.hidden * (self.hidden + 1)

    @property
    def classifier_parameters(self) -> int:
        """Classifier of one exit with its bias."""
        return (self.hidden + 1) * self.classes
