"""The search loop: what is asked, evaluated, told and kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pyarrow.parquet as pq
import pytest

from dse.errors import EvaluationError
from dse.evaluation import Flat
from dse.executors import InlineExecutor
from dse.finish import write_front_table
from dse.outcomes import Outcome
from dse.search import MAX_FAILURES, Search
from dse.storage import open_storage
from dse.strategies import FITS
from dse.trials_table import trial_rows, write_trials
from search_space import EXIT_KNOBS, HARDWARE_KNOBS, KNOBS, MODEL_KNOBS, design_point
from studies.fronts import non_dominated
from studies.records import Progress
from studies.spec import StudyFileError, StudySpec
from tests.dse.conftest import (
    CountingExecutor,
    FormulaExecutor,
    MakeEvaluation,
    finished_front,
    opened,
    quiet,
)
from tests.small_study import changed, small_document, spec_with, tiny_document

SAMPLERS: dict[str, tuple[dict[str, Any], int]] = {
    "nsga2": ({"population_size": 4}, 20),
    "tpe": ({"n_startup_trials": 4}, 12),
    "gp": ({"n_startup_trials": 4}, 6),
    "random": ({}, 20),
}


def study(strategy: str, sampler: str, **search: Any) -> StudySpec:
    """The tiny study searched in that way."""
    options, trials = SAMPLERS[sampler]
    table = {"name": sampler, "options": options}
    return spec_with(
        tiny_document(), **({"strategy": strategy, "trials": trials, "sampler": table} | search)
    )


def joint(**search: Any) -> StudySpec:
    """The small study, its knobs sampled together."""
    return spec_with(small_document(), **({"strategy": "joint", "trials": 40} | search))


def trials_table(spec: StudySpec, folder: Path, evaluation_of: MakeEvaluation) -> dict[str, Any]:
    """Columns of ``trials.parquet`` after a whole run, without those of the clock."""
    folder.mkdir()
    search = opened(spec, folder)
    search.run(InlineExecutor(evaluation_of(spec)), quiet)
    write_trials(folder / "trials.parquet", search)
    table = pq.read_table(folder / "trials.parquet")
    clock = {name for name in table.column_names if name.startswith("wall_")}
    assert clock == {"wall_start_s", "wall_seconds", "wall_evaluation_s"}
    return {name: table[name].to_pylist() for name in table.column_names if name not in clock}


class TestSeed:
    """The same seed makes the same search."""

    @pytest.mark.parametrize("strategy", ["joint", "nested"])
    @pytest.mark.parametrize(
        "sampler",
        ["nsga2", "tpe", "random", pytest.param("gp", marks=pytest.mark.slow)],  # gp needs torch
    )
    def test_same_seed(
        self, strategy: str, sampler: str, tmp_path: Path, evaluation_of: MakeEvaluation
    ) -> None:
        """Every column but those of the clock is the same in two runs, for every sampler."""
        spec = study(strategy, sampler)
        first = trials_table(spec, tmp_path / "a", evaluation_of)
        assert trials_table(spec, tmp_path / "b", evaluation_of) == first
        assert len(first["trial"]) == spec.search.trials

    def test_other_seed(self, tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
        """Another seed asks for other points."""
        first = trials_table(study("joint", "random"), tmp_path / "a", evaluation_of)
        other = trials_table(study("joint", "random", seed=4), tmp_path / "b", evaluation_of)
        assert any(first[name] != other[name] for name in KNOBS)

    def test_sampler_options(self) -> None:
        """An option that the sampler does not know is told as a fault of the study file."""
        spec = joint(sampler={"name": "random", "options": {"n": 3}})
        with pytest.raises(StudyFileError, match=r"search\.sampler\.options for 'random'"):
            Search(spec, optuna.storages.InMemoryStorage(), "test")


class TestLoop:
    """Asking, evaluating and telling."""

    @pytest.mark.parametrize("trials", [1, 7, 40])
    @pytest.mark.parametrize("capacity", [1, 3])
    def test_budget_is_exact(self, trials: int, capacity: int, tmp_path: Path) -> None:
        """As many trials are told as the study says, whatever is in the air at once."""
        search = opened(joint(trials=trials), tmp_path)
        search.run(FormulaExecutor(capacity), quiet)
        assert len(search.told) == len(trial_rows(search)) == trials
        assert search.budget_left == 0
        study = optuna.load_study(
            study_name="test", storage=open_storage(None, tmp_path / "journal.log")
        )
        assert len(study.trials) == trials

    @pytest.mark.parametrize("capacity", [1, 3])
    def test_repeats_are_not_evaluated_again(self, capacity: int, tmp_path: Path) -> None:
        """Each distinct point is evaluated once; its repeats tell the same and name it."""
        document = tiny_document()
        document["space"] |= {"checkpoint": "one-layer", "encoder_storage": "sram"}
        spec = spec_with(document, strategy="joint", trials=150, sampler={"name": "random"})
        executor = FormulaExecutor(capacity)
        search = opened(spec, tmp_path)
        search.run(executor, quiet)
        rows = trial_rows(search)
        points = [json.dumps([row[name] for name in KNOBS]) for row in rows]
        taken = [json.dumps([flat[name] for name in KNOBS]) for flat in executor.flats]
        assert len(taken) == len(set(taken))
        first = {row["trial"]: row for row in rows if row["repeated_of"] is None}
        assert len(first) == len(set(points)) < 150
        for row, point in zip(rows, points, strict=True):
            if row["repeated_of"] is not None:
                original = first[row["repeated_of"]]
                assert points[rows.index(original)] == point
                assert original["trial"] < row["trial"]
                assert row["designs_scored"] == 0
                for name in ("state", "reason", "accuracy", "energy_pj", "area_mm2"):
                    assert row.get(name) == original.get(name)

    def test_canonical_points(self, tmp_path: Path) -> None:
        """A knob without effect is written as its one value, so such designs are one point."""
        search = opened(joint(), tmp_path)
        search.run(FormulaExecutor(), quiet)
        rows = trial_rows(search)
        thresholds = {r["entropy_threshold"] for r in rows if r["exit_policy"] == "none"}
        assert thresholds == {0.03}
        fixed = [r for r in rows if r["dvfs_policy"] == "fixed"]
        assert fixed
        assert all(r["min_voltage_v"] == r["max_voltage_v"] for r in fixed)

    def test_front_is_that_of_what_was_told(self, tmp_path: Path) -> None:
        """The archive holds the non-dominated set of all told designs, each with its trial."""
        spec = joint(trials=80)
        search = opened(spec, tmp_path)
        search.run(FormulaExecutor(3), quiet)
        told = [t for t in search.told if t.repeated_of is None and t.outcome.values]
        values = np.array([t.outcome.values[0] for t in told])
        best = values[non_dominated(values, spec.objectives)]
        assert {tuple(v) for v in search.archive.values} == {tuple(v) for v in best}
        for (trial, _, _), row in zip(search.archive.members, search.archive.values, strict=True):
            assert search.told_by_number[trial].outcome.values[0] == row.tolist()

    def test_progress(self, tmp_path: Path) -> None:
        """Progress counts every trial, and the hypervolume never falls."""
        seen: list[Progress] = []
        search = opened(joint(), tmp_path)
        search.run(FormulaExecutor(), seen.append)
        assert [state.trial for state in search.history] == list(range(1, 41))
        volumes = [state.hypervolume for state in search.history]
        assert volumes == sorted(volumes)
        assert volumes[-1] > 0
        assert seen[-1] == search.history[-1]


class TestTelling:
    """What Optuna is told."""

    def told_trials(self, folder: Path) -> list[optuna.trial.FrozenTrial]:
        """The trials as the storage has them."""
        storage = open_storage(None, folder / "journal.log")
        return optuna.load_study(study_name="test", storage=storage).trials

    def test_joint(self, tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
        """Values are the objectives; each constraint is its relative excess, 0 or less if kept."""
        document = changed(tiny_document(), {"constraints": ["deadline_miss_rate <= 0.1"]})
        spec = spec_with(document, strategy="joint", trials=30, sampler={"name": "random"})
        evaluation = evaluation_of(spec)
        search = opened(spec, tmp_path)
        search.run(InlineExecutor(evaluation), quiet)
        seen = set()
        for trial, told in zip(self.told_trials(tmp_path), search.told, strict=True):
            metrics = told.outcome.metrics
            assert set(trial.constraints) == {FITS, "deadline_miss_rate <= 0.1"}
            if metrics:
                assert trial.values == [metrics[o.metric] for o in spec.objectives]
                excess = (metrics["deadline_miss_rate"] - 0.1) / 0.1
                assert trial.constraints["deadline_miss_rate <= 0.1"] == pytest.approx(excess)
                assert trial.constraints[FITS] == 0
            else:
                assert trial.values == [o.reference for o in spec.objectives]
                assert min(trial.constraints.values()) > 0
            kept = max(trial.constraints.values()) <= 0
            assert kept == (told.outcome.state == "complete")
            seen.add((bool(metrics), kept))
        assert seen == {(True, True), (True, False), (False, False)}

    def test_nested(self, tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
        """Values are a setting's own hypervolume and its best first objective."""
        spec = study("nested", "random", trials=30)
        search = opened(spec, tmp_path)
        search.run(InlineExecutor(evaluation_of(spec)), quiet)
        states = set()
        for trial, told in zip(self.told_trials(tmp_path), search.told, strict=True):
            outcome = told.outcome
            states.add(outcome.state)
            if outcome.state == "complete":
                best = max(row[0] for row in outcome.values)
                assert trial.values == [outcome.own_hypervolume, best]
                assert trial.constraints == {FITS: 0.0}
            else:
                assert trial.values == [0.0, spec.objectives[0].reference]
                assert trial.constraints == {FITS: 1.0}
        assert states == {"complete", "infeasible"}

    def test_infeasible_designs_have_a_reason(
        self, tmp_path: Path, evaluation_of: MakeEvaluation
    ) -> None:
        """Too small a memory, a broken constraint and a broken condition are told in words."""
        spec = joint(trials=80, sampler={"name": "random"})
        search = opened(spec, tmp_path)
        search.run(InlineExecutor(evaluation_of(spec)), quiet)
        reasons = {t.outcome.reason for t in search.told if t.outcome.state == "infeasible"}
        assert any("envm_mib 0 is too small for the" in reason for reason in reasons)
        assert "constraint 'deadline_miss_rate <= 0.1' does not hold" in reasons
        assert f"condition '{spec.conditions[0]}' does not hold" in reasons
        assert all(bool(t.outcome.reason) == (t.outcome.state != "complete") for t in search.told)

    def test_designs_that_break_a_condition_are_not_evaluated(self, tmp_path: Path) -> None:
        """What the space excludes costs no evaluation."""
        executor = FormulaExecutor()
        search = opened(joint(sampler={"name": "random"}), tmp_path)
        search.run(executor, quiet)
        assert all(search.space.violation(dict(flat)) is None for flat in executor.flats)
        assert any("condition" in t.outcome.reason for t in search.told)


