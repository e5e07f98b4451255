"""Other platforms: measured or published CPUs and GPUs beside the model's chip, from a file."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hw_cost import EncoderShape, Workload, load_technology
from search_space import nearest
from studies.recorded import RecordedTraces
from studies.validation.accelerator import (
    SentenceCost,
    edgebert_knobs,
    scenario,
    sentence_cost,
    whole_inference,
    without_store,
)
from studies.validation.encoders import ALBERT_BASE, BERT_BASE, albert_workload
from studies.validation.published import VALIDATION_DATA
from studies.validation.rows import SourceMark, number_text

SHIPPED_PLATFORMS: Final = VALIDATION_DATA / "platforms.toml"
_HEADER: Final = """\
# Platforms that `dse validate` sets beside the model's chip. One table a platform and model:
#   name, task, model    model: albert-base, bert-base, or a shipped checkpoint
#   tokens               of a sentence, batch 1
#   latency_ms, power_mw, energy_mj, energy_ratio
#                        what is known, at least one: energy of a sentence, and its ratio to the
#                        published accelerator's
#   measured_by, source  who measured, and where it stands
#   mark                 read, computed, recalled or measured
#   note                 conditions; may be left out
"""
_PLATFORM_KEYS: Final = (
    *("name", "task", "model", "tokens", "latency_ms", "power_mw", "energy_mj", "energy_ratio"),
    *("measured_by", "source", "mark", "note"),
)


class PlatformFileError(ValueError):
    """A file of platforms is missing, damaged or incomplete."""


class Platform(BaseModel):
    """One platform that runs one model.

    Attributes:
        name: processor or board.
        task: what the sentences are.
        model: ``albert-base``, ``bert-base`` or a shipped checkpoint.
        tokens: of a sentence.
        latency_ms: of a sentence, batch 1.
        power_mw: while it runs.
        energy_mj: of a sentence.
        energy_ratio: energy of a sentence over that of the published accelerator.
        measured_by: who measured.
        source: where it stands.
        mark: how the figures got here.
        note: conditions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    task: str
    model: str
    tokens: int = Field(gt=0)
    latency_ms: float | None = Field(default=None, gt=0)
    power_mw: float | None = Field(default=None, gt=0)
    energy_mj: float | None = Field(default=None, gt=0)
    energy_ratio: float | None = Field(default=None, gt=0)
    measured_by: str
    source: str
    mark: SourceMark
    note: str = ""

    @model_validator(mode="after")
    def _says_something(self) -> Platform:
        if not any((self.latency_ms, self.power_mw, self.energy_mj, self.energy_ratio)):
            raise ValueError(
                "expected at least one of latency_ms, power_mw, energy_mj and energy_ratio"
            )
        return self

    @property
    def sentence_mj(self) -> float | None:
        """Energy of a sentence, mJ: given, or latency times power (ms times mW is 1e-3 mJ)."""
        if self.energy_mj is not None or self.latency_ms is None or self.power_mw is None:
            return self.energy_mj
        return self.latency_ms * self.power_mw * 1e-3

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells platforms apart."""
        return self.name, self.model, self.tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformRow:
    """A platform beside the model's chip, both running every layer of one sentence.

    Attributes:
        platform: the platform.
        chip: cost on the chip; None where the model's shape is not known.
        reason: why there is no ratio; empty where there is one.
    """

    platform: Platform
    chip: SentenceCost | None
    reason: str

    @property
    def times_slower(self) -> float | None:
        """Latency over the chip's."""
        if self.chip is None or self.platform.latency_ms is None:
            return None
        return self.platform.latency_ms / self.chip.latency_ms

    @property
    def times_energy(self) -> float | None:
        """Energy of a sentence over the chip's."""
        if self.chip is None or self.platform.sentence_mj is None:
            return None
        return self.platform.sentence_mj / self.chip.energy_mj

    def as_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        return {
            **self.platform.model_dump(mode="json"),
            "chip_latency_ms": None if self.chip is None else self.chip.latency_ms,
            "chip_energy_mj": None if self.chip is None else self.chip.energy_mj,
            "times_slower": self.times_slower,
            "times_energy": self.times_energy,
            "reason": self.reason,
        }


