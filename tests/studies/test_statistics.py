"""Statistics over sentences: by hand, and against a list with every sentence in it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from studies.metrics import METRICS
from studies.quantiles import quantiles
from studies.statistics import (
    STATISTICS,
    FloatArray,
    SentenceStatistics,
    means,
    shares_of,
    standard_errors,
)

Counts = NDArray[np.int64]


def by_hand(
    sentences_per_hour: float = 180_000.0, charged_until_ns: float = 0.0
) -> SentenceStatistics:
    """One chip, two settings of the exit knobs, four groups, of which the first setting has three.

    Ten sentences under each setting: 5 of 1 ms, 4 of 2 ms and 1 of 4 ms under the first, 5 of 2 ms
    and 5 of 8 ms under the second. By default there are 50 a second: one in 20 ms.
    """
    return SentenceStatistics(
        energy_pj=np.array([[1e6, 6e6, 8e6, 4e6]]),
        latency_ns=np.array([[1e6, 2e6, 4e6, 8e6]]),
        missed=np.array([[False, False, True, True]]),
        shares=np.array([[0.5, 0.4, 0.1, 0.0], [0.0, 0.5, 0.0, 0.5]]),
        standby_power_mw=np.array([0.25]),
        sentences_per_hour=sentences_per_hour,
        charged_until_ns=charged_until_ns,
    )


class TestByHand:
    """Values that can be checked with a pencil."""

    @pytest.mark.parametrize(
        ("name", "first", "second"),
        [
            ("energy_pj", 3.7e6, 5e6),
            ("energy_p50_pj", 1e6, 4e6),
            ("energy_p99_pj", 8e6, 6e6),
            ("energy_max_pj", 8e6, 6e6),
            ("latency_mean_ns", 1.7e6, 5e6),
            ("latency_p50_ns", 1e6, 2e6),
            ("latency_p99_ns", 4e6, 8e6),
            ("latency_max_ns", 4e6, 8e6),
            ("deadline_miss_rate", 0.1, 0.5),
            ("throughput_per_s", 1 / 1.7e-3, 200.0),
            ("duty_cycle", 1.7 / 20, 5 / 20),
            ("busy_power_mw", 3.7 / 1.7, 1.0),
            ("peak_power_mw", 3.0, 3.0),
            ("power_mw", 3.7 / 20 + 0.25 * (1 - 1.7 / 20), 5 / 20 + 0.25 * 0.75),
            ("energy_per_hour_pj", 180_000 * 3.7e6 + 0.25 * (1 - 1.7 / 20) * 3.6e12, 1.575e12),
        ],
    )
    def test_each_statistic(self, name: str, first: float, second: float) -> None:
        """Each statistic of both settings is what the ten sentences of each give."""
        found = by_hand().values([name])
        assert list(found) == [name]
        np.testing.assert_allclose(found[name], [[first, second]], rtol=1e-12)

    def test_standby_begins_where_the_energy_ends(self) -> None:
        """Energy that covers the time to a deadline of 3 ms leaves less time for standby.

        Under the first setting it covers 3 ms, or 4 ms if late: 3.1 ms on average.
        """
        s = by_hand(charged_until_ns=3e6)
        assert s.power_mw[0, 0] == pytest.approx(3.7 / 20 + 0.25 * (1 - 3.1 / 20))
        assert s.busy_power_mw[0, 0] == pytest.approx(3.7 / 1.7)
        assert s.duty_cycle[0, 0] == pytest.approx(1.7 / 20)
        assert s.throughput_per_s[0, 0] == pytest.approx(1 / 1.7e-3)

    def test_idle_energy_is_not_drawn_while_busy(self) -> None:
        """Of 3 ms that the energy covers, 0.1 mW in the 2 ms and 1 ms after the answers go off.

        Under the first setting that is 5 times 0.2 µJ and 4 times 0.1 µJ in ten sentences; the
        6 µJ in 2 ms of the second group stay the busiest with 5.9 µJ.
        """
        s = replace(by_hand(charged_until_ns=3e6), idle_power_mw=np.array([0.1]))
        assert s.busy_power_mw[0, 0] == pytest.approx((3.7 - 0.14) / 1.7)
        assert s.values(["peak_power_mw"])["peak_power_mw"][0] == pytest.approx([2.95, 2.95])
        assert s.power_mw[0] == pytest.approx(by_hand(charged_until_ns=3e6).power_mw[0])

    def test_a_load_that_cannot_be_served_shows(self) -> None:
        """At 400 sentences a second the second setting is overloaded: no time is left for standby.

        Its duty cycle is above 1, its throughput below the load, and its power what all sentences
        would take.
        """
        s = by_hand(sentences_per_hour=400 * 3600.0)
        assert s.duty_cycle[0] == pytest.approx([0.68, 2.0])
        assert s.throughput_per_s[0, 0] > 400 > s.throughput_per_s[0, 1]
        assert s.power_mw[0] == pytest.approx([3.7 * 0.4 + 0.25 * 0.32, 5 * 0.4])

    def test_energy_per_hour_is_the_power_for_an_hour(self) -> None:
        """1 mW for an hour is 3.6 J."""
        s = by_hand()
        np.testing.assert_allclose(s.energy_per_hour_pj, s.power_mw * 3.6e12)

    def test_ten_of_a_thousand_are_one_percent(self) -> None:
        """Ten groups of a thousandth each are exactly 0.01, so that ``<= 0.01`` lets them pass."""
        shares = np.full((1, 1000), 0.001)
        for late in range(1, 100):
            flags = np.zeros((1, 1000), dtype=bool)
            flags[0, :late] = True
            assert shares_of(flags, shares)[0, 0] == late / 1000

    def test_an_infeasible_design_is_nan(self) -> None:
        """A row of NaN has NaN for every statistic, and its neighbour is untouched."""
        one = by_hand()
        nan = np.full((1, 4), np.nan)
        both = replace(
            one,
            energy_pj=np.concatenate([nan, one.energy_pj]),
            latency_ns=np.concatenate([nan, one.latency_ns]),
            missed=np.concatenate([np.ones((1, 4), dtype=bool), one.missed]),
            standby_power_mw=np.array([np.nan, 0.25]),
        ).values(STATISTICS)
        alone = one.values(STATISTICS)
        assert both.keys() == alone.keys() == STATISTICS
        for name, values in both.items():
            assert np.isnan(values[0]).all()
            np.testing.assert_array_equal(values[1], alone[name][0])

    @pytest.mark.parametrize("levels", [(), (0.0,), (-0.1, 0.5), (0.5, 1.1), (0.99, 0.5), (50.0,)])
    def test_levels_are_rising_shares(self, levels: tuple[float, ...]) -> None:
        """A level that is no share, or levels that fall, are refused with what was expected."""
        with pytest.raises(ValueError, match=r"^Levels \(.*\) of quantiles: expected them to rise"):
            quantiles(np.ones((1, 2)), np.full((1, 2), 0.5), levels)

    def test_every_metric_has_its_place(self) -> None:
        """All metrics but accuracy, area and storage are statistics over sentences."""
        assert METRICS.keys() - STATISTICS == {"accuracy", "area_mm2", "storage_bits"}
        assert METRICS.keys() >= STATISTICS


@st.composite
def cases(draw: st.DrawFn) -> tuple[SentenceStatistics, Counts]:
    """Some designs, settings and groups with their counts of sentences; costs often repeat."""
    designs, settings, groups = (draw(st.integers(1, most)) for most in (4, 4, 9))
    n_sentences = draw(st.sampled_from([1, 2, 7, 60, 100, 101, 300, 1000]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    used = rng.random((settings, groups)) < 0.6
    used[np.arange(settings), rng.integers(groups, size=settings)] = True
    counts = np.array([rng.multinomial(n_sentences, row / row.sum()) for row in used])
    shape = (designs, groups)
    latency = rng.integers(1, 12, size=shape).astype(np.float64) * 1e5
    return (
        SentenceStatistics(
            energy_pj=rng.integers(1, 40, size=shape).astype(np.float64) * 1e4,
            latency_ns=latency,
            missed=latency > 8e5,
            shares=counts / n_sentences,
            standby_power_mw=rng.random(designs),
            sentences_per_hour=10 ** rng.uniform(2, 8),
            charged_until_ns=float(rng.choice([0.0, 8e5])),
            idle_power_mw=[None, rng.random(designs) * 1e-3][rng.integers(2)],
        ),
        counts,
    )


def brute_force(s: SentenceStatistics, design: int, counts: Counts) -> dict[str, float]:
    """Every statistic of one design and setting from a list of its sentences."""
    energy, latency = (np.repeat(v[design], counts) for v in (s.energy_pj, s.latency_ns))
    covered = np.maximum(latency, s.charged_until_ns)
    idle_mw = 0.0 if s.idle_power_mw is None else s.idle_power_mw[design]
    busy = energy - idle_mw * (covered - latency)
    n, rate = len(latency), s.sentences_per_hour / 3.6e12
    found: dict[str, float] = {}
    for name, values, unit in (("energy", energy, "pj"), ("latency", latency, "ns")):
        for percent in (50, 99):
            found[f"{name}_p{percent}_{unit}"] = np.sort(values)[-(-percent * n // 100) - 1]
        found[f"{name}_max_{unit}"] = values.max()
    standby_mw = s.standby_power_mw[design] * max(0.0, 1 - covered.mean() * rate)
    return found | {
        "energy_pj": energy.mean(),
        "latency_mean_ns": latency.mean(),
        "deadline_miss_rate": np.repeat(s.missed[design], counts).mean(),
        "throughput_per_s": n / (latency.sum() / 1e9),
        "duty_cycle": latency.mean() * rate,
        "busy_power_mw": busy.sum() / latency.sum(),
        "peak_power_mw": (busy / latency).max(),
        "power_mw": energy.mean() * rate + standby_mw,
        "energy_per_hour_pj": energy.mean() * s.sentences_per_hour + standby_mw * 3.6e12,
    }


class TestProperties:
    """What holds for any costs and shares."""

    @given(case=cases())
    def test_statistics_are_those_of_a_list_of_sentences(
        self, case: tuple[SentenceStatistics, Counts]
    ) -> None:
        """Every statistic of every pair is the one of its sentences written out one by one."""
        s, counts = case
        found = s.values(STATISTICS)
        for design in range(len(s.energy_pj)):
            for setting, own in enumerate(counts):
                expected = brute_force(s, design, own)
                assert expected.keys() == STATISTICS
                for name, value in expected.items():
                    assert found[name][design, setting] == pytest.approx(value, rel=1e-12), name

    @given(case=cases(), seed=st.integers(0, 99))
    def test_the_order_of_designs_settings_and_groups_does_not_matter(
        self, case: tuple[SentenceStatistics, Counts], seed: int
    ) -> None:
        """Designs and settings in another order come out in that order; groups leave no trace."""
        s, _ = case
        rng = np.random.default_rng(seed)
        d, x = rng.permutation(len(s.energy_pj)), rng.permutation(len(s.shares))
        g = rng.permutation(s.energy_pj.shape[1])
        shuffled = replace(
            s,
            energy_pj=s.energy_pj[d][:, g],
            latency_ns=s.latency_ns[d][:, g],
            missed=s.missed[d][:, g],
            shares=s.shares[x][:, g],
            standby_power_mw=s.standby_power_mw[d],
            idle_power_mw=None if s.idle_power_mw is None else s.idle_power_mw[d],
        )
        before, after = s.values(STATISTICS), shuffled.values(STATISTICS)
        for name, values in after.items():
            np.testing.assert_allclose(values, before[name][d][:, x], rtol=1e-12)

    @given(case=cases(), names=st.sets(st.sampled_from(sorted(METRICS))))
    def test_what_is_asked_for_does_not_change_values(
        self, case: tuple[SentenceStatistics, Counts], names: set[str]
    ) -> None:
        """Any choice of metrics gives the statistics among them, each the same as with all."""
        s, _ = case
        found, everything = s.values(names), s.values(METRICS)
        assert found.keys() == names & STATISTICS
        for name, values in found.items():
            np.testing.assert_array_equal(values, everything[name])

    @given(case=cases())
    def test_statistics_are_ordered(self, case: tuple[SentenceStatistics, Counts]) -> None:
        """Median, 99th percentile and maximum rise; the mean and busy power are below the top."""
        s, _ = case
        found = s.values(STATISTICS)
        for name, unit, mean in (
            ("energy", "pj", "energy_pj"),
            ("latency", "ns", "latency_mean_ns"),
        ):
            p50, p99, most = (found[f"{name}_{which}_{unit}"] for which in ("p50", "p99", "max"))
            assert (p50 <= p99).all()
            assert (p99 <= most).all()
            assert (found[mean] <= most * (1 + 1e-12)).all()
        assert (found["busy_power_mw"] <= found["peak_power_mw"] * (1 + 1e-12)).all()


class TestStandardErrors:
    """How far statistics of a sample are off."""

    @given(case=cases())
    def test_means_have_that_of_their_sentences(
        self, case: tuple[SentenceStatistics, Counts]
    ) -> None:
        """The standard error of a mean is numpy's std / sqrt(n) over the sentences."""
        s, counts = case
        own = counts[0]
        n = int(own.sum())
        if n < 2:
            return
        errors = standard_errors(replace(s, shares=s.shares[:1]), n)
        rate = s.rate_per_ns
        for design in range(len(s.energy_pj)):
            for name, values in (
                ("energy_pj", s.energy_pj[design]),
                ("latency_mean_ns", s.latency_ns[design]),
                ("deadline_miss_rate", s.missed[design].astype(float)),
                ("duty_cycle", s.latency_ns[design] * rate),
            ):
                expected = np.repeat(values, own).std(ddof=1) / math.sqrt(n)
                assert errors[name][design] == pytest.approx(expected, rel=1e-9, abs=1e-6)

    def test_what_follows_from_means(self) -> None:
        """Throughput, powers and energy per hour have the spread of 2,000 samples drawn anew."""
        s = replace(by_hand(charged_until_ns=1.5e6), shares=by_hand().shares[:1])
        s = replace(s, idle_power_mw=np.array([0.5]))
        rng = np.random.default_rng(5)
        drawn = rng.multinomial(900, s.shares[0], size=2_000) / 900
        again = replace(s, shares=drawn).values(STATISTICS)
        errors = standard_errors(s, 900)
        for name in ("throughput_per_s", "busy_power_mw", "power_mw", "energy_per_hour_pj"):
            assert errors[name][0] == pytest.approx(again[name][0].std(), rel=0.06), name

    def test_percentiles_have_about_the_spread_of_samples(self) -> None:
        """The order-statistic error is, within a quarter, what samples drawn anew differ by."""
        rng = np.random.default_rng(6)
        samples = rng.gamma(3.0, 1e6, size=(400, 1000))
        shares = np.full((1, 1000), 1e-3)
        s = SentenceStatistics(
            energy_pj=samples / 2,
            latency_ns=samples,
            missed=samples > 9e6,
            shares=shares,
            standby_power_mw=np.zeros(400),
            sentences_per_hour=3600.0,
            charged_until_ns=0.0,
        )
        errors = standard_errors(s, 1000)
        values = s.values(STATISTICS)
        for name in ("latency_p50_ns", "latency_p99_ns", "energy_p50_pj", "energy_p99_pj"):
            assert errors[name].mean() == pytest.approx(values[name].std(), rel=0.25), name

    def test_what_has_none(self) -> None:
        """A maximum has no error, nor has a 99th percentile of too few sentences."""
        s = replace(by_hand(), shares=by_hand().shares[:1])
        few, many = standard_errors(s, 60), standard_errors(s, 1000)
        assert many.keys() - few.keys() == {"energy_p99_pj", "latency_p99_ns"}
        assert STATISTICS - many.keys() == {"energy_max_pj", "latency_max_ns", "peak_power_mw"}

    def test_one_setting_at_a_time(self) -> None:
        """Errors of several settings at once are refused."""
        with pytest.raises(ValueError, match=r"^Standard errors of 2 settings: expected one\.$"):
            standard_errors(by_hand(), 10)


def test_means_are_a_matrix_product() -> None:
    """Two designs by two settings: each mean weighs the costs with the setting's shares."""
    costs: FloatArray = np.array([[1.0, 3.0], [10.0, 20.0]])
    shares: FloatArray = np.array([[0.5, 0.5], [0.0, 1.0]])
    np.testing.assert_allclose(means(costs, shares), [[2, 3], [15, 20]])
