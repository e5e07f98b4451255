"""The inner search is exact: it equals scoring every design one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hw_cost import Technology
from search_space import (
    EXIT_KNOBS,
    HARDWARE_KNOBS,
    ExitPolicy,
    KnobValue,
    SearchSpace,
    exit_knobs,
    hardware_knobs,
)
from studies import enumeration, inner_space
from studies.enumeration import InnerFront, inner_front
from studies.fronts import FloatArray, non_dominated
from studies.inner_space import InnerSpace, flat_design
from studies.metrics import METRICS
from studies.objectives import Constraint, within
from studies.scoring import Scorer, Setting, score_one
from studies.spec import StudyFileError, StudySpec, spec_of
from tests.small_study import changed, tiny_document

Flat = dict[str, KnobValue]
Measured = Callable[[Flat], Setting]

CASES: dict[str, dict[str, Any]] = {
    "free": {"constraints": [], "conditions": []},
    "constrained": {
        "constraints": ["deadline_miss_rate <= 0.1", "accuracy >= 0.6"],
        "conditions": [],
    },
    "conditions of one kind": {
        "constraints": [],
        "conditions": ["envm_mib > 0.1 or mac_vector_size > 4", "entropy_threshold < 0.4"],
    },
    "joined conditions": {
        "constraints": ["area_mm2 <= 0.5"],
        "conditions": [
            "encoder_storage == 'sram' or mac_vector_size == 8",
            "entropy_threshold * 40 <= mac_vector_size + 4",
            "dvfs_policy == 'fixed' or exit_policy in ['latency-aware', 'entropy']",
        ],
    },
    "nothing is allowed": {
        "constraints": [],
        "conditions": ["mac_vector_size < entropy_threshold"],
    },
    "nothing is good enough": {"constraints": ["accuracy >= 1.01"], "conditions": []},
}


def spec_for(case: str) -> StudySpec:
    """The tiny study under the constraints and conditions of a case."""
    return spec_of(changed(tiny_document(), CASES[case]), "test")


@pytest.fixture(scope="module")
def scorer(technology: Technology) -> Scorer:
    """A scorer of every metric in the tiny study's scenario."""
    return Scorer(scenario=spec_for("free").scenario.scenario(), technology=technology)


@pytest.fixture(scope="module")
def settings(model_points: list[Flat], measured: Measured) -> list[tuple[Flat, Setting]]:
    """Three settings: one fits no accelerator but the larger ones, two fit all."""
    chosen = [p for p in model_points if p["weight_format"] == "adaptivfloat<8,3>"][:3]
    return [(point, measured(point)) for point in chosen]


@pytest.fixture(scope="module")
def everything(
    scorer: Scorer, settings: list[tuple[Flat, Setting]]
) -> list[list[tuple[Flat, dict[str, float]]]]:
    """For each setting every design of the tiny space, scored one by one; {} if infeasible."""
    space = spec_for("free").search_space()
    tables = []
    for model, setting in settings:
        table = []
        for chip in space.points(HARDWARE_KNOBS):
            for exits in space.points(EXIT_KNOBS):
                score = score_one(scorer, setting, exit_knobs(exits), hardware_knobs(chip))
                metrics = {name: float(score.values[name][0, 0]) for name in METRICS}
                table.append(({**model, **exits, **chip}, metrics if score.feasible[0] else {}))
        tables.append(table)
    return tables


def brute_force(
    table: list[tuple[Flat, dict[str, float]]], spec: StudySpec, space: SearchSpace
) -> tuple[list[tuple[float, ...]], int, int]:
    """Front values, designs scored and designs feasible, from designs scored one by one."""
    allowed = [(flat, metrics) for flat, metrics in table if space.violation(flat) is None]
    good = [
        metrics
        for _, metrics in allowed
        if metrics
        and all(
            metrics[c.metric] <= c.bound if c.upper else metrics[c.metric] >= c.bound
            for c in spec.constraints
        )
    ]
    rows = [tuple(m[o.metric] * (-1 if o.maximised else 1) for o in spec.objectives) for m in good]
    front = {
        row
        for row in rows
        if not any(o != row and all(a <= b for a, b in zip(o, row, strict=True)) for o in rows)
    }
    return sorted(front), len(allowed), len(good)


