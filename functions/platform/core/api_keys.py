"""A tenant's API keys: made, listed, rotated, revoked. A secret is shown once and stored as a hash."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from functions.kit.clock import utc_now
from functions.kit.cursors import encode_cursor, id_in_cursor
from functions.kit.errors import Unprocessable
from functions.kit.identifiers import is_id, new_id
from functions.kit.principal import Principal, Role, hash_api_key, new_api_key
from functions.kit.subjects import KeyCreated, KeyRevoked, KeyRotated, UsageRecord
from functions.platform.core.api_key_models import ApiKey, ApiKeyFilter, ApiKeyStatus, NewApiKey, ShownApiKey
from functions.platform.core.member_errors import (
    ApiKeyNotFound,
    ApiKeyNotInForce,
    KeyAboveItsUser,
    UnknownReference,
)
from functions.platform.core.member_ports import ApiKeys, Users
from functions.platform.core.members import User, UserStatus, ensure_rank
from functions.platform.core.models import IssuedKey, Slice
from functions.platform.core.ports import Events, Tenants
from functions.platform.core.users import existing_tenant, locked_tenant

_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


class ListApiKeys:
    """Reads a tenant's keys."""

    def __init__(self, tenants: Tenants, keys: ApiKeys) -> None:
        self._tenants = tenants
        self._keys = keys

    async def __call__(self, tenant_id: str, wanted: ApiKeyFilter, limit: int, cursor: str | None) -> Slice[ApiKey]:
        """Those wanted, newest first, revoked ones included.

        Raises:
            TenantNotFound: there is no such tenant.
            InvalidRequest: the cursor is not one of this listing.
        """
        before = id_in_cursor(cursor)
        tenant_id = await existing_tenant(self._tenants, tenant_id)
        if not all(is_id(named) for named in (wanted.user_id, wanted.group_id) if named is not None):
            return Slice((), None)
        found = await self._keys.some(tenant_id, wanted, limit + 1, before)
        page = tuple(found[:limit])
        return Slice(page, encode_cursor(page[-1].id) if len(found) > limit else None)


class CreateApiKey:
    """Makes a key."""

    def __init__(self, tenants: Tenants, users: Users, keys: ApiKeys, events: Events) -> None:
        self._tenants = tenants
        self._users = users
        self._keys = keys
        self._events = events

    async def __call__(self, caller: Principal, tenant_id: str, wanted: NewApiKey) -> ShownApiKey:
        """Make a key.

        Raises:
            RoleTooHigh: the key's role, or its user's, is above the caller's own.
            Unprocessable: it would have expired already.
            TenantNotFound: there is no such tenant.
            UnknownReference: user or group are none of the tenant's, or the user was deactivated.
            KeyAboveItsUser: the user does not have the key's role.
        """
        ensure_rank(caller, wanted.role)
        now = utc_now()
        if wanted.expires_at is not None and not now < wanted.expires_at < _LATEST:
            raise Unprocessable("expiresAt must be after now and before 2200", details={"field": "expiresAt"})
        # Locked, or the user could be removed meanwhile and leave the key behind.
        tenant = await locked_tenant(self._tenants, tenant_id)
        if wanted.user_id is not None:
            owner = await self._owner(tenant.id, wanted.user_id)
            ensure_rank(caller, owner.role)
            if wanted.role is Role.ADMIN and owner.role is Role.USER:
                raise KeyAboveItsUser("the key's user is no admin", details={"field": "role"})
        if wanted.group_id is not None and not is_id(wanted.group_id):
            raise UnknownReference("the tenant has no such group", details={"field": "groupId"})
        issued = IssuedKey(new_id(), new_api_key())
        key = ApiKey(
            id=issued.id,
            tenant_id=tenant.id,
            name=wanted.name,
            role=wanted.role,
            user_id=wanted.user_id,
            group_id=wanted.group_id,
            models=wanted.models,
            hint=issued.hint,
            created_at=now,
            expires_at=wanted.expires_at,
        )
        await self._keys.add(key, hash_api_key(issued.secret))
        self._events.publish(KeyCreated(tenant_id=tenant.id, key_id=key.id), tenant.id)
        return ShownApiKey(key, issued)

    async def _owner(self, tenant_id: str, user_id: str) -> User:
        user = await self._users.find(tenant_id, user_id) if is_id(user_id) else None
        if user is None or user.status is UserStatus.DEACTIVATED:
            raise UnknownReference("the tenant has no such user who may call", details={"field": "userId"})
        return user


