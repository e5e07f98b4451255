"""Racing: a setting is lost only where every one of its designs is, and bounds hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evaluators.exits import ExitHistogram, exit_histogram
from evaluators.stages import first_drawn
from evaluators.testing import made_up_trace
from evaluators.traces import ExitTrace, Split
from hw_cost import Technology
from search_space import KnobValue, exit_knobs, model_knobs
from studies import racing
from studies.enumeration import inner_front
from studies.floors import dominated
from studies.fronts import rounded
from studies.inner_space import InnerSpace
from studies.racing import Race, Rules, _lower_means, ceilings
from studies.recorded import RecordedTraces
from studies.scoring import Scorer, setting_of
from studies.spec import StudySpec, spec_of
from tests.small_study import changed, small_document

Flat = dict[str, KnobValue]
RULES = Rules(looks=(15, 30), risk=0.05)


@pytest.fixture(scope="module")
def spec() -> StudySpec:
    """The small study without conditions."""
    return spec_of(changed(small_document(), {"conditions": []}), "test")


def scorer_of(spec: StudySpec, technology: Technology) -> Scorer:
    """A scorer of what the study asks for."""
    asked = [o.metric for o in spec.objectives] + [c.metric for c in spec.constraints]
    return Scorer(
        scenario=spec.scenario.scenario(),
        technology=technology,
        metrics=tuple(dict.fromkeys(asked)),
    )


def race_of(
    spec: StudySpec, technology: Technology, recorded: RecordedTraces, flat: Flat, rules: Rules
) -> tuple[Race, ExitTrace]:
    """The race of a setting before its first sentence, and its whole trace."""
    knobs = model_knobs(flat)
    whole = recorded.trace(knobs)
    race = Race(
        scorer=scorer_of(spec, technology),
        setting=setting_of(knobs, first_drawn(whole, 0), recorded.shape(knobs.checkpoint)),
        tokens=whole.of(Split.SELECT).tokens,
        model=flat,
        inner=InnerSpace.of(spec.search_space()),
        objectives=spec.objectives,
        constraints=spec.constraints,
        rules=rules,
    )
    return race, whole


def histogram_of(shares: list[float], n_sentences: int) -> ExitHistogram:
    """A histogram of one setting of the exit knobs."""
    layers = np.arange(1, len(shares) + 1)
    return ExitHistogram(
        tokens=np.full(len(shares), 10),
        predicted_layer=layers,
        actual_layer=layers,
        shares=np.array([shares]),
        accuracy=np.ones(1),
        accuracy_se=np.zeros(1),
        n_sentences=n_sentences,
    )


class TestBounds:
    """What the sentences drawn say of all of them."""

    def test_lower_mean_by_hand(self) -> None:
        """Half of 500 of 1,000 sentences cost 4, range 4, risk 5 %: variance 4, ln 100 = 4.6052."""
        found = _lower_means(np.array([[0.0, 4.0, 4.0]]), histogram_of([0.5, 0.5], 500), 1000, 0.05)
        left, log = 1 - 499 / 1000, np.log(100)
        width = np.sqrt(4 * 2 * left * log / 500) + (7 / 3 + 3 / np.sqrt(2)) * 4 * log / 500
        assert width == pytest.approx(0.3563, abs=1e-4)
        np.testing.assert_allclose(found, [[2 - width]], rtol=1e-8)

    def test_lower_mean_is_not_negative(self) -> None:
        """A few sentences say nothing of a mean, and costs are 0 at least."""
        found = _lower_means(np.array([[0.0, 4.0, 4.0]]), histogram_of([0.5, 0.5], 4), 1000, 0.05)
        assert found.tolist() == [[0.0]]

    def test_lower_mean_fails_as_rarely_as_said(self) -> None:
        """In 500 orders of a skewed population the bound says something and never too much."""
        rng = np.random.default_rng(1)
        costs = rng.choice([0.0, 0.5, 1.0], p=[0.7, 0.2, 0.1], size=2_000)
        for _ in range(500):
            drawn = rng.permutation(costs)[:800]
            shares = [float((drawn == cost).mean()) for cost in (0.0, 0.5, 1.0)]
            further = np.array([[0.0, 0.5, 1.0, 1.0]])
            bound = _lower_means(further, histogram_of(shares, 800), 2_000, 0.05)[0, 0]
            assert 0 < bound <= costs.mean()

    def test_ceilings(self) -> None:
        """Before the first sentence the stated one; of all sentences the accuracy itself."""
        trace = made_up_trace(seed=3)
        exits = [exit_knobs({"exit_policy": "entropy", "entropy_threshold": t}) for t in (0.1, 0.5)]
        rules = replace(RULES, ceiling=0.97)
        assert ceilings(first_drawn(trace, 0), exits, 60, rules).tolist() == [0.97, 0.97]
        exact = exit_histogram(trace, exits).accuracy
        np.testing.assert_allclose(
            ceilings(first_drawn(trace, 60), exits, 60, RULES), exact, atol=1e-8
        )
        partly = ceilings(first_drawn(trace, 30), exits, 60, RULES)
        assert (partly >= exact).all()

    def test_bounds_hold_every_design(
        self,
        spec: StudySpec,
        technology: Technology,
        recorded: RecordedTraces,
        model_points: list[Flat],
    ) -> None:
        """No design of any setting is better than its bounds, at either look."""
        for flat in model_points:
            race, whole = race_of(spec, technology, recorded, flat, RULES)
            rows = race._rows
            setting = setting_of(model_knobs(flat), whole, race.setting.workload.shape)
            histogram = race.scorer.histogram(setting, race.exits)
            scores = race.scorer.score(setting, histogram, race.inner.columns.take(rows))
            for count in RULES.looks:
                drawn = first_drawn(whole, count)
                upper = ceilings(drawn, race.exits, 60, RULES)
                bounds = race._bounds(rows, exit_histogram(drawn, race.exits), upper)
                assert (bounds["accuracy"] >= scores.values["accuracy"] - 1e-8).all()
                assert (bounds["energy_pj"] <= scores.values["energy_pj"]).all()
                assert (bounds["area_mm2"] == scores.values["area_mm2"]).all()

    def test_half_of_the_risk_is_shared_by_metrics_and_looks(
        self,
        spec: StudySpec,
        technology: Technology,
        recorded: RecordedTraces,
        model_points: list[Flat],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The risks of all bounds of costs at all looks come to no more than half of the rules'."""
        risks: list[float] = []

        def lower_means(further: Any, histogram: Any, population: int, risk: float) -> Any:
            risks.append(risk)
            return _lower_means(further, histogram, population, risk)

        monkeypatch.setattr(racing, "_lower_means", lower_means)
        race, whole = race_of(spec, technology, recorded, model_points[0], RULES)
        for count in RULES.looks:
            drawn = first_drawn(whole, count)
            upper = ceilings(drawn, race.exits, 60, RULES)
            race._bounds(race._rows, exit_histogram(drawn, race.exits), upper)
        assert len(risks) >= len(RULES.looks)
        assert sum(risks) == pytest.approx(RULES.risk / 2)


