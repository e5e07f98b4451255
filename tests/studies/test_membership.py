"""How sure a place on the front is: by hand, by simulation, and through the cost model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from evaluators.bootstrap import RESAMPLES, resample_weights
from evaluators.exits import exit_histogram
from evaluators.faults.trials import FaultTrials
from evaluators.resampling import resampled_histogram
from evaluators.testing import made_up_trace
from evaluators.traces import Split
from hw_cost import Technology
from search_space import EXIT_KNOBS, HARDWARE_KNOBS, ExitKnobs, ExitPolicy, KnobValue, design_point
from studies.membership import Membership, lower_front, nearest_rivals, resampled_values
from studies.objectives import Constraint, Objective
from studies.scoring import Scorer, Setting, score_one
from studies.spec import spec_of
from tests.small_study import tiny_document

Flat = dict[str, KnobValue]

ACCURACY = Objective(metric="accuracy", ideal=1.0, reference=0.0)
AREA = Objective(metric="area_mm2", ideal=0.0, reference=10.0)
ENERGY = Objective(metric="energy_pj", axis="log10", ideal=1.0, reference=1e9)


def constraint(text: str) -> Constraint:
    """The constraint that a text says."""
    return Constraint.model_validate(Constraint.parse(text))


class TestMembership:
    """Shares of the samples."""

    def test_by_hand(self) -> None:
        """Of two designs the cheap one is always on the front, the other where it is more accurate.

        It is so in two of four samples, equal in one: then the cheap one dominates it.
        """
        samples = {
            "accuracy": np.array([[0.8, 0.9], [0.8, 0.81], [0.8, 0.8], [0.8, 0.7]]),
            "area_mm2": np.array([[1.0, 2.0]] * 4),
        }
        found = Membership.of(samples, [ACCURACY, AREA], [])
        assert found.probability.tolist() == [1.0, 0.5]
        np.testing.assert_allclose(found.accuracy_low[1], 0.715)
        np.testing.assert_allclose(found.accuracy_low[0], 0.8)

    def test_equal_designs_are_both_on_it(self) -> None:
        """Where two designs are equal in a sample, neither dominates the other."""
        samples = {"accuracy": np.full((3, 2), 0.8), "area_mm2": np.ones((3, 2))}
        assert Membership.of(samples, [ACCURACY, AREA], []).probability.tolist() == [1.0, 1.0]

    def test_constraints_are_resampled_too(self) -> None:
        """A design that breaks a bound in a sample is not on that sample's front."""
        samples = {
            "accuracy": np.array([[0.8, 0.9], [0.8, 0.9]]),
            "area_mm2": np.array([[1.0, 2.0]] * 2),
            "deadline_miss_rate": np.array([[0.0, 0.02], [0.0, 0.005]]),
        }
        found = Membership.of(samples, [ACCURACY, AREA], [constraint("deadline_miss_rate <= 0.01")])
        assert found.probability.tolist() == [1.0, 0.5]

    @pytest.mark.parametrize("shared", [0.0, 0.9])
    def test_against_the_normal_law(self, shared: float) -> None:
        """Of two designs a real difference of one paired error is seen in 84 % of the samples.

        1,000 sentences on which answers differ; however often both are right together, what decides
        is the paired difference: the normal law gives Phi(difference / its error).
        """
        rng = np.random.default_rng(0)
        n = 1_000
        common = rng.random(n) < shared
        first = np.where(common, 1.0, rng.random(n) < 0.5)
        second = np.where(common, 1.0, rng.random(n) < 0.5)
        gap = first - second
        error = gap.std(ddof=1) / np.sqrt(n)
        places = np.flatnonzero(~common)
        for place in places:  # move the second's answers until it is one error better
            if (second - first).mean() >= error:
                break
            second[place] = 1.0
        expected = 0.5 * (1 + math.erf(1 / math.sqrt(2)))
        weights = resample_weights(n).astype(np.float64) / n
        samples = {
            "accuracy": np.stack([weights @ first, weights @ second], axis=1),
            "area_mm2": np.array([[1.0, 2.0]] * RESAMPLES),
        }
        found = Membership.of(samples, [ACCURACY, AREA], [])
        assert found.probability[1] == pytest.approx(expected, abs=0.05)


class TestRivals:
    """Dominated designs that take part."""

    def test_by_hand(self) -> None:
        """The ones that lack least accuracy against what is as cheap come first.

        Against the front (0.9, 4), (0.8, 2): (0.79, 3) lacks 0.01, (0.7, 5) lacks 0.2, (0.85, 4.5)
        lacks 0.05, and (0.5, 1) lacks nothing, since nothing is as small.
        """
        front = np.array([[0.9, 4.0], [0.8, 2.0]])
        others = np.array([[0.7, 5.0], [0.85, 4.5], [0.79, 3.0], [0.5, 1.0]])
        objectives = [ACCURACY, AREA]
        assert nearest_rivals(front, others, objectives, 2).tolist() == [2, 3]
        assert nearest_rivals(front, others, objectives, 3).tolist() == [1, 2, 3]
        assert nearest_rivals(front, others, objectives, 9).tolist() == [0, 1, 2, 3]
        assert nearest_rivals(front, others[:0], objectives, 9).tolist() == []
        assert nearest_rivals(front, others, [ENERGY, AREA], 9).tolist() == []


