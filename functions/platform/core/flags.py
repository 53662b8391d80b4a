"""Feature flags: the platform's defaults and tenants' overrides, read and changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pydantic import JsonValue

from functions.kit.flag_document import DefaultState, FlagDocument, OverrideState, RolloutBy, Source
from functions.kit.subjects import FlagState, FlagUpdated
from functions.platform.core.errors import TenantNotFound
from functions.platform.core.flags_errors import FlagNotFound, FlagValueInvalid
from functions.platform.core.flags_ports import FlagEvents, FlagStore, TenantPresence
from functions.platform.core.models import tenant_id_of


@dataclass(frozen=True, slots=True)
class FlagChange:
    """A flag as it is to be.

    Attributes:
        keeps_value: no value was given: the one there is stays.
    """

    enabled: bool
    value: JsonValue = None
    keeps_value: bool = True
    percentage: float | None = None
    rollout_by: RolloutBy = "tenant"


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag as it is for somebody, and why."""

    name: str
    enabled: bool
    value: JsonValue
    source: Source
    description: str
    kind: str
    type: str
    percentage: float | None
    rollout_by: RolloutBy | None


Changes = Mapping[str, FlagChange | None]


class ReadTenantFlags:
    """Reads what flags are for a tenant."""

    def __init__(self, tenants: TenantPresence, store: FlagStore) -> None:
        self._tenants = tenants
        self._store = store

    async def __call__(self, tenant_id: str, user_id: str | None = None) -> list[Flag]:
        """All flags by name, for the tenant or for one of its users.

        Raises:
            TenantNotFound: there is no such tenant.
        """
        tenant_id = tenant_id_of(tenant_id)
        if not await self._tenants.exists(tenant_id):
            raise TenantNotFound("there is no such tenant")
        return for_tenant(await self._store.latest(), tenant_id, user_id)


class PutTenantFlags:
    """Sets and removes a tenant's overrides."""

    def __init__(self, tenants: TenantPresence, store: FlagStore, events: FlagEvents) -> None:
        self._tenants = tenants
        self._store = store
        self._events = events

    async def __call__(self, tenant_id: str, changes: Changes, *, by: str) -> list[Flag]:
        """Change the flags that are named and leave the others; returns all of them.

        Args:
            changes: None removes an override.
            by: who changes them.

        Raises:
            TenantNotFound: there is no such tenant.
            FlagNotFound: there is no such flag; none is changed.
            FlagValueInvalid: a value is not of its flag's type; none is changed.
        """
        tenant_id = tenant_id_of(tenant_id)
        if not await self._tenants.exists(tenant_id):
            raise TenantNotFound("there is no such tenant")
        await self._store.hold()
        before = await self._store.latest()
        wanted = {name: _override(before, tenant_id, name, change) for name, change in changes.items()}
        changed = {name: state for name, state in wanted.items() if state != before.override(name, tenant_id)}
        if not changed:
            return for_tenant(before, tenant_id)
        await self._store.change_overrides(before, tenant_id, changed)
        after = await self._store.latest()
        for update in updates(before, after, ((tenant_id, name) for name in changed), by=by):
            self._events.publish(update)
        return for_tenant(after, tenant_id)


class ReadPlatformFlags:
    """Reads the platform's defaults."""

    def __init__(self, store: FlagStore) -> None:
        self._store = store

    async def __call__(self) -> list[Flag]:
        """All flags by name."""
        return for_everybody(await self._store.latest())


class PutPlatformFlags:
    """Sets the platform's defaults."""

    def __init__(self, store: FlagStore, events: FlagEvents) -> None:
        self._store = store
        self._events = events

    async def __call__(self, changes: Changes, *, by: str) -> list[Flag]:
        """Change the flags that are named and leave the others; returns all of them.

        Args:
            changes: None takes a flag back to what is declared.
            by: who changes them.

        Raises:
            FlagNotFound: there is no such flag; none is changed.
            FlagValueInvalid: a value is not of its flag's type, or a flag that is off has a percentage.
        """
        await self._store.hold()
        before = await self._store.latest()
        wanted = {name: _default(before, name, change) for name, change in changes.items()}
        changed = {
            name: state for name, state in wanted.items() if (state or _declared(before, name)) != before.default(name)
        }
        if not changed:
            return for_everybody(before)
        await self._store.change_defaults(before, changed)
        after = await self._store.latest()
        for update in updates(before, after, ((None, name) for name in changed), by=by):
            self._events.publish(update)
        return for_everybody(after)


