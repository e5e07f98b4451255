"""Stages of training: what one optimisation run is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from evaluators.sampling import Sampling
from search_space import FULL_SPAN_TOKENS, checked_sparsity

ITSELF: Final = "itself"
"""Teacher of a stage that learns from its own last exit."""

CHECKPOINT: Final = "checkpoint"
"""Teacher of a stage that learns from the recipe's teacher."""

INITIAL: Final = "initial"
"""Teacher of a student's stage on text: the encoder that the recipe starts from."""


RESERVED: Final = (ITSELF, CHECKPOINT, INITIAL)
"""Teachers that no stage may be named for."""

_LONGEST_NAME: Final = 100


class TrainingError(ValueError):
    """A recipe does not fit what it is run on, or training came to nothing."""


class StageData(StrEnum):
    """What a stage is trained on."""

    TASK = "task"
    TEXT = "text"


class Trained(StrEnum):
    """Which parameters a stage changes; exits of weight 0 in the loss are never among them."""

    ALL = "all"
    EXITS = "exits"


class PruningMethod(StrEnum):
    """What decides which weights of the encoder a stage prunes."""

    MAGNITUDE = "magnitude"
    MOVEMENT = "movement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """Pruning that a stage works up to, and leaves in the weights.

    At a step at share x of the way from ``start`` to ``end``, sparsity s is worked up to
    s (1 - (1 - x)³) (Zhu and Gupta, arXiv:1710.01878, equation 1, from 0).

    Attributes:
        method: of the encoder's matrices; embeddings go by magnitude.
        encoder_sparsity: share of encoder weights that are zero in the end.
        embedding_sparsity: share of embedding weights that are zero in the end.
        start: share of the stage's steps before which nothing is pruned.
        end: share of the steps from which the sparsity is the final one.
        learning_rate: of the scores of movement pruning, peak.
    """

    method: PruningMethod = PruningMethod.MAGNITUDE
    encoder_sparsity: float = 0.0
    embedding_sparsity: float = 0.0
    start: float = 0.1
    end: float = 0.8
    learning_rate: float = 1e-2

    def __post_init__(self) -> None:
        """Refuse shares out of range."""
        for name in ("encoder_sparsity", "embedding_sparsity"):
            checked_sparsity(name, getattr(self, name))
        if not 0 <= self.start < self.end <= 1:
            raise ValueError(
                f"start {self.start} and end {self.end} of pruning: expected shares of the steps, "
                "the start before the end."
            )
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate {self.learning_rate}: expected more than 0.")

    def share_at(self, step: int, steps: int) -> float:
        """Share of the final sparsities that is reached at a step of so many."""
        way = (step / steps - self.start) / (self.end - self.start)
        return float(1 - (1 - min(max(way, 0.0), 1.0)) ** 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLearning:
    """Attention spans that a stage learns (`evaluators.learned_spans`).

    Attributes:
        penalty: added to the loss for each token of the mean span.
        ramp_tokens: tokens over which the soft mask of a head falls from 1 to 0.
        initial_tokens: span of every head at the start.
        learning_rate: of the spans, tokens: what a step moves them by at most, peak.
    """

    penalty: float
    ramp_tokens: float = 4.0
    initial_tokens: float = 32.0
    learning_rate: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if self.penalty < 0:
            raise ValueError(f"penalty {self.penalty}: expected 0 or more.")
        for name in ("ramp_tokens", "initial_tokens", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} {getattr(self, name)}: expected more than 0.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One optimisation run: AdamW, linear warm-up and decay, gradient norm clipped at 1.

    The loss of an exit is ``hard_share`` × cross-entropy with the labels + (1 - ``hard_share``) ×
    T² × KL divergence from the teacher's last exit at temperature T (Hinton, Vinyals and Dean,
    arXiv:1503.02531).

    Attributes:
        name: file name of its saved state.
        data: the task's training rows with labels, or the training text of all GLUE tasks, which
            has none: hidden states are matched with those of `INITIAL`, or a teacher's last exit is
            learned from.
        epochs: passes over the data.
        max_steps: where the stage ends if that is sooner; None for no limit.
        learning_rate: peak.
        batch_size: sentences a step.
        warmup: share of the steps that warm up.
        warmup_steps: steps that warm up instead; None for the share.
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
        pruning: pruning that stays in the weights; None for none.
        spans: attention spans to learn; None for full ones, or those that are sampled.
        keep_spans: whether heads have the spans that an earlier stage learned.
        afresh: whether the stage starts from the recipe's first weights again instead of from what
            the stage before it left.
    """

    name: str
    epochs: int
    learning_rate: float
    data: StageData = StageData.TASK
    max_steps: int | None = None
    batch_size: int = 64
    warmup: float = 0.08
    warmup_steps: int | None = None
    weight_decay: float = 0.01
    exit_weights: tuple[float, ...] = ()
    trained: Trained = Trained.ALL
    teacher: str = ITSELF
    hard_share: float = 0.5
    temperature: float = 1.0
    hidden_weight: float = 0.0
    sampling: Sampling | None = None
    pruning: Pruning | None = None
    spans: SpanLearning | None = None
    keep_spans: bool = False
    afresh: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no optimisation run."""
        self._check_compression()
        if not self.name or not all(c.isalnum() or c in "-_" for c in self.name):
            raise ValueError(
                f"name {self.name!r} of a stage: expected letters, digits, - and _, since it is a "
                "file name."
            )
        if len(self.name) > _LONGEST_NAME or self.name in RESERVED:
            raise ValueError(
                f"name {self.name[:_LONGEST_NAME]!r} of a stage: expected at most {_LONGEST_NAME} "
                f"characters, and none of {', '.join(RESERVED)}, which name teachers."
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
        self._check_text()
        if self.warmup_steps is not None and self.warmup_steps < 0:
            raise ValueError(f"warmup_steps {self.warmup_steps}: expected 0 or more.")
        if self.hidden_weight and self.teacher == ITSELF:
            raise ValueError(
                f"hidden_weight {self.hidden_weight} of stage {self.name!r}: an encoder's hidden "
                "states match its own; expected another teacher than 'itself'."
            )

    def _check_text(self) -> None:
        """Refuse text without what is to be learned from it."""
        is_text = self.data is StageData.TEXT
        if (is_text and self.teacher == ITSELF) or (not is_text and self.teacher == INITIAL):
            raise ValueError(
                f"data {self.data.value!r} and teacher {self.teacher!r} of stage {self.name!r}: "
                "text has no labels, so that there a stage learns from another encoder; expected "
                f"data 'text' with a teacher other than {ITSELF!r}, or data 'task' with one other "
                f"than {INITIAL!r}."
            )
        if is_text and self.teacher == INITIAL and self.is_compressed:
            raise ValueError(
                f"compression in stage {self.name!r}, which matches hidden states alone: expected "
                "none, or a teacher with exits."
            )
        if is_text and self.teacher != INITIAL and self.hard_share:
            raise ValueError(
                f"hard_share {self.hard_share} of stage {self.name!r}: text has no labels; "
                "expected hard_share = 0."
            )

    def _check_compression(self) -> None:
        """Refuse two ways of setting the same thing."""
        drawn = self.sampling or Sampling()
        shares_spans = drawn.values("span_budget_tokens") != {FULL_SPAN_TOKENS}
        if (self.spans or self.keep_spans) and shares_spans:
            raise ValueError(
                f"span_budget_tokens in the sampling of stage {self.name!r}: spans are learned; "
                "expected none."
            )
        if self.spans and self.keep_spans:
            raise ValueError(
                f"spans and keep_spans of stage {self.name!r}: expected one of the two."
            )
        sparsities = drawn.values("encoder_sparsity") | drawn.values("embedding_sparsity")
        if self.pruning and sparsities != {0.0}:
            raise ValueError(
                f"sparsities in the sampling of stage {self.name!r}: the stage prunes; expected "
                "none."
            )
        if self.trained is Trained.EXITS and (self.pruning or self.spans):
            raise ValueError(
                f"trained 'exits' of stage {self.name!r}: its backbone is frozen, so that it can "
                "neither prune nor learn spans."
            )

    @property
    def is_compressed(self) -> bool:
        """Whether steps run anything else than the plain encoder."""
        return any((self.sampling, self.pruning, self.spans, self.keep_spans))

    def warmup_of(self, steps: int) -> int:
        """Steps of so many that warm up, 1 at least."""
        wanted = round(steps * self.warmup) if self.warmup_steps is None else self.warmup_steps
        return max(1, min(wanted, steps - 1))

    def steps(self, sentences: int) -> int:
        """Optimisation steps over that many sentences."""
        steps = math.ceil(sentences / self.batch_size) * self.epochs
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def weights_of_exits(self, n_exits: int) -> tuple[float, ...]:
        """Weight of each exit (n_exits,) in the loss; they sum to 1.

        Raises:
            TrainingError: the stage gives weights to another number of exits.
        """
        weights: Sequence[float] = self.exit_weights or (1.0,) * n_exits
        if len(weights) != n_exits:
            raise TrainingError(
                f"exit_weights of stage {self.name!r} are {len(weights)}: expected one for each of "
                f"the {n_exits} exits of the encoder, or none to weigh all alike."
            )
        total = sum(weights)
        return tuple(weight / total for weight in weights)
