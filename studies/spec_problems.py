"""What is wrong with a study file, in one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ValidationError

from search_space import nearest
from studies.objectives import Objective
from studies.search_tables import SamplerTable, SearchTable, StopTable
from studies.spec_tables import CostModelTable, EvaluatorTable, Range, ScenarioTable

_TABLES: Final[Mapping[str, type[BaseModel]]] = {
    "scenario": ScenarioTable,
    "evaluator": EvaluatorTable,
    "cost_model": CostModelTable,
    "objectives": Objective,
    "search": SearchTable,
    "stop": StopTable,
    "sampler": SamplerTable,
    "space": Range,
}


def first_problem(error: ValidationError, whole: type[BaseModel]) -> str:
    """One sentence on the first thing that is wrong.

    Args:
        error: what validation found, a problem at least.
        whole: the table that was validated, which holds all others.
    """
    problems = error.errors(include_url=False)
    first = problems[0]
    location = [str(part) for part in first["loc"]]
    if location[0:1] == ["space"] and len(location) > 2:
        # A choice may be of several kinds; pydantic tells what is wrong with it as each of them.
        of_range = [p for p in problems if p["loc"][:3] == ("space", location[1], "Range")]
        if not of_range or not isinstance(first["input"], dict):
            return (
                f"knob {location[1]!r} has value {first['input']!r}: expected numbers or text, as "
                "one value, a list of values, or a range with low, high and step."
            )
        first = of_range[0]
        location = ["space", location[1], *(str(part) for part in first["loc"][3:])]
    if location[:2] == ["scenario", "task"] and len(location) > 2:
        # One task or several: what is wrong is told of names, in a list or alone.
        first = next((p for p in problems if isinstance(p["input"], str)), first)
        location = ["scenario", "task", *(str(part) for part in first["loc"][3:])]
    if location[:2] == ["evaluator", "checkpoints"] and len(location) > 3:
        return (
            f"'{'.'.join(location[:3])}' has value {first['input']!r}: expected a folder or hub "
            "name, or a table with one for each task."
        )
    if location[:3] == ["search", "sampler", "options"]:
        location = location[:4]
    where = ".".join(location) or "the study"
    if first["type"] == "extra_forbidden":
        tables = [part for part in location[:-1] if part in _TABLES]
        table = _TABLES[tables[-1]] if tables else whole
        return (
            f"key '{where}' is not known: expected one of {', '.join(table.model_fields)}"
            f"{_ended(nearest(location[-1], table.model_fields))}"
        )
    if first["type"] == "missing":
        return f"key '{where}' is missing; add it."
    message = first["msg"].removeprefix("Value error, ").removesuffix(".")
    if first["type"] == "model_type":
        message = "expected a table"
    if location == [] or first["type"] == "value_error":
        return f"{where}: {_ended(message)}" if location else _ended(message)
    hint = ""
    if first["type"] == "literal_error":
        hint = nearest(str(first["input"]), re.findall(r"'([^']*)'", message))
    told = _ended(message[0].lower() + message[1:] + hint)
    return f"'{where}' has value {first['input']!r}: {told}"


def _ended(sentence: str) -> str:
    """The sentence with its full stop, unless it asks."""
    return sentence if sentence.endswith("?") else f"{sentence}."
