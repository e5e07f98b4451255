"""Speed of the cost table: designs a second for 45 token counts x 78 pairs of layers with DVFS.

``python benchmarks/cost_model.py [--designs N] [--repeats N] [--json]``
"""

from __future__ import annotations

import argparse
import itertools
import json
import time

import numpy as np

from hw_cost import AcceleratorColumns, EncoderShape, Groups, Workload, cost_table, load_technology
from search_space import CellKind, DvfsPolicy, HardwareKnobs, IdleAccounting, Scenario, adaptivfloat

_LAYERS = 12


def workload(storage: CellKind) -> Workload:
    """A 12-layer encoder of width 384 that shares one set of weights."""
    shape = EncoderShape(
        layers=_LAYERS,
        distinct_layers=1,
        hidden=384,
        heads=12,
        ffn=1536,
        embedding_width=128,
        vocabulary=30522,
        positions=512,
        token_types=2,
        classes=2,
    )
    return Workload(
        shape=shape,
        head_spans=((128, 64, 32, 32, 16, 16, 8, 8, 0, 0, 0, 0),),
        encoder_density=0.5,
        embedding_density=0.4,
        weight_format=adaptivfloat(8, 3),
        activation_format=adaptivfloat(8, 3),
        embedding_storage=CellKind.RERAM_MLC2,
        encoder_storage=storage,
    )


def groups() -> Groups:
    """45 token counts x 78 pairs of predicted and actual layer."""
    rows = [
        (tokens, predicted, actual)
        for tokens in range(6, 51)
        for predicted in range(1, _LAYERS + 1)
        for actual in range(1, predicted + 1)
    ]
    return Groups(*np.array(rows).T)


def designs(count: int) -> AcceleratorColumns:
    """A seeded sample of a product space, without repetition."""
    space = list(
        itertools.product(
            (8, 16, 32),
            (1, 2, 4),
            (32, 64, 128, 256),
            (4, 16),
            (16, 32),
            (12.0, 16.0),
            (0.5, 0.55, 0.6, 0.65),
            (0.75, 0.8, 0.9, 1.0),
            tuple(DvfsPolicy),
        )
    )
    chosen = np.random.default_rng(0).choice(len(space), size=count, replace=False)
    return AcceleratorColumns.from_knobs(
        [
            HardwareKnobs(
                mac_vector_size=n,
                processing_units=units,
                data_sram_kib=data,
                mask_sram_kib=mask,
                aux_sram_kib=aux,
                envm_mib=envm,
                min_voltage_v=low,
                max_voltage_v=high,
                dvfs_policy=policy,
            )
            for n, units, data, mask, aux, envm, low, high, policy in (space[i] for i in chosen)
        ]
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--designs", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    technology, sentences, columns = load_technology(), groups(), designs(options.designs)
    scenario = Scenario(
        task="SST-2",
        padded_tokens=None,
        deadline_ms=5.0,
        sentences_per_hour=3600,
        idle=IdleAccounting.NONE,
        temperature_k=350,
    )
    result: dict[str, float] = {"designs": len(columns), "groups": len(sentences)}
    for storage in (CellKind.SRAM, CellKind.RERAM_MLC2):
        model = workload(storage)
        wall, processor = [], []
        for _ in range(options.repeats):
            start, used = time.perf_counter(), time.process_time()
            table = cost_table(model, columns, sentences, scenario, technology)
            wall.append(time.perf_counter() - start)
            processor.append(time.process_time() - used)
        name = storage.value.replace("-", "_")
        result[f"{name}_feasible"] = int(table.feasible.sum())
        result[f"{name}_designs_per_wall_s"] = len(columns) / min(wall)
        result[f"{name}_designs_per_cpu_s"] = len(columns) / min(processor)
    if options.json:
        print(json.dumps(result))
        return
    for key, value in result.items():
        print(f"{key:36s} {value:12,.0f}")


if __name__ == "__main__":
    main()
