"""Conformance kit for cost models: what `hw_cost.cost_model.CostModel` promises, checked.

A test of one's own model is ``check_cost_model(MyModel(...), *example_inputs())``. Every check
raises `AssertionError` with a sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.cost_model import CostModel
from hw_cost.cost_table import CostTable
from hw_cost.example import example_inputs as example_inputs  # offered here too
from hw_cost.groups import Groups
from hw_cost.units import NS_PER_MS, Bools, Floats, Ints
from hw_cost.workload import Workload
from search_space import (
    Scenario,
)

TOLERANCE: Final = 1e-6
"""Relative difference of two figures that count as equal: more than rounding, less than a model."""

_BY_GROUP: Final = ("energy_pj", "latency_ns")
_BY_DESIGN: Final = ("area_mm2", "standby_power_mw", "wake_ns", "wake_pj", "storage_bits")


@dataclass(frozen=True, slots=True)
class Case:
    """A model and what it is asked with; see `check_cost_model`."""

    model: CostModel
    workload: Workload
    columns: AcceleratorColumns
    groups: Groups
    scenario: Scenario

    def table(
        self,
        *,
        columns: AcceleratorColumns | None = None,
        groups: Groups | None = None,
        scenario: Scenario | None = None,
    ) -> CostTable:
        """The model's cost table, with some of the questions replaced."""
        return self.model.cost_table(
            self.workload,
            self.columns if columns is None else columns,
            self.groups if groups is None else groups,
            self.scenario if scenario is None else scenario,
        )


def check_cost_model(
    model: CostModel,
    workload: Workload,
    columns: AcceleratorColumns,
    groups: Groups,
    scenario: Scenario,
) -> None:
    """Check everything that a cost model promises, on those designs and groups.

    Args:
        model: what to check; it is asked some dozens of times.
        workload: an encoder.
        columns: two designs or more, of which it can run at least one; one that it cannot is best.
        groups: two or more, of several token counts and layers.
        scenario: best with a deadline that some of the sentences miss.

    Raises:
        AssertionError: a promise is broken.
    """
    case = Case(model, workload, columns, groups, scenario)
    for check in CHECKS:
        check(case)


def check_shapes(case: Case) -> None:
    """A table has a row a design and a column a group, and the model has a name."""
    name: object = case.model.name
    _assert(isinstance(name, str) and name != "", f"name is {name!r}: expected text.")
    table = case.table()
    _assert(
        isinstance(table, CostTable),
        f"cost_table gives a {type(table).__name__}: expected a CostTable.",
    )
    n_designs, n_groups = len(case.columns), len(case.groups)
    for field in (*_BY_GROUP, "missed", "voltage_v", *_BY_DESIGN, "feasible"):
        by_design = field == "feasible" or field in _BY_DESIGN
        expected = (n_designs,) if by_design else (n_designs, n_groups)
        found = getattr(table, field)
        _assert(
            found.shape == expected,
            f"{field} has shape {found.shape}: expected {expected}, designs first.",
        )
        _assert(
            field not in ("missed", "feasible") or found.dtype == np.bool_,
            f"{field} has values of type {found.dtype}: expected bool.",
        )


def check_infeasible_rows(case: Case) -> None:
    """Rows of designs that cannot run are NaN and late, with a reason; no others are."""
    table = case.table()
    _assert(bool(table.feasible.any()), "No design is feasible: expected one that can be checked.")
    for name in (*_BY_GROUP, *_BY_DESIGN):
        values = getattr(table, name).reshape(len(case.columns), -1)
        for design, feasible in enumerate(table.feasible):
            wrong = values[design][np.isnan(values[design]) == feasible]
            if len(wrong):
                raise AssertionError(
                    f"{name} of {'feasible' if feasible else 'infeasible'} design {design} is "
                    f"{wrong[0]:g}: expected NaN exactly in rows of infeasible designs."
                )
    for design, feasible in enumerate(table.feasible):
        reason = table.reason(design)
        if feasible:
            _assert(reason is None, f"Feasible design {design} has a reason: {reason!r}.")
            continue
        _assert(
            isinstance(reason, str) and reason.strip() != "",
            f"Infeasible design {design} has reason {reason!r}: expected it in words.",
        )
        _assert(
            bool(table.missed[design].all()),
            f"Infeasible design {design} keeps the deadline: expected missed to be True.",
        )


def check_costs_are_positive(case: Case) -> None:
    """Energy, time and area of a feasible design are above 0, everything else not below."""
    table = case.table()
    for name in (*_BY_GROUP, *_BY_DESIGN):
        values = getattr(table, name)[table.feasible]
        least = float(values.min())
        above = name in (*_BY_GROUP, "area_mm2")
        _assert(
            (least > 0 if above else least >= 0) and bool(np.isfinite(values).all()),
            f"{name} of a feasible design is {least:g} or not finite: expected "
            f"{'more than 0' if above else '0 or more'}.",
        )


