"""Made-up traces for tests and benchmarks, labelled as such: never a stand-in for a measurement."""

from __future__ import annotations

import numpy as np

from evaluators.traces import ENTROPY_STEP, LUT_ROWS, ExitTrace, Split


def made_up_trace(
    seed: int,
    n_select: int = 60,
    n_report: int = 40,
    n_exits: int = 6,
    quality: float = 0.5,
    head_spans: tuple[tuple[int, ...], ...] = ((128, 128),),
    encoder_density: float = 1.0,
    embedding_density: float = 1.0,
) -> ExitTrace:
    """A trace of a two-class task in which later exits are surer and more often right.

    Args:
        seed: of the logits; sentences and labels are the same for every seed.
        n_select: sentences of the ``select`` split.
        n_report: sentences of the ``report`` split.
        n_exits: exits.
        quality: how much evidence each layer adds.
        head_spans: as in `ExitTrace`.
        encoder_density: as in `ExitTrace`.
        embedding_density: as in `ExitTrace`.
    """
    n = n_select + n_report
    sentences = np.random.default_rng(0)
    labels, tokens = sentences.integers(0, 2, n), sentences.integers(5, 40, n)
    rng = np.random.default_rng(seed)
    evidence = np.cumsum(rng.normal(quality, 1.0, (n, n_exits)), axis=1)
    signed = np.where(labels[:, None] == 1, evidence, -evidence)
    first = np.arange(LUT_ROWS)[:, None] * ENTROPY_STEP
    falling = 0.75 ** np.arange(1, n_exits - 1)[None]
    return ExitTrace(
        logits=np.stack([-signed / 2, signed / 2], axis=-1).astype(np.float16),
        tokens=tokens,
        labels=labels,
        splits=np.array([Split.SELECT] * n_select + [Split.REPORT] * n_report, dtype=np.int64),
        predicted_entropies=(first * falling).astype(np.float16),
        head_spans=head_spans,
        encoder_density=encoder_density,
        embedding_density=embedding_density,
    )
