"""Plain Hugging Face folders of every family: the library's own models are the oracle."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from torch import Tensor
from transformers import (
    AlbertForSequenceClassification,
    AlbertModel,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    BertTokenizer,
    DistilBertForSequenceClassification,
    DistilBertModel,
    PreTrainedModel,
    RobertaForSequenceClassification,
    RobertaModel,
    RobertaTokenizer,
)

from evaluators.checkpoints import CheckpointError, checkpoint_folder, hub_folder
from evaluators.compression import CompressibleEncoder
from evaluators.encoders import (
    ExitEncoder,
    checkpoint_hash,
    encoder_shape,
    load_checkpoint,
    load_tokenizer,
    pad_batch,
    save_checkpoint,
    token_ids,
)
from evaluators.families import FAMILIES, Family
from evaluators.pretrained import read_tokenizer
from evaluators.students import pretrained_folder
from search_space import ModelKnobs
from tests.evaluators.conftest import CONFIGS, WORDS, Bomb, tiny_tokenizer

BARE = {
    "albert": AlbertModel,
    "bert": BertModel,
    "distilbert": DistilBertModel,
    "roberta": RobertaModel,
}
CLASSIFIERS = {
    "albert": AlbertForSequenceClassification,
    "bert": BertForSequenceClassification,
    "distilbert": DistilBertForSequenceClassification,
    "roberta": RobertaForSequenceClassification,
}
IDS = torch.tensor([[2, 5, 9, 11, 3], [2, 7, 7, 20, 3]])


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


def edit_config(folder: Path, **changes: Any) -> None:
    """Change or add keys of ``config.json``."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def logits(model: ExitEncoder, **more: Any) -> Tensor:
    """Logits of `IDS` without padding."""
    with torch.inference_mode():
        found: Tensor = model(IDS, **more)
    return found


