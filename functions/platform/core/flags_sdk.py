"""The flags as Flagsmith's SDKs ask for them (SDK API v1): the whole environment, or one tenant's view of it."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from functions.kit.errors import Forbidden, Unauthenticated
from functions.kit.flag_document import TENANT_SEGMENT, TENANT_TRAIT, Evaluation, FlagDocument, TraitValue, tenant_of
from functions.kit.flag_states import environment_document, feature_id, feature_state
from functions.kit.principal import Principal
from functions.platform.core.flags_errors import FlagNotFound
from functions.platform.core.flags_ports import Refreshable

SERVER_PREFIX = "ser."


@dataclass(frozen=True, slots=True)
class SdkEnvironment:
    """What a key opens.

    Attributes:
        tenant_id: None for the platform's key, which sees every tenant's overrides.
        server: whether the key may have the environment document.
    """

    tenant_id: str | None
    server: bool


class OpenEnvironment:
    """Judges the key of an SDK: the platform's own, or a tenant's API key, in front of it `ser.` for a server.

    Args:
        verify: gives the principal behind an API key.
        platform_key: empty where the platform has none.
    """

    def __init__(self, verify: Callable[[str], Awaitable[Principal]], platform_key: str) -> None:
        self._verify = verify
        self._platform_key = platform_key

    async def __call__(self, key: str) -> SdkEnvironment:
        """The environment of a key.

        Raises:
            Unauthenticated: it is no key of ours.
            Forbidden: its tenant may not call.
            DependencyUnavailable: that cannot be told now.
        """
        if self._platform_key and hmac.compare_digest(key.encode(), self._platform_key.encode()):
            return SdkEnvironment(None, server=True)
        principal = await self._verify(key.removeprefix(SERVER_PREFIX))
        if principal.tenant_id is None:
            raise Unauthenticated("the environment key is not valid")
        return SdkEnvironment(principal.tenant_id, server=key.startswith(SERVER_PREFIX))


class ServeSdk:
    """Answers SDKs, in Flagsmith's own shapes, from what this process knows."""

    def __init__(self, flags: Refreshable) -> None:
        self._flags = flags

    def flags(self, environment: SdkEnvironment, feature: str | None = None) -> list[dict[str, Any]]:
        """The flags of the environment, for nobody in particular.

        Raises:
            FlagNotFound: the one that is asked for does not exist.
        """
        document = self._flags.document
        tenant_id = environment.tenant_id
        return [_wire(document, document.evaluate(name, tenant_id)) for name in _names(document, feature)]

    def identity_flags(
        self,
        environment: SdkEnvironment,
        identifier: str,
        traits: Mapping[str, TraitValue],
        feature: str | None = None,
    ) -> list[dict[str, Any]]:
        """The flags of an identity; behind a tenant's key it is one of that tenant, whatever its traits claim.

        Raises:
            FlagNotFound: the one that is asked for does not exist.
        """
        document = self._flags.document
        owned = {TENANT_TRAIT: environment.tenant_id} if environment.tenant_id else {}
        return [
            _wire(document, document.evaluate_identity(name, identifier, {**traits, **owned}))
            for name in _names(document, feature)
        ]

    def document(self, environment: SdkEnvironment) -> Mapping[str, Any]:
        """The environment document for local evaluation.

        Raises:
            Forbidden: the key is not a server's.
        """
        if not environment.server:
            raise Forbidden(f"local evaluation needs a server key: {SERVER_PREFIX} in front of it")
        document = self._flags.document
        return document.raw if environment.tenant_id is None else tenant_view(document, environment.tenant_id)

    def known(self, names: Mapping[str, int]) -> dict[str, int]:
        """Of a client's counts of evaluations, those of flags that exist."""
        return {name: count for name, count in names.items() if name in self._flags.document}


def tenant_view(document: FlagDocument, tenant_id: str) -> dict[str, Any]:
    """The environment as one tenant's: what is decided for the tenant is its default, no other tenant is in it.

    Segments that ask for more than the tenant (a user's share of a rollout, a trait) stay, except for flags that the
    tenant overrides: the tenant wins.
    """
    overridden = {name for name in document.names() if document.override(name, tenant_id) is not None}
    segments = []
    for segment in document.raw["project"]["segments"]:
        if tenant_of(segment["rules"]) is not None or _asks_for_tenant_alone(segment):
            continue
        states = [
            state
            for state in segment.get("feature_states") or ()
            if state["feature"]["name"] in document and state["feature"]["name"] not in overridden
        ]
        if states:
            segments.append({**segment, "feature_states": states})
    undecided = {state["feature"]["name"] for segment in segments for state in segment["feature_states"]}
    view = environment_document(
        environment=document.raw["api_key"],
        updated_at=document.updated_at,
        feature_states=[
            _undecided(document, name) if name in undecided else _decided(document, name, tenant_id)
            for name in document.names()
        ],
        segments=segments,
    )
    return {**view, "name": f"{TENANT_SEGMENT}{tenant_id}"}


def _asks_for_tenant_alone(segment: Mapping[str, Any]) -> bool:
    """Whether a segment's rules name nothing but the tenant, so that it is decided once the tenant is known."""
    pending, properties = list(segment["rules"]), []
    while pending:
        rule = pending.pop()
        pending += rule.get("rules") or ()
        properties += [condition.get("property_") or "" for condition in rule.get("conditions") or ()]
    return bool(properties) and set(properties) == {TENANT_TRAIT}


def _decided(document: FlagDocument, name: str, tenant_id: str) -> dict[str, Any]:
    found = document.evaluate(name, tenant_id)
    return feature_state(name, enabled=found.enabled, stored=found.stored, scope=f"{TENANT_SEGMENT}{tenant_id}")


def _undecided(document: FlagDocument, name: str) -> dict[str, Any]:
    return dict(document.raw_state(name) or {})


def _names(document: FlagDocument, feature: str | None) -> list[str]:
    if feature is None:
        return list(document.names())
    if feature not in document:
        raise FlagNotFound(f"there is no flag {feature}", details={"flag": feature})
    return [feature]


def _wire(document: FlagDocument, found: Evaluation) -> dict[str, Any]:
    raw = document.raw_state(found.name)
    feature = raw["feature"] if raw else {"id": feature_id(found.name), "name": found.name, "type": "STANDARD"}
    return {
        "feature": {"id": feature["id"], "name": found.name, "type": feature.get("type", "STANDARD")},
        "enabled": found.enabled,
        "feature_state_value": found.stored,
        "variant": found.variant,
        "reason": found.reason,
    }
