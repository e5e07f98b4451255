"""Uncertainty: the samples of the constants, and what they make of designs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from hw_cost import Constant, Technology
from hw_cost.technology import technology_constants
from search_space import DesignPoint, KnobValue
from studies.objectives import Constraint, Objective
from studies.rescoring import FIGURES, Rescoring
from studies.scoring import Scorer, Setting
from studies.uncertainty import (
    intervals,
    sampled_metrics,
    sampled_values,
    shares_kept,
    shares_on_front,
)
from tests.studies.test_rescoring import SCENARIO, exits, hardware

CONSTANTS = technology_constants()
OBJECTIVES = [
    Objective(metric="energy_pj", ideal=1.0, reference=10.0),
    Objective(metric="area_mm2", ideal=1.0, reference=10.0),
]
DEADLINE = Constraint.model_validate(Constraint.parse("deadline_miss_rate <= 0.1"))
METRICS = (*FIGURES, "deadline_miss_rate")


def narrowed(constants: tuple[Constant, ...], share: float) -> tuple[Constant, ...]:
    """The constants with each end of a range moved towards its value; share 0 leaves none."""
    return tuple(
        replace(
            c,
            low=c.value - share * (c.value - c.low),
            high=c.value + share * (c.high - c.value),
        )
        for c in constants
    )


@pytest.fixture(scope="module")
def rescoring(
    measured: Callable[[dict[str, KnobValue]], Setting],
    model_points: list[dict[str, KnobValue]],
    technology: Technology,
) -> Rescoring:
    """Two accelerators that run, and one whose eNVM is too small."""
    setting = measured(next(p for p in model_points if p["encoder_storage"] == "reram-mlc2"))
    scorer = Scorer(scenario=SCENARIO, technology=technology, metrics=METRICS)
    chips = [hardware(4), hardware(8), hardware(8, envm_mib=0.0625)]
    return Rescoring.of(
        scorer,
        [
            (setting, DesignPoint(model=setting.knobs, exits=exits(0.3), hardware=chip))
            for chip in chips
        ],
    )


def test_samples_stay_in_their_ranges_and_facts_are_left_alone() -> None:
    """Every constant with a range is drawn inside it, and no other is drawn."""
    drawn = sampled_values(CONSTANTS, 40, seed=1)
    for constant in CONSTANTS:
        if constant.low == constant.high:
            assert constant.name not in drawn
        else:
            values = drawn[constant.name]
            assert constant.low <= values.min() < values.max() <= constant.high
    assert "exit_table_rows" not in drawn


def test_draws_follow_the_triangular_distribution() -> None:
    """In the logarithm, or as they are from 0 on, draws have scipy's triangular quantiles."""
    by_name = {constant.name: constant for constant in CONSTANTS}
    for name, law in (("mac_energy_pj", np.log), ("tile_fill_cycles_per_n", np.asarray)):
        constant = by_name[name]
        low, peak, high = law([constant.low, constant.value, constant.high])
        expected = stats.triang((peak - low) / (high - low), loc=low, scale=high - low)
        values = law(sampled_values([constant], 400, seed=3)[name])
        middles = (np.arange(400) + 0.5) / 400
        np.testing.assert_allclose(expected.cdf(np.sort(values)), middles, atol=1 / 400)


def test_draws_hang_on_seed_and_name_alone() -> None:
    """The same seed gives the same draws, whatever other constants there are; another does not."""
    whole = sampled_values(CONSTANTS, 10, seed=1)
    alone = sampled_values([c for c in CONSTANTS if c.name == "mac_energy_pj"], 10, seed=1)
    assert alone["mac_energy_pj"].tolist() == whole["mac_energy_pj"].tolist()
    other = sampled_values(CONSTANTS, 10, seed=2)
    assert other["mac_energy_pj"].tolist() != whole["mac_energy_pj"].tolist()


def test_without_ranges_there_is_no_uncertainty(
    rescoring: Rescoring, technology: Technology
) -> None:
    """If every constant were exact, the interval would be the figure itself."""
    exact = narrowed(CONSTANTS, 0.0)
    found = sampled_metrics(rescoring, technology, exact, n_samples=3, seed=0)
    base = rescoring.under(technology)
    for name in FIGURES:
        for interval, value in zip(intervals(found[name])[:2], base[name], strict=False):
            assert (interval.low, interval.high) == pytest.approx((value, value))


def test_wider_ranges_give_wider_intervals(rescoring: Rescoring, technology: Technology) -> None:
    """Half the ranges leave less than the whole; a design that cannot run has no interval."""
    widths = []
    for share in (0.5, 1.0):
        found = sampled_metrics(
            rescoring, technology, narrowed(CONSTANTS, share), n_samples=24, seed=0
        )
        for name in FIGURES:
            first, second, cannot = intervals(found[name])
            assert first.low < first.high
            assert second.low < second.high
            assert np.isnan([cannot.low, cannot.high]).all()
        widths.append(intervals(found["energy_pj"])[0])
    assert widths[1].high - widths[1].low > widths[0].high - widths[0].low


def test_samples_can_be_made_again(rescoring: Rescoring, technology: Technology) -> None:
    """One seed, one result; progress counts the samples."""
    done: list[int] = []
    first, second = (
        sampled_metrics(rescoring, technology, CONSTANTS, n_samples=4, seed=9, progress=done.append)
        for _ in range(2)
    )
    for name in METRICS:
        np.testing.assert_array_equal(first[name], second[name])
    assert done == [1, 2, 3, 4] * 2


def test_interval_is_that_of_the_samples_that_run() -> None:
    """Of 0 to 100, 5 and 95; samples in which the design cannot run do not count."""
    values = np.concatenate([np.arange(101.0), [np.nan] * 7])[:, None]
    (interval,) = intervals(values)
    assert (interval.low, interval.high) == pytest.approx((5.0, 95.0))


def test_shares_by_hand() -> None:
    """Three designs in four samples: who is dominated, late or cannot run is not on the front."""
    energy = [[1, 2, 3], [1, 2, 3], [5, 2, 3], [np.nan, 2, 3]]
    area = [[3, 2, 1], [3, 2, 3], [3, 2, 1], [np.nan, 2, 1]]
    late = [[0, 0, 0], [0, 0, 0], [0, 0, 0], [np.nan, 0.2, 0]]
    samples = {
        "energy_pj": np.array(energy, dtype=float),
        "area_mm2": np.array(area, dtype=float),
        "deadline_miss_rate": np.array(late, dtype=float),
    }
    # the third design is dominated in sample 2, the first in sample 3; in sample 4 the first
    # cannot run and the second is late
    assert shares_on_front(samples, OBJECTIVES, [DEADLINE]).tolist() == [0.5, 0.75, 0.75]
    assert shares_kept(samples, [DEADLINE]).tolist() == [0.75, 0.75, 1.0]
    assert shares_on_front(samples, OBJECTIVES, []).tolist() == [0.5, 1.0, 0.75]