def check_deadline(case: Case) -> None:
    """A sentence is late exactly if its latency is above the deadline, whatever the deadline."""
    for factor in (0.1, 1.0, 10.0):
        asked = replace(case.scenario, deadline_ms=case.scenario.deadline_ms * factor)
        table = case.table(scenario=asked)
        late = table.latency_ns > asked.deadline_ms * NS_PER_MS
        wrong = (table.missed != late) & table.feasible[:, None]
        design, group = (int(i) for i in np.argwhere(wrong)[0]) if wrong.any() else (0, 0)
        _assert(
            not wrong.any(),
            f"missed is {table.missed[design, group]} for {table.latency_ns[design, group]:g} ns "
            f"of design {design} with a deadline of {asked.deadline_ms:g} ms.",
        )


def check_designs_stand_alone(case: Case) -> None:
    """What a design costs does not depend on the others, their order, or how often one asks."""
    whole, again = case.table(), case.table()
    _assert_equal_rows(again, whole, np.arange(len(case.columns)), "asked a second time")
    order = np.random.default_rng(0).permutation(len(case.columns))
    shuffled = case.table(columns=case.columns.take(order))
    _assert_equal_rows(shuffled, whole, order, "in another order")
    for design in range(len(case.columns)):
        one = np.array([design])
        alone = case.table(columns=case.columns.take(one))
        _assert_equal_rows(alone, whole, one, "asked alone")


def check_groups_stand_alone(case: Case) -> None:
    """What a group costs does not depend on the others, and the longest one decides what runs."""
    whole = case.table()
    groups = case.groups
    longest, layers = groups.tokens.max(keepdims=True), np.array([case.workload.shape.layers])
    table = case.table(groups=Groups(longest, layers, layers))
    _assert_same(
        table.feasible,
        whole.feasible,
        "feasible of all groups is not that of the longest sentence through all layers alone",
    )
    for group in range(len(groups)):
        alone = Groups(
            groups.tokens[[group]], groups.predicted_layer[[group]], groups.actual_layer[[group]]
        )
        table = case.table(groups=alone)
        for name in _BY_GROUP:
            _assert_same(
                getattr(table, name)[whole.feasible, 0],
                getattr(whole, name)[whole.feasible, group],
                f"{name} of group {group} is another one when it is asked alone",
            )


def check_layers_cost(case: Case) -> None:
    """A sentence that leaves after layer 1 costs no more than one that takes more layers."""
    groups, whole = case.groups, case.table()
    first = np.ones(len(groups), dtype=np.int64)
    least = case.table(groups=Groups(groups.tokens, first, first))
    for name in _BY_GROUP:
        more, less = getattr(whole, name), getattr(least, name)
        wrong = (less > more * (1 + TOLERANCE)) & whole.feasible[:, None]
        design, group = (int(i) for i in np.argwhere(wrong)[0]) if wrong.any() else (0, 0)
        _assert(
            not wrong.any(),
            f"{name} of design {design} is {less[design, group]:g} for a sentence of "
            f"{groups.tokens[group]} tokens that leaves after layer 1, and {more[design, group]:g} "
            f"for one that leaves after layer {groups.actual_layer[group]}: expected no less.",
        )


def check_breakdown(case: Case) -> None:
    """Parts add up: energy and time to the means of the table, areas to the area."""
    groups = case.groups
    table = case.table()
    weights = np.arange(1.0, len(groups) + 1)
    weights /= weights.sum()
    parts = case.model.breakdown(case.workload, case.columns, groups, weights, case.scenario)
    expected = {
        "energy_pj": table.energy_pj @ weights,
        "latency_ns": table.latency_ns @ weights,
        "area_mm2": table.area_mm2,
    }
    for name, total in expected.items():
        by_part: dict[str, Floats] = getattr(parts, name)
        n_designs = len(case.columns)
        for part, values in by_part.items():
            _assert(
                values.shape == (n_designs,),
                f"Part {part!r} of {name} has shape {values.shape}: expected ({n_designs},).",
            )
        _assert_same(
            sum(by_part.values(), np.zeros(n_designs)),
            total,
            f"The parts of {name} do not add up to the cost table",
        )


CHECKS: Final[tuple[Callable[[Case], None], ...]] = (
    check_shapes,
    check_infeasible_rows,
    check_costs_are_positive,
    check_deadline,
    check_designs_stand_alone,
    check_groups_stand_alone,
    check_layers_cost,
    check_breakdown,
)
"""What `check_cost_model` does."""


def _assert(holds: bool, sentence: str) -> None:
    if not holds:
        raise AssertionError(sentence)


def _assert_equal_rows(found: CostTable, whole: CostTable, designs: Ints, when: str) -> None:
    """Rows of a table are those designs' rows of another one."""
    for name in (*_BY_GROUP, *_BY_DESIGN, "voltage_v", "feasible"):
        _assert_same(
            getattr(found, name),
            getattr(whole, name)[designs],
            f"{name} of a design is another one {when}",
        )


def _assert_same(found: Floats | Bools, expected: Floats | Bools, what: str) -> None:
    """Two arrays are equal up to `TOLERANCE`, NaN where NaN is expected."""
    _assert(
        found.shape == expected.shape,
        f"{what}: it has shape {found.shape}, expected {expected.shape}.",
    )
    same = np.isclose(found, expected, rtol=TOLERANCE, atol=0, equal_nan=True)
    if not same.all():
        place = tuple(int(i) for i in np.argwhere(~same)[0])
        raise AssertionError(f"{what}: {found[place]} at {place}, expected {expected[place]}.")
