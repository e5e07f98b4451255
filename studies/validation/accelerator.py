"""The accelerators of EdgeBERT and of its successor chip, as designs of the model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from hw_cost import AcceleratorColumns, Groups, Technology, Workload, breakdown, cost_table
from hw_cost.units import Floats, Ints
from search_space import CellKind, DvfsPolicy, HardwareKnobs, IdleAccounting, Scenario

TOKENS: Final = 128
STORE_MIB: Final = 18.0
"""eNVM that holds a dense ALBERT-base with twelve exits."""

_UNBOUNDED_MS: Final = 1e6
_PJ_PER_MJ: Final = 1e9
_NS_PER_MS: Final = 1e6


def edgebert_knobs(
    *, policy: DvfsPolicy = DvfsPolicy.FIXED, mac_vector_size: int = 16
) -> HardwareKnobs:
    """EdgeBERT's accelerator: n = 16, buffers as in its figure, 0.5 to 0.8 V."""
    return HardwareKnobs(
        mac_vector_size=mac_vector_size,
        processing_units=1,
        data_sram_kib=128,
        mask_sram_kib=16,
        aux_sram_kib=32,
        envm_mib=STORE_MIB,
        min_voltage_v=0.5,
        max_voltage_v=0.8,
        dvfs_policy=policy,
    )


def chip_knobs() -> HardwareKnobs:
    """The successor chip at its highest supply: n = 16 and larger buffers."""
    return replace(
        edgebert_knobs(), data_sram_kib=256, mask_sram_kib=32, min_voltage_v=0.62, max_voltage_v=1.0
    )


def without_store(technology: Technology) -> Technology:
    """The technology with an eNVM that costs no energy.

    Published accelerators are counted without the store of their encoder weights.
    """
    cell = f"envm.{CellKind.RERAM_MLC2.value}"
    free = ("read_energy_pj_per_bit", "leakage_mw_per_mib", "wake_energy_pj_per_mib")
    return technology.with_values({f"{cell}.{name}": 0.0 for name in free})


def scenario(
    *, deadline_ms: float = 50.0, idle: IdleAccounting = IdleAccounting.NONE, tokens: int = TOKENS
) -> Scenario:
    """Padded SST-2 sentences at 350 K."""
    return Scenario(
        task="SST-2",
        padded_tokens=tokens,
        deadline_ms=deadline_ms,
        sentences_per_hour=3600.0,
        idle=idle,
        temperature_k=350.0,
    )


def sentence_groups(predicted: Ints, actual: Ints, tokens: int = TOKENS) -> tuple[Groups, Floats]:
    """Groups of sentences of one length, and the share of the sentences in each.

    Args:
        predicted: (n_sentences,) predicted exit layers.
        actual: (n_sentences,) layers that they leave after.
        tokens: of every sentence.
    """
    pairs, counts = np.unique(np.stack([predicted, actual]), axis=1, return_counts=True)
    groups = Groups(np.full(pairs.shape[1], tokens, dtype=np.int64), pairs[0], pairs[1])
    return groups, counts / counts.sum()


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceCost:
    """Means over sentences on one design.

    Attributes:
        energy_mj: drawn from the supply.
        core_energy_mj: the same behind the LDO.
        latency_ms: of a sentence.
        missed: share of the sentences that are late.
        switching: mean over the sentences of layers times (V / 0.8)^2.
    """

    energy_mj: float
    core_energy_mj: float
    latency_ms: float
    missed: float
    switching: float


def sentence_cost(
    workload: Workload,
    knobs: HardwareKnobs,
    groups: Groups,
    shares: Floats,
    asked: Scenario,
    technology: Technology,
) -> SentenceCost:
    """Mean cost of those sentences on one design.

    Raises:
        ValueError: the design cannot run the workload.
    """
    columns = AcceleratorColumns.from_knobs([knobs])
    table = cost_table(workload, columns, groups, asked, technology, with_core_energy=True)
    reason = table.reason(0)
    if reason is not None or table.core_energy_pj is None:
        raise ValueError(f"Reference design cannot run its workload: {reason}")
    later = (table.voltage_v[0] / technology.nominal_voltage_v) ** 2
    first = (knobs.max_voltage_v / technology.nominal_voltage_v) ** 2
    return SentenceCost(
        energy_mj=float(table.energy_pj[0] @ shares) / _PJ_PER_MJ,
        core_energy_mj=float(table.core_energy_pj[0] @ shares) / _PJ_PER_MJ,
        latency_ms=float(table.latency_ns[0] @ shares) / _NS_PER_MS,
        missed=float(table.missed[0].astype(np.float64) @ shares),
        switching=float((first + (groups.actual_layer - 1) * later) @ shares),
    )


def whole_inference(layers: int, tokens: int = TOKENS) -> tuple[Groups, Floats]:
    """One sentence that runs every layer."""
    last = np.array([layers], dtype=np.int64)
    return sentence_groups(last, last, tokens)


def gemm_ms(workload: Workload, knobs: HardwareKnobs, technology: Technology) -> float:
    """Time of the GEMMs of one sentence that runs every layer, ms; exits and projection too.

    At 0.8 V, whatever the design's highest supply.
    """
    groups, shares = whole_inference(workload.shape.layers)
    columns = AcceleratorColumns.from_knobs([replace(knobs, max_voltage_v=0.8)])
    asked = scenario(deadline_ms=_UNBOUNDED_MS)
    parts = breakdown(workload, columns, groups, shares, asked, technology)
    return float(parts.latency_ns["gemm"][0]) / _NS_PER_MS


def chip_area_mm2(workload: Workload, knobs: HardwareKnobs, technology: Technology) -> float:
    """Area of a design without its eNVM, mm2."""
    groups, shares = whole_inference(workload.shape.layers)
    columns = AcceleratorColumns.from_knobs([knobs])
    blocks = breakdown(workload, columns, groups, shares, scenario(), technology).area_mm2
    return sum(float(area[0]) for name, area in blocks.items() if name != "envm")