def for_tenant(document: FlagDocument, tenant_id: str, user_id: str | None = None) -> list[Flag]:
    """What every flag is for a tenant."""
    flags = []
    for name in document.names():
        found = document.evaluate(name, tenant_id, user_id)
        default = document.default(name)
        in_rollout = found.source == "rollout" and default.percentage is not None
        state = replace(
            default, enabled=found.enabled, value=found.value, percentage=default.percentage if in_rollout else None
        )
        flags.append(_flag(document, name, state, found.source))
    return flags


def for_everybody(document: FlagDocument) -> list[Flag]:
    """What every flag is where no tenant's override applies."""
    flags = []
    for name in document.names():
        state = document.default(name)
        flags.append(_flag(document, name, state, "default" if state.percentage is None else "rollout"))
    return flags


def updates(
    before: FlagDocument, after: FlagDocument, scopes: Iterable[tuple[str | None, str]], *, by: str
) -> Iterable[FlagUpdated]:
    """What is to be said of the flags that differ between two documents, among those of `scopes`: tenant and flag."""
    for tenant_id, name in scopes:
        previous, current = _state(before, tenant_id, name), _state(after, tenant_id, name)
        if previous != current:
            yield FlagUpdated(name=name, tenant_id=tenant_id, previous=previous, current=current, changed_by=by)


def all_scopes(before: FlagDocument, after: FlagDocument) -> set[tuple[str | None, str]]:
    """Every default, and every tenant's override, that either document has."""
    defaults: set[tuple[str | None, str]] = {(None, name) for name in (*before.names(), *after.names())}
    return defaults | before.overrides().keys() | after.overrides().keys()


def _state(document: FlagDocument, tenant_id: str | None, name: str) -> FlagState:
    if name not in document:
        return FlagState(enabled=False)
    if tenant_id is None:
        default = document.default(name)
        return FlagState(enabled=default.enabled, value=default.value, percentage=default.percentage)
    found = document.evaluate(name, tenant_id)
    return FlagState(enabled=found.enabled, value=found.value)


def _flag(document: FlagDocument, name: str, state: DefaultState, source: Source) -> Flag:
    declared = document.registry.get(name)
    return Flag(
        name=name,
        enabled=state.enabled,
        value=state.value,
        source=source,
        description=declared.description if declared else "",
        kind=declared.kind if declared else "platform",
        type=declared.type if declared else "none",
        percentage=state.percentage,
        rollout_by=None if state.percentage is None else state.rollout_by,
    )


def _override(document: FlagDocument, tenant_id: str, name: str, change: FlagChange | None) -> OverrideState | None:
    _ensure_known(document, name)
    if change is None:
        return None
    if change.percentage is not None:
        raise FlagValueInvalid(f"flag {name}: a percentage is the platform's to set", details={"flag": name})
    value = document.evaluate(name, tenant_id).value if change.keeps_value else change.value
    return OverrideState(change.enabled, _checked(document, name, value))


def _default(document: FlagDocument, name: str, change: FlagChange | None) -> DefaultState | None:
    _ensure_known(document, name)
    if change is None:
        _declared(document, name)
        return None
    if change.percentage is not None and not change.enabled:
        raise FlagValueInvalid(f"flag {name}: a flag that is off has no percentage", details={"flag": name})
    value = document.default(name).value if change.keeps_value else change.value
    by = change.rollout_by if change.percentage is not None else "tenant"
    return DefaultState(change.enabled, _checked(document, name, value), change.percentage, by)


def _declared(document: FlagDocument, name: str) -> DefaultState:
    declared = document.registry.get(name)
    if declared is None:
        raise FlagValueInvalid(f"flag {name} is not declared: there is nothing to go back to", details={"flag": name})
    return DefaultState(declared.enabled, declared.value)


def _ensure_known(document: FlagDocument, name: str) -> None:
    if name not in document:
        raise FlagNotFound(f"there is no flag {name}", details={"flag": name})


def _checked(document: FlagDocument, name: str, value: JsonValue) -> JsonValue:
    declared = document.registry.get(name)
    if declared is None:
        if value is not None and not isinstance(value, str | int | bool):
            raise FlagValueInvalid(f"flag {name} is not declared as JSON", details={"flag": name})
        return value
    try:
        declared.check(value)
    except ValueError as error:
        raise FlagValueInvalid(str(error), details={"flag": name, "type": declared.type}) from error
    return value
