"""Cost models: the conformance kit, on ours, on a look-up table, and on models that break it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from hw_cost import (
    AcceleratorColumns,
    AnalyticModel,
    Breakdown,
    CostModel,
    CostTable,
    CostTableError,
    Groups,
    Technology,
    Workload,
    breakdown,
    cost_table,
)
from hw_cost.example import example_inputs
from hw_cost.testing import check_cost_model
from hw_cost.units import Floats
from search_space import IdleAccounting, Scenario


@dataclass(frozen=True)
class LookUpModel:
    """Costs of a layer by array width and units, times the layers that a sentence takes.

    Attributes:
        measured: energy in nJ and time in µs of a layer a token, area in mm², by width and units.
    """

    measured: dict[tuple[int, int], tuple[float, float, float]]
    name = "look-up"

    def cost_table(
        self, workload: Workload, columns: AcceleratorColumns, groups: Groups, scenario: Scenario
    ) -> CostTable:
        """Rows that were measured; the others have a reason."""
        assert workload.shape.layers >= groups.actual_layer.max()
        keys = [
            (int(n), int(units))
            for n, units in zip(columns.mac_vector_size, columns.processing_units, strict=True)
        ]
        rows = np.array([self.measured.get(key, (np.nan,) * 3) for key in keys])
        work = groups.tokens * groups.actual_layer
        return CostTable.of(
            workload,
            columns,
            groups,
            scenario,
            energy_pj=1e3 * rows[:, :1] * work,
            latency_ns=1e3 * rows[:, 1:2] * work,
            area_mm2=rows[:, 2],
            reasons=[
                None if key in self.measured else f"{key[1]} units of {key[0]} were not measured"
                for key in keys
            ],
        )

    def breakdown(
        self,
        workload: Workload,
        columns: AcceleratorColumns,
        groups: Groups,
        weights: Floats,
        scenario: Scenario,
    ) -> Breakdown:
        """Undivided."""
        return Breakdown.undivided(self.cost_table(workload, columns, groups, scenario), weights)


@pytest.fixture(scope="module")
def look_up() -> LookUpModel:
    """A table of three chips; the fourth of the example inputs was not measured."""
    return LookUpModel({(16, 1): (1.0, 0.3, 0.5), (8, 1): (1.2, 1.1, 0.2), (16, 2): (1, 0.2, 0.9)})


@pytest.mark.parametrize("idle", list(IdleAccounting))
def test_our_model_keeps_its_promises(technology: Technology, idle: IdleAccounting) -> None:
    """The analytic model passes the kit with and without idle leakage."""
    workload, columns, groups, scenario = example_inputs()
    scenario = replace(scenario, idle=idle)
    model = AnalyticModel(technology)
    assert isinstance(model, CostModel)
    check_cost_model(model, workload, columns, groups, scenario)


def test_look_up_table_keeps_its_promises(look_up: LookUpModel) -> None:
    """A table of measurements passes the kit, with reasons for what was not measured."""
    assert isinstance(look_up, CostModel)
    check_cost_model(look_up, *example_inputs())
    assert look_up.cost_table(*example_inputs()).reason(4) == "1 units of 4 were not measured"


def test_our_model_is_the_cost_table(technology: Technology) -> None:
    """The model gives what the functions give that it is named after."""
    workload, columns, groups, scenario = example_inputs()
    model, weights = AnalyticModel(technology), np.full(len(groups), 1 / len(groups))
    np.testing.assert_array_equal(
        model.cost_table(workload, columns, groups, scenario).energy_pj,
        cost_table(workload, columns, groups, scenario, technology).energy_pj,
    )
    np.testing.assert_array_equal(
        model.breakdown(workload, columns, groups, weights, scenario).energy_pj["mac"],
        breakdown(workload, columns, groups, weights, scenario, technology).energy_pj["mac"],
    )


@dataclass(frozen=True)
class Broken:
    """Our model with another table."""

    ours: AnalyticModel
    change: Callable[[CostTable], CostTable]
    name = "broken"

    def cost_table(self, *asked: Any) -> CostTable:
        """Changed."""
        return self.change(self.ours.cost_table(*asked))

    def breakdown(self, *asked: Any) -> Breakdown:
        """Ours."""
        return self.ours.breakdown(*asked)


def with_costs(**changes: Callable[[CostTable], Any]) -> Callable[[CostTable], CostTable]:
    """Replaces fields of a table by what is made of it."""
    return lambda table: replace(table, **{name: of(table) for name, of in changes.items()})


BROKEN: dict[str, tuple[Callable[[CostTable], CostTable], str]] = {
    "shape of the table": (
        with_costs(latency_ns=lambda t: t.latency_ns[:, :-1]),
        r"latency_ns has shape \(6, 14\): expected \(6, 15\), designs first",
    ),
    "shape of the areas": (
        with_costs(area_mm2=lambda t: t.area_mm2[:, None]),
        r"area_mm2 has shape \(6, 1\): expected \(6,\)",
    ),
    "numbers for flags": (
        with_costs(missed=lambda t: t.missed.astype(np.float64)),
        "missed has values of type float64: expected bool",
    ),
    "cost of an infeasible design": (
        with_costs(energy_pj=lambda t: np.nan_to_num(t.energy_pj, nan=1e9)),
        r"energy_pj of infeasible design 2 is 1e\+09: expected NaN exactly",
    ),
    "no cost of a feasible design": (
        with_costs(area_mm2=lambda t: np.where(t.area_mm2 > 0.2, np.nan, t.area_mm2)),
        "area_mm2 of feasible design 0 is nan: expected NaN exactly",
    ),
    "no reason": (
        with_costs(checks=lambda _: ()),
        "Infeasible design 2 has reason None: expected it in words",
    ),
    "infeasible and in time": (
        with_costs(missed=lambda t: t.missed & t.feasible[:, None]),
        "Infeasible design 2 keeps the deadline",
    ),
    "nothing feasible": (
        with_costs(feasible=lambda t: np.zeros_like(t.feasible)),
        "No design is feasible",
    ),
    "free energy": (
        with_costs(energy_pj=lambda t: t.energy_pj * 0),
        "energy_pj of a feasible design is 0 or not finite: expected more than 0",
    ),
    "negative power": (
        with_costs(standby_power_mw=lambda t: t.standby_power_mw - 1e3),
        "standby_power_mw of a feasible design is -.*: expected 0 or more",
    ),
    "another deadline": (
        with_costs(missed=lambda t: ~(t.latency_ns <= 1e5)),
        "missed is False for .* ns of design 0 with a deadline of 0.05 ms",
    ),
    "layers that cost nothing": (
        with_costs(energy_pj=lambda t: 1e6 * t.energy_pj / np.square(t.energy_pj)),
        "energy_pj of design 0 is .* that leaves after layer 1, and .* expected no less",
    ),
    "costs by place": (
        with_costs(energy_pj=lambda t: t.energy_pj * np.arange(1, len(t.energy_pj) + 1)[:, None]),
        "energy_pj of a design is another one in another order",
    ),
    "costs of the batch": (
        with_costs(wake_ns=lambda t: t.wake_ns / len(t.wake_ns)),
        "wake_ns of a design is another one asked alone",
    ),
    "energy by number of groups": (
        with_costs(energy_pj=lambda t: t.energy_pj * t.energy_pj.shape[1]),
        "energy_pj of group 0 is another one when it is asked alone",
    ),
    "area and parts": (
        with_costs(area_mm2=lambda t: t.area_mm2 * 2),
        "The parts of area_mm2 do not add up to the cost table",
    ),
}


@pytest.mark.parametrize("which", BROKEN)
def test_broken_promises_are_told(technology: Technology, which: str) -> None:
    """Whatever a model gets wrong, the kit says what and where."""
    change, told = BROKEN[which]
    with pytest.raises(AssertionError, match=told):
        check_cost_model(Broken(AnalyticModel(technology), change), *example_inputs())


def test_chances_are_told(technology: Technology) -> None:
    """A model that answers differently each time is found."""
    noise = np.random.default_rng(0)
    noisy = with_costs(energy_pj=lambda t: t.energy_pj * noise.uniform(1, 2))
    with pytest.raises(AssertionError, match="energy_pj of a design is another one asked a second"):
        check_cost_model(Broken(AnalyticModel(technology), noisy), *example_inputs())


class TestCostTableOf:
    """Tables made of a user's own figures."""

    @pytest.fixture
    def of(self) -> Callable[..., CostTable]:
        """A table of the example inputs, all figures 1, with some replaced."""
        asked = example_inputs()
        shape = len(asked[1]), len(asked[2])
        plain = {
            "energy_pj": np.ones(shape),
            "latency_ns": np.ones(shape),
            "area_mm2": np.ones(shape[0]),
        }
        return lambda **changes: CostTable.of(*asked, **{**plain, **changes})

    def test_defaults(self, of: Callable[..., CostTable]) -> None:
        """What is not given follows from the question: all run, at the highest supply."""
        workload, columns, _, _ = example_inputs()
        table = of()
        assert table.feasible.all()
        assert not table.missed.any()
        assert table.core_energy_pj is None
        np.testing.assert_array_equal(table.voltage_v[:, 3], columns.max_voltage_v)
        np.testing.assert_array_equal(table.storage_bits, workload.stored_bits().total)
        for name in ("standby_power_mw", "wake_ns", "wake_pj"):
            np.testing.assert_array_equal(getattr(table, name), np.zeros(6))

    def test_deadline(self, of: Callable[..., CostTable]) -> None:
        """Sentences above the scenario's 0.5 ms are late, and all of what cannot run."""
        latency = np.full((6, 15), 0.5e6)
        latency[1, 2] += 1
        table = of(latency_ns=latency, reasons=[None] * 5 + ["too small"])
        assert np.argwhere(table.missed[:5]).tolist() == [[1, 2]]
        assert table.missed[5].all()

    def test_infeasible_rows_are_not_read(self, of: Callable[..., CostTable]) -> None:
        """A design with a reason gets NaN, whatever was in its row."""
        energy = np.ones((6, 15))
        energy[4] = -3
        table = of(energy_pj=energy, reasons=[None] * 4 + ["not measured", None])
        assert table.feasible.tolist() == [True] * 4 + [False, True]
        assert table.reason(4) == "not measured"
        assert table.reason(5) is None
        for name in ("energy_pj", "latency_ns", "area_mm2", "voltage_v", "storage_bits"):
            found = getattr(table, name)
            assert np.isnan(found[4]).all(), name
            assert not np.isnan(np.delete(found, 4, axis=0)).any(), name

    def test_one_number_for_all(self, of: Callable[..., CostTable]) -> None:
        """Optional figures may be a number, or one for each design or group."""
        table = of(standby_power_mw=0.25, voltage_v=0.7, wake_ns=np.arange(6))
        assert table.standby_power_mw.tolist() == [0.25] * 6
        assert (table.voltage_v == 0.7).all()
        assert table.wake_ns.tolist() == [0, 1, 2, 3, 4, 5]

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"energy_pj": np.ones((15, 6))}, r"energy_pj has shape \(15, 6\): expected \(6, 15\)"),
            ({"energy_pj": 1.0}, r"energy_pj has shape \(\): expected \(6, 15\)"),
            ({"area_mm2": [1.0]}, r"area_mm2 has shape \(1,\): expected \(6,\)"),
            ({"wake_ns": [1.0, 2.0]}, r"wake_ns has shape \(2,\): expected \(6,\)"),
            ({"reasons": ["x"]}, "1 reasons for 6 designs: expected as many"),
            ({"reasons": [None, ""] + [None] * 4}, "The reason of design 1 is empty"),
            ({"latency_ns": np.full((6, 15), np.nan)}, "latency_ns of feasible design 0 is nan"),
            ({"area_mm2": [1, 1, np.inf, 1, 1, 1]}, "area_mm2 of feasible design 2 is inf"),
            ({"energy_pj": np.full((6, 15), -1.0)}, "or a reason why the design cannot run"),
        ],
    )
    def test_wrong_figures(
        self, of: Callable[..., CostTable], changes: dict[str, Any], told: str
    ) -> None:
        """Figures that are no table get a sentence."""
        with pytest.raises(CostTableError, match=told):
            of(**changes)
