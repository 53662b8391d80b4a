"""Who asks and what is asked about, as policies see them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal, NamedTuple


class Unknown(Enum):
    """The type of UNKNOWN."""

    UNKNOWN = "unknown"

    # Enum's own goes by the name, in Python.
    __hash__ = object.__hash__


UNKNOWN: Final = Unknown.UNKNOWN
# None is an attribute that the thing is known not to have: an owner that a shared document lacks.
Text = str | None | Literal[Unknown.UNKNOWN]
Texts = frozenset[str] | Literal[Unknown.UNKNOWN]


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks.

    Attributes:
        names: everything a policy's `who` may call it: its roles, groups, user and API key.
    """

    tenant: str
    kind: str
    user: str | None = None
    key: str | None = None
    plan: str | None = None
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    names: frozenset[str] = field(default=frozenset(), repr=False)


class Resource(NamedTuple):
    """What is asked about. What is left out is unknown: it never allows, and never lifts a denial.

    Attributes:
        kind: sort of thing, such as `model` or `document`.
        name: which one, as its users call it: a model's, an index's or a plugin's name, a document's id.
        owner: user it belongs to.
        region: where it is, or where it would be processed.
        groups: groups it is shared with.
    """

    kind: Text = UNKNOWN
    name: Text = UNKNOWN
    owner: Text = UNKNOWN
    region: Text = UNKNOWN
    groups: Texts = UNKNOWN


Attribute = Callable[[Subject, Resource], Text]
SetAttribute = Callable[[Subject, Resource], Texts]

TEXTS: Mapping[str, Attribute] = {
    "subject.user": lambda subject, _: subject.user,
    "subject.key": lambda subject, _: subject.key,
    "subject.kind": lambda subject, _: subject.kind,
    "subject.plan": lambda subject, _: subject.plan,
    "resource.kind": lambda _, resource: resource.kind,
    "resource.name": lambda _, resource: resource.name,
    "resource.owner": lambda _, resource: resource.owner,
    "resource.region": lambda _, resource: resource.region,
}
SETS: Mapping[str, SetAttribute] = {
    "subject.roles": lambda subject, _: subject.roles,
    "subject.groups": lambda subject, _: subject.groups,
    "resource.groups": lambda _, resource: resource.groups,
}
