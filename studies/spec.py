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
    MODEL_KNOBS,
    Dimension,
    ExitPolicy,
    SearchSpace,
    design_point,
    knob_value,
    nearest,
    parse_condition,
)
from studies.metrics import parts_of
from studies.objectives import Constraint, Objective
from studies.search_tables import NESTED_SAMPLERS, SearchTable
from studies.spec_problems import first_problem
from studies.spec_tables import (
    CostModelTable,
    EvaluatorTable,
    KnobChoice,
    Range,
    ScenarioTable,
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
    objectives: Annotated[list[Objective], Field(min_length=2, max_length=8)]
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
            for task in self.scenario.tasks:
                refuse_regression(task, ExitPolicy(str(policy)))
        return self

    @model_validator(mode="after")
    def _metrics_are_of_its_tasks(self) -> Self:
        tasks = self.scenario.tasks
        for name in self.metric_names():
            task = parts_of(name)[1]
            if task is not None and len(tasks) == 1:
                raise ValueError(
                    f"metric {name!r} names a task, and the study has but one: expected "
                    f"{parts_of(name)[0]!r}"
                )
            if task is not None and task not in tasks:
                raise ValueError(
                    f"metric {name!r} is of a task that the study has not: expected one of "
                    f"{', '.join(tasks)}"
                )
        return self

    @model_validator(mode="after")
    def _checkpoints_are_of_every_task(self) -> Self:
        tasks = self.scenario.tasks
        for name, places in self.evaluator.checkpoints.items():
            if isinstance(places, str) and len(tasks) > 1:
                raise ValueError(
                    f"checkpoint {name!r} is {places!r} for {len(tasks)} tasks: expected a table "
                    f"with one for each of {', '.join(tasks)}"
                )
            if not isinstance(places, str) and (missing := [t for t in tasks if t not in places]):
                raise ValueError(f"checkpoint {name!r} has no folder for the task {missing[0]}")
        return self

    @model_validator(mode="after")
    def _races_count_right_answers(self) -> Self:
        if self.search.racing is None:
            return self
        first, *others = self.scenario.tasks
        if others:
            raise ValueError(
                f"search.racing is of studies of one task, and this one has {len(others) + 1}: "
                "leave the table out"
            )
        metric = TASKS[first].primary_metric
        if metric != "accuracy":
            raise ValueError(
                f"search.racing bounds the share of right answers, and {first} is scored by "
                f"{metric}: leave the table out"
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

    def metric_names(self) -> tuple[str, ...]:
        """Metrics that objectives and constraints name, each once."""
        named = [*(o.metric for o in self.objectives), *(c.metric for c in self.constraints)]
        return tuple(dict.fromkeys(named))

    def of_task(self, task: str) -> StudySpec:
        """The study on one of its tasks alone, of the objectives and constraints that it has there.

        It may have fewer objectives than a study that is read.
        """
        if self.scenario.tasks == (task,):
            return self
        named: dict[str, Objective] = {}
        for objective in self.objectives:
            base, own = parts_of(objective.metric)
            if own in (None, task):
                named.setdefault(base, objective.model_copy(update={"metric": base}))
        constraints = [
            c.model_copy(update={"metric": base, "text": c.text.replace(c.metric, base)})
            for c in self.constraints
            for base, own in (parts_of(c.metric),)
            if own in (None, task)
        ]
        evaluator = {"checkpoints": self.evaluator.checkpoints_of(task)}
        return self.model_copy(
            update={
                "scenario": self.scenario.model_copy(update={"task": task}),
                "evaluator": self.evaluator.model_copy(update=evaluator),
                "objectives": list(named.values()),
                "constraints": constraints,
            }
        )

    def enumerated_storage(self) -> tuple[str, ...]:
        """Storage knobs that every trial of a nested study goes through."""
        if self.search.storage == "sampled":
            return ()
        return self.search_space().faithful_storage()

    def setting_knobs(self) -> tuple[str, ...]:
        """Model knobs that are chosen for a trial of a nested study."""
        enumerated = self.enumerated_storage()
        return tuple(name for name in MODEL_KNOBS if name not in enumerated)

    def _check_exit_knobs(self, dimensions: Iterable[Dimension]) -> None:
        """Require the knobs that the exit policies look at, and one value of those they do not.

        Raises:
            ValueError: a knob is left out though a policy needs it, or multiplies equal designs.
        """
        values = {dimension.name: dimension.values for dimension in dimensions}
        tasks = self.scenario.tasks
        is_regression = any(TASKS[t].is_regression for t in tasks)  # agreement needs a tolerance
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
                f"{', '.join(tasks)}, whose answers are classes: leave it out"
            )

    def with_overrides(self, changes: Mapping[str, Any]) -> StudySpec:
        """A copy with values changed, by dotted name (``search.trials``).

        A study that is made a joint one samples storage, if it enumerated it, and with the default
        sampler, if its own drives nested studies alone, unless something else is asked for: the
        rest of a nested study's file holds for both.

        Raises:
            StudyFileError: a value cannot be.
        """
        document = self.document()
        if changes.get("search.strategy") == "joint":
            changes = {"search.storage": "sampled", **changes}
            asked = any(name.startswith("search.sampler") for name in changes)
            if not asked and self.search.sampler.name in NESTED_SAMPLERS:
                changes = {"search.sampler": {}, **changes}
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
    pattern = r"^\s*\w+(\[[\w-]+\])?\s*(<=|>=)\s*[-+.\deE]+\s*$"
    constraints["items"] = {"type": "string", "pattern": pattern}
    schema["$defs"].pop("Constraint", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