def found_front(
    scorer: Scorer, setting: Setting, model: Flat, spec: StudySpec, *, prune: bool = True
) -> tuple[InnerFront, InnerSpace]:
    """The inner front, and the grid it is of."""
    inner = InnerSpace.of(spec.search_space())
    front = inner_front(
        scorer, setting, model, inner, spec.objectives, spec.constraints, prune=prune
    )
    return front, inner


def signed_rows(values: FloatArray, spec: StudySpec) -> FloatArray:
    """Rows in order, less being better."""
    signs = np.array([-1 if o.maximised else 1 for o in spec.objectives])
    rows: FloatArray = values * signs
    return rows[np.lexsort(rows.T[::-1])]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("which", range(3))
class TestExactness:
    """One setting of the model knobs, enumerated."""

    @pytest.mark.parametrize("prune", [True, False])
    def test_equals_scoring_one_by_one(
        self,
        case: str,
        which: int,
        prune: bool,
        scorer: Scorer,
        settings: list[tuple[Flat, Setting]],
        everything: list[list[tuple[Flat, dict[str, float]]]],
    ) -> None:
        """Front and designs scored are those of a brute force; so are designs feasible unpruned."""
        spec = spec_for(case)
        model, setting = settings[which]
        front, _ = found_front(scorer, setting, model, spec, prune=prune)
        expected, scored, feasible = brute_force(everything[which], spec, spec.search_space())
        assert len(front.values) == len(expected)
        if expected:
            np.testing.assert_allclose(
                signed_rows(front.values, spec), np.array(expected), rtol=1e-9
            )
        assert front.designs_scored == scored
        assert feasible - front.designs_pruned <= front.designs_feasible <= feasible
        assert (front.designs_feasible > 0) == (feasible > 0)

    def test_rows_name_the_designs(
        self,
        case: str,
        which: int,
        scorer: Scorer,
        settings: list[tuple[Flat, Setting]],
        everything: list[list[tuple[Flat, dict[str, float]]]],
    ) -> None:
        """The knobs that a front row names, scored alone, have the row's values."""
        spec = spec_for(case)
        model, setting = settings[which]
        front, inner = found_front(scorer, setting, model, spec)
        alone = {tuple(flat.values()): metrics for flat, metrics in everything[which]}
        for values, h, x in zip(front.values, front.hardware, front.exits, strict=True):
            flat = flat_design(model, inner, int(h), int(x))
            metrics = alone[tuple(flat.values())]
            assert spec.search_space().violation(flat) is None
            np.testing.assert_allclose(
                values, [metrics[o.metric] for o in spec.objectives], rtol=1e-9
            )

    @pytest.mark.parametrize("pairs", [1, 100])
    def test_block_size_does_not_matter(
        self,
        case: str,
        which: int,
        pairs: int,
        monkeypatch: pytest.MonkeyPatch,
        scorer: Scorer,
        settings: list[tuple[Flat, Setting]],
    ) -> None:
        """Scored in blocks of one accelerator or of a few, the front is the same."""
        spec = spec_for(case)
        model, setting = settings[which]
        whole, _ = found_front(scorer, setting, model, spec)
        monkeypatch.setattr(enumeration, "BLOCK_PAIRS", pairs)
        parts, _ = found_front(scorer, setting, model, spec)
        np.testing.assert_allclose(
            signed_rows(parts.values, spec), signed_rows(whole.values, spec), rtol=1e-12
        )
        assert parts.designs_scored == whole.designs_scored


