"""``README.md`` of an export: what the design is, how it was made, what to do with the folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dse.exports.document import DesignDocument
from dse.exports.examples import example_words
from dse.exports.tables import Table
from dse.exports.text import in_markdown
from search_space import KNOB_DEFAULTS
from studies.metrics import METRICS, metric_of
from studies.records import Figure

_FILES: Final = {
    "design.json": "everything that is said of the design; the other files follow from it and from "
    "the payload that it lists by SHA-256",
    "design.schema.json": "JSON Schema of `design.json`",
    "rtl/edge_dse_params_pkg.sv": "SystemVerilog package: typed parameters, enumerations, tables",
    "rtl/edge_dse_guards.sv": "module that does not elaborate if parameters do not fit together",
    "rtl/edge_dse_id.sv": "read-only register with the design hash",
    "rtl/edge_dse_regs.rdl": "register map in SystemRDL 2.0",
    "rtl/edge_dse_regs.sv": "registers behind an APB4 port, by PeakRDL",
    "rtl/edge_dse_regs_pkg.sv": "their package",
    "rtl/edge_dse_regs.xml": "the register map in IP-XACT",
    "include/edge_dse_regs.h": "the register map in C",
    "include/edge_dse_params.h": "the parameters in C",
    "memory/memory_map.json": "buffers, and where every tensor lies in the images",
    "memory/memory_map.csv": "the same regions as CSV",
    "model/weights.safetensors": "weights: bitmasks, packed codes, scales",
    "model/scales.json": "scales of activations, and spans",
    "model/config.json": "sizes of the encoder",
    "model/encoder.onnx": "the encoder with its exits, rounding included, for onnxruntime",
    "trace.npz": "logits of every exit for every sentence that the figures rest on; no sentence",
    "zigzag/accelerator.yaml": "the same machine for ZigZag",
}


def readme(document: DesignDocument, tables: Mapping[str, Table], files: Sequence[str]) -> str:
    """The page, in Markdown; every word of the user's is shown as it is and marks up nothing."""
    task = document.scenario.get("task")
    lines = [
        f"# Design {document.design_hash}",
        "",
        f"Chosen from the {document.selected_from} designs on the front of the study "
        f"“{in_markdown(document.study)}”: {in_markdown(document.selected)}.",
        "",
        "```sh",
        "dse verify .                                  # is every file, and every figure, as said?",
    ]
    if document.model is not None:
        words = [f'"{word}"' if " " in word else word for word in example_words(str(task))]
        command = " ".join(["dse predict .", *words])
        lines.append(f"{command:<44}  # an answer, and what it costs")
    lines += ["```", "", "## Figures", "", "| figure | value | ± | constants, 5 to 95 % |"]
    lines.append("|---|---|---|---|")
    for name in (name for name in METRICS if name in document.metrics):
        metric, figure = metric_of(name, task), document.metrics[name]
        lines.append(_row(metric.title, metric.unit, metric.scale, figure, document, name))
    accuracy = metric_of("accuracy", task)
    title = f"{accuracy.title} on the dev set"
    lines.append(_row(title, accuracy.unit, accuracy.scale, document.report_accuracy, document, ""))
    lines += [
        "",
        "± is one standard error over sentences. The last column is where 5 to 95 % of the figures "
        "lie that samples of the cost model's constants give; the range of a constant need not lie "
        "around the value that is taken, so a figure may stand outside.",
        *("", "## Knobs", "", "| knob | value |"),
    ]
    lines.append("|---|---|")
    knobs = {**KNOB_DEFAULTS, **document.knobs}
    lines += [f"| {name} | {in_markdown(str(value))} |" for name, value in sorted(knobs.items())]
    lines += ["", "## Tables", "", "| table | rows | column | words | largest error |"]
    lines.append("|---|---|---|---|---|")
    for table in tables.values():
        lines += [
            f"| `{table.name}` | {len(table.rows)} | {column.name} | {column.fixed_point} "
            f"| {column.error:.3g} |"
            for column in table.columns
        ]
    lines += ["", "## Files", ""]
    lines += [f"* `{name}`: {_about(name)}" for name in ["design.json", *files]]
    if document.model is None:
        lines += ["", f"There is no model: {in_markdown(document.no_model)}."]
    lines += ["", "## How it was made", ""]
    lines += [
        f"* {in_markdown(name)}: {in_markdown(_plain(value))}"
        for name, value in sorted(document.provenance.items())
    ]
    return "\n".join([*lines, ""])


def _row(
    title: str, unit: str, scale: float, figure: Figure, document: DesignDocument, name: str
) -> str:
    se = "" if figure.se is None else f"{figure.se * scale:.3g}"
    between = document.uncertainty.get(name)
    shown = "" if between is None else f"{between.low * scale:.4g} to {between.high * scale:.4g}"
    return f"| {title} | {figure.value * scale:.5g} {unit} | {se} | {shown} |"


def _plain(value: Any) -> str:
    """A value of the provenance as text, the same whatever order its parts are in."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _about(name: str) -> str:
    if name in _FILES:
        return _FILES[name]
    if name.startswith("tables/"):
        kind = {"json": "JSON", "csv": "CSV", "mem": "for $readmemh"}[name.rpartition(".")[2]]
        return f"table, {kind}"
    if name.startswith("memory/"):
        return "image of the cells of that kind, 16 bytes of header first"
    return "tokenizer"
