"""Lists of designs to start a search from: TOML files, one of them shipped by name."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

from search_space import KNOBS, KnobValue, knob_value, nearest

SHIPPED: Final = Path(__file__).parent / "design_list_files"


class DesignListError(ValueError):
    """A list of designs cannot be read."""


def design_list_names() -> list[str]:
    """Names of the shipped lists."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def read_designs(name_or_path: str) -> list[dict[str, KnobValue]]:
    """Designs of a shipped list or a file: knobs and their values, each design as far as it goes.

    Raises:
        DesignListError: there is no such list, or it is not one.
    """
    path = Path(name_or_path)
    if name_or_path in design_list_names():
        path = SHIPPED / f"{name_or_path}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DesignListError(
            f"{name_or_path}: cannot be read as a list of designs ({error}); expected a TOML file, "
            f"or one of {', '.join(design_list_names())}."
        ) from error
    designs = document.pop("designs", None)
    if document or not isinstance(designs, list) or not designs:
        raise DesignListError(f"{path}: expected tables [[designs]] and nothing else.")
    return [_design(design, f"{path}, design {n}") for n, design in enumerate(designs, start=1)]


def _design(table: Any, where: str) -> dict[str, KnobValue]:
    if not isinstance(table, dict) or not table:
        raise DesignListError(f"{where}: expected a table of knobs.")
    for name, value in table.items():
        if name not in KNOBS:
            raise DesignListError(
                f"{where}: knob {name!r} is not known{nearest(name, KNOBS) or '.'}"
            )
        try:
            knob_value(name, value)
        except ValueError as error:
            raise DesignListError(f"{where}: {error}") from error
    return dict(table)
