"""A made-up GLUE task and a tiny checkpoint for it: official layout and counts, random words."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from evaluators.checkpoint_folders import save_checkpoint
from evaluators.encoders import ExitEncoder, backbone_from_config
from evaluators.tasks import GlueFile, GlueTask

SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS: Final = (
    *("a", "the", "he", "she", "it", "ball", "dog", "house", "was", "is", "left", "saw"),
    *("red", "old", "because", "and", "not", "very", "of", "in", ".", ",", "?"),
)
CONFIG: Final[dict[str, Any]] = {
    "model_type": "bert",
    "vocab_size": len(SPECIAL) + len(WORDS),
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "hidden_act": "gelu",
    "max_position_embeddings": 128,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}


def pair_tokenizer() -> Tokenizer:
    """A WordPiece tokenizer that puts pairs together as BERT does, the second as type 1."""
    pieces = {piece: index for index, piece in enumerate((*SPECIAL, *WORDS))}
    tokenizer = Tokenizer(WordPiece(pieces, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", pieces["[CLS]"]), ("[SEP]", pieces["[SEP]"])],
    )
    return tokenizer


def write_tiny_checkpoint(folder: Path, n_outputs: int, **changes: Any) -> Path:
    """A checkpoint folder with three random layers and that many outputs at every exit."""
    model = ExitEncoder(backbone_from_config(CONFIG | changes), n_classes=n_outputs)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            centre = 1.0 if name.endswith("orm.weight") else 0.0
            parameter.copy_(centre + 0.4 * torch.randn(parameter.shape, generator=generator))
    save_checkpoint(model.eval(), folder, pair_tokenizer(), card={"made": "up"})
    return folder


def generated_rows(task: GlueTask, count: int, seed: int) -> list[tuple[list[str], str]]:
    """That many rows: one or two texts of random words, and a label as the files spell it."""
    rng = random.Random(f"{task.name} {seed}")
    rows = []
    for _ in range(count):
        texts = [" ".join(rng.choices(WORDS, k=rng.randint(2, 9))) for _ in task.texts]
        label = f"{rng.uniform(0, 5):.3f}" if task.is_regression else rng.choice(task.spellings)
        rows.append((texts, label))
    return rows


def tsv_line(task: GlueTask, file: GlueFile, texts: list[str], label: str) -> str:
    """One row in the official layout; columns that play no part hold a dash."""
    cells = dict(zip(task.texts, texts, strict=True)) | {task.label: label}
    return "\t".join(cells.get(column, "-") for column in file.columns) + "\n"


def write_generated_task(glue_dir: Path, task: GlueTask) -> Path:
    """All files of a task with as many rows as the task says, in its folder; the GLUE folder."""
    folder = glue_dir / task.name
    folder.mkdir(parents=True)
    files = [task.train, task.report, *([task.mismatched] if task.mismatched else [])]
    for seed, file in enumerate(files):
        lines = ["\t".join(file.columns) + "\n"] if task.has_header else []
        rows = generated_rows(task, file.rows, seed)
        lines += [tsv_line(task, file, texts, label) for texts, label in rows]
        (folder / file.name).write_text("".join(lines), encoding="utf-8")
    return glue_dir


def shrunk(task: GlueTask, train: int, report: int) -> GlueTask:
    """The task with other row counts, for files that are quick to write and read."""
    return replace(
        task,
        train=replace(task.train, rows=train),
        report=replace(task.report, rows=report),
        mismatched=None if task.mismatched is None else replace(task.mismatched, rows=report + 1),
    )