def read_platforms(path: Path) -> tuple[Platform, ...]:
    """Platforms of a TOML file, as tables ``[[platform]]``.

    Raises:
        PlatformFileError: the file is missing or not TOML, or a table lacks a key, has an unknown
            one or a wrong value.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PlatformFileError(f"{path}: not a file of platforms ({error}).") from error
    tables = document.pop("platform", None)
    if document or not isinstance(tables, list):
        raise PlatformFileError(f"{path}: expected tables [[platform]] and nothing else.")
    found: list[Platform] = []
    for place, table in enumerate(tables, start=1):
        try:
            found.append(Platform.model_validate(table))
        except ValidationError as error:
            raise PlatformFileError(f"{path}: platform {place}: {_problem(error)}.") from error
    return tuple(found)


def _problem(error: ValidationError) -> str:
    """The first problem of a table in words."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        close = nearest(name, _PLATFORM_KEYS)
        return f"key {name!r} is not known{close}: expected one of {', '.join(_PLATFORM_KEYS)}"
    if first["type"] == "missing":
        return f"key {name!r} is missing"
    told = first["msg"].removeprefix("Value error, ")
    return f"{name} {first['input']!r}: {told}" if name else told


def platforms_toml(platforms: Iterable[Platform]) -> str:
    """The file of those platforms; what `read_platforms` reads."""
    blocks = [_HEADER]
    for platform in platforms:
        values = platform.model_dump(mode="json", exclude_defaults=True)
        lines = [f"{key} = {json.dumps(values[key])}" for key in _PLATFORM_KEYS if key in values]
        blocks.append("\n".join(["[[platform]]", *lines]) + "\n")
    return "\n".join(blocks)


def add_platforms(path: Path, measured: Iterable[Platform]) -> None:
    """Writes platforms into a file, new or not; those of the same name, model and length go.

    Raises:
        PlatformFileError: the file is there and cannot be read.
    """
    new = {platform.key: platform for platform in measured}
    old = read_platforms(path) if path.exists() else ()
    kept = [platform for platform in old if platform.key not in new]
    path.write_text(platforms_toml([*kept, *new.values()]), encoding="utf-8")


def platform_rows(platforms: Iterable[Platform]) -> tuple[PlatformRow, ...]:
    """Platforms beside the chip that `studies.validation.edgebert` describes, no exit, 0.8 V."""
    return tuple(_row(platform) for platform in platforms)


def _row(platform: Platform) -> PlatformRow:
    shape = _shape(platform.model)
    if shape is None:
        reason = f"the shape of model {platform.model!r} is not known"
        return PlatformRow(platform=platform, chip=None, reason=reason)
    try:
        chip = _chip_cost(albert_workload(shape=shape), platform.tokens)
    except ValueError as error:
        return PlatformRow(platform=platform, chip=None, reason=str(error))
    reason = ""
    if platform.latency_ms is None and platform.sentence_mj is None:
        reason = "no absolute figure is published: give latency_ms, or energy_mj"
    return PlatformRow(platform=platform, chip=chip, reason=reason)


def _shape(model: str) -> EncoderShape | None:
    known = {"albert-base": ALBERT_BASE, "bert-base": BERT_BASE}
    recorded = RecordedTraces()
    if model in recorded.manifest.checkpoints:
        return recorded.shape(model)
    return known.get(model)


def _chip_cost(workload: Workload, tokens: int) -> SentenceCost:
    """Every layer of one sentence.

    Raises:
        ValueError: the chip cannot run it.
    """
    groups, shares = whole_inference(workload.shape.layers, tokens)
    technology = without_store(load_technology())
    asked = scenario(deadline_ms=1e6, tokens=tokens)
    return sentence_cost(workload, edgebert_knobs(), groups, shares, asked, technology)


def figure_or_dash(value: float | None) -> str:
    """A figure for people, or a dash where there is none."""
    return "–" if value is None else number_text(value)
