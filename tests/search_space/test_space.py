"""Search spaces."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from search_space import (
    EXIT_KNOBS,
    HARDWARE_KNOBS,
    KNOB_DEFAULTS,
    KNOBS,
    MODEL_KNOBS,
    UNITS,
    CellKind,
    Dimension,
    DramKind,
    DvfsPolicy,
    ExitPolicy,
    KnobValue,
    MappingObjective,
    PruningScope,
    SearchSpace,
    SpecialFunctions,
    ZeroGating,
    design_point,
    knob_value,
    linear_range,
    log_range,
    parse_condition,
)

BASE: Mapping[str, tuple[KnobValue, ...]] = {
    **{name: (value,) for name, value in KNOB_DEFAULTS.items()},
    "checkpoint": ("albert-mini", "minilm-exits"),
    "span_budget_tokens": (16, 128),
    "encoder_sparsity": (0.0, 0.5),
    "embedding_sparsity": (0.6,),
    "weight_format": ("adaptivfloat<8,3>",),
    "activation_format": ("adaptivfloat<8,3>", "fp16"),
    "embedding_storage": ("sram", "reram-mlc2"),
    "encoder_storage": ("sram",),
    "exit_policy": ("none", "entropy"),
    "entropy_threshold": (0.1, 0.2, 0.3),
    "mac_vector_size": (8, 16),
    "processing_units": (1,),
    "data_sram_kib": (128,),
    "mask_sram_kib": (16,),
    "aux_sram_kib": (32,),
    "envm_mib": (0.0, 2.0),
    "min_voltage_v": (0.5, 0.8),
    "max_voltage_v": (0.7, 0.8),
    "dvfs_policy": ("fixed", "lowest-feasible"),
}


def space(*conditions: str, **changes: tuple[KnobValue, ...]) -> SearchSpace:
    """A small space over all knobs."""
    values = {**BASE, **changes}
    return SearchSpace(
        tuple(Dimension(name, values[name]) for name in KNOBS),
        tuple(parse_condition(text, KNOBS) for text in conditions),
    )


@st.composite
def flat_points(draw: st.DrawFn) -> dict[str, KnobValue]:
    """Any combination of the small space's values."""
    return {name: draw(st.sampled_from(BASE[name])) for name in KNOBS}


def test_knobs_are_of_one_kind_each() -> None:
    """Model, exit and hardware knobs make up the knobs, and units are given for knobs only."""
    assert KNOBS == MODEL_KNOBS + EXIT_KNOBS + HARDWARE_KNOBS
    assert len(set(KNOBS)) == len(KNOBS)
    assert UNITS.keys() <= set(KNOBS)


def test_every_knob_is_documented_with_its_choices(repository: Path) -> None:
    """docs/study-files.md has every knob, every named choice and every default."""
    page = (repository / "docs" / "study-files.md").read_text(encoding="utf-8")
    assert [name for name in KNOBS if f"`{name}`" not in page] == []
    kinds: tuple[type[StrEnum], ...] = (DramKind, ZeroGating, MappingObjective, ExitPolicy)
    kinds += (DvfsPolicy, CellKind, SpecialFunctions, PruningScope)
    choices = [str(choice) for kind in kinds for choice in kind]
    assert [choice for choice in choices if f"`{choice}`" not in page] == []


class TestDimension:
    """The values of one knob."""

    def test_one_value_is_fixed(self) -> None:
        """A knob with a single value leaves nothing to choose."""
        assert Dimension("mac_vector_size", (16,)).is_fixed
        assert not Dimension("mac_vector_size", (8, 16)).is_fixed

    @pytest.mark.parametrize(
        ("name", "values", "message"),
        [
            ("mac_size", (16,), r"Knob 'mac_size' is not known"),
            ("mac_vector_size", (), r"Knob 'mac_vector_size' has no value"),
            ("mac_vector_size", (8, 8), r"Knob 'mac_vector_size' lists a value twice"),
            ("mac_vector_size", (8, 8.5), r"has value 8.5: expected a whole number"),
            ("envm_mib", ("two",), r"has value 'two': expected a number"),
            ("envm_mib", (math.inf,), r"has value inf: expected a number"),
            ("processing_units", (True,), r"has value True: expected a number"),
            ("exit_policy", ("never",), r"expected one of none, entropy, latency-aware"),
            ("embedding_storage", (1,), r"has value 1: expected text"),
            ("weight_format", ("int3x",), r"Number format 'int3x' is not known"),
            ("exit_storage", ("flash",), r"expected one of sram, reram-slc"),
            ("dram", ("lpddr3",), r"expected one of none, lpddr4"),
        ],
    )
    def test_wrong_values_are_refused(
        self, name: str, values: tuple[Any, ...], message: str
    ) -> None:
        """Unknown knobs and values that a knob cannot take are refused in one sentence."""
        with pytest.raises(ValueError, match=message):
            Dimension(name, values)


