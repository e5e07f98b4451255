"""Plain Hugging Face folders of every family: the library's own models are the oracle."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import (
    AlbertForSequenceClassification,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    DistilBertForSequenceClassification,
    PreTrainedModel,
    RobertaForSequenceClassification,
    RobertaModel,
)

from evaluators.checkpoint_folders import checkpoint_hash, load_checkpoint, save_checkpoint
from evaluators.compression import CompressibleEncoder
from evaluators.encoders import encoder_shape
from evaluators.families import FAMILIES, Family
from evaluators.students import pretrained_folder
from evaluators.token_rows import load_tokenizer, pad_batch, token_ids
from search_space import ModelKnobs
from tests.evaluators.library_models import IDS, library_model, logits, saved

CLASSIFIERS = {
    "albert": AlbertForSequenceClassification,
    "bert": BertForSequenceClassification,
    "distilbert": DistilBertForSequenceClassification,
    "roberta": RobertaForSequenceClassification,
}


def test_states_are_those_of_the_library(bare: tuple[PreTrainedModel, Path]) -> None:
    """Every hidden state equals the library's bit for bit, at each depth, padded or not."""
    theirs, folder = bare
    model = load_checkpoint(folder)
    ids, mask = pad_batch([[2, 5, 3], [2, 9, 8, 7, 6, 5, 3]], model.pad_id)
    for batch in ((IDS, torch.ones_like(IDS)), (ids, mask)):
        with torch.inference_mode():
            expected = theirs(
                input_ids=batch[0], attention_mask=batch[1], output_hidden_states=True
            ).hidden_states
            for depth in (None, 1, 2, 3):
                found = model.hidden_states(*batch, layers=depth)
                assert len(found) == 1 + (depth or 3)
                for left, right in zip(found, expected, strict=False):
                    assert torch.equal(left, right)


@pytest.mark.slow
def test_real_folder_gives_the_states_of_the_library() -> None:
    """The real MiniLM folder gives the library's states bit for bit, layer by layer."""
    folder = pretrained_folder()
    theirs = BertModel.from_pretrained(folder, add_pooling_layer=False, local_files_only=True)
    row = token_ids(load_tokenizer(folder), ["A fine film, unaffectedly so!"])
    ids = torch.tensor(row)
    with torch.inference_mode():
        expected = theirs(input_ids=ids, output_hidden_states=True).hidden_states
        for found, state in zip(load_checkpoint(folder).hidden_states(ids), expected, strict=True):
            assert torch.equal(found, state)


def test_fewer_layers_run_only_those(bare: tuple[PreTrainedModel, Path]) -> None:
    """Up to layer 2, two layers are called and the exits are the first two of all."""
    model = load_checkpoint(bare[1])
    called: list[int] = []
    for parts in dict.fromkeys(model.family.layer_modules(model.backbone)):
        parts.register_forward_hook(lambda *_: called.append(1))
    every = logits(model)
    assert len(called) == 3
    assert torch.equal(logits(model, layers=2), every[:, :2])
    assert len(called) == 5
    for depth in (0, 4):
        with pytest.raises(ValueError, match=f"layers {depth} of an encoder: expected 1 to 3"):
            logits(model, layers=depth)


def test_exits_of_a_bare_encoder_are_new_and_always_the_same(
    family: Family, bare: tuple[PreTrainedModel, Path]
) -> None:
    """Exits come from a seed of their own: loaded twice they are equal, and the folder stays."""
    theirs, folder = bare
    before = checkpoint_hash(folder)
    first = load_checkpoint(folder)
    torch.manual_seed(9)
    second = load_checkpoint(folder)
    assert torch.equal(logits(first), logits(second))
    assert logits(load_checkpoint(folder, n_classes=5)).shape == (2, 3, 5)
    spread = torch.cat([w.flatten() for w in first.exits.parameters() if w.ndim > 1]).std()
    assert float(spread.detach()) == pytest.approx(theirs.config.initializer_range, rel=0.1)
    assert not any(w.any() for w in first.exits.parameters() if w.ndim == 1)
    assert checkpoint_hash(folder) == before
    assert first.family is family


def test_classifier_becomes_the_last_exit(family: Family, tmp_path: Path) -> None:
    """The last exit of a sequence-classification checkpoint gives the library's own logits."""
    theirs = library_model(CLASSIFIERS[family.name], family, num_labels=3)
    model = load_checkpoint(saved(theirs, tmp_path))
    with torch.inference_mode():
        expected = theirs(input_ids=IDS).logits
    assert logits(model).shape == (2, 3, 3)
    assert torch.allclose(logits(model)[:, -1], expected, atol=1e-6)


