"""Tokenizers of checkpoints: pieces by hand, the library as the oracle, files that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from transformers import BertTokenizer, RobertaTokenizer

from evaluators.checkpoints import CheckpointError
from evaluators.pretrained import read_tokenizer
from evaluators.token_rows import load_tokenizer, token_ids
from tests.evaluators.conftest import WORDS
from tests.evaluators.library_models import write_vocabulary

TEXTS = [
    "The film was GOOD, but the ending: dull!",
    "films [SEP] badly [MASK]",
    "caf\u00e9 \u2013 it's not 7 long",
    "",
]


def test_tokenizer_adds_marks_and_no_padding(tiny: Path) -> None:
    """Each text becomes its own pieces between [CLS] and [SEP], however long the others are."""
    tokenizer = load_tokenizer(tiny)
    rows = token_ids(tokenizer, ["The film films!", "good", ""])
    pieces = [[tokenizer.id_to_token(i) for i in row] for row in rows]
    assert pieces == [
        ["[CLS]", "the", "film", "film", "##s", "!", "[SEP]"],
        ["[CLS]", "good", "[SEP]"],
        ["[CLS]", "[SEP]"],
    ]


def test_tokenizer_cuts_at_128_tokens(tiny: Path) -> None:
    """A text of 300 words keeps 128 tokens, the end mark among them."""
    (row,) = token_ids(load_tokenizer(tiny), ["good " * 300])
    assert len(row) == 128
    assert row[-1] == 3


def test_damaged_tokenizer_is_named(own_copy: Path) -> None:
    """A tokenizer file that is none is refused by name."""
    (own_copy / "tokenizer.json").write_text('{"model": 5}')
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: not a tokenizer file"):
        load_tokenizer(own_copy)


@pytest.mark.parametrize("lower", [True, False])
def test_word_pieces_are_those_of_the_library(tmp_path: Path, lower: bool) -> None:
    """From ``vocab.txt`` come the ids that the library's BERT tokenizer gives, pairs too."""
    write_vocabulary(tmp_path)
    if not lower:
        (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    theirs = BertTokenizer(vocab=str(tmp_path / "vocab.txt"), do_lower_case=lower)
    ours = load_tokenizer(tmp_path)
    assert token_ids(ours, TEXTS) == [theirs(text)["input_ids"] for text in TEXTS]
    pair, expected = ours.encode(TEXTS[0], TEXTS[1]), theirs(*TEXTS[:2])
    assert pair.ids == expected["input_ids"]
    assert pair.type_ids == expected["token_type_ids"]


def test_byte_pairs_are_those_of_the_library(tmp_path: Path) -> None:
    """From ``vocab.json`` and ``merges.txt`` come the ids of the library's RoBERTa tokenizer."""
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        [" ".join(WORDS)] * 3 + TEXTS,
        vocab_size=300,
        show_progress=False,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
    )
    trained.save_model(str(tmp_path))
    theirs = RobertaTokenizer(
        vocab=str(tmp_path / "vocab.json"), merges=str(tmp_path / "merges.txt")
    )
    texts = [text.replace("[MASK]", "<mask>") for text in TEXTS]
    ours = load_tokenizer(tmp_path)
    assert token_ids(ours, texts) == [theirs(text)["input_ids"] for text in texts]
    assert ours.encode(texts[0], texts[1]).ids == theirs(*texts[:2])["input_ids"]


def test_tokenizers_that_are_missing_or_damaged_are_named(tmp_path: Path) -> None:
    """No tokenizer, a vocabulary without marks, and settings that are none say what is wrong."""
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: no such file.*vocab\.txt"):
        read_tokenizer(tmp_path)
    (tmp_path / "vocab.txt").write_text("a\nfilm\n[UNK]\n[SEP]\n")
    with pytest.raises(CheckpointError, match=r"vocabulary lacks '\[CLS\]'"):
        read_tokenizer(tmp_path)
    write_vocabulary(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": "no"}')
    with pytest.raises(CheckpointError, match="do_lower_case 'no', expected true or false"):
        read_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"tokenizer_config\.json: not JSON"):
        read_tokenizer(tmp_path)
    (tmp_path / "vocab.txt").unlink()
    (tmp_path / "vocab.json").write_text("{")
    (tmp_path / "merges.txt").write_text("")
    with pytest.raises(CheckpointError, match=r"vocab\.json: not a tokenizer file"):
        read_tokenizer(tmp_path)


def test_tokenizer_file_of_a_plain_folder_is_read(bert_folder: Path) -> None:
    """``tokenizer.json`` is read first, as in our own folders."""
    write_path = bert_folder / "vocab.txt"
    write_path.write_text("not\nthis\n")
    assert isinstance(load_tokenizer(bert_folder), Tokenizer)
    assert token_ids(load_tokenizer(bert_folder), ["good"]) == [[2, 11, 3]]
