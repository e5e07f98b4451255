"""Encoders by hand: parameters, operations, what spans save, and what 2 MiB of eNVM hold."""

from __future__ import annotations

from typing import Final

import numpy as np

from hw_cost import EncoderShape, Workload
from search_space import CellKind, NumberFormat, adaptivfloat
from studies.validation.published import published
from studies.validation.rows import Row, Section

ALBERT_BASE: Final = EncoderShape(
    layers=12,
    distinct_layers=1,
    hidden=768,
    heads=12,
    ffn=3072,
    embedding_width=128,
    vocabulary=30000,
    positions=512,
    token_types=2,
    classes=2,
)
BERT_BASE: Final = EncoderShape(
    layers=12,
    distinct_layers=12,
    hidden=768,
    heads=12,
    ffn=3072,
    embedding_width=768,
    vocabulary=30522,
    positions=512,
    token_types=2,
    classes=2,
)
FULL_SPAN: Final = 512
FP8: Final = adaptivfloat(8, 3)
ENCODER_DENSITY: Final = 0.5
EMBEDDING_DENSITY: Final = 0.4
_BYTES_PER_MB: Final = 1e6


def albert_workload(
    *,
    heads_off: int = 0,
    sparse: bool = False,
    shape: EncoderShape = ALBERT_BASE,
    number_format: NumberFormat = FP8,
    encoder_storage: CellKind = CellKind.RERAM_MLC2,
) -> Workload:
    """An encoder as EdgeBERT runs it: 8-bit AdaptivFloat, embeddings in MLC2 ReRAM.

    Args:
        heads_off: heads of every layer with span 0; the others see everything.
        sparse: 50 % of the encoder weights and 60 % of the embeddings zero; else all dense.
        shape: dimensions; ALBERT-base by default.
        number_format: of weights and activations.
        encoder_storage: cells of encoder and exits.
    """
    spans = (0,) * heads_off + (FULL_SPAN,) * (shape.heads - heads_off)
    return Workload(
        shape=shape,
        head_spans=(spans,) * shape.distinct_layers,
        encoder_density=ENCODER_DENSITY if sparse else 1.0,
        embedding_density=EMBEDDING_DENSITY if sparse else 1.0,
        weight_format=number_format,
        activation_format=number_format,
        embedding_storage=CellKind.RERAM_MLC2,
        encoder_storage=encoder_storage,
    )


def parameters(shape: EncoderShape) -> int:
    """Parameters of an encoder with one pooler and without classifier, as papers count them."""
    return (
        shape.embedding_parameters
        + shape.projection_parameters
        + shape.distinct_layers * shape.layer_parameters
        + shape.pooler_parameters
    )


def layer_macs(workload: Workload, tokens: int) -> int:
    """Multiply-accumulates of the GEMMs of layer 1."""
    gemms = workload.layer_gemms(workload.layer_kinds[0], np.array([tokens]))
    return sum(int(gemm.macs[0]) for gemm in gemms)


def count_rows() -> tuple[Row, ...]:
    """Parameters and operations of ALBERT-base and BERT-base."""
    albert, bert = albert_workload(), albert_workload(shape=BERT_BASE)
    macs = published("albert.layer_macs")
    return (
        published("albert.parameters").row(
            "ALBERT-base, parameters", parameters(ALBERT_BASE), tolerance=0
        ),
        published("albert.layer_parameters").row(
            "ALBERT-base, parameters of the layer", ALBERT_BASE.layer_parameters, tolerance=0
        ),
        *(
            macs.row(
                f"ALBERT-base, MACs of a layer at {tokens} tokens",
                layer_macs(albert, int(tokens)),
                label=tokens,
                tolerance=0,
            )
            for tokens in macs.values
        ),
        published("bert.parameters").row(
            "BERT-base, parameters", parameters(BERT_BASE), tolerance=0
        ),
        published("bert.macs").row(
            "BERT-base, MACs of twelve layers at 128 tokens",
            12 * layer_macs(bert, 128),
            tolerance=0,
        ),
    )


def span_rows() -> tuple[Row, ...]:
    """What heads that are off save of a layer's operations."""
    figures = published("edgebert.span_saving")
    whole = layer_macs(albert_workload(), 128)
    return tuple(
        figures.row(
            f"Operations saved by {off} of 12 heads off, times",
            whole / layer_macs(albert_workload(heads_off=int(off)), 128),
            label=off,
            tolerance=0.0005,
            digits=4,
        )
        for off in figures.values
    )


def encoder_section() -> Section:
    """Counts and span savings."""
    return Section(
        title="Counts",
        text=(
            "Encoder shapes and their GEMMs, by hand. One MAC is two operations. Poolers and "
            "classifiers of the exits are extra and not counted here. Heads that are off lose "
            "their Q, K and V slices, scores and context; the output projection keeps its full "
            "depth."
        ),
        rows=(*count_rows(), *span_rows()),
    )


def embedding_megabytes(*, sparse: bool) -> float:
    """Stored embeddings of ALBERT-base, MB: positions, token types and layer norm included."""
    return albert_workload(sparse=sparse).stored_bits().embeddings / 8 / _BYTES_PER_MB
