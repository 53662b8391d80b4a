"""Flags in a Flagsmith server: read by local evaluation, written by the Admin API."""

from collections.abc import Mapping
from typing import Any

from functions.kit.database import connection
from functions.kit.errors import DependencyUnavailable
from functions.kit.flag_document import ROLLOUT_SEGMENT, TENANT_SEGMENT, DefaultState, FlagDocument, OverrideState
from functions.kit.flag_registry import StoredValue
from functions.kit.flag_states import rollout_rules, tenant_rules
from functions.platform.adapters.flags_flagsmith_admin import EnvironmentIds, FlagsmithAdmin
from functions.platform.core.flags_errors import FlagNotSynchronised
from functions.platform.core.flags_ports import Refreshable

_HOLD = "SELECT revision FROM flag_revision FOR UPDATE"
# Before every other override of the flag: the tenant wins.
_FIRST = 0


class FlagsmithFlags:
    """Port `FlagStore`."""

    def __init__(self, admin: FlagsmithAdmin, following: Refreshable) -> None:
        self._admin = admin
        self._following = following
        self._environment: EnvironmentIds | None = None
        self._fresh = False

    async def hold(self) -> None:
        """Keep other functions out; somebody at Flagsmith's own dashboard is not held up."""
        await (await connection()).execute(_HOLD)
        await self._following.refresh()

    async def latest(self) -> FlagDocument:
        """What this process knows: at most a poll old, and new after a write of its own."""
        return self._following.document

    async def change_defaults(self, known: FlagDocument, changes: Mapping[str, DefaultState | None]) -> None:
        """Set the environment's states, and the segments of rollouts."""
        environment = await self._ids(known)
        for name, wanted in changes.items():
            declared = known.registry.get(name)
            state = wanted or DefaultState(
                declared.enabled if declared else False, declared.value if declared else None
            )
            raw = _raw(known, name)
            stored = _encoded(known, name, state.value)
            await self._admin.put_state(
                raw["featurestate_uuid"], enabled=state.enabled and state.percentage is None, value=stored
            )
            await self._set_rollout(environment, known, raw["feature"], state, stored)
        await self._following.refresh()

    async def change_overrides(
        self, known: FlagDocument, tenant_id: str, changes: Mapping[str, OverrideState | None]
    ) -> None:
        """Set overrides of the tenant's segment, which is made with the first."""
        environment = await self._ids(known)
        name_of_segment = f"{TENANT_SEGMENT}{tenant_id}"
        segment = _segment(known, name_of_segment)
        number = int(segment["id"]) if segment else None
        for name, state in changes.items():
            existing = _override(segment, name)
            feature = _raw(known, name)["feature"]
            if state is None:
                if existing is not None:
                    await self._admin.remove_override(existing["featurestate_uuid"])
                continue
            stored = _encoded(known, name, state.value)
            if existing is not None:
                await self._admin.put_state(existing["featurestate_uuid"], enabled=state.enabled, value=stored)
                continue
            if number is None:
                rules = tenant_rules(tenant_id)
                number = await self._admin.create_segment(environment.project, name_of_segment, rules)
            await self._admin.create_override(
                environment, feature["id"], number, enabled=state.enabled, value=stored, priority=_FIRST
            )
        await self._following.refresh()

    async def _set_rollout(
        self,
        environment: EnvironmentIds,
        known: FlagDocument,
        feature: Mapping[str, Any],
        state: DefaultState,
        stored: StoredValue,
    ) -> None:
        """Bring the rollout's segment in line; it stays when the rollout ends, so that the next one keeps its order."""
        name = f"{ROLLOUT_SEGMENT}{feature['name']}"
        segment = _segment(known, name)
        existing = _override(segment, feature["name"])
        if state.percentage is None:
            if existing is not None:
                await self._admin.remove_override(existing["featurestate_uuid"])
            return
        rules = rollout_rules(state.percentage, state.rollout_by)
        if segment is None:
            number = await self._admin.create_segment(environment.project, name, rules)
        else:
            number = int(segment["id"])
            await self._admin.update_segment(environment.project, number, name, rules)
        enabled = state.percentage > 0
        if existing is not None:
            await self._admin.put_state(existing["featurestate_uuid"], enabled=enabled, value=stored)
        else:
            await self._admin.create_override(environment, feature["id"], number, enabled=enabled, value=stored)

    async def _ids(self, known: FlagDocument) -> EnvironmentIds:
        key = str(known.raw["api_key"])
        if self._environment is None or self._environment.key != key:
            self._environment = await self._admin.environment(key)
        return self._environment


def _raw(known: FlagDocument, name: str) -> Mapping[str, Any]:
    raw = known.raw_state(name)
    if raw is None:
        raise FlagNotSynchronised(
            f"Flagsmith has no flag {name} yet: run python -m stateful.flagsmith.sync", details={"flag": name}
        )
    return raw


def _segment(known: FlagDocument, name: str) -> Mapping[str, Any] | None:
    segments: list[Mapping[str, Any]] = known.raw["project"]["segments"]
    return next((segment for segment in segments if segment["name"] == name), None)


def _override(segment: Mapping[str, Any] | None, name: str) -> Mapping[str, Any] | None:
    states = (segment or {}).get("feature_states") or ()
    return next((state for state in states if state["feature"]["name"] == name), None)


def _encoded(known: FlagDocument, name: str, value: Any) -> StoredValue:
    declared = known.registry.get(name)
    if declared is not None:
        return declared.encode(value)
    if value is None or isinstance(value, str | int | bool):
        return value
    raise DependencyUnavailable("only declared flags have JSON values")
