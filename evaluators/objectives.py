"""What stages of training minimise: the losses of exits and of hidden states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from evaluators.encoders import ExitEncoder
from evaluators.token_rows import TokenRow, pad_rows
from evaluators.trainable_compression import TrainableCompression
from evaluators.training_stages import Stage


@dataclass(frozen=True, slots=True)
class HiddenObjective:
    """Hidden states of a student like those of another encoder, on text without labels.

    Attributes:
        model: the student.
        teacher: encoder of the library whose hidden states are matched.
        rows: token ids of each sentence.
    """

    model: ExitEncoder
    teacher: nn.Module
    rows: Sequence[TokenRow]

    def loss(self, batch: Sequence[int], step: int) -> Tensor:  # noqa: ARG002 - of the protocol
        """Mismatch of hidden states (`hidden_mismatch`) of a batch."""
        ids, mask, _ = pad_rows([self.rows[i] for i in batch], self.model.pad_id)
        with torch.no_grad():
            target = self.teacher(
                input_ids=ids, attention_mask=mask, output_hidden_states=True
            ).hidden_states
        return hidden_mismatch(self.model.hidden_states(ids, mask), target, mask)

    def running_state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Nothing to restore."""

    def further_parameters(self) -> list[tuple[Tensor, float]]:
        """None."""
        return []


class TaskObjective:
    """Labels and a teacher at every exit, plain or under settings drawn anew at every step."""

    def __init__(
        self,
        stage: Stage,
        model: ExitEncoder,
        rows: Sequence[TokenRow],
        labels: Tensor,
        teacher: ExitEncoder | None,
        compression: TrainableCompression | None,
        seed: int,
    ) -> None:
        """Weigh the exits.

        Args:
            stage: what to run.
            model: the encoder that learns.
            rows: token ids of each sentence, with token type ids for pairs.
            labels: (n_sentences,) classes, int64, or numbers of a regression, fp32.
            teacher: what it learns from, in evaluation mode; None for its own last exit.
            compression: the model with what compresses it; None to train it plain.
            seed: of the settings that are drawn.
        """
        self._stage = stage
        self._model = model
        self._rows = rows
        self._labels = labels
        self._teacher = teacher
        self._compression = compression
        self._seed = seed
        self._weights = torch.tensor(stage.weights_of_exits(model.n_layers))

    def loss(self, batch: Sequence[int], step: int) -> Tensor:
        """Loss of the exits (`exit_loss`), and that of hidden states if the stage weighs it."""
        stage = self._stage
        inputs = pad_rows([self._rows[i] for i in batch], self._model.pad_id)
        target: Sequence[Tensor] = ()
        if self._teacher is not None:
            with torch.no_grad():
                target = self._teacher.hidden_states(*inputs)
                target_logits = self._teacher.exits[-1](target[-1][:, 0])
        states, logits = self._run(inputs, step)
        if self._teacher is None:
            target_logits = logits[:, -1].detach()
        labels = self._labels[list(batch)]
        loss = exit_loss(
            logits, labels, self._weights, target_logits, stage.temperature, stage.hard_share
        )
        if stage.hidden_weight:
            loss = loss + stage.hidden_weight * hidden_mismatch(states, target, inputs[1])
        return loss if self._compression is None else loss + self._compression.penalty()

    def _run(
        self, inputs: tuple[Tensor, Tensor, Tensor | None], step: int
    ) -> tuple[Sequence[Tensor], Tensor]:
        """Hidden states and logits (batch, n_exits, n_classes) at a step."""
        if self._compression is not None:
            self._compression.look(step)
            return self._compression.states(self._compression.setting(step, self._seed), *inputs)
        states = self._model.hidden_states(*inputs)
        return states, self._model.exit_logits(states[1:])

    def running_state(self) -> dict[str, Tensor]:
        """That of the compression."""
        return {} if self._compression is None else self._compression.running_state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `running_state` gave."""
        if self._compression is not None:
            self._compression.restore(state)

    def further_parameters(self) -> list[tuple[Tensor, float]]:
        """Those of the compression."""
        return [] if self._compression is None else self._compression.further_parameters()


def hidden_mismatch(student: Sequence[Tensor], teacher: Sequence[Tensor], mask: Tensor) -> Tensor:
    """Mean squared error of hidden states over real tokens, in units of the teacher's variance.

    Layer k of the teacher is matched by layer k * (student layers / teacher layers).

    Args:
        student: 1 + layers of (batch, tokens, width).
        teacher: the same of the teacher; its layers divide those of the student.
        mask: (batch, tokens), 0 where there is padding.
    """
    ratio = (len(student) - 1) // (len(teacher) - 1)
    keep = mask.bool()
    total = student[0].new_zeros(())
    for k, target in enumerate(teacher):
        wanted = target[keep]
        total = total + (student[k * ratio][keep] - wanted).square().mean() / wanted.var()
    return total / len(teacher)


def exit_loss(
    logits: Tensor,
    labels: Tensor,
    weights: Tensor,
    teacher: Tensor,
    temperature: float,
    hard_share: float,
) -> Tensor:
    """Loss of labels and of distillation from teacher logits, averaged over a batch and the exits.

    Of classes they are cross-entropy and T² × KL divergence at temperature T; of a regression both
    are squared errors.

    Args:
        logits: (batch, n_exits, n_classes), or (batch, n_exits, 1) of a regression.
        labels: (batch,) classes, int64, or numbers, fp32.
        weights: (n_exits,) of the exits.
        teacher: (batch, n_classes) logits, or (batch, 1).
        temperature: of the distillation.
        hard_share: share of the labels.
    """
    batch, n_exits, n_classes = logits.shape
    if labels.is_floating_point():
        hard = (logits[..., 0] - labels[:, None]).square()
        soft = (logits[..., 0] - teacher).square()
        return ((hard_share * hard + (1 - hard_share) * soft).mean(0) * weights).sum()
    flat = logits.reshape(-1, n_classes)
    hard = functional.cross_entropy(flat, labels.repeat_interleave(n_exits), reduction="none")
    target = (teacher / temperature).softmax(-1).repeat_interleave(n_exits, dim=0)
    log_p = (flat / temperature).log_softmax(-1)
    soft = functional.kl_div(log_p, target, reduction="none").sum(-1) * temperature**2
    per_exit = (hard_share * hard + (1 - hard_share) * soft).reshape(batch, n_exits).mean(0)
    return (per_exit * weights).sum()
