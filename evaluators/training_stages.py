"""Stages of training: what one optimisation run is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from evaluators.sampling import Sampling

ITSELF: Final = "itself"
"""Teacher of a stage that learns from its own last exit."""

CHECKPOINT: Final = "checkpoint"
"""Teacher of a stage that learns from the recipe's teacher."""

INITIAL: Final = "initial"
"""Teacher of a student's stage on text: the encoder that the recipe starts from."""


class StageData(StrEnum):
    """What a stage is trained on."""

    TASK = "task"
    TEXT = "text"


class Trained(StrEnum):
    """Which parameters a stage changes; exits of weight 0 in the loss are never among them."""

    ALL = "all"
    EXITS = "exits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One optimisation run: AdamW, linear warm-up and decay, gradient norm clipped at 1.

    The loss of an exit is ``hard_share`` × cross-entropy with the labels + (1 - ``hard_share``) ×
    T² × KL divergence from the teacher's last exit at temperature T (Hinton, Vinyals and Dean,
    arXiv:1503.02531).

    Attributes:
        name: file name of its saved state.
        data: the task's training rows with labels, or the training text of all GLUE tasks, on which
            hidden states alone are matched.
        epochs: passes over the data.
        max_steps: where the stage ends if that is sooner; None for no limit.
        learning_rate: peak.
        batch_size: sentences a step.
        warmup: share of the steps that warm up.
        weight_decay: of matrices; vectors have none.
        exit_weights: weight of each exit in the loss, first exit first (scaled to sum 1); empty for
            the same weight everywhere.
        trained: which parameters change.
        teacher: `ITSELF`, `CHECKPOINT`, `INITIAL` (on text), or the name of an earlier stage.
        hard_share: share of the labels in the loss.
        temperature: of the distillation.
        hidden_weight: weight of the mismatch of hidden states with the teacher's, in units of their
            variance; 0 leaves them alone.
        sampling: settings that steps are trained under; None to train the plain encoder.
    """

    name: str
    epochs: int
    learning_rate: float
    data: StageData = StageData.TASK
    max_steps: int | None = None
    batch_size: int = 64
    warmup: float = 0.08
    weight_decay: float = 0.01
    exit_weights: tuple[float, ...] = ()
    trained: Trained = Trained.ALL
    teacher: str = ITSELF
    hard_share: float = 0.5
    temperature: float = 1.0
    hidden_weight: float = 0.0
    sampling: Sampling | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no optimisation run."""
        if not self.name or not all(c.isalnum() or c in "-_" for c in self.name):
            raise ValueError(
                f"name {self.name!r} of a stage: expected letters, digits, - and _, since it is a "
                "file name."
            )
        for name in ("epochs", "learning_rate", "batch_size", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} {getattr(self, name)}: expected more than 0.")
        for name in ("warmup", "hard_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)}: expected a share from 0 to 1.")
        for name in ("weight_decay", "hidden_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} {getattr(self, name)}: expected 0 or more.")
        if self.max_steps is not None and self.max_steps < 1:
            raise ValueError(f"max_steps {self.max_steps}: expected 1 or more.")
        if any(weight < 0 for weight in self.exit_weights) or not any(self.exit_weights or (1,)):
            raise ValueError(
                f"exit_weights {list(self.exit_weights)}: expected 0 or more, and one more than 0."
            )
        if (self.data is StageData.TEXT) != (self.teacher == INITIAL):
            raise ValueError(
                f"data {self.data.value!r} and teacher {self.teacher!r} of stage {self.name!r}: "
                "on text, hidden states are matched to the encoder that the recipe starts from; "
                f"expected data 'text' with teacher {INITIAL!r}, or neither."
            )
        if self.data is StageData.TEXT and self.sampling is not None:
            raise ValueError(
                f"sampling of stage {self.name!r}: expected it of a stage on the task alone."
            )
        if self.hidden_weight and self.teacher == ITSELF:
            raise ValueError(
                f"hidden_weight {self.hidden_weight} of stage {self.name!r}: an encoder's hidden "
                "states match its own; expected another teacher than 'itself'."
            )

    def steps(self, sentences: int) -> int:
        """Optimisation steps over that many sentences."""
        steps = math.ceil(sentences / self.batch_size) * self.epochs
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def weights_of_exits(self, n_exits: int) -> tuple[float, ...]:
        """Weight of each exit (n_exits,) in the loss; they sum to 1.

        Raises:
            ValueError: the stage gives weights to another number of exits.
        """
        weights: Sequence[float] = self.exit_weights or (1.0,) * n_exits
        if len(weights) != n_exits:
            raise ValueError(
                f"exit_weights of stage {self.name!r} are {len(weights)}: expected one for each of "
                f"the {n_exits} exits of the encoder, or none to weigh all alike."
            )
        total = sum(weights)
        return tuple(weight / total for weight in weights)