class RotateApiKey:
    """Gives a key another secret."""

    def __init__(self, tenants: Tenants, users: Users, keys: ApiKeys, events: Events) -> None:
        self._tenants = tenants
        self._users = users
        self._keys = keys
        self._events = events

    async def __call__(self, caller: Principal, tenant_id: str, key_id: str, grace: timedelta) -> ShownApiKey:
        """Make a new secret. The one before is good for a time of grace, and so is any older one at most.

        Raises:
            TenantNotFound: there is no such tenant.
            ApiKeyNotFound: it has no such key.
            RoleTooHigh: the key's role is above the caller's own.
            ApiKeyNotInForce: the key is not good, so there is nothing to replace.
        """
        now = utc_now()
        key = await _locked(self._keys, await existing_tenant(self._tenants, tenant_id), key_id)
        await _ensure_rank(caller, key, self._users)
        if key.status(now) is not ApiKeyStatus.ACTIVE:
            raise ApiKeyNotInForce(f"the key is {key.status(now)}", details={"status": key.status(now)})
        issued = IssuedKey(key.id, new_api_key())
        rotated = replace(key, hint=issued.hint, rotated_at=now)
        await self._keys.rotate(rotated, hash_api_key(issued.secret), now + grace)
        seconds = int(grace.total_seconds())
        self._events.publish(KeyRotated(tenant_id=key.tenant_id, key_id=key.id, grace_seconds=seconds), key.tenant_id)
        return ShownApiKey(rotated, issued)


class RevokeApiKey:
    """Ends a key."""

    def __init__(self, tenants: Tenants, users: Users, keys: ApiKeys, events: Events) -> None:
        self._tenants = tenants
        self._users = users
        self._keys = keys
        self._events = events

    async def __call__(self, caller: Principal, tenant_id: str, key_id: str) -> None:
        """End a key and all its former secrets for ever; sound to repeat.

        Raises:
            TenantNotFound: there is no such tenant.
            ApiKeyNotFound: it has no such key.
            RoleTooHigh: the key's role is above the caller's own.
        """
        key = await _locked(self._keys, await existing_tenant(self._tenants, tenant_id), key_id)
        await _ensure_rank(caller, key, self._users)
        if key.revoked_at is None:
            await self._keys.revoke(key.tenant_id, key.id, utc_now())
            self._events.publish(KeyRevoked(tenant_id=key.tenant_id, key_id=key.id), key.tenant_id)


class NoteKeyUse:
    """Notes when keys were used last, from the stream of metered calls."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def __call__(self, tenant_id: str, records: Sequence[UsageRecord]) -> None:
        """One note for each key of a batch, however many calls it made."""
        moments: dict[str, datetime] = {}
        for record in records:
            if record.api_key_id is not None and is_id(record.api_key_id):
                at = record.at if record.at.tzinfo else record.at.replace(tzinfo=UTC)
                moments[record.api_key_id] = max(at, moments.get(record.api_key_id, at))
        if moments:
            await self._keys.used(tenant_id, moments)


async def _ensure_rank(caller: Principal, key: ApiKey, users: Users) -> None:
    """Let nobody touch a key of somebody who is above them.

    Raises:
        RoleTooHigh: the caller's role is below the key's or its user's.
    """
    owner = await users.find(key.tenant_id, key.user_id) if key.user_id is not None else None
    ensure_rank(caller, key.role, *([owner.role] if owner is not None else []))


async def _locked(keys: ApiKeys, tenant_id: str, key_id: str) -> ApiKey:
    key = await keys.lock(tenant_id, key_id) if is_id(key_id) else None
    if key is None:
        raise ApiKeyNotFound("the tenant has no such API key")
    return key
