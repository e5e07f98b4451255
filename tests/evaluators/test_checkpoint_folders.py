"""Checkpoint folders of our own: written and read again, hashed, hostile and damaged."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from evaluators.checkpoint_folders import checkpoint_hash, load_checkpoint, save_checkpoint
from evaluators.checkpoints import CheckpointError
from evaluators.codecs.packing import storage_bits
from evaluators.encoders import ExitEncoder
from evaluators.formats import quantise
from evaluators.token_rows import load_tokenizer
from evaluators.weight_files import pack_tensors, unpack_tensors
from search_space import FP16, adaptivfloat, parse_number_format
from tests.evaluators.conftest import Bomb
from tests.evaluators.library_models import (
    DISTILBERT_KEYS,
    EMBEDDINGS,
    ENCODER,
    edit_config,
    logits,
)

MakeEncoder = Callable[..., ExitEncoder]


def assert_same_stored(left: Path, right: Path) -> None:
    """The stored tensors of two folders are equal, and so is how they are to be read."""
    for file_name in (EMBEDDINGS, ENCODER):
        with (
            safe_open(left / file_name, framework="pt") as one,
            safe_open(right / file_name, framework="pt") as other,
        ):
            assert one.metadata() == other.metadata()
            assert list(one.keys()) == list(other.keys())
            for name in one.keys():  # noqa: SIM118 - not a dict
                assert torch.equal(one.get_tensor(name), other.get_tensor(name))


def test_half_precision_folder_gives_the_same_model_back(tiny: Path, tmp_path: Path) -> None:
    """A half-precision checkpoint loaded and saved again holds the same config and weights."""
    model = load_checkpoint(tiny)
    save_checkpoint(model, tmp_path, load_tokenizer(tiny))
    assert (tmp_path / "config.json").read_bytes() == (tiny / "config.json").read_bytes()
    assert_same_stored(tmp_path, tiny)
    assert torch.equal(logits(load_checkpoint(tmp_path)), logits(model))


@pytest.mark.parametrize(
    ("family", "format_name"),
    [
        ("albert", "adaptivfloat<8,3>"),
        ("bert", "adaptivfloat<5,3>"),
        ("bert", "int4-channel-mse"),
        ("bert", "int5-affine"),
        ("bert", "e4m3"),
        ("bert", "posit<6,1>"),
        ("albert", "mxfp4"),
        ("bert", "int12"),
    ],
)
def test_packed_folder_holds_rounded_weights(
    make_encoder: MakeEncoder,
    tokenizer: Tokenizer,
    tmp_path: Path,
    family: str,
    format_name: str,
) -> None:
    """Packed, matrices come back as their format rounds them, in its bits; vectors in half."""
    model = make_encoder(family, seed=3)
    number_format = parse_number_format(format_name)
    save_checkpoint(model, tmp_path, tokenizer, number_format)
    found = load_checkpoint(tmp_path).state_dict()
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            rounded = quantise(tensor, number_format) if tensor.ndim > 1 else tensor.half().float()
            assert torch.equal(found[name], rounded), name
    stored = load_file(tmp_path / EMBEDDINGS) | load_file(tmp_path / ENCODER)
    matrices = {name: t for name, t in model.state_dict().items() if f"{name}.scales" in stored}
    assert {name for name, t in found.items() if t.ndim > 1 and t.is_floating_point()} == {
        *matrices
    }
    for name, tensor in matrices.items():
        assert len(stored[name]) == -(-tensor.numel() * number_format.bits // 8)
        bits = storage_bits(number_format, tuple(tensor.shape))
        assert 8 * len(stored[f"{name}.scales"]) == bits - tensor.numel() * number_format.bits


def test_packing_again_changes_nothing(
    make_encoder: MakeEncoder, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    """A packed checkpoint that is loaded and packed again has the same codes."""
    save_checkpoint(make_encoder("bert"), tmp_path / "a", tokenizer, adaptivfloat(8, 3))
    save_checkpoint(load_checkpoint(tmp_path / "a"), tmp_path / "b", tokenizer, adaptivfloat(8, 3))
    assert_same_stored(tmp_path / "a", tmp_path / "b")


def test_hash_sees_what_can_change_a_logit(own_copy: Path) -> None:
    """One weight, a size or the tokenizer changes the hash; the model card does not."""
    seen = {checkpoint_hash(own_copy)}
    (own_copy / "card.json").write_text("{}")
    (own_copy / "notes.txt").write_text("more")
    assert seen == {checkpoint_hash(own_copy)}
    for file_name, name in ((EMBEDDINGS, "word_embeddings.weight"), (ENCODER, "classifier.bias")):
        path = own_copy / file_name
        tensors = unpack_tensors(path)
        chosen = next(key for key in tensors if key.endswith(name))
        tensors[chosen].view(-1)[0] += 1
        packed, metadata = pack_tensors(tensors, FP16)
        save_file(packed, path, metadata=metadata)
        seen.add(checkpoint_hash(own_copy))
    edit_config(own_copy, num_attention_heads=4)
    seen.add(checkpoint_hash(own_copy))
    (own_copy / "tokenizer.json").write_text("{}")
    seen.add(checkpoint_hash(own_copy))
    assert len(seen) == 5


def test_hash_of_an_incomplete_folder(own_copy: Path) -> None:
    """A folder without one of the files has no hash, and the message names the file."""
    (own_copy / EMBEDDINGS).unlink()
    with pytest.raises(CheckpointError, match=r"embeddings\.safetensors: no such file"):
        checkpoint_hash(own_copy)


def test_hostile_config_is_ignored(own_copy: Path) -> None:
    """Keys that name code, kernels or other behaviour have no effect: only sizes are read."""
    before = logits(load_checkpoint(own_copy))
    edit_config(
        own_copy,
        auto_map={"AutoModel": "evil--repo.modeling.Evil"},
        _attn_implementation_internal="evil/kernel",
        _attn_implementation="evil/kernel",
        attn_implementation="evil/kernel",
        trust_remote_code=True,
        _name_or_path="evil/repo",
        architectures=["Evil"],
        torch_dtype="float16",
        dtype="float16",
        quantization_config={"quant_method": "evil"},
        is_decoder=True,
        return_dict=False,
        chunk_size_feed_forward=2,
        pruned_heads={"0": [0]},
        id2label={"0": "a", "1": "b", "2": "c"},
    )
    model = load_checkpoint(own_copy)
    assert torch.equal(logits(model), before)
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_saved_config_holds_sizes_only(tiny: Path) -> None:
    """``config.json`` as written has no key that names code or a path."""
    config = json.loads((tiny / "config.json").read_text())
    assert not {"auto_map", "architectures", "_name_or_path", "transformers_version"} & set(config)
    names = DISTILBERT_KEYS if config["model_type"] == "distilbert" else {}
    sizes = [config[names.get(key, key)] for key in ("hidden_size", "num_hidden_layers")]
    assert sizes == [16, 3]


@pytest.mark.parametrize(
    "file_name", ["config.json", "tokenizer.json", EMBEDDINGS, ENCODER], ids=str
)
def test_missing_file_is_named(own_copy: Path, file_name: str) -> None:
    """A checkpoint folder without one of its files is refused by the name of the file."""
    (own_copy / file_name).unlink()
    load = load_tokenizer if file_name == "tokenizer.json" else load_checkpoint
    with pytest.raises(CheckpointError, match=rf"{file_name}: no such file"):
        load(own_copy)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", r"config\.json: not JSON"),
        (b"\xff\xfe", r"config\.json: not JSON"),
        (b"[1, 2]", r"config\.json: list, expected an object"),
        (b"null", r"config\.json: NoneType, expected an object"),
    ],
)
def test_damaged_config_is_named(own_copy: Path, content: bytes, sentence: str) -> None:
    """A ``config.json`` that is not an object in JSON is refused."""
    (own_copy / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=sentence):
        load_checkpoint(own_copy)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": 24},
        {"intermediate_size": 31},
        {"vocab_size": 30},
        {"num_hidden_layers": 2},
        {"num_hidden_layers": 4},
        {"num_attention_heads": 3},
        {"num_attention_heads": 0},
        {"inner_group_num": 2},
        {"hidden_size": "wide"},
        {"hidden_act": "no such function"},
    ],
    ids=str,
)
def test_sizes_that_do_not_fit_are_refused(own_copy: Path, changes: dict[str, Any]) -> None:
    """Sizes that are not those of the weights, or not possible, are refused by folder or file."""
    edit_config(own_copy, **changes)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_checkpoint(own_copy)


@pytest.mark.parametrize("value", [None, 0, -4, True, "16", 16.0])
def test_sizes_are_whole_numbers(own_copy: Path, value: object) -> None:
    """A size that is missing or none is named, rather than the library's default taken."""
    edit_config(own_copy, vocab_size=value)
    told = rf"config\.json: vocab_size is {value!r}, expected a whole number from 1 up"
    with pytest.raises(CheckpointError, match=told):
        load_checkpoint(own_copy)


