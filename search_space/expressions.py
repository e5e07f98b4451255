"""Conditions over knobs and metrics, written as text: a small language that cannot run code.

A condition compares values: numbers, quoted text, names and their sums, differences, products and
quotients, by ``< <= > >= == !=`` (also chained) or ``in [...]`` and ``not in [...]``; comparisons
are joined by ``and``, ``or``, ``not``. A name may have a part in brackets that says of what it is,
such as ``accuracy[SST-2]``. Every name may stand for one value or for an array with one
entry per design: the operators are the values' own, so this module needs no array package.
"""

from __future__ import annotations

import ast
import operator
import sys
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce
from itertools import pairwise
from typing import Any, Final

from search_space.names import nearest

MAX_CHARACTERS: Final = 1_000
MAX_NESTING: Final = 50
"""Limits of a condition: more than anyone writes, and far from Python's own limits."""

_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_SIGNS: Final[Mapping[type[ast.unaryop], Callable[[Any], Any]]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
_COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ORDERS: Final = frozenset({ast.Lt, ast.LtE, ast.Gt, ast.GtE})
_JUNCTIONS: Final[Mapping[type[ast.boolop], Callable[[Any, Any], Any]]] = {
    ast.And: operator.and_,
    ast.Or: operator.or_,
}
_LANGUAGE: Final = (
    "expected comparisons of names, numbers and quoted text, joined by 'and', 'or', 'not'"
)


class ConditionError(ValueError):
    """A condition cannot be read, or cannot be worked out for the values it was given."""


class _Kind(StrEnum):
    """What a value is, for messages."""

    NUMBER = "a number"
    TEXT = "text"
    UNKNOWN = "a value"


@dataclass(frozen=True, slots=True)
class Condition:
    """A Boolean function of named values; `parse_condition` makes it.

    Attributes:
        text: the condition as it was written.
        names: the names that it uses.
    """

    text: str
    names: frozenset[str]
    _tree: ast.expr = field(repr=False, compare=False)

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """Whether the condition holds.

        Args:
            values: for each of `names` a number, a text, or an array of either; arrays have the
                same shape, for example ``(n_designs,)``. Other entries are not looked at.

        Returns:
            A bool if all values are single ones, else a Boolean array of the arrays' shape. A
            comparison with NaN does not hold, except by ``!=``.

        Raises:
            ConditionError: a value is missing, text meets a number, or a divisor is 0.
        """
        for name in sorted(self.names - values.keys()):
            raise ConditionError(
                f"Condition {self.text!r} needs a value for {name!r}: expected it among "
                f"{', '.join(sorted(values)) or 'no values at all'}{nearest(name, values)}"
            )
        try:
            return _evaluated(self._tree, values)
        except ConditionError as error:
            raise ConditionError(f"Condition {self.text!r}: {error}") from None
        except (ArithmeticError, TypeError) as error:
            raise ConditionError(
                f"Condition {self.text!r} cannot be worked out: {error}."
            ) from error


def parse_condition(text: str, names: Collection[str]) -> Condition:
    """The condition that a text says.

    Args:
        text: for example ``"mac_vector_size >= 8 and checkpoint in ['albert-mini']"``.
        names: names that may be used.

    Raises:
        ConditionError: the text is not a condition, or uses a name that is not among `names`.

    >>> holds = parse_condition("0 < n <= 2 * m or not kind == 'sram'", {"n", "m", "kind"})
    >>> holds({"n": 4, "m": 2, "kind": "sram"}), holds({"n": 5, "m": 2, "kind": "sram"})
    (True, False)
    """
    stripped = text.strip()
    if not 0 < len(stripped) <= MAX_CHARACTERS:
        raise ConditionError(
            f"Condition {text[:40]!r} has {len(stripped)} characters: expected 1 to "
            f"{MAX_CHARACTERS}; split a long one into several conditions."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a typing error such as '\d' in quotes is an error here
            tree = ast.parse(stripped, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or "nested too deeply"
        raise ConditionError(
            f"Condition {text!r} cannot be read ({reason}): {_LANGUAGE}."
        ) from None
    reader = _Reader(stripped, frozenset(names))
    reader.check_condition(tree, depth=0)
    if not reader.used:
        raise ConditionError(
            f"Condition {text!r} uses no name, so it says the same of every design: "
            "compare at least one name."
        )
    return Condition(stripped, frozenset(reader.used), tree)


class _Reader:
    """Walks a parsed text once, refuses whatever is not in the language, and collects names."""

    def __init__(self, text: str, names: frozenset[str]) -> None:
        """Start on a text that may use these names."""
        self._text = text
        self._names = names
        self.used: set[str] = set()

    def _refusal(self, node: ast.AST, reason: str) -> ConditionError:
        part = ast.get_source_segment(self._text, node) or self._text
        where = "" if part == self._text else f" in {part!r}"
        return ConditionError(f"Condition {self._text!r} is refused{where}: {reason}.")

    def _check_depth(self, node: ast.AST, depth: int) -> None:
        if depth > MAX_NESTING:
            raise self._refusal(node, f"expected at most {MAX_NESTING} levels of nesting")

    def check_condition(self, node: ast.expr, depth: int) -> None:
        """Require something that is true or false."""
        self._check_depth(node, depth)
        match node:
            case ast.BoolOp(values=parts):
                for part in parts:
                    self.check_condition(part, depth + 1)
            case ast.UnaryOp(op=ast.Not(), operand=part):
                self.check_condition(part, depth + 1)
            case ast.Compare():
                self._check_comparison(node, depth)
            case _:
                self._check_value(node, depth)  # says what is wrong inside it, if anything is
                raise self._refusal(node, "expected a comparison, such as 'name >= 1'")

    def _check_comparison(self, node: ast.Compare, depth: int) -> None:
        sides = [node.left, *node.comparators]
        for (left, right), sign in zip(pairwise(sides), node.ops, strict=True):
            left_kind = self._check_value(left, depth + 1)
            if isinstance(sign, ast.In | ast.NotIn):
                if not isinstance(right, ast.List) or not right.elts:
                    raise self._refusal(
                        right, "expected a list of values after 'in', such as [1, 2]"
                    )
                others = [self._check_value(item, depth + 2) for item in right.elts]
            elif type(sign) in _COMPARISONS:
                others = [self._check_value(right, depth + 1)]
            else:
                raise self._refusal(node, "expected == or != in place of 'is'")
            for other in others:
                fault = _mismatch(left_kind, other, ordered=type(sign) in _ORDERS)
                if fault:
                    raise self._refusal(node, fault)

    def _check_value(self, node: ast.expr, depth: int) -> _Kind:
        """Require a number, a text or a name, or arithmetic on numbers and names."""
        self._check_depth(node, depth)
        match node:
            case ast.Name() | ast.Subscript(value=ast.Name(), slice=ast.Name() | ast.BinOp()):
                name = _name_of(node)
                if name not in self._names:
                    hint = nearest(name, self._names)
                    known = f": expected one of {', '.join(sorted(self._names))}."
                    raise ConditionError(
                        f"Condition {self._text!r} uses the name {name!r}, which is not known"
                        f"{hint or known}"
                    )
                self.used.add(name)
                return _Kind.UNKNOWN
            case ast.Constant(value=str()):
                return _Kind.TEXT
            case ast.Constant(value=bool()):
                raise self._refusal(node, "expected a comparison in place of True or False")
            case ast.Constant(value=int() | float() as value):
                if abs(value) > sys.float_info.max:
                    raise self._refusal(node, "expected a number that a float can hold")
                return _Kind.NUMBER
            case ast.UnaryOp(op=sign, operand=part) if type(sign) in _SIGNS:
                parts = [part]
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _ARITHMETIC:
                parts = [left, right]
            case ast.BoolOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
                raise self._refusal(node, "expected a value, not another comparison")
            case _:
                raise self._refusal(node, f"{_LANGUAGE}, and no arithmetic but + - * /")
        for part in parts:
            if self._check_value(part, depth + 1) is _Kind.TEXT:
                raise self._refusal(node, "expected numbers, not text, in arithmetic")
        return _Kind.NUMBER


def _name_of(node: ast.Name | ast.Subscript) -> str:
    """A name as it is known, the part in brackets without blanks: ``accuracy[SST-2]``."""
    return ast.unparse(node).replace(" ", "")


def _evaluated(node: ast.expr, values: Mapping[str, Any]) -> Any:
    """The value of a node that `_Reader` has let through."""
    match node:
        case ast.BoolOp(op=junction, values=parts):
            return reduce(_JUNCTIONS[type(junction)], [_evaluated(p, values) for p in parts])
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return operator.xor(_evaluated(part, values), True)  # bools and arrays of them alike
        case ast.Compare(left=left, ops=signs, comparators=rights):
            sides = [left, *rights]
            return reduce(
                operator.and_,
                [
                    _compared(a, sign, b, values)
                    for (a, b), sign in zip(pairwise(sides), signs, strict=True)
                ],
            )
        case ast.Name() | ast.Subscript(value=ast.Name()):
            return values[_name_of(node)]
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=sign, operand=part):
            return _SIGNS[type(sign)](_number(part, values))
        case ast.BinOp(left=left, op=sign, right=right):
            dividend, divisor = _number(left, values), _number(right, values)
            if isinstance(sign, ast.Div) and _any(divisor == 0):
                raise ConditionError(
                    f"{ast.unparse(right)} is 0, and nothing can be divided by it; "
                    "multiply both sides instead."
                )
            return _ARITHMETIC[type(sign)](dividend, divisor)
    raise AssertionError(f"{ast.dump(node)} passed the reader")


def _compared(left: ast.expr, sign: ast.cmpop, right: ast.expr, values: Mapping[str, Any]) -> Any:
    """One comparison of a chain; a list on the right is compared item by item."""
    value = _evaluated(left, values)
    is_membership = isinstance(sign, ast.In | ast.NotIn)
    items = right.elts if is_membership and isinstance(right, ast.List) else [right]
    others = [_evaluated(item, values) for item in items]
    for item, other in zip(items, others, strict=True):
        fault = _mismatch(_kind(value), _kind(other), ordered=type(sign) in _ORDERS)
        if fault:
            raise ConditionError(f"{ast.unparse(left)} meets {ast.unparse(item)}: {fault}.")
    if is_membership:
        found = reduce(operator.or_, [value == other for other in others])
        return operator.xor(found, True) if isinstance(sign, ast.NotIn) else found
    return _COMPARISONS[type(sign)](value, others[0])


def _number(node: ast.expr, values: Mapping[str, Any]) -> Any:
    """The value of a node that stands in arithmetic."""
    value = _evaluated(node, values)
    if _kind(value) is _Kind.TEXT:
        raise ConditionError(f"{ast.unparse(node)} is text: expected a number in arithmetic.")
    return value


def _kind(value: Any) -> _Kind:
    """What a value or the entries of an array are; UNKNOWN for arrays of objects."""
    code = getattr(getattr(value, "dtype", None), "kind", "")
    if isinstance(value, str) or code in {"U", "T"}:
        return _Kind.TEXT
    if isinstance(value, int | float) or code in {"b", "i", "u", "f"}:
        return _Kind.NUMBER
    return _Kind.UNKNOWN


def _mismatch(left: _Kind, right: _Kind, *, ordered: bool) -> str:
    """Why the two kinds cannot be compared; empty if they can."""
    if {left, right} == {_Kind.NUMBER, _Kind.TEXT}:
        return "a number is compared with text, expected two of the same kind"
    if ordered and _Kind.TEXT in {left, right}:
        return "text has no order, expected == or != or 'in'"
    return ""


def _any(flags: Any) -> bool:
    """Whether a flag, or any entry of an array of flags, is set."""
    return bool(flags.any() if hasattr(flags, "any") else flags)
