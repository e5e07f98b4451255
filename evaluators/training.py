"""Training stages: one optimisation run each, saved as it goes and resumable to the same weights.

Everything random follows from the seed and the step number, and the state of a stage is saved every
`SAVE_EVERY` steps, so a killed run continues where it was and ends in the same weights.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from evaluators.encoders import ExitEncoder, pad_batch, token_ids
from evaluators.glue import Sentences

SAVE_EVERY: Final = 250

Loss = Callable[[Sequence[int]], Tensor]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One optimisation run: AdamW, linear warm-up and decay, gradient norm clipped at 1.

    Attributes:
        name: file name of its saved state.
        epochs: passes over the data.
        max_steps: where the stage ends if that is sooner; None for no limit.
        learning_rate: peak.
        batch_size: sentences a step.
        warmup: share of the steps that warm up.
        weight_decay: of matrices; vectors have none.
        exit_weights: weight of each exit in the loss, first exit first (scaled to sum 1).
    """

    name: str
    epochs: int
    learning_rate: float
    max_steps: int | None = None
    batch_size: int = 64
    warmup: float = 0.08
    weight_decay: float = 0.01
    exit_weights: tuple[float, ...] = ()

    def steps(self, sentences: int) -> int:
        """Optimisation steps over that many sentences."""
        steps = math.ceil(sentences / self.batch_size) * self.epochs
        return steps if self.max_steps is None else min(steps, self.max_steps)


def run_stage(
    stage: Stage,
    model: nn.Module,
    loss: Loss,
    lengths: Sequence[int],
    work: Path,
    seed: int,
    say: Progress,
) -> None:
    """Train ``model`` in place, from the last saved state of that stage if there is one.

    Args:
        stage: what to run.
        model: what is trained.
        loss: loss of a batch, given as positions of sentences.
        lengths: (n_sentences,) token counts, for batches of similar length.
        work: folder of saved states.
        seed: of batch order and dropout.
        say: receives a line of progress now and then.
    """
    path = work / f"{stage.name}.safetensors"
    steps_per_epoch = math.ceil(len(lengths) / stage.batch_size)
    total = stage.steps(len(lengths))
    optimiser = _adamw(model, stage)
    step = _restore(path, model, optimiser)
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
        value = loss(batches[within])
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
            _save(path, model, optimiser, step)
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


def _save(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, step: int) -> None:
    tensors = {f"model.{k}": v.contiguous() for k, v in model.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{k}": v.contiguous() for k, v in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    save_file({k: v.clone() for k, v in tensors.items()}, temporary, metadata={"step": str(step)})
    temporary.replace(path)


def _restore(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> int:
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
    return step
