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
import itertools
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, get_args

import numpy as np

from hw_cost import AcceleratorColumns, Technology, WeightPort, gemm_costs, load_technology
from hw_cost.arithmetic import mac_energy_pj
from hw_cost.plugins.zigzag import (
    Objective,
    ZigZagMissingError,
    zigzag_accelerator,
    zigzag_costs,
)
from hw_cost.units import BITS_PER_KIB, Bools, Floats
from search_space import DvfsPolicy, HardwareKnobs, MappingObjective, NumberFormat, adaptivfloat

_MACS: Final = 256
_ARRAYS: Final = ((1, 16), (4, 8), (16, 4))
_FORMATS: Final = {4: adaptivfloat(4, 2), 8: adaptivfloat(8, 3), 16: adaptivfloat(16, 5)}
_WIDTHS: Final = ((4, 4), (4, 8), (8, 8), (16, 16))
# Bits a cycle at 1 GHz and pJ a bit: a weight SRAM, MLC ReRAM as NVSim has it, a channel of LPDDR4,
# and published SLC ReRAM in 1 to 6 macros read together.
_STORES: Final = {
    "sram": WeightPort(word_bits=256, energy_pj_per_bit=0.4),
    "mlc2": WeightPort(word_bits=132, energy_pj_per_bit=0.05),
    "lpddr4": WeightPort(word_bits=51, energy_pj_per_bit=8.0),
    "slc x 6": WeightPort(word_bits=38, energy_pj_per_bit=1.0),
    "slc x 4": WeightPort(word_bits=26, energy_pj_per_bit=1.0),
    "slc x 3": WeightPort(word_bits=19, energy_pj_per_bit=1.0),
    "slc x 2": WeightPort(word_bits=13, energy_pj_per_bit=1.0),
    "slc": WeightPort(word_bits=6, energy_pj_per_bit=1.0),
}
# Data buffers of a chip over the 8-bit activations of its largest GEMM: from what just holds them
# at 4, at 8 and at 16 bit to plenty.
_BUFFER_FACTORS: Final = (0.525, 1.05, 1.25, 2.1, 4.2)
_KIB_STEP: Final = 32

Model = Callable[["Design"], tuple[Floats, Floats]]
"""A design to cycles and energy, pJ, of each GEMM: (n_gemms,), NaN where it cannot run."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LayerGemm:
    """``count`` GEMMs rows x depth x columns of a layer."""

    rows: int
    depth: int
    columns: int
    count: int = 1
    has_weights: bool = True

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all of them."""
        return self.count * self.rows * self.depth * self.columns


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One accelerator."""

    processing_units: int
    mac_vector_size: int
    data_sram_kib: int
    weight_bits: int
    activation_bits: int
    store: str

    @property
    def formats(self) -> tuple[NumberFormat, NumberFormat]:
        """Of weights and of activations."""
        return _FORMATS[self.weight_bits], _FORMATS[self.activation_bits]

    def knobs(self, objective: Objective) -> HardwareKnobs:
        """As hardware knobs; what the comparison does not look at is small."""
        return HardwareKnobs(
            mac_vector_size=self.mac_vector_size,
            processing_units=self.processing_units,
            data_sram_kib=self.data_sram_kib,
            mask_sram_kib=1,
            aux_sram_kib=1,
            envm_mib=0.0,
            min_voltage_v=0.8,
            max_voltage_v=0.8,
            dvfs_policy=DvfsPolicy.FIXED,
            mapping_objective=MappingObjective(objective),
        )


def layer(tokens: int, hidden: int, heads: int, ffn: int) -> tuple[LayerGemm, ...]:
    """Distinct GEMMs of one encoder layer: Q, K, V and output; scores; context; feed-forward."""
    head = hidden // heads
    return (
        LayerGemm(rows=tokens, depth=hidden, columns=hidden, count=4),
        LayerGemm(rows=tokens, depth=head, columns=tokens, count=heads, has_weights=False),
        LayerGemm(rows=tokens, depth=tokens, columns=head, count=heads, has_weights=False),
        LayerGemm(rows=tokens, depth=hidden, columns=ffn),
        LayerGemm(rows=tokens, depth=ffn, columns=hidden),
    )


_WORKLOADS: Final = {
    "albert-base (or bert-base), 128 tokens": layer(128, 768, 12, 3072),
    "albert-mini, 128 tokens": layer(128, 384, 12, 1536),
    "albert-mini, 50 tokens": layer(50, 384, 12, 1536),
}


def designs(gemms: Sequence[LayerGemm], count: int, seed: int) -> list[Design]:
    """A seeded sample of those that hold the activations of every GEMM and a tile of weights.

    Half of it is bound by the store even if every weight is read once: other designs with the same
    array take the same cycles, and a rank correlation over ties says nothing.
    """
    elements = max(g.rows * (g.depth + g.columns) for g in gemms)
    found: dict[bool, list[Design]] = {True: [], False: []}
    for (units, n), factor, (weight, activation), store in itertools.product(
        _ARRAYS, _BUFFER_FACTORS, _WIDTHS, _STORES
    ):
        chip_kib = _KIB_STEP * -(-elements * 8 * factor // (BITS_PER_KIB * _KIB_STEP))
        tile_bits = 2 * n * n * weight * units
        if elements * activation + tile_bits <= chip_kib * BITS_PER_KIB:
            is_starved = weight / _STORES[store].word_bits > gemms[0].rows / _MACS
            found[is_starved].append(
                Design(
                    processing_units=units,
                    mac_vector_size=n,
                    data_sram_kib=int(chip_kib) // (2 * units),
                    weight_bits=weight,
                    activation_bits=activation,
                    store=store,
                )
            )
    draw = random.Random(seed)
    starved = draw.sample(found[True], min(count // 2, len(found[True])))
    return starved + draw.sample(found[False], min(count - len(starved), len(found[False])))


def ours(gemms: Sequence[LayerGemm], t: Technology, objective: Objective) -> Model:
    """Our model: MACs, data buffers and store; neither control nor leakage, which ZigZag lacks."""

    def model(design: Design) -> tuple[Floats, Floats]:
        columns = AcceleratorColumns.from_knobs([design.knobs(objective)])
        costs = gemm_costs(gemms, columns, _STORES[design.store], *design.formats, t)
        parts = [costs.energy_pj[part][0] for part in ("mac", "sram", "weight_sram")]
        return costs.cycles[0], np.sum(parts, axis=0)

    return model


def zigzag(
    gemms: Sequence[LayerGemm], t: Technology, objective: Objective, loop_factors: int
) -> Model:
    """The same by ZigZag."""

    def model(design: Design) -> tuple[Floats, Floats]:
        accelerator = zigzag_accelerator(
            design.knobs(objective), _STORES[design.store], *design.formats, t
        )
        costs = zigzag_costs(gemms, accelerator, objective=objective, loop_factors=loop_factors)
        return costs.cycles, costs.energy_pj

    return model


def naive(gemms: Sequence[LayerGemm], t: Technology) -> Model:
    """The same with every MAC busy in every cycle, and no memory."""
    macs = np.array([gemm.macs for gemm in gemms], dtype=np.float64)
    return lambda design: (macs / _MACS, macs * mac_energy_pj(*design.formats, t))


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
    gemms = list(_WORKLOADS.values())[-1]
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
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
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
            for name, gemms in _WORKLOADS.items()
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
