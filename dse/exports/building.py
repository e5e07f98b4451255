"""From a run's design to an export folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dse.errors import ChangedInputError, RunFolderError, UsageError
from dse.exports.design_tables import design_tables
from dse.exports.document import (
    DESIGN_FILE,
    CostModelOf,
    DesignDocument,
    Encoder,
    Interval,
    ModelContent,
)
from dse.exports.layout import (
    CONFIG_FILE,
    MODEL_FOLDER,
    ONNX_FILE,
    SCALE_FILE,
    TABLE_FILES,
    TRACE_FILE,
    WEIGHT_FILE,
    Payload,
    descriptor_files,
    scale_file,
    scale_hash,
)
from dse.exports.one_task import front_on_task, on_task
from dse.exports.parameters import parameters_of
from dse.exports.recomputed import ExportedDesign
from dse.exports.registers import generated_registers, system_rdl
from dse.exports.tables import Table
from dse.exports.text import one_line
from dse.inputs import origin_of
from dse.options import SAMPLES
from dse.rescored import RescoredDesigns
from dse.runs import RunFolder
from dse.trace_sources import SourceOptions, TaskSources, TraceSource, make_source
from evaluators.checkpoints import CheckpointError, UnknownCheckpointError, checkpoint_folder
from evaluators.glue import GlueDataError, load_task
from evaluators.tasks import glue_task
from evaluators.traces import ExitTrace, trace_bytes
from hw_cost import AnalyticModel
from search_space import model_knobs
from studies.records import Front, FrontDesign
from studies.spec import StudySpec
from studies.whole_files import UnwritableError, write_whole

if TYPE_CHECKING:
    from evaluators.packing_models import PackedModel

INTERVAL_METRICS = ("energy_pj", "latency_mean_ns", "area_mm2")
"""Metrics whose interval under the ranges of the constants an export states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What goes into an export.

    Attributes:
        data: GLUE folder or ``datasets:NAME``; None for that of the run.
        model: whether the model is in it; None for: if checkpoint and data are at hand.
        registers: whether PeakRDL makes RTL of the register map.
        onnx: whether the encoder is in it as an ONNX graph too.
        task: which of the study's tasks the model is of; None for the only or the first one.
    """

    data: str | None = None
    model: bool | None = None
    registers: bool = False
    onnx: bool = False
    task: str | None = None


def build_export(
    run: RunFolder, design: FrontDesign, reason: str, folder: Path, options: ExportOptions
) -> tuple[DesignDocument, list[Path]]:
    """Write a design's export folder, whole or not at all; its document and its files.

    Raises:
        RunFolderError: the folder exists and is not empty.
        UnwritableError: it cannot be written.
        GlueDataError: the model is asked for and data for its scales are missing.
        CheckpointError: it is asked for and its checkpoint is missing or damaged.
        ChangedInputError: checkpoint or data are not those of the run.
        UsageError: the study has no such task.
    """
    refuse_used(folder)
    spec, front = run.spec(), run.front_record()
    tasks = spec.scenario.tasks
    task = options.task or tasks[0]
    if task not in tasks:
        raise UsageError(f"--task {task!r}: expected one of the study's, {', '.join(tasks)}.")
    settings = run.settings()
    data = options.data if options.data is not None else settings["data"]
    source = make_source(
        spec,
        SourceOptions(
            glue_dir=data,
            cache=str(run.cache_of(spec)),
            recorded=settings["traces"],
            cache_limit_mib=spec.evaluator.cache_mib,
        ),
    )
    if isinstance(source, TaskSources):
        source, spec = source.by_task[task], spec.of_task(task)
        design, front = on_task(design, spec, source), front_on_task(front, task)
    knobs = model_knobs(design.knobs)
    trace = source.trace(knobs)
    model, why_not = _model(spec, source, trace, design, data, options.model)
    document = _document(spec, front, design, reason, source, trace)
    exported = ExportedDesign.of(document, trace)
    tables = design_tables(trace, exported.point.hardware, exported.technology)
    document = document.model_copy(
        update={
            "tables": {name: table.content_hash() for name, table in tables.items()},
            "model": None if model is None else _content_of(model),
            "no_model": why_not,
            "uncertainty": _uncertainty(spec, source, design),
        }
    ).named()
    payload = _payload(document, trace, tables, model)
    if options.registers:
        rdl = system_rdl(parameters_of(document, tables))
        payload |= generated_registers(rdl, document.design_hash)
    if options.onnx:
        payload[ONNX_FILE] = _graph(model, design, document)
    hashes = {path: hashlib.sha256(content).hexdigest() for path, content in payload.items()}
    document = document.with_files(hashes)
    weights = None if model is None else model.weights
    descriptors = descriptor_files(
        document, Payload(tables=tables, weights=weights, design=exported)
    )
    files = {DESIGN_FILE: document.file_bytes(), **payload, **descriptors}
    _write_folder(folder, files)
    return document, [folder / path for path in sorted(files)]


def refuse_used(folder: Path) -> None:
    """Refuse a folder with anything in it, or a file in its place.

    Raises:
        RunFolderError: it is one.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise RunFolderError(f"{folder}: exists already and is not empty; choose another --out.")


