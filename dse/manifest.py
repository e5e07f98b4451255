"""The manifest of a run folder: SHA-256 of its files, and of what the run measures on.

Parquet and HTML do not notice most flipped bits, and JSON takes one digit for another. Every file
that is read back is compared with the manifest first. The journal grows after the manifest is
written: of it the beginning counts. The manifest vouches for itself by a checksum of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from dse.errors import RunFolderError
from studies.whole_files import write_whole

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
"""Of run folders; those of earlier versions have no manifest and are read all the same."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SealedFile(_Table):
    """A file as it was, or the beginning of a journal.

    Attributes:
        size_bytes: of it.
        sha256: of so many bytes.
    """

    size_bytes: int
    sha256: str


class Manifest(_Table):
    """``manifest.json``.

    Attributes:
        format: of the run folder.
        inputs: SHA-256 of what the run measures on, by name; empty before its first trial.
        files: of the run folder, by name.
    """

    format: int = FORMAT
    inputs: dict[str, str] = {}
    files: dict[str, SealedFile] = {}


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a run folder; None if it has none, as those of earlier versions.

    Raises:
        RunFolderError: it is damaged, or of a later version.
    """
    path = folder / MANIFEST
    try:
        document: Any = json.loads(path.read_bytes())
        if isinstance(document, dict) and document.get("format", FORMAT) != FORMAT:
            raise RunFolderError(
                f"{path}: run folder of format {document['format']!r}: this version of dse knows "
                f"{FORMAT}; use the version that wrote it."
            )
        stored = document.pop("sha256", None) if isinstance(document, dict) else None
        if stored != _digest(document):
            raise ValueError("its checksum is not that of its content")
        return Manifest.model_validate(document)
    except FileNotFoundError:
        return None
    except (OSError, ValidationError, ValueError, RecursionError) as error:
        if isinstance(error, RunFolderError):
            raise
        first = str(error).splitlines()[0]
        raise RunFolderError(
            f"{path}: damaged ({first}); restore it from a backup, or remove it: 'dse resume' "
            "writes it anew from the files that there are."
        ) from error


def write_manifest(folder: Path, inputs: Mapping[str, str], names: Iterable[str]) -> None:
    """Seal the files of those names that are in a run folder, as they are now."""
    files = {}
    for name in names:
        path = folder / name
        if path.is_file():
            content = path.read_bytes()
            files[name] = SealedFile(size_bytes=len(content), sha256=_sha256(content))
    document = Manifest(inputs=dict(inputs), files=files).model_dump()
    document["sha256"] = _digest(document)
    write_whole(folder / MANIFEST, (json.dumps(document, indent=1) + "\n").encode())


def damage(folder: Path, manifest: Manifest | None, name: str) -> str | None:
    """How a file differs from what was sealed; None if it does not, or was never sealed."""
    sealed = manifest.files.get(name) if manifest is not None else None
    if sealed is None:
        return None
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    if len(content) < sealed.size_bytes:
        return f"it has {len(content)} bytes and had {sealed.size_bytes}"
    if name.endswith(".log"):
        content = content[: sealed.size_bytes]
    if _sha256(content) != sealed.sha256:
        return f"its SHA-256 is not the one in {MANIFEST}"
    return None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest(document: Any) -> str:
    return _sha256(json.dumps(document, sort_keys=True).encode())
