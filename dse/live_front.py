"""The front of a search that is still going on, from the outcomes that its journal holds."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final

import numpy as np

from dse.archive import Archive, Member
from dse.evaluation import Evaluation
from dse.front_records import front_design, head_of
from dse.outcomes import Outcome
from search_space import EXIT_KNOBS, HARDWARE_KNOBS, KNOBS, MODEL_KNOBS, KnobValue, design_point
from studies.design_details import design_details
from studies.records import Dominated, Front, FrontDesign, Progress
from studies.scoring import Setting
from studies.spec import StudySpec

HISTORY_SHOWN: Final = 200
"""Points of the history over all trials of the study, about."""
DOMINATED_SHOWN: Final = 1_500
DOMINATED_KEPT: Final = 200_000
"""Dominated designs that are remembered; later ones are counted alone."""
AT_ONCE: Final = 100
"""Designs that are worked out between two looks at the clock."""
SECONDS_A_LOOK: Final = 1.5
LEAST_SECONDS: Final = 0.4
"""Of a processor that a look takes, reading included, when there are many new designs to be worked
out, and that the first one spends on these in any case; the next one goes on with them."""

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

    Merging costs as much for one point as for hundreds, so points are merged together where the
    history has a point, which depends on the study alone and not on who looked when, and once more
    for whoever looks.

    Attributes:
        waiting: designs of the front that the last record lacks, as a look is soon over.
    """

    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec
        space = spec.search_space()
        self._inner: tuple[list[dict[str, KnobValue]], ...] | None = None
        if spec.search.strategy == "nested":  # in the order of `studies.enumeration.InnerSpace`
            self._inner = (
                space.points(spec.enumerated_storage()),
                space.points(HARDWARE_KNOBS),
                space.points(EXIT_KNOBS),
            )
        self._archive = Archive(spec.objectives)
        self._flats: dict[int, tuple[tuple[str, ...], tuple[KnobValue, ...]]] = {}
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._stride = max(1, spec.search.trials // HISTORY_SHOWN)
        self._unmerged: list[ToldPoint] = []
        self._place = 0
        self._scored: list[tuple[Member, list[float]]] = []
        self._n_scored = 0
        self._details: dict[Member, FrontDesign] = {}
        self._history: list[Progress] = []
        self._now: list[Progress] = []
        self.waiting = 0

    def progress(self) -> list[Progress]:
        """The history of the search: a point every so many trials, and one for all there are."""
        self._merge(is_kept=False)
        return self._history + self._now

    def add(self, told: Iterable[ToldPoint]) -> None:
        """Take up told points, in their order."""
        for point in told:
            if point.place // self._stride > self._place // self._stride and self._place:
                self._merge(is_kept=True)
            self._place = point.place
            self._flats[point.number] = self._packed(point.flat)
            self._unmerged.append(point)

    def _merge(self, *, is_kept: bool) -> None:
        """Merge the points that wait into the front.

        Args:
            is_kept: whether the history keeps what came out, and not for now alone.
        """
        if self._unmerged:
            self._now = [self._merged()]
        if is_kept:
            self._history += self._now
            self._now = []

    def _merged(self) -> Progress:
        """Where the search stands with the points that waited."""
        rows: list[list[float]] = []
        members: list[Member] = []
        for point in self._unmerged:
            found = point.outcome
            members += zip(repeat(point.number), found.hardware, found.exits)
            rows += found.values
        values = np.array(rows, dtype=np.float64).reshape(-1, len(self._spec.objectives))
        designs = sum(point.outcome.designs_scored for point in self._unmerged)
        self._archive.add(values, members, designs)
        self._n_scored += len(members)
        room = max(0, DOMINATED_KEPT - len(self._scored))
        self._scored += list(zip(members, rows, strict=True))[:room]
        self._unmerged = []
        return Progress(
            trial=self._place,
            designs_scored=self._archive.designs_scored,
            front_size=len(self._archive.members),
            hypervolume=self._archive.hypervolume,
        )

    def record(
        self,
        evaluation: Evaluation,
        counts: Mapping[str, int],
        provenance: Mapping[str, Any],
        *,
        spent_s: float = 0.0,
    ) -> Front:
        """The front so far. Designs that were on it before are not scored again.

        A first look at a long run finds thousands of designs: those that are not scored within
        `SECONDS_A_LOOK` are left to the next ones.

        Args:
            evaluation: that scores new designs.
            counts: of trials.
            provenance: of the run.
            spent_s: seconds of a processor that the look has taken so far. After much reading, a
                front that has designs hardly waits for more of them.

        Raises:
            ValueError: the traces of a design cannot be had.
        """
        history = self.progress()
        least = 0.0 if self._details else LEAST_SECONDS
        until = time.thread_time() + max(least, SECONDS_A_LOOK - spent_s)
        spec, archive = self._spec, self._archive
        sign = -1 if spec.objectives[0].maximised else 1
        order = sorted(
            range(len(archive.members)),
            key=lambda i: (sign * archive.values[i, 0], *archive.values[i, 1:]),
        )
        members = [archive.members[i] for i in order]
        self._score(evaluation, [m for m in members if m not in self._details], until)
        self.waiting = len(members) - sum(member in self._details for member in members)
        members = [member for member in members if member in self._details]
        self._details = {member: self._details[member] for member in members}
        designs = [
            self._details[member].model_copy(update={"id": rank})
            for rank, member in enumerate(members)
        ]
        return Front(
            **head_of(spec),
            hypervolume=archive.hypervolume,
            history=history,
            counts={**counts, "designs_scored": archive.designs_scored},
            provenance=dict(provenance),
            designs=designs,
            dominated=self._dominated(set(archive.members)),
        )

    def _score(self, evaluation: Evaluation, members: Iterable[Member], until: float) -> None:
        """Work out the details of new members, setting by setting, until the look is over."""
        groups: dict[tuple[KnobValue | None, ...], list[tuple[Member, dict[str, KnobValue]]]] = {}
        for member in members:
            flat = self._flat(member)
            groups.setdefault(tuple(map(flat.get, MODEL_KNOBS)), []).append((member, flat))
        for own in groups.values():
            setting = evaluation.setting(own[0][1])
            for start in range(0, len(own), AT_ONCE):
                self._take_details(evaluation, setting, own[start : start + AT_ONCE])
                if time.thread_time() > until:
                    return

    def _take_details(
        self,
        evaluation: Evaluation,
        setting: Setting,
        own: Sequence[tuple[Member, dict[str, KnobValue]]],
    ) -> None:
        points = [design_point(flat) for _, flat in own]
        details = design_details(evaluation.scorer, setting, points)
        for (member, flat), detail in zip(own, details, strict=True):
            self._details[member] = front_design(0, member[0], flat, detail)

    def _packed(self, flat: Point) -> tuple[tuple[str, ...], tuple[KnobValue, ...]]:
        """Names of a point, kept once for all trials, and values, whose texts the parser shares."""
        names = tuple(flat)
        return self._names.setdefault(names, names), tuple(flat.values())

    def _flat(self, member: Member) -> dict[str, KnobValue]:
        trial, hardware, exits = member
        flat = dict(zip(*self._flats[trial], strict=True))
        if self._inner is not None:
            storage, accelerators, settings = self._inner
            cells, accelerator = divmod(hardware, len(accelerators))
            flat |= {**storage[cells], **accelerators[accelerator], **settings[exits]}
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
