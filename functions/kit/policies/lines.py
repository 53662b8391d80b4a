"""The lines that policies come down to, and the default ones."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from functions.kit.policies.conditions import condition

_FILE = Path(__file__).parent / "default.csv"
_OPERATOR = "role:superadmin"
_ADMIN = "role:admin"
# Who may change policies is no matter of policy: a tenant could give its own admins' power away, or lose it.
_SETTLED = frozenset({"policies:write"})


class Line(NamedTuple):
    """One line of policy, its fields in the order of model.conf."""

    who: str
    action: str
    when: str
    effect: str


class Defaults:
    """What holds where nobody has said anything.

    Attributes:
        actions: all there are.
        open: those that policies may speak of.
        grantable: those of them that a tenant's own policies may allow: what its admins may do without condition.
    """

    def __init__(self, lines: Iterable[Line]) -> None:
        self.lines = tuple(lines)
        self.actions = frozenset(line.action for line in self.lines)
        self.open = frozenset(line.action for line in self.lines if line.who != _OPERATOR) - _SETTLED
        admins = {line.action for line in self.lines if line[0] == _ADMIN and not line.when and line.effect == "allow"}
        self.grantable = self.open & admins

    def nameable(self, effect: str, *, by_tenant: bool) -> frozenset[str]:
        """The actions that an added policy of this effect may name."""
        return self.grantable if by_tenant and effect == "allow" else self.open


def matching(pattern: str, actions: Iterable[str]) -> frozenset[str]:
    """The actions that a pattern such as `documents:*` names."""
    return frozenset(action for action in actions if fnmatchcase(action, pattern))


@lru_cache(maxsize=1)
def defaults() -> Defaults:
    """The lines of `default.csv`.

    Raises:
        ValueError: a line is wrong; the message quotes it.
    """
    return Defaults(_read(_FILE.read_text()))


def _read(text: str) -> Iterator[Line]:
    for row in text.splitlines():
        if not row.strip() or row.startswith("#"):
            continue
        # A condition may hold commas.
        head, _, effect = row.rpartition(",")
        fields = [field.strip() for field in (*head.split(",", 3), effect)]
        if len(fields) != 5 or fields[0] != "p" or fields[4] not in {"allow", "deny"}:
            raise ValueError(f"default.csv: not a line of policy: {row}")
        condition(fields[3])
        yield Line(*fields[1:])
