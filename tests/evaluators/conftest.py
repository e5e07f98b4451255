"""Examples that the tests of the evaluators share: tiny checkpoints and a made-up task."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedModel

from evaluators.checkpoint_folders import save_checkpoint
from evaluators.encoders import ExitEncoder, backbone_from_config
from evaluators.families import FAMILIES, Family
from evaluators.glue import Sentences, TaskData, load_sst2
from search_space import FP32, FULL_SPAN_TOKENS, CellKind, ModelKnobs

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = (
    *("a", "the", "film", "plot", "is", "was", "good", "bad", "dull", "fine", "very", "not"),
    *("and", "but", "long", "short", "ending", "actor", "##s", "##ly", ".", "!", ",", "it"),
)
SIZES: dict[str, Any] = {
    "vocab_size": len(SPECIAL) + len(WORDS),
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 40,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {"model_type": "bert", **SIZES},
    "albert": {
        "model_type": "albert",
        "embedding_size": 8,
        "num_hidden_groups": 1,
        "inner_group_num": 1,
        **SIZES,
    },
    "distilbert": {
        "model_type": "distilbert",
        "vocab_size": SIZES["vocab_size"],
        "dim": 16,
        "n_layers": 3,
        "n_heads": 2,
        "hidden_dim": 32,
        "activation": "gelu",
        "dropout": 0.1,
        "attention_dropout": 0.1,
        "max_position_embeddings": 40,
        "pad_token_id": 0,
    },
    # As in the real thing, padding is token 1 and the first token has position 2 of 42.
    "roberta": {
        "model_type": "roberta",
        **SIZES,
        "pad_token_id": 1,
        "max_position_embeddings": 42,
    },
}
"""A tiny encoder of every family: three layers (of one set of weights in ALBERT), two heads."""


class Bomb:
    """Unpickling this makes a folder: a sign that code of the file was run."""

    def __init__(self, sign: Path) -> None:
        """Choose the folder that gives it away."""
        self.sign = sign

    def __reduce__(self) -> tuple[Any, ...]:
        """What pickle would call."""
        return (os.mkdir, (str(self.sign),))


def tiny_tokenizer() -> Tokenizer:
    """A WordPiece tokenizer of 29 pieces with the marks that BERT puts around a sentence."""
    pieces = {piece: index for index, piece in enumerate((*SPECIAL, *WORDS))}
    tokenizer = Tokenizer(WordPiece(pieces, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", pieces["[CLS]"]), ("[SEP]", pieces["[SEP]"])],
    )
    return tokenizer


def random_encoder(config: dict[str, Any], seed: int = 0) -> ExitEncoder:
    """An encoder whose every parameter is random and large enough to make its exits differ."""
    model = ExitEncoder(backbone_from_config(config), n_classes=2)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            centre = 1.0 if name.endswith("orm.weight") else 0.0
            parameter.copy_(centre + 0.4 * noise)
    return model.eval()


def made_up_sentences(count: int, seed: int) -> Sentences:
    """Sentences of 1 to 9 random words, each of them once, with random labels."""
    rng = random.Random(seed)
    whole_words = [word for word in WORDS if not word.startswith("##")]
    texts: dict[str, None] = {}
    while len(texts) < count:
        texts[" ".join(rng.choices(whole_words, k=rng.randint(1, 9)))] = None
    labels = tuple(rng.randint(0, 1) for _ in range(count))
    return Sentences(tuple(texts), labels, tuple(range(count)))


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """The tokenizer of the tiny checkpoints."""
    return tiny_tokenizer()


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the tiny checkpoints in half precision, by family; no test may write there."""
    folders = {}
    for family, config in CONFIGS.items():
        folder = tmp_path_factory.mktemp(family)
        save_checkpoint(random_encoder(config), folder, tiny_tokenizer(), card={"made": "up"})
        folders[family] = folder
    return folders


@pytest.fixture(params=sorted(CONFIGS))
def tiny(request: pytest.FixtureRequest, tiny_folders: dict[str, Path]) -> Path:
    """Each of the tiny checkpoints in turn."""
    return tiny_folders[request.param]


@pytest.fixture
def own_copy(tiny: Path, tmp_path: Path) -> Path:
    """A tiny checkpoint that may be damaged."""
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


@pytest.fixture(params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> Family:
    """Each family in turn."""
    return FAMILIES[request.param]


@pytest.fixture
def bare(family: Family, tmp_path: Path) -> tuple[PreTrainedModel, Path]:
    """A model of the library without a head, and its folder."""
    from tests.evaluators.library_models import BARE, library_model, saved

    model = library_model(BARE[family.name], family)
    return model, saved(model, tmp_path / "bare")


@pytest.fixture
def bert_folder(tmp_path: Path) -> Path:
    """The library's folder of a bare BERT, which may be damaged."""
    from tests.evaluators.library_models import BARE, library_model, saved

    return saved(library_model(BARE["bert"], FAMILIES["bert"]), tmp_path / "bert")


@pytest.fixture
def make_encoder() -> Callable[..., ExitEncoder]:
    """Makes a random tiny encoder of a family from a seed."""

    def make(family: str, seed: int = 0, **changes: Any) -> ExitEncoder:
        return random_encoder(CONFIGS[family] | changes, seed)

    return make


@pytest.fixture
def make_knobs() -> Callable[..., ModelKnobs]:
    """Makes model knobs: uncompressed but for what is named."""

    def make(**changes: Any) -> ModelKnobs:
        dense: dict[str, Any] = {
            "checkpoint": "tiny",
            "span_budget_tokens": FULL_SPAN_TOKENS,
            "encoder_sparsity": 0.0,
            "embedding_sparsity": 0.0,
            "weight_format": FP32,
            "activation_format": FP32,
            "embedding_storage": CellKind.SRAM,
            "encoder_storage": CellKind.SRAM,
        }
        return ModelKnobs(**(dense | changes))

    return make


@pytest.fixture(scope="session")
def tiny_task() -> TaskData:
    """A made-up task of 24 select, 16 report and 40 calibration sentences."""
    drawn = made_up_sentences(80, seed=1)
    return TaskData(
        train=drawn.take(range(40, 80)),
        select=drawn.take(range(24)),
        report=drawn.take(range(24, 40)),
        calibration=drawn.take(range(40, 80)),
    )


@pytest.fixture
def batches() -> list[torch.Tensor]:
    """Four batches of made-up token ids without padding: 5, 8, 3 and 12 tokens long."""
    generator = torch.Generator().manual_seed(2)
    return [
        torch.randint(5, int(SIZES["vocab_size"]), (6, tokens), generator=generator)
        for tokens in (5, 8, 3, 12)
    ]


@pytest.fixture(scope="session")
def sst2(glue_dir: Path) -> TaskData:
    """The real SST-2 with its splits."""
    return load_sst2(glue_dir)
