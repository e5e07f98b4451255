"""Memories: SRAM against CACTI, eNVM cells against NVSim arrays and published macros."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Final

import numpy as np

from hw_cost import AcceleratorColumns, Technology, cost_table, load_technology
from hw_cost.envm_arrays import envm_arrays
from hw_cost.memory import (
    sram_area_mm2,
    sram_leakage_mw,
    sram_read_energy_pj,
    sram_write_energy_pj,
)
from hw_cost.units import Floats
from search_space import CellKind
from studies.validation.accelerator import edgebert_knobs, scenario, whole_inference
from studies.validation.encoders import ALBERT_BASE, albert_workload, embedding_megabytes
from studies.validation.published import ArrayFigure, array_figures, published
from studies.validation.rows import Row, Section

LEAST_FITTED_KIB: Final = 8
"""Capacity from which on the laws were fitted."""

TOLERANCE: Final = 0.15
_KIB_PER_MBIT: Final = 128
_SMALL: Final = "Below 8 KiB the law is extrapolated: it was fitted from there on."
_LEAKAGE: Final = (
    "Sources differ fifty times: low-standby-power cells (CACTI) against low-operating-power "
    "periphery (NVSim); the constant is a judgement between the two."
)
_ACCESS: Final = (
    "The model has no access time: every buffer gives a word each cycle, although CACTI's 256 KiB "
    "and more would need banks for that at 1 GHz."
)
_REASONS: Final = {
    "": "",
    "law": (
        "The power law through arrays of three sizes is up to 16 % off in time and 17 % in leakage "
        "at the very arrays, most at 2 MiB."
    ),
    "tutorial": (
        "The tutorial's arrays leak less than those behind the law, of the same cell and "
        "periphery: why is not known."
    ),
    "target": (
        "The array was designed for read energy; the preset takes those with the best product of "
        "read energy and time."
    ),
    "pulse": "A cell with a SET pulse of 5 ns; the preset's cell takes 10 ns.",
    "macro-over-array": (
        "The conservative preset is the array times six, what published ReRAM macros exceed arrays "
        "by."
    ),
    "spread": (
        "Published macros differ by more than ten times; the preset takes one of them or the "
        "median."
    ),
}
_OF_AN_ARRAY: Final = {
    "area_mm2_per_mib": "area_mm2",
    "read_energy_pj_per_bit": "read_pj_per_bit",
    "read_ns": "read_ns",
    "write_energy_pj_per_bit": "write_pj_per_bit",
    "write_ns": "write_ns",
    "leakage_mw_per_mib": "leakage_mw",
}
_SERIES: Final = {
    "nvsim": "ReRAM arrays of NVSim behind the optimistic preset",
    "nvmexplorer": "Arrays of NVMExplorer, 1 and 2 MiB",
    "macro": "Published macros behind the conservative preset",
}


def _bound(percent: float) -> float:
    """A printed largest error as a tolerance: half a per cent more, since it is rounded."""
    return (percent + 0.5) / 100


def _law_bound(constant: str) -> float:
    """Tolerance of NVSim's rows: the printed largest error of the SLC law, where there is one."""
    errors = published("envm.fit_error").values
    return _bound(errors[constant]) if constant in errors else TOLERANCE


def _access_rows(
    kind: str, energy_pj: Callable[[float, float, Technology], Floats]
) -> tuple[Row, ...]:
    """Reads or writes of every capacity and width, and the errors of the fit over them."""
    t, node_factor = load_technology(), published("sram.node_factor").value
    fit = published("sram.fit_error")
    rows = []
    for width in (64, 128, 256):
        figures = published(f"sram.{kind}_{width}")
        for label in figures.values:
            small = int(label) < LEAST_FITTED_KIB
            rows.append(
                figures.row(
                    f"SRAM {kind}, {label} KiB, {width} bit",
                    float(energy_pj(int(label), width, t)) / node_factor,
                    label=label,
                    tolerance=_bound(fit.values[f"{kind}_largest"]),
                    fitted=() if small else (f"sram_{kind}_energy_scale_pj",),
                    reason=_SMALL if small else "",
                    series=f"SRAM {kind}s, {'1 and 4 KiB' if small else '8 KiB to 4 MiB'}",
                )
            )
    errors = [abs(row.relative_error or 0.0) for row in rows if row.fitted]
    for what, error in (("mean", sum(errors) / len(errors)), ("largest", max(errors))):
        rows.append(
            fit.row(
                f"SRAM {kind}s, {what} error of the law over {len(errors)} accesses",
                100 * error,
                label=f"{kind}_{what}",
                tolerance=TOLERANCE,
            )
        )
    return tuple(rows)


