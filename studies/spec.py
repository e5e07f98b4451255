"""Study files: TOML in, a validated `StudySpec` out, with one sentence for whatever is wrong."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    Strict,
    ValidationError,
    field_validator,
    model_validator,
)

from evaluators.exit_levels import refuse_regression
from evaluators.tasks import TASKS
from evaluators.trace_cache import DEFAULT_LIMIT_MIB
from search_space import (
    KNOB_DEFAULTS,
    KNOBS,
    KNOBS_OF_EXIT_POLICY,
    Dimension,
    ExitPolicy,
    IdleAccounting,
    PowerMode,
    Scenario,
    SearchSpace,
    design_point,
    knob_value,
    linear_range,
    log_range,
    nearest,
    parse_condition,
)
from studies.metrics import METRICS

_PADDED = re.compile(r"padded\((\d+)\)")
_CONSTRAINT = re.compile(r"\s*(\w+)\s*(<=|>=)\s*([-+.\deE]+)\s*")
_MOST_VALUES: Final = 10_000
"""Values of a range: more than anyone searches, and far from what memory holds."""

Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
"""Numbers as TOML writes them: no text and no true or false in their place."""


class StudyFileError(ValueError):
    """A study file cannot be read or says something that cannot be."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ScenarioTable(_Table):
    """What every design of the study is asked to do."""

    task: Literal["CoLA", "SST-2", "MRPC", "STS-B", "QQP", "MNLI", "QNLI", "RTE", "WNLI"] = Field(
        description="GLUE task; the metric 'accuracy' is its primary metric."
    )
    sequences: str = Field(
        default="actual", description="'actual' token counts, or 'padded(N)' to N tokens."
    )
    deadline_ms: Number = Field(gt=0, description="Answer every sentence within that time, ms.")
    sentences_per_hour: Number = Field(
        default=3600.0, gt=0, description="Load that average power assumes."
    )
    idle: Literal["none", "leakage"] = Field(
        default="none", description="What is charged between the answer and the deadline."
    )
    temperature_k: Number = Field(default=350.0, gt=0, description="Junction temperature, K.")
    power_mode: Literal["always-on", "retained", "off"] = Field(
        default="retained", description="What stays powered between sentences."
    )
    envm_preset: Literal["optimistic", "conservative"] = Field(
        default="optimistic", description="Which set of eNVM constants."
    )
    logic_preset: Literal["default", "hp", "lp", "silicon"] = Field(
        default="default", description="Which threshold voltage the datapath has."
    )
    node_nm: Literal[45, 32, 20, 16, 14, 12, 10, 7] = Field(
        default=12, description="Process node; the constants stand for 12 nm and are scaled."
    )

    @field_validator("sequences")
    @classmethod
    def _known_sequences(cls, value: str) -> str:
        if value != "actual" and not _PADDED.fullmatch(value):
            raise ValueError("expected 'actual' or 'padded(N)', for example 'padded(128)'")
        return value

    def scenario(self) -> Scenario:
        """The frozen value that the rooms below know."""
        padded = _PADDED.fullmatch(self.sequences)
        return Scenario(
            task=self.task,
            padded_tokens=int(padded[1]) if padded else None,
            deadline_ms=self.deadline_ms,
            sentences_per_hour=self.sentences_per_hour,
            idle=IdleAccounting(self.idle),
            temperature_k=self.temperature_k,
            power_mode=PowerMode(self.power_mode),
        )


class EvaluatorTable(_Table):
    """Where accuracy comes from."""

    kind: Literal["recorded", "live"] = Field(
        default="recorded", description="Shipped traces, or forward passes over the sentences."
    )
    checkpoints: dict[str, str] = Field(
        default_factory=dict,
        description="Checkpoints that are not shipped, by the name used in the space: a folder, or "
        "the hub name of a model.",
    )
    cache: str | None = Field(
        default=None,
        min_length=1,
        description="Folder of live traces, from the study file's own; runs may share it. By "
        "default 'traces' in the run folder.",
    )
    cache_mib: Whole = Field(
        default=DEFAULT_LIMIT_MIB,
        gt=0,
        description="Size of that folder, MiB: beyond it, traces used longest ago are removed.",
    )
    limit_s: Number | None = Field(
        default=None,
        gt=0,
        description="Seconds that evaluating one setting or design may take, without the start of "
        "a worker; then it is stopped and tried again, three times in all. By default no limit.",
    )

    def beside(self, folder: Path) -> EvaluatorTable:
        """The same with the path of the cache, if there is one, taken from that folder."""
        if self.cache is None:
            return self
        return self.model_copy(update={"cache": str(folder.absolute() / self.cache)})


class CostModelTable(_Table):
    """What works out energy, latency and area."""

    name: str = Field(
        default="edge-dse",
        min_length=1,
        description="'edge-dse', 'file.py:Class' beside the study file, 'module:Class', or the "
        "name of an entry point in the group edge_dse.cost_models.",
    )
    options: dict[str, JsonValue] = Field(
        default_factory=dict, description="Keyword arguments of the class."
    )

    @property
    def script(self) -> Path | None:
        """The script that the class is in; None if it is in none."""
        place = self.name.rpartition(":")[0]
        return Path(place) if place.endswith(".py") else None

    def beside(self, folder: Path) -> CostModelTable:
        """The same with the path of a script, if it is in one, taken from that folder."""
        if self.script is None:
            return self
        class_name = self.name.rpartition(":")[2]
        path = folder.absolute() / self.script
        return CostModelTable(name=f"{path}:{class_name}", options=self.options)


