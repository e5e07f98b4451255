"""Whether an export is what it says: every file, and every figure worked out anew.

Files: nothing missing, nothing added, payload files as hashed, ``design.json`` and the files that
follow from it as they are written from what it says. Figures: costs from knobs, trace and encoder;
accuracy from the trace, and, where data are at hand, from the packed model itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dse.exports.checks import FigureCheck, FileCheck, Verification
from dse.exports.design_tables import design_tables
from dse.exports.document import DESIGN_FILE, DesignDocument, content_sha256
from dse.exports.errors import ExportError
from dse.exports.examples import example_words
from dse.exports.layout import (
    CONFIG_FILE,
    MODEL_FOLDER,
    SCALE_FILE,
    TABLE_FILES,
    TRACE_FILE,
    Payload,
    descriptor_files,
    scale_content,
)
from dse.exports.loading import ExportFolder
from dse.exports.recomputed import ExportedDesign
from studies.design_details import DesignDetail
from studies.records import Figure

COST_TOLERANCE: Final = 1e-9
"""Relative: the same arithmetic on another machine differs in the last digits."""


def verify_export(path: Path, data: str | None = None) -> Verification:
    """Check an export folder.

    Args:
        path: the folder.
        data: GLUE folder or ``datasets:NAME``, to run the packed model on; None to leave that out.

    Raises:
        ExportError: the folder is no export at all.
        GlueDataError: data are missing or damaged.
    """
    folder = ExportFolder.open(path)
    document = folder.document
    problems: dict[str, str] = dict(_payload_problems(folder))
    problems |= dict(_document_problems(folder))
    figures: list[FigureCheck] = []
    notes: list[str] = []
    expected = {DESIGN_FILE, *document.files}
    try:
        design = folder.design()
        payload = Payload(tables=folder.tables(), weights=folder.weights(), design=design)
        problems |= dict(_content_problems(folder, payload))
        descriptors = descriptor_files(document, payload)
    except (ExportError, ValueError) as error:
        notes.append(f"figures and the files that follow from others were not checked: {error}")
        if not problems:
            problems[DESIGN_FILE] = str(error)
    else:
        expected |= descriptors.keys()
        problems |= dict(_descriptor_problems(path, descriptors))
        problems |= dict.fromkeys(_names(path) - expected, "does not belong here")
        figures += _cost_checks(design, document, notes)
        if data is None:
            notes.append("the packed model was not run: no data (--data GLUE_DIR, or GLUE_DIR)")
        elif document.model is None:
            notes.append(f"there is no model to run: {document.no_model}")
        elif not problems:
            from dse.exports.model_check import model_checks  # torch

            figures += model_checks(folder, design, data)
        else:
            notes.append("the packed model was not run: files are not as they should be")
    names = sorted(expected | problems.keys())
    checks = [FileCheck(name=name, problem=problems.get(name, "")) for name in names]
    return Verification(
        design_hash=document.design_hash,
        example=_example(document, is_whole=not problems),
        files=tuple(checks),
        figures=tuple(figures),
        notes=tuple(notes),
    )


def _example(document: DesignDocument, *, is_whole: bool) -> tuple[str, ...]:
    if document.model is None or not is_whole:
        return ()
    return example_words(str(document.scenario["task"]))


def _payload_problems(folder: ExportFolder) -> Iterator[tuple[str, str]]:
    """Payload files that are not those that were hashed."""
    for name, expected in folder.document.files.items():
        try:
            content = folder.read(name)
        except ExportError:
            yield name, "missing"
            continue
        if hashlib.sha256(content).hexdigest() != expected:
            yield name, "changed: its SHA-256 is not the one in design.json"


def _document_problems(folder: ExportFolder) -> Iterator[tuple[str, str]]:
    """What is wrong with ``design.json`` itself."""
    document = folder.document
    if document.expected_sha256() != document.document_sha256:
        yield DESIGN_FILE, "changed: it is not what its own digest says"
    elif document.expected_hash() != document.design_hash:
        yield DESIGN_FILE, f"of design {document.expected_hash()}, not {document.design_hash}"
    elif (folder.path / DESIGN_FILE).read_bytes() != document.file_bytes():
        yield DESIGN_FILE, "changed: its text is not as it was written"
    needed = {TRACE_FILE, *TABLE_FILES.values()} - document.files.keys()
    if needed:
        yield DESIGN_FILE, f"lists no {min(needed)}"


def _content_problems(folder: ExportFolder, payload: Payload) -> Iterator[tuple[str, str]]:
    """Payload whose content is not the one that the design hash names."""
    document = folder.document
    for name, table in payload.tables.items():
        if table.content_hash() != document.tables.get(name):
            yield TABLE_FILES[name], "of another design: its content is not in the design hash"
    made = design_tables(
        payload.design.setting.trace, payload.design.point.hardware, payload.design.technology
    )
    for name, table in made.items():
        if payload.tables[name].rows != table.rows:
            yield TABLE_FILES[name], "does not follow from the trace and the knobs of the design"
    model = document.model
    if model is None or payload.weights is None:
        return
    found = {
        "model/weights.safetensors": (payload.weights.content_hash(), model.weights),
        SCALE_FILE: (content_sha256(scale_content(folder.read(SCALE_FILE))), model.scales),
        CONFIG_FILE: (hashlib.sha256(folder.read(CONFIG_FILE)).hexdigest(), model.config),
    }
    for name, expected in model.tokenizer.items():
        path = f"{MODEL_FOLDER}/{name}"
        found[path] = (hashlib.sha256(folder.read(path)).hexdigest(), expected)
    for path, (now, then) in found.items():
        if now != then:
            yield path, "of another design: its content is not in the design hash"


def _descriptor_problems(path: Path, descriptors: dict[str, bytes]) -> Iterator[tuple[str, str]]:
    for name, content in descriptors.items():
        file = path / name
        if file.is_symlink() or not file.is_file():
            yield name, "missing"
        elif file.read_bytes() != content:
            yield name, "changed: it does not follow from design.json and the payload"


def _names(path: Path) -> set[str]:
    """Paths of everything in the folder that is no folder, links included; empty folders too."""
    found = set()
    for entry in path.rglob("*"):
        is_folder = entry.is_dir() and not entry.is_symlink()
        if not is_folder or not any(entry.iterdir()):
            found.add(entry.relative_to(path).as_posix())
    return found


def _cost_checks(
    design: ExportedDesign, document: DesignDocument, notes: list[str]
) -> Iterator[FigureCheck]:
    """Every figure from knobs, trace and encoder."""
    detail = design.detail()
    if detail is None:
        notes.append(
            f"costs were not worked out: cost model {document.cost_model.name!r} is not one that "
            "ships, and no folder names code to run"
        )
        return
    yield from _figures("", document.metrics, detail.metrics)
    yield from _figures(
        "report_", {"accuracy": document.report_accuracy}, {"accuracy": detail.report_accuracy}
    )
    yield from _figures("report_metrics.", document.report_metrics, detail.report_metrics)
    yield from _breakdowns(document, detail)


def _figures(
    prefix: str, stated: dict[str, Figure], found: dict[str, Figure]
) -> Iterator[FigureCheck]:
    for name, figure in stated.items():
        now = found.get(name)
        value = float("nan") if now is None else now.value
        yield _check(prefix + name, figure.value, value)
        if figure.se is not None:
            se = float("nan") if now is None or now.se is None else now.se
            yield _check(f"{prefix}{name}_se", figure.se, se)


def _breakdowns(document: DesignDocument, detail: DesignDetail) -> Iterator[FigureCheck]:
    for kind in ("energy_pj", "latency_ns", "area_mm2"):
        now = getattr(detail.breakdown, kind)
        for part, value in getattr(document.breakdown, kind).items():
            yield _check(f"{kind} of {part}", value, now.get(part, float("nan")))
    for layer, (then, share) in enumerate(
        zip(document.exit_layer_shares, detail.exit_layer_shares, strict=False), start=1
    ):
        yield _check(f"share of exit layer {layer}", then, share)
    for voltage, then in document.voltage_shares.items():
        share = detail.voltage_shares.get(voltage, float("nan"))
        yield _check(f"share at {voltage} V", then, share)


def _check(name: str, stated: float, recomputed: float) -> FigureCheck:
    tolerance = COST_TOLERANCE * max(abs(stated), 1e-12)
    return FigureCheck(name=name, stated=stated, recomputed=recomputed, tolerance=tolerance)