def _area_rows() -> tuple[Row, ...]:
    t, figures = load_technology(), published("sram.area_128")
    bound = _bound(published("sram.fit_error").values["area_largest"])
    rows = []
    for label in figures.values:
        small = int(label) < LEAST_FITTED_KIB
        rows.append(
            figures.row(
                f"SRAM area, {label} KiB, 128 bit",
                float(sram_area_mm2(int(label), 128, t)),
                label=label,
                tolerance=bound,
                fitted=() if small else ("sram_area_scale_mm2",),
                reason=_SMALL if small else "",
                series=f"SRAM areas, {'1 and 4 KiB' if small else '8 KiB to 4 MiB'}",
            )
        )
    return tuple(rows)


def _leakage_rows() -> tuple[Row, ...]:
    per_mbit = float(sram_leakage_mw(_KIB_PER_MBIT, load_technology()))
    figures = published("sram.leakage")
    return (
        *(
            figures.row(
                f"SRAM leakage, {label} KiB, low standby power",
                per_mbit,
                label=label,
                tolerance=TOLERANCE,
                reason=_LEAKAGE,
            )
            for label in figures.values
        ),
        published("sram.leakage_nvsim").row(
            "SRAM leakage, 2 MiB, low operating power",
            per_mbit,
            tolerance=TOLERANCE,
            reason=_LEAKAGE,
        ),
    )


def sram_section() -> Section:
    """SRAM against CACTI."""
    return Section(
        title="SRAM",
        text=(
            "CACTI 7 at 22 nm. The model's energies are for 12 nm, 0.63 times the fit to these "
            "runs, so they are divided by 0.63 here; area has no factor. Two-variable power laws "
            "through CACTI's discrete organisations: agreement means within the largest error of "
            "the fit, 40 % for reads, 23 % for writes and 18 % for area."
        ),
        rows=(
            *_access_rows("read", sram_read_energy_pj),
            *_access_rows("write", sram_write_energy_pj),
            *_area_rows(),
            *_leakage_rows(),
            published("sram.access_128").row(
                "SRAM access time, 256 KiB, 128 bit",
                None,
                label="256",
                tolerance=TOLERANCE,
                reason=_ACCESS,
            ),
        ),
    )


@cache
def _preset(envm: str) -> Technology:
    return load_technology(envm=envm)


def array_row(figure: ArrayFigure) -> Row:
    """A figure of an array or macro against the model's array of that capacity; writes by pulse."""
    technology, kind = _preset(figure.preset), CellKind(figure.cell)
    arrays = envm_arrays(kind, np.array([figure.mib]), technology)
    ours = float(getattr(arrays, _OF_AN_ARRAY[figure.constant])[0]) * figure.amount
    if figure.constant.startswith("write"):
        ours /= technology.envm[kind].write_pulses
    series, tolerance = "macro", TOLERANCE
    if figure.preset == "optimistic":
        series = "nvmexplorer"
        if "NVSim run" in figure.source:
            series, tolerance = "nvsim", _law_bound(figure.constant)
    name = f"envm.{figure.cell}.{figure.preset}.{figure.constant}"
    return Row(
        name=figure.name,
        published=figure.value,
        unit=figure.unit,
        ours=ours,
        source=figure.source,
        mark=figure.mark,
        tolerance=tolerance,
        fitted=(name,) if figure.fitted else (),
        reason=_REASONS[figure.reason],
        series=_SERIES[series],
    )


def embedding_rows() -> tuple[Row, ...]:
    """What 2 MiB of eNVM hold of ALBERT-base's embeddings."""
    groups, _ = whole_inference(ALBERT_BASE.layers)
    columns = AcceleratorColumns.from_knobs([replace(edgebert_knobs(), envm_mib=2.0)])
    rows = [
        published("edgebert.sparse_embeddings").row(
            "60 %-sparse embeddings with bitmask",
            embedding_megabytes(sparse=True),
            tolerance=TOLERANCE,
            note="with position and type embeddings, which the published figure leaves out",
        )
    ]
    for sparse, name in ((True, "60 %-sparse with bitmask"), (False, "dense")):
        workload = albert_workload(sparse=sparse, encoder_storage=CellKind.SRAM)
        table = cost_table(workload, columns, groups, scenario(), load_technology())
        rows.append(
            published(f"edgebert.{'sparse' if sparse else 'dense'}_fits").row(
                f"2 MiB of eNVM hold the embeddings, {name}",
                float(table.feasible[0]),
                tolerance=0,
            )
        )
    return tuple(rows)


def envm_section() -> Section:
    """EnVM arrays, macros, and what they hold."""
    return Section(
        title="eNVM",
        text=(
            "Cells of both presets against the arrays and macros that they were taken from, and "
            "against others, at the capacity of each. NVSim's ReRAM arrays were fitted by power "
            "laws of the capacity, one for each figure and cell: agreement means within the "
            "largest errors printed with the SLC laws, 1 % for read energy, 2 % for area, 16 % for "
            "read time and 17 % for leakage, and within 15 % for writes, whose single pulse is "
            "compared. A constant that is the figure itself is named as fitted: such a row only "
            "says that it was copied right."
        ),
        rows=(*embedding_rows(), *(array_row(figure) for figure in array_figures())),
    )
