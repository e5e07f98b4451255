"""Conditions written as text."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.expressions import (
    MAX_CHARACTERS,
    MAX_NESTING,
    Condition,
    ConditionError,
    parse_condition,
)

NAMES = frozenset({"a", "b", "c", "kind", "area_mm2"})

_VALUES = st.recursive(
    st.sampled_from(["a", "b", "c", "0", "2", "0.5"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda value: f"-{value}"),
    ),
    max_leaves=4,
)
_COMPARISONS = st.one_of(
    st.tuples(_VALUES, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), _VALUES).map(" ".join),
    st.tuples(_VALUES, _VALUES, _VALUES).map(lambda t: f"{t[0]} < {t[1]} <= {t[2]}"),
    st.tuples(_VALUES, st.sampled_from(["in", "not in"])).map(lambda t: f"{t[0]} {t[1]} [1, 2]"),
)
CONDITIONS = st.recursive(
    _COMPARISONS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        inner.map(lambda condition: f"not {condition}"),
    ),
    max_leaves=5,
).map(lambda condition: f"a == a and ({condition})")
NUMBERS = st.lists(st.integers(-4, 4), min_size=3, max_size=3)


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("a <= 3", {"a": 3}, True),
        ("a < 3", {"a": 3}, False),
        ("0 < a <= b", {"a": 2, "b": 2}, True),
        ("0 < a <= b", {"a": 0, "b": 2}, False),
        ("a * a - 4 / b >= 2 + 1.5", {"a": 2, "b": 8}, True),
        ("-a == +2", {"a": -2}, True),
        ("kind == 'sram'", {"kind": "sram"}, True),
        ('kind != "sram"', {"kind": "sram"}, False),
        ("kind in ['sram', 'reram-slc']", {"kind": "reram-slc"}, True),
        ("a not in [1, 2 * b]", {"a": 4, "b": 2}, False),
        ("not a > 1", {"a": 1}, True),
        ("a > 1 or b > 1 and kind == 'x'", {"a": 2, "b": 0, "kind": "y"}, True),
        ("(a > 1 or b > 1) and kind == 'x'", {"a": 2, "b": 0, "kind": "y"}, False),
        ("not a == 1 and b == 1", {"a": 2, "b": 1}, True),
        ("  a\t> 1 ", {"a": 2}, True),
    ],
)
def test_conditions_worked_out_by_hand(text: str, values: dict[str, Any], expected: bool) -> None:
    """Conditions mean what they mean in Python."""
    assert parse_condition(text, NAMES)(values) is expected


def test_condition_knows_its_text_and_names() -> None:
    """A condition keeps its text, without blanks around it, and lists the names it uses."""
    condition = parse_condition(" a * 2 < b or kind in ['x'] ", NAMES)
    assert condition.text == "a * 2 < b or kind in ['x']"
    assert condition.names == {"a", "b", "kind"}


@given(CONDITIONS, NUMBERS)
def test_value_is_that_of_python(text: str, numbers: list[int]) -> None:
    """On single values, a condition agrees with Python itself."""
    values = dict(zip("abc", numbers, strict=True))
    expected = eval(text, {"__builtins__": {}}, values)
    assert parse_condition(text, NAMES)(values) is expected


@given(CONDITIONS, st.lists(NUMBERS, min_size=1, max_size=6))
def test_arrays_are_worked_out_entry_by_entry(text: str, rows: list[list[int]]) -> None:
    """On arrays, a condition gives for each design what it gives for that design alone."""
    condition = parse_condition(text, NAMES)
    columns = dict(zip("abc", np.array(rows, dtype=np.float64).T, strict=True))
    together = condition(columns)
    alone = [condition(dict(zip("abc", map(float, row), strict=True))) for row in rows]
    assert together.dtype == np.bool_
    assert together.tolist() == alone


@pytest.mark.parametrize("dtype", [np.str_, np.dtypes.StringDType(), object])
def test_columns_of_text(dtype: Any) -> None:
    """Columns of text are compared with quoted text, whatever array type holds them."""
    kinds = np.array(["sram", "reram-slc", "sram"], dtype=dtype)
    condition = parse_condition("kind == 'sram' and not kind in ['x'] and a < 3", NAMES)
    assert condition({"kind": kinds, "a": np.array([1, 1, 5])}).tolist() == [True, False, False]


def test_nan_meets_no_comparison_but_unequal() -> None:
    """A figure that is not a number meets no bound."""
    nan = np.array([np.nan, 1.0])
    assert parse_condition("a <= 2", NAMES)({"a": nan}).tolist() == [False, True]
    assert parse_condition("a > 2", NAMES)({"a": nan}).tolist() == [False, False]
    assert parse_condition("a != 2", NAMES)({"a": nan}).tolist() == [True, True]


def test_equal_texts_are_equal_conditions() -> None:
    """Conditions are values: equal by text, hashable, and whole after pickling."""
    condition = parse_condition("a + b > 1", NAMES)
    assert condition == parse_condition("a + b > 1", NAMES)
    assert condition != parse_condition("a + b > 2", NAMES)
    assert hash(condition) == hash(parse_condition("a + b > 1", NAMES))
    copy: Condition = pickle.loads(pickle.dumps(condition))
    assert copy == condition
    assert copy({"a": 1, "b": 1}) is True


def test_unknown_name_gets_the_nearest() -> None:
    """A misspelt name is refused with the name that was probably meant."""
    with pytest.raises(ConditionError, match=r"'aera_mm2', which is not known, did you mean 'area"):
        parse_condition("aera_mm2 <= 3", NAMES)


def test_unknown_name_without_a_near_one_gets_all() -> None:
    """A name like none that is known is refused with the list of names."""
    with pytest.raises(
        ConditionError, match=r"'zzz', which is not known: expected one of a, area_"
    ):
        parse_condition("zzz <= 3", NAMES)


@pytest.mark.parametrize(
    ("text", "offence"),
    [
        ("a ** 2 > 1", "a ** 2"),
        ("a % 2 == 0", "a % 2"),
        ("a // 2 == 0", "a // 2"),
        ("a | 1 == 0", "a | 1"),
        ("~a == 0", "~a"),
        ("max(a, b) > 1", "max(a, b)"),
        ("a.real > 1", "a.real"),
        ("a[0] > 1", "a[0]"),
        ("(lambda: 1)() > a", "(lambda: 1)()"),
        ("(a := 3) > 1", "a := 3"),
        ("kind == f'{a}'", "f'{a}'"),
        ("kind == b'x'", "b'x'"),
        ("a > 3j", "3j"),
        ("a > (1 if b > 1 else 2)", "1 if b > 1 else 2"),
        ("a in [x for x in [1]]", "[x for x in [1]]"),
        ("a in (1, 2)", "(1, 2)"),
        ("a in []", "[]"),
        ("a in b", "b"),
        ("[1] == a", "[1]"),
        ("a in [1] == b", "[1]"),
        ("a is b and b > 1", "a is b"),
        ("a == None", "None"),
        ("a == ...", "..."),
        ("a == True", "True"),
        ("a > 1e999", "1e999"),
        ("a and b > 1", "a"),
        ("not a or b > 1", "a"),
        ("(a > 1) == (b > 1)", "a > 1"),
        ("(a > 1) + 1 > 1", "a > 1"),
        ("a > 1 and a < 'x'", "a < 'x'"),
        ("a > 1 and 1 == 'x'", "1 == 'x'"),
        ("a + 'x' > 1", "a + 'x'"),
    ],
)
def test_what_is_not_in_the_language_is_refused(text: str, offence: str) -> None:
    """Calls, attributes, subscripts, powers and the like are refused with the offending part."""
    with pytest.raises(ConditionError) as caught:
        parse_condition(text, NAMES)
    assert f" in {offence!r}: " in str(caught.value)
    assert "expected" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"has 0 characters: expected 1 to"),
        ("   ", r"has 0 characters"),
        ("a > " + "1" * MAX_CHARACTERS, r"split a long one"),
        ("a >", r"cannot be read"),
        ("a = 1", r"cannot be read"),
        ("a > 1; b > 1", r"cannot be read"),
        ("import os", r"cannot be read"),
        ("a > 1\x00", r"cannot be read"),
        ("kind == '\ud800'", r"cannot be read"),
        ("kind == '\\d'", r"cannot be read \(invalid escape"),
        ("(" * 300 + "a > 1" + ")" * 300, r"cannot be read"),
        ("-" * (MAX_NESTING + 1) + "a > 1", r"at most 50 levels of nesting"),
        ("+".join("a" * (MAX_NESTING + 2)) + " > 1", r"at most 50 levels of nesting"),
        ("a > " + "9" * 400, r"expected a number that a float can hold"),
        ("a", r"is refused: expected a comparison"),
        ("1 < 2", r"uses no name"),
    ],
    ids=range(16),
)
def test_what_cannot_be_read_is_refused(text: str, message: str) -> None:
    """Broken, empty, endless and pointless texts are refused in a sentence, never by a crash."""
    with pytest.raises(ConditionError, match=message):
        parse_condition(text, NAMES)


@given(st.text(st.sampled_from("ab1. '<>=!+-*/()[],notirad_\n#\\\"{}:"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever is typed gives a condition or a ConditionError."""
    try:
        condition = parse_condition(text, NAMES)
    except ConditionError as error:
        assert str(error).endswith((".", "?"))  # noqa: PT017  # half of the property
    else:
        assert condition.names <= NAMES


