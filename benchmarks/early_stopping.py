"""How soon settings could be told apart, and what it costs to look.

``python benchmarks/early_stopping.py [--traces DIR] [--data GLUE_DIR] [--json]``

On recorded traces: for every checkpoint, the accuracy at its last exit of every setting (of spans,
sparsities and formats; the other model knobs at their defaults) against that of the best one, in
pairs, over the drawn order of `evaluators.stages`. A setting is told to be
worse at the first look at which the upper bound of the difference is below 0; the bounds hold for
all settings and looks of a checkpoint together with 95 %. Beside them the width of the bounds on
an accuracy, and of the normal interval, which holds at one look only.

With ``--data``: CPU seconds of one live setting until each look, and of the same setting without
looks, on one thread.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from figures import parsed

from evaluators.confidence import difference_bounds, mean_bounds
from evaluators.glue import load_sst2
from evaluators.stages import first_drawn
from evaluators.traces import Split
from search_space import CellKind, ModelKnobs, adaptivfloat, parse_number_format
from studies.recorded import KEY_NAMES, SHIPPED, RecordedTraces, TraceKey

SHARES: Final = (0.125, 0.25, 0.5, 0.75, 1.0)
ALPHA: Final = 0.05


def knobs_of(key: TraceKey) -> ModelKnobs:
    """Model knobs with a recorded key; the cells, which are not part of it, are SRAM."""
    checkpoint, span, encoder_sparsity, embedding_sparsity, weights, activations = key
    return ModelKnobs(
        checkpoint=checkpoint,
        span_budget_tokens=span,
        encoder_sparsity=encoder_sparsity,
        embedding_sparsity=embedding_sparsity,
        weight_format=parse_number_format(weights),
        activation_format=parse_number_format(activations),
        embedding_storage=CellKind.SRAM,
        encoder_storage=CellKind.SRAM,
    )


def told_apart(recorded: RecordedTraces, checkpoint: str) -> dict[str, Any]:
    """Settings told to be worse than the best one at each look, and widths of the bounds."""
    rows = []
    for key in recorded.settings():
        if key[0] == checkpoint and len(key) == len(KEY_NAMES):
            trace = recorded.trace(knobs_of(key))
            drawn = first_drawn(trace, int((trace.splits == Split.SELECT).sum()))
            rows.append(drawn.logits[:, -1].argmax(-1) == drawn.labels)
    right = np.stack(rows).astype(float)
    n = right.shape[1]
    looks = [round(share * n) for share in SHARES]
    best = int(right.mean(axis=1).argmax())
    others = np.delete(right, best, axis=0)
    _, upper = difference_bounds(others, right[best], n, looks, ALPHA / len(others))
    low, high = mean_bounds(right, n, looks, ALPHA)
    worse = others.mean(axis=1) < right[best].mean()
    told = upper < 0
    accuracy = right.mean(axis=1)[:, None]
    normal = 3.92 * np.sqrt(accuracy * (1 - accuracy) / looks * (n - np.array(looks)) / (n - 1))
    return {
        "checkpoint": checkpoint,
        "settings": len(right),
        "worse_than_the_best": int(worse.sum()),
        "looks": looks,
        "told_worse": told.sum(axis=0).tolist(),
        "told_wrongly": int((told.any(axis=1) & ~worse).sum()),
        "bounds_width": (high - low).mean(axis=0).round(4).tolist(),
        "normal_width": normal.mean(axis=0).round(4).tolist(),
    }


def seconds_until_looks(glue_dir: Path, checkpoint: str) -> dict[str, Any]:
    """CPU seconds of one setting until each look and to the end, and without looks."""
    import torch

    from evaluators.checkpoints import checkpoint_folder
    from evaluators.live import LiveEvaluator

    torch.set_num_threads(1)
    data, folder = load_sst2(glue_dir), checkpoint_folder(checkpoint)
    af8 = str(adaptivfloat(8, 3))
    knobs = knobs_of((checkpoint, 16, 0.3, 0.6, af8, af8))
    looks = [round(share * len(data.select)) for share in SHARES[:3]]
    staged = LiveEvaluator(folder, data, looks=looks)
    started = time.process_time()
    until = [round(time.process_time() - started, 1) for _ in staged.stages(knobs)]
    unstaged = LiveEvaluator(folder, data)
    started = time.process_time()
    unstaged.trace(knobs)
    return {
        "checkpoint": checkpoint,
        "looks": [*looks, len(data.select), len(data.select) + len(data.report)],
        "seconds_until": until,
        "seconds_without_looks": round(time.process_time() - started, 1),
    }


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=Path, default=SHIPPED)
    parser.add_argument("--data", type=Path)
    arguments = parsed(parser)
    recorded = RecordedTraces(arguments.traces)
    names = list(recorded.manifest.checkpoints)
    apart = [told_apart(recorded, name) for name in names]
    seconds = []
    if arguments.data is not None:
        seconds = [seconds_until_looks(arguments.data, name) for name in names]
    if arguments.json:
        print(json.dumps({"told_apart": apart, "seconds": seconds}, indent=1))
        return
    for row in apart:
        print(
            f"{row['checkpoint']}: {row['worse_than_the_best']} of {row['settings']} settings are "
            f"worse than the best; told wrongly: {row['told_wrongly']}"
        )
        columns = (row["looks"], row["told_worse"], row["bounds_width"], row["normal_width"])
        for look, told, width, normal in zip(*columns, strict=True):
            print(
                f"  {look:5} sentences: {told:3} told; accuracy within {100 * width:.1f} points "
                f"(normal, one look: {100 * normal:.1f})"
            )
    for row in seconds:
        print(f"{row['checkpoint']}: {row['seconds_without_looks']} s without looks")
        for look, until in zip(row["looks"], row["seconds_until"], strict=True):
            print(f"  {look:5} sentences: {until:6.1f} s")


if __name__ == "__main__":
    main()