class TestKnobValue:
    """Typed values of knobs."""

    def test_whole_number_knobs_are_integers(self) -> None:
        """A whole number that came as a float becomes an integer, a real knob stays real."""
        assert type(knob_value("mac_vector_size", 16.0)) is int
        assert type(knob_value("envm_mib", 2)) is float

    @given(flat_points())
    def test_flat_point_survives_typing(self, flat: dict[str, KnobValue]) -> None:
        """A flat point that is typed and flattened again is itself."""
        assume(flat["min_voltage_v"] <= flat["max_voltage_v"])  # type: ignore[operator]  # numbers
        assert design_point(flat).as_flat() == flat

    def test_missing_knob_is_named(self) -> None:
        """A flat point without one of the knobs is refused with that knob's name."""
        flat = {name: values[0] for name, values in BASE.items() if name != "dvfs_policy"}
        with pytest.raises(ValueError, match="lacks knob 'dvfs_policy'"):
            design_point(flat)


class TestRanges:
    """Grids of values."""

    def test_linear_range_by_hand(self) -> None:
        """Steps are free of rounding dust, and a range may be a single point."""
        assert linear_range(0.0, 0.3, 0.1) == (0.0, 0.1, 0.2, 0.3)
        assert linear_range(0.5, 0.8, 0.05) == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)
        assert linear_range(2.0, 2.0, 1.0) == (2.0,)

    @given(st.integers(-50, 50), st.integers(1, 40), st.integers(1, 20))
    def test_linear_range_has_both_ends(self, start: int, steps: int, hundredths: int) -> None:
        """A range whose step leads from end to end holds both ends and steps evenly."""
        low, step = start / 100, hundredths / 100
        values = linear_range(low, low + steps * step, step)
        assert len(values) == steps + 1
        assert values[0] == pytest.approx(low)
        assert values[-1] == pytest.approx(low + steps * step)
        assert all(b - a == pytest.approx(step) for a, b in pairwise(values))

    @pytest.mark.parametrize(("low", "high", "step"), [(1, 0, 0.1), (0, 1, 0), (0, 1, -0.1)])
    def test_linear_range_that_leads_nowhere_is_refused(
        self, low: float, high: float, step: float
    ) -> None:
        """Ends in the wrong order and steps of 0 or less are refused."""
        with pytest.raises(ValueError, match=rf"Range from {low} to {high} by {step}"):
            linear_range(low, high, step)

    def test_log_range_by_hand(self) -> None:
        """Values are in equal ratios."""
        assert log_range(1.0, 100.0, 3) == (1.0, 10.0, 100.0)
        assert log_range(4.0, 64.0, 5) == (4.0, 8.0, 16.0, 32.0, 64.0)

    @given(st.floats(1e-3, 1e3), st.floats(1.5, 1e3), st.integers(2, 30))
    def test_log_range_rises_in_equal_ratios(self, low: float, ratio: float, count: int) -> None:
        """A log range has as many values as asked for, end to end, each larger by one ratio."""
        values = log_range(low, low * ratio, count)
        assert len(values) == count
        assert values[0] == pytest.approx(low, rel=1e-5)
        assert values[-1] == pytest.approx(low * ratio, rel=1e-5)
        step = ratio ** (1 / (count - 1))
        assert all(b / a == pytest.approx(step, rel=1e-4) for a, b in pairwise(values))

    @pytest.mark.parametrize(("low", "high", "count"), [(0, 1, 3), (2, 1, 3), (1, 2, 1)])
    def test_log_range_without_ratio_is_refused(self, low: float, high: float, count: int) -> None:
        """Ends that are not positive and in order, and single values, are refused."""
        with pytest.raises(ValueError, match=rf"Log range from {low} to {high} in {count} values"):
            log_range(low, high, count)


