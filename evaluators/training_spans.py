"""Attention spans of an encoder in training: full, shared out, learned, or kept from before.

Spans of a budget are shared out by the attention of the dense weights of every `SPAN_STEPS` steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluators.attention import AttentionSite
from evaluators.learned_spans import SoftSpans, Spans, hard_spans
from evaluators.sampling import Sampling
from evaluators.spans import allocate_spans
from evaluators.training_stages import Stage
from search_space import FULL_SPAN_TOKENS

SPAN_STEPS: Final = 250

SOFT_SPANS: Final = "soft_spans"
"""Learned spans in `TrainingSpans.running_state`."""


class TrainingSpans:
    """The spans of the heads of a stage, put on the attention of every set of weights."""

    def __init__(self, sites: Sequence[AttentionSite], stage: Stage, spans: Spans | None) -> None:
        """Spans at their start.

        Args:
            sites: where attention is worked out, one for each set of weights.
            stage: what budgets can be drawn, and whether spans are learned or kept.
            spans: of an earlier stage, for one that keeps them.

        Raises:
            ValueError: the stage keeps spans and there are none, or not one for each head.
        """
        self._sites = sites
        self._learning = stage.spans
        budgets = (stage.sampling or Sampling()).span_budget_tokens
        self._budgets = tuple(sorted(set(budgets) - {FULL_SPAN_TOKENS}))
        self._shared_out = torch.zeros(0)
        shape = (len(sites), len(sites[0].spans))
        self._soft = None
        if stage.spans is not None:
            start = torch.full(shape, float(stage.spans.initial_tokens))
            self._soft = start.requires_grad_()
        self._kept = None
        if stage.keep_spans:
            if spans is None or (len(spans), len(spans[0])) != shape:
                raise ValueError(
                    f"keep_spans of stage {stage.name!r}: expected an earlier stage that learns "
                    f"{shape[0]} rows of {shape[1]} spans."
                )
            self._kept = torch.tensor(spans)

    def parameters(self) -> list[tuple[Tensor, float]]:
        """Learned spans (n_distinct_layers, n_heads), tokens, with their peak learning rate."""
        if self._learning is None or self._soft is None:
            return []
        return [(self._soft, self._learning.learning_rate)]

    def penalty(self) -> Tensor:
        """What the mean of the learned spans adds to the loss; 0 without."""
        if self._learning is None or self._soft is None:
            return torch.zeros(())
        return self._learning.penalty * self._soft.mean()

    def bound(self) -> None:
        """Bring learned spans back to where spans can be."""
        if self._soft is not None:
            with torch.no_grad():
                self._soft.clamp_(0, FULL_SPAN_TOKENS)

    def share_out(self, step: int, measured: Callable[[], NDArray[np.float64]]) -> None:
        """Share the budgets out anew, at the steps at which that is due.

        Args:
            step: of the stage.
            measured: makes attention by distance, as `evaluators.attention.measured_attention`.
        """
        if step % SPAN_STEPS == 0 and self._budgets:
            by_distance = measured()
            spans = [allocate_spans(by_distance, budget) for budget in self._budgets]
            self._shared_out = torch.tensor(spans).view(len(spans), len(self._sites), -1)

    def put_on(self, budget_tokens: int | None) -> None:
        """Give every head its span of a setting with that budget; None for the full one."""
        spans = self._kept
        if budget_tokens is not None and budget_tokens < FULL_SPAN_TOKENS:
            spans = self._shared_out[self._budgets.index(budget_tokens)]
        for layer, site in enumerate(self._sites):
            full = torch.full_like(site.spans, FULL_SPAN_TOKENS)
            site.spans = full if budget_tokens is None or spans is None else spans[layer]
            if self._learning is not None and self._soft is not None:
                site.soft = SoftSpans(self._soft[layer], self._learning.ramp_tokens)

    def put_kept_on(self) -> None:
        """Give every head the span that is kept, if spans are."""
        if self._kept is not None:
            for layer, site in enumerate(self._sites):
                site.spans = self._kept[layer]

    def running_state(self) -> dict[str, Tensor]:
        """What steps leave to later ones."""
        learned = {} if self._soft is None else {SOFT_SPANS: self._soft.detach()}
        return {"spans": self._shared_out, **learned}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `running_state` gave."""
        self._shared_out = state["spans"]
        if self._soft is not None:
            with torch.no_grad():
                self._soft.copy_(state[SOFT_SPANS])

    def learned(self) -> Spans | None:
        """Spans that were learned, hard; None if none were."""
        if self._learning is None or self._soft is None:
            return None
        return hard_spans(self._soft.detach(), self._learning.ramp_tokens)
