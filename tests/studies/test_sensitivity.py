"""Sensitivity to each constant: hand-checked effects, and what must not move."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hw_cost import Technology
from hw_cost.technology import technology_constants
from search_space import DesignPoint, KnobValue
from studies.rescoring import FIGURES, Rescoring
from studies.scoring import Scorer, Setting
from studies.sensitivity import Sensitivities, sensitivities
from tests.studies.test_rescoring import SCENARIO, exits, hardware

ENERGY, LATENCY, AREA = range(3)
CHOSEN = (
    "pll_area_mm2",
    "residual_energy_pj_per_lane_cycle",
    "tile_fill_cycles_per_n",
    "envm.fefet.read_ns",
    "dram.lpddr5.latency_ns",
    "nominal_clock_ghz",
    "envm.reram-mlc2.area_mm2_per_mib",
    "envm.reram-mlc2.endurance_writes",
)


@pytest.fixture(scope="module")
def rescoring(
    measured: Callable[[dict[str, KnobValue]], Setting],
    model_points: list[dict[str, KnobValue]],
    technology: Technology,
) -> Rescoring:
    """Two accelerators of one setting, weights in MLC2 ReRAM."""
    setting = measured(next(p for p in model_points if p["encoder_storage"] == "reram-mlc2"))
    scorer = Scorer(scenario=SCENARIO, technology=technology, metrics=FIGURES)
    designs = [
        (setting, DesignPoint(model=setting.knobs, exits=exits(0.3), hardware=hardware(n)))
        for n in (4, 8)
    ]
    return Rescoring.of(scorer, designs)


@pytest.fixture(scope="module")
def effects(rescoring: Rescoring, technology: Technology) -> Sensitivities:
    """Effects of some constants of different kinds."""
    by_name = {constant.name: constant for constant in technology_constants()}
    return sensitivities(rescoring, technology, [by_name[name] for name in CHOSEN])


def of(effects: Sensitivities, name: str) -> int:
    """Place of a constant."""
    return [constant.name for constant in effects.constants].index(name)


def test_effect_of_an_area(
    effects: Sensitivities, rescoring: Rescoring, technology: Technology
) -> None:
    """A tenth of the clock generator's area is that much of the whole, up and down, no more."""
    place = of(effects, "pll_area_mm2")
    area = rescoring.under(technology)["area_mm2"]
    np.testing.assert_allclose(effects.up[place, AREA], 0.0008 / area)
    np.testing.assert_allclose(effects.down[place, AREA], -0.0008 / area)
    assert not effects.up[place, [ENERGY, LATENCY]].any()


def test_energy_rises_with_its_constants(effects: Sensitivities) -> None:
    """A constant that energy is charged for moves it up and down, by less than its own tenth."""
    place = of(effects, "residual_energy_pj_per_lane_cycle")
    assert ((effects.up[place, ENERGY] > 0) & (effects.up[place, ENERGY] < 0.1)).all()
    assert ((effects.down[place, ENERGY] < 0) & (effects.down[place, ENERGY] > -0.1)).all()


def test_constant_of_zero_moves_up_only(effects: Sensitivities) -> None:
    """A constant that is 0 is raised by a tenth of its range; there is no lower one."""
    place = of(effects, "tile_fill_cycles_per_n")
    assert not effects.down[place].any()
    assert (effects.up[place, ENERGY] > 0).all()


@pytest.mark.parametrize("name", ["envm.fefet.read_ns", "dram.lpddr5.latency_ns"])
def test_constants_of_unused_memories_do_nothing(effects: Sensitivities, name: str) -> None:
    """What a chip does not have does not move its figures."""
    place = of(effects, name)
    assert not effects.up[place].any()
    assert not effects.down[place].any()


def test_constants_of_a_used_memory_are_told_apart(effects: Sensitivities) -> None:
    """Of the eNVM that holds the weights the area counts, and how often it can be written not."""
    assert (effects.up[of(effects, "envm.reram-mlc2.area_mm2_per_mib"), AREA] > 0).all()
    assert not effects.up[of(effects, "envm.reram-mlc2.endurance_writes")].any()


def test_largest_effect_comes_first(effects: Sensitivities) -> None:
    """The order falls with the largest effect on any figure, for each design by itself."""
    for design in (0, 1):
        order = effects.order(design)
        assert sorted(order) == list(range(len(CHOSEN)))
        falling = effects.largest()[order, design]
        assert (np.diff(falling) <= 0).all()
    none = [of(effects, n) for n in (*CHOSEN[3:5], "envm.reram-mlc2.endurance_writes")]
    assert effects.order()[-3:] == none


def test_design_that_can_no_longer_run_comes_first(effects: Sensitivities) -> None:
    """A constant without which a design cannot run has an infinite effect."""
    broken = effects.up.copy()
    broken[3, :, 0] = np.nan
    found = Sensitivities(constants=effects.constants, down=effects.down, up=broken)
    assert np.isinf(found.largest()[3, 0])
    assert found.order()[0] == 3
