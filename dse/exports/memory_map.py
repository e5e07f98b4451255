"""Where everything lies: buffers of the chip, and the images of its weight memories.

There is an image for each kind of cell that holds weights or tables. It begins with 16 bytes (the
letters EDSE, the version 1 as 32 bits, the design hash as 64 bits, least byte first); what is
stored follows in the order of names, each from a multiple of 8 bytes on, gaps being 0. Bits go into
cells as `evaluators.faults.images` says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from dse.exports.document import DesignDocument, json_bytes
from dse.exports.errors import ExportError
from dse.exports.tables import Table
from evaluators.faults.storage import part_of
from evaluators.packed_weights import PackedWeights
from hw_cost import Workload
from search_space import KNOB_DEFAULTS, ModelKnobs, hardware_knobs

_MAGIC: Final = b"EDSE" + (1).to_bytes(4, "little")
HEADER_BYTES: Final = 16
ALIGNMENT_BYTES: Final = 8
_KIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Region:
    """A piece of an image.

    Attributes:
        memory: kind of cell.
        name: of the tensor or table, with what it is behind it (``.codes``, ``.mask``, ...).
        offset_bytes: from the beginning of the image.
        size_bytes: of the content.
    """

    memory: str
    name: str
    offset_bytes: int
    size_bytes: int


def memory_of(blob: str, knobs: ModelKnobs) -> str:
    """Kind of cell that a piece of the weights, or a table, lies in."""
    if blob.startswith("tables."):
        return knobs.table_storage.value
    cells = {
        "embedding": knobs.embedding_storage,
        "encoder": knobs.encoder_storage,
        "exit": knobs.cell_of_exits,
    }
    return cells[part_of(blob)].value


def stored_blobs(weights: PackedWeights, tables: Mapping[str, Table]) -> dict[str, bytes]:
    """Everything that is stored, by name: weights, then a row after another of each table."""
    blobs = weights.blobs()
    for table in tables.values():
        size = -(-table.row_bits // 8)
        rows = (int(word, 16) for word in table.packed_rows())
        blobs[f"tables.{table.name}"] = b"".join(row.to_bytes(size, "little") for row in rows)
    return blobs


def memory_images(
    blobs: Mapping[str, bytes], knobs: ModelKnobs, design_hash: str
) -> tuple[dict[str, bytes], list[Region]]:
    """The image of each kind of cell, by its name, and where everything lies in them."""
    images: dict[str, bytearray] = {}
    regions = []
    for name in sorted(blobs):
        memory = memory_of(name, knobs)
        image = images.setdefault(memory, bytearray(_header(design_hash)))
        image += bytes(-len(image) % ALIGNMENT_BYTES)
        regions.append(Region(memory, name, len(image), len(blobs[name])))
        image += blobs[name]
    return {memory: bytes(images[memory]) for memory in sorted(images)}, regions


def _header(design_hash: str) -> bytes:
    return _MAGIC + int(design_hash, 16).to_bytes(8, "little")


def blobs_of_images(images: Mapping[str, bytes], regions: list[Region]) -> dict[str, bytes]:
    """Everything that is stored, read from the images.

    Raises:
        ExportError: an image has no header, or a region lies beyond its image.
    """
    for memory, image in images.items():
        if image[: len(_MAGIC)] != _MAGIC:
            raise ExportError(f"Image of {memory}: no header; expected that of edge-dse.")
    blobs = {}
    for region in regions:
        end = region.offset_bytes + region.size_bytes
        image = images.get(region.memory, b"")
        if not HEADER_BYTES <= region.offset_bytes <= end <= len(image):
            raise ExportError(
                f"Region {region.name}: bytes {region.offset_bytes} to {end} of an image of "
                f"{len(image)}; the memory map is of another design."
            )
        blobs[region.name] = image[region.offset_bytes : end]
    return blobs


def memory_map(
    document: DesignDocument, workload: Workload, regions: list[Region]
) -> dict[str, Any]:
    """The memory map as JSON values: buffers, classes of tensors, regions of the images.

    Bits of a class are those that the cost model counts, which gives vectors the width of a weight;
    in the images they have 16 bits or 32.
    """
    hardware = hardware_knobs({**KNOB_DEFAULTS, **document.knobs})
    bits, cells = workload.stored_bits(), workload.cells
    buffers = [
        {"name": name, "count": count, "size_bytes": size}
        for name, count, size in (
            ("data", 2 * hardware.processing_units, hardware.data_sram_kib * _KIB),
            ("mask", 2 * hardware.processing_units, hardware.mask_sram_kib * _KIB),
            ("aux", hardware.processing_units, hardware.aux_sram_kib * _KIB),
            ("weight", 1, hardware.weight_sram_kib * _KIB),
            ("envm", 1, round(hardware.envm_mib * _KIB * _KIB)),
        )
    ]
    classes = [
        {"name": name, "memory": cell.value, "size_bits": math.ceil(getattr(bits, name))}
        for name, cell in zip(("embeddings", "encoder", "exits"), cells, strict=True)
    ]
    return {
        "design_hash": document.design_hash,
        "buffers": buffers,
        "classes": classes,
        "regions": [asdict(region) for region in regions],
    }


def map_files(plain: Mapping[str, Any]) -> dict[str, bytes]:
    """The map as JSON, and its regions as CSV."""
    head = ("memory", "name", "offset_bytes", "size_bytes")
    lines = [f"# edge-dse design {plain['design_hash']}", ",".join(head)]
    lines += [",".join(str(region[key]) for key in head) for region in plain["regions"]]
    return {
        "memory/memory_map.json": json_bytes(plain),
        "memory/memory_map.csv": ("\n".join(lines) + "\n").encode("ascii"),
    }


def regions_of(plain: Mapping[str, Any]) -> list[Region]:
    """The regions of a memory map."""
    return [Region(**region) for region in plain["regions"]]
