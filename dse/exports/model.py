"""The model of an export: sentences in, answers out, as the designed chip gives them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from dse.exports.errors import ExportError
from dse.exports.layout import CONFIG_FILE, MODEL_FOLDER, SCALE_FILE, TRACE_FILE, WEIGHT_FILE
from dse.exports.loading import ExportFolder
from evaluators.batches import equal_length_batches
from evaluators.checkpoints import CheckpointError
from evaluators.early_exit import ExitRule
from evaluators.limits import check_rows
from evaluators.packed_encoder import PackedEncoder
from evaluators.tasks import GlueTask, glue_task
from evaluators.token_rows import TokenRow, load_tokenizer, token_rows
from evaluators.traces import entropies
from search_space import exit_knobs, model_knobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the chip says of a sentence.

    Attributes:
        value: index of the class, or the number of a regression.
        label: name of the class; empty for a regression.
        exit_layer: layer that it left after, from 1.
        predicted_layer: layer that the voltage after layer 1 is chosen for.
        tokens: of the sentence, special ones included.
        logits: (exit_layer, n_classes) of every exit that was worked out, half precision.
    """

    value: float
    label: str
    exit_layer: int
    predicted_layer: int
    tokens: int
    logits: NDArray[np.float16]

    @property
    def entropies(self) -> NDArray[np.float64]:
        """Entropy (exit_layer,) of every exit that was worked out, nats; 0 of a regression."""
        return entropies(self.logits)


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """The packed model of a design, its tokenizer and its exit policy.

    Attributes:
        encoder: made of packed weights and settled scales.
        tokenizer: its own.
        rule: when a sentence leaves.
        task: what it was trained for.
        folder: where it comes from.
    """

    encoder: PackedEncoder
    tokenizer: Tokenizer
    rule: ExitRule
    task: GlueTask
    folder: ExportFolder

    @classmethod
    def of(cls, folder: ExportFolder) -> ExportedModel:
        """The model of an export whose files are those that it lists.

        Raises:
            ExportError: it holds no model, or a file of it was changed.
        """
        document = folder.document
        if document.model is None:
            raise ExportError(
                f"{folder.path}: an export of the hardware alone ({document.no_model}); export the "
                "design with --model."
            )
        names = [f"{MODEL_FOLDER}/{name}" for name in folder.tokenizer_names()]
        for name in (*names, TRACE_FILE, WEIGHT_FILE, SCALE_FILE, CONFIG_FILE):
            folder.payload(name)
        trace, weights = folder.trace(), folder.weights()
        assert weights is not None
        knobs = model_knobs(document.knobs)
        task = glue_task(str(document.scenario["task"]))
        try:
            encoder = PackedEncoder(
                folder.config(),
                weights,
                folder.settled(),
                knobs,
                None if trace.faults is None else trace.faults.chosen,
            )
            tokenizer = load_tokenizer(folder.path / MODEL_FOLDER)
        except CheckpointError as error:
            raise ExportError(f"{folder.path}: {error}") from error
        rule = ExitRule(
            knobs=exit_knobs(document.knobs),
            predicted_entropies=trace.predicted_entropies,
            task=task.name,
        )
        return cls(encoder=encoder, tokenizer=tokenizer, rule=rule, task=task, folder=folder)

    def rows(self, texts: Sequence[str], pairs: Sequence[str] = ()) -> list[TokenRow]:
        """Token rows of sentences, or of pairs of them.

        Raises:
            ExportError: the task has pairs and none are given, or the other way round; or a row is
                beyond the encoder's embeddings.
        """
        if self.task.is_pair != bool(pairs):
            wanted = "two sentences" if self.task.is_pair else "one sentence"
            raise ExportError(f"{self.task.name}: expected {wanted} for each answer.")
        model = self.encoder.model
        rows = token_rows(self.tokenizer, texts, pairs, has_types=model.has_token_types)
        try:
            check_rows(self.folder.path, model, rows)
        except CheckpointError as error:
            raise ExportError(str(error)) from error
        return rows

    def is_cut(self, text: str, pair: str | None = None) -> bool:
        """Whether a sentence, or a pair of them, has more tokens than the model is given."""
        return bool(self.tokenizer.encode(text, pair).overflowing)

    def answer(self, text: str, pair: str | None = None) -> Answer:
        """The answer to one sentence; layers behind its exit are not worked out."""
        (row,) = self.rows([text], [] if pair is None else [pair])
        batch = torch.tensor([row], dtype=torch.long)
        seen: list[NDArray[np.float16]] = []
        for logits in self.encoder.exits(batch):
            seen.append(logits[0])
            if self.rule.leaves(np.stack(seen)):
                break
        return self._answer(np.stack(seen), len(row))

    def logits(self, rows: Sequence[TokenRow]) -> NDArray[np.float16]:
        """Logits (n_rows, n_exits, n_classes) of every exit, in batches of one length."""
        found = np.empty((len(rows), self.rule.n_exits, self.task.n_outputs), dtype=np.float16)
        for places, batch in equal_length_batches(rows):
            found[places] = self.encoder.logits(batch)
        return found

    def answers(self, texts: Sequence[str], pairs: Sequence[str] = ()) -> Iterator[Answer]:
        """Answers to many sentences, in order, from batches in which every exit is worked out."""
        rows = self.rows(texts, pairs)
        for row, logits in zip(rows, self.logits(rows), strict=True):
            for layer in range(1, self.rule.n_exits + 1):
                if self.rule.leaves(logits[:layer]):
                    yield self._answer(logits[:layer], len(row))
                    break

    def _answer(self, logits: NDArray[np.float16], tokens: int) -> Answer:
        last = logits[-1]
        value = float(last[0]) if self.task.is_regression else int(last.argmax())
        return Answer(
            value=value,
            label="" if self.task.is_regression else self.task.classes[int(value)],
            exit_layer=len(logits),
            predicted_layer=self.rule.predicted_layer(logits[:1]),
            tokens=tokens,
            logits=logits,
        )
