"""Every setting's exact inner front, worked out once: what searches are replayed on.

``python benchmarks/exact_fronts.py FOLDER [--study edgebert-sst2] [--traces DIR]``

writes a line of JSON for each setting that a trial of the nested study stands for to
``FOLDER/NAME.jsonl``, and goes on where an earlier call was stopped. With it the exact joint front
is known, and a nested search runs at the speed of its sampler; the processor time that each inner
front had taken is kept beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dse.evaluation import Evaluation, Flat
from dse.outcomes import Outcome, as_plain
from dse.racing import Rivals
from search_space import MODEL_KNOBS, model_knobs
from studies.fronts import FloatArray, hypervolume, non_dominated
from studies.presets import load_study
from studies.recorded import SHIPPED, RecordedTraces
from studies.spec import StudySpec


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
        stored = spec.enumerated_storage()
        points = spec.search_space().points([name for name in MODEL_KNOBS if name not in stored])
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

    def n_traces(self) -> int:
        """Distinct traces of the settings."""
        return len({trace_of(front.flat, self._spec) for front in self._fronts.values()})

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
    """Takes inner fronts from the table."""

    def __init__(self, spec: StudySpec, traces: Path, fronts: ExactFronts) -> None:
        super().__init__(spec, RecordedTraces(traces))
        self._fronts = fronts

    def evaluate_setting(self, flat: Flat, rivals: Rivals | None = None) -> Outcome:
        """The inner front that is known; nothing is raced."""
        assert rivals is None
        return self._fronts[flat].outcome


def setting_key(flat: Flat) -> tuple[Any, ...]:
    """Values of the model knobs; None for storage that is enumerated."""
    return tuple(flat.get(name) for name in MODEL_KNOBS)


def trace_of(flat: Flat, spec: StudySpec) -> tuple[Any, ...]:
    """What a setting's trace is known by, with any of the storage that is enumerated."""
    space = spec.search_space()
    stored = {name: space[name].values[0] for name in spec.enumerated_storage()}
    return model_knobs({**stored, **flat}).trace_key()


def name_of(spec: StudySpec, recorded: RecordedTraces) -> str:
    """A digest of all that inner fronts depend on, but for the program."""
    document = {key: value for key, value in spec.document().items() if key != "search"}
    about = [document, spec.search.storage, recorded.manifest.model_dump(mode="json")]
    text = json.dumps(about, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def main() -> None:
    """Make the file, and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--study", default="edgebert-sst2")
    parser.add_argument("--traces", type=Path, default=SHIPPED)
    arguments = parser.parse_args()
    spec = load_study(arguments.study)
    fronts = ExactFronts.of(arguments.folder, spec, arguments.traces)
    seconds = [fronts[flat].processor_s for flat in fronts.settings()]
    print(
        f"{len(seconds)} settings in {sum(seconds):.0f} s of processor time; exact front: "
        f"{len(fronts.joint_front())} designs, hypervolume {fronts.hypervolume():.6f}"
    )


if __name__ == "__main__":
    main()
