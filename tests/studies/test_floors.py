"""Floors leave designs out unscored and change no front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw_cost import AnalyticModel, Breakdown, CostTable, Technology
from search_space import KnobValue, exit_knobs
from studies import enumeration
from studies.enumeration import InnerFront, inner_front
from studies.floors import RISING, Floors, dominated, floor_groups
from studies.inner_space import InnerSpace
from studies.metrics import METRICS
from studies.objectives import Constraint, Objective
from studies.scoring import Scorer, Setting
from studies.spec import StudySpec, spec_of
from tests.small_study import changed, small_document

Flat = dict[str, KnobValue]
Measured = Callable[[Flat], Setting]

ENDS: dict[str, dict[str, Any]] = {
    "accuracy": {"ideal": 1.0, "reference": 0.4},
    "energy_pj": {"axis": "log10", "ideal": 1e4, "reference": 1e9},
    "area_mm2": {"axis": "log10", "ideal": 0.01, "reference": 100.0},
    "latency_p99_ns": {"axis": "log10", "ideal": 1e3, "reference": 1e8},
    "storage_bits": {"axis": "log10", "ideal": 1e4, "reference": 1e9},
    "deadline_miss_rate": {"ideal": 0.0, "reference": 1.0},
    "throughput_per_s": {"axis": "log10", "ideal": 1e6, "reference": 1.0},
    "power_mw": {"axis": "log10", "ideal": 1e-3, "reference": 1e3},
}
CONSTRAINTS = (
    "deadline_miss_rate <= 0.1",
    "area_mm2 <= 0.3",
    "accuracy >= 0.6",
    "energy_pj <= 1e7",
    "latency_max_ns <= 2e5",
    "throughput_per_s >= 5000",
    "accuracy <= 0.9",
)
CONDITION = "entropy_threshold * 40 <= mac_vector_size + 4"


def study(metrics: list[str], constraints: list[str], changes: dict[str, Any]) -> StudySpec:
    """The small study with those objectives and constraints."""
    objectives = [{"metric": name, **ENDS[name]} for name in metrics]
    return spec_of(
        changed(
            small_document(),
            {"objectives": objectives, "constraints": constraints, "conditions": []} | changes,
        ),
        "test",
    )


def front_of(
    spec: StudySpec, technology: Technology, setting: Setting, model: Flat, *, prune: bool
) -> InnerFront:
    """The inner front of a setting in a study."""
    asked = [o.metric for o in spec.objectives] + [c.metric for c in spec.constraints]
    scorer = Scorer(
        scenario=spec.scenario.scenario(),
        technology=technology,
        metrics=tuple(dict.fromkeys(asked)),
    )
    inner = InnerSpace.of(spec.search_space())
    return inner_front(
        scorer, setting, model, inner, spec.objectives, spec.constraints, prune=prune
    )


def assert_same(pruned: InnerFront, whole: InnerFront) -> None:
    """Require the same designs in the same order, and equal counts of what was settled."""
    np.testing.assert_array_equal(pruned.hardware, whole.hardware)
    np.testing.assert_array_equal(pruned.exits, whole.exits)
    np.testing.assert_allclose(pruned.values, whole.values, rtol=1e-11)
    assert pruned.designs_scored == whole.designs_scored
    assert (pruned.designs_feasible > 0) == (whole.designs_feasible > 0)
    assert whole.designs_pruned == 0


class TestPruning:
    """Fronts with and without floors."""

    @settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        metrics=st.lists(st.sampled_from(list(ENDS)), min_size=2, max_size=5, unique=True),
        constraints=st.lists(st.sampled_from(CONSTRAINTS), max_size=2, unique=True),
        deadline_ms=st.sampled_from([0.05, 0.4, 4.0]),
        idle=st.sampled_from(["none", "leakage"]),
        joined=st.booleans(),
        which=st.integers(0, 7),
        block=st.sampled_from([200, 2_000, 200_000]),
    )
    def test_changes_nothing(
        self,
        technology: Technology,
        model_points: list[Flat],
        measured: Measured,
        metrics: list[str],
        constraints: list[str],
        deadline_ms: float,
        idle: str,
        joined: bool,
        which: int,
        block: int,
    ) -> None:
        """Whatever the objectives, constraints, scenario, setting and blocks: the same designs."""
        changes: dict[str, Any] = {"scenario.deadline_ms": deadline_ms, "scenario.idle": idle}
        if joined:
            changes["conditions"] = [CONDITION]
        spec = study(metrics, constraints, changes)
        model = model_points[which]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(enumeration, "BLOCK_PAIRS", block)
            fronts = [
                front_of(spec, technology, measured(model), model, prune=prune)
                for prune in (True, False)
            ]
        assert_same(*fronts)

    def test_leaves_much_out(
        self,
        technology: Technology,
        model_points: list[Flat],
        measured: Measured,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Where arrays and memories range widely, most designs are settled without a score."""
        wide = {
            "space.mac_vector_size": [2, 4, 8, 16, 32],
            "space.data_sram_kib": [64, 256, 1024],
            "space.envm_mib": [0.5, 2.0, 8.0],
        }
        spec = study(["accuracy", "energy_pj", "area_mm2"], ["accuracy >= 0.6"], wide)
        model = model_points[2]
        monkeypatch.setattr(enumeration, "BLOCK_PAIRS", 2_000)
        pruned = front_of(spec, technology, measured(model), model, prune=True)
        whole = front_of(spec, technology, measured(model), model, prune=False)
        assert_same(pruned, whole)
        assert pruned.designs_pruned > pruned.designs_scored / 2

    def test_exits_that_are_not_accurate_enough_are_not_scored(
        self, technology: Technology, model_points: list[Flat], measured: Measured
    ) -> None:
        """A bound on accuracy leaves exits out, and a setting that reaches it with none whole."""
        metrics = ["accuracy", "energy_pj", "area_mm2"]
        model = model_points[2]
        accurate = front_of(
            study(metrics, ["accuracy >= 0.8"], {}), technology, measured(model), model, prune=True
        )
        whole = front_of(
            study(metrics, ["accuracy >= 0.8"], {}), technology, measured(model), model, prune=False
        )
        assert_same(accurate, whole)
        assert accurate.designs_pruned > 0
        hopeless = front_of(
            study(metrics, ["accuracy >= 1.01"], {}), technology, measured(model), model, prune=True
        )
        assert len(hopeless.values) == 0
        assert hopeless.designs_feasible == 0
        assert hopeless.designs_pruned > hopeless.designs_scored / 2

    def test_model_that_breaks_its_promise(
        self, technology: Technology, model_points: list[Flat], measured: Measured
    ) -> None:
        """With costs that fall as layers are added, nothing is left out and the front is right."""
        spec = study(["accuracy", "energy_pj", "area_mm2"], [], {})
        scorer = Scorer(
            scenario=spec.scenario.scenario(), technology=technology, make_model=Falling
        )
        inner = InnerSpace.of(spec.search_space())
        model = model_points[2]
        pruned, whole = (
            inner_front(scorer, measured(model), model, inner, spec.objectives, [], prune=prune)
            for prune in (True, False)
        )
        assert_same(pruned, whole)
        assert pruned.designs_pruned == 0

    def test_memory_is_bounded(
        self,
        technology: Technology,
        model_points: list[Flat],
        measured: Measured,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """No cost table that is asked for is larger than a block."""
        asked: list[int] = []

        class Watched(Falling):
            def cost_table(self, *args: Any) -> CostTable:
                asked.append(len(args[1]) * len(args[2]))
                return AnalyticModel(self.technology).cost_table(*args)

        spec = study(["accuracy", "energy_pj"], [], {})
        scorer = Scorer(
            scenario=spec.scenario.scenario(), technology=technology, make_model=Watched
        )
        inner = InnerSpace.of(spec.search_space())
        model = model_points[2]
        monkeypatch.setattr(enumeration, "BLOCK_PAIRS", 3_000)
        inner_front(scorer, measured(model), model, inner, spec.objectives, [])
        assert len(asked) > 5
        assert max(asked) <= 3_000


@dataclass(frozen=True)
class Falling:
    """Our model, with energies that fall by the number of layers taken."""

    technology: Technology
    name = "falling"

    def cost_table(self, *args: Any) -> CostTable:
        """Energies divided by the cube of the layers that are taken."""
        table = AnalyticModel(self.technology).cost_table(*args)
        return replace(table, energy_pj=table.energy_pj / args[2].actual_layer ** 3.0)

    def breakdown(self, *args: Any) -> Breakdown:
        """Ours."""
        return AnalyticModel(self.technology).breakdown(*args)


class TestFloors:
    """What a floor says."""

    def test_no_design_is_better(
        self, technology: Technology, model_points: list[Flat], measured: Measured
    ) -> None:
        """Over all exits no metric of an accelerator is better than its floor, and some are it.

        Area, storage and the accuracy of the best exits are reached; energy and latency by a
        threshold that lets every sentence leave after layer 1.
        """
        spec = study(["accuracy", "energy_pj"], [], {"space.entropy_threshold": [0.03, 0.6, 5.0]})
        scorer = Scorer(scenario=spec.scenario.scenario(), technology=technology)
        space = spec.search_space()
        inner = InnerSpace.of(space)
        setting = measured(model_points[2])
        histogram = scorer.histogram(setting, [exit_knobs(x) for x in inner.exits])
        whole = scorer.score(setting, histogram, inner.columns)
        rows = np.flatnonzero(whole.feasible)
        groups = floor_groups(histogram, setting.trace.n_exits)
        asked = setting.workload, inner.columns, groups, scorer.scenario
        floors = Floors.of(scorer, histogram, scorer.cost_model.cost_table(*asked))
        values = {name: found[rows] for name, found in whole.values.items()}
        assert floors.hold(values, rows)
        for name in ("accuracy", "area_mm2", "storage_bits", *RISING):
            best = values[name].max(1) if name == "accuracy" else values[name].min(1)
            np.testing.assert_allclose(floors.best[name][rows], best, rtol=1e-6, err_msg=name)
        assert set(floors.best) == set(METRICS)

    def test_constraints(self) -> None:
        """A bound rules out what is beyond it at its best, and only from the side of the floor."""
        floors = Floors(
            {
                "area_mm2": np.array([1.0, 2.0, 3.0]),
                "accuracy": np.array([0.9, 0.8, 0.7]),
                "power_mw": np.zeros(3),
            }
        )

        def keep(text: str) -> list[bool]:
            kept = floors.keep([Constraint.model_validate(Constraint.parse(text))])
            return [bool(holds) for holds in kept]

        assert keep("area_mm2 <= 2") == [True, True, False]
        assert keep("accuracy >= 0.75") == [True, True, False]
        assert keep("area_mm2 >= 2.5") == [True, True, True]
        assert keep("accuracy <= 0.75") == [True, True, True]
        assert keep("power_mw <= 1") == [True, True, True]

    def test_dominated_by_hand(self) -> None:
        """A floor falls to a point that is as good everywhere and better once; equals stay."""
        objectives = [
            Objective(metric="accuracy", ideal=1.0, reference=0.0),
            Objective(metric="area_mm2", ideal=0.0, reference=10.0),
        ]
        front = np.array([[0.9, 4.0], [0.8, 2.0]])
        floors = np.array([[0.9, 4.0], [0.9, 4.1], [0.85, 4.0], [0.95, 9.0], [0.8, 1.9]])
        assert dominated(floors, front, objectives).tolist() == [False, True, True, False, False]
        assert not dominated(floors, np.zeros((0, 2)), objectives).any()
