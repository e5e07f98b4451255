"""What workers on other machines need of a study: its files, packed once and unpacked once a node.

Checkpoints, data, recorded traces and a cost model's script become one array of bytes. It goes
through Ray's object store, which brings it to a node once, whatever the number of workers there;
a worker unpacks it into a folder named for its content, unless another one has. No file system is
shared.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dse.trace_sources import SourceOptions
from evaluators.checkpoints import HUB_FILES, checkpoint_folder
from evaluators.glue import DATASETS_PREFIX
from evaluators.tasks import glue_task
from studies.spec import StudySpec

_CHECKPOINTS: Final = "checkpoints"
_DATA: Final = "data"
_DATASET: Final = "dataset"
_RECORDED: Final = "recorded"
_SCRIPT: Final = "cost_model"


class ParcelError(OSError):
    """Files of a study cannot be unpacked on a node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Files of a study.

    Attributes:
        content: their bytes (n_bytes,), one after the other.
        sizes: bytes of each, by path in the parcel.
        sha256: of paths and content.
    """

    content: NDArray[np.uint8]
    sizes: Mapping[str, int]
    sha256: str

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Every file with its path."""
        start = 0
        for path, size in self.sizes.items():
            yield path, self.content[start : start + size].tobytes()
            start += size


def packed(spec: StudySpec, options: SourceOptions) -> Parcel:
    """The files that a study is evaluated with, but for what is installed with the project.

    Data of a hub (``datasets:NAME``) are not packed: every node has to reach them itself.

    Raises:
        UnknownCheckpointError: the space names a checkpoint that there is not.
        OSError: a file cannot be read.
    """
    contents = {name: path.read_bytes() for name, path in sorted(_paths(spec, options))}
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return Parcel(
        content=np.frombuffer(b"".join(contents.values()), dtype=np.uint8),
        sizes={name: len(content) for name, content in contents.items()},
        sha256=digest.hexdigest(),
    )


def _paths(spec: StudySpec, options: SourceOptions) -> Iterator[tuple[str, Path]]:
    """Path in the parcel and on this machine of every file."""
    script = spec.cost_model.script
    if script is not None:
        yield f"{_SCRIPT}/{script.name}", script
    if spec.evaluator.kind == "recorded":
        if options.recorded is not None:
            yield from _within(_RECORDED, Path(options.recorded))
        return
    for task in spec.scenario.tasks:
        own = spec.evaluator.checkpoints_of(task)
        for value in spec.search_space()["checkpoint"].values:
            folder = checkpoint_folder(str(value), own)
            for name, path in _within(f"{_CHECKPOINTS}/{task}/{value}", folder):
                if path.name in HUB_FILES or path.suffix == ".safetensors":
                    yield name, path
    if options.glue_dir is None:
        return
    dataset = Path(options.glue_dir.removeprefix(DATASETS_PREFIX))
    if not options.glue_dir.startswith(DATASETS_PREFIX):
        for of in map(glue_task, spec.scenario.tasks):
            files = [of.train.name, of.train.subset_name, of.report.name]
            files += [] if of.mismatched is None else [of.mismatched.name]
            for file in files:
                path = dataset / of.name / file
                if path.is_file():
                    yield f"{_DATA}/{of.name}/{file}", path
    elif dataset.is_dir():
        yield from _within(_DATASET, dataset)


def _within(name: str, folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield f"{name}/{path.relative_to(folder)}", path


def unpacked(parcel: Parcel, root: Path | None = None) -> Path:
    """The folder with a parcel's files on this node, compared with the parcel or made.

    Args:
        parcel: the files.
        root: where such folders are; by default a folder of this user's in the system's own for
            temporary files.

    Raises:
        ParcelError: it cannot be written, or is somebody else's.
    """
    root = root or Path(tempfile.gettempdir()) / f"edge-dse-{os.getuid()}"
    folder = root / parcel.sha256[:32]
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if root.stat().st_uid != os.getuid():
            raise ParcelError(f"{root}: belongs to another user; remove it, or set TMPDIR.")
        if _is_whole(folder, parcel):
            return folder
        made = root / f"{folder.name}.{uuid.uuid4().hex}.tmp"
        for name, content in parcel.files():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        made.mkdir(exist_ok=True)
        return _placed(made, folder, parcel)
    except OSError as error:
        if isinstance(error, ParcelError):
            raise
        raise ParcelError(f"{folder}: files of the study cannot be unpacked ({error}).") from error


def _placed(made: Path, folder: Path, parcel: Parcel) -> Path:
    """Rename what was unpacked into its place, unless another worker has been faster."""
    for _ in range(3):
        try:
            made.rename(folder)
        except OSError:  # there is one
            if _is_whole(folder, parcel):
                shutil.rmtree(made, ignore_errors=True)
                return folder
            shutil.rmtree(folder, ignore_errors=True)  # damaged, or half removed
        else:
            return folder
    raise ParcelError(f"{folder}: cannot be put in its place; remove it.")


def _is_whole(folder: Path, parcel: Parcel) -> bool:
    if not folder.is_dir():
        return False
    try:
        return all((folder / name).read_bytes() == content for name, content in parcel.files())
    except OSError:
        return False


def at_node(
    document: Mapping[str, Any], options: SourceOptions, folder: Path
) -> tuple[dict[str, Any], SourceOptions]:
    """A study's document and options with the paths of a node.

    Args:
        document: the study as tables.
        options: those of the driver.
        folder: where its files are unpacked; live traces are kept beside them.
    """
    tables = dict(document)
    evaluator, cost_model = dict(tables["evaluator"]), dict(tables.get("cost_model", {}))
    checkpoints = folder / _CHECKPOINTS
    if checkpoints.is_dir():
        places: dict[str, dict[str, str]] = {}
        for path in sorted(checkpoints.glob("*/*")):
            places.setdefault(path.name, {})[path.parent.name] = str(path)
        evaluator["checkpoints"] = places
    tables["evaluator"] = evaluator
    scripts = folder / _SCRIPT
    if scripts.is_dir():
        class_name = str(cost_model["name"]).rpartition(":")[2]
        cost_model["name"] = f"{next(scripts.iterdir())}:{class_name}"
        tables["cost_model"] = cost_model
    data: str | None = options.glue_dir
    if (folder / _DATA).is_dir():
        data = str(folder / _DATA)
    elif (folder / _DATASET).is_dir():
        data = f"{DATASETS_PREFIX}{folder / _DATASET}"
    recorded = folder / _RECORDED
    return tables, replace(
        options,
        glue_dir=data,
        recorded=str(recorded) if recorded.is_dir() else options.recorded,
        cache=None if options.cache is None else str(folder.with_name(f"{folder.name}.traces")),
    )
