"""Casbin decides; what it decided is remembered until the policies change."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import casbin  # type: ignore[import-untyped]

from functions.kit.policies.attributes import Resource, Subject
from functions.kit.policies.conditions import Truth, condition
from functions.kit.policies.lines import Line
from functions.kit.policies.lru import Lru
from functions.kit.policies.policy_set import PolicySet, Selection

_MODEL = Path(__file__).parent / "model.conf"
_MOST_DECISIONS = 20_000


class Asked(NamedTuple):
    """What is asked about, as the model's `r.obj`.

    Attributes:
        later: the resource is not known yet, and will be asked about again when it is: refuse only what no resource
            could make allowed.
    """

    tenant: str
    resource: Resource
    later: bool = False


class _Lines(casbin.persist.Adapter):  # type: ignore[misc]
    """Gives Casbin the lines that matter for one decision, in place of every line there is."""

    def is_filtered(self) -> bool:
        return True

    def load_filtered_policy(self, model: Any, lines: Iterable[Line]) -> None:
        model["p"]["p"].policy = [list(line) for line in lines]


class CachedEnforcer:
    """Decides by `model.conf`.

    Casbin interprets its matcher line by line, in tens of microseconds. All that a decision depends on is which lines
    speak of the subject and which of their conditions hold, so that is what decisions are remembered by: a request
    costs the conditions, which are compiled, and a look-up. A changed policy makes other lines, so nothing outlives it.
    """

    def __init__(self, size: int = _MOST_DECISIONS) -> None:
        self._decided: Lru[tuple[Selection, bool, bool, tuple[Truth, ...]], str] = Lru(size)
        self._casbin = casbin.Enforcer(str(_MODEL), _Lines())
        self._casbin.add_function("meets", _meets)

    def allows(self, policies: PolicySet, subject: Subject, action: str, asked: Asked) -> bool:
        """Whether the policies let the subject do it."""
        selection = policies.selection(action, subject.names)
        truths = tuple([test(subject, asked.resource) for test in selection.conditions])
        key = (selection, asked.tenant == subject.tenant, asked.later, truths)
        effect = self._decided.get(key) or self._decided.put(key, self._decide(selection, subject, action, asked))
        return effect == "allow"

    def _decide(self, selection: Selection, subject: Subject, action: str, asked: Asked) -> str:
        self._casbin.load_filtered_policy(selection.lines)
        return "allow" if self._casbin.enforce(subject, action, asked) else "deny"


def _meets(subject: Subject, asked: Asked, when: str, effect: str) -> bool:
    """Whether a line applies. One whose condition is open applies where that is the cautious thing to assume."""
    test = condition(when)
    truth = True if test is None else test(subject, asked.resource)
    return truth if truth is not None else (effect == "deny") is not asked.later


@lru_cache(maxsize=1)
def enforcer() -> CachedEnforcer:
    """The process's enforcer."""
    return CachedEnforcer()
