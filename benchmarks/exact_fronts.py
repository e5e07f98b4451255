"""Every setting's exact inner front, worked out once: what searches are replayed on.

``python benchmarks/exact_fronts.py FOLDER [--study edgebert-sst2] [--traces DIR] [--whole]``

writes a line of JSON for each setting of the model knobs to ``FOLDER/NAME.jsonl``, and goes on
where an earlier call was stopped. With it the exact joint front is known, and a nested search runs
at the speed of its sampler; the processor time that each inner front had taken is kept beside it.

All settings of the model knobs are there. Of the hardware knobs some have one value (`THINNED`),
unless ``--whole`` is given: no design with another one is on the front of the whole grid's first
640 settings, and enumerating takes a tenth of the time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from dse.evaluation import Evaluation, Flat
from dse.outcomes import Outcome, as_plain
from dse.racing import Rivals
from search_space import MODEL_KNOBS, model_knobs
from studies.enumeration import InnerFront, joined_front
from studies.fronts import FloatArray, hypervolume, non_dominated
from studies.presets import load_study
from studies.recorded import SHIPPED, RecordedTraces
from studies.spec import StudySpec

THINNED: Final = {
    "space.mask_sram_kib": 4,
    "space.aux_sram_kib": 8,
    "space.min_voltage_v": 0.5,
}


def benchmark_study(name: str, *, whole: bool = False) -> StudySpec:
    """A study as searches are compared on it.

    Args:
        name: of a preset or a study file.
        whole: with all values of all knobs.
    """
    spec = load_study(name)
    return spec if whole else spec.with_overrides(THINNED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactFront:
    """One setting's inner front.

    Attributes:
        flat: its model knobs.
        outcome: as a nested study has it.
        processor_s: processor time that it took, without the trace.
    """

    flat: Flat
    outcome: Outcome
    processor_s: float


class ExactFronts:
    """Inner fronts of all settings of a study, by setting."""

    def __init__(self, spec: StudySpec, fronts: list[ExactFront]) -> None:
        self._spec = spec
        self._fronts = {setting_key(front.flat): front for front in fronts}

    @classmethod
    def of(cls, folder: Path, spec: StudySpec, traces: Path) -> ExactFronts:
        """Fronts from a file in the folder, which is made or completed first."""
        folder.mkdir(parents=True, exist_ok=True)
        recorded = RecordedTraces(traces)
        path = folder / f"{name_of(spec, recorded)}.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        evaluation = Evaluation(spec, recorded)
        points = spec.search_space().points(MODEL_KNOBS)
        with path.open("a") as file:
            for flat in points[len(lines) :]:
                started = time.process_time()
                outcome = evaluation.evaluate_setting(flat)
                row = {"processor_s": round(time.process_time() - started, 4), "flat": flat}
                lines.append(json.dumps({**row, "outcome": as_plain(outcome)}))
                file.write(lines[-1] + "\n")
                file.flush()
        rows = [json.loads(line) for line in lines]
        return cls(
            spec, [ExactFront(**row | {"outcome": Outcome(**row["outcome"])}) for row in rows]
        )

    def __getitem__(self, flat: Flat) -> ExactFront:
        """The front of a setting."""
        return self._fronts[setting_key(flat)]

    def settings(self) -> list[Flat]:
        """Every setting of the model knobs, in the order of the grid."""
        return [front.flat for front in self._fronts.values()]

    def joint_front(self) -> FloatArray:
        """Values (n_points, n_objectives) of the exact joint front."""
        return self.front_of(self.settings())

    def front_of(self, flats: Iterable[Flat]) -> FloatArray:
        """Values (n_points, n_objectives) of the exact front of those settings that may be."""
        known = [self._fronts[key] for key in map(setting_key, flats) if key in self._fronts]
        values = np.array([row for front in known for row in front.outcome.values])
        kept: FloatArray = values[non_dominated(values, self._spec.objectives)]
        return kept

    def hypervolume(self) -> float:
        """Hypervolume of the exact joint front, as the study defines it."""
        return hypervolume(self.joint_front(), self._spec.objectives)


class ReplayedEvaluation(Evaluation):
    """Takes inner fronts from the table, and joins them where storage is enumerated.

    Single designs are evaluated as ever.
    """

    def __init__(self, spec: StudySpec, traces: Path, fronts: ExactFronts) -> None:
        super().__init__(spec, RecordedTraces(traces))
        self._fronts = fronts

    def evaluate_setting(self, flat: Flat, rivals: Rivals | None = None) -> Outcome:
        """The inner front that is known; nothing is raced."""
        assert rivals is None
        if self.inner.storage == ({},):
            return self._fronts[flat].outcome
        known = {row: self._fronts[w].outcome for row, w in self.inner.settings(flat).items()}
        n_objectives = len(self._spec.objectives)
        fronts = {
            row: InnerFront(
                hardware=np.array(outcome.hardware, dtype=np.int64),
                exits=np.array(outcome.exits, dtype=np.int64),
                values=np.array(outcome.values).reshape(-1, n_objectives),
                designs_scored=outcome.designs_scored,
                designs_pruned=outcome.designs_pruned,
                designs_feasible=len(outcome.values),
                reasons={},
            )
            for row, outcome in known.items()
        }
        front = joined_front(fronts, self.inner, self._spec.objectives)
        return Outcome(
            state="complete" if len(front.values) else "infeasible",
            reason="" if len(front.values) else next(o.reason for o in known.values()),
            values=front.values.tolist(),
            hardware=front.hardware.tolist(),
            exits=front.exits.tolist(),
            designs_scored=front.designs_scored,
            designs_pruned=front.designs_pruned,
            own_hypervolume=hypervolume(front.values, self._spec.objectives),
        )

    def processor_s(self, flat: Flat) -> float:
        """Processor time that the inner fronts of a trial had taken."""
        return sum(self._fronts[w].processor_s for w in self.inner.settings(flat).values())


def setting_key(flat: Flat) -> tuple[Any, ...]:
    """Values of the model knobs."""
    return tuple(flat[name] for name in MODEL_KNOBS)


def trace_of(flat: Flat) -> tuple[Any, ...]:
    """What a setting's trace is known by."""
    return model_knobs(flat).trace_key()


def name_of(spec: StudySpec, recorded: RecordedTraces) -> str:
    """A digest of all that inner fronts depend on, but for the program."""
    document = {key: value for key, value in spec.document().items() if key != "search"}
    text = json.dumps([document, recorded.manifest.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def main() -> None:
    """Make the file, and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--study", default="edgebert-sst2")
    parser.add_argument("--traces", type=Path, default=SHIPPED)
    parser.add_argument("--whole", action="store_true")
    arguments = parser.parse_args()
    spec = benchmark_study(arguments.study, whole=arguments.whole)
    fronts = ExactFronts.of(arguments.folder, spec, arguments.traces)
    seconds = [fronts[flat].processor_s for flat in fronts.settings()]
    print(
        f"{len(seconds)} settings in {sum(seconds):.0f} s of processor time; exact front: "
        f"{len(fronts.joint_front())} designs, hypervolume {fronts.hypervolume():.6f}"
    )


if __name__ == "__main__":
    main()