class TestRace:
    """When a setting is lost."""

    def test_no_front_beats_nobody(
        self,
        spec: StudySpec,
        technology: Technology,
        recorded: RecordedTraces,
        model_points: list[Flat],
    ) -> None:
        """Against no design a setting goes on; against one that is best in all it is lost at once.

        A rival of less than the stated ceiling says nothing before the first sentence.
        """
        race, whole = race_of(spec, technology, recorded, model_points[0], RULES)
        drawn = first_drawn(whole, 0)
        stated = ceilings(drawn, race.exits, 60, RULES)
        assert not race.lost(drawn, stated, [])
        assert race.lost(drawn, stated, [[1.0, 1.0, 1e-6]])
        assert not race.lost(drawn, stated, [[0.999, 1.0, 1e-6]])

    def test_lost_as_by_brute_force(
        self,
        spec: StudySpec,
        technology: Technology,
        recorded: RecordedTraces,
        model_points: list[Flat],
    ) -> None:
        """Rivals at many places: lost exactly where the bounds of all designs are dominated."""
        race, whole = race_of(spec, technology, recorded, model_points[3], RULES)
        drawn = first_drawn(whole, 30)
        upper = ceilings(drawn, race.exits, 60, RULES)
        bounds = race._bounds(race._rows, exit_histogram(drawn, race.exits), upper)
        shape = (len(race._rows), len(race.exits))
        late = np.broadcast_to(bounds["deadline_miss_rate"], shape) <= 0.1
        columns = [np.broadcast_to(bounds[o.metric], shape)[late] for o in spec.objectives]
        values = rounded(np.stack(columns, axis=1))
        seen = set()
        for accuracy in (0.6, 0.8, 0.9, 1.0):
            for energy in np.quantile(values[:, 1], [0.0, 0.3, 0.9]):
                rival = rounded(np.array([[accuracy, energy, values[:, 2].min()]]))
                expected = bool(dominated(values, rival, spec.objectives).all())
                assert race.lost(drawn, upper, rival.tolist()) == expected
                seen.add(expected)
        assert seen == {True, False}

    def test_settings_of_the_exact_front_go_on(
        self,
        spec: StudySpec,
        technology: Technology,
        recorded: RecordedTraces,
        model_points: list[Flat],
    ) -> None:
        """Against the exact front, no setting with a design on it is lost at any look."""
        inner = InnerSpace.of(spec.search_space())
        scorer = scorer_of(spec, technology)
        rows: list[list[float]] = []
        races = []
        for flat in model_points:
            race, whole = race_of(spec, technology, recorded, flat, RULES)
            setting = setting_of(model_knobs(flat), whole, race.setting.workload.shape)
            front = inner_front(scorer, setting, flat, inner, spec.objectives, spec.constraints)
            races.append((race, whole, front.values))
            rows += front.values.tolist()
        everything = np.array(rows)
        best = everything[~dominated(everything, everything, spec.objectives)]
        for race, whole, own in races:
            is_on_it = bool((own[:, None] == best[None]).all(axis=2).any())
            for count in (0, *RULES.looks):
                drawn = first_drawn(whole, count)
                upper = ceilings(drawn, race.exits, 60, RULES)
                if is_on_it:
                    assert not race.lost(drawn, upper, best.tolist())

    @pytest.mark.parametrize(
        ("constraint", "reason"),
        [("area_mm2 <= 1e-6", "every design breaks a constraint"), ("accuracy >= 0.5", None)],
    )
    def test_constraints_before_the_first_sentence(
        self,
        constraint: str,
        reason: str | None,
        technology: Technology,
        recorded: RecordedTraces,
        model_points: list[Flat],
    ) -> None:
        """A constraint that no accelerator can keep ends a setting unmeasured, others do not."""
        changes: dict[str, Any] = {"constraints": [constraint], "conditions": []}
        spec = spec_of(changed(small_document(), changes), "test")
        race, _ = race_of(spec, technology, recorded, model_points[0], RULES)
        if reason is None:
            assert race.unfit is None
        else:
            assert race.unfit is not None

    def test_cost_constraint_at_a_look(
        self, technology: Technology, recorded: RecordedTraces, model_points: list[Flat]
    ) -> None:
        """A setting is lost just below the lowest bound of any design, and goes on just above."""
        changes: dict[str, Any] = {"constraints": ["energy_pj <= 1e15"], "conditions": []}
        spec = spec_of(changed(small_document(), changes), "test")
        race, whole = race_of(spec, technology, recorded, model_points[0], RULES)
        drawn = first_drawn(whole, 30)
        upper = ceilings(drawn, race.exits, 60, RULES)
        bounds = race._bounds(race._rows, exit_histogram(drawn, race.exits), upper)
        lowest = float(bounds["energy_pj"].min())
        for factor, is_lost in ((0.99, True), (1.01, False)):
            (constraint,) = spec.constraints
            bound = constraint.model_copy(update={"bound": factor * lowest})
            held = replace(race, constraints=[bound])
            assert (held.unfit is not None or held.lost(drawn, upper, [])) == is_lost

    def test_accuracy_constraint_at_a_look(
        self, technology: Technology, recorded: RecordedTraces, model_points: list[Flat]
    ) -> None:
        """An accuracy that the sentences rule out is a constraint that every design breaks."""
        changes: dict[str, Any] = {"constraints": ["accuracy >= 0.999"], "conditions": []}
        spec = spec_of(changed(small_document(), changes), "test")
        race, whole = race_of(spec, technology, recorded, model_points[0], RULES)
        drawn = first_drawn(whole, 59)
        upper = ceilings(drawn, race.exits, 60, RULES)
        assert upper.max() < 0.999
        assert race.lost(drawn, upper, [])
