"""The changes that are tried: mutmut's, and those of what a function gives back, which no tool knows: a verdict turned into another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import libcst as cst
import libcst.matchers as m
from mutmut.mutation import mutators

from tests.mutants.wording import SAYS

Operator = Callable[[cst.CSTNode], Iterable[cst.CSTNode]]

_OTHERWISE: Final = {"passes": "fails", "fails": "passes", "not_applicable": "passes", "not_assessed": "passes"}
"""What each verdict is turned into: whatever is wrong becomes a pass."""
_EMPTY: Final = {
    "str": '""',
    "int": "0",
    "float": "0.0",
    "list": "[]",
    "dict": "{}",
    "set": "set()",
    "frozenset": "frozenset()",
    "tuple": "()",
}
_NEGATED_ELSEWHERE: Final = m.UnaryOperation(operator=m.Not()) | m.Comparison(
    comparisons=[m.ComparisonTarget(operator=m.Equal() | m.NotEqual() | m.Is() | m.IsNot() | m.In() | m.NotIn())]
)


def _strings(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Another text. Of mutmut's three (marked, lower case, upper case) the first: the service's own casing varies. A single character
    is replaced: the marked one would still hold it, for `strip` and the like.
    """
    if isinstance(node, cst.SimpleString):
        if len(str(node.evaluated_value)) == 1:
            yield node.with_changes(value=f"{node.prefix}{node.quote}X{node.quote}")
        else:
            yield from list(mutators.operator_string(node))[:1]


def _orders(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """A comparison of size the other way round, besides mutmut's change at the boundary."""
    turned = {cst.LessThan: cst.GreaterThan, cst.LessThanEqual: cst.GreaterThanEqual}
    turned |= {there: back for back, there in turned.items()}
    if isinstance(node, cst.ComparisonTarget) and type(node.operator) in turned:
        yield node.with_changes(operator=turned[type(node.operator)]())


def _verdicts(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    if m.matches(node, m.Call(func=m.Name())) and node.func.value in SAYS:  # type: ignore[attr-defined]
        yield node.with_changes(func=cst.Name(_OTHERWISE[node.func.value]))  # type: ignore[attr-defined]


def _conditions(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The condition of an `if`, of a filter and of a conditional expression, negated where no other operator does just that."""
    if isinstance(node, cst.If | cst.CompIf | cst.IfExp) and not m.matches(node.test, _NEGATED_ELSEWHERE):
        inner = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        negated = cst.UnaryOperation(cst.Not(), inner, lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.with_changes(test=negated)


def returned(node: cst.Return, annotation: str) -> Iterator[cst.CSTNode]:
    """Something else of the same type given back: the opposite, nothing, or the empty one."""
    if node.value is None or m.matches(node.value, m.Name("None") | m.Name("True") | m.Name("False")):
        return
    if annotation == "bool":
        inner = node.value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.with_changes(value=cst.UnaryOperation(cst.Not(), inner))
    elif annotation.endswith("| None"):
        yield node.with_changes(value=cst.Name("None"))
    elif (empty := _EMPTY.get(annotation.partition("[")[0])) and cst.Module([]).code_for_node(node.value) != empty:
        yield node.with_changes(value=cst.parse_expression(empty))


OPERATORS: Final[dict[str, tuple[type[cst.CSTNode], Operator]]] = {
    "number": (cst.BaseNumber, mutators.operator_number),  # type: ignore[dict-item]
    "text": (cst.SimpleString, _strings),
    "constant": (cst.Name, mutators.operator_name),  # type: ignore[dict-item]
    "not": (cst.UnaryOperation, mutators.operator_remove_unary_ops),  # type: ignore[dict-item]
    "is, in, break": (cst.CSTNode, mutators.operator_keywords),
    "comparison, and, or, arithmetic": (cst.CSTNode, mutators.operator_swap_op),
    "order": (cst.ComparisonTarget, _orders),
    "condition": (cst.CSTNode, _conditions),
    "text method": (cst.Call, mutators.operator_symmetric_string_methods_swap),  # type: ignore[dict-item]
    "verdict": (cst.Call, _verdicts),
}
"""By name: the nodes that an operator changes, and what it makes of one. "return" is the eleventh, which needs the annotation."""
