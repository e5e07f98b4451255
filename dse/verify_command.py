"""``dse verify``: an export's files and figures, each with ✓ or ✗."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dse.exports.checks import FigureCheck, Verification
from dse.exports.verification import verify_export
from dse.shown import next_step
from dse.tables import TABLE_WIDTH

EXIT_CODE: Final = 9
_HEADLINES: Final = (
    *("accuracy", "energy_pj", "latency_mean_ns", "latency_p99_ns", "deadline_miss_rate"),
    *("area_mm2", "power_mw", "storage_bits", "report_accuracy"),
)
_SHOWN_PROBLEMS: Final = 20


def print_verification(folder: Path, data: str | None, every: bool, as_json: bool) -> int:
    """Print what came of checking an export; the exit code.

    Args:
        folder: the export.
        data: GLUE folder or ``datasets:NAME``, to run the packed model on; None to leave it out.
        every: show every figure, not only the headlines and those that differ.
        as_json: print JSON.

    Raises:
        ExportError: the folder is no export at all.
    """
    found = verify_export(folder, data)
    if as_json:
        print(json.dumps(_document(found), indent=1))
        return 0 if found.holds else EXIT_CODE
    whole = len(found.files) - len(found.problems)
    sign = "✗" if found.problems else "✓"
    print(f"Design {found.design_hash}: {sign} {whole} of {len(found.files)} files as they were")
    for problem in found.problems[:_SHOWN_PROBLEMS]:
        print(f"  ✗ {shown_name(problem.name)}: {problem.problem}")
    if len(found.problems) > _SHOWN_PROBLEMS:
        print(f"  … and {len(found.problems) - _SHOWN_PROBLEMS} more (all: --json)")
    if found.figures:
        _print_figures(found, every)
    for note in found.notes:
        print(f"Not checked: {note}.")
    if found.holds:
        print("Everything that was checked is as stated.")
        if found.example:
            print(next_step("dse", "predict", folder, *found.example))
    else:
        print("The export is not what it says; export the design anew.")
    return 0 if found.holds else EXIT_CODE


def shown_name(name: str) -> str:
    """A file's name as a terminal may show it: what cannot be printed stands in escapes."""
    return name if name.isprintable() else ascii(name)


def _print_figures(found: Verification, every: bool) -> None:
    shown = [f for f in found.figures if every or _is_shown(f)]
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("figure")
    for name in ("stated", "recomputed", "difference", "tolerance"):
        table.add_column(name, justify="right")
    for figure in shown:
        numbers = (figure.stated, figure.recomputed, figure.difference, figure.tolerance)
        table.add_row(
            "✓" if figure.holds else "✗",
            Text(figure.name),
            *(f"{number:.7g}" if abs(number) >= 1e-4 else f"{number:.1e}" for number in numbers),
        )
    Console(width=max(TABLE_WIDTH, Console().width)).print(table)
    for figure in shown:
        if figure.note:
            print(f"{figure.name}: {figure.note}.")
    held = sum(figure.holds for figure in found.figures)
    print(f"{held} of {len(found.figures)} figures are as stated.")


def _is_shown(figure: FigureCheck) -> bool:
    return not figure.holds or bool(figure.note) or figure.name in _HEADLINES


def _document(found: Verification) -> dict[str, Any]:
    return {
        "design_hash": found.design_hash,
        "holds": found.holds,
        "files": [{"name": f.name, "problem": f.problem or None} for f in found.files],
        "figures": [
            {
                "name": f.name,
                "stated": f.stated,
                "recomputed": f.recomputed if f.recomputed == f.recomputed else None,
                "tolerance": f.tolerance,
                "holds": f.holds,
                "note": f.note or None,
            }
            for f in found.figures
        ],
        "not_checked": list(found.notes),
    }
