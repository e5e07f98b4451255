"""Speed of the cost model: cost tables, and scoring of finished tables, on one core.

``python benchmarks/cost_model.py [--designs N] [--million] [--zigzag N] [--json]``

* cold: random designs, no two alike, their mapping chosen, with DVFS over 16 supplies, for the
  groups (length, predicted and actual exit) of the 872 recorded SST-2 sentences, and one length.
* memoised: the same number of designs from a grid, where designs that differ in supply or policy
  alone share what does not depend on it.
* warm: scoring of (design, exit setting) pairs on finished tables (`benchmarks/scoring.py`).
* ``--million``: a million random designs in blocks, and the memory that they took.
* ``--zigzag N``: time per design of ZigZag's own mapping search on N designs, and the ratio; needs
  ``pip install edge-dse[zigzag]``.

Rates are given by wall time and by processor time of all threads, which is the rate of one core.
"""

from __future__ import annotations

import argparse
import itertools
import time
from functools import partial

import numpy as np
from figures import parsed, peak_memory_mib, rates, tell
from scoring import measure as measure_scoring

from evaluators.exits import exit_histogram
from evaluators.traces import Split
from hw_cost import AcceleratorColumns, Groups, Workload, cost_table, load_technology
from search_space import (
    MODEL_KNOBS,
    CellKind,
    DvfsPolicy,
    ExitKnobs,
    ExitPolicy,
    HardwareKnobs,
    IdleAccounting,
    Scenario,
    model_knobs,
)
from studies.presets import load_study
from studies.recorded import RecordedTraces
from studies.scoring import setting_of

SCENARIO = Scenario(
    task="SST-2",
    padded_tokens=None,
    deadline_ms=4.0,
    sentences_per_hour=3600.0,
    idle=IdleAccounting.LEAKAGE,
    temperature_k=350.0,
)
EXITS = ExitKnobs(exit_policy=ExitPolicy.LATENCY_AWARE, entropy_threshold=0.3)


def recorded(checkpoint: str, cells: CellKind) -> tuple[Workload, Groups]:
    """A recorded setting at half sparsity and the groups of its 872 report sentences."""
    space = load_study("edgebert-sst2").search_space()
    flat = next(
        f
        for f in space.points(MODEL_KNOBS)
        if f["checkpoint"] == checkpoint
        and f["span_budget_tokens"] == 16
        and f["encoder_sparsity"] == 0.5
        and f["embedding_sparsity"] == 0.6
    )
    knobs = model_knobs({**flat, "embedding_storage": cells, "encoder_storage": cells})
    source = RecordedTraces()
    setting = setting_of(knobs, source.trace(knobs), source.shape(checkpoint))
    histogram = exit_histogram(setting.trace, [EXITS], Split.REPORT)
    groups = Groups(histogram.tokens, histogram.predicted_layer, histogram.actual_layer)
    return setting.workload, groups


def random_designs(count: int, envm_mib: tuple[float, float], seed: int) -> AcceleratorColumns:
    """Designs of which no two share an array, a buffer size and a supply."""
    rng = np.random.default_rng(seed)
    whole = partial(rng.integers, size=count)
    return AcceleratorColumns(
        mac_vector_size=whole(2, 65),
        processing_units=whole(1, 9),
        data_sram_kib=whole(96, 1025),
        mask_sram_kib=whole(8, 129),
        aux_sram_kib=whole(8, 65),
        envm_mib=rng.uniform(*envm_mib, size=count),
        min_voltage_v=rng.uniform(0.45, 0.6, size=count),
        max_voltage_v=rng.uniform(0.65, 1.0, size=count),
        dvfs_policy=whole(1, 3),
        dvfs_levels=np.full(count, 16),
        weight_sram_kib=np.zeros(count, dtype=np.int64),
        dram=np.zeros(count, dtype=np.int64),
        zero_gating=whole(0, 3),
        compaction=whole(0, 2),
        accumulator_bits=whole(16, 33),
        mapping_objective=whole(0, 3),
    )


