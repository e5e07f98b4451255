"""Designs scored again: as if each were scored alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hw_cost import Technology
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
from studies.rescoring import FIGURES, Rescoring
from studies.scoring import Scorer, Setting, score_one

Designs = list[tuple[Setting, DesignPoint]]

SCENARIO = Scenario(
    task="SST-2",
    padded_tokens=None,
    deadline_ms=0.3,
    sentences_per_hour=7200.0,
    idle=IdleAccounting.LEAKAGE,
    temperature_k=350.0,
)


def hardware(n: int, envm_mib: float = 0.5) -> HardwareKnobs:
    """An accelerator that holds the small encoders, unless its eNVM is too small."""
    return HardwareKnobs(
        mac_vector_size=n,
        processing_units=1,
        data_sram_kib=64,
        mask_sram_kib=4,
        aux_sram_kib=4,
        envm_mib=envm_mib,
        min_voltage_v=0.5,
        max_voltage_v=0.8,
        dvfs_policy=DvfsPolicy.LOWEST_FEASIBLE,
    )


def exits(threshold: float) -> ExitKnobs:
    """Exits at an entropy threshold."""
    return ExitKnobs(exit_policy=ExitPolicy.LATENCY_AWARE, entropy_threshold=threshold)


@pytest.fixture(scope="module")
def designs(
    measured: Callable[[dict[str, KnobValue]], Setting], model_points: list[dict[str, KnobValue]]
) -> Designs:
    """Two settings in turns, with shared and own accelerators; the last does not fit."""
    settings = [measured(p) for p in model_points if p["encoder_storage"] == "reram-mlc2"][:2]
    chosen = [
        (0, 8, 0.3, 0.5),
        (1, 8, 0.3, 0.5),
        (0, 4, 0.2, 0.5),
        (1, 16, 0.45, 0.5),
        (0, 8, 0.2, 0.5),
        (0, 8, 0.2, 0.0625),
    ]
    return [
        (
            settings[which],
            DesignPoint(
                model=settings[which].knobs, exits=exits(threshold), hardware=hardware(n, envm)
            ),
        )
        for which, n, threshold, envm in chosen
    ]


@pytest.fixture(scope="module")
def scorer(technology: Technology) -> Scorer:
    """A scorer of the shown figures and the misses."""
    return Scorer(
        scenario=SCENARIO, technology=technology, metrics=(*FIGURES, "deadline_miss_rate")
    )


def test_each_design_as_if_alone(scorer: Scorer, designs: Designs) -> None:
    """Scored together, every design has the metrics it has alone, in its own place."""
    together = Rescoring.of(scorer, designs).under(scorer.technology)
    for place, (setting, design) in enumerate(designs):
        alone = score_one(scorer, setting, design.exits, design.hardware)
        for name, values in together.items():
            np.testing.assert_allclose(values[place], alone.values[name][0, 0], rtol=1e-12)


def test_one_batch_a_setting(scorer: Scorer, designs: Designs) -> None:
    """Designs of one setting are one grid without repeated accelerators."""
    batches = Rescoring.of(scorer, designs).batches
    assert [len(batch.places) for batch in batches] == [4, 2]
    assert [len(batch.columns) for batch in batches] == [3, 2]


def test_infeasible_design_has_no_figures(scorer: Scorer, designs: Designs) -> None:
    """A design that cannot run is NaN, and the others are not."""
    together = Rescoring.of(scorer, designs).under(scorer.technology)
    for name in FIGURES:
        assert np.isnan(together[name]).tolist() == [False] * 5 + [True]


def test_other_constants_are_used(scorer: Scorer, designs: Designs) -> None:
    """Under a dearer MAC every design that runs draws more energy on the same area."""
    rescoring = Rescoring.of(scorer, designs[:5])
    base = rescoring.under(scorer.technology)
    dear = rescoring.under(scorer.technology.with_values({"gated_mac_share": 1.0}))
    assert (dear["energy_pj"] > base["energy_pj"]).all()
    dear = rescoring.under(scorer.technology.with_values({"pll_area_mm2": 1.008}))
    np.testing.assert_allclose(dear["area_mm2"] - base["area_mm2"], 1.0)


def test_no_designs(scorer: Scorer) -> None:
    """Nothing to score gives empty columns."""
    found = Rescoring.of(scorer, []).under(scorer.technology)
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(scorer.metrics, 0)
