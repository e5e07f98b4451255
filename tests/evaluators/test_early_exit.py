"""Exit policies decided layer by layer agree with those on whole traces."""

from __future__ import annotations

import numpy as np
import pytest

from evaluators.early_exit import ExitRule
from evaluators.exits import exit_layers
from evaluators.testing import made_up_trace
from search_space import ExitKnobs, ExitPolicy

KNOBS = [
    ExitKnobs(exit_policy=ExitPolicy.NONE),
    ExitKnobs(exit_policy=ExitPolicy.ENTROPY, entropy_threshold=0.3),
    ExitKnobs(exit_policy=ExitPolicy.ENTROPY, entropy_threshold=0.0),
    ExitKnobs(exit_policy=ExitPolicy.LATENCY_AWARE, entropy_threshold=0.2),
    ExitKnobs(exit_policy=ExitPolicy.LATENCY_AWARE, entropy_threshold=0.6),
    ExitKnobs(exit_policy=ExitPolicy.NORMALISED_ENTROPY, normalised_entropy_threshold=0.4),
    ExitKnobs(exit_policy=ExitPolicy.CONFIDENCE, confidence_threshold=0.9),
    ExitKnobs(exit_policy=ExitPolicy.PATIENCE, patience=2),
]


@pytest.mark.parametrize("knobs", KNOBS, ids=lambda k: f"{k.exit_policy}-{k.entropy_threshold}")
def test_every_sentence_leaves_where_the_trace_says(knobs: ExitKnobs) -> None:
    """Asked after each layer, a sentence leaves after that of the trace, predicted layer too."""
    trace = made_up_trace(seed=5)
    predicted, actual = exit_layers(trace, [knobs])
    rule = ExitRule(knobs=knobs, predicted_entropies=trace.predicted_entropies, task="SST-2")
    for row, logits in enumerate(trace.logits):
        left = next(k for k in range(1, trace.n_exits + 1) if rule.leaves(logits[:k]))
        assert left == actual[0, row]
        assert rule.predicted_layer(logits[:1]) == predicted[0, row]


def test_two_exits() -> None:
    """Of two exits there is nothing between the first and the last to foretell."""
    rule = ExitRule(
        knobs=KNOBS[3], predicted_entropies=np.zeros((100, 0), dtype=np.float16), task="SST-2"
    )
    sure = np.array([[9.0, 0.0]], dtype=np.float16)
    unsure = np.array([[0.1, 0.0]], dtype=np.float16)
    assert rule.n_exits == 2
    assert rule.leaves(sure)
    assert not rule.leaves(unsure)
    assert rule.leaves(np.concatenate([unsure, unsure]))
    assert (rule.predicted_layer(sure), rule.predicted_layer(unsure)) == (1, 2)
