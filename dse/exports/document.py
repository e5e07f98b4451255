"""``design.json``: everything that is said of an exported design, and the hash that names it.

The design hash is the first 16 hexadecimal digits of the SHA-256 of what makes the design: knobs,
scenario, cost model, encoder, and the content of its tables and of its model. Figures, provenance
and the hashes of files are no part of it; `DesignDocument.document_sha256` covers them too, so that
no byte of ``design.json`` changes unseen.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from dse.exports.errors import ExportError
from hw_cost import EncoderShape
from search_space import KnobValue, design_point
from studies.records import Breakdown, Figure

DESIGN_FILE: Final = "design.json"
EXPORT_FORMAT: Final = 2
_LARGEST: Final = 16 * 1024 * 1024
"""Bytes of a ``design.json`` that is read at all."""

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Interval(_Part):
    """Where 5 to 95 % of the samples of the cost model's constants lie."""

    low: float
    high: float


class Encoder(_Part):
    """The encoder as the model knobs leave it.

    Attributes:
        shape: as in `hw_cost.EncoderShape`.
        head_spans: (distinct layers of heads) attention spans, tokens; 0 is off.
        encoder_density: share of encoder weights that are not zero.
        embedding_density: share of embedding weights that are not zero.
    """

    shape: dict[str, int]
    head_spans: list[list[int]]
    encoder_density: float
    embedding_density: float


class ModelContent(_Part):
    """SHA-256 of what the model consists of; of files that bear the design hash, without it."""

    weights: Sha256
    scales: Sha256
    config: Sha256
    tokenizer: dict[str, Sha256]


class CostModelOf(_Part):
    """The cost model behind the figures."""

    name: str
    options: dict[str, JsonValue] = {}


class DesignDocument(_Part):
    """``design.json``.

    Attributes:
        design_hash: names the design; stands in every file that is made for it.
        study: title of the study.
        selected: why this design was chosen.
        selected_from: designs that it was chosen from.
        scenario: what the design is asked to do, as in the study file.
        knobs: every knob.
        metrics: every metric on the ``select`` split, with its standard error over sentences.
        uncertainty: of metrics that depend on the cost model's constants, by their ranges.
        report_accuracy: primary metric on the ``report`` split, which nothing was chosen on.
        report_metrics: further official metrics there.
        breakdown: costs and area by part.
        exit_layer_shares: share of ``select`` sentences by exit layer.
        voltage_shares: share of them by voltage of the later layers, V.
        membership: share of bootstrap samples in which the design is on the front.
        accuracy_low: accuracy that 5 % of the samples are below.
        tables: SHA-256 of the content of each table.
        model: content of the model; None for an export of the hardware alone.
        no_model: why there is no model; empty where there is one.
        files: SHA-256 of the bytes of every payload file, by its path.
        provenance: study, seed, versions, commit, hashes of checkpoint and data.
        document_sha256: of all of the above.
    """

    format: Literal[2] = 2
    design_hash: Annotated[str, Field(pattern="^[0-9a-f]{16}$")] = "0" * 16
    study: str
    selected: str
    selected_from: int
    scenario: dict[str, JsonValue]
    cost_model: CostModelOf
    knobs: dict[str, KnobValue]
    metrics: dict[str, Figure]
    uncertainty: dict[str, Interval]
    report_accuracy: Figure
    report_metrics: dict[str, Figure]
    breakdown: Breakdown
    exit_layer_shares: list[float]
    voltage_shares: dict[str, float]
    membership: float | None
    accuracy_low: float | None
    encoder: Encoder
    tables: dict[str, Sha256]
    model: ModelContent | None
    no_model: str = ""
    files: dict[str, Sha256] = {}
    provenance: dict[str, JsonValue]
    document_sha256: Sha256 = "0" * 64

    @property
    def shape(self) -> EncoderShape:
        """Dimensions of the encoder."""
        return EncoderShape(**self.encoder.shape)

    def named(self) -> Self:
        """The same under the hash that follows from what makes the design."""
        return self.model_copy(update={"design_hash": self.expected_hash()})

    def expected_hash(self) -> str:
        """The design hash that follows from the content."""
        plain = self.model_dump(mode="json")
        parts = ("scenario", "cost_model", "knobs", "encoder", "tables", "model")
        return _digest({name: plain[name] for name in parts})[:16]

    def expected_sha256(self) -> str:
        """The digest of everything but itself."""
        return _digest(self.model_dump(mode="json", exclude={"document_sha256"}))

    def with_files(self, files: dict[str, str]) -> Self:
        """The same, whole: with the payload files and its own digest."""
        listed = self.model_copy(update={"files": files})
        return listed.model_copy(update={"document_sha256": listed.expected_sha256()})

    def file_bytes(self) -> bytes:
        """``design.json``: the one way in which this document is written."""
        return json_bytes(self.model_dump(mode="json"))


def json_bytes(value: Any) -> bytes:
    """JSON as all files of an export are written."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False)
    return (text + "\n").encode("ascii")


def content_sha256(value: Any) -> str:
    """SHA-256 of JSON values, however they are laid out in a file."""
    return _digest(value)


def _digest(value: Any) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def read_document(folder: Path) -> DesignDocument:
    """The document of an export folder; its hashes are not compared with anything.

    Raises:
        ExportError: the folder has none, or one of another format.
    """
    path = folder / DESIGN_FILE
    if path.is_symlink() or not path.is_file():
        raise ExportError(f"{folder}: not an export (no {DESIGN_FILE}); 'dse export' makes one.")
    if path.stat().st_size > _LARGEST:
        raise ExportError(f"{path}: larger than {_LARGEST} bytes; that is no design.json.")
    try:
        plain = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: not JSON ({error}); export the design anew.") from error
    found = plain.get("format") if isinstance(plain, dict) else None
    if found != EXPORT_FORMAT:
        raise ExportError(
            f"{path}: format {found!r}, expected {EXPORT_FORMAT}; it was made by another version: "
            "export the design anew."
        )
    try:
        document = DesignDocument.model_validate(plain)
        design_point(document.knobs)
    except (ValidationError, ValueError, LookupError, TypeError) as error:
        raise ExportError(
            f"{path}: not a design ({' '.join(str(error).split())[:200]}); export it anew."
        ) from error
    return document


def design_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of ``design.json``."""
    schema = DesignDocument.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
