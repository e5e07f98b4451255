"""Our cost model against ZigZag: GEMMs of an encoder layer on designs with the same 256 MACs.

``python benchmarks/against_zigzag.py [--designs N] [--seed N] [--loop-factors N] [--objective O]
[--json]``

Designs differ in units x MAC array, data buffers, operand widths and store of the weights. Each
model searches its own mapping. For cycles and energy of a layer the table has the Spearman rank
correlation with ZigZag over the designs and the median relative error to it, also for the naive
formulas MACs / 256 and MACs x energy of a MAC. Needs ``pip install edge-dse[zigzag]``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np
from compared_designs import MACS, STORES, WORKLOADS, Design, LayerGemm, designs
from figures import parsed

from hw_cost import AcceleratorColumns, Technology, gemm_costs, load_technology
from hw_cost.arithmetic import mac_energy_pj
from hw_cost.plugins.zigzag import Objective, ZigZagMissingError, zigzag_accelerator, zigzag_costs
from hw_cost.units import Bools, Floats

Model = Callable[["Design"], tuple[Floats, Floats]]
"""A design to cycles and energy, pJ, of each GEMM: (n_gemms,), NaN where it cannot run."""


def ours(gemms: Sequence[LayerGemm], t: Technology, objective: Objective) -> Model:
    """Our model: MACs, data buffers and store; neither control nor leakage, which ZigZag lacks."""

    def model(design: Design) -> tuple[Floats, Floats]:
        columns = AcceleratorColumns.from_knobs([design.knobs(objective)])
        costs = gemm_costs(gemms, columns, STORES[design.store], *design.formats, t)
        parts = [costs.energy_pj[part][0] for part in ("mac", "sram", "weight_sram")]
        return costs.cycles[0], np.sum(parts, axis=0)

    return model


def zigzag(
    gemms: Sequence[LayerGemm], t: Technology, objective: Objective, loop_factors: int
) -> Model:
    """The same by ZigZag."""

    def model(design: Design) -> tuple[Floats, Floats]:
        accelerator = zigzag_accelerator(
            design.knobs(objective), STORES[design.store], *design.formats, t
        )
        costs = zigzag_costs(gemms, accelerator, objective=objective, loop_factors=loop_factors)
        return costs.cycles, costs.energy_pj

    return model


def naive(gemms: Sequence[LayerGemm], t: Technology) -> Model:
    """The same with every MAC busy in every cycle, and no memory."""
    macs = np.array([gemm.macs for gemm in gemms], dtype=np.float64)
    return lambda design: (macs / MACS, macs * mac_energy_pj(*design.formats, t))


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's, equal values sharing their mean rank; 0 if one is constant: it ranks nothing."""

    def ranks(values: Floats) -> Floats:
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        mean: Floats = np.cumsum(counts) - (counts - 1) / 2
        return mean[inverse]

    x, y = ranks(a), ranks(b)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def agreement(model: Floats, reference: Floats) -> dict[str, float]:
    """Of the figures of every GEMM, (n_designs, n_gemms), and of layers: their sums."""
    layers = model.sum(axis=1), reference.sum(axis=1)
    error = np.abs(layers[0] / layers[1] - 1)
    return {
        "spearman": rank_correlation(*layers),
        "spearman_by_gemm": rank_correlation(model.ravel(), reference.ravel()),
        "median_error": float(np.median(error)),
        "largest_error": float(error.max()),
    }


def compare(
    gemms: Sequence[LayerGemm],
    chosen: Sequence[Design],
    t: Technology,
    objective: Objective,
    loop_factors: int,
) -> dict[str, Any]:
    """Both models and the naive formulas over the designs that both can run."""
    models: dict[str, Model] = {
        "ours": ours(gemms, t, objective),
        "naive": naive(gemms, t),
        "zigzag": zigzag(gemms, t, objective, loop_factors),
    }
    seconds: dict[str, float] = {}
    figures: dict[str, Floats] = {}
    for name, model in models.items():
        model(chosen[0])  # compiles or imports
        start = time.perf_counter()
        figures[name] = np.array([model(design) for design in chosen])
        seconds[name] = (time.perf_counter() - start) / len(chosen)
    runs = {name: np.isfinite(figures[name].sum(axis=(1, 2))) for name in ("ours", "zigzag")}
    both: Bools = runs["ours"] & runs["zigzag"]
    quantities = {"cycles": 0, "energy_pj": 1}
    return {
        "designs": int(both.sum()),
        "only_ours_runs": int((runs["ours"] & ~both).sum()),
        "only_zigzag_runs": int((runs["zigzag"] & ~both).sum()),
        "seconds_per_design": {name: seconds[name] for name in ("ours", "zigzag")},
        "agreement": {
            quantity: {
                name: agreement(figures[name][both, i], figures["zigzag"][both, i])
                for name in ("ours", "naive")
            }
            for quantity, i in quantities.items()
        },
        "figures": [
            dataclasses.asdict(design)
            | {
                quantity: {name: float(figures[name][row, i].sum()) for name in figures}
                for quantity, i in quantities.items()
            }
            for row, design in enumerate(chosen)
            if both[row]
        ],
    }


def seconds_per_design(count: int) -> float:
    """Wall time that ZigZag's mapping search takes for one layer of the smallest workload."""
    gemms = list(WORKLOADS.values())[-1]
    model = zigzag(gemms, load_technology(), "latency", 6)
    chosen = designs(gemms, count, 0)
    model(chosen[0])  # imports
    start = time.perf_counter()
    for design in chosen:
        model(design)
    return (time.perf_counter() - start) / len(chosen)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--designs", type=int, default=36)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--loop-factors", type=int, default=6)
    parser.add_argument("--objective", choices=get_args(Objective), default="edp")
    options = parsed(parser)
    technology = load_technology()
    try:
        results = {
            name: compare(
                gemms,
                designs(gemms, options.designs, options.seed),
                technology,
                options.objective,
                options.loop_factors,
            )
            for name, gemms in WORKLOADS.items()
        }
    except ZigZagMissingError as error:
        sys.exit(str(error))
    if options.json:
        print(json.dumps(results, indent=1))
        return
    for name, result in results.items():
        print(
            f"{name}: {result['designs']} designs (ours alone runs {result['only_ours_runs']} "
            f"more, ZigZag alone {result['only_zigzag_runs']} more)"
        )
        print(f"{'':16}{'Spearman':>10}{'by GEMM':>10}{'median error':>14}{'largest':>10}")
        for quantity, rows in result["agreement"].items():
            for model, row in rows.items():
                print(
                    f"{quantity + ' ' + model:16}{row['spearman']:10.3f}"
                    f"{row['spearman_by_gemm']:10.3f}{row['median_error']:14.1%}"
                    f"{row['largest_error']:10.1%}"
                )
        seconds = result["seconds_per_design"]
        print(f"seconds a design: ours {seconds['ours']:.4f}, ZigZag {seconds['zigzag']:.2f}\n")


if __name__ == "__main__":
    main()