@pytest.mark.parametrize("kind", [BertForMaskedLM, BertForTokenClassification])
def test_other_heads_are_left_out(kind: type[PreTrainedModel], tmp_path: Path) -> None:
    """A head that is no pooler and classifier is not an exit: all exits are new."""
    theirs = library_model(kind, FAMILIES["bert"])
    model = load_checkpoint(saved(theirs, tmp_path))
    with torch.inference_mode():
        expected = theirs(input_ids=IDS, output_hidden_states=True).hidden_states
        assert torch.equal(model.hidden_states(IDS)[-1], expected[-1])
    assert not any(w.any() for w in model.exits.parameters() if w.ndim == 1)


def test_token_types_count_where_a_family_has_them(
    family: Family, bare: tuple[PreTrainedModel, Path]
) -> None:
    """Marking a second sentence gives the library's states, and nothing happens in DistilBERT."""
    theirs, folder = bare
    model = load_checkpoint(folder)
    types = torch.tensor([[0, 0, 0, 1, 1]] * 2)
    found = logits(model, token_type_ids=types)
    assert torch.equal(logits(model), logits(model, token_type_ids=torch.zeros_like(types)))
    if family.name == "distilbert":
        assert not model.has_token_types
        assert torch.equal(found, logits(model))
        return
    with torch.inference_mode():
        expected = theirs(input_ids=IDS, token_type_ids=types, output_hidden_states=True)
        assert torch.equal(model.hidden_states(IDS, None, types)[-1], expected.hidden_states[-1])
    assert not torch.equal(found, logits(model))


def test_token_types_of_a_single_kind_are_ignored(tmp_path: Path) -> None:
    """RoBERTa as published has one token type: marking a second sentence changes nothing."""
    theirs = library_model(RobertaModel, FAMILIES["roberta"], type_vocab_size=1)
    model = load_checkpoint(saved(theirs, tmp_path))
    assert torch.equal(logits(model), logits(model, token_type_ids=torch.ones_like(IDS)))


def test_shape_counts_the_parameters_stored(
    family: Family, bare: tuple[PreTrainedModel, Path]
) -> None:
    """What the cost model counts is what the tensors hold, part by part."""
    folder = bare[1]
    shape = encoder_shape(json.loads((folder / "config.json").read_text()))
    sizes = {name: t.numel() for name, t in load_checkpoint(folder).state_dict().items()}
    embeddings = sum(n for name, n in sizes.items() if ".embeddings." in name)
    exits = sum(n for name, n in sizes.items() if name.startswith("exits."))
    assert shape.embedding_parameters == embeddings
    assert shape.distinct_layers * shape.layer_parameters + shape.projection_parameters == (
        sum(sizes.values()) - embeddings - exits
    )
    assert shape.layers * (shape.pooler_parameters + shape.classifier_parameters) == exits
    assert shape.distinct_layers == (1 if family.name == "albert" else 3)
    assert shape.token_types == (0 if family.name == "distilbert" else 2)
    assert (shape.positions, shape.longest_sentence) == (
        (42, 40) if family.name == "roberta" else (40, 40)
    )


def test_longest_sentence_has_a_position(bare: tuple[PreTrainedModel, Path]) -> None:
    """A sentence as long as the shape says runs, and one token more has no position."""
    model = load_checkpoint(bare[1])
    shape = encoder_shape(json.loads((bare[1] / "config.json").read_text()))
    ids = torch.full((1, shape.longest_sentence), 7)
    with torch.inference_mode():
        assert model(ids).isfinite().all()
        with pytest.raises((IndexError, RuntimeError)):
            model(torch.full((1, shape.longest_sentence + 1), 7))


def test_plain_folder_saved_as_ours_is_the_same_model(
    bare: tuple[PreTrainedModel, Path], tmp_path: Path
) -> None:
    """Loaded, saved with its exits and loaded again, a folder has its logits, but for fp16."""
    model = load_checkpoint(bare[1])
    save_checkpoint(model, tmp_path / "ours", load_tokenizer(bare[1]))
    again = load_checkpoint(tmp_path / "ours")
    assert torch.allclose(logits(again), logits(model), atol=5e-3)
    assert asdict(encoder_shape(json.loads((tmp_path / "ours/config.json").read_text()))) == asdict(
        encoder_shape(json.loads((bare[1] / "config.json").read_text()))
    )


def test_plain_folder_is_compressed_like_ours(
    bare: tuple[PreTrainedModel, Path],
    batches: list[Tensor],
    make_knobs: Callable[..., ModelKnobs],
) -> None:
    """A plain folder runs uncompressed bit for bit, and compressed, and is not written to."""
    folder = bare[1]
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    encoder = CompressibleEncoder(folder)
    encoder.configure(make_knobs(), batches)
    plain = load_checkpoint(folder)
    with torch.inference_mode():
        assert torch.allclose(encoder.logits(batches[0]), plain(batches[0]), atol=1e-5)
    spans, density, _ = encoder.configure(
        make_knobs(encoder_sparsity=0.5, span_budget_tokens=2), batches
    )
    assert density == pytest.approx(0.5, abs=0.05)
    assert sum(map(sum, spans)) <= 2 * 2 * len(spans)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
