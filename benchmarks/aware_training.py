"""What compression-aware training is worth: two checkpoints under the same compression, in pairs.

    python benchmarks/aware_training.py PLAIN AWARE --data GLUE_DIR [--task SST-2] [--json]

PLAIN and AWARE are checkpoint folders of one encoder, fine-tuned plainly and compression-aware.
Every setting of encoder sparsity and weight bits prunes and rounds both (activations
AdaptivFloat<8,3>, full spans, embeddings not pruned), and both answer the same rows of ``report``
at their last exit. The difference of accuracy d = (n01 - n10) / n has the standard error of paired
answers, sqrt(n01 + n10 - (n01 - n10)²/n) / n (Agresti, Categorical Data Analysis, section 11.1),
with n01 rows that only AWARE answers right and n10 that only PLAIN does. The 95 % interval is
d ± 1.96 of it, the p-value that of McNemar's exact test.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from figures import parsed
from numpy.typing import NDArray

from evaluators.batches import equal_length_batches
from evaluators.compression import CompressibleEncoder
from evaluators.glue import TaskData, load_task
from evaluators.live import SCALE_SENTENCES
from evaluators.tasks import glue_task
from evaluators.token_rows import TokenRow, load_tokenizer, token_rows
from search_space import FULL_SPAN_TOKENS, CellKind, ModelKnobs, adaptivfloat

SPARSITIES: Final = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8)
FORMATS: Final = ((8, 3), (6, 3), (5, 3), (4, 3), (3, 2))
CONFIDENCE: Final = 1.96


class Contestant:
    """One checkpoint with its rows, ready for any setting."""

    def __init__(self, folder: Path, data: TaskData) -> None:
        """Load it and tokenise the rows."""
        self._encoder = CompressibleEncoder(folder, data.task.n_outputs)
        tokenizer, has_types = load_tokenizer(folder), self._encoder.model.has_token_types

        def rows(part: Any) -> list[TokenRow]:
            return token_rows(tokenizer, part.texts, part.pairs, has_types=has_types)

        self._report = equal_length_batches(rows(data.report))
        scale = equal_length_batches(rows(data.calibration)[:SCALE_SENTENCES])
        self._scale = [batch for _, batch in scale]
        self._labels = np.array(data.report.labels)

    def right(self, sparsity: float, bits: tuple[int, int]) -> NDArray[np.bool_]:
        """Which rows (n_sentences,) the last exit answers right under that compression."""
        knobs = ModelKnobs(
            checkpoint="",
            span_budget_tokens=FULL_SPAN_TOKENS,
            encoder_sparsity=sparsity,
            embedding_sparsity=0.0,
            weight_format=adaptivfloat(*bits),
            activation_format=adaptivfloat(8, 3),
            embedding_storage=CellKind.SRAM,
            encoder_storage=CellKind.SRAM,
        )
        self._encoder.configure(knobs, self._scale)
        answers = np.empty(len(self._labels), dtype=np.int64)
        for positions, batch in self._report:
            answers[positions] = self._encoder.logits(batch)[:, -1].argmax(-1).numpy()
        right: NDArray[np.bool_] = answers == self._labels
        return right


def paired(plain: NDArray[np.bool_], aware: NDArray[np.bool_]) -> dict[str, float]:
    """Accuracies of two contestants on the same rows (n_sentences,), and their difference.

    >>> found = paired(np.array([True, False, False, True]), np.array([True, True, True, False]))
    >>> found["difference"], round(found["half_width"], 3), found["p_value"]
    (0.25, 0.813, 1.0)
    """
    n, gained, lost = len(plain), int((~plain & aware).sum()), int((plain & ~aware).sum())
    error = math.sqrt(gained + lost - (gained - lost) ** 2 / n) / n
    tail = sum(math.comb(gained + lost, k) for k in range(min(gained, lost) + 1))
    return {
        "plain": float(plain.mean()),
        "aware": float(aware.mean()),
        "difference": (gained - lost) / n,
        "half_width": CONFIDENCE * error,
        "p_value": min(1.0, 2 * tail / 2 ** (gained + lost)),
    }


def main() -> None:
    """Measure every setting and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plain", type=Path)
    parser.add_argument("aware", type=Path)
    parser.add_argument("--data", required=True, metavar="GLUE_DIR")
    parser.add_argument("--task", default="SST-2", help="of classes; by default SST-2")
    options = parsed(parser)
    torch.set_num_threads(1)
    task = glue_task(options.task)
    if task.is_regression:
        parser.error(f"{task.name} is a regression: answers are compared as right or wrong.")
    data = load_task(task, options.data)
    contestants = [Contestant(folder, data) for folder in (options.plain, options.aware)]
    rows: list[dict[str, Any]] = []
    for bits in FORMATS:
        for sparsity in SPARSITIES:
            found = paired(*(one.right(sparsity, bits) for one in contestants))
            setting = {"encoder_sparsity": sparsity, "weight_format": str(adaptivfloat(*bits))}
            rows.append(setting | found)
            if not options.json:
                _print_row(rows[-1], first=len(rows) == 1)
    if options.json:
        print(json.dumps({"task": task.name, "rows": len(data.report), "settings": rows}, indent=1))


def _print_row(row: dict[str, Any], *, first: bool) -> None:
    if first:
        print("weights            sparsity   plain   aware   difference (95 %)   McNemar p")
    print(
        f"{row['weight_format']:18} {row['encoder_sparsity']:8.1f} {100 * row['plain']:7.1f} "
        f"{100 * row['aware']:7.1f}   {100 * row['difference']:+5.1f} ± "
        f"{100 * row['half_width']:3.1f}        {row['p_value']:.1e}",
        flush=True,
    )


if __name__ == "__main__":
    main()
