"""Training stages: one optimisation run each, saved as it goes and resumable to the same weights.

Everything random follows from the seed and the step number, and the state of a stage is saved every
`SAVE_EVERY` steps, so a killed run continues where it was and ends in the same weights.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from evaluators.encoders import ExitEncoder, pad_batch, token_ids
from evaluators.glue import Sentences
from evaluators.training_stages import Stage

SAVE_EVERY: Final = 250

Progress = Callable[[str], None]


class Objective(Protocol):
    """What a stage minimises."""

    def loss(self, batch: Sequence[int], step: int) -> Tensor:
        """Loss of a batch of sentences, given by their positions, at a step (the first is 0)."""

    def running_state(self) -> dict[str, Tensor]:
        """What steps leave to later ones, beside the parameters: saved with the stage."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `running_state` gave."""


def run_stage(
    stage: Stage,
    model: nn.Module,
    objective: Objective,
    lengths: Sequence[int],
    work: Path,
    seed: int,
    say: Progress,
) -> None:
    """Train ``model`` in place, from the last saved state of that stage if there is one.

    Args:
        stage: what to run.
        model: what is trained: its parameters that require a gradient.
        objective: what is minimised.
        lengths: (n_sentences,) token counts, for batches of similar length.
        work: folder of saved states.
        seed: of batch order and dropout.
        say: receives a line of progress now and then.
    """
    path = work / f"{stage.name}.safetensors"
    steps_per_epoch = math.ceil(len(lengths) / stage.batch_size)
    total = stage.steps(len(lengths))
    optimiser = _adamw(model, stage)
    step = _restore(path, model, optimiser, objective)
    if step:
        say(f"{stage.name}: continuing at step {step} of {total}")
    model.train()
    started, first, running = time.monotonic(), step, 0.0
    while step < total:
        epoch, within = divmod(step, steps_per_epoch)
        if within == 0 or step == first:
            batches = _batches(lengths, stage.batch_size, seed * 1_009 + epoch)
        torch.manual_seed(seed * 1_000_003 + step)
        for group in optimiser.param_groups:
            group["lr"] = stage.learning_rate * _schedule(step, total, stage.warmup)
        value = objective.loss(batches[within], step)
        optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        running = value.item() if step == first + 1 else 0.98 * running + 0.02 * value.item()
        if step % 50 == 0 or step == total:
            rate = (time.monotonic() - started) / (step - first)
            say(
                f"{stage.name}: step {step}/{total}, loss {running:.4f}, {rate:.2f} s/step, "
                f"{rate * (total - step) / 60:.0f} min left"
            )
        if step % SAVE_EVERY == 0 or step == total:
            _save(path, model, optimiser, objective, step)
    model.eval()


def exit_accuracies(model: ExitEncoder, tokenizer: Tokenizer, data: Sentences) -> list[float]:
    """Accuracy of every exit, first exit first."""
    rows = token_ids(tokenizer, data.texts)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    right = torch.zeros(model.n_layers)
    labels = torch.tensor(data.labels)
    with torch.inference_mode():
        for start in range(0, len(order), 64):
            batch = order[start : start + 64]
            ids, mask = pad_batch([rows[i] for i in batch], model.pad_id)
            predicted = model(ids, mask).argmax(-1)
            right += (predicted == labels[batch][:, None]).sum(0)
    return [round(float(value) / len(rows), 4) for value in right]


def _adamw(model: nn.Module, stage: Stage) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": stage.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=stage.learning_rate, eps=1e-8)


def _schedule(step: int, total: int, warmup: float) -> float:
    """Linear warm-up to 1, then linear decay to 0."""
    rising = max(1, round(total * warmup))
    return (step + 1) / rising if step < rising else (total - step) / (total - rising)


def _batches(lengths: Sequence[int], batch_size: int, seed: int) -> list[list[int]]:
    """Batches of similar length in random order: sorted inside chunks of 50 batches."""
    rng = random.Random(seed)
    order = list(range(len(lengths)))
    rng.shuffle(order)
    chunk = 50 * batch_size
    batches = []
    for start in range(0, len(order), chunk):
        part = sorted(order[start : start + chunk], key=lambda i: lengths[i])
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    rng.shuffle(batches)
    return batches


def saved_weights(work: Path, stage: str) -> dict[str, Tensor] | None:
    """The weights in a stage's saved state, finished or not; None if there is no such state."""
    path = work / f"{stage}.safetensors"
    if not path.is_file():
        return None
    return {k[6:]: v for k, v in load_file(path).items() if k.startswith("model.")}


def _save(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    objective: Objective,
    step: int,
) -> None:
    tensors = {f"model.{k}": v.contiguous() for k, v in model.state_dict().items()}
    tensors |= {f"running.{k}": v.contiguous() for k, v in objective.running_state().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{k}": v.contiguous() for k, v in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    save_file({k: v.clone() for k, v in tensors.items()}, temporary, metadata={"step": str(step)})
    temporary.replace(path)


def _restore(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, objective: Objective
) -> int:
    """Load the saved state, if any; the number of steps already done."""
    if not path.is_file():
        return 0
    tensors = load_file(path)
    with safe_open(path, framework="pt") as handle:
        step = int((handle.metadata() or {})["step"])
    model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("adam."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = tensor
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
    objective.restore({k[8:]: v for k, v in tensors.items() if k.startswith("running.")})
    return step
