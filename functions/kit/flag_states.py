"""Makes an environment document out of states: declared defaults, what operators changed, and tenants' overrides."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pydantic import JsonValue

from functions.kit.flag_document import ROLLOUT_SEGMENT, TENANT_SEGMENT, TENANT_TRAIT, DefaultState, Document
from functions.kit.flag_registry import FlagDefinition, FlagRegistry, StoredValue

_TENANT_PRIORITY = 0
_ROLLOUT_PRIORITY = 1
# Ids of rollouts are made from names, those of tenants by a sequence: above and below this number.
_FIRST_ROLLOUT_ID = 2**30
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StoredOverride:
    """A tenant's override as a row has it; `segment_id` is the tenant's for ever."""

    tenant_id: str
    segment_id: int
    name: str
    enabled: bool
    value: JsonValue = None


def render(
    registry: FlagRegistry,
    *,
    environment: str,
    defaults: Mapping[str, DefaultState] | None = None,
    overrides: Iterable[StoredOverride] = (),
    updated_at: datetime = _EPOCH,
) -> Document:
    """The environment document.

    Args:
        environment: its key, which the percentage rollouts of users are hashed with.
        defaults: what differs from the declaration; of flags that are no longer declared nothing is said.
    """
    states = {flag.name: DefaultState(flag.enabled, flag.value) for flag in registry}
    states.update({name: state for name, state in (defaults or {}).items() if name in registry})
    flags = {flag.name: flag for flag in registry}
    return environment_document(
        environment=environment,
        updated_at=updated_at,
        feature_states=[_default_state(flags[name], state) for name, state in states.items()],
        segments=[
            *_tenant_segments(flags, overrides),
            *(
                rollout_segment(flags[name], state.percentage, state.rollout_by, state.value)
                for name, state in states.items()
                if state.percentage is not None
            ),
        ],
    )


def environment_document(
    *,
    environment: str,
    updated_at: datetime,
    feature_states: list[dict[str, Any]],
    segments: list[Any],
) -> dict[str, Any]:
    """The frame of a document, with all that older SDKs insist on."""
    return {
        "id": 1,
        "api_key": environment,
        "name": environment,
        "updated_at": updated_at.isoformat(),
        "allow_client_traits": True,
        "hide_sensitive_data": False,
        "hide_disabled_flags": None,
        "use_identity_composite_key_for_hashing": True,
        "use_identity_overrides_in_local_eval": True,
        "feature_states": feature_states,
        "identity_overrides": [],
        "project": {
            "id": 1,
            "name": environment,
            "hide_disabled_flags": False,
            "enable_realtime_updates": False,
            "server_key_only_feature_ids": [],
            "organisation": {
                "id": 1,
                "name": environment,
                "feature_analytics": False,
                "stop_serving_flags": False,
                "persist_trait_data": False,
            },
            "segments": segments,
        },
    }


def feature_state(
    name: str, *, enabled: bool, stored: StoredValue, scope: str = "", priority: int | None = None
) -> dict[str, Any]:
    """The state of a flag in the environment, or where a `scope` overrides it."""
    return {
        "enabled": enabled,
        "feature": {"id": feature_id(name), "name": name, "type": "STANDARD"},
        "feature_state_value": stored,
        "featurestate_uuid": str(uuid5(NAMESPACE_URL, f"flag:{scope}:{name}")),
        "feature_segment": None if priority is None else {"priority": priority},
        "multivariate_feature_state_values": [],
    }


def feature_id(name: str) -> int:
    """A number for a flag: the same everywhere, for as long as it has its name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) & 0x7FFFFFFF


def tenant_rules(tenant_id: str) -> list[dict[str, Any]]:
    """The rules of a tenant's segment."""
    return _rules(TENANT_TRAIT, "EQUAL", tenant_id)


def rollout_rules(percentage: float, rollout_by: str) -> list[dict[str, Any]]:
    """The rules of a rollout's segment: the tenant is hashed, or the identity where the condition names nothing."""
    return _rules(TENANT_TRAIT if rollout_by == "tenant" else "", "PERCENTAGE_SPLIT", f"{percentage:g}")


def rollout_segment(flag: FlagDefinition, percentage: float | None, by: str, value: JsonValue) -> dict[str, Any]:
    """The segment of those whom a rollout has reached. Raising the percentage keeps who is in it."""
    scope = f"{ROLLOUT_SEGMENT}{flag.name}"
    reached = percentage or 0.0
    state = feature_state(
        flag.name,
        # The engine lets a ten-thousandth in at 0 %.
        enabled=reached > 0,
        stored=flag.encode(value),
        scope=scope,
        priority=_ROLLOUT_PRIORITY,
    )
    number = _FIRST_ROLLOUT_ID + feature_id(flag.name) % _FIRST_ROLLOUT_ID
    return {"id": number, "name": scope, "rules": rollout_rules(reached, by), "feature_states": [state]}


def _default_state(flag: FlagDefinition, state: DefaultState) -> dict[str, Any]:
    enabled = state.enabled and state.percentage is None
    return feature_state(flag.name, enabled=enabled, stored=flag.encode(state.value))


def _tenant_segments(flags: Mapping[str, FlagDefinition], overrides: Iterable[StoredOverride]) -> list[dict[str, Any]]:
    segments: dict[int, dict[str, Any]] = {}
    for override in overrides:
        if override.name not in flags:
            continue
        scope = f"{TENANT_SEGMENT}{override.tenant_id}"
        segment = segments.setdefault(
            override.segment_id,
            {
                "id": override.segment_id,
                "name": scope,
                "rules": tenant_rules(override.tenant_id),
                "feature_states": [],
            },
        )
        segment["feature_states"].append(
            feature_state(
                override.name,
                enabled=override.enabled,
                stored=flags[override.name].encode(override.value),
                scope=scope,
                priority=_TENANT_PRIORITY,
            )
        )
    return list(segments.values())


def _rules(name: str, operator: str, value: str) -> list[dict[str, Any]]:
    condition = {"operator": operator, "property_": name, "value": value}
    return [{"type": "ALL", "conditions": [], "rules": [{"type": "ANY", "conditions": [condition], "rules": []}]}]