class Objective(_Table):
    """One objective and its axis of the hypervolume."""

    metric: str = Field(description="Name of a metric.")
    axis: Literal["linear", "log10"] = Field(default="linear", description="Scale of the axis.")
    ideal: Number = Field(description="Value that counts as 0 on the normalised axis.")
    reference: Number = Field(description="Value that counts as 1; what is worse counts nothing.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.metric not in METRICS:
            raise ValueError(
                f"metric {self.metric!r} is not known: expected one of {', '.join(METRICS)}"
                + nearest(self.metric, METRICS)
            )
        if self.axis == "log10" and min(self.ideal, self.reference) <= 0:
            raise ValueError(f"a log10 axis of {self.metric} needs ideal and reference above 0")
        better_first = (
            self.ideal > self.reference if self.maximised else self.ideal < self.reference
        )
        if not better_first:
            raise ValueError(
                f"ideal {self.ideal} of {self.metric} must be better than reference "
                f"{self.reference} ({METRICS[self.metric].direction} it)"
            )
        return self

    @property
    def maximised(self) -> bool:
        """Whether more is better."""
        return METRICS[self.metric].direction == "maximize"


class Constraint(_Table):
    """A bound on a metric, written as text such as ``area_mm2 <= 3``."""

    metric: str
    upper: bool
    bound: float
    text: str

    @classmethod
    def parse(cls, text: Any) -> Any:
        """The constraint that a text says.

        Raises:
            ValueError: it says none.
        """
        if isinstance(text, cls):
            return text
        if not isinstance(text, str):
            raise ValueError(f"{text!r} is not a constraint: expected text, 'metric <= number'")
        match = _CONSTRAINT.fullmatch(text)
        try:
            bound = float(match[3]) if match else None
        except ValueError:
            bound = None
        if match is None or bound is None:
            raise ValueError(f"{text!r} is not a constraint: expected 'metric <= number' or '>='")
        if match[1] not in METRICS:
            raise ValueError(
                f"constraint {text!r} names no metric: expected one of {', '.join(METRICS)}"
                + nearest(match[1], METRICS)
            )
        return {"metric": match[1], "upper": match[2] == "<=", "bound": bound, "text": text.strip()}


class SamplerTable(_Table):
    """Which Optuna sampler chooses, and its own options."""

    name: Literal["nsga2", "tpe", "gp", "random"] = "nsga2"
    options: dict[str, int | float | bool] = Field(
        default_factory=dict, description="Keyword arguments of the sampler's class."
    )


class SearchTable(_Table):
    """How the space is searched."""

    strategy: Literal["joint", "nested"] = "nested"
    trials: Whole = Field(default=100, gt=0, description="Trials of the study, repeats included.")
    seed: Whole = Field(default=0, ge=0)
    workers: Whole = Field(default=2, gt=0, description="Ray workers.")
    sampler: SamplerTable = SamplerTable()


class Range(_Table):
    """Values from low to high: by step, or ``count`` values in equal ratios with ``log``."""

    low: Number
    high: Number
    step: Number | None = None
    count: Whole | None = None
    log: bool = False

    def values(self) -> tuple[float, ...]:
        """The values, in order.

        Raises:
            ValueError: the fields do not describe a range.
        """
        if self.log:
            if self.count is None or self.step is not None:
                raise ValueError("a log range needs 'count' and no 'step'")
            if self.count > _MOST_VALUES:
                raise ValueError(f"a range of {self.count} values: expected at most {_MOST_VALUES}")
            return log_range(self.low, self.high, self.count)
        if self.step is None or self.count is not None:
            raise ValueError("a linear range needs 'step' and no 'count'")
        if self.high - self.low > _MOST_VALUES * self.step > 0:
            raise ValueError(
                f"range from {self.low} to {self.high} by {self.step}: expected at most "
                f"{_MOST_VALUES} values"
            )
        return linear_range(self.low, self.high, self.step)


KnobChoice = str | Whole | Number | list[str | Whole | Number] | Range


class StudySpec(_Table):
    """A whole study."""

    format: Literal[1] = Field(default=1, description="Version of this file format.")
    title: str = Field(min_length=1, max_length=200)
    scenario: ScenarioTable
    evaluator: EvaluatorTable = EvaluatorTable()
    cost_model: CostModelTable = CostModelTable()
    objectives: Annotated[list[Objective], Field(min_length=2, max_length=5)]
    constraints: list[Annotated[Constraint, BeforeValidator(Constraint.parse)]] = []
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
        raise StudyFileError(f"{origin}: {_first_problem(error)}") from error


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


_TABLES: Final[Mapping[str, type[BaseModel]]] = {
    "": StudySpec,
    "scenario": ScenarioTable,
    "evaluator": EvaluatorTable,
    "cost_model": CostModelTable,
    "objectives": Objective,
    "search": SearchTable,
    "sampler": SamplerTable,
    "space": Range,
}


def _first_problem(error: ValidationError) -> str:
    """One sentence on the first thing that is wrong."""
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
    if location[:3] == ["search", "sampler", "options"]:
        location = location[:4]
    where = ".".join(location) or "the study"
    if first["type"] == "extra_forbidden":
        tables: Iterable[str] = [part for part in location[:-1] if part in _TABLES]
        table = _TABLES[[*tables][-1] if tables else ""]
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
