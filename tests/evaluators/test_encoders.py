"""Encoders with exits: a forward pass by hand, checkpoint folders, hostile and damaged files."""

from __future__ import annotations

import json
import math
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from evaluators.checkpoints import CheckpointError
from evaluators.codecs.packing import storage_bits
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
from evaluators.formats import quantise
from evaluators.weight_files import pack_tensors, unpack_tensors
from search_space import FP16, adaptivfloat, parse_number_format
from tests.evaluators.conftest import Bomb

MakeEncoder = Callable[..., ExitEncoder]
Weights = dict[str, Tensor]

EMBEDDINGS, ENCODER = "embeddings.safetensors", "encoder.safetensors"
BERT_PARTS = {
    "layer": "encoder.layer.{}",
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "output": "attention.output.dense",
    "first_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "second_norm": "output.LayerNorm",
}
PARTS = {
    "bert": BERT_PARTS,
    "roberta": BERT_PARTS,
    "albert": {
        "layer": "encoder.albert_layer_groups.0.albert_layers.0",
        "query": "attention.query",
        "key": "attention.key",
        "value": "attention.value",
        "output": "attention.dense",
        "first_norm": "attention.LayerNorm",
        "up": "ffn",
        "down": "ffn_output",
        "second_norm": "full_layer_layer_norm",
    },
    "distilbert": {
        "layer": "transformer.layer.{}",
        "query": "attention.q_lin",
        "key": "attention.k_lin",
        "value": "attention.v_lin",
        "output": "attention.out_lin",
        "first_norm": "sa_layer_norm",
        "up": "ffn.lin1",
        "down": "ffn.lin2",
        "second_norm": "output_layer_norm",
    },
}
IDS = torch.tensor([[2, 5, 9, 11, 3], [2, 7, 7, 20, 3]])


def linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    """Affine map of the named weights."""
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def layer_norm(weights: Weights, name: str, x: Tensor) -> Tensor:
    """Layer norm over the last axis."""
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-12).sqrt()
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def logits_by_hand(
    weights: Weights, family: str, input_ids: Tensor, token_types: Tensor | None = None
) -> Tensor:
    """Logits (batch, 3, 2) of a tiny encoder, every step written out, heads in a loop."""
    tokens, n_heads, width = input_ids.shape[1], 2, 8
    embeddings = "backbone.embeddings"
    first = 2 if family == "roberta" else 0
    x = (
        weights[f"{embeddings}.word_embeddings.weight"][input_ids]
        + weights[f"{embeddings}.position_embeddings.weight"][first : first + tokens]
    )
    if family != "distilbert":
        types = torch.zeros_like(input_ids) if token_types is None else token_types
        x = x + weights[f"{embeddings}.token_type_embeddings.weight"][types]
    x = layer_norm(weights, f"{embeddings}.LayerNorm", x)
    if family == "albert":
        x = linear(weights, "backbone.encoder.embedding_hidden_mapping_in", x)
    exits = []
    for index in range(3):
        layer = "backbone." + PARTS[family]["layer"].format(index)
        names = {part: f"{layer}.{name}" for part, name in PARTS[family].items()}
        query, key, value = (linear(weights, names[part], x) for part in ("query", "key", "value"))
        context = []
        for head in range(n_heads):
            own = slice(head * width, (head + 1) * width)
            scores = query[..., own] @ key[..., own].transpose(1, 2) / math.sqrt(width)
            powers = scores.exp()
            context.append(powers / powers.sum(-1, keepdim=True) @ value[..., own])
        attended = linear(weights, names["output"], torch.cat(context, -1))
        x = layer_norm(weights, names["first_norm"], x + attended)
        up = linear(weights, names["up"], x)
        gelu = up * (1 + torch.erf(up / math.sqrt(2))) / 2
        x = layer_norm(weights, names["second_norm"], x + linear(weights, names["down"], gelu))
        pooled = linear(weights, f"exits.{index}.pooler", x[:, 0])
        pooled = pooled.clamp(min=0) if family == "distilbert" else pooled.tanh()
        exits.append(linear(weights, f"exits.{index}.classifier", pooled))
    return torch.stack(exits, 1)


def stored_weights(folder: Path) -> Weights:
    """All tensors of a checkpoint folder."""
    return unpack_tensors(folder / EMBEDDINGS) | unpack_tensors(folder / ENCODER)


