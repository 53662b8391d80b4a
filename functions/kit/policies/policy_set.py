"""The policies that hold for one tenant: the default lines, the platform's additions and the tenant's own."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

from functions.kit.policies.attributes import Subject
from functions.kit.policies.conditions import Condition, condition
from functions.kit.policies.documents import PolicyDocument
from functions.kit.policies.lines import Defaults, Line, defaults, matching
from functions.kit.policies.lru import Lru
from functions.kit.principal import Principal

_MOST_SELECTIONS = 1_000
_numbers = count()


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The lines on one action that speak of one sort of subject.

    Attributes:
        conditions: the distinct ones of the lines; their truths are all that a decision depends on.
    """

    lines: tuple[Line, ...]
    conditions: tuple[Condition, ...]


class PolicySet:
    """Never changes: a change of policy makes another.

    Attributes:
        number: tells it from every other one of this process, also from those that are gone.

    Args:
        platform: what the operator adds for every tenant.
        own: what the tenant adds; None where it adds nothing.
    """

    def __init__(
        self, platform: PolicyDocument | None = None, own: PolicyDocument | None = None, base: Defaults | None = None
    ) -> None:
        self.number = next(_numbers)
        self._base = base or defaults()
        self._added = ((platform or PolicyDocument(), False), (own or PolicyDocument(), True))
        self._roles: dict[str, list[str]] = {}
        for role in own.roles if own else ():
            for member in role.members:
                self._roles.setdefault(member, []).append(f"role:{role.name}")
        self._by_action: dict[str, dict[str, list[Line]]] = {}
        self._latest: tuple[Principal, Subject] | None = None
        self._selections: Lru[tuple[str, frozenset[str]], Selection] = Lru(_MOST_SELECTIONS)

    def subject(self, principal: Principal) -> Subject:
        """The caller as these policies see it, of the tenant whose policies they are."""
        latest = self._latest
        # A request asks about its caller more than once, and a caller makes more than one request.
        if latest is None or latest[0] is not principal:
            latest = self._latest = principal, self._subject(principal)
        return latest[1]

    def _subject(self, principal: Principal) -> Subject:
        named = [f"role:{role}" for role in principal.roles]
        named += [f"group:{group}" for group in principal.groups]
        named += [f"user:{principal.user_id}"] if principal.user_id else []
        named += [f"key:{principal.api_key_id}"] if principal.api_key_id else []
        return Subject(
            tenant=principal.tenant_id or "",
            kind=principal.kind,
            user=principal.user_id,
            key=principal.api_key_id,
            plan=principal.plan,
            roles=frozenset(principal.roles),
            groups=principal.groups,
            names=self._with_roles(named) if self._roles else frozenset(named),
        )

    def selection(self, action: str, names: frozenset[str]) -> Selection:
        """The lines on an action that speak of somebody with these names."""
        by_who = self._by_action.get(action)
        if by_who is None:
            by_who = self._by_action[action] = self._on(action)
        spoken_of = frozenset(by_who.keys() & names)
        key = (action, spoken_of)
        return self._selections.get(key) or self._selections.put(key, _select(by_who, sorted(spoken_of)))

    def _with_roles(self, named: Sequence[str]) -> frozenset[str]:
        """The names and those of the custom roles they are members of, directly or through another role."""
        found, waiting = set(named), list(named)
        while waiting:
            for role in self._roles.get(waiting.pop(), ()):
                if role not in found:
                    found.add(role)
                    waiting.append(role)
        return frozenset(found)

    def _on(self, action: str) -> dict[str, list[Line]]:
        by_who: dict[str, list[Line]] = {}
        for line in (*self._base.lines, *self._additions(action)):
            if line.action == action:
                by_who.setdefault(line.who, []).append(line)
        return by_who

    def _additions(self, action: str) -> Iterator[Line]:
        """What was added on an action, less what may not be: a hard rule, whatever came to be stored."""
        for document, by_tenant in self._added:
            for policy in document.policies:
                if action in self._base.nameable(policy.effect, by_tenant=by_tenant) and any(
                    matching(pattern, [action]) for pattern in policy.actions
                ):
                    for who in policy.who:
                        yield Line(who, action, policy.when, policy.effect)


@lru_cache(maxsize=1)
def default_policies() -> PolicySet:
    """The policies where neither the platform nor the tenant adds any."""
    return PolicySet()


def _select(by_who: dict[str, list[Line]], names: Iterable[str]) -> Selection:
    lines = tuple(line for who in names for line in by_who[who])
    texts = dict.fromkeys(line.when for line in lines)
    return Selection(lines, tuple(test for text in texts if (test := condition(text)) is not None))
