"""Plain Hugging Face folders: ``config.json``, ``model.safetensors`` and the tokenizer's files.

Read here are names, weights and vocabularies, by our own code from files that hold data only:
nothing in such a folder can name code to run, and pickled weights are never opened.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open
from tokenizers import AddedToken, Tokenizer, decoders
from tokenizers.models import BPE, WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, ByteLevel
from tokenizers.processors import RobertaProcessing, TemplateProcessing
from torch import Tensor

from evaluators.checkpoints import CheckpointError
from evaluators.families import Family
from evaluators.weight_files import check_finite

WEIGHT_FILE: Final = "model.safetensors"
TOKENIZER_FILES: Final = (
    ("tokenizer.json",),
    ("vocab.txt",),
    ("vocab.json", "merges.txt"),
)
"""Files of a tokenizer: the first set that a folder has whole is read."""

TOKENIZER_CONFIG: Final = "tokenizer_config.json"
_PICKLED: Final = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_OLD_NAMES: Final = (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias"))
_BUFFERS: Final = ("embeddings.position_ids", "embeddings.token_type_ids")


@dataclass(frozen=True, slots=True)
class PretrainedWeights:
    """The weights of a plain folder, in fp32, under the names of our encoders.

    Attributes:
        encoder: tensors of embeddings and layers, named from the encoder.
        last_exit: pooler and classifier of a sequence-classification checkpoint, named from the
            exit; empty for any other.
    """

    encoder: dict[str, Tensor]
    last_exit: dict[str, Tensor]

    @property
    def classes(self) -> int | None:
        """Outputs of the classifier; None without one."""
        return len(self.last_exit["classifier.bias"]) if self.last_exit else None


def is_pretrained(folder: Path) -> bool:
    """Whether this is a plain Hugging Face folder: it has ``model.safetensors``.

    Raises:
        CheckpointError: the only weights are pickled, or in several files.
    """
    if (folder / WEIGHT_FILE).is_file():
        return True
    names = sorted(path.name for path in folder.glob("*"))
    if any(name.endswith(".safetensors") for name in names):
        if f"{WEIGHT_FILE}.index.json" in names:
            raise CheckpointError(
                f"{folder}: weights in several files; expected one, as save_pretrained writes it "
                "with a larger max_shard_size."
            )
        return False
    pickled = [name for name in names if name.endswith(_PICKLED)]
    if pickled:
        raise CheckpointError(
            f"{folder / pickled[0]}: pickled weights can run code and are never loaded; expected "
            f"{WEIGHT_FILE}, as save_pretrained writes it."
        )
    return False


def read_weights(folder: Path, family: Family) -> PretrainedWeights:
    """The weights of a plain Hugging Face folder of that family.

    A checkpoint with a head has the encoder's tensors under the family's name; what belongs to
    other heads is left out.

    Raises:
        CheckpointError: the file is damaged, or a weight is not finite.
    """
    path = folder / WEIGHT_FILE
    try:
        with safe_open(path, framework="pt") as handle:
            names = list(handle.keys())
            prefix = f"{family.name}."
            if not any(name.startswith(prefix) for name in names):
                prefix = ""
            roots = ("embeddings.", family.layers.split(".")[0] + ".")
            encoder = {
                _renamed(name.removeprefix(prefix)): handle.get_tensor(name).float()
                for name in names
                if name.startswith(prefix)
                and name.removeprefix(prefix).startswith(roots)
                and name.removeprefix(prefix) not in _BUFFERS
            }
            parts = {
                f"{part}.{kind}": f"{path}.{kind}"
                for part, path in (("pooler", family.pooler), ("classifier", family.classifier))
                for kind in ("weight", "bias")
            }
            classifies = set(parts.values()) <= set(names)
            last_exit = (
                {ours: handle.get_tensor(theirs).float() for ours, theirs in parts.items()}
                if classifies
                else {}
            )
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a safetensors file ({error}).") from error
    check_finite(path, encoder | last_exit)
    return PretrainedWeights(encoder, last_exit)


def _renamed(name: str) -> str:
    """The name of today for a tensor that was saved under its name of 2018."""
    for old, new in _OLD_NAMES:
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def tokenizer_files(folder: Path) -> tuple[str, ...]:
    """Names of the files that make the folder's tokenizer.

    Raises:
        CheckpointError: there is none.
    """
    for names in TOKENIZER_FILES:
        if all((folder / name).is_file() for name in names):
            configured = names != TOKENIZER_FILES[0] and (folder / TOKENIZER_CONFIG).is_file()
            return (*names, TOKENIZER_CONFIG) if configured else names
    path = folder / TOKENIZER_FILES[0][0]
    raise CheckpointError(
        f"{path}: no such file; a checkpoint folder needs its tokenizer (or, as a plain Hugging "
        "Face folder, vocab.txt, or vocab.json with merges.txt)."
    )


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a folder: from ``tokenizer.json``, else made from its vocabulary.

    ``vocab.txt`` is BERT's WordPiece (lower case, unless ``do_lower_case`` of
    ``tokenizer_config.json`` is false); ``vocab.json`` and ``merges.txt`` are RoBERTa's byte-level
    BPE.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    names = tokenizer_files(folder)
    try:
        if names == TOKENIZER_FILES[0]:
            return Tokenizer.from_file(str(folder / names[0]))
        if names[0] == "vocab.txt":
            return _word_piece(folder)
        return _byte_level(folder)
    except CheckpointError:
        raise
    except Exception as error:  # tokenizers raises bare Exception
        raise CheckpointError(f"{folder / names[0]}: not a tokenizer file ({error}).") from error


def _word_piece(folder: Path) -> Tokenizer:
    tokenizer = Tokenizer(WordPiece.from_file(str(folder / "vocab.txt"), unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=_lower_case(folder))
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    marks = _marks(folder, tokenizer, ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"))
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", marks["[CLS]"]), ("[SEP]", marks["[SEP]"])],
    )
    return tokenizer


def _byte_level(folder: Path) -> Tokenizer:
    tokenizer = Tokenizer(
        BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"), fuse_unk=False)
    )
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    marks = _marks(folder, tokenizer, ("<s>", "</s>", "<pad>", "<unk>", "<mask>"))
    tokenizer.post_processor = RobertaProcessing(
        ("</s>", marks["</s>"]), ("<s>", marks["<s>"]), trim_offsets=True, add_prefix_space=False
    )
    return tokenizer


def _marks(folder: Path, tokenizer: Tokenizer, names: tuple[str, ...]) -> dict[str, int]:
    """Ids of the marks that a vocabulary has, which from now on are never split.

    The first two are those put around a sentence: without them it is no tokenizer.
    """
    known = {name: tokenizer.token_to_id(name) for name in names}
    ids = {name: number for name, number in known.items() if number is not None}
    for name in names[:2]:
        if name not in ids:
            raise CheckpointError(f"{folder}: the tokenizer's vocabulary lacks {name!r}.")
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in ids])
    return ids


def _lower_case(folder: Path) -> bool:
    path = folder / TOKENIZER_CONFIG
    if not path.is_file():
        return True
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path}: not JSON ({error}).") from error
    chosen = config.get("do_lower_case", True) if isinstance(config, dict) else None
    if not isinstance(chosen, bool):
        raise CheckpointError(f"{path}: do_lower_case {chosen!r}, expected true or false.")
    return chosen
