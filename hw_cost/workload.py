"""What one sentence asks of the chip: GEMMs, vector operations, look-ups and stored tensors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hw_cost.encoder_shape import EncoderShape, WorkloadError
from hw_cost.units import Ints
from search_space import MX_BLOCK, CellKind, NumberFormat, ScaleSharing


@dataclass(frozen=True, slots=True, kw_only=True)
class Gemm:
    """C[rows, columns] += A[rows, depth] B[depth, columns], for every token count at once.

    Attributes:
        name: what it computes.
        count: how many of it a layer has.
        rows: (n_token_counts,).
        depth: (n_token_counts,) length of the dot products.
        columns: (n_token_counts,).
        macs: (n_token_counts,) multiply-accumulates of all `count` that are inside the span.
        density: share of MACs with no operand that is zero.
        has_weights: whether B is a stored weight.
    """

    name: str
    count: int
    rows: Ints
    depth: Ints
    columns: Ints
    macs: Ints
    density: float
    has_weights: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorOperation:
    """An operation on rows outside the MAC array: (n_token_counts,) rows of `width` elements."""

    name: str
    rows: Ints
    width: int
    elements: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBits:
    """Bits of the stored tensors, by class.

    Attributes:
        embeddings: token, position and type embeddings with their layer norm.
        encoder: layers, and the projection behind the embeddings.
        exits: poolers and classifiers.
    """

    embeddings: float
    encoder: float
    exits: float

    @property
    def total(self) -> float:
        """All classes."""
        return self.embeddings + self.encoder + self.exits


def window_pairs(tokens: Ints, span: int) -> Ints:
    """Pairs (i, j) of tokens with |i - j| < span; shape of `tokens`."""
    reach = np.minimum(span - 1, tokens - 1)
    one_side = reach * (reach + 1) // 2 + (tokens - 1 - reach) * reach
    pairs: Ints = np.where(span > 0, tokens + 2 * one_side, 0)
    return pairs


@dataclass(frozen=True, kw_only=True)
class Workload:
    """An encoder as one setting of the model knobs leaves it.

    Attributes:
        shape: dimensions.
        head_spans: for every distinct layer and head the span in tokens: query i sees the keys with
            |i - j| < span; 0 switches the head off (no Q, K, V slice, no scores, softmax or AV).
        encoder_density: share of encoder weights that are not zero, as measured.
        embedding_density: share of embedding weights that are not zero, as measured.
        weight_format: number format of all weights.
        activation_format: number format of all other GEMM operands.
        embedding_storage: cells that hold the embeddings.
        encoder_storage: cells that hold projection and layers.
        exit_storage: cells that hold the exits; None for those of the encoder.
        table_storage: cells that keep the look-up tables while the chip sleeps.
    """

    shape: EncoderShape
    head_spans: tuple[tuple[int, ...], ...]
    encoder_density: float
    embedding_density: float
    weight_format: NumberFormat
    activation_format: NumberFormat
    embedding_storage: CellKind
    encoder_storage: CellKind
    exit_storage: CellKind | None = None
    table_storage: CellKind = CellKind.SRAM

    def __post_init__(self) -> None:
        """Refuse spans of the wrong number and densities that are not shares."""
        shape = self.shape
        if len(self.head_spans) != shape.distinct_layers:
            raise WorkloadError(
                f"head_spans has {len(self.head_spans)} layers: expected one for each of the "
                f"{shape.distinct_layers} distinct layers."
            )
        for spans in self.head_spans:
            if len(spans) != shape.heads or min(spans) < 0:
                raise WorkloadError(
                    f"Head spans {spans}: expected {shape.heads} spans of 0 tokens or more."
                )
        for name in ("encoder_density", "embedding_density"):
            if not 0 <= getattr(self, name) <= 1:
                raise WorkloadError(f"{name} {getattr(self, name)}: expected a share from 0 to 1.")

    @cached_property
    def layer_kinds(self) -> tuple[tuple[int, ...], ...]:
        """Layers that cost different: their spans in falling order (the order costs nothing)."""
        return tuple(dict.fromkeys(tuple(sorted(s, reverse=True)) for s in self.head_spans))

    @cached_property
    def kind_of_layer(self) -> tuple[int, ...]:
        """Index into `layer_kinds` of layer 1, 2, ...; length `shape.layers`."""
        kinds = [
            self.layer_kinds.index(tuple(sorted(spans, reverse=True))) for spans in self.head_spans
        ]
        return tuple(kinds[self.shape.weight_set(k)] for k in range(1, self.shape.layers + 1))

    def weight_gemms(self, heads_on: int, tokens: Ints) -> tuple[Gemm, ...]:
        """qkv, output, ffn1 and ffn2 of a layer with that many heads on; tokens (n_token_counts,).

        The output projection keeps the full depth: rows of heads that are off are zero operands.
        """
        shape = self.shape
        density = self.encoder_density
        width = heads_on * shape.head_width
        return tuple(
            Gemm(
                name=name,
                count=count,
                rows=tokens,
                depth=np.full_like(tokens, depth),
                columns=np.full_like(tokens, columns),
                macs=count * tokens * depth * columns,
                density=share,
                has_weights=True,
            )
            for name, count, depth, columns, share in (
                ("qkv", 3, shape.hidden, width, density),
                ("output", 1, shape.hidden, shape.hidden, density * heads_on / shape.heads),
                ("ffn1", 1, shape.hidden, shape.ffn, density),
                ("ffn2", 1, shape.ffn, shape.hidden, density),
            )
        )

    def layer_gemms(self, spans: tuple[int, ...], tokens: Ints) -> tuple[Gemm, ...]:
        """GEMMs of a layer with those head spans; tokens (n_token_counts,).

        Order: qkv, scores and context (one entry for each distinct span), output, ffn1, ffn2.
        """
        qkv, *rest = self.weight_gemms(sum(span > 0 for span in spans), tokens)
        head = np.full_like(tokens, self.shape.head_width)
        gemms = [qkv]
        for span in dict.fromkeys(span for span in spans if span > 0):
            count = spans.count(span)
            macs = count * window_pairs(tokens, span) * head
            shared = {"count": count, "macs": macs, "density": 1.0, "has_weights": False}
            gemms += [
                Gemm(name="scores", rows=tokens, depth=head, columns=tokens, **shared),  # type: ignore[arg-type]
                Gemm(name="context", rows=tokens, depth=tokens, columns=head, **shared),  # type: ignore[arg-type]
            ]
        return (*gemms, *rest)

    def exit_gemms(self, tokens: Ints) -> tuple[Gemm, ...]:
        """Pooler and classifier of one exit, on the first token alone; tokens (n_token_counts,)."""
        one = np.ones_like(tokens)
        return tuple(
            Gemm(
                name=name,
                count=1,
                rows=one,
                depth=one * self.shape.hidden,
                columns=one * columns,
                macs=one * self.shape.hidden * columns,
                density=self.encoder_density,
                has_weights=True,
            )
            for name, columns in (("pooler", self.shape.hidden), ("classifier", self.shape.classes))
        )

    def projection_gemm(self, tokens: Ints) -> Gemm | None:
        """Embedding to hidden width, once a sentence; None where they are equal."""
        shape = self.shape
        if not shape.has_projection:
            return None
        depth, columns = (np.full_like(tokens, x) for x in (shape.embedding_width, shape.hidden))
        return Gemm(
            name="projection",
            count=1,
            rows=tokens,
            depth=depth,
            columns=columns,
            macs=tokens * depth * columns,
            density=self.encoder_density,
            has_weights=True,
        )

    def vector_operations(
        self, spans: tuple[int, ...], tokens: Ints
    ) -> tuple[VectorOperation, ...]:
        """Softmax (rows of at most the tokens), layer norm, GELU and residual adds of one layer."""
        shape = self.shape
        on = sum(span > 0 for span in spans)
        scores = sum((window_pairs(tokens, span) for span in spans), np.zeros_like(tokens))
        operations = [
            VectorOperation(
                name="softmax", rows=on * tokens, width=int(tokens.max()), elements=scores
            )
        ]
        for name, repeats, width in (
            ("layer_norm", 2, shape.hidden),
            ("gelu", 1, shape.ffn),
            ("add", 2, shape.hidden),
        ):
            rows = repeats * tokens
            operations.append(
                VectorOperation(name=name, rows=rows, width=width, elements=rows * width)
            )
        return tuple(operations)

    def embedding_rows(self, tokens: Ints) -> Ints:
        """Embedding rows read: token and position of each token, one token type."""
        return 2 * tokens + 1

    @property
    def weight_bits(self) -> float:
        """Stored bits of an encoder weight: dense, or mask bit and non-zeros if that is less.

        Scales of blocks are in it, as they stream with the weights; those of rows, one for hundreds
        of weights, are stored (`stored_bits`) but left out of the traffic.
        """
        return self._compact_bits(self.encoder_density) + self._block_scale_bits

    @property
    def embedding_bits(self) -> float:
        """Stored bits of an embedding weight: dense, or mask bit and non-zeros if that is less."""
        return self._compact_bits(self.embedding_density) + self._block_scale_bits

    @property
    def has_weight_mask(self) -> bool:
        """Whether encoder weights are stored as bitmask and non-zeros."""
        return self._compact_bits(self.encoder_density) < self.weight_format.bits

    def _compact_bits(self, density: float) -> float:
        bits = self.weight_format.bits
        return min(1.0 * bits, 1 + density * bits)

    @property
    def _block_scale_bits(self) -> float:
        """Bits of a block's scale for each of its weights."""
        shared = self.weight_format.scale_sharing is ScaleSharing.BLOCK
        return self.weight_format.scale_bits / MX_BLOCK if shared else 0.0

    def _scale_bits(self, rows: int, width: int) -> int:
        """Bits of the scales of a matrix; one scale a tensor counts as none."""
        sharing, bits = self.weight_format.scale_sharing, self.weight_format.scale_bits
        if sharing is ScaleSharing.CHANNEL:
            return rows * bits
        return rows * -(-width // MX_BLOCK) * bits if sharing is ScaleSharing.BLOCK else 0

    def stored_bits(self) -> StoredBits:
        """Bits of the stored tensors: matrices in their smaller form, the rest dense.

        Scales of rows and blocks count; those of whole tensors, some bytes each, do not.
        """
        shape = self.shape
        bits = self.weight_format.bits
        weight_bits = self._compact_bits(self.encoder_density)
        embedding_bits = self._compact_bits(self.embedding_density)
        table = shape.embedding_parameters - 2 * shape.embedding_width
        matrices = shape.distinct_layers * shape.layer_weights
        matrices += shape.embedding_width * shape.hidden if shape.has_projection else 0
        parameters = shape.distinct_layers * shape.layer_parameters + shape.projection_parameters
        heads = shape.layers * shape.hidden * (shape.hidden + shape.classes)
        biases = shape.layers * (shape.hidden + shape.classes)
        rows = shape.vocabulary + shape.positions + shape.token_types
        layer_scales = self._scale_bits(4 * shape.hidden + shape.ffn, shape.hidden)
        layer_scales += self._scale_bits(shape.hidden, shape.ffn)
        encoder_scales = shape.distinct_layers * layer_scales
        if shape.has_projection:
            encoder_scales += self._scale_bits(shape.hidden, shape.embedding_width)
        exit_scales = self._scale_bits(shape.hidden + shape.classes, shape.hidden)
        return StoredBits(
            embeddings=table * embedding_bits
            + 2 * shape.embedding_width * bits
            + self._scale_bits(rows, shape.embedding_width),
            encoder=matrices * weight_bits + (parameters - matrices) * bits + encoder_scales,
            exits=heads * weight_bits + biases * bits + shape.layers * exit_scales,
        )

    @property
    def cells(self) -> tuple[CellKind, CellKind, CellKind]:
        """Cells of embeddings, encoder and exits."""
        exits = self.encoder_storage if self.exit_storage is None else self.exit_storage
        return self.embedding_storage, self.encoder_storage, exits

    def table_words(self, exit_rows: float, dvfs_rows: float) -> float:
        """Words of the look-up tables that are kept: exit and DVFS tables, and head spans."""
        shape = self.shape
        spans = shape.distinct_layers * shape.heads
        return exit_rows * (shape.layers - 1) + dvfs_rows + spans