def grid_designs(envm_mib: float) -> AcceleratorColumns:
    """A grid in which supply and policy vary most."""
    grid = itertools.product(
        (8, 16, 32), (1, 2), (128, 256), (16,), (0.5, 0.55, 0.6, 0.65), (0.7, 0.8, 0.9, 1.0)
    )
    return AcceleratorColumns.from_knobs(
        [
            HardwareKnobs(
                mac_vector_size=n,
                processing_units=units,
                data_sram_kib=data,
                mask_sram_kib=mask,
                aux_sram_kib=16,
                envm_mib=envm_mib,
                min_voltage_v=low,
                max_voltage_v=high,
                dvfs_policy=policy,
            )
            for n, units, data, mask, low, high in grid
            for policy in DvfsPolicy
        ]
    )


def measure(designs: int, repeats: int) -> dict[str, float]:
    """Designs a second, cold and memoised, for both shipped checkpoints."""
    technology = load_technology()
    result: dict[str, float] = {"designs": designs}
    for checkpoint, mib in (("albert-mini", (4.0, 16.0)), ("minilm-exits", (16.0, 32.0))):
        for cells in (CellKind.SRAM, CellKind.RERAM_MLC2):
            workload, groups = recorded(checkpoint, cells)
            sizes = mib if cells.is_envm else (0.0, 0.0)
            columns = random_designs(designs, sizes, seed=1)
            one = Groups(np.full(1, 25), np.full(1, 6), np.full(1, 4))
            grid = grid_designs(sizes[1])
            table = cost_table(workload, columns, groups, SCENARIO, technology)
            name = f"{checkpoint}_{cells.value}".replace("-", "_")
            result[f"{name}_groups"] = len(groups)
            result[f"{name}_feasible"] = int(table.feasible.sum())
            for label, chips, sentences in (
                ("cold", columns, groups),
                ("cold_one_length", columns, one),
                ("memoised", grid, groups),
            ):
                work = partial(cost_table, workload, chips, sentences, SCENARIO, technology)
                wall, processor = rates(work, len(chips), repeats)
                result[f"{name}_{label}_designs_per_wall_s"] = wall
                result[f"{name}_{label}_designs_per_cpu_s"] = processor
    return result


def measure_million(block: int = 5_000) -> dict[str, float]:
    """A million random designs in blocks: rate, and the most memory that the process held."""
    workload, groups = recorded("albert-mini", CellKind.RERAM_MLC2)
    technology = load_technology()
    start, feasible = time.perf_counter(), 0
    for seed in range(1_000_000 // block):
        columns = random_designs(block, (4.0, 16.0), seed)
        table = cost_table(workload, columns, groups, SCENARIO, technology)
        feasible += int(table.feasible.sum())
    return {
        "million_designs_per_wall_s": 1e6 / (time.perf_counter() - start),
        "million_feasible": feasible,
        "million_peak_memory_mib": peak_memory_mib(),
    }


def measure_zigzag(designs: int, rate: float) -> dict[str, float]:
    """Seconds that ZigZag takes for a design, and how many times that is ours."""
    from against_zigzag import seconds_per_design  # optional package: only where asked for

    seconds = seconds_per_design(designs)
    return {"zigzag_s_per_design": seconds, "zigzag_over_ours": seconds * rate}


def _row(name: str, value: float) -> str:
    return f"{name:60s} {value:14,.4g}" if value < 100 else f"{name:60s} {value:14,.0f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--designs", type=int, default=4_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--zigzag", type=int, default=0, metavar="N")
    options = parsed(parser)
    result = measure(options.designs, options.repeats)
    scoring = measure_scoring(2_000, 100, 400, options.repeats)
    result |= {f"warm_{name}": value for name, value in scoring.items()}
    if options.million:
        result |= measure_million()
    if options.zigzag:
        rate = result["albert_mini_sram_cold_one_length_designs_per_wall_s"]
        result |= measure_zigzag(options.zigzag, rate)
    tell(result, _row, as_json=options.json)


if __name__ == "__main__":
    main()
