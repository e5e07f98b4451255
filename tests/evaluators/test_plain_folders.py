"""Plain Hugging Face folders: old names, hostile configs, damage, and what their hash sees."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from evaluators.checkpoint_folders import checkpoint_hash, load_checkpoint
from evaluators.checkpoints import CheckpointError
from tests.evaluators.conftest import Bomb
from tests.evaluators.library_models import edit_config, logits, write_vocabulary


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
