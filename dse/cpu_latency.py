"""Latency of encoders on this machine's CPU, and its energy where the kernel tells it."""

from __future__ import annotations

import platform as machine
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch

from evaluators.checkpoint_folders import load_checkpoint
from evaluators.checkpoints import checkpoint_folder
from evaluators.encoders import ExitEncoder, backbone_from_config
from studies.validation import Platform, SourceMark

TOKENS: Final = 128
REPEATS: Final = 15
CHECKPOINT: Final = "albert-mini"
ALBERT_BASE_CONFIG: Final[Mapping[str, Any]] = {
    "model_type": "albert",
    "embedding_size": 128,
    "hidden_act": "gelu",
    "hidden_size": 768,
    "inner_group_num": 1,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "num_attention_heads": 12,
    "num_hidden_groups": 1,
    "num_hidden_layers": 12,
    "pad_token_id": 0,
    "type_vocab_size": 2,
    "vocab_size": 30000,
}
"""ALBERT-base; its weights are random, which costs as much as trained ones."""

ENERGY_COUNTER: Final = Path("/sys/class/powercap/intel-rapl:0/energy_uj")
_CPU_INFO: Final = Path("/proc/cpuinfo")
_WARM_UP: Final = 3


def cpu_platforms(threads: int, repeats: int = REPEATS) -> list[Platform]:
    """A shipped checkpoint and an ALBERT-base with random weights on this machine, batch 1.

    Args:
        threads: of torch.
        repeats: of which the median counts.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return [
            cpu_platform(model, encoder, threads, repeats)
            for model, encoder in (
                (CHECKPOINT, load_checkpoint(checkpoint_folder(CHECKPOINT))),
                (
                    "albert-base",
                    ExitEncoder(backbone_from_config(ALBERT_BASE_CONFIG), n_classes=2).eval(),
                ),
            )
        ]
    finally:
        torch.set_num_threads(before)


def cpu_platform(
    model: str,
    encoder: ExitEncoder,
    threads: int,
    repeats: int,
    counter: Path = ENERGY_COUNTER,
) -> Platform:
    """Median latency of one sentence through every layer and exit.

    Args:
        model: what the platform table calls it.
        encoder: ready for inference.
        threads: of torch, as set.
        repeats: measured runs.
        counter: file with the energy of the processor's package, microjoule.
    """
    vocabulary = encoder.backbone.config.vocab_size
    ids = torch.arange(TOKENS)[None] % vocabulary
    mask = torch.ones_like(ids)

    def run() -> None:
        with torch.inference_mode():
            encoder(ids, mask)

    for _ in range(_WARM_UP):
        run()
    before_uj = _counted_uj(counter)
    latency_ms = median_ms(run, repeats)
    after_uj = _counted_uj(counter)
    energy_mj = None
    if before_uj is not None and after_uj is not None and after_uj > before_uj:
        energy_mj = (after_uj - before_uj) * 1e-3 / repeats
    power = (
        "no power: the energy counter cannot be read"
        if energy_mj is None
        else "energy of the whole package"
    )
    return Platform(
        name=f"{cpu_name()}, {threads} {'thread' if threads == 1 else 'threads'}",
        task="any",
        model=model,
        tokens=TOKENS,
        latency_ms=float(f"{latency_ms:.4g}"),
        energy_mj=energy_mj,
        measured_by="dse validate --measure-cpu",
        source=f"torch {torch.__version__.partition('+')[0]}, fp32, batch 1, every exit",
        mark=SourceMark.MEASURED,
        note=f"median of {repeats} sentences; {power}",
    )


def median_ms(run: Callable[[], None], repeats: int) -> float:
    """Median wall time of a call, ms."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def cpu_name(info: Path = _CPU_INFO) -> str:
    """Name of the processor as the kernel knows it."""
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return machine.processor() or machine.machine()


def _counted_uj(counter: Path) -> float | None:
    try:
        return float(counter.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
