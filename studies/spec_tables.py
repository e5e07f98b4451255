"""Tables of a study file, each with what must hold within it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    Strict,
    field_validator,
    model_validator,
)

from evaluators.trace_cache import DEFAULT_LIMIT_MIB
from search_space import IdleAccounting, PowerMode, Scenario, linear_range, log_range, nearest
from studies.design_lists import design_list_names
from studies.metrics import METRICS

_PADDED = re.compile(r"padded\((\d+)\)")
_CONSTRAINT = re.compile(r"\s*(\w+)\s*(<=|>=)\s*([-+.\deE]+)\s*")
_MOST_VALUES: Final = 10_000
"""Values of a range: more than anyone searches, and far from what memory holds."""

Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
"""Numbers as TOML writes them: no text and no true or false in their place."""


class Table(BaseModel):
    """A table that refuses unknown keys and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ScenarioTable(Table):
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


class EvaluatorTable(Table):
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


class CostModelTable(Table):
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


class Objective(Table):
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


class Constraint(Table):
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


class SamplerTable(Table):
    """Which sampler chooses, and its own options."""

    name: Literal["nsga2", "nsga3", "tpe", "gp", "cmaes", "random", "qmc", "fronts"] = "nsga2"
    options: dict[str, int | float | bool] = Field(
        default_factory=dict, description="Keyword arguments of the sampler's class."
    )


class StopTable(Table):
    """When a search ends before all its trials are told."""

    seconds: Number | None = Field(
        default=None, gt=0, description="After that time, s; counted anew by 'dse resume'."
    )
    growth: Number | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="When the upper estimate of the hypervolume's growth over the next 'window' "
        "trials is at most that share of it.",
    )
    window: Whole = Field(default=40, gt=1, description="Trials that growth is estimated from.")


class RacingTable(Table):
    """How settings are stopped part-way through their sentences (`studies.racing`)."""

    looks: list[Annotated[Whole, Field(gt=0)]] = Field(
        default=[],
        description="Numbers of drawn sentences, rising, after which a setting is looked at again; "
        "the first look comes before any, and those beyond the last sentence are left out.",
    )
    risk: Number = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Probability that a setting with a design on the front is stopped.",
    )
    accuracy_ceiling: Number = Field(
        default=1.0, gt=0, le=1, description="Accuracy that no design is taken to exceed."
    )

    @field_validator("looks")
    @classmethod
    def _rising(cls, value: list[int]) -> list[int]:
        if sorted(set(value)) != value:
            raise ValueError(f"looks {value} do not rise: expected numbers such as [250, 500]")
        return value


class SearchTable(Table):
    """How the space is searched."""

    strategy: Literal["joint", "nested"] = "nested"
    trials: Whole = Field(default=100, gt=0, description="Trials of the study, repeats included.")
    seed: Whole = Field(default=0, ge=0)
    workers: Whole = Field(default=2, gt=0, description="Ray workers.")
    in_flight: Whole | None = Field(
        default=None,
        gt=0,
        description="Trials asked for before the oldest of them is told; by default one a worker. "
        "The same seed and number give the same trials, however many and fast the workers are.",
    )
    levels: list[Number] = Field(
        default=[],
        description="Nested: values of the first objective; the sampler is told the best second "
        "objective at each. By default a setting's own hypervolume and best first objective.",
    )
    warm_start: list[str] = Field(
        default=[],
        description="Tried first: the front of a run folder, a file of designs, or a shipped list.",
    )
    stop: StopTable = StopTable()
    sampler: SamplerTable = SamplerTable()
    racing: RacingTable | None = Field(
        default=None,
        description="Nested: stop settings that cannot reach the front, and measure the report "
        "split of those alone that do. By default every sentence of every setting is measured.",
    )

    @model_validator(mode="after")
    def _levels_are_nested(self) -> Self:
        if self.levels and self.strategy != "nested":
            raise ValueError("levels are of nested studies: a joint one tells every objective")
        return self

    @model_validator(mode="after")
    def _fronts_are_nested(self) -> Self:
        if self.sampler.name == "fronts" and self.strategy != "nested":
            raise ValueError("sampler 'fronts' learns inner fronts, which a joint study has not")
        return self

    @model_validator(mode="after")
    def _races_are_nested(self) -> Self:
        if self.racing is not None and self.strategy != "nested":
            raise ValueError("racing is of nested studies: a joint one scores designs one by one")
        return self

    def beside(self, folder: Path) -> SearchTable:
        """The same with paths of warm starts taken from that folder."""
        known = design_list_names()
        paths = [s if s in known else str(folder.absolute() / s) for s in self.warm_start]
        return self.model_copy(update={"warm_start": paths})


class Range(Table):
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
