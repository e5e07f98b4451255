"""``dse validate``: the model against published figures, row by row."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dse.errors import DseError
from dse.tables import TABLE_WIDTH
from studies.validation import (
    PLATFORM_HEADERS,
    ROW_HEADERS,
    SHIPPED_PLATFORMS,
    Line,
    Platform,
    PlatformFileError,
    ReferenceDataError,
    Sources,
    Validation,
    add_platforms,
    failure_lines,
    platform_line,
    read_platforms,
    row_lines,
    validation,
    validation_page,
)


class ValidationDataError(DseError):
    """Reference data or a file of platforms is missing or damaged."""

    exit_code = 5


def print_validation(
    reference: Path | None,
    platforms: Path | None,
    measured: Path | None,
    threads: int,
    page: Path | None,
    as_json: bool,
) -> None:
    """Compare the model with published figures and print every row.

    Args:
        reference: folder with data of EdgeBERT's authors; without it their rows are not run.
        platforms: file of platforms to set beside the chip, besides those that ship.
        measured: file of platforms that this machine's CPU is measured into first.
        threads: of that measurement.
        page: Markdown file to write.
        as_json: print JSON instead of tables.

    Raises:
        ValidationDataError: reference data or a file of platforms is missing or damaged.
    """
    try:
        if measured is not None:
            _measure(measured, threads)
        files = [path for path in (SHIPPED_PLATFORMS, platforms, measured) if path is not None]
        found = validation(reference, _platforms(files))
    except (PlatformFileError, ReferenceDataError) as error:
        raise ValidationDataError(str(error)) from error
    if page is not None:
        page.write_text(validation_page(found), encoding="utf-8")
    if as_json:
        print(json.dumps(found.as_json(), indent=1))
        return
    _print(found)
    if page is not None:
        print(f"\nPage: {page}")


def _platforms(files: Sequence[Path]) -> list[Platform]:
    """Platforms of all files; of two that are the same, the one of the later file."""
    found = {platform.key: platform for path in files for platform in read_platforms(path)}
    return list(found.values())


def _measure(path: Path, threads: int) -> None:
    if path.exists():
        read_platforms(path)  # before the measurement, so that a damaged file costs no time
    from dse.cpu_latency import cpu_platforms  # imports torch

    print(f"Measuring this CPU, torch threads: {threads} …", file=sys.stderr, flush=True)
    add_platforms(path, cpu_platforms(threads))


def _print(found: Validation) -> None:
    console, sources = Console(width=max(TABLE_WIDTH, Console().width)), Sources()
    for section in found.sections:
        print(f"{section.title}\n")
        console.print(_table(ROW_HEADERS, row_lines(section.rows, sources)))
        print()
    if found.platforms:
        print("Other platforms, beside the chip of EdgeBERT's section\n")
        lines = [platform_line(row, sources) for row in found.platforms]
        console.print(_table(PLATFORM_HEADERS, lines))
        print()
    print("Where it fails\n")
    for line in failure_lines(found):
        print(f"* {line}")
    print("\nSources\n")
    for place, name in enumerate(sources.names, start=1):
        print(f"[{place}] {name}")
    print(f"\n{found.summary} ! marks those that do not or cannot agree.")


def _table(headers: Sequence[str], lines: Sequence[Line]) -> Table:
    table = Table(header_style="bold", pad_edge=False, box=None)
    for header in ("", *headers):
        number = header in ("published", "model", "error", "tokens") or header.endswith(
            ("ms", "mJ", "slower", "energy", "times")
        )
        table.add_column(header, justify="right" if number else "left", overflow="fold")
    for line in lines:
        # A bracket would be read as markup.
        cells = [cell.replace("[", r"\[") for cell in line.cells]
        table.add_row("!" if line.failed else "", *cells)
    return table
