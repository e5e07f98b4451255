"""Shipped study files, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from search_space import nearest
from studies.spec import StudyFileError, StudySpec, read_spec

PRESETS: Final = Path(__file__).parent / "preset_files"


def preset_names() -> list[str]:
    """Names of the shipped presets."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def load_study(preset_or_file: str) -> StudySpec:
    """The study that a preset's name or a path names.

    Raises:
        StudyFileError: there is no such preset or file, or the file is not a study.
    """
    if preset_or_file in preset_names():
        return read_spec(PRESETS / f"{preset_or_file}.toml")
    path = Path(preset_or_file)
    if path.is_file():
        return read_spec(path)
    names = preset_names()
    raise StudyFileError(
        f"{preset_or_file!r} is neither a file nor a preset: expected a study file, or one of "
        f"{', '.join(names)}{nearest(preset_or_file, names) or '.'}"
    )
