"""Speed of live evaluation: the forward pass against matrix products and against Trainer.predict.

``python benchmarks/evaluator.py [CHECKPOINT] [--data GLUE] [--threads N] [--trainer] [--json]``

The sentences are those of the SST-2 dev set, every exit is worked out, and each figure is the
fastest of ``--repeats`` passes, one of each kind in turn.

* matrix products alone, at the model's shapes and in its batches: what the machine can do;
* the plain layers of the library, in the same batches;
* the evaluator: dense; spans, sparsity and 8-bit weights; and 8-bit activations besides;
* ``--trainer``: `transformers.Trainer.predict` on the same encoder with its last exit alone, padded
  to the longest sentence of a batch and to 128 tokens, and how many predictions differ; needs
  ``pip install accelerate``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from figures import fastest, parsed, tell
from torch import Tensor, nn
from transformers import AlbertForSequenceClassification, BertForSequenceClassification

from evaluators.batches import equal_length_batches
from evaluators.checkpoint_folders import load_checkpoint
from evaluators.checkpoints import checkpoint_folder
from evaluators.compression import CompressibleEncoder
from evaluators.encoders import ExitEncoder
from evaluators.glue import load_sst2
from evaluators.token_rows import load_tokenizer, pad_batch, token_ids
from search_space import FP32, FULL_SPAN_TOKENS, CellKind, ModelKnobs, NumberFormat, adaptivfloat

_SCALE_SENTENCES = 64
_TRAINER_BATCH = 64


def setting(checkpoint: str, *, compressed: bool, activations: NumberFormat) -> ModelKnobs:
    """A dense setting, or one with short spans, half of the weights and 8-bit weights."""
    return ModelKnobs(
        checkpoint=checkpoint,
        span_budget_tokens=16 if compressed else FULL_SPAN_TOKENS,
        encoder_sparsity=0.5 if compressed else 0.0,
        embedding_sparsity=0.6 if compressed else 0.0,
        weight_format=adaptivfloat(8, 3) if compressed else FP32,
        activation_format=activations,
        embedding_storage=CellKind.SRAM,
        encoder_storage=CellKind.SRAM,
    )


def products(model: ExitEncoder, batches: Sequence[Tensor]) -> tuple[Callable[[], None], float]:
    """What multiplies matrices of all shapes of a pass, on made-up numbers, and its operations."""
    config = model.backbone.config
    width, inner, heads = config.hidden_size, config.intermediate_size, config.num_attention_heads
    linear = [torch.randn(width, width) for _ in range(4)]
    linear += [torch.randn(width, inner), torch.randn(inner, width)]
    work: list[tuple[Callable[[], Tensor], float]] = []
    for batch in batches:
        sentences, tokens = batch.shape
        for weight in linear:
            x = torch.randn(sentences * tokens, len(weight))
            work.append((partial(torch.mm, x, weight), 2.0 * x.shape[0] * weight.numel()))
        query = torch.randn(sentences * heads, tokens, width // heads)
        scores = torch.randn(sentences * heads, tokens, tokens)
        operations = 2.0 * query.numel() * tokens
        work.append((partial(torch.bmm, query, query.transpose(1, 2)), operations))
        work.append((partial(torch.bmm, scores, query), operations))

    def run() -> None:
        for _ in range(model.n_layers):
            for product, _ in work:
                product()

    return run, model.n_layers * sum(operations for _, operations in work)


class TrainerPass:
    """`Trainer.predict` over the sentences, and the classes that it predicts."""

    def __init__(self, model: ExitEncoder, rows: Sequence[Sequence[int]], padded: int | None):
        """Set up a trainer; ``padded``: tokens of every sentence, or None for a batch's longest."""
        try:
            from transformers import Trainer, TrainingArguments

            arguments = TrainingArguments(
                output_dir=tempfile.mkdtemp(),
                per_device_eval_batch_size=_TRAINER_BATCH,
                report_to=[],
                use_cpu=True,
                disable_tqdm=True,
            )
        except ImportError as error:
            raise SystemExit(
                f"Trainer cannot be made ({error}): run `pip install accelerate`."
            ) from error

        def collated(examples: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
            ids, mask = pad_batch([example["input_ids"] for example in examples], model.pad_id)
            more = 0 if padded is None else padded - ids.shape[1]
            ids = nn.functional.pad(ids, (0, more), value=model.pad_id)
            return {"input_ids": ids, "attention_mask": nn.functional.pad(mask, (0, more))}

        self._rows: Any = [{"input_ids": list(row)} for row in rows]
        self._trainer = Trainer(model=with_last_exit(model), args=arguments, data_collator=collated)
        self.classes: list[int] = []

    def __call__(self) -> None:
        """Predict."""
        logits: Any = self._trainer.predict(self._rows).predictions
        self.classes = logits.argmax(-1).tolist()


def with_last_exit(model: ExitEncoder) -> nn.Module:
    """The library's classifier on that encoder: the last exit is its pooler and classifier."""
    config, last = model.backbone.config, model.exits[-1]
    config.num_labels = 2
    state = last.state_dict()
    if config.model_type == "albert":
        classifier: Any = AlbertForSequenceClassification(config)
        classifier.albert.load_state_dict(model.backbone.state_dict(), strict=False)
        pooler = classifier.albert.pooler
    else:
        classifier = BertForSequenceClassification(config)
        classifier.bert.load_state_dict(model.backbone.state_dict(), strict=False)
        pooler = classifier.bert.pooler.dense
    pooler.load_state_dict({k: state[f"pooler.{k}"] for k in ("weight", "bias")})
    classifier.classifier.load_state_dict({k: state[f"classifier.{k}"] for k in ("weight", "bias")})
    return classifier.eval()


def measure(checkpoint: str, data: Path, repeats: int, *, trainer: bool) -> dict[str, float]:
    """Seconds of every pass, and what follows from them."""
    folder = checkpoint_folder(checkpoint)
    task = load_sst2(data)
    tokenizer = load_tokenizer(folder)
    rows = token_ids(tokenizer, task.report.texts)
    found = equal_length_batches(rows)
    batches = [batch for _, batch in found]
    calibration = token_ids(tokenizer, task.calibration.texts)[:_SCALE_SENTENCES]
    scales = [batch for _, batch in equal_length_batches(calibration)]
    plain = load_checkpoint(folder)
    multiply, operations = products(plain, batches)
    passes: dict[str, Callable[[], object]] = {
        "matrix_products": multiply,
        "plain_layers": lambda: [plain(batch) for batch in batches],
    }
    for name, compressed, activations in (
        ("dense", False, FP32),
        ("compressed", True, FP32),
        ("rounded_activations", True, adaptivfloat(8, 3)),
    ):
        encoder = CompressibleEncoder(folder)
        encoder.configure(
            setting(checkpoint, compressed=compressed, activations=activations), scales
        )
        passes[name] = partial(lambda e: [e.logits(batch) for batch in batches], encoder)
    trainers = {}
    if trainer:
        trainers = {
            "trainer_dynamic_padding": TrainerPass(plain, rows, None),
            "trainer_padded_to_128": TrainerPass(plain, rows, 128),
        }
    with torch.inference_mode():
        seconds = fastest(passes | trainers, repeats)
    result = {f"{name}_s": value for name, value in seconds.items()}
    result["sentences"] = len(rows)
    result["matrix_products_gflop_per_s"] = operations / seconds["matrix_products"] / 1e9
    for name in ("plain_layers", "dense", "compressed", "rounded_activations"):
        result[f"{name}_share_of_matrix_rate"] = seconds["matrix_products"] / seconds[name]
    result["rounded_over_dense"] = seconds["rounded_activations"] / seconds["dense"]
    if trainers:
        ours = [0] * len(rows)
        for places, batch in found:
            with torch.inference_mode():
                for place, predicted in zip(places, plain(batch)[:, -1].argmax(-1), strict=True):
                    ours[place] = int(predicted)
        for name, run in trainers.items():
            result[f"{name}_over_dense"] = seconds[name] / seconds["dense"]
            differing = sum(a != b for a, b in zip(run.classes, ours, strict=True))
            result[f"{name}_predictions_that_differ"] = differing
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", nargs="?", default="minilm-exits")
    parser.add_argument("--data", type=Path, default=os.environ.get("GLUE_DIR"))
    parser.add_argument("--threads", type=int, default=0, help="0: as torch chooses")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--trainer", action="store_true")
    options = parsed(parser)
    if options.data is None:
        parser.error("no GLUE folder: give --data, or set GLUE_DIR")
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    result = measure(options.checkpoint, options.data, options.repeats, trainer=options.trainer)
    tell(result, "{:44s} {:10.3f}".format, as_json=options.json)


if __name__ == "__main__":
    main()
