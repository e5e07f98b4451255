"""Scores against a loop over sentences, each taken alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from evaluators.exits import exit_layers
from evaluators.traces import ExitTrace, Split
from hw_cost import AcceleratorColumns, Technology
from search_space import (
    DesignPoint,
    DvfsPolicy,
    ExitKnobs,
    ExitPolicy,
    HardwareKnobs,
    IdleAccounting,
    KnobValue,
    Scenario,
)
from studies.design_details import DesignDetail, design_details
from studies.fronts import FloatArray
from studies.metrics import METRICS
from studies.scoring import Scorer, Scores, Setting, score_one

EXITS = [
    ExitKnobs(exit_policy=ExitPolicy.NONE, entropy_threshold=0.0),
    ExitKnobs(exit_policy=ExitPolicy.ENTROPY, entropy_threshold=0.3),
    ExitKnobs(exit_policy=ExitPolicy.LATENCY_AWARE, entropy_threshold=0.2),
    ExitKnobs(exit_policy=ExitPolicy.LATENCY_AWARE, entropy_threshold=0.45),
]


def hardware(n: int, policy: DvfsPolicy, envm_mib: float = 0.5) -> HardwareKnobs:
    """An accelerator that holds the small encoders."""
    return HardwareKnobs(
        mac_vector_size=n,
        processing_units=1,
        data_sram_kib=64,
        mask_sram_kib=4,
        aux_sram_kib=4,
        envm_mib=envm_mib,
        min_voltage_v=0.8 if policy is DvfsPolicy.FIXED else 0.5,
        max_voltage_v=0.8,
        dvfs_policy=policy,
    )


CHIPS = [
    hardware(4, DvfsPolicy.FIXED),
    hardware(8, DvfsPolicy.LOWEST_FEASIBLE),
    hardware(8, DvfsPolicy.MIN_ENERGY),
    hardware(16, DvfsPolicy.LOWEST_FEASIBLE),
]
SCENARIO = Scenario(
    task="SST-2",
    padded_tokens=None,
    deadline_ms=0.3,
    sentences_per_hour=7200.0,
    idle=IdleAccounting.LEAKAGE,
    temperature_k=350.0,
)


@dataclass(frozen=True)
class BySentence:
    """Scores of each sentence alone: arrays (n_sentences, n_chips, n_exits)."""

    energy_pj: FloatArray
    latency_ns: FloatArray
    missed: FloatArray
    right: FloatArray
    standby_mw: FloatArray


@pytest.fixture(scope="module")
def setting(
    measured: Callable[[dict[str, KnobValue]], Setting], model_points: list[dict[str, KnobValue]]
) -> Setting:
    """An encoder with embeddings and weights in ReRAM."""
    point = next(p for p in model_points if p["encoder_storage"] == "reram-mlc2")
    return measured(point)


@pytest.fixture(scope="module")
def scorer(technology: Technology) -> Scorer:
    """A scorer of every metric."""
    return Scorer(scenario=SCENARIO, technology=technology)


@pytest.fixture(scope="module")
def scores(scorer: Scorer, setting: Setting) -> Scores:
    """All chips by all exits, scored at once."""
    histogram = scorer.histogram(setting, EXITS)
    return scorer.score(setting, histogram, AcceleratorColumns.from_knobs(CHIPS))


def one_sentence(trace: ExitTrace, sentence: int) -> ExitTrace:
    """The trace of a single sentence."""
    only = slice(sentence, sentence + 1)
    return replace(
        trace,
        logits=trace.logits[only],
        tokens=trace.tokens[only],
        labels=trace.labels[only],
        splits=trace.splits[only],
    )


@pytest.fixture(scope="module")
def by_sentence(scorer: Scorer, setting: Setting) -> BySentence:
    """Each sentence of the select split scored alone."""
    columns = AcceleratorColumns.from_knobs(CHIPS)
    found = []
    for sentence in np.flatnonzero(setting.trace.splits == Split.SELECT):
        alone = replace(setting, trace=one_sentence(setting.trace, int(sentence)))
        score = scorer.score(alone, scorer.histogram(alone, EXITS), columns)
        found.append(score)
    values = {
        name: np.stack([score.values[name] for score in found])
        for name in ("energy_pj", "latency_mean_ns", "deadline_miss_rate", "accuracy")
    }
    return BySentence(
        energy_pj=values["energy_pj"],
        latency_ns=values["latency_mean_ns"],
        missed=values["deadline_miss_rate"],
        right=values["accuracy"],
        standby_mw=found[0].table.standby_power_mw,
    )


class TestScores:
    """Metrics of accelerators by settings of the exit knobs."""

    def test_every_metric_has_its_array(self, scores: Scores) -> None:
        """Each metric is an array (n_chips, n_exits), finite where the chip is feasible."""
        assert scores.values.keys() == METRICS.keys()
        assert scores.feasible.all()
        for values in scores.values.values():
            assert values.shape == (len(CHIPS), len(EXITS))
            assert np.isfinite(values).all()

    def test_means_are_a_loop_over_sentences(self, scores: Scores, by_sentence: BySentence) -> None:
        """Energy, latency, misses and accuracy are means over sentences taken alone."""
        for name, values in (
            ("energy_pj", by_sentence.energy_pj),
            ("latency_mean_ns", by_sentence.latency_ns),
            ("deadline_miss_rate", by_sentence.missed),
            ("accuracy", by_sentence.right),
        ):
            np.testing.assert_allclose(scores.values[name], values.mean(axis=0), rtol=1e-12)

    def test_misses_are_late_sentences(self, scores: Scores, by_sentence: BySentence) -> None:
        """A miss is a latency above the deadline; some designs miss some, some none."""
        late = (by_sentence.latency_ns > SCENARIO.deadline_ms * 1e6).mean(axis=0)
        np.testing.assert_allclose(scores.values["deadline_miss_rate"], late)
        assert (late == 0).any()
        assert ((late > 0) & (late < 1)).any()

    def test_percentile_is_of_the_sorted_list(
        self, scores: Scores, by_sentence: BySentence
    ) -> None:
        """The 99th percentile is the latency that 99 % of the sorted sentences keep."""
        n = len(by_sentence.latency_ns)
        ordered = np.sort(by_sentence.latency_ns, axis=0)
        expected = ordered[math.ceil(0.99 * n) - 1]
        np.testing.assert_allclose(scores.values["latency_p99_ns"], expected, rtol=1e-12)

    def test_percentile_of_many_sentences(
        self, scorer: Scorer, setting: Setting, by_sentence: BySentence
    ) -> None:
        """With 300 sentences the slowest two are left out: 1 - 297/300 is one percent."""
        order = np.random.default_rng(0).permutation(np.repeat(np.arange(60), 5))
        trace = setting.trace
        many = replace(
            setting,
            trace=replace(
                trace,
                logits=trace.logits[order],
                tokens=trace.tokens[order],
                labels=trace.labels[order],
                splits=trace.splits[order],
            ),
        )
        columns = AcceleratorColumns.from_knobs(CHIPS)
        found = scorer.score(many, scorer.histogram(many, EXITS), columns)
        expected = np.sort(by_sentence.latency_ns[order], axis=0)[296]
        np.testing.assert_allclose(found.values["latency_p99_ns"], expected, rtol=1e-12)

    def test_power(self, scores: Scores, by_sentence: BySentence) -> None:
        """Two sentences a second, paid for up to the deadline, and standby power in between."""
        covered_s = np.maximum(by_sentence.latency_ns, 0.3e6).mean(axis=0) * 1e-9
        expected = 2 * by_sentence.energy_pj.mean(axis=0) * 1e-12 * 1e3
        expected += by_sentence.standby_mw[:, None] * (1 - 2 * covered_s)
        np.testing.assert_allclose(scores.values["power_mw"], expected, rtol=1e-12)
        joules = scores.values["energy_per_hour_pj"] * 1e-12
        np.testing.assert_allclose(joules, expected * 1e-3 * 3600, rtol=1e-12)

    def test_power_where_idle_is_not_charged(self, scorer: Scorer, setting: Setting) -> None:
        """Without idle leakage a chip is on standby from its answer on."""
        scenario = replace(SCENARIO, idle=IdleAccounting.NONE)
        found = score_one(replace(scorer, scenario=scenario), setting, EXITS[1], CHIPS[1])
        values = {name: value[0, 0] for name, value in found.values.items()}
        standby_mw = found.table.standby_power_mw[0] * (1 - values["duty_cycle"])
        assert values["power_mw"] == pytest.approx(2e-9 * values["energy_pj"] + standby_mw)
        assert values["busy_power_mw"] == pytest.approx(
            values["energy_pj"] / values["latency_mean_ns"]
        )
        assert values["duty_cycle"] == pytest.approx(2e-9 * values["latency_mean_ns"])
        assert values["throughput_per_s"] == pytest.approx(1e9 / values["latency_mean_ns"])

    def test_largest_sentences(self, scores: Scores, by_sentence: BySentence) -> None:
        """Maxima are those of sentences taken alone."""
        energy, latency = by_sentence.energy_pj, by_sentence.latency_ns
        idle_mw = scores.table.idle_power_mw[:, None]
        busy_pj = energy - idle_mw * np.maximum(0.3e6 - latency, 0)
        for name, values in (
            ("energy_max_pj", energy),
            ("latency_max_ns", latency),
            ("peak_power_mw", busy_pj / latency),
        ):
            np.testing.assert_allclose(scores.values[name], values.max(axis=0), rtol=1e-12)

    def test_what_the_chip_has_does_not_depend_on_exits(self, scores: Scores) -> None:
        """Area and storage are the same for every setting of the exit knobs."""
        for name in ("area_mm2", "storage_bits"):
            values = scores.values[name]
            assert (values == values[:, :1]).all()

    def test_only_the_metrics_asked_for(self, scorer: Scorer, setting: Setting) -> None:
        """A scorer works out the metrics it is asked for, to the same values."""
        few = replace(scorer, metrics=("energy_pj", "accuracy"))
        values = score_one(few, setting, EXITS[1], CHIPS[1]).values
        assert list(values) == ["energy_pj", "accuracy"]
        everything = score_one(scorer, setting, EXITS[1], CHIPS[1]).values
        assert values["energy_pj"] == everything["energy_pj"]

    def test_padding(self, scorer: Scorer, setting: Setting) -> None:
        """Padded sentences without exits all take the same time and energy, more than actual."""
        padded = replace(scorer, scenario=replace(SCENARIO, padded_tokens=64))
        values = score_one(padded, setting, EXITS[0], CHIPS[0]).values
        actual = score_one(scorer, setting, EXITS[0], CHIPS[0]).values
        assert values["latency_p99_ns"][0, 0] == pytest.approx(values["latency_mean_ns"][0, 0])
        assert values["latency_mean_ns"][0, 0] > actual["latency_p99_ns"][0, 0]
        assert values["accuracy"][0, 0] == actual["accuracy"][0, 0]


class TestInfeasible:
    """An accelerator that cannot run the encoder."""

    def test_is_nan_with_a_reason(self, scorer: Scorer, setting: Setting) -> None:
        """All its metrics are NaN, the reason is a sentence, and its neighbours are untouched."""
        columns = AcceleratorColumns.from_knobs(
            [CHIPS[0], hardware(8, DvfsPolicy.FIXED, envm_mib=0.0)]
        )
        found = scorer.score(setting, scorer.histogram(setting, EXITS), columns)
        assert found.feasible.tolist() == [True, False]
        assert found.table.reason(0) is None
        assert "envm_mib 0 is too small for the" in str(found.table.reason(1))
        alone = scorer.score(
            setting, scorer.histogram(setting, EXITS), AcceleratorColumns.from_knobs(CHIPS[:1])
        )
        for name in METRICS:
            assert np.isnan(found.values[name][1]).all()
            np.testing.assert_allclose(found.values[name][:1], alone.values[name], rtol=1e-12)


@pytest.fixture(scope="module")
def designs(setting: Setting) -> list[DesignPoint]:
    """Every chip with every setting of the exit knobs."""
    return [
        DesignPoint(model=setting.knobs, exits=exits, hardware=chip)
        for chip in CHIPS
        for exits in EXITS
    ]


@pytest.fixture(scope="module")
def details(
    technology: Technology, setting: Setting, designs: list[DesignPoint]
) -> list[DesignDetail]:
    """Their details, chip by chip."""
    return design_details(Scorer(scenario=SCENARIO, technology=technology), setting, designs)


class TestDetails:
    """What is shown of one design."""

    def test_values_are_the_scores(self, details: list[DesignDetail], scores: Scores) -> None:
        """The metrics are those that the search saw."""
        for name in METRICS:
            values = [detail.metrics[name].value for detail in details]
            np.testing.assert_allclose(values, scores.values[name].ravel(), rtol=1e-12)

    def test_errors_are_those_over_sentences(
        self, details: list[DesignDetail], by_sentence: BySentence
    ) -> None:
        """A standard error is numpy's std / sqrt(n) over the sentences themselves."""
        n = len(by_sentence.right)
        covered_ns = np.maximum(by_sentence.latency_ns, 0.3e6)
        drawn_pj = by_sentence.energy_pj - by_sentence.standby_mw[:, None] * covered_ns
        for name, values in (
            ("accuracy", by_sentence.right),
            ("energy_pj", by_sentence.energy_pj),
            ("latency_mean_ns", by_sentence.latency_ns),
            ("deadline_miss_rate", by_sentence.missed),
            ("duty_cycle", 2e-9 * by_sentence.latency_ns),
            ("power_mw", 2e-9 * drawn_pj),
            ("energy_per_hour_pj", 7200 * drawn_pj),
        ):
            expected = values.std(axis=0, ddof=1) / math.sqrt(n)
            found = [detail.metrics[name].se for detail in details]
            np.testing.assert_allclose(
                np.array(found, dtype=np.float64), expected.ravel(), rtol=1e-9, atol=1e-12
            )

    def test_what_has_no_error(self, details: list[DesignDetail]) -> None:
        """Area, storage, maxima and 99th percentiles of 60 sentences have no standard error."""
        none = {"area_mm2", "storage_bits", "latency_p99_ns", "energy_p99_pj"}
        none |= {"latency_max_ns", "energy_max_pj", "peak_power_mw"}
        for name in METRICS:
            without = {detail.metrics[name].se is None for detail in details}
            assert without == {name in none}, name

    def test_breakdown_sums_to_the_total(self, details: list[DesignDetail]) -> None:
        """The parts of energy, latency and area sum to the design's own."""
        for detail in details:
            parts, metrics = detail.breakdown, detail.metrics
            for shares, name in (
                (parts.energy_pj, "energy_pj"),
                (parts.latency_ns, "latency_mean_ns"),
                (parts.area_mm2, "area_mm2"),
            ):
                assert sum(shares.values()) == pytest.approx(metrics[name].value, rel=1e-9)
                assert min(shares.values()) >= 0

    def test_shares_sum_to_one(self, details: list[DesignDetail]) -> None:
        """Every sentence exits at one layer, and has one voltage for its later layers."""
        for detail in details:
            assert sum(detail.exit_layer_shares) == pytest.approx(1)
            assert sum(detail.voltage_shares.values()) == pytest.approx(1)

    def test_exit_layers_are_the_policy_s(
        self, details: list[DesignDetail], setting: Setting
    ) -> None:
        """The share of each exit layer is counted on the select sentences."""
        _, actual = exit_layers(setting.trace.of(Split.SELECT), EXITS)
        for which in range(len(EXITS)):
            counted = np.bincount(actual[which], minlength=setting.trace.n_exits + 1)[1:] / 60
            np.testing.assert_allclose(details[which].exit_layer_shares, counted)

    def test_voltages(self, details: list[DesignDetail]) -> None:
        """A fixed supply has one voltage; a scaled one uses several, within the chip's range."""
        fixed, scaled = details[: len(EXITS)], details[len(EXITS) :]
        assert {tuple(detail.voltage_shares) for detail in fixed} == {("0.800",)}
        voltages = {float(v) for detail in scaled for v in detail.voltage_shares}
        assert len(voltages) > 2
        assert 0.5 <= min(voltages) <= max(voltages) <= 0.8

    def test_report_accuracy_is_of_the_other_split(
        self, details: list[DesignDetail], setting: Setting
    ) -> None:
        """The report accuracy is counted on the report sentences alone, with its error."""
        report = setting.trace.of(Split.REPORT)
        _, actual = exit_layers(report, EXITS)
        for which in range(len(EXITS)):
            answers = report.logits[np.arange(40), actual[which] - 1].argmax(axis=-1)
            right = (answers == report.labels).astype(float)
            found = details[which].report_accuracy
            assert found.value == pytest.approx(right.mean())
            assert found.se == pytest.approx(right.std(ddof=1) / math.sqrt(40))
