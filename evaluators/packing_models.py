"""From a checkpoint and a setting to what a chip holds: packed weights, scales, tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evaluators.batches import equal_length_batches
from evaluators.checkpoints import CheckpointError
from evaluators.compression import CompressibleEncoder
from evaluators.live import SCALE_SENTENCES
from evaluators.packed_weights import PackedWeights
from evaluators.pretrained import tokenizer_files
from evaluators.sentences import Sentences
from evaluators.settled import Settled
from evaluators.token_rows import load_tokenizer, token_rows
from evaluators.traces import ExitTrace
from search_space import ModelKnobs

_DENSITY_ERROR = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedModel:
    """A model that stands without its checkpoint and without data.

    Attributes:
        weights: in codes.
        settled: scales of activations, and spans.
        config: bytes of the checkpoint's ``config.json``.
        tokenizer: bytes of the tokenizer's files by name.
    """

    weights: PackedWeights
    settled: Settled
    config: bytes
    tokenizer: Mapping[str, bytes]


def packed_model(
    folder: Path, knobs: ModelKnobs, trace: ExitTrace, calibration: Sentences, n_classes: int
) -> PackedModel:
    """The model that a trace was measured on, packed.

    Args:
        folder: of the checkpoint.
        knobs: the setting.
        trace: its trace, whose spans are taken over.
        calibration: the task's calibration sentences, of which the first ones set the scales.
        n_classes: outputs of exits that the folder lacks.

    Raises:
        CheckpointError: the checkpoint is missing or damaged, or is not the one of the trace.
    """
    encoder = CompressibleEncoder(folder, n_classes)
    first = calibration.take(range(min(SCALE_SENTENCES, len(calibration))))
    rows = token_rows(
        load_tokenizer(folder),
        first.texts,
        first.pairs,
        has_types=encoder.model.has_token_types,
    )
    batches = [batch for _, batch in equal_length_batches(rows)]
    _, *found = encoder.configure(knobs, batches, spans=trace.head_spans)
    expected = (trace.encoder_density, trace.embedding_density)
    if max(abs(a - b) for a, b in zip(found, expected, strict=True)) > _DENSITY_ERROR:
        raise CheckpointError(
            f"{folder}: densities {found[0]:.6f} and {found[1]:.6f} of encoder and embeddings, "
            f"expected {expected[0]:.6f} and {expected[1]:.6f} as in the trace; it is of another "
            "checkpoint."
        )
    weights, settled = encoder.packed(knobs)
    return PackedModel(
        weights=weights,
        settled=settled,
        config=(folder / "config.json").read_bytes(),
        tokenizer={name: (folder / name).read_bytes() for name in tokenizer_files(folder)},
    )
