"""Reports of three named accelerators, read by a reviewer when they change.

``make golden`` writes them anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from hw_cost import (
    AcceleratorColumns,
    EncoderShape,
    Groups,
    Workload,
    breakdown,
    cost_table,
    explained_gemms,
    load_technology,
    power_on_costs,
    update_costs,
)
from search_space import (
    CellKind,
    Compaction,
    DramKind,
    DvfsPolicy,
    HardwareKnobs,
    IdleAccounting,
    PowerMode,
    Scenario,
    ZeroGating,
    adaptivfloat,
    posit,
)

FOLDER: Final = Path(__file__).parent / "golden"


def encoder(*, layers: int, distinct: int, hidden: int, embedding: int) -> EncoderShape:
    """An encoder with 12 heads, a feed-forward width of four times the hidden one and exits."""
    return EncoderShape(
        layers=layers,
        distinct_layers=distinct,
        hidden=hidden,
        heads=12,
        ffn=4 * hidden,
        embedding_width=embedding,
        vocabulary=30522,
        positions=512,
        token_types=2,
        classes=2,
    )


@dataclass(frozen=True, kw_only=True)
class Named:
    """One accelerator, what it runs, and how it is used.

    Attributes:
        about: in words.
        workload: the encoder.
        hardware: the chip.
        groups: (tokens, predicted layer, actual layer) of the sentences, equally frequent.
        scenario: deadline and what stays powered.
        presets: eNVM, logic and node.
    """

    about: str
    workload: Workload
    hardware: HardwareKnobs
    groups: tuple[tuple[int, int, int], ...]
    scenario: Scenario
    presets: tuple[str, str, int] = ("optimistic", "default", 12)


def scenario(deadline_ms: float, mode: PowerMode, idle: IdleAccounting) -> Scenario:
    """A scenario on SST-2."""
    return Scenario(
        task="SST-2",
        padded_tokens=None,
        deadline_ms=deadline_ms,
        sentences_per_hour=3600.0,
        idle=idle,
        temperature_k=350.0,
        power_mode=mode,
    )


ACCELERATORS: Final = {
    "edgebert-class": Named(
        about="ALBERT-base at 128 tokens on one 16 x 16 unit; all weights in MLC2 ReRAM",
        workload=Workload(
            shape=encoder(layers=12, distinct=1, hidden=768, embedding=128),
            head_spans=((128,) * 5 + (0,) * 7,),
            encoder_density=0.5,
            embedding_density=0.4,
            weight_format=adaptivfloat(8, 3),
            activation_format=adaptivfloat(8, 3),
            embedding_storage=CellKind.RERAM_MLC2,
            encoder_storage=CellKind.RERAM_MLC2,
        ),
        hardware=HardwareKnobs(
            mac_vector_size=16,
            processing_units=1,
            data_sram_kib=128,
            mask_sram_kib=16,
            aux_sram_kib=32,
            envm_mib=12.0,
            min_voltage_v=0.5,
            max_voltage_v=0.8,
            dvfs_policy=DvfsPolicy.LOWEST_FEASIBLE,
        ),
        groups=((128, 12, 12), (128, 6, 4), (128, 1, 1)),
        scenario=scenario(50.0, PowerMode.RETAINED, IdleAccounting.LEAKAGE),
    ),
    "wearable": Named(
        about="A 12-layer shared encoder of width 384 on one 8 x 8 unit, off between sentences",
        workload=Workload(
            shape=encoder(layers=12, distinct=1, hidden=384, embedding=128),
            head_spans=((64, 64, 32, 32, 16, 16, 8, 8, 0, 0, 0, 0),),
            encoder_density=0.5,
            embedding_density=0.4,
            weight_format=adaptivfloat(5, 3),
            activation_format=adaptivfloat(8, 3),
            embedding_storage=CellKind.FEFET,
            encoder_storage=CellKind.STT_MRAM,
            exit_storage=CellKind.FEFET,
            table_storage=CellKind.FEFET,
        ),
        hardware=HardwareKnobs(
            mac_vector_size=8,
            processing_units=1,
            data_sram_kib=26,
            mask_sram_kib=4,
            aux_sram_kib=8,
            envm_mib=4.0,
            min_voltage_v=0.5,
            max_voltage_v=0.7,
            dvfs_policy=DvfsPolicy.MIN_ENERGY,
            zero_gating=ZeroGating.LANE,
            compaction=Compaction.WEIGHTS,
        ),
        groups=((25, 8, 6), (12, 3, 3), (50, 12, 12)),
        scenario=scenario(20.0, PowerMode.OFF, IdleAccounting.NONE),
        presets=("conservative", "lp", 12),
    ),
    "dram-server": Named(
        about="BERT of six own layers in posit<8,1> on four 32 x 32 units beside LPDDR4X, at 16 nm",
        workload=Workload(
            shape=encoder(layers=6, distinct=6, hidden=384, embedding=384),
            head_spans=((128,) * 12,) * 6,
            encoder_density=1.0,
            embedding_density=1.0,
            weight_format=posit(8, 1),
            activation_format=posit(8, 1),
            embedding_storage=CellKind.DRAM,
            encoder_storage=CellKind.SRAM,
        ),
        hardware=HardwareKnobs(
            mac_vector_size=32,
            processing_units=4,
            data_sram_kib=34,
            mask_sram_kib=4,
            aux_sram_kib=16,
            envm_mib=0.0,
            min_voltage_v=0.6,
            max_voltage_v=0.8,
            dvfs_policy=DvfsPolicy.FIXED,
            dram=DramKind.LPDDR4X,
            weight_sram_kib=4096,
            zero_gating=ZeroGating.VECTOR,
            accumulator_bits=40,
        ),
        groups=((128, 6, 6), (128, 3, 2)),
        scenario=scenario(5.0, PowerMode.ALWAYS_ON, IdleAccounting.NONE),
        presets=("optimistic", "default", 16),
    ),
}


def parts_text(title: str, parts: dict[str, float], unit: str, scale: float) -> list[str]:
    """A table of parts with the share of each."""
    total = sum(parts.values())
    lines = [f"{title}: {total * scale:.4g} {unit}"]
    lines += [
        f"  {name:20} {value * scale:12.4g} {unit:4} {value / total:8.1%}"
        for name, value in sorted(parts.items(), key=lambda item: -item[1])
        if value
    ]
    return lines


def report(name: str) -> str:
    """The report of one of `ACCELERATORS`."""
    named = ACCELERATORS[name]
    envm, logic, node_nm = named.presets
    t = load_technology(envm=envm, logic=logic, node_nm=node_nm)
    columns = AcceleratorColumns.from_knobs([named.hardware])
    groups = Groups(*np.array(named.groups, dtype=np.int64).T)
    shares = np.full(len(groups), 1 / len(groups))
    table = cost_table(named.workload, columns, groups, named.scenario, t)
    parts = breakdown(named.workload, columns, groups, shares, named.scenario, t)
    lines = [f"{name}: {named.about}", f"presets: eNVM {envm}, logic {logic}, {node_nm} nm", ""]
    if (reason := table.reason(0)) is not None:
        return "\n".join([*lines, f"infeasible: {reason}", ""])
    for index, (tokens, predicted, actual) in enumerate(named.groups):
        lines.append(
            f"{tokens} tokens, predicted {predicted}, left after {actual}: "
            f"{table.energy_pj[0, index] / 1e6:.4g} uJ, {table.latency_ns[0, index] / 1e6:.4g} ms, "
            f"{table.voltage_v[0, index]:.3f} V" + (", missed" if table.missed[0, index] else "")
        )
    update = update_costs(named.workload, columns, t)
    power_on = power_on_costs(named.workload, columns, t)
    lines += [
        f"storage {table.storage_bits[0] / 8 / 1024**2:.4g} MiB, "
        f"standby {table.standby_power_mw[0]:.4g} mW, wake-up {table.wake_ns[0] / 1e3:.4g} us and "
        f"{table.wake_pj[0] / 1e3:.4g} nJ",
        f"update {update.time_ns[0] / 1e6:.4g} ms, {update.energy_pj[0] / 1e6:.4g} uJ, "
        f"{update.endurance_updates[0]:.4g} times; power-on {power_on.time_ns[0] / 1e6:.4g} ms, "
        f"{power_on.energy_pj[0] / 1e6:.4g} uJ",
        "",
        *parts_text("energy", {k: v[0] for k, v in parts.energy_pj.items()}, "uJ", 1e-6),
        "",
        *parts_text("latency", {k: v[0] for k, v in parts.latency_ns.items()}, "ms", 1e-6),
        "",
        *parts_text("area", {k: v[0] for k, v in parts.area_mm2.items()}, "mm2", 1.0),
        "",
    ]
    tokens = max(row[0] for row in named.groups)
    lines.append(f"GEMMs at {tokens} tokens and the highest supply:")
    for gemm in explained_gemms(named.workload, columns, tokens, named.scenario, t):
        size = "" if gemm.rows is None else f"{gemm.rows}x{gemm.depth}x{gemm.columns}x{gemm.count}"
        mapping = (
            ""
            if gemm.order is None
            else f"{gemm.order} m {gemm.tile_rows} k {gemm.tile_depth} reads {gemm.weight_reads}"
            + (f" {gemm.shared} shared" if gemm.shared else "")
            + (" through DRAM" if gemm.through_dram else "")
        )
        used = "" if gemm.utilisation is None else f"{gemm.utilisation:.1%}"
        lines.append(
            f"  {gemm.step:12} {gemm.name:17} {size:16} {gemm.time_ns / 1e3:10.4g} us "
            f"{used:>7} {gemm.bound:18} {gemm.energy_pj / 1e3:10.4g} nJ  {mapping}".rstrip()
        )
    return "\n".join([*lines, ""])


def main() -> None:
    """Write all reports."""
    FOLDER.mkdir(exist_ok=True)
    for name in ACCELERATORS:
        (FOLDER / f"{name}.txt").write_text(report(name), encoding="utf-8")


if __name__ == "__main__":
    main()
