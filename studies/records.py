"""Records of a finished or running study: the front with everything that is shown of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from search_space import KnobValue
from studies.metrics import is_score
from studies.whole_files import write_whole

FRONT_FORMAT = 1


class RecordError(ValueError):
    """A stored record is missing or damaged."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Figure(_Record):
    """A figure and its standard error over sentences (None where it does not depend on them)."""

    value: float
    se: float | None = None


class Breakdown(_Record):
    """Mean cost of a sentence, and the area, by part. Each sums to the design's total."""

    energy_pj: dict[str, float]
    latency_ns: dict[str, float]
    area_mm2: dict[str, float]


class FrontDesign(_Record):
    """One design of the front.

    Attributes:
        id: its number in this front, in order of falling accuracy or first objective.
        trial: the trial that found it.
        knobs: every knob.
        metrics: every metric on the ``select`` split, by name.
        report_accuracy: primary metric of the task on the ``report`` split, which nothing was
            chosen on.
        report_metrics: the task's further official metrics there, by name (those of MNLI's
            mismatched dev set end in ``_mismatched``); empty for a task with one.
        breakdown: costs by part.
        exit_layer_shares: share of sentences that exit after layer 1, 2, …
        voltage_shares: share of sentences whose later layers run at a voltage, by voltage in V.
        membership: share of the bootstrap samples of the ``select`` sentences in which it is on the
            front (`studies.membership`); None in records that are older.
        accuracy_low: accuracy that 5 % of the samples are below.
    """

    id: int
    trial: int
    knobs: dict[str, KnobValue]
    metrics: dict[str, Figure]
    report_accuracy: Figure
    report_metrics: dict[str, Figure] = {}
    breakdown: Breakdown
    exit_layer_shares: list[float]
    voltage_shares: dict[str, float]
    membership: float | None = None
    accuracy_low: float | None = None


class Bootstrap(_Record):
    """What memberships were worked out from.

    Attributes:
        samples: of the ``select`` sentences.
        rivals: dominated designs, the nearest ones, that took part beside the front.
    """

    samples: int
    rivals: int


class Grid(_Record):
    """A range of a knob, which is searched at its steps alone.

    Attributes:
        knob: which.
        low: first step.
        high: last step.
        steps: how many.
        log: whether they are in equal ratios.
    """

    knob: str
    low: float
    high: float
    steps: int
    log: bool


class Progress(_Record):
    """State of the search after a trial.

    Attributes:
        trial: trials told so far.
        designs_scored: designs scored so far.
        front_size: designs on the front.
        hypervolume: as the study file defines it.
    """

    trial: int
    designs_scored: int
    front_size: int
    hypervolume: float


class ObjectiveRecord(_Record):
    """One objective and its hypervolume axis."""

    metric: str
    direction: Literal["minimize", "maximize"]
    axis: Literal["linear", "log10"]
    ideal: float
    reference: float

    @property
    def maximised(self) -> bool:
        """Whether more is better."""
        return self.direction == "maximize"


class Dominated(_Record):
    """Scored designs that are not on the front: a sample, said so by ``of``.

    Attributes:
        columns: names of metrics and knobs.
        rows: one list of values a design.
        of: designs that the sample was drawn from.
    """

    columns: list[str]
    rows: list[list[KnobValue | None]]
    of: int


class Front(_Record):
    """``front.json``: the Pareto front of a study, and how it was found.

    Attributes:
        bootstrap: what memberships of the designs were worked out from.
        grids: knobs whose ranges were searched at their steps.
        stopped: why the search ended, in words.
    """

    format: Literal[1]
    title: str
    strategy: Literal["joint", "nested"]
    evaluator: Literal["recorded", "live"]
    scenario: dict[str, Any]
    objectives: list[ObjectiveRecord]
    constraints: list[str]
    hypervolume: float
    history: list[Progress]
    counts: dict[str, int]
    provenance: dict[str, Any]
    designs: list[FrontDesign]
    dominated: Dominated
    bootstrap: Bootstrap | None = None
    grids: list[Grid] = []
    stopped: str = ""

    def axes(self) -> tuple[str, str]:
        """Objectives that a front is first drawn over: what it costs, and what it brings.

        They are the second and the first one; of several accuracies, which stand side by side, the
        first objective that is none and the first accuracy.
        """
        first, second = (objective.metric for objective in self.objectives[:2])
        costs = [o.metric for o in self.objectives if not is_score(o.metric)]
        return (costs[0] if costs and is_score(second) else second), first

    def design(self, design_id: int) -> FrontDesign:
        """The design of that id.

        Raises:
            RecordError: there is none.
        """
        for design in self.designs:
            if design.id == design_id:
                return design
        raise RecordError(
            f"Design id {design_id} is not on the front: expected 0 to {len(self.designs) - 1}."
        )

    def rows(self) -> Iterator[Mapping[str, KnobValue]]:
        """Each design as one flat row of id, knobs, metrics and report accuracy."""
        for design in self.designs:
            metrics = {name: figure.value for name, figure in design.metrics.items()}
            yield {
                "id": design.id,
                **design.knobs,
                **metrics,
                "report_accuracy": design.report_accuracy.value,
                **({} if design.membership is None else {"membership": design.membership}),
            }


def write_front(path: Path, front: Front) -> None:
    """Write ``front.json``, whole or not at all.

    Raises:
        UnwritableError: it cannot be written.
    """
    write_whole(path, (front.model_dump_json(indent=1) + "\n").encode())


def read_front(path: Path) -> Front:
    """Read ``front.json``.

    Raises:
        RecordError: the file is missing, damaged or of another format.
    """
    if not path.is_file():
        raise RecordError(f"{path}: no such file; the run has no front yet: 'dse resume' it.")
    try:
        return Front.model_validate(json.loads(path.read_text()))
    except (OSError, ValidationError, ValueError, RecursionError) as error:
        first = str(error).splitlines()[0]
        raise RecordError(
            f"{path}: not a front record ({first}); 'dse resume' writes it anew."
        ) from (error)
