"""Exports: the chosen design as ``design.json`` and as a SystemVerilog parameter package."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from dse.errors import RunFolderError
from search_space import (
    KNOB_DEFAULTS,
    WITH_ENCODER,
    CellKind,
    Compaction,
    DramKind,
    DvfsPolicy,
    ExitPolicy,
    PruningScope,
    SpecialFunctions,
    ZeroGating,
    parse_number_format,
)
from studies.records import Front, FrontDesign
from studies.whole_files import UnwritableError, write_whole

_CODES: Final = {
    "exit_policy": [policy.value for policy in ExitPolicy],
    "dvfs_policy": [policy.value for policy in DvfsPolicy],
    "embedding_storage": [cell.value for cell in CellKind],
    "encoder_storage": [cell.value for cell in CellKind],
    "exit_storage": [*(cell.value for cell in CellKind), WITH_ENCODER],
    "table_storage": [cell.value for cell in CellKind],
    "dram": [kind.value for kind in DramKind],
    "zero_gating": [kind.value for kind in ZeroGating],
    "compaction": [kind.value for kind in Compaction],
    "special_functions": [kind.value for kind in SpecialFunctions],
    "pruning_scope": [scope.value for scope in PruningScope],
}


def export_design(front: Front, design: FrontDesign, reason: str, folder: Path) -> list[Path]:
    """Write a design's export folder; the files written.

    Raises:
        RunFolderError: the folder exists and is not empty.
        UnwritableError: it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunFolderError(f"{folder}: exists already and is not empty; choose another --out.")
    document: dict[str, Any] = {
        "format": 1,
        "study": front.title,
        "selected": reason,
        "selected_from": len(front.designs),
        "scenario": front.scenario,
        "knobs": design.knobs,
        "metrics": {name: figure.model_dump() for name, figure in design.metrics.items()},
        "report_accuracy": design.report_accuracy.model_dump(),
        "membership": design.membership,
        "accuracy_low": design.accuracy_low,
        "report_metrics": {n: figure.model_dump() for n, figure in design.report_metrics.items()},
        "breakdown": design.breakdown.model_dump(),
        "provenance": front.provenance,
    }
    document["design_hash"] = design_hash(document)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / "design.json", folder / "edge_dse_params_pkg.sv"]
        text = json.dumps(document, indent=2, sort_keys=True, allow_nan=False)
    except OSError as error:
        raise UnwritableError(f"{folder}: cannot be written ({error}).") from error
    write_whole(files[0], (text + "\n").encode())
    write_whole(files[1], parameter_package(document).encode())
    return files


def design_hash(document: dict[str, Any]) -> str:
    """SHA-256 of scenario and knobs in canonical JSON, first 16 hexadecimal digits."""
    content = {"scenario": document["scenario"], "knobs": document["knobs"]}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def parameter_package(document: dict[str, Any]) -> str:
    """SystemVerilog package of the design's parameters.

    Voltages are in millivolts, the entropy threshold in units of 2**-10 nat (Q6.10, the fixed point
    of the EdgeBERT accelerator), thresholds that are shares in units of 2**-16, times in
    nanoseconds; enumerations are codes with their names beside them. An exit policy looks at its
    own threshold only.
    """
    knobs = {**KNOB_DEFAULTS, **document["knobs"]}
    weights = parse_number_format(knobs["weight_format"])
    activations = parse_number_format(knobs["activation_format"])
    lines: list[tuple[str, int, str]] = [
        ("MAC_VECTOR_SIZE", knobs["mac_vector_size"], "n of an n x n MAC unit"),
        ("PROCESSING_UNITS", knobs["processing_units"], "units"),
        ("DATA_SRAM_BYTES", knobs["data_sram_kib"] * 1024, "one data buffer of one unit"),
        ("MASK_SRAM_BYTES", knobs["mask_sram_kib"] * 1024, "one bitmask buffer of one unit"),
        ("AUX_SRAM_BYTES", knobs["aux_sram_kib"] * 1024, "auxiliary buffer of one unit"),
        ("ENVM_BYTES", round(knobs["envm_mib"] * 1024 * 1024), "useful capacity"),
        ("WEIGHT_SRAM_BYTES", knobs["weight_sram_kib"] * 1024, "0: as large as what it holds"),
        ("ACCUMULATOR_BITS", knobs["accumulator_bits"], "partial sums"),
        ("DVFS_LEVELS", knobs["dvfs_levels"], "entries of the supply table"),
        ("MIN_VOLTAGE_MV", round(knobs["min_voltage_v"] * 1000), "mV"),
        ("MAX_VOLTAGE_MV", round(knobs["max_voltage_v"] * 1000), "mV"),
        ("DEADLINE_NS", round(document["scenario"]["deadline_ms"] * 1e6), "ns"),
        ("ENTROPY_THRESHOLD_Q10", round(knobs["entropy_threshold"] * 1024), "nats, Q6.10"),
        (
            "NORMALISED_ENTROPY_THRESHOLD_Q16",
            round(knobs["normalised_entropy_threshold"] * 65536),
            "units of 2**-16 of ln(classes)",
        ),
        (
            "CONFIDENCE_THRESHOLD_Q16",
            round(knobs["confidence_threshold"] * 65536),
            "probability, units of 2**-16",
        ),
        ("PATIENCE", knobs["patience"], "exits in a row that agree with the one before"),
        (
            "PATIENCE_TOLERANCE_Q10",
            round(knobs["patience_tolerance"] * 1024),
            "label units, Q6.10; regressions only",
        ),
        ("WEIGHT_BITS", weights.bits, str(weights)),
        ("WEIGHT_EXPONENT_BITS", weights.exponent_bits, ""),
        ("ACTIVATION_BITS", activations.bits, str(activations)),
        ("ACTIVATION_EXPONENT_BITS", activations.exponent_bits, ""),
        ("SPAN_BUDGET_TOKENS", knobs["span_budget_tokens"], "mean over heads"),
    ]
    lines += [
        (name.upper(), codes.index(knobs[name]), ", ".join(f"{i} {c}" for i, c in enumerate(codes)))
        for name, codes in _CODES.items()
    ]
    body = "\n".join(
        f"  localparam int unsigned {name} = {value};" + (f"  // {note}" if note else "")
        for name, value, note in lines
    )
    return (
        "// Parameters of one design chosen by edge-dse; design.json beside it has the rest.\n"
        "`ifndef EDGE_DSE_PARAMS_PKG_SV\n`define EDGE_DSE_PARAMS_PKG_SV\n"
        "package edge_dse_params_pkg;\n"
        f"  localparam logic [63:0] DESIGN_HASH = 64'h{document['design_hash']};\n"
        f"{body}\n"
        "endpackage\n`endif\n"
    )
