"""Exports: a chosen design as a folder that stands alone (`dse.exports`)."""

from __future__ import annotations

from pathlib import Path

from dse.exports.building import ExportOptions, build_export
from dse.runs import RunFolder
from studies.records import FrontDesign


def export_design(
    run: RunFolder,
    design: FrontDesign,
    reason: str,
    folder: Path,
    options: ExportOptions | None = None,
) -> list[Path]:
    """Write a design's export folder, whole or not at all; the files written, by path.

    Args:
        run: the run that found it.
        design: of its front.
        reason: why it was chosen, in words.
        folder: new, or empty.
        options: what goes into it; None for the model if checkpoint and data are at hand.

    Raises:
        RunFolderError: the folder exists and is not empty.
        UnwritableError: it cannot be written.
        ChangedInputError: checkpoint or data are not those of the run.
    """
    return build_export(run, design, reason, folder, options or ExportOptions())[1]
