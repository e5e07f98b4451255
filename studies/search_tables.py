"""Tables of a study file on the search: strategy, sampler, stopping and racing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from studies.design_lists import design_list_names
from studies.spec_tables import Number, Table, Whole

NESTED_SAMPLERS: Final[Mapping[str, str]] = {
    "fronts": "learns inner fronts",
    "listed": "goes through settings",
}
"""Samplers of nested studies alone, and what they do that a joint study has not."""


class SamplerTable(Table):
    """Which sampler chooses, and its own options."""

    name: Literal["nsga2", "nsga3", "tpe", "gp", "cmaes", "random", "qmc", "fronts", "listed"] = (
        "nsga2"
    )
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
    storage: Literal["sampled", "enumerated"] = Field(
        default="sampled",
        description="Nested: whether the sampler chooses memory cells, or every trial goes through "
        "all that share its setting's forward pass, as through exits and hardware.",
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
    def _enumeration_is_nested(self) -> Self:
        if self.storage == "enumerated" and self.strategy != "nested":
            raise ValueError("storage is enumerated by nested studies: a joint one samples it")
        return self

    @model_validator(mode="after")
    def _own_samplers_are_nested(self) -> Self:
        name = self.sampler.name
        if self.strategy != "nested" and name in NESTED_SAMPLERS:
            raise ValueError(
                f"sampler {name!r} {NESTED_SAMPLERS[name]}, which a joint study has not"
            )
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