@pytest.mark.parametrize("family", ["deberta-v2", "gpt2", "", None, 7, ["bert"]])
def test_other_families_are_refused(own_copy: Path, family: object) -> None:
    """A family that is not known is refused with those that are."""
    edit_config(own_copy, model_type=family)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(own_copy)
    assert str(caught.value) == (
        f"{own_copy}: config.json: model_type is {family!r}, expected one of 'albert', 'bert', "
        "'distilbert', 'roberta'."
    )


@pytest.mark.parametrize("file_name", [EMBEDDINGS, ENCODER])
def test_damaged_weights_are_named(own_copy: Path, file_name: str) -> None:
    """Weight files that are empty, cut off, text or of the wrong kind are refused by name."""
    path = own_copy / file_name
    whole = path.read_bytes()
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    for content in (b"", whole[:4], whole[:200], whole[:-1], b"not weights at all", b"\xff" * 99):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=rf"{file_name}: not a packed weight file"):
            load_checkpoint(own_copy)
    for metadata in (
        None,
        {"format": "fp16"},
        {"format": "int8", "exponents": "{}"},
        {"format": "fp16", "exponents": "{"},
        {"format": "fp16", "exponents": "5"},
        {"format": "fp16", "exponents": json.dumps(dict.fromkeys(tensors, 0))},
        {"format": "adaptivfloat<8,3>", "exponents": json.dumps(dict.fromkeys(tensors, "x"))},
    ):
        save_file(tensors, path, metadata=metadata)
        with pytest.raises(CheckpointError, match=rf"{file_name}: not a packed weight file"):
            load_checkpoint(own_copy)


