"""What may be told: numbers of the right kind and number, and names that are safe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.errors import UsageError
from dse.outcomes import Outcome
from dse.told_values import checked_name, checked_outcome
from studies.metrics import METRICS
from tests.small_study import small_document, spec_with

SPEC = spec_with(small_document(), strategy="joint")
GOOD = Outcome(
    state="complete",
    metrics=dict.fromkeys(METRICS, 0.5),
    values=[[0.5, 0.5, 0.5]],
    hardware=[0],
    exits=[0],
    designs_scored=1,
)


def with_accuracy(value: Any) -> Outcome:
    """The good outcome with another accuracy."""
    return replace(GOOD, metrics={**GOOD.metrics, "accuracy": value})


def test_good_outcomes_stay() -> None:
    """An outcome that can be told is told as it is."""
    assert checked_outcome(GOOD, "design", SPEC) == GOOD
    failed = Outcome(state="failed", reason="why")
    assert checked_outcome(failed, "design", SPEC) == failed
    setting = replace(GOOD, metrics={}, values=[[0.1, 1.0, 2.0], [0.2, 2.0, 3.0]])
    setting = replace(setting, hardware=[0, 3], exits=[1, 1])
    assert checked_outcome(setting, "setting", SPEC) == setting


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), np.int64(1), 1, -0.0, 1e-320])
def test_numbers_of_other_kinds_become_floats(value: Any) -> None:
    """Whatever is a real number is told as a float."""
    found = checked_outcome(with_accuracy(value), "design", SPEC).metrics["accuracy"]
    assert type(found) is float
    assert found == value


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (float("nan"), "accuracy nan: expected a finite number"),
        (float("inf"), "accuracy inf: expected a finite number"),
        (np.float32("-inf"), "expected a finite number"),
        (10**400, "expected a finite number"),
        (True, "accuracy True: expected a number"),
        (np.bool_(True), "expected a number"),
        ("0.5", "accuracy '0.5': expected a number"),
        (None, "accuracy None: expected a number"),
        (1j, "accuracy 1j: expected a number"),
        ([0.5], "accuracy [0.5]: expected a number"),
    ],
)
def test_metrics_that_are_no_finite_numbers(value: Any, told: str) -> None:
    """Such a design has failed, and the reason names the metric and its value."""
    found = checked_outcome(with_accuracy(value), "design", SPEC)
    assert found.state == "failed"
    assert found.reason.startswith("the evaluation gave ")
    assert told in found.reason


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (None, "None instead of an outcome"),
        (replace(GOOD, state="done"), "state 'done'"),  # type: ignore[arg-type]
        (replace(GOOD, reason=3), "3 as its reason"),  # type: ignore[arg-type]
        (replace(GOOD, metrics=[1]), "[1] as metrics"),  # type: ignore[arg-type]
        (replace(GOOD, metrics={}), "no metric 'accuracy'"),
        (replace(GOOD, values=[[0.5, 0.5]]), "2 objective values: expected 3"),
        (replace(GOOD, values=[0.5]), "0.5 as values: expected a list"),  # type: ignore[list-item]
        (replace(GOOD, values=[[0.5, 0.5, float("nan")]]), "area_mm2 nan"),
        (replace(GOOD, hardware=[]), "0 rows of hardware"),
        (replace(GOOD, exits=[-1]), "exits -1"),
        (replace(GOOD, values=[], hardware=[], exits=[]), "without objective values"),
        (replace(GOOD, designs_scored=1.5), "designs_scored 1.5"),  # type: ignore[arg-type]
        (replace(GOOD, designs_pruned=-2), "designs_pruned -2"),
        (replace(GOOD, own_hypervolume=float("inf")), "own_hypervolume inf"),
    ],
)
def test_outcomes_of_another_form(outcome: Any, told: str) -> None:
    """Wrong types, too few values and missing metrics are failures with their reason."""
    found = checked_outcome(outcome, "design", SPEC)
    assert found.state == "failed"
    assert told in found.reason
    assert "\n" not in found.reason


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(Outcome.__dataclass_fields__, anything)))
def test_whatever_is_returned(fields: dict[str, Any]) -> None:
    """Any field of any kind gives an outcome that can be told, or a failed one."""
    found = checked_outcome(replace(GOOD, **fields), "design", SPEC)
    assert found.state == "failed" or all(np.isfinite(list(found.metrics.values())))
    assert all(np.isfinite(value) for row in found.values for value in row)


@pytest.mark.parametrize("name", ["edge-dse", "run-001-ab12cd34", "a", "A.b_c"])
def test_names(name: str) -> None:
    """Names of letters, digits and a few signs are taken."""
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "../../x", "/x", "a/b", ".", "-rf", "<script>", "a\n", "a\x00", "\u202e", "a" * 101],
)
def test_unsafe_names(name: str) -> None:
    """Paths, markup, options and control characters are refused."""
    with pytest.raises(UsageError, match=r"Study name .* choose another"):
        checked_name(name)