class TestLowerFront:
    """Accuracy counted at its lower bound."""

    def test_by_hand(self) -> None:
        """A design whose bound is below a cheaper one's falls, as does one below a constraint."""
        values = np.array([[0.90, 4.0], [0.89, 3.0], [0.70, 1.0]])
        low = np.array([0.85, 0.86, 0.60])
        objectives = [ACCURACY, AREA]
        assert lower_front(values, low, objectives, []).tolist() == [False, True, True]
        bound = [constraint("accuracy >= 0.65"), constraint("area_mm2 <= 9")]
        assert lower_front(values, low, objectives, bound).tolist() == [False, True, False]


class TestResampledHistogram:
    """Histograms of bootstrap samples."""

    @pytest.mark.parametrize("policy", [ExitPolicy.ENTROPY, ExitPolicy.LATENCY_AWARE])
    def test_is_the_histogram_of_the_drawn_sentences(self, policy: ExitPolicy) -> None:
        """Each sample's shares and accuracy are those of its sentences, written out one by one."""
        trace = made_up_trace(seed=3)
        knobs = ExitKnobs(exit_policy=policy, entropy_threshold=0.3)
        found = resampled_histogram(trace, knobs)
        select = np.flatnonzero(trace.splits == Split.SELECT)
        weights = resample_weights(len(select))
        groups = list(zip(found.tokens, found.predicted_layer, found.actual_layer, strict=True))
        for sample in (0, 17, RESAMPLES - 1):
            drawn = np.repeat(select, weights[sample])
            alone = exit_histogram(
                replace(
                    trace,
                    logits=trace.logits[drawn],
                    tokens=trace.tokens[drawn],
                    labels=trace.labels[drawn],
                    splits=trace.splits[drawn],
                ),
                [knobs],
            )
            assert found.accuracy[sample] == pytest.approx(alone.accuracy[0])
            keys = zip(alone.tokens, alone.predicted_layer, alone.actual_layer, strict=True)
            shares = dict(zip(keys, alone.shares[0], strict=True))
            expected = [shares.get(group, 0.0) for group in groups]
            np.testing.assert_allclose(found.shares[sample], expected)

    def test_chips_are_drawn_where_cells_are_misread(self) -> None:
        """With faults the accuracy spreads over chips too, by what their scores differ."""
        trace = made_up_trace(seed=3)
        knobs = ExitKnobs(exit_policy=ExitPolicy.NONE, entropy_threshold=0.3)
        plain = resampled_histogram(trace, knobs).accuracy
        faulty = replace(trace, faults=FaultTrials((0.6, 0.8, 0.7)))
        moved = resampled_histogram(faulty, knobs).accuracy - plain
        assert set(np.round(moved, 9)) == {-0.1, 0.0, 0.1}


def test_spread_of_the_samples_is_the_standard_error(
    technology: Technology,
    model_points: list[Flat],
    measured: Callable[[Flat], Setting],
) -> None:
    """Resampled metrics scatter around the design's own, by about its standard error.

    Area and storage do not move at all.
    """
    spec = spec_of(tiny_document(), "test")
    names = ("accuracy", "energy_pj", "latency_p99_ns", "area_mm2", "storage_bits")
    scorer = Scorer(scenario=spec.scenario.scenario(), technology=technology, metrics=names)
    model, space = model_points[2], spec.search_space()
    chips = space.points(HARDWARE_KNOBS)[-2:]
    flats = [{**model, **x, **chip} for chip in chips for x in space.points(EXIT_KNOBS)[1:3]]
    setting = measured(model)
    designs = [(setting, design_point(flat)) for flat in flats]
    samples = resampled_values(scorer, designs)
    n = int((setting.trace.splits == Split.SELECT).sum())
    for place, (_, point) in enumerate(designs):
        alone = score_one(scorer, setting, point.exits, point.hardware)
        for name in names:
            own, drawn = float(alone.values[name][0, 0]), samples[name][:, place]
            if name in ("area_mm2", "storage_bits"):
                np.testing.assert_allclose(drawn, own, rtol=1e-12)
            elif name != "latency_p99_ns":
                assert drawn.mean() == pytest.approx(own, abs=4 * drawn.std() / np.sqrt(RESAMPLES))
        accuracy = float(alone.values["accuracy"][0, 0])
        error = np.sqrt(accuracy * (1 - accuracy) / n)
        assert samples["accuracy"][:, place].std() == pytest.approx(error, rel=0.15)