class Failing(FormulaExecutor):
    """Fails for every design with a small array."""

    def outcome(self, flat: Flat) -> Outcome:
        """A failure, or the formula's outcome."""
        if flat["mac_vector_size"] == 4:
            return Outcome(state="failed", reason="the lamp went out")
        return super().outcome(flat)


class TestFailures:
    """Designs that cannot be evaluated."""

    def test_one_failure_is_a_result(self, tmp_path: Path) -> None:
        """A failed design is told as such with its reason, counts, and is not tried again."""
        executor = Failing()
        spec = joint(trials=60, sampler={"name": "random"})
        search = opened(spec, tmp_path)
        search.run(executor, quiet)
        failed = [row for row in trial_rows(search) if row["state"] == "failed"]
        assert failed
        assert {row["reason"] for row in failed} == {"the lamp went out"}
        assert len(search.told) == 60
        study = optuna.load_study(
            study_name="test", storage=open_storage(None, tmp_path / "journal.log")
        )
        states = [trial.state.name for trial in study.trials]
        assert states.count("FAIL") == len(failed)
        again = opened(spec, tmp_path)
        assert [row["state"] for row in trial_rows(again)] == [
            row["state"] for row in trial_rows(search)
        ]

    def test_ten_in_a_row_stop_the_study(self, tmp_path: Path) -> None:
        """Ten failures in a row are a fault of the machine; what was told is kept."""
        document = changed(small_document(), {"space.mac_vector_size": 4})
        spec = spec_with(document, strategy="joint", trials=60, sampler={"name": "random"})
        search = opened(spec, tmp_path)
        with pytest.raises(EvaluationError, match=r"^10 designs in a row .* the lamp went out"):
            search.run(Failing(), quiet)
        assert sum(t.outcome.state == "failed" for t in search.told) == MAX_FAILURES
        told = len(search.told)
        resumed = opened(spec, tmp_path)
        assert len(resumed.told) == told
        resumed.run(FormulaExecutor(), quiet)
        assert len(resumed.told) == 60