def _document(
    spec: StudySpec,
    front: Front,
    design: FrontDesign,
    reason: str,
    source: TraceSource,
    trace: ExitTrace,
) -> DesignDocument:
    shape = source.shape(str(design.knobs["checkpoint"]))
    return DesignDocument(
        study=one_line(front.title),
        selected=one_line(reason),
        selected_from=len(front.designs),
        scenario=dict(spec.scenario.model_dump(mode="json")),
        cost_model=CostModelOf(name=spec.cost_model.name, options=spec.cost_model.options),
        knobs=design.knobs,
        metrics=design.metrics,
        uncertainty={},
        report_accuracy=design.report_accuracy,
        report_metrics=design.report_metrics,
        breakdown=design.breakdown,
        exit_layer_shares=design.exit_layer_shares,
        voltage_shares=design.voltage_shares,
        membership=design.membership,
        accuracy_low=design.accuracy_low,
        encoder=Encoder(
            shape={name: getattr(shape, name) for name in shape.__dataclass_fields__},
            head_spans=[list(row) for row in trace.head_spans],
            encoder_density=trace.encoder_density,
            embedding_density=trace.embedding_density,
        ),
        tables={},
        model=None,
        provenance={**front.provenance, "design_id": design.id, "trial": design.trial},
    )


def _uncertainty(spec: StudySpec, source: TraceSource, design: FrontDesign) -> dict[str, Interval]:
    """Intervals under sampled constants; none under a cost model of one's own."""
    if spec.cost_model.name != AnalyticModel.name:
        return {}
    import numpy as np

    sampled = RescoredDesigns.of(spec, source, [design.knobs]).sampled(SAMPLES, 0)
    found = {}
    for name in INTERVAL_METRICS:
        low, high = np.nanpercentile(sampled[name][:, 0], [5, 95])
        found[name] = Interval(low=float(low), high=float(high))
    return found


def _model(
    spec: StudySpec,
    source: TraceSource,
    trace: ExitTrace,
    design: FrontDesign,
    data: str | None,
    wanted: bool | None,
) -> tuple[PackedModel | None, str]:
    """The packed model, or none and why."""
    if wanted is False:
        return None, "the hardware alone was asked for"
    try:
        return _packed(spec, source, trace, design, data), ""
    except (GlueDataError, CheckpointError, UnknownCheckpointError) as error:
        if wanted:
            raise
        return None, one_line(str(error), 400)


def _packed(
    spec: StudySpec, source: TraceSource, trace: ExitTrace, design: FrontDesign, data: str | None
) -> PackedModel:
    knobs = model_knobs(design.knobs)
    (name,) = spec.scenario.tasks
    folder = checkpoint_folder(knobs.checkpoint, spec.evaluator.checkpoints_of(name))
    if data is None:
        raise GlueDataError(
            "The model needs the GLUE data, whose calibration sentences set the scales of its "
            "activations: give their folder by --data or GLUE_DIR"
        )
    task = glue_task(name)
    sentences = load_task(task, data)
    from evaluators.checkpoint_folders import checkpoint_hash  # torch
    from evaluators.packing_models import packed_model

    origin = origin_of(spec, source)
    found = {
        "data set": (sentences.content_hash(), str(origin["data_sha256"])),
        f"checkpoint {knobs.checkpoint}": (
            checkpoint_hash(folder),
            str(origin["checkpoints"][knobs.checkpoint]),
        ),
    }
    for name, (now, then) in found.items():
        if now != then:
            raise ChangedInputError(
                f"The {name} is not the one that the run was measured on (SHA-256 {now[:12]}…, "
                f"expected {then[:12]}…): give that one, or leave the model out by --no-model."
            )
    return packed_model(folder, knobs, trace, sentences.calibration, task.n_outputs)


def _content_of(model: PackedModel) -> ModelContent:
    return ModelContent(
        weights=model.weights.content_hash(),
        scales=scale_hash(model.settled.document()),
        config=hashlib.sha256(model.config).hexdigest(),
        tokenizer={n: hashlib.sha256(c).hexdigest() for n, c in model.tokenizer.items()},
    )


def _payload(
    document: DesignDocument,
    trace: ExitTrace,
    tables: Mapping[str, Table],
    model: PackedModel | None,
) -> dict[str, bytes]:
    """Payload files by path."""
    name = document.design_hash
    files = {TRACE_FILE: trace_bytes(trace)}
    files |= {TABLE_FILES[key]: table.json_bytes(name) for key, table in tables.items()}
    if model is not None:
        files[WEIGHT_FILE] = model.weights.file_bytes({"design_hash": name})
        files[SCALE_FILE] = scale_file(model.settled.document(), name)
        files[CONFIG_FILE] = model.config
        files |= {f"{MODEL_FOLDER}/{n}": content for n, content in model.tokenizer.items()}
    return files


def _graph(model: PackedModel | None, design: FrontDesign, document: DesignDocument) -> bytes:
    """The encoder as an ONNX graph.

    Raises:
        UsageError: there is no model, or its setting has no graph.
    """
    if model is None:
        raise UsageError(f"--onnx needs the model, and there is none: {document.no_model}.")
    from evaluators.onnx_graph import OnnxError, onnx_encoder  # torch

    try:
        return onnx_encoder(
            json.loads(model.config),
            model.weights,
            model.settled,
            model_knobs(design.knobs),
            document.design_hash,
        )
    except OnnxError as error:
        raise UsageError(str(error)) from error


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files beside the folder, then give them its name at once.

    Raises:
        UnwritableError: the disk does not take them.
    """
    scratch: Any = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".export-", dir=folder.parent))
        for path, content in files.items():
            (scratch / path).parent.mkdir(parents=True, exist_ok=True)
            write_whole(scratch / path, content)
        scratch.chmod(0o755)
        os.replace(scratch, folder)  # noqa: PTH105 - takes the place of an empty folder too
    except OSError as error:
        raise UnwritableError(f"{folder}: cannot be written ({error}).") from error
    finally:
        if scratch is not None and scratch.exists():
            shutil.rmtree(scratch, ignore_errors=True)