def test_weights_that_are_missing_or_too_many_are_named(own_copy: Path) -> None:
    """A tensor left out or added is refused by its name; without exit 1 the message says so."""
    path = own_copy / ENCODER
    tensors = unpack_tensors(path)

    def store(changed: dict[str, torch.Tensor]) -> None:
        packed, metadata = pack_tensors(changed, FP16)
        save_file(packed, path, metadata=metadata)

    store({name: t for name, t in tensors.items() if name != "exits.2.pooler.bias"})
    with pytest.raises(CheckpointError, match=r"do not fit config\.json.*exits\.2\.pooler\.bias"):
        load_checkpoint(own_copy)
    store(tensors | {"exits.3.pooler.bias": torch.zeros(16)})
    with pytest.raises(CheckpointError, match=r"do not fit config\.json.*exits\.3\.pooler\.bias"):
        load_checkpoint(own_copy)
    store({name: t for name, t in tensors.items() if not name.startswith("exits.0")})
    with pytest.raises(CheckpointError, match=r"encoder\.safetensors: no exit after layer 1"):
        load_checkpoint(own_copy)


def test_nothing_is_loaded_by_pickle(
    own_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pickled weights are refused or not looked at, and no unpickler ever runs."""
    sign = tmp_path / "sign"
    for name in ("pytorch_model.bin", "model.pt", "training_args.bin"):
        (own_copy / name).write_bytes(pickle.dumps(Bomb(sign)))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("pickle was used")

    for owner, name in ((torch, "load"), (pickle, "load"), (pickle, "loads")):
        monkeypatch.setattr(owner, name, refuse)
    load_checkpoint(own_copy)
    (own_copy / "pytorch_model.bin").rename(own_copy / ENCODER)
    with pytest.raises(CheckpointError, match="not a packed weight file"):
        load_checkpoint(own_copy)
    assert not sign.exists()