class TestWholeNestedRun:
    """A nested run over every setting."""

    def test_front_is_that_of_all_designs(
        self, tmp_path: Path, evaluation_of: MakeEvaluation
    ) -> None:
        """Its front equals that of every design of the space scored one by one."""
        document = tiny_document()
        document["conditions"] = ["entropy_threshold * 40 <= mac_vector_size + 8"]
        document["space"] |= {"weight_format": "adaptivfloat<8,3>"}
        spec = spec_with(document, trials=60, sampler={"name": "random"})
        evaluation = evaluation_of(spec)
        executor = CountingExecutor(InlineExecutor(evaluation))
        search = opened(spec, tmp_path)
        search.run(executor, quiet)
        space = spec.search_space()
        assert len(executor.flats) == len(space.points(MODEL_KNOBS)) == 4

        rows = []
        count = 0
        for model in space.points(MODEL_KNOBS):
            for exits in space.points(EXIT_KNOBS):
                for chip in space.points(HARDWARE_KNOBS):
                    flat = {**model, **exits, **chip}
                    if space.violation(flat) is None:
                        count += 1
                        rows += evaluation.evaluate_design(flat).values
        values = np.array(rows)
        expected = values[non_dominated(values, spec.objectives)]
        assert count == space.size() == search.archive.designs_scored
        found = search.archive.values
        assert len(found) == len(expected)
        np.testing.assert_allclose(
            found[np.lexsort(found.T)], expected[np.lexsort(expected.T)], rtol=1e-9
        )

        front = finished_front(search, evaluation, spec)
        assert [design.id for design in front.designs] == list(range(len(expected)))
        accuracies = [design.metrics["accuracy"].value for design in front.designs]
        assert accuracies == sorted(accuracies, reverse=True)
        write_front_table(tmp_path / "front.parquet", front)
        table = pq.read_table(tmp_path / "front.parquet").to_pylist()
        assert len(table) == len(front.designs)
        for design, row in zip(front.designs, table, strict=True):
            assert {name: row[name] for name in KNOBS} == design.knobs
            assert row["membership"] == design.membership
            assert row["report_accuracy"] == design.report_accuracy.value
            assert row["energy_pj_se"] == design.metrics["energy_pj"].se
            assert tuple(design.knobs) == KNOBS
            design_point(design.knobs)
            alone = evaluation.evaluate_design(design.knobs).metrics
            for name, figure in design.metrics.items():
                assert figure.value == pytest.approx(alone[name], rel=1e-9)
            assert search.told_by_number[design.trial].flat.items() <= design.knobs.items()
            assert design.membership is not None
            assert 0 <= design.membership <= 1
            assert design.accuracy_low is not None
            assert design.accuracy_low <= design.metrics["accuracy"].value
        assert max(design.membership or 0 for design in front.designs) > 0.5
        assert front.bootstrap is not None
        assert 0 < front.bootstrap.rivals <= front.dominated.of
        assert front.stopped == "all 60 trials are told"
        assert front.counts["designs_scored"] == count
        assert front.dominated.of == len(front.dominated.rows)
