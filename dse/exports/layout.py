"""What lies where in an export folder, and which of it follows from the rest.

*Payload* files are made once and hashed into ``design.json``: tables, trace, model. *Descriptor*
files follow from ``design.json`` and the payload, byte for byte, so whoever has those can make them
anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dse.exports.c_header import c_header
from dse.exports.design_tables import TABLES
from dse.exports.document import DesignDocument, content_sha256, design_schema, json_bytes
from dse.exports.memory_map import (
    Region,
    map_files,
    memory_images,
    memory_map,
    stored_blobs,
)
from dse.exports.parameters import parameters_of
from dse.exports.readme import readme
from dse.exports.recomputed import ExportedDesign
from dse.exports.registers import REGISTER_FILES, system_rdl
from dse.exports.systemverilog import guards, id_register, package
from dse.exports.tables import Table
from dse.exports.zigzag_machine import zigzag_yaml
from evaluators.packed_weights import PackedWeights

TRACE_FILE: Final = "trace.npz"
WEIGHT_FILE: Final = "model/weights.safetensors"
SCALE_FILE: Final = "model/scales.json"
CONFIG_FILE: Final = "model/config.json"
MODEL_FOLDER: Final = "model"
ONNX_FILE: Final = "model/encoder.onnx"
TOKENIZER_NAMES: Final = (
    *("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer_config.json"),
)
TABLE_FILES: Final = {name: f"tables/{name}.json" for name in TABLES}
PAYLOAD_NAMES: Final = frozenset(
    {
        *(TRACE_FILE, WEIGHT_FILE, SCALE_FILE, CONFIG_FILE, ONNX_FILE),
        *(f"{MODEL_FOLDER}/{name}" for name in TOKENIZER_NAMES),
        *TABLE_FILES.values(),
        *REGISTER_FILES,
    }
)
"""Every path that a payload file may have: what ``design.json`` names is never opened unseen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What descriptor files are made of, besides ``design.json``.

    Attributes:
        tables: by name.
        weights: of the model; None for an export of the hardware alone.
        design: the design with its trace.
    """

    tables: Mapping[str, Table]
    weights: PackedWeights | None
    design: ExportedDesign


def descriptor_files(document: DesignDocument, payload: Payload) -> dict[str, bytes]:
    """Every descriptor file by path."""
    design_hash = document.design_hash
    tables = dict(payload.tables)
    parameters = parameters_of(document, tables)
    files = {
        "design.schema.json": json_bytes(
            {"$comment": f"edge-dse design {design_hash}", **design_schema()}
        ),
        "rtl/edge_dse_params_pkg.sv": package(parameters).encode("ascii"),
        "rtl/edge_dse_guards.sv": guards(parameters).encode("ascii"),
        "rtl/edge_dse_id.sv": id_register(parameters).encode("ascii"),
        "rtl/edge_dse_regs.rdl": system_rdl(parameters).encode("ascii"),
        "include/edge_dse_params.h": c_header(parameters).encode("ascii"),
        "zigzag/accelerator.yaml": zigzag_yaml(
            payload.design.workload,
            payload.design.point.hardware,
            payload.design.technology,
            design_hash,
        ),
    }
    for table in tables.values():
        files[f"tables/{table.name}.csv"] = table.csv_bytes(design_hash)
        files[f"tables/{table.name}.mem"] = table.mem_bytes(design_hash)
    images: dict[str, bytes] = {}
    regions: list[Region] = []
    if payload.weights is not None:
        blobs = stored_blobs(payload.weights, tables)
        images, regions = memory_images(blobs, payload.design.point.model, design_hash)
    files |= map_files(memory_map(document, payload.design.workload, regions))
    files |= {f"memory/{memory}.bin": image for memory, image in images.items()}
    files["README.md"] = readme(document, tables, sorted([*files, *document.files])).encode()
    return files


def scale_file(plain: Mapping[str, Any], design_hash: str) -> bytes:
    """``scales.json`` under a design hash."""
    return json_bytes({"design_hash": design_hash, **plain})


def scale_content(content: bytes) -> dict[str, Any]:
    """What ``scales.json`` says, without the design hash.

    Raises:
        ValueError: it is not a JSON object.
    """
    plain = json.loads(content)
    if not isinstance(plain, dict):
        raise ValueError(f"{type(plain).__name__}, expected an object")
    return {name: value for name, value in plain.items() if name != "design_hash"}


def scale_hash(plain: Mapping[str, Any]) -> str:
    """SHA-256 of what ``scales.json`` says."""
    return content_sha256(dict(plain))
