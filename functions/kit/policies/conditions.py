"""Conditions of policies: a small, closed part of Python's expressions, compiled once into closures.

    resource.owner == subject.user
    resource.region in ('eu-west', 'eu-central') and subject.kind != 'service'
    'finance' in subject.groups or resource.groups & subject.groups

Tenants write them, so nothing is handed to an evaluator: there are no calls, no arithmetic and no other names.
"""

import ast
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeVar

from functions.kit.policies.attributes import SETS, TEXTS, UNKNOWN, Attribute, Resource, SetAttribute, Subject

LONGEST = 500

# True, False, or None where an attribute it depends on is unknown (Kleene's three values).
Truth = bool | None
Condition = Callable[[Subject, Resource], Truth]
Read = TypeVar("Read")


class ConditionError(ValueError):
    """The text is no condition; the message says why."""


@lru_cache(maxsize=4096)
def condition(text: str) -> Condition | None:
    """Compile a condition.

    Returns:
        what tells its truth; None for empty text, which always holds.

    Raises:
        ConditionError: it is none.
    """
    if not text.strip():
        return None
    if len(text) > LONGEST:
        raise ConditionError(f"a condition has at most {LONGEST} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(text.strip(), mode="eval")
        # To name what is not understood goes through it, too, however deep it is.
        return _condition(tree.body)
    except ConditionError:
        raise
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ConditionError("this is no condition") from None


def _condition(node: ast.expr) -> Condition:
    match node:
        case ast.BoolOp(op=operator, values=values):
            return _joined([_condition(value) for value in values], decisive=isinstance(operator, ast.Or))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _negated(_condition(operand))
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            return _equal(_text(left), _text(right))
        case ast.Compare(left=left, ops=[ast.NotEq()], comparators=[right]):
            return _negated(_equal(_text(left), _text(right)))
        case ast.Compare(left=left, ops=[ast.In()], comparators=[right]):
            return _member(_text(left), _texts(right))
        case ast.Compare(left=left, ops=[ast.NotIn()], comparators=[right]):
            return _negated(_member(_text(left), _texts(right)))
        case ast.BinOp(left=left, op=ast.BitAnd(), right=right):
            return _overlapping(_texts(left), _texts(right))
    raise ConditionError(f"not understood: {ast.unparse(node)}")


def _joined(parts: list[Condition], *, decisive: bool) -> Condition:
    """`or` is decided by a True, `and` by a False; without either, what is unknown stays so."""

    def test(subject: Subject, resource: Resource) -> Truth:
        found: Truth = not decisive
        for part in parts:
            truth = part(subject, resource)
            if truth is decisive:
                return decisive
            found = None if truth is None else found
        return found

    return test


def _negated(inner: Condition) -> Condition:
    def test(subject: Subject, resource: Resource) -> Truth:
        truth = inner(subject, resource)
        return None if truth is None else not truth

    return test


def _equal(left: Attribute, right: Attribute) -> Condition:
    def test(subject: Subject, resource: Resource) -> Truth:
        a, b = left(subject, resource), right(subject, resource)
        if a is UNKNOWN or b is UNKNOWN:
            return None
        # Two things that lack an owner do not have one in common.
        return a is not None and a == b

    return test


def _member(item: Attribute, container: SetAttribute) -> Condition:
    def test(subject: Subject, resource: Resource) -> Truth:
        value, among = item(subject, resource), container(subject, resource)
        return None if value is UNKNOWN or among is UNKNOWN else value in among

    return test


def _overlapping(left: SetAttribute, right: SetAttribute) -> Condition:
    def test(subject: Subject, resource: Resource) -> Truth:
        a, b = left(subject, resource), right(subject, resource)
        return None if a is UNKNOWN or b is UNKNOWN else not a.isdisjoint(b)

    return test


def _text(node: ast.expr) -> Attribute:
    if isinstance(node, ast.Constant):
        literal = _literal(node)
        return lambda *_: literal
    return _attribute(node, TEXTS)


def _texts(node: ast.expr) -> SetAttribute:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        literals = frozenset(_literal(element) for element in node.elts)
        return lambda *_: literals
    return _attribute(node, SETS)


def _literal(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise ConditionError(f"a text in quotes is expected, not {ast.unparse(node)}")


def _attribute(node: ast.expr, known: Mapping[str, Read]) -> Read:
    name = ast.unparse(node)
    if name not in known:
        raise ConditionError(f"{name} is not one of: {', '.join(known)}")
    return known[name]
