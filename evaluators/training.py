"""Training stages: one optimisation run each, saved as it goes and resumable to the same weights.

Everything random follows from the seed and the step number, and the state of a stage is saved every
`SAVE_EVERY` steps, so a killed run continues where it was and ends in the same weights.
"""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from evaluators.checkpoints import CheckpointError
from evaluators.encoders import ExitEncoder
from evaluators.sentences import Sentences
from evaluators.task_metrics import TASK_METRICS
from evaluators.tasks import GlueTask
from evaluators.token_rows import pad_rows, token_rows
from evaluators.training_stages import Stage, TrainingError

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

    def further_parameters(self) -> list[tuple[Tensor, float]]:
        """What is learned beside the model's parameters, each with its peak learning rate."""


def run_stage(
    stage: Stage,
    model: nn.Module,
    objective: Objective,
    lengths: Sequence[int],
    work: Path,
    seed: int,
    say: Progress,
    after_epoch: Callable[[int], None] | None = None,
    of: str = "",
    recipe: str = "",
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
        after_epoch: called with the number of epochs done, the model in evaluation mode.
        of: what run the stage is of, in words: kept in the saved state, so that another run does
            not take it for its own.
        recipe: digest of all else that the weights follow from, kept and compared likewise; a state
            without one was saved before states had it.

    Raises:
        CheckpointError: the saved state is damaged, or of another model or run.
        TrainingError: the loss is not finite.
    """
    path = work / f"{stage.name}.safetensors"
    steps_per_epoch = math.ceil(len(lengths) / stage.batch_size)
    total = stage.steps(len(lengths))
    optimiser = _adamw(model, stage, objective)
    mark = {"of": of, "recipe": recipe}
    step = _restore(path, model, optimiser, objective, mark)
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
            group["lr"] = group["peak"] * _schedule(step, total, stage.warmup_of(total))
        value = objective.loss(batches[within], step)
        if not math.isfinite(value.item()):
            raise TrainingError(
                f"{stage.name}: the loss of step {step + 1} is {value.item()}, expected a finite "
                "number; train with a lower learning rate."
            )
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
            _save(path, model, optimiser, objective, {"step": str(step), **mark})
        if after_epoch is not None and (step % steps_per_epoch == 0 or step == total):
            model.eval()
            after_epoch(math.ceil(step / steps_per_epoch))
            model.train()
    model.eval()


def exit_scores(
    model: ExitEncoder, tokenizer: Tokenizer, data: Sentences, task: GlueTask
) -> dict[str, list[float]]:
    """The task's metrics of every exit, first exit first, to four digits."""
    rows = token_rows(tokenizer, data.texts, data.pairs, has_types=model.has_token_types)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    answers = np.zeros((model.n_layers, len(rows)))
    with torch.inference_mode():
        for start in range(0, len(order), 64):
            batch = order[start : start + 64]
            logits = model(*pad_rows([rows[i] for i in batch], model.pad_id))
            answer = logits[..., 0] if task.is_regression else logits.argmax(-1)
            answers[:, batch] = answer.T.numpy()
    labels = np.array(data.labels)
    return {
        name: [round(float(value), 4) for value in TASK_METRICS[name].values(answers, labels)]
        for name in task.metrics
    }


def _adamw(model: nn.Module, stage: Stage, objective: Objective) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": stage.weight_decay, "peak": stage.learning_rate},
        {"params": vectors, "weight_decay": 0.0, "peak": stage.learning_rate},
    ]
    for parameter, peak in objective.further_parameters():
        groups.append({"params": [parameter], "weight_decay": 0.0, "peak": peak})
    return torch.optim.AdamW(groups, lr=stage.learning_rate, eps=1e-8)


def _schedule(step: int, total: int, rising: int) -> float:
    """Linear warm-up to 1 over the first steps, then linear decay to 0."""
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


def saved_state(work: Path, stage: str, part: str) -> dict[str, Tensor] | None:
    """A part of a stage's saved state, finished or not; None if there is no such state.

    Args:
        work: folder of saved states.
        stage: name of the stage.
        part: ``model`` for the weights, ``running`` for `Objective.running_state`.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = work / f"{stage}.safetensors"
    if not path.is_file():
        return None
    return _part(_read(path)[0], part)


def _read(path: Path) -> tuple[dict[str, Tensor], int, dict[str, str]]:
    """The tensors of a saved state, the steps done, and its metadata."""
    try:
        tensors = load_file(path)
        with safe_open(path, framework="pt") as handle:
            metadata: dict[str, str] = handle.metadata() or {}
            return tensors, int(metadata["step"]), metadata
    except (SafetensorError, LookupError, ValueError) as error:
        raise CheckpointError(
            f"{path}: not the saved state of a stage ({error}); remove it to run the stage again."
        ) from error


def _part(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    prefix = f"{part}."
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _save(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    objective: Objective,
    metadata: dict[str, str],
) -> None:
    tensors = {f"model.{k}": v.contiguous() for k, v in model.state_dict().items()}
    tensors |= {f"running.{k}": v.contiguous() for k, v in objective.running_state().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{k}": v.contiguous() for k, v in state.items()}
    temporary = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({k: v.clone() for k, v in tensors.items()}, temporary, metadata=metadata)
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise CheckpointError(
            f"{path}: cannot be written ({error}); the state saved before is as it was: make room, "
            "and run the same command again."
        ) from error


def _restore(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    objective: Objective,
    mark: Mapping[str, str],
) -> int:
    """Load the saved state, if any; the number of steps already done."""
    if not path.is_file():
        return 0
    tensors, step, saved = _read(path)
    differs = {name for name, value in mark.items() if value and saved.get(name, value) != value}
    if "of" in differs and saved["of"]:
        raise CheckpointError(
            f"{path}: the saved state of {saved['of']}; expected {mark['of']}. Give an empty work "
            "folder."
        )
    if "recipe" in differs and saved["recipe"]:
        raise CheckpointError(
            f"{path}: the saved state of another model or recipe (stages up to this one, initial "
            "checkpoint, teacher or data differ); give an empty work folder, or remove it."
        )
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _part(tensors, "adam").items():
        index, key = name.split(".")
        state.setdefault(int(index), {})[key] = tensor
    try:
        model.load_state_dict(_part(tensors, "model"))
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": state, "param_groups": groups})
        objective.restore(_part(tensors, "running"))
    except (RuntimeError, LookupError, ValueError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(
            f"{path}: the saved state of another model or recipe ({reason}); give an empty work "
            "folder, or remove it."
        ) from error
    return step
