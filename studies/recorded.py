"""Recorded traces: a tabular benchmark of measured exits over a grid of model knobs.

A set of traces is a folder: ``manifest.json`` says what was recorded, from which checkpoint and
data, and one ``.npz`` file a checkpoint holds the arrays. Figures only, no sentences.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evaluators.faults.trials import FaultTrials
from evaluators.stages import first_drawn, looks_below
from evaluators.traces import ExitTrace, Split
from hw_cost import EncoderShape
from search_space import ModelKnobs, TraceKey, nearest
from studies.whole_files import write_whole

SHIPPED: Final = Path(__file__).parent / "recorded_sst2"
KEY_NAMES: Final = (
    "checkpoint",
    "span_budget_tokens",
    "encoder_sparsity",
    "embedding_sparsity",
    "weight_format",
    "activation_format",
)
"""Model knobs that make up a `TraceKey`, in its order; other knobs may follow in one text."""


def knobs_of_key(key: TraceKey) -> dict[str, str | int | float]:
    """The model knobs that a key of a trace names, by name."""
    found: dict[str, str | int | float] = dict(zip(KEY_NAMES, key, strict=False))
    others = "".join(str(text) for text in key[len(KEY_NAMES) :])
    for text in others.split():
        name, _, value = text.partition("=")
        found[name] = value
    return found


class RecordedTracesError(ValueError):
    """A set of recorded traces is missing or damaged, or a setting is not among them."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecordedCheckpoint(_Table):
    """What was recorded of one checkpoint."""

    checkpoint_sha256: str
    arrays: str
    arrays_sha256: str
    shape: dict[str, int]
    settings: list[TraceKey]
    head_spans: list[list[list[int]]]
    densities: list[tuple[float, float]]
    seconds_per_setting: float
    fault_scores: dict[int, tuple[float, ...]] = Field(
        default_factory=dict, description="Scores of the trials of faults, by row of `settings`."
    )


class Manifest(_Table):
    """``manifest.json`` of a set of recorded traces."""

    format: Literal[1]
    task: str
    data_sha256: str
    trace_version: int
    machine: str
    versions: dict[str, str]
    checkpoints: dict[str, RecordedCheckpoint]


@dataclass(frozen=True, slots=True)
class _Arrays:
    logits: NDArray[np.float16]
    predicted_entropies: NDArray[np.float16]
    tokens: NDArray[np.int64]
    labels: NDArray[np.int64] | NDArray[np.float64]
    splits: NDArray[np.int64]