@pytest.fixture(params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> Family:
    """Each family in turn."""
    return FAMILIES[request.param]


@pytest.fixture
def bare(family: Family, tmp_path: Path) -> tuple[PreTrainedModel, Path]:
    """A model without a head, and its folder."""
    model = library_model(BARE[family.name], family)
    return model, saved(model, tmp_path / "bare")


@pytest.fixture
def bert_folder(tmp_path: Path) -> Path:
    """A bare BERT that may be damaged."""
    return saved(library_model(BertModel, FAMILIES["bert"]), tmp_path / "bert")


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
        assert torch.equal(encoder.logits(batches[0]), plain(batches[0]))
    spans, density, _ = encoder.configure(
        make_knobs(encoder_sparsity=0.5, span_budget_tokens=2), batches
    )
    assert density == pytest.approx(0.5, abs=0.05)
    assert sum(map(sum, spans)) <= 2 * 2 * len(spans)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_names_of_2018_are_understood(bert_folder: Path) -> None:
    """Layer norms saved as gamma and beta, half precision and saved positions load all the same."""
    expected = logits(load_checkpoint(bert_folder))
    path = bert_folder / "model.safetensors"
    tensors = {
        "bert."
        + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor
        for name, tensor in load_file(path).items()
    }
    tensors["bert.embeddings.position_ids"] = torch.arange(40)[None]
    save_file(tensors, path, metadata={"format": "pt"})
    assert torch.equal(logits(load_checkpoint(bert_folder)), expected)
    save_file({n: t.bfloat16() if t.is_floating_point() else t for n, t in tensors.items()}, path)
    model = load_checkpoint(bert_folder)
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_hostile_config_has_no_effect(
    bare: tuple[PreTrainedModel, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys that name code, kernels or other behaviour are not read, and nothing is fetched."""
    folder = bare[1]
    before = logits(load_checkpoint(folder))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("code or kernels were asked for")

    monkeypatch.setattr("transformers.dynamic_module_utils.get_class_from_dynamic_module", refuse)
    monkeypatch.setattr("transformers.integrations.hub_kernels.get_kernel", refuse)
    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    edit_config(
        folder,
        auto_map={"AutoModel": "evil--repo.modeling.Evil", "AutoConfig": "evil--repo.c.Evil"},
        _attn_implementation="evil/kernel",
        attn_implementation="kernels-community/evil",
        use_kernels=True,
        kernel_config={"kernel_mapping": {"LayerNorm": "evil/kernel:LayerNorm"}},
        trust_remote_code=True,
        _name_or_path="evil/repo",
        architectures=["Evil"],
        dtype="float16",
        quantization_config={"quant_method": "evil"},
        is_decoder=True,
        add_cross_attention=True,
        chunk_size_feed_forward=2,
        output_hidden_states=True,
    )
    (folder / "modeling.py").write_text("raise AssertionError('this was run')")
    model = load_checkpoint(folder)
    assert torch.equal(logits(model), before)
    config = model.backbone.config.to_dict()
    assert not {"auto_map", "use_kernels", "kernel_config", "quantization_config"} & {
        key for key, value in config.items() if value
    }


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.ckpt"])
def test_folder_with_pickled_weights_alone_is_refused(
    bert_folder: Path, tmp_path: Path, name: str
) -> None:
    """Without ``model.safetensors`` the pickled file is named, in one sentence, and not opened."""
    sign = tmp_path / "sign"
    (bert_folder / name).write_bytes(pickle.dumps(Bomb(sign)))
    load_checkpoint(bert_folder)
    (bert_folder / "model.safetensors").unlink()
    for load in (load_checkpoint, checkpoint_hash):
        with pytest.raises(CheckpointError) as caught:
            load(bert_folder)
        assert str(caught.value) == (
            f"{bert_folder / name}: pickled weights can run code and are never loaded; expected "
            "model.safetensors, as save_pretrained writes it."
        )
    assert not sign.exists()


def test_damaged_plain_folders_are_refused_by_name(bert_folder: Path) -> None:
    """Cut-off weights, weights of other sizes, too few or in several files say what is wrong."""
    path = bert_folder / "model.safetensors"
    whole, tensors = path.read_bytes(), load_file(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: not a safetensors file"):
        load_checkpoint(bert_folder)
    save_file({n: t for n, t in tensors.items() if "layer.1.output.dense.bias" not in n}, path)
    with pytest.raises(CheckpointError, match=r"fit config\.json.*layer\.1\.output\.dense\.bias"):
        load_checkpoint(bert_folder)
    distance = {"encoder.layer.0.attention.self.distance_embedding.weight": torch.zeros(3, 8)}
    save_file(tensors | distance, path)
    with pytest.raises(CheckpointError, match=r"fit config\.json.*distance_embedding"):
        load_checkpoint(bert_folder)
    name = "encoder.layer.1.output.dense.weight"
    save_file(tensors | {name: tensors[name].clone().fill_(torch.nan)}, path)
    with pytest.raises(
        CheckpointError, match=rf"model\.safetensors: {name} has values that are not"
    ):
        load_checkpoint(bert_folder)
    path.write_bytes(whole)
    edit_config(bert_folder, hidden_size=32)
    with pytest.raises(CheckpointError, match=r"weights do not fit config\.json"):
        load_checkpoint(bert_folder)
    path.rename(bert_folder / "model-00001-of-00002.safetensors")
    (bert_folder / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(CheckpointError, match="weights in several files"):
        load_checkpoint(bert_folder)


def test_hash_of_a_plain_folder(bert_folder: Path) -> None:
    """Weights, config and whichever tokenizer is read change the hash; other files do not."""
    seen = {checkpoint_hash(bert_folder)}
    (bert_folder / "README.md").write_text("more")
    (bert_folder / "tokenizer_config.json").write_text("{}")
    assert seen == {checkpoint_hash(bert_folder)}
    path = bert_folder / "model.safetensors"
    tensors = load_file(path)
    tensors["encoder.layer.0.output.dense.bias"][0] += 1
    save_file(tensors, path)
    seen.add(checkpoint_hash(bert_folder))
    write_vocabulary(bert_folder)
    seen.add(checkpoint_hash(bert_folder))
    (bert_folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    seen.add(checkpoint_hash(bert_folder))
    assert len(seen) == 4


def write_vocabulary(folder: Path) -> None:
    """``vocab.txt`` of the tiny tokenizer instead of its ``tokenizer.json``."""
    pieces = tiny_tokenizer().get_vocab()
    (folder / "vocab.txt").write_text("\n".join(sorted(pieces, key=lambda p: pieces[p])) + "\n")
    (folder / "tokenizer.json").unlink(missing_ok=True)


TEXTS = [
    "The film was GOOD, but the ending: dull!",
    "films [SEP] badly [MASK]",
    "caf\u00e9 \u2013 it's not 7 long",
    "",
]


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


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub's client, which is offline."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub_folder.cache_clear()
    return tmp_path / "cache"


def test_hub_name_is_a_folder_in_the_cache(
    hub_cache: Path, bare: tuple[PreTrainedModel, Path]
) -> None:
    """A model by hub name loads from the library's cache as its folder does, also by revision."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    model = hub_cache / "models--someone--tiny"
    shutil.copytree(bare[1], model / "snapshots" / commit)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(commit)
    own = {"tiny": "someone/tiny", "pinned": f"someone/tiny@{commit}", "here": str(bare[1])}
    folders = [checkpoint_folder(name, own) for name in own]
    assert folders[:2] == [model / "snapshots" / commit] * 2
    assert len({checkpoint_hash(folder) for folder in folders}) == 1
    assert torch.equal(logits(load_checkpoint(folders[0])), logits(load_checkpoint(bare[1])))


@pytest.mark.usefixtures("hub_cache")
@pytest.mark.parametrize("place", ["someone/missing", "bert-base-uncased", "checkpoints/typo@v1"])
def test_hub_name_that_is_not_cached_is_refused_offline(place: str) -> None:
    """Offline, a name that is neither a folder nor in the cache is refused, and it is said why."""
    with pytest.raises(CheckpointError) as caught:
        checkpoint_folder("mine", {"mine": place})
    assert str(caught.value) == (
        f"Checkpoint {place!r} is not a folder, and no model of a hub was found under that name "
        "(HF_HUB_OFFLINE is set, and the model is not in the library's cache). Give a folder, or "
        "the name of a model that can be downloaded."
    )


def test_paths_are_never_taken_for_hub_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks like a path is one, whether it exists or not."""

    def refuse(_: str) -> Path:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("evaluators.checkpoints.hub_folder", refuse)
    for place in ("/no/such", "./no-such", "../x", "~/x", "a/b/c", "a b", "C:\\x", ""):
        assert checkpoint_folder("mine", {"mine": place}) == Path(place)


def test_folder_of_that_name_comes_before_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that exists is taken, though its path could be a hub name."""
    (tmp_path / "owner" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert checkpoint_folder("mine", {"mine": "owner/model"}) == Path("owner/model")


def test_tokenizer_file_of_a_plain_folder_is_read(bert_folder: Path) -> None:
    """``tokenizer.json`` is read first, as in our own folders."""
    write_path = bert_folder / "vocab.txt"
    write_path.write_text("not\nthis\n")
    assert isinstance(load_tokenizer(bert_folder), Tokenizer)
    assert token_ids(load_tokenizer(bert_folder), ["good"]) == [[2, 11, 3]]