class TestInnerSpace:
    """The grid that is enumerated."""

    def test_is_the_product_of_exits_and_hardware(self) -> None:
        """Exit and hardware settings, times the settings of model knobs, make up the space."""
        spec = spec_for("free")
        inner = InnerSpace.of(spec.search_space())
        assert spec.search_space().size() == 8 * len(inner.exits) * len(inner.hardware)
        assert len(inner.columns) == len(inner.hardware)

    def test_joined_conditions_are_those_of_several_kinds(self) -> None:
        """Conditions within one kind of knobs are met by the grid itself."""
        assert InnerSpace.of(spec_for("conditions of one kind").search_space()).joined == ()
        assert len(InnerSpace.of(spec_for("joined conditions").search_space()).joined) == 3

    def test_a_grid_too_large_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """More accelerators than memory is meant for are an error that says what to do."""
        monkeypatch.setattr(inner_space, "MOST_ACCELERATORS", 3)
        space = spec_for("conditions of one kind").search_space()
        with pytest.raises(StudyFileError, match="more than 3: give hardware knobs fewer values"):
            InnerSpace.of(space)

    def test_scored_designs_add_up_to_the_space(
        self, scorer: Scorer, model_points: list[Flat], measured: Measured
    ) -> None:
        """Over all settings as many designs are scored as the space has, conditions included."""
        spec = spec_for("joined conditions")
        fronts = [found_front(scorer, measured(m), m, spec)[0] for m in model_points]
        assert sum(front.designs_scored for front in fronts) == spec.search_space().size()

    def test_reasons_are_counted(
        self, scorer: Scorer, settings: list[tuple[Flat, Setting]]
    ) -> None:
        """Why accelerators cannot run a setting is counted, numbers left out."""
        spec = spec_for("free")
        counts = [
            found_front(scorer, setting, model, spec)[0].reasons for model, setting in settings
        ]
        reason = "envm_mib … is too small for the … MiB stored in it"
        assert any(reason in tally for tally in counts)


class TestWithin:
    """Which designs keep every constraint."""

    def test_both_sides(self) -> None:
        """Bounds are kept by values on them; NaN keeps none."""
        values = {
            "area_mm2": np.array([[1.0, 2.0, 3.0, np.nan]]),
            "accuracy": np.array([[0.9, 0.8, 0.9, 0.9]]),
        }
        bounds = [
            Constraint.model_validate(Constraint.parse(text))
            for text in ("area_mm2 <= 2", "accuracy >= 0.8")
        ]
        assert within(values, bounds).tolist() == [[True, True, False, False]]

    def test_none(self) -> None:
        """Without a constraint all designs are kept."""
        assert within({"area_mm2": np.ones((2, 3))}, []).all()


def test_front_is_free_of_dominated_points(
    scorer: Scorer, settings: list[tuple[Flat, Setting]]
) -> None:
    """No point of an inner front dominates another."""
    spec = spec_for("free")
    for model, setting in settings:
        front, _ = found_front(scorer, setting, model, spec)
        assert non_dominated(front.values, spec.objectives).all()


def test_every_exit_policy_is_enumerated(
    scorer: Scorer, settings: list[tuple[Flat, Setting]]
) -> None:
    """With knobs of all exit policies the front is that of their settings scored one by one."""
    policies = {
        "space.exit_policy": [policy.value for policy in ExitPolicy],
        "space.entropy_threshold": 0.3,
        "space.normalised_entropy_threshold": [0.2, 0.6],
        "space.confidence_threshold": [0.7, 0.9, 0.99],
        "space.patience": [1, 2],
        "space.mac_vector_size": 8,
    }
    spec = spec_of(changed(tiny_document(), CASES["free"] | policies), "test")
    model, setting = settings[-1]
    front, inner = found_front(scorer, setting, model, spec)
    assert len(inner.exits) == 1 + 1 + 1 + 2 + 3 + 2
    alone = [
        ({**exits, **chip}, score_one(scorer, setting, exit_knobs(exits), hardware_knobs(chip)))
        for exits in inner.exits
        for chip in inner.hardware
    ]
    table = [
        (flat, {n: float(s.values[n][0, 0]) for n in METRICS} if s.feasible[0] else {})
        for flat, s in alone
    ]
    expected, scored, feasible = brute_force(table, spec, spec.search_space())
    np.testing.assert_allclose(signed_rows(front.values, spec), np.array(expected), rtol=1e-9)
    assert front.designs_scored == scored
    assert 0 < front.designs_feasible <= feasible
