"""What a decision about access takes: `python -m scenarios.load.decisions`. Needs no server.

In microseconds, the least of five rounds: what other programs take of the machine is none of it.
"""

import timeit
from collections.abc import Callable

from functions.kit.authorisation import abide_by, authorise
from functions.kit.policies.attributes import Resource
from functions.kit.policies.documents import PolicyDocument
from functions.kit.policies.enforcer import Asked, CachedEnforcer
from functions.kit.policies.policy_set import PolicySet, default_policies
from functions.kit.principal import Principal, Role

_TIMES = 10_000
_TENANT = "01a20000-0000-7000-8000-000000000001"
_WHO = Principal("ada", "user", _TENANT, frozenset({Role.USER}), user_id="ada", groups=frozenset({"crew", "night"}))
_MODEL = Resource(kind="model", name="openai/gpt-4o")
# Twenty policies with a condition each, of which all speak of the caller.
_ADDED = PolicyDocument.model_validate(
    {
        "policies": [
            {
                "name": f"rule {number}",
                "who": ["role:user"],
                "actions": ["llm:call"],
                "when": f"resource.name == 'openai/model-{number}'",
                "effect": "deny",
            }
            for number in range(20)
        ]
    }
)


def main() -> None:
    """Measure and print."""
    added = PolicySet(None, _ADDED)
    asked = Asked(_TENANT, _MODEL)

    def asked_of_casbin() -> None:
        CachedEnforcer.allows(forgetful, added, added.subject(_WHO), "llm:call", asked)

    abide_by(default_policies())
    _say("the default policies", lambda: authorise(_WHO, "llm:call", _TENANT, _MODEL))
    abide_by(added)
    _say("twenty more, each with a condition", lambda: authorise(_WHO, "llm:call", _TENANT, _MODEL))
    forgetful = CachedEnforcer(size=0)
    _say("the same, decided by Casbin each time", asked_of_casbin, times=_TIMES // 20)


def _say(what: str, decide: Callable[[], None], times: int = _TIMES) -> None:
    taken = min(timeit.repeat(decide, number=times, repeat=5)) / times
    print(f"{what:40} {taken * 1e6:7.1f} µs")


if __name__ == "__main__":
    main()
