"""Tiny encoders as the library makes them, their folders, and what a loaded encoder answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AlbertModel, BertModel, DistilBertModel, PreTrainedModel, RobertaModel

from evaluators.encoders import ExitEncoder
from evaluators.families import Family
from tests.evaluators.conftest import CONFIGS, tiny_tokenizer

EMBEDDINGS, ENCODER = "embeddings.safetensors", "encoder.safetensors"
IDS = torch.tensor([[2, 5, 9, 11, 3], [2, 7, 7, 20, 3]])
BARE = {
    "albert": AlbertModel,
    "bert": BertModel,
    "distilbert": DistilBertModel,
    "roberta": RobertaModel,
}
DISTILBERT_KEYS = {
    "hidden_act": "activation",
    "hidden_size": "dim",
    "intermediate_size": "hidden_dim",
    "num_attention_heads": "n_heads",
    "num_hidden_layers": "n_layers",
}
"""What DistilBERT calls sizes that all families have."""


def library_model(kind: Any, family: Family, **changes: Any) -> PreTrainedModel:
    """A random tiny model as the library makes it, weights large enough to tell layers apart."""
    sizes = {k: v for k, v in CONFIGS[family.name].items() if k != "model_type"}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model: PreTrainedModel = kind(family.config(**(sizes | changes)))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
    model.eval()  # type: ignore[no-untyped-call]
    return model


def saved(model: PreTrainedModel, folder: Path) -> Path:
    """The folder, with the model and a tokenizer in it."""
    model.save_pretrained(folder)
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def write_vocabulary(folder: Path) -> None:
    """``vocab.txt`` of the tiny tokenizer instead of its ``tokenizer.json``."""
    pieces = tiny_tokenizer().get_vocab()
    (folder / "vocab.txt").write_text("\n".join(sorted(pieces, key=lambda p: pieces[p])) + "\n")
    (folder / "tokenizer.json").unlink(missing_ok=True)


def edit_config(folder: Path, **changes: Any) -> None:
    """Change or add keys of ``config.json``, by the names that the family has for them."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    names = DISTILBERT_KEYS if config["model_type"] == "distilbert" else {}
    path.write_text(json.dumps(config | {names.get(k, k): v for k, v in changes.items()}))


def logits(model: ExitEncoder, input_ids: Tensor = IDS, **more: Any) -> Tensor:
    """Logits of token ids without padding."""
    with torch.inference_mode():
        found: Tensor = model(input_ids, **more)
    return found