@pytest.mark.parametrize(
    ("text", "values", "message"),
    [
        ("a > 1", {"b": 1}, r"needs a value for 'a'"),
        ("a > 1", {}, r"among no values at all"),
        ("area_mm2 > 1", {"area_mm": 1}, r"did you mean 'area_mm'"),
        ("a > 1", {"a": "x"}, r"a meets 1: a number is compared with text"),
        ("kind == 'x'", {"kind": np.array([1, 2])}, r"kind meets 'x': a number is compared"),
        ("a < kind", {"a": "x", "kind": "y"}, r"text has no order"),
        ("a + 1 > 1", {"a": np.array(["x"])}, r"a is text: expected a number in arithmetic"),
        ("1 / a > 1", {"a": 0}, r"a is 0, and nothing can be divided by it; multiply"),
        ("1 / (a - 1) > 1", {"a": np.array([2.0, 1.0])}, r"a - 1 is 0"),
        ("a > 1", {"a": None}, r"cannot be worked out"),
    ],
)
def test_values_that_do_not_fit_are_refused(
    text: str, values: dict[str, Any], message: str
) -> None:
    """A missing value, text where a number belongs, and a divisor of 0 are said in a sentence."""
    condition = parse_condition(text, NAMES)
    with pytest.raises(ConditionError, match=message):
        condition(values)


def test_a_name_with_a_part_in_brackets() -> None:
    """A metric on a task is one name, whatever blanks stand in it."""
    holds = parse_condition("accuracy[ SST-2 ] > 0.5 and m < 2", {"accuracy[SST-2]", "m"})
    assert holds.names == {"accuracy[SST-2]", "m"}
    assert holds({"accuracy[SST-2]": 0.6, "m": 1})
    assert not holds({"accuracy[SST-2]": 0.4, "m": 1})
    with pytest.raises(ConditionError, match="'accuracy\\[RTE\\]', which is not known"):
        parse_condition("accuracy[RTE] > 0.5", {"accuracy[SST-2]"})
