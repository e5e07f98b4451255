"""Study files: TOML in, a validated `StudySpec` out, with one sentence for whatever is wrong."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from evaluators.exit_levels import refuse_regression
from evaluators.tasks import TASKS
from search_space import (
    KNOB_DEFAULTS,
    KNOBS,
    KNOBS_OF_EXIT_POLICY,
    Dimension,
    ExitPolicy,
    SearchSpace,
    design_point,
    knob_value,
    nearest,
    parse_condition,
)
from studies.spec_problems import first_problem
from studies.spec_tables import (
    Constraint,
    CostModelTable,
    EvaluatorTable,
    KnobChoice,
    Objective,
    Range,
    ScenarioTable,
    SearchTable,
    Table,
)


class StudyFileError(ValueError):
    """A study file cannot be read or says something that cannot be."""


class StudySpec(Table):
    """A whole study."""

    format: Literal[1] = Field(default=1, description="Version of this file format.")
    title: str = Field(min_length=1, max_length=200)
    scenario: ScenarioTable
    evaluator: EvaluatorTable = EvaluatorTable()
    cost_model: CostModelTable = CostModelTable()
    objectives: Annotated[list[Objective], Field(min_length=2, max_length=5)]
    constraints: list[Annotated[Constraint, BeforeValidator(Constraint.parse)]] = Field(default=[])
    search: SearchTable = SearchTable()
    space: dict[str, KnobChoice] = Field(
        description="For every knob: one value, a list of values, or a range."
    )
    conditions: list[str] = Field(
        default=[], description="Conditions between knobs, such as 'mac_vector_size <= 16'."
    )

    @field_validator("objectives")
    @classmethod
    def _distinct(cls, value: list[Objective]) -> list[Objective]:
        names = [objective.metric for objective in value]
        if len(set(names)) != len(names):
            raise ValueError(f"an objective is listed twice: {', '.join(names)}")
        return value

    @model_validator(mode="after")
    def _space_is_one(self) -> Self:
        dimensions = self.search_space().dimensions
        first = {dimension.name: dimension.values[0] for dimension in dimensions}
        for dimension in dimensions:
            for value in dimension.values:
                design_point({**first, dimension.name: value})  # refuses what no design can have
        return self

    @model_validator(mode="after")
    def _exits_suit_the_task(self) -> Self:
        for policy in self.search_space()["exit_policy"].values:
            refuse_regression(self.scenario.task, ExitPolicy(str(policy)))
        return self

    @model_validator(mode="after")
    def _races_count_right_answers(self) -> Self:
        metric = TASKS[self.scenario.task].primary_metric
        if self.search.racing is not None and metric != "accuracy":
            raise ValueError(
                f"search.racing bounds the share of right answers, and {self.scenario.task} is "
                f"scored by {metric}: leave the table out"
            )
        return self

    def search_space(self) -> SearchSpace:
        """The space as the frozen value that the rooms below know.

        Raises:
            ValueError: a knob is missing, unknown or has a value that it cannot take.
        """
        unknown = [name for name in self.space if name not in KNOBS]
        if unknown:
            raise ValueError(
                f"knob {unknown[0]!r} is not known{nearest(unknown[0], KNOBS)}: expected "
                f"{', '.join(KNOBS)}"
            )
        space: dict[str, KnobChoice] = {**KNOB_DEFAULTS, **self.space}
        missing = [name for name in KNOBS if name not in space]
        if missing:
            raise ValueError(f"knob {missing[0]!r} is missing: give it a value, a list or a range")
        dimensions = []
        for name in KNOBS:
            choice = space[name]
            try:
                values = (
                    choice.values()
                    if isinstance(choice, Range)
                    else tuple(choice)
                    if isinstance(choice, list)
                    else (choice,)
                )
            except ValueError as error:
                raise ValueError(f"knob {name!r}: {error}") from error
            log = isinstance(choice, Range) and choice.log
            # Whole numbers stay whole in a range, and 0 of a real knob is 0.0.
            typed = (v if isinstance(v, str) else knob_value(name, v) for v in values)
            dimensions.append(Dimension(name, tuple(typed), log))
        self._check_exit_knobs(dimensions)
        conditions = tuple(parse_condition(text, KNOBS) for text in self.conditions)
        return SearchSpace(tuple(dimensions), conditions)

    def _check_exit_knobs(self, dimensions: Iterable[Dimension]) -> None:
        """Require the knobs that the exit policies look at, and one value of those they do not.

        Raises:
            ValueError: a knob is left out though a policy needs it, or multiplies equal designs.
        """
        values = {dimension.name: dimension.values for dimension in dimensions}
        is_regression = TASKS[self.scenario.task].is_regression  # agreement then needs a tolerance
        for policy in values["exit_policy"]:
            for name in KNOBS_OF_EXIT_POLICY[ExitPolicy(str(policy))]:
                is_needed = is_regression or name != "patience_tolerance"
                if is_needed and name not in self.space:
                    raise ValueError(
                        f"knob {name!r} is missing, and exit policy {policy!r} looks at it: give "
                        "it a value, a list or a range"
                    )
        tolerances = len(values["patience_tolerance"])
        if tolerances > 1 and not is_regression:
            raise ValueError(
                f"knob 'patience_tolerance' has {tolerances} values, and none has an effect on "
                f"{self.scenario.task}, whose answers are classes: leave it out"
            )

    def with_overrides(self, changes: Mapping[str, Any]) -> StudySpec:
        """A copy with values changed, by dotted name (``search.trials``).

        Raises:
            StudyFileError: a value cannot be.
        """
        document = self.document()
        for dotted, value in changes.items():
            *tables, key = dotted.split(".")
            table = document
            for name in tables:
                table = table.setdefault(name, {})
            table[key] = value
        return spec_of(document, "command line")

    def document(self) -> dict[str, Any]:
        """The spec as plain tables, as a study file would hold it."""
        plain: dict[str, Any] = self.model_dump(mode="json", exclude_none=True)
        plain["constraints"] = [constraint.text for constraint in self.constraints]
        return plain


def spec_of(document: Mapping[str, Any], origin: str) -> StudySpec:
    """The spec of a parsed study file.

    Raises:
        StudyFileError: something in it is unknown or cannot be; the sentence names it.
    """
    try:
        return StudySpec.model_validate(document)
    except ValidationError as error:
        raise StudyFileError(f"{origin}: {first_problem(error, StudySpec)}") from error


def read_spec(path: Path) -> StudySpec:
    """The spec in a TOML file (or in the ``spec.json`` of a run folder), its paths absolute.

    Raises:
        StudyFileError: the file is missing, not TOML, or not a study.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyFileError(f"{path}: cannot be read as a study file ({error}).") from error
    try:
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise StudyFileError(f"{path}: not valid {kind} ({error}).") from error
    spec = spec_of(document, str(path))
    folder = path.parent
    return spec.model_copy(
        update={
            "evaluator": spec.evaluator.beside(folder),
            "search": spec.search.beside(folder),
            "cost_model": spec.cost_model.beside(folder),
        }
    )


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of study files."""
    schema = StudySpec.model_json_schema()
    constraints = schema["properties"]["constraints"]
    constraints["items"] = {"type": "string", "pattern": "^\\s*\\w+\\s*(<=|>=)\\s*[-+.\\deE]+\\s*$"}
    schema["$defs"].pop("Constraint", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
