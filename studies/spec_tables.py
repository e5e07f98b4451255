"""Tables of a study file, each with what must hold within it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    Strict,
    field_validator,
)

from evaluators.trace_cache import DEFAULT_LIMIT_MIB
from search_space import IdleAccounting, PowerMode, Scenario, linear_range, log_range

_PADDED = re.compile(r"padded\((\d+)\)")
_MOST_VALUES: Final = 10_000
"""Values of a range: more than anyone searches, and far from what memory holds."""

Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
"""Numbers as TOML writes them: no text and no true or false in their place."""


class Table(BaseModel):
    """A table that refuses unknown keys and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


TaskName = Literal["CoLA", "SST-2", "MRPC", "STS-B", "QQP", "MNLI", "QNLI", "RTE", "WNLI"]


class ScenarioTable(Table):
    """What every design of the study is asked to do."""

    task: TaskName | list[TaskName] = Field(
        description="GLUE task; the metric 'accuracy' is its primary metric. Or a list of several, "
        "on each of which every setting is measured: 'accuracy' is the mean of their primary "
        "metrics then, and 'accuracy[RTE]' that of RTE (so with every metric)."
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

    @field_validator("task")
    @classmethod
    def _distinct_tasks(cls, value: TaskName | list[TaskName]) -> TaskName | list[TaskName]:
        if isinstance(value, str):
            return value
        if len(value) < 2 or len(set(value)) != len(value):
            raise ValueError(f"tasks {value}: expected two or more different ones, or one name")
        return value

    @field_validator("sequences")
    @classmethod
    def _known_sequences(cls, value: str) -> str:
        if value != "actual" and not _PADDED.fullmatch(value):
            raise ValueError("expected 'actual' or 'padded(N)', for example 'padded(128)'")
        return value

    @property
    def tasks(self) -> tuple[str, ...]:
        """The task, or all of several."""
        return (self.task,) if isinstance(self.task, str) else tuple(self.task)

    def scenario(self) -> Scenario:
        """The frozen value that the rooms below know."""
        padded = _PADDED.fullmatch(self.sequences)
        return Scenario(
            task=", ".join(self.tasks),
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
    checkpoints: dict[str, str | dict[TaskName, str]] = Field(
        default_factory=dict,
        description="Checkpoints that are not shipped, by the name used in the space: a folder, or "
        "the hub name of a model; in a study of several tasks one for each task.",
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

    def checkpoints_of(self, task: str) -> dict[str, str]:
        """Folders or hub names by the name used in the space, for one of the study's tasks."""
        return {
            name: places if isinstance(places, str) else places[task]  # type: ignore[index]
            for name, places in self.checkpoints.items()
            if isinstance(places, str) or task in places
        }

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
