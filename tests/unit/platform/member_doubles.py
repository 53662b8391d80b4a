"""Ports of users, groups and API keys that end in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from functions.kit.clock import utc_now
from functions.kit.principal import Principal, Role
from functions.platform.core.api_key_models import ApiKey, ApiKeyFilter
from functions.platform.core.api_keys import CreateApiKey, RevokeApiKey, RotateApiKey
from functions.platform.core.members import User, UserFilter, UserStatus
from functions.platform.core.models import Plan, Tenant, TenantStatus
from functions.platform.core.users import CreateUser, RemoveUser, UpdateUser
from tests.unit.platform.doubles import MemoryEvents, MemoryPlatform, MemoryTenants

TENANT = Tenant("0190a000-0000-7000-8000-000000000001", "t", "T", TenantStatus.ACTIVE, Plan.FREE, None, utc_now())


class MemoryUsers:
    """Port `Users`."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}

    async def add(self, user: User) -> None:
        self.users[user.id] = user

    async def find(self, tenant_id: str, user_id: str) -> User | None:
        user = self.users.get(user_id)
        return user if user is not None and user.status is not UserStatus.REMOVED else None

    async def some(self, tenant_id: str, wanted: UserFilter, limit: int, before: str | None) -> Sequence[User]:
        return sorted(self.users.values(), key=lambda user: user.id, reverse=True)[:limit]

    async def change(self, user: User) -> User:
        self.users[user.id] = user
        return user

    async def remove(self, tenant_id: str, user_id: str) -> None:
        self.users[user_id] = replace(self.users[user_id], status=UserStatus.REMOVED)

    async def has_other_admin(self, tenant_id: str, user_id: str) -> bool:
        return any(user.is_acting_admin for user in self.users.values() if user.id != user_id)


class MemoryKeys:
    """Port `ApiKeys`."""

    def __init__(self) -> None:
        self.keys: dict[str, ApiKey] = {}
        self.hashes: dict[str, list[str]] = {}
        self.former_until: datetime | None = None
        self.moments: dict[str, datetime] = {}

    async def add(self, key: ApiKey, key_hash: str) -> None:
        self.keys[key.id], self.hashes[key.id] = key, [key_hash]

    async def lock(self, tenant_id: str, key_id: str) -> ApiKey | None:
        return self.keys.get(key_id)

    async def some(self, tenant_id: str, wanted: ApiKeyFilter, limit: int, before: str | None) -> Sequence[ApiKey]:
        return list(self.keys.values())[:limit]

    async def rotate(self, key: ApiKey, key_hash: str, former_until: datetime) -> None:
        self.keys[key.id], self.former_until = key, former_until
        self.hashes[key.id].append(key_hash)

    async def revoke(self, tenant_id: str, key_id: str, now: datetime) -> None:
        self.keys[key_id] = replace(self.keys[key_id], revoked_at=now)

    async def revoke_of_user(self, tenant_id: str, user_id: str, now: datetime) -> Sequence[str]:
        ended = [key.id for key in self.keys.values() if key.user_id == user_id and key.revoked_at is None]
        for key_id in ended:
            await self.revoke(tenant_id, key_id, now)
        return ended

    async def used(self, tenant_id: str, moments: Mapping[str, datetime]) -> None:
        self.moments.update(moments)


@dataclass
class Office:
    """The use cases on one tenant in memory, and who may use them."""

    platform: MemoryPlatform = field(default_factory=lambda: MemoryPlatform(tenants={TENANT.id: TENANT}))
    users: MemoryUsers = field(default_factory=MemoryUsers)
    keys: MemoryKeys = field(default_factory=MemoryKeys)

    def __post_init__(self) -> None:
        tenants, events = MemoryTenants(self.platform), MemoryEvents(self.platform)
        self.create_user = CreateUser(tenants, self.users, events)
        self.update_user = UpdateUser(tenants, self.users, events)
        self.remove_user = RemoveUser(tenants, self.users, self.keys, events)
        self.create_key = CreateApiKey(tenants, self.users, self.keys, events)
        self.rotate_key = RotateApiKey(tenants, self.users, self.keys, events)
        self.revoke_key = RevokeApiKey(tenants, self.users, self.keys, events)

    @property
    def told(self) -> list[str]:
        return [event.subject for event in self.platform.events]


def caller(*roles: Role) -> Principal:
    return Principal("s", "user", TENANT.id, frozenset(roles))


CLERK, ADMIN, OPERATOR = caller(), caller(Role.ADMIN), caller(Role.SUPERADMIN)