def logits(model: ExitEncoder, input_ids: Tensor = IDS) -> Tensor:
    """Logits of token ids without padding."""
    with torch.inference_mode():
        found: Tensor = model(input_ids, torch.ones_like(input_ids))
    return found


DISTILBERT_KEYS = {
    "hidden_act": "activation",
    "hidden_size": "dim",
    "intermediate_size": "hidden_dim",
    "num_attention_heads": "n_heads",
    "num_hidden_layers": "n_layers",
}
"""What DistilBERT calls sizes that all families have."""


def edit_config(folder: Path, **changes: Any) -> None:
    """Change or add keys of ``config.json``, by the names that the family has for them."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    names = DISTILBERT_KEYS if config["model_type"] == "distilbert" else {}
    path.write_text(json.dumps(config | {names.get(k, k): v for k, v in changes.items()}))


@pytest.fixture
def own_copy(tiny: Path, tmp_path: Path) -> Path:
    """A tiny checkpoint that may be damaged."""
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


def test_exits_equal_a_forward_pass_by_hand(tiny: Path) -> None:
    """The logits of every exit follow from the stored weights, shared or not, by plain algebra."""
    family = json.loads((tiny / "config.json").read_text())["model_type"]
    expected = logits_by_hand(stored_weights(tiny), family, IDS)
    found = logits(load_checkpoint(tiny))
    assert found.shape == (2, 3, 2)
    assert torch.allclose(found, expected, atol=2e-5)
    assert len({round(float(value), 4) for value in found[0, :, 0]}) == 3  # the exits differ


def test_albert_layers_share_their_weights(tiny_folders: dict[str, Path]) -> None:
    """ALBERT stores one layer for three, the others three layers, all an exit for each."""
    counts = {}
    for family, folder in tiny_folders.items():
        names = stored_weights(folder)
        counts[family] = sum(name.endswith(PARTS[family]["up"] + ".weight") for name in names)
        assert sum(name.endswith("classifier.weight") for name in names) == 3
    assert counts == {"albert": 1, "bert": 3, "distilbert": 3, "roberta": 3}


def test_padding_does_not_change_logits(tiny: Path) -> None:
    """A sentence padded in a batch has the logits that it has alone, but for rounding."""
    model = load_checkpoint(tiny)
    rows = [[2, 5, 3], [2, 9, 8, 7, 6, 5, 3]]
    with torch.inference_mode():
        together = model(*pad_batch(rows, model.pad_id))
    for row, found in zip(rows, together, strict=True):
        assert torch.allclose(found, logits(model, torch.tensor([row]))[0], atol=1e-5)


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


def test_loaded_model_is_ready_for_inference(tiny: Path) -> None:
    """Dropout is off: the same tokens twice have the same logits."""
    model = load_checkpoint(tiny)
    assert not any(module.training for module in model.modules())
    assert torch.equal(logits(model), logits(model))


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


@pytest.mark.parametrize("family", ["deberta-v2", "gpt2", "", None, 7, ["bert"]])
def test_other_families_are_refused(own_copy: Path, family: object) -> None:
    """A family that is not known is refused with those that are."""
    edit_config(own_copy, model_type=family)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(own_copy)
    assert str(caught.value) == (
        f"Model family {family!r} in config.json: expected one of 'albert', 'bert', "
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


@pytest.mark.parametrize(
    ("name", "metadata"),
    [
        ("w", {"shapes": '{"w": [2, 3]}'}),
        ("w", {"shapes": '{"w": [-2, -2]}'}),
        ("w", {"shapes": '{"w": "x"}'}),
        ("w", {"shapes": '{"v": [2, 2]}'}),
        ("w", {"shapes": "[]"}),
        ("w", {"shapes": "{"}),
        ("v", {"shapes": '{"w": [2, 2]}'}),
    ],
)
def test_damaged_images_are_refused(tmp_path: Path, name: str, metadata: dict[str, str]) -> None:
    """Shapes that do not fit, and images without one, are damage; the right one is read."""
    path = tmp_path / "weights.safetensors"
    packed, right = pack_tensors(
        {"w": torch.tensor([[1.0, -7], [0, 3]])}, parse_number_format("int4")
    )
    save_file(packed, path, metadata=right)
    assert unpack_tensors(path)["w"].tolist() == [[1, -7], [0, 3]]
    changed = {name: packed["w"], f"{name}.scales": packed["w.scales"]}
    save_file(changed, path, metadata={"format": "int4"} | metadata)
    with pytest.raises(CheckpointError, match="not a packed weight file"):
        unpack_tensors(path)


def test_weights_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    """A single infinity among the weights is refused, with the tensor that has it."""
    path = tmp_path / "weights.safetensors"
    tensors = {"a": torch.zeros(2, 2), "b": torch.tensor([[1.0, torch.inf]])}
    packed, metadata = pack_tensors(tensors, FP16)
    save_file(packed, path, metadata=metadata)
    with pytest.raises(
        CheckpointError, match=r"weights\.safetensors: b has values that are not fin"
    ):
        unpack_tensors(path)


def test_images_are_bytes(tmp_path: Path) -> None:
    """Codes of another type are damage."""
    path = tmp_path / "weights.safetensors"
    packed, metadata = pack_tensors({"w": torch.eye(4)}, parse_number_format("int8"))
    save_file(packed | {"w": packed["w"].to(torch.int16)}, path, metadata=metadata)
    with pytest.raises(CheckpointError, match=r"w in torch\.int16: expected bytes"):
        unpack_tensors(path)


def test_codes_outside_their_format_are_refused(tmp_path: Path) -> None:
    """A byte that is no code of the format it is said to have is damage, not a weight."""
    path = tmp_path / "weights.safetensors"
    metadata = {"format": "adaptivfloat<4,2>", "exponents": '{"w": 0}'}
    save_file({"w": torch.full((2, 2), 15, dtype=torch.uint8)}, path, metadata=metadata)
    assert unpack_tensors(path)["w"].tolist() == [[-1.5] * 2] * 2
    save_file({"w": torch.full((2, 2), 16, dtype=torch.uint8)}, path, metadata=metadata)
    with pytest.raises(CheckpointError, match="not a packed weight file"):
        unpack_tensors(path)


def test_weights_that_are_missing_or_too_many_are_named(own_copy: Path) -> None:
    """A tensor left out or added is refused by its name; without exit 1 the message says so."""
    path = own_copy / ENCODER
    tensors = unpack_tensors(path)

    def store(changed: Weights) -> None:
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


def test_padded_batch_by_hand() -> None:
    """Short rows are filled with the padding id, and the mask says where."""
    input_ids, mask = pad_batch([[4, 5, 6], [7]], pad_id=9)
    assert input_ids.tolist() == [[4, 5, 6], [7, 9, 9]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_encoder_shape_of_every_family(tiny_folders: dict[str, Path]) -> None:
    """The cost model's sizes come from the config: ALBERT has one distinct layer, others three."""
    shapes = {
        family: encoder_shape(json.loads((folder / "config.json").read_text()))
        for family, folder in tiny_folders.items()
    }
    assert {f: (s.layers, s.distinct_layers, s.embedding_width) for f, s in shapes.items()} == {
        "albert": (3, 1, 8),
        "bert": (3, 3, 16),
        "distilbert": (3, 3, 16),
        "roberta": (3, 3, 16),
    }
    for shape in shapes.values():
        sizes = (shape.hidden, shape.heads, shape.ffn, shape.vocabulary, shape.longest_sentence)
        assert sizes == (16, 2, 32, 29, 40)
    assert {f: s.token_types for f, s in shapes.items() if s.token_types != 2} == {"distilbert": 0}
    assert {f: s.first_position for f, s in shapes.items() if s.first_position} == {"roberta": 2}


def test_encoder_shape_needs_every_size(tiny_folders: dict[str, Path]) -> None:
    """A config without a size is refused by the name of the size."""
    config = json.loads((tiny_folders["bert"] / "config.json").read_text())
    del config["intermediate_size"]
    with pytest.raises(CheckpointError, match="lacks 'intermediate_size'"):
        encoder_shape(config)


def test_parameters_counted_by_the_cost_model_are_those_stored(
    tiny_folders: dict[str, Path],
) -> None:
    """The cost model's embedding parameters are exactly those in the embedding file."""
    for folder in tiny_folders.values():
        shape = encoder_shape(json.loads((folder / "config.json").read_text()))
        stored = sum(tensor.numel() for tensor in load_file(folder / EMBEDDINGS).values())
        assert shape.embedding_parameters == stored
