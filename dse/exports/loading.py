"""What an export folder holds, read from its files and compared with nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dse.exports.document import DesignDocument, read_document
from dse.exports.errors import ExportError
from dse.exports.layout import (
    CONFIG_FILE,
    MODEL_FOLDER,
    PAYLOAD_NAMES,
    SCALE_FILE,
    TABLE_FILES,
    TOKENIZER_NAMES,
    TRACE_FILE,
    WEIGHT_FILE,
    scale_content,
)
from dse.exports.recomputed import ExportedDesign
from dse.exports.tables import Table, read_table
from evaluators.checkpoints import CheckpointError
from evaluators.packed_weights import PackedWeights, packed_of_bytes
from evaluators.settled import Settled, settled_of
from evaluators.traces import ExitTrace, trace_of_bytes

if TYPE_CHECKING:
    from dse.exports.model import ExportedModel

_LARGEST: Final = 4 * 1024**3
"""Bytes of a payload file that is read at all."""


@dataclass(frozen=True)
class ExportFolder:
    """An export folder.

    Attributes:
        path: the folder.
        document: its ``design.json``.
    """

    path: Path
    document: DesignDocument

    @classmethod
    def open(cls, path: Path) -> ExportFolder:
        """The export at a path.

        Raises:
            ExportError: there is none, or one of another format.
        """
        document = read_document(path)
        foreign = sorted(document.files.keys() - PAYLOAD_NAMES)
        if foreign:
            raise ExportError(
                f"{path}: design.json lists {foreign[0]!r}, which no export has; expected only "
                "files of ours: export the design anew."
            )
        return cls(path, document)

    def read(self, name: str) -> bytes:
        """Bytes of a payload file, which is one of `PAYLOAD_NAMES`.

        Raises:
            ExportError: it is missing, a link, or no file.
        """
        path = self.path / name
        inside = [path, *path.parents][: len(Path(name).parts)]
        if any(part.is_symlink() for part in inside) or not path.is_file():
            raise ExportError(f"{path}: no such file; the export is not whole.")
        if path.stat().st_size > _LARGEST:
            raise ExportError(f"{path}: larger than {_LARGEST} bytes; that is no payload file.")
        return path.read_bytes()

    def payload(self, name: str) -> bytes:
        """Bytes of a payload file that are those that ``design.json`` lists.

        Raises:
            ExportError: they are not, or there are none.
        """
        content = self.read(name)
        if hashlib.sha256(content).hexdigest() != self.document.files.get(name):
            raise ExportError(
                f"{self.path / name}: changed since it was exported (its SHA-256 is not the one in "
                "design.json); 'dse verify' says what else is."
            )
        return content

    def tables(self) -> dict[str, Table]:
        """The tables by name.

        Raises:
            ExportError: one is missing or damaged.
        """
        return {name: read_table(self.read(path), path) for name, path in TABLE_FILES.items()}

    def trace(self) -> ExitTrace:
        """The trace.

        Raises:
            ExportError: it is missing or damaged.
        """
        try:
            return trace_of_bytes(self.read(TRACE_FILE))
        except ValueError as error:
            path = self.path / TRACE_FILE
            raise ExportError(f"{path}: {error}; export the design anew.") from error

    def weights(self) -> PackedWeights | None:
        """The packed weights; None in an export of the hardware alone.

        Raises:
            ExportError: they are missing or damaged, or of another design.
        """
        if self.document.model is None:
            return None
        try:
            weights, metadata = packed_of_bytes(self.read(WEIGHT_FILE))
        except CheckpointError as error:
            raise ExportError(f"{self.path}: {error}") from error
        if metadata.get("design_hash") != self.document.design_hash:
            raise ExportError(
                f"{self.path / WEIGHT_FILE}: of design {metadata.get('design_hash')}, expected "
                f"{self.document.design_hash}; it does not belong here."
            )
        return weights

    def settled(self) -> Settled:
        """Scales and spans of the model.

        Raises:
            ExportError: they are missing or damaged.
        """
        try:
            return settled_of(scale_content(self.read(SCALE_FILE)))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ExportError(f"{self.path / SCALE_FILE}: damaged ({error}).") from error

    def config(self) -> dict[str, object]:
        """``config.json`` of the encoder.

        Raises:
            ExportError: it is missing or damaged.
        """
        try:
            found = json.loads(self.read(CONFIG_FILE))
        except (ValueError, RecursionError) as error:
            raise ExportError(f"{self.path / CONFIG_FILE}: not JSON ({error}).") from error
        if not isinstance(found, dict):
            raise ExportError(f"{self.path / CONFIG_FILE}: {type(found).__name__}, not an object.")
        return found

    def tokenizer_names(self) -> list[str]:
        """Names of the tokenizer's files."""
        return [n for n in TOKENIZER_NAMES if f"{MODEL_FOLDER}/{n}" in self.document.files]

    def design(self) -> ExportedDesign:
        """The design, ready to be scored.

        Raises:
            ExportError: a file is missing or damaged, or they do not fit one another.
        """
        return ExportedDesign.of(self.document, self.trace())


def load_export(path: Path) -> ExportedModel:
    """The model of an export folder, which answers sentences with early exit; imports torch.

    Raises:
        ExportError: the folder is no export, holds no model, or a file of the model was changed.
    """
    from dse.exports.model import ExportedModel

    return ExportedModel.of(ExportFolder.open(path))
