"""ZigZag: the GEMMs of this project on a matching accelerator, costed by another analytic model.

ZigZag (KU Leuven, package ``zigzag-dse``) searches the order of the temporal loops of a GEMM and
allocates them to a memory hierarchy. `hw_cost.plugins.zigzag_chip` tells it our chip.

One MAC is one operation, energies are in pJ, and a cycle is one of the datapath, as in ZigZag.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Final, Literal

import numpy as np

from hw_cost.gemm_costs import MatrixProduct
from hw_cost.plugins.zigzag_chip import (
    UNBOUNDED_BITS,
    ZigZagAccelerator,
    accelerator_data,
    layer_data,
    mapping_data,
    zigzag_accelerator,
)
from hw_cost.plugins.zigzag_tiling import Sharing, sharings, tiling
from hw_cost.units import BITS_PER_KIB, Floats

__all__ = [
    "Objective",
    "ZigZagAccelerator",
    "ZigZagCosts",
    "ZigZagMissingError",
    "imported_zigzag",
    "zigzag_accelerator",
    "zigzag_costs",
]

Objective = Literal["latency", "energy", "edp"]


_NAMES: Final = {
    "TemporalMappingType": "mapping.temporal_mapping",
    "NoValidLoopOrderingFoundException": "opt.loma.engine",
    "AcceleratorFactory": "parser.accelerator_factory",
    "AcceleratorValidator": "parser.accelerator_validator",
    "MappingValidator": "parser.mapping_validator",
    "WorkloadFactory": "parser.workload_factory",
    "WorkloadValidator": "parser.workload_validator",
    "CostModelStage": "stages.evaluation.cost_model_evaluation",
    "MainStage": "stages.main",
    "SpatialMappingGeneratorStage": "stages.mapping.spatial_mapping_generation",
    "TemporalMappingGeneratorStage": "stages.mapping.temporal_mapping_generator_stage",
    "MinimalEDPStage": "stages.results.reduce_stages",
    "MinimalEnergyStage": "stages.results.reduce_stages",
    "MinimalLatencyStage": "stages.results.reduce_stages",
}
"""What the plug-in takes of ZigZag, and the module it is in."""


class ZigZagMissingError(ImportError):
    """The package of the plug-in, or one that it needs, is not installed."""


def imported_zigzag() -> SimpleNamespace:
    """The parts of ZigZag that the plug-in uses, by their own names.

    Raises:
        ZigZagMissingError: ZigZag, or a package that it needs, is not installed.
    """
    try:
        found = {name: getattr(import_module(f"zigzag.{at}"), name) for name, at in _NAMES.items()}
    except ImportError as error:
        raise ZigZagMissingError(
            f"ZigZag cannot be imported ({error}): run `pip install edge-dse[zigzag]`."
        ) from error
    return SimpleNamespace(**found)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigZagCosts:
    """Costs of GEMMs, all instances of each; (n_gemms,) arrays, NaN where nothing fits.

    Attributes:
        cycles: temporal loops, stalls, first load and last store.
        compute_cycles: temporal loops alone.
        stall_cycles: waiting for a memory while computing.
        loading_cycles: before the first cycle (weights and inputs) and after the last (outputs).
        energy_pj: the three that follow.
        mac_pj: MACs, those of the padding left out.
        buffer_pj: reads and writes of the data buffers.
        store_pj: reads of the store.
        weight_reads: times that every weight is read from the store; 0 without weights.
        reasons: why a GEMM cannot run, or None.
    """

    cycles: Floats
    compute_cycles: Floats
    stall_cycles: Floats
    loading_cycles: Floats
    energy_pj: Floats
    mac_pj: Floats
    buffer_pj: Floats
    store_pj: Floats
    weight_reads: Floats
    reasons: tuple[str | None, ...]


_FIGURES: Final = tuple(f.name for f in fields(ZigZagCosts) if f.name != "reasons")


def zigzag_costs(
    gemms: Sequence[MatrixProduct],
    accelerator: ZigZagAccelerator,
    *,
    objective: Objective = "latency",
    loop_factors: int = 6,
) -> ZigZagCosts:
    """Cost of each GEMM under the best mapping that ZigZag finds for it.

    Args:
        gemms: what to cost; each has the buffers to itself.
        accelerator: the chip.
        objective: what a mapping is chosen by; equal latencies go to the least energy.
        loop_factors: parts that the loops of a GEMM are cut into (ZigZag's ``lpf_limit``); the
            search takes all their orders, so its time grows with the factorial.

    Raises:
        ZigZagMissingError: ZigZag is not installed.
    """
    figures = np.full((len(_FIGURES), len(gemms)), np.nan)
    reasons: list[str | None] = []
    for index, gemm in enumerate(gemms):
        found = _gemm_costs(gemm, accelerator, objective, loop_factors)
        reasons.append(found if isinstance(found, str) else None)
        if not isinstance(found, str):
            figures[:, index] = found
    return ZigZagCosts(**dict(zip(_FIGURES, figures, strict=True)), reasons=tuple(reasons))


def _gemm_costs(
    gemm: MatrixProduct, a: ZigZagAccelerator, objective: Objective, loop_factors: int
) -> tuple[float, ...] | str:
    """Figures of one GEMM in the order of `_FIGURES`, or why it cannot run."""
    room = _room_bits(gemm, a)
    if room < 0:
        return (
            f"A GEMM of {gemm.rows} x {gemm.depth} x {gemm.columns} keeps activations that are "
            f"{-room / BITS_PER_KIB:.1f} KiB larger than all data buffers together "
            f"({a.buffer_bits / BITS_PER_KIB:.1f} KiB): give it more."
        )
    tiles = tiling(gemm, a.n)
    found = [
        evaluation
        for sharing in sharings(tiles, a.units)
        for evaluation in _evaluations(gemm, a, room / a.units, sharing, objective, loop_factors)
    ]
    if not found:
        return (
            f"A GEMM of {gemm.rows} x {gemm.depth} x {gemm.columns} leaves "
            f"{room / a.units / BITS_PER_KIB:.2f} KiB of a unit's data buffers for weights: ZigZag "
            "found no order of its loops that fits."
        )
    best = min(found, key=lambda evaluation: _rank(evaluation, objective))
    levels = {str(operand): energies for operand, energies in best.mem_energy_breakdown.items()}
    store_pj = levels["W"][-1] if gemm.has_weights else 0.0
    mac_pj = best.mac_energy * gemm.rows / tiles.rows * gemm.columns / tiles.columns
    stored_bits = gemm.depth * gemm.columns * a.weight_bits
    per_gemm = (
        best.latency_total2,
        best.ideal_temporal_cycle,
        best.stall_slack_comb,
        best.data_onloading_cycle + best.data_offloading_cycle,
        best.mem_energy + mac_pj,
        mac_pj,
        best.mem_energy - store_pj,
        store_pj,
    )
    reads = store_pj / a.store_pj_per_bit / stored_bits if a.store_pj_per_bit else np.nan
    return (*(gemm.count * float(figure) for figure in per_gemm), float(reads))


def _rank(evaluation: Any, objective: Objective) -> tuple[float, float]:
    """What the search minimises, and what decides between equals."""
    cycles, energy = float(evaluation.latency_total2), float(evaluation.energy_total)
    return {
        "latency": (cycles, energy),
        "energy": (energy, cycles),
        "edp": (energy * cycles, cycles),
    }[objective]


def _room_bits(gemm: MatrixProduct, a: ZigZagAccelerator) -> float:
    """Buffer bits of the chip that inputs and outputs leave; below 0 they do not fit."""
    kept = gemm.rows * (gemm.depth + gemm.columns) * a.activation_bits
    if not gemm.has_weights:
        kept += gemm.depth * gemm.columns * a.activation_bits
    return a.buffer_bits - kept


def _evaluations(
    gemm: MatrixProduct,
    a: ZigZagAccelerator,
    room_bits: float,
    sharing: Sharing,
    objective: Objective,
    loop_factors: int,
) -> Iterator[Any]:
    """ZigZag's evaluations of its best mappings without and, if need be, with spilled partial sums.

    Partial sums that leave the registers take the room of one block of n columns. If weights for
    the whole depth fit in what is left without them, spilling cannot help and is not tried.
    """
    final_bits = sharing.rows * sharing.columns * a.activation_bits
    if not gemm.has_weights:
        rooms = [(UNBOUNDED_BITS, final_bits)]
    else:
        rooms = [(int(room_bits), final_bits)]
        if room_bits < 2 * gemm.depth * a.n * a.weight_bits:
            partial_bits = sharing.rows * a.n * a.accumulator_bits
            rooms.append((int(room_bits - partial_bits), UNBOUNDED_BITS))
    for second_bits, output_bits in rooms:
        if second_bits > 0:
            chip = accelerator_data(gemm, a, second_bits, output_bits)
            mapping = mapping_data(gemm, a, sharing)
            yield from _best_evaluation(layer_data(gemm, a), chip, mapping, objective, loop_factors)


def _best_evaluation(
    layer: dict[str, Any],
    chip: dict[str, Any],
    mapping: list[dict[str, Any]],
    objective: Objective,
    loop_factors: int,
) -> list[Any]:
    """ZigZag's evaluation of its best mapping; empty if none fits."""
    z = imported_zigzag()

    def checked(validator: Any) -> Any:
        """The data with its defaults; ours is always valid."""
        if not validator.validate():
            raise AssertionError(validator.validator.errors)
        return validator.normalized_data

    layers = checked(z.WorkloadValidator([layer]))
    mappings = checked(z.MappingValidator(mapping))
    best = {
        "latency": z.MinimalLatencyStage,
        "energy": z.MinimalEnergyStage,
        "edp": z.MinimalEDPStage,
    }[objective]
    search = z.MainStage(
        [z.SpatialMappingGeneratorStage, best, z.TemporalMappingGeneratorStage, z.CostModelStage],
        accelerator=z.AcceleratorFactory(checked(z.AcceleratorValidator(chip))).create(),
        layer=next(iter(z.WorkloadFactory(layers, mappings).create().node_list)),
        loma_lpf_limit=loop_factors,
        loma_show_progress_bar=False,
        temporal_mapping_type=z.TemporalMappingType.UNEVEN,
    )
    try:
        return [search.run()[0][0]]
    except z.NoValidLoopOrderingFoundException:
        return []
