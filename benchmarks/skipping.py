"""Processor time that skipped work saves: heads off and fewer layers, as shares of a full run.

``python benchmarks/skipping.py [--tokens N] [--sentences N] [--repeats N] [--threads N] [--json]``

An encoder of MiniLM's sizes (6 layers, 12 heads, width 384) with random weights, which cost as much
as trained ones. Each repeat runs every case once; a share is the median over repeats of the case's
processor time over the full encoder's in the same repeat, which other work on the machine changes
little. By default one thread: of several, processor time counts the waiting too.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import torch
from figures import parsed, tell
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from torch import Tensor

from evaluators.checkpoint_folders import save_checkpoint
from evaluators.compression import CompressibleEncoder
from evaluators.encoders import ExitEncoder, backbone_from_config
from search_space import FP32, FULL_SPAN_TOKENS, CellKind, ModelKnobs

_LAYERS: Final = 6
_HEADS: Final = 12
_VOCABULARY: Final = 100
_CONFIG: Final[dict[str, Any]] = {
    "model_type": "bert",
    "hidden_size": 384,
    "intermediate_size": 1536,
    "num_attention_heads": _HEADS,
    "num_hidden_layers": _LAYERS,
    "max_position_embeddings": FULL_SPAN_TOKENS,
    "type_vocab_size": 2,
    "vocab_size": _VOCABULARY,
}
_UNCOMPRESSED: Final = ModelKnobs(
    checkpoint="random",
    span_budget_tokens=FULL_SPAN_TOKENS,
    encoder_sparsity=0.0,
    embedding_sparsity=0.0,
    weight_format=FP32,
    activation_format=FP32,
    embedding_storage=CellKind.SRAM,
    encoder_storage=CellKind.SRAM,
)
CASES: Final[dict[str, tuple[int, int]]] = {
    "all_heads": (0, _LAYERS),
    "half_of_the_heads_off": (_HEADS // 2, _LAYERS),
    "all_heads_off": (_HEADS, _LAYERS),
    "3_of_6_layers": (0, 3),
    "1_of_6_layers": (0, 1),
}
"""Heads that are off in every layer, and layers that run."""


def random_encoder(folder: Path, heads_off: int) -> CompressibleEncoder:
    """The encoder with that many heads of every layer off."""
    encoder = CompressibleEncoder(folder)
    row = [0] * heads_off + [FULL_SPAN_TOKENS] * (_HEADS - heads_off)
    encoder.configure(_UNCOMPRESSED, [], [row] * _LAYERS)
    return encoder


def seconds(encoder: CompressibleEncoder, batch: Tensor, layers: int) -> float:
    """Processor time of one forward pass up to a layer."""
    start = time.process_time()
    encoder.logits(batch, layers=layers)
    return time.process_time() - start


def measure(tokens: int, sentences: int, repeats: int) -> dict[str, float]:
    """Share of the full encoder's time by case, and the full time of a batch, ms."""
    torch.manual_seed(0)
    model = ExitEncoder(backbone_from_config(_CONFIG), n_classes=2)
    with tempfile.TemporaryDirectory() as name:
        tokenizer = Tokenizer(WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
        save_checkpoint(model, Path(name), tokenizer)
        encoders = {
            off: random_encoder(Path(name), off) for off in {off for off, _ in CASES.values()}
        }
    batch = torch.randint(1, _VOCABULARY, (sentences, tokens))
    shares: dict[str, list[float]] = {case: [] for case in CASES}
    full = []
    for repeat in range(repeats + 1):
        times = {
            case: seconds(encoders[off], batch, layers) for case, (off, layers) in CASES.items()
        }
        if repeat:  # the first one warms up
            full.append(times["all_heads"])
            for case, value in times.items():
                shares[case].append(value / times["all_heads"])
    result = {case: statistics.median(values) for case, values in shares.items()}
    return result | {"all_heads_ms": 1e3 * statistics.median(full)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--sentences", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    options = parsed(parser)
    torch.set_num_threads(options.threads)
    result = measure(options.tokens, options.sentences, options.repeats)
    tell(result, "{:24s} {:10.3f}".format, as_json=options.json)


if __name__ == "__main__":
    main()
