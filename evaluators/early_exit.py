"""Exit policies one layer at a time, as a chip decides them; by the arithmetic of traces.

Levels of a policy look back only (`evaluators.exit_levels`), so what a sentence does after an exit
follows from the exits so far.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.exits import exit_layers
from evaluators.traces import ExitTrace, Split
from search_space import ExitKnobs, ExitPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRule:
    """When a sentence leaves an encoder.

    Attributes:
        knobs: policy and its threshold.
        predicted_entropies: (`evaluators.traces.LUT_ROWS`, n_exits - 2) table of the predictor.
        task: name of the GLUE task.
    """

    knobs: ExitKnobs
    predicted_entropies: NDArray[np.float16]
    task: str

    @property
    def n_exits(self) -> int:
        """Exits of the encoder."""
        return int(self.predicted_entropies.shape[1]) + 2

    def leaves(self, logits: NDArray[np.float16]) -> bool:
        """Whether a sentence leaves after the exits whose logits (n_so_far, n_classes) are given.

        It has not left before.
        """
        if len(logits) >= self.n_exits:
            return True
        return int(self._layers(logits)[1]) <= len(logits)

    def predicted_layer(self, first_logits: NDArray[np.float16]) -> int:
        """Layer that the voltage after layer 1 is chosen for, from logits (1, n_classes) of exit 1.

        The last layer under policies that predict nothing.
        """
        if self.knobs.exit_policy is not ExitPolicy.LATENCY_AWARE:
            return self.n_exits
        repeated = np.repeat(first_logits, self.n_exits, axis=0)
        return int(self._layers(repeated, seen=self.n_exits - 1)[0])

    def _layers(self, logits: NDArray[np.float16], seen: int | None = None) -> tuple[int, int]:
        """Predicted and actual exit layers of an encoder that ends behind the exits seen."""
        seen = len(logits) if seen is None else seen
        # What the last exit of a trace says plays no part: it stands for all that is to come.
        shown = np.concatenate([logits[:seen], logits[seen - 1 : seen]])
        is_regression = shown.shape[1] == 1
        trace = ExitTrace(
            logits=shown[None],
            tokens=np.ones(1, dtype=np.int64),
            labels=np.zeros(1) if is_regression else np.zeros(1, dtype=np.int64),
            splits=np.full(1, Split.SELECT, dtype=np.int64),
            predicted_entropies=self.predicted_entropies[:, : seen - 1],
            head_spans=((1,),),
            encoder_density=1.0,
            embedding_density=1.0,
            task=self.task,
        )
        predicted, actual = exit_layers(trace, [self.knobs])
        return int(predicted[0, 0]), int(actual[0, 0])
