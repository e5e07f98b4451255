"""Training: a killed run ends in the weights of one that was not, and accuracies are counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from evaluators import training
from evaluators.checkpoint_folders import load_checkpoint
from evaluators.checkpoints import CheckpointError
from evaluators.encoders import ExitEncoder
from evaluators.glue import TaskData
from evaluators.tasks import SST2
from evaluators.token_rows import load_tokenizer, pad_batch, token_ids
from evaluators.training import exit_scores, run_stage
from evaluators.training_stages import Stage

STAGE = Stage(name="tiny", epochs=2, learning_rate=1e-2, batch_size=8)  # 5 steps an epoch


class Killed(Exception):  # noqa: N818 - not an error of the program
    """Stands for a run that is killed."""


class LastExit:
    """Cross-entropy of the last exit; dies at a batch if told so."""

    def __init__(
        self, model: ExitEncoder, tokenizer: Tokenizer, task: TaskData, die_at_batch: int | None
    ) -> None:
        """Tokenise the training sentences."""
        self.model, self.rows = model, token_ids(tokenizer, task.train.texts)
        self.labels = torch.tensor(task.train.labels)
        self.left = die_at_batch

    def loss(self, batch: Sequence[int], step: int) -> Tensor:  # noqa: ARG002 - of the protocol
        """Cross-entropy of a batch."""
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Killed
        logits = self.model(*pad_batch([self.rows[i] for i in batch]))
        return torch.nn.functional.cross_entropy(logits[:, -1], self.labels[list(batch)])

    def running_state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Nothing was saved."""
        assert not state

    def further_parameters(self) -> list[tuple[Tensor, float]]:
        """None."""
        return []


def trained(
    model: ExitEncoder,
    tokenizer: Tokenizer,
    task: TaskData,
    work: Path,
    stage: Stage = STAGE,
    die_at_batch: int | None = None,
) -> tuple[dict[str, Tensor], list[str]]:
    """Weights after a stage of training with dropout, and what it said."""
    said: list[str] = []
    objective = LastExit(model, tokenizer, task, die_at_batch)
    lengths = [len(row) for row in objective.rows]
    run_stage(stage, model, objective, lengths, work, 7, said.append)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}, said


def test_killed_run_ends_in_the_same_weights(
    make_encoder: Callable[..., ExitEncoder],
    tokenizer: Tokenizer,
    tiny_task: TaskData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Continued from its saved state after a kill, a stage ends in bit-equal weights."""
    monkeypatch.setattr(training, "SAVE_EVERY", 3)
    whole, _ = trained(make_encoder("bert"), tokenizer, tiny_task, tmp_path / "whole")
    with pytest.raises(Killed):
        trained(make_encoder("bert"), tokenizer, tiny_task, tmp_path / "cut", die_at_batch=9)
    rest, said = trained(make_encoder("bert"), tokenizer, tiny_task, tmp_path / "cut")
    assert said[0] == "tiny: continuing at step 6 of 10"
    assert all(torch.equal(rest[name], whole[name]) for name in whole)
    start = make_encoder("bert").state_dict()
    assert not torch.equal(whole["exits.2.pooler.weight"], start["exits.2.pooler.weight"])


def test_finished_stage_is_not_run_again(
    make_encoder: Callable[..., ExitEncoder],
    tokenizer: Tokenizer,
    tiny_task: TaskData,
    tmp_path: Path,
) -> None:
    """A stage that is done only loads its weights."""
    first, _ = trained(make_encoder("albert"), tokenizer, tiny_task, tmp_path)
    again, said = trained(
        make_encoder("albert", seed=1), tokenizer, tiny_task, tmp_path, die_at_batch=1
    )
    assert said == ["tiny: continuing at step 10 of 10"]
    assert all(torch.equal(again[name], first[name]) for name in first)


def test_state_belongs_to_one_recipe(
    make_encoder: Callable[..., ExitEncoder],
    tokenizer: Tokenizer,
    tiny_task: TaskData,
    tmp_path: Path,
) -> None:
    """A state is not gone on with under another digest; one that has none is taken as it is."""
    objective = LastExit(make_encoder("bert"), tokenizer, tiny_task, None)
    lengths = [len(row) for row in objective.rows]

    def run(recipe: str) -> list[str]:
        said: list[str] = []
        run_stage(
            *(STAGE, objective.model, objective, lengths, tmp_path, 7, said.append), recipe=recipe
        )
        return said

    run("")
    assert run("one") == ["tiny: continuing at step 10 of 10"]
    (tmp_path / "tiny.safetensors").unlink()
    run("one")
    assert run("one") == ["tiny: continuing at step 10 of 10"]
    with pytest.raises(CheckpointError, match="of another model or recipe"):
        run("other")


def test_full_disk_keeps_the_state_before(
    make_encoder: Callable[..., ExitEncoder],
    tokenizer: Tokenizer,
    tiny_task: TaskData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A state that cannot be written is said, leaves no half file, and the one before goes on."""
    monkeypatch.setattr(training, "SAVE_EVERY", 3)
    whole, _ = trained(make_encoder("bert"), tokenizer, tiny_task, tmp_path / "whole")
    calls = 0

    def full(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            path.write_bytes(b"half of it")
            raise SafetensorError("No space left on device (os error 28)")
        save_file(tensors, path, metadata=metadata)

    with monkeypatch.context() as patched:
        patched.setattr(training, "save_file", full)
        with pytest.raises(
            CheckpointError, match=r"cannot be written \(No space left.*run the same"
        ):
            trained(make_encoder("bert"), tokenizer, tiny_task, tmp_path / "cut")
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["tiny.safetensors"]
    rest, said = trained(make_encoder("bert"), tokenizer, tiny_task, tmp_path / "cut")
    assert said[0] == "tiny: continuing at step 6 of 10"
    assert all(torch.equal(rest[name], whole[name]) for name in whole)


def test_accuracy_of_every_exit_is_a_count(tiny: Path, tiny_task: TaskData) -> None:
    """The accuracies are right answers over sentences, exit by exit, to four digits."""
    model, tokenizer = load_checkpoint(tiny), load_tokenizer(tiny)
    rows = token_ids(tokenizer, tiny_task.report.texts)
    expected = torch.zeros(3)
    for row, label in zip(rows, tiny_task.report.labels, strict=True):
        with torch.inference_mode():
            logits = model(torch.tensor([row]), torch.ones(1, len(row), dtype=torch.long))
        expected += logits[0].argmax(-1) == label
    found = exit_scores(model, tokenizer, tiny_task.report, SST2)
    assert found["accuracy"] == [round(float(right) / 16, 4) for right in expected]
