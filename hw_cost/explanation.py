"""Explanation: for one design, the mapping, utilisation and bound of every GEMM of a sentence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.evaluation import Evaluation, evaluation
from hw_cost.execution import DIRECT_PARTS, LOGIC_PARTS, ORDERS, PARTS, SRAM_PARTS, STAGES, Steps
from hw_cost.feasibility import first_violation
from hw_cost.groups import Groups
from hw_cost.supply import SupplyLevels
from hw_cost.technology import Technology
from hw_cost.units import Floats
from hw_cost.work import GEMMS, START_GEMMS
from hw_cost.workload import Gemm, Workload
from search_space import CellKind, Scenario

_STAGE_OF: Final = {"qkv": "qkv", "output": "output", "ffn1": "ffn", "ffn2": "ffn"}
_CLASS_OF: Final = {"look-up": 0, "pooler": 2, "classifier": 2}


class InfeasibleDesignError(ValueError):
    """A design that cannot run has no mapping to explain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedGemm:
    """One GEMM, look-up or group of special functions, at the design's highest supply.

    Attributes:
        step: ``start``, or the layers that it belongs to, as in ``layers 1-12``.
        name: of the GEMM.
        runs: how often a sentence that takes every layer runs the step.
        rows: M; None for what is no single GEMM.
        depth: K.
        columns: N.
        count: instances in the step.
        macs: multiply-accumulates of all instances, inside the spans.
        order: what stays in the buffers; None where nothing is chosen.
        tile_rows: m of the mapping.
        tile_depth: k of the mapping.
        weight_reads: times that each weight is read from its store.
        through_dram: whether activations pass through from the DRAM.
        shared: what units share, blocks of ``rows`` or of ``columns``; None where nothing is chosen
            or there is one unit.
        cycles: of the busiest unit.
        utilisation: MACs over the MACs that all units could do in those cycles; zeros count, so
            that it is above 1 where a compacting unit leaves them out.
        load_ns: time of the loads, hidden or not.
        time_ns: the longer of cycles and loads.
        bound: what sets the time: ``compute`` or the memory.
        energy_pj: switching energy, drawn from the supply.
    """

    step: str
    name: str
    runs: int = 1
    rows: int | None = None
    depth: int | None = None
    columns: int | None = None
    count: int = 1
    macs: int = 0
    order: str | None = None
    tile_rows: int | None = None
    tile_depth: int | None = None
    weight_reads: int | None = None
    through_dram: bool = False
    shared: str | None = None
    cycles: float = 0.0
    utilisation: float | None = None
    load_ns: float = 0.0
    time_ns: float = 0.0
    bound: str = "compute"
    energy_pj: float = 0.0


def explained_gemms(
    workload: Workload,
    columns: AcceleratorColumns,
    tokens: int,
    scenario: Scenario,
    technology: Technology,
) -> tuple[ExplainedGemm, ...]:
    """Every GEMM of one design for a sentence of that many tokens, layer by kind of layer.

    Raises:
        InfeasibleDesignError: the design cannot run the workload.
        ValueError: there is not exactly one design.
    """
    if len(columns) != 1:
        raise ValueError(f"{len(columns)} designs to explain: expected exactly one.")
    one = np.ones(1, dtype=np.int64)
    e = evaluation(workload, columns, Groups(one * tokens, one, one), scenario, technology)
    blocks = [block for batch in e.batches() for block in batch.blocks(detailed=True)]
    if not blocks:
        raise InfeasibleDesignError(
            f"The design cannot run: {first_violation(e.checks, 0)}; there is no mapping to show."
        )
    steps, levels = blocks[0].steps, blocks[0].batch.levels()
    found = []
    kinds = ((len(workload.layer_kinds), None), *enumerate(workload.layer_kinds))
    for k, spans in kinds:
        step = "start" if spans is None else _layers(workload, k)
        runs = 1 if spans is None else workload.kind_of_layer.count(k)
        for g, name in enumerate(START_GEMMS if spans is None else GEMMS):
            gemm = _gemm(workload, name, spans, tokens)
            if gemm is None and name == "projection":
                continue
            one_gemm = _explained(e, steps, levels, step, k, g, name, gemm, spans, tokens)
            found.append(replace(one_gemm, runs=runs))
        found.append(
            ExplainedGemm(
                step=step,
                name="special functions",
                runs=runs,
                cycles=float(steps.special_cycles[0, 0, k]),
                time_ns=float(steps.special_cycles[0, 0, k] / levels.clock_ghz[0, 0]),
                bound="special functions",
                energy_pj=_supply_pj(
                    steps.energy_pj[0, 0, k] - steps.gemm_pj[0, 0, k].sum(axis=0), levels
                ),
            )
        )
    return tuple(found)


