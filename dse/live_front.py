"""The front of a search that is still going on, from the outcomes that its journal holds."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dse.archive import Archive, Member
from dse.evaluation import Evaluation, Outcome
from search_space import EXIT_KNOBS, HARDWARE_KNOBS, KNOBS, KnobValue, design_point
from studies.records import Dominated, Front, FrontDesign, ObjectiveRecord, Progress
from studies.scoring import design_details
from studies.spec import StudySpec

POINTS_AT_ONCE: Final = 400
"""Points of the history that one look at the journal adds, at most."""
DOMINATED_SHOWN: Final = 1_500
DOMINATED_KEPT: Final = 200_000
"""Dominated designs that are remembered; later ones are counted alone."""

Point = Mapping[str, KnobValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldPoint:
    """A trial that was told for the first time.

    Attributes:
        number: of the trial.
        flat: its point.
        outcome: what became of it.
        place: trials told up to it, itself included.
    """

    number: int
    flat: Point
    outcome: Outcome
    place: int


class LiveFront:
    """Archive and details of a run's designs; grows with the run.

    Memberships, which take seconds, are worked out when the run ends and are not here.
    """

    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec
        space = spec.search_space()
        self._inner: tuple[list[dict[str, KnobValue]], ...] | None = None
        if spec.search.strategy == "nested":  # in the order of `studies.enumeration.InnerSpace`
            self._inner = (space.points(HARDWARE_KNOBS), space.points(EXIT_KNOBS))
        self._archive = Archive(spec.objectives)
        self._flats: dict[int, Point] = {}
        self._scored: list[tuple[Member, list[float]]] = []
        self._n_scored = 0
        self._details: dict[Member, FrontDesign] = {}
        self.history: list[Progress] = []

    def add(self, told: Sequence[ToldPoint]) -> None:
        """Merge told points into the front, in their order."""
        step = max(1, len(told) // POINTS_AT_ONCE)
        for start in range(0, len(told), step):
            part = told[start : start + step]
            rows: list[list[float]] = []
            members: list[Member] = []
            for point in part:
                self._flats[point.number] = point.flat
                found = zip(
                    point.outcome.hardware, point.outcome.exits, point.outcome.values, strict=True
                )
                for hardware, exits, row in found:
                    members.append((point.number, hardware, exits))
                    rows.append(row)
            values = np.array(rows, dtype=np.float64).reshape(-1, len(self._spec.objectives))
            designs = sum(point.outcome.designs_scored for point in part)
            self._archive.add(values, members, designs)
            self._n_scored += len(members)
            room = max(0, DOMINATED_KEPT - len(self._scored))
            self._scored += list(zip(members, rows, strict=True))[:room]
            self.history.append(
                Progress(
                    trial=part[-1].place,
                    designs_scored=self._archive.designs_scored,
                    front_size=len(self._archive.members),
                    hypervolume=self._archive.hypervolume,
                )
            )

    def record(
        self, evaluation: Evaluation, counts: Mapping[str, int], provenance: Mapping[str, Any]
    ) -> Front:
        """The front so far. Designs that were on it before are not scored again.

        Raises:
            ValueError: the traces of a design cannot be had.
        """
        spec, archive = self._spec, self._archive
        sign = -1 if spec.objectives[0].maximised else 1
        order = sorted(
            range(len(archive.members)),
            key=lambda i: (sign * archive.values[i, 0], *archive.values[i, 1:]),
        )
        members = [archive.members[i] for i in order]
        self._score(evaluation, [m for m in members if m not in self._details])
        self._details = {member: self._details[member] for member in members}
        designs = [
            self._details[member].model_copy(update={"id": rank})
            for rank, member in enumerate(members)
        ]
        return Front(
            format=1,
            title=spec.title,
            strategy=spec.search.strategy,
            evaluator=spec.evaluator.kind,
            scenario=spec.scenario.model_dump(mode="json"),
            objectives=[
                ObjectiveRecord(
                    metric=o.metric,
                    direction="maximize" if o.maximised else "minimize",
                    axis=o.axis,
                    ideal=o.ideal,
                    reference=o.reference,
                )
                for o in spec.objectives
            ],
            constraints=[constraint.text for constraint in spec.constraints],
            hypervolume=archive.hypervolume,
            history=self.history,
            counts={**counts, "designs_scored": archive.designs_scored},
            provenance=dict(provenance),
            designs=designs,
            dominated=self._dominated(set(members)),
        )

    def _score(self, evaluation: Evaluation, members: Iterable[Member]) -> None:
        """Work out the details of new members, setting by setting."""
        by_trial: dict[int, list[Member]] = defaultdict(list)
        for member in members:
            by_trial[member[0]].append(member)
        for trial, own in by_trial.items():
            flats = [self._flat(member) for member in own]
            points = [design_point(flat) for flat in flats]
            details = design_details(evaluation.scorer, evaluation.setting(flats[0]), points)
            for member, flat, detail in zip(own, flats, details, strict=True):
                self._details[member] = FrontDesign(
                    id=0,
                    trial=trial,
                    knobs=flat,
                    metrics=detail.metrics,
                    report_accuracy=detail.report_accuracy,
                    report_metrics=detail.report_metrics,
                    breakdown=detail.breakdown,
                    exit_layer_shares=detail.exit_layer_shares,
                    voltage_shares=detail.voltage_shares,
                )

    def _flat(self, member: Member) -> dict[str, KnobValue]:
        trial, hardware, exits = member
        flat = dict(self._flats[trial])
        if self._inner is not None:
            flat |= {**self._inner[0][hardware], **self._inner[1][exits]}
        return {name: flat[name] for name in KNOBS if name in flat}

    def _dominated(self, on_front: set[Member]) -> Dominated:
        behind = [entry for entry in self._scored if entry[0] not in on_front]
        if len(behind) > DOMINATED_SHOWN:
            behind = random.Random(0).sample(behind, DOMINATED_SHOWN)
        names = [objective.metric for objective in self._spec.objectives]
        flats = [self._flat(member) for member, _ in behind]
        return Dominated(
            columns=[*names, "trial", *KNOBS],
            rows=[
                [*values, member[0], *map(flat.get, KNOBS)]
                for (member, values), flat in zip(behind, flats, strict=True)
            ],
            of=self._n_scored - len(on_front),
        )