class RecordedTraces:
    """Traces by setting, from a folder that `write_recorded` made."""

    def __init__(self, folder: Path = SHIPPED, looks: Sequence[int] = ()) -> None:
        """Open a set of traces; arrays are read when first needed.

        Args:
            folder: where they are.
            looks: after how many drawn ``select`` sentences `stages` gives a partial trace; those
                at all of them or more are left out.

        Raises:
            RecordedTracesError: the manifest is missing or damaged.
        """
        self._folder = folder
        self._looks = tuple(looks)
        path = folder / "manifest.json"
        if not path.is_file():
            raise RecordedTracesError(
                f"{path}: no such file; recorded traces are made by 'dse record'."
            )
        try:
            self.manifest = Manifest.model_validate(json.loads(path.read_text()))
        except (ValidationError, ValueError) as error:
            first = str(error).splitlines()[0]
            raise RecordedTracesError(f"{path}: not a manifest of traces ({first}).") from error
        self._rows = {
            tuple(key): (name, row)
            for name, checkpoint in self.manifest.checkpoints.items()
            for row, key in enumerate(checkpoint.settings)
        }
        self._arrays: dict[str, _Arrays] = {}

    def settings(self) -> list[TraceKey]:
        """Every recorded setting."""
        return [key for c in self.manifest.checkpoints.values() for key in c.settings]

    def first_setting(self, checkpoint: str) -> TraceKey:
        """The setting of a checkpoint that was recorded first.

        Raises:
            RecordedTracesError: nothing of that checkpoint is recorded.
        """
        return self._checkpoint(checkpoint).settings[0]

    def shape(self, checkpoint: str) -> EncoderShape:
        """Shape of a checkpoint's encoder.

        Raises:
            RecordedTracesError: nothing of that checkpoint is recorded.
        """
        return EncoderShape(**self._checkpoint(checkpoint).shape)

    def trace(self, knobs: ModelKnobs) -> ExitTrace:
        """The trace of a setting.

        Raises:
            RecordedTracesError: the setting is not recorded, or its file is damaged.
        """
        key = knobs.trace_key()
        if key not in self._rows:
            raise RecordedTracesError(self._missing(key))
        name, row = self._rows[key]
        checkpoint, arrays = self._checkpoint(name), self._load(name)
        scores = checkpoint.fault_scores.get(row)
        return ExitTrace(
            logits=arrays.logits[row],
            tokens=arrays.tokens,
            labels=arrays.labels,
            splits=arrays.splits,
            predicted_entropies=arrays.predicted_entropies[row],
            head_spans=tuple(tuple(layer) for layer in checkpoint.head_spans[row]),
            encoder_density=checkpoint.densities[row][0],
            embedding_density=checkpoint.densities[row][1],
            task=self.manifest.task,
            faults=FaultTrials(scores) if scores is not None else None,
        )

    def stages(self, knobs: ModelKnobs) -> Iterator[ExitTrace]:
        """The trace of a setting as live evaluation would come to it, in stages.

        With looks, first the trace of the first drawn ``select`` sentences for each of the looks
        and for all of them; in the end the whole trace.

        Raises:
            RecordedTracesError: as of `trace`.
        """
        whole = self.trace(knobs)
        if self._looks:
            n_select = int((whole.splits == Split.SELECT).sum())
            for count in (*looks_below(n_select, self._looks), n_select):
                yield first_drawn(whole, count)
        yield whole

    def select_tokens(self, checkpoint: str) -> NDArray[np.int64]:
        """Token counts (n_select,) of the ``select`` sentences.

        Raises:
            RecordedTracesError: nothing of that checkpoint is recorded, or its file is damaged.
        """
        self._checkpoint(checkpoint)
        arrays = self._load(checkpoint)
        counts: NDArray[np.int64] = arrays.tokens[arrays.splits == Split.SELECT]
        return counts

    def _checkpoint(self, name: str) -> RecordedCheckpoint:
        known = self.manifest.checkpoints
        if name not in known:
            raise RecordedTracesError(
                f"Checkpoint {name!r} has no recorded traces{nearest(name, known)}: expected one "
                f"of {', '.join(known)}, or use the live evaluator."
            )
        return known[name]

    def _missing(self, key: TraceKey) -> str:
        checkpoint = self._checkpoint(key[0])
        for position, name in enumerate(KEY_NAMES):
            values = sorted({setting[position] for setting in checkpoint.settings}, key=str)
            if key[position] not in values:
                shown = ", ".join(str(value) for value in values)
                return (
                    f"No trace is recorded for {name} {key[position]} (recorded: {shown}): choose "
                    "one of these, or use --evaluator live."
                )
        named = ", ".join(f"{name} {value}" for name, value in knobs_of_key(key).items())
        return f"No trace is recorded for the setting {named}: use --evaluator live."

    def _load(self, name: str) -> _Arrays:
        if name not in self._arrays:
            checkpoint = self._checkpoint(name)
            path = self._folder / checkpoint.arrays
            if not path.is_file():
                raise RecordedTracesError(f"{path}: no such file; record the traces again.")
            if hashlib.sha256(path.read_bytes()).hexdigest() != checkpoint.arrays_sha256:
                raise RecordedTracesError(
                    f"{path}: its SHA-256 is not the one in manifest.json, so the file is damaged; "
                    "restore it or record the traces again."
                )
            with np.load(path, allow_pickle=False) as stored:
                self._arrays[name] = _Arrays(
                    logits=stored["logits"],
                    predicted_entropies=stored["predicted_entropies"],
                    tokens=stored["tokens"].astype(np.int64),
                    labels=_labels_of(stored["labels"]),
                    splits=stored["splits"].astype(np.int64),
                )
        return self._arrays[name]


def _labels_of(stored: NDArray[Any]) -> NDArray[np.int64] | NDArray[np.float64]:
    """Labels as a trace has them: class indices, or the numbers of a regression."""
    if np.issubdtype(stored.dtype, np.floating):
        return stored.astype(np.float64)
    return stored.astype(np.int64)


def write_recorded(
    folder: Path,
    traces: Mapping[str, Sequence[tuple[ModelKnobs, ExitTrace]]],
    shapes: Mapping[str, EncoderShape],
    checkpoint_hashes: Mapping[str, str],
    seconds: Mapping[str, float],
    about: Mapping[str, Any],
) -> None:
    """Write a set of traces.

    Args:
        folder: where to.
        traces: by checkpoint, each setting with its trace; all over the same sentences.
        shapes: by checkpoint, the encoder.
        checkpoint_hashes: by checkpoint.
        seconds: by checkpoint, mean measured time of one setting.
        about: ``task``, ``data_sha256``, ``trace_version``, ``machine`` and ``versions``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints = {}
    for name, pairs in traces.items():
        first = pairs[0][1]
        is_real = np.issubdtype(first.labels.dtype, np.floating)
        path = folder / f"{name}.npz"
        np.savez_compressed(
            path,
            logits=np.stack([trace.logits for _, trace in pairs]),
            predicted_entropies=np.stack([trace.predicted_entropies for _, trace in pairs]),
            tokens=first.tokens.astype(np.uint16),
            labels=first.labels.astype(first.labels.dtype if is_real else np.uint8),
            splits=first.splits.astype(np.uint8),
        )
        shape = shapes[name]
        checkpoints[name] = RecordedCheckpoint(
            checkpoint_sha256=checkpoint_hashes[name],
            arrays=path.name,
            arrays_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            shape={field: getattr(shape, field) for field in shape.__dataclass_fields__},
            settings=[knobs.trace_key() for knobs, _ in pairs],
            head_spans=[[list(layer) for layer in trace.head_spans] for _, trace in pairs],
            densities=[(trace.encoder_density, trace.embedding_density) for _, trace in pairs],
            seconds_per_setting=round(seconds[name], 2),
            fault_scores={
                row: trace.faults.scores
                for row, (_, trace) in enumerate(pairs)
                if trace.faults is not None
            },
        )
    manifest = Manifest(format=1, checkpoints=checkpoints, **about)
    write_whole(folder / "manifest.json", (manifest.model_dump_json() + "\n").encode())