def _layers(workload: Workload, kind: int) -> str:
    """Layers of a kind in words: ``layer 3`` or ``layers 1-12`` or ``layers 1, 4``."""
    layers = [i + 1 for i, k in enumerate(workload.kind_of_layer) if k == kind]
    if len(layers) == 1:
        return f"layer {layers[0]}"
    if layers == list(range(layers[0], layers[-1] + 1)):
        return f"layers {layers[0]}-{layers[-1]}"
    return f"layers {', '.join(str(layer) for layer in layers)}"


def _gemm(workload: Workload, name: str, spans: tuple[int, ...] | None, tokens: int) -> Gemm | None:
    count = np.array([tokens])
    if spans is None:
        return workload.projection_gemm(count) if name == "projection" else None
    all_gemms = (*workload.layer_gemms(spans, count), *workload.exit_gemms(count))
    return next((gemm for gemm in all_gemms if gemm.name == name), None)


def _explained(
    e: Evaluation,
    steps: Steps,
    levels: SupplyLevels,
    step: str,
    k: int,
    g: int,
    name: str,
    gemm: Gemm | None,
    spans: tuple[int, ...] | None,
    tokens: int,
) -> ExplainedGemm:
    """One GEMM; see `ExplainedGemm`."""
    clock_ghz = float(levels.clock_ghz[0, 0])
    busy, load_cycles, far_ns = (float(x) for x in steps.fetches[0, 0, k, g])
    load_ns = load_cycles / clock_ghz + far_ns
    time_ns = max(busy / clock_ghz, load_ns)
    macs = int(gemm.macs[0]) if gemm is not None else 0
    if name == "attention" and spans is not None:
        products = e.workload.layer_gemms(spans, np.array([tokens]))
        macs = sum(int(p.macs[0]) for p in products if p.name in ("scores", "context"))
    array_macs = busy * int(e.chips.n[0]) ** 2 * int(e.chips.units[0])
    mapping: dict[str, Any] = {}
    if name in _STAGE_OF:
        chosen = steps.mapping[0, 0, k, STAGES.index(_STAGE_OF[name])]
        order, m, depth, reads, through = chosen[:5]
        by_rows = chosen[6 if name == "ffn2" else 5]
        shared = "rows" if by_rows else "columns"
        mapping = {
            "order": ORDERS[int(order)],
            "tile_rows": int(m),
            "tile_depth": min(int(depth), int(gemm.depth[0])) if gemm is not None else int(depth),
            "weight_reads": int(reads),
            "through_dram": bool(through),
            "shared": shared if int(e.chips.units[0]) > 1 else None,
        }
    sizes: dict[str, Any] = {}
    if gemm is not None:
        sizes = {
            "rows": int(gemm.rows[0]),
            "depth": int(gemm.depth[0]),
            "columns": int(gemm.columns[0]),
            "count": gemm.count,
        }
    return ExplainedGemm(
        step=step,
        name=name,
        macs=macs,
        cycles=busy,
        utilisation=macs / array_macs if array_macs else None,
        load_ns=load_ns,
        time_ns=time_ns,
        bound="compute" if load_ns <= busy / clock_ghz else _memory(e, name),
        energy_pj=_supply_pj(steps.gemm_pj[0, 0, k, g], levels),
        **sizes,
        **mapping,
    )


def _memory(e: Evaluation, name: str) -> str:
    """The memory that a GEMM waits for."""
    if name == "attention":
        return "DRAM"
    tensor_class = _CLASS_OF.get(name, 1)
    if e.stores.chip_share[0, tensor_class] < 1:
        return "DRAM"
    return "weight SRAM" if e.workload.cells[tensor_class] is CellKind.SRAM else "eNVM"


def _supply_pj(parts_pj: Floats, levels: SupplyLevels) -> float:
    """Energy drawn from the supply for (7,) energies at the nominal one."""
    total = 0.0
    for parts, factor in (
        (LOGIC_PARTS, levels.logic * levels.logic_input),
        (SRAM_PARTS, levels.sram * levels.sram_input),
        (DIRECT_PARTS, np.ones((1, 1))),
    ):
        total += sum(float(parts_pj[PARTS.index(part)]) for part in parts) * float(factor[0, 0])
    return total