class TestSearchSpace:
    """All dimensions together."""

    def test_every_knob_is_needed(self) -> None:
        """A space without one of the knobs, or with them in another order, is refused."""
        dimensions = space().dimensions
        with pytest.raises(ValueError, match="needs exactly these knobs"):
            SearchSpace(dimensions[:-1])
        with pytest.raises(ValueError, match="needs exactly these knobs"):
            SearchSpace(dimensions[::-1])

    def test_dimension_by_name(self) -> None:
        """A dimension is found by its knob's name."""
        assert space()["envm_mib"].values == (0.0, 2.0)

    def test_points_are_the_distinct_combinations(self) -> None:
        """Points are in the order of the values, and those without effect are there once."""
        exits = [tuple(point.values())[:2] for point in space().points(EXIT_KNOBS)]
        assert exits == [("none", 0.1), ("entropy", 0.1), ("entropy", 0.2), ("entropy", 0.3)]

    def test_exit_policies_have_their_own_knobs(self) -> None:
        """Each policy is there once for each value of its own knobs, the others at their first."""
        exits = space(
            exit_policy=tuple(policy.value for policy in ExitPolicy),
            normalised_entropy_threshold=(0.2, 0.4),
            confidence_threshold=(0.7, 0.8, 0.9),
            patience=(1, 2),
        ).points(EXIT_KNOBS)
        assert len(exits) == 1 + 3 + 3 + 2 + 3 + 2
        assert [tuple(point.values()) for point in exits[-6:]] == [
            ("normalised-entropy", 0.1, 0.4, 0.7, 1, 0.5),
            ("confidence", 0.1, 0.2, 0.7, 1, 0.5),
            ("confidence", 0.1, 0.2, 0.8, 1, 0.5),
            ("confidence", 0.1, 0.2, 0.9, 1, 0.5),
            ("patience", 0.1, 0.2, 0.7, 1, 0.5),
            ("patience", 0.1, 0.2, 0.7, 2, 0.5),
        ]

    def test_thresholds_of_several_policies_do_not_multiply(self) -> None:
        """Four policies with a thousand thresholds each have four thousand settings, at once."""
        fine = linear_range(0.0, 0.999, 0.001)
        exits = space(
            exit_policy=("entropy", "normalised-entropy", "confidence", "latency-aware"),
            entropy_threshold=fine,
            normalised_entropy_threshold=fine,
            confidence_threshold=fine,
        )
        assert len(exits.points(EXIT_KNOBS)) == 4_000

    @given(st.permutations([policy.value for policy in ExitPolicy]), st.integers(1, 6))
    def test_settings_are_those_of_all_combinations(self, policies: list[str], some: int) -> None:
        """What is left out of the combinations is what falls together, and the order is theirs."""
        wide = space(
            exit_policy=tuple(policies[:some]),
            normalised_entropy_threshold=(0.2, 0.4),
            confidence_threshold=(0.9, 0.8),
            patience=(3, 1),
            patience_tolerance=(0.5, 0.25),
        )
        combinations = product(*(wide[name].values for name in EXIT_KNOBS))
        points = [wide.canonical(dict(zip(EXIT_KNOBS, c, strict=True))) for c in combinations]
        distinct = list(dict.fromkeys(tuple(point.values()) for point in points))
        assert [tuple(point.values()) for point in wide.points(EXIT_KNOBS)] == distinct

    def test_points_can_be_bounded(self) -> None:
        """More combinations than asked for are refused; exactly as many are not."""
        everything = space().points(HARDWARE_KNOBS)
        assert space().points(HARDWARE_KNOBS, len(everything)) == everything
        with pytest.raises(ValueError, match="combinations of knobs: give them fewer values"):
            space().points(HARDWARE_KNOBS, len(everything) - 1)

    def test_points_break_no_condition(self) -> None:
        """Combinations that a condition on the named knobs rules out are not points."""
        names = ("mac_vector_size", "envm_mib")
        points = space("mac_vector_size == 8 or envm_mib > 0", "checkpoint == 'x'").points(names)
        assert [tuple(point.values()) for point in points] == [(8, 0.0), (8, 2.0), (16, 2.0)]

    def test_size_by_hand(self) -> None:
        """32 settings of the model x 4 exits x (2 x 2) sizes x 5 supplies.

        Under policy `fixed` the supply is 0.7 or 0.8; else 0.5 to 0.7, 0.5 to 0.8, or 0.8 alone.
        """
        assert space().size() == 32 * 4 * 4 * 5

    @pytest.mark.parametrize(
        "conditions",
        [
            ("mac_vector_size == 8 or envm_mib > 0",),
            ("embedding_storage == 'sram' or envm_mib > 0",),
            ("entropy_threshold * mac_vector_size <= 2.4", "checkpoint == 'albert-mini'"),
            ("span_budget_tokens < 100 or entropy_threshold < 0.2 and min_voltage_v < 0.7",),
            ("mac_vector_size < 0 and envm_mib == 0 and span_budget_tokens > 0",),
        ],
    )
    def test_size_is_that_of_counting_every_design(self, conditions: tuple[str, ...]) -> None:
        """The exact size equals the number of distinct designs among all combinations."""
        guarded = space(*conditions)
        designs = set()
        for values in product(*(BASE[name] for name in KNOBS)):
            point = guarded.canonical(dict(zip(KNOBS, values, strict=True)))
            if guarded.violation(point) is None:
                designs.add(tuple(point.values()))
        assert guarded.size() == len(designs)

    def test_threshold_has_no_effect_without_exits(self) -> None:
        """Points that differ in a threshold that policy `none` ignores are one design."""
        points = [
            {**{n: v[-1] for n, v in BASE.items()}, "exit_policy": "none", "entropy_threshold": t}
            for t in BASE["entropy_threshold"]
        ]
        canonical = [space().canonical(point) for point in points]
        assert canonical == [canonical[0]] * 3

    def test_minimum_voltage_has_no_effect_when_the_supply_is_fixed(self) -> None:
        """Points that differ in a minimum voltage that policy `fixed` ignores are one design."""
        points = [
            {**{n: v[-1] for n, v in BASE.items()}, "dvfs_policy": "fixed", "min_voltage_v": v}
            for v in BASE["min_voltage_v"]
        ]
        assert space().canonical(points[0]) == space().canonical(points[1])

    @given(flat_points())
    def test_canonical_is_idempotent(self, flat: dict[str, KnobValue]) -> None:
        """The canonical point of a canonical point is itself, and names the same knobs."""
        canonical = space().canonical(flat)
        assert space().canonical(canonical) == canonical
        assert canonical.keys() == flat.keys()

    def test_voltages_must_be_in_order(self) -> None:
        """A minimum voltage above the maximum is a violation that names both."""
        point = {n: v[-1] for n, v in BASE.items()}
        broken = {**point, "min_voltage_v": 0.8, "max_voltage_v": 0.7}
        assert space().violation(broken) == "min_voltage_v 0.8 is above max_voltage_v 0.7"

    def test_condition_that_does_not_hold_is_quoted(self) -> None:
        """The first condition that a point breaks is given in the words of the study file."""
        point = {n: v[-1] for n, v in BASE.items()}
        guarded = space("mac_vector_size >= 8", "mac_vector_size * processing_units <= 8")
        assert guarded.violation({**point, "mac_vector_size": 8}) is None
        assert guarded.violation({**point, "mac_vector_size": 16}) == (
            "condition 'mac_vector_size * processing_units <= 8' does not hold"
        )

    def test_condition_on_knobs_that_are_not_there_waits(self) -> None:
        """A part of a point breaks no condition that needs a knob outside the part."""
        guarded = space("embedding_storage == 'sram' or envm_mib > 0")
        assert guarded.violation({"envm_mib": 0.0}) is None
        assert guarded.violation({"envm_mib": 0.0, "embedding_storage": "reram-mlc2"}) is not None
