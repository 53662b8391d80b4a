"""Rotating keys while everything goes on: tenants' data keys, and the key-encryption key over them.

Older data keys stay, and so do older key-encryption keys: whoever has read a secret under one must still be able to
open it, a backup's restorer included. A step that broke off is taken up by running it again.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from functions.kit.secrets import KeyManagement, Place, WrappedKey, new_data_key
from functions.platform.core.errors import TenantNotFound
from functions.platform.core.models import TenantStatus, tenant_id_of
from functions.platform.core.ports import Tenants

Transaction = Callable[[], AbstractAsyncContextManager[object]]
_BATCH = 50


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret as it is stored."""

    place: Place
    ciphertext: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DataKeyVersion:
    """A version of a tenant's data key.

    Attributes:
        is_complete: whether every secret of the tenant has come under it.
    """

    tenant_id: str
    version: int
    wrapped: WrappedKey
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did.

    Attributes:
        version: the tenant's active data key now.
        resealed: secrets that came under it.
        is_resumed: it finished one that had broken off, and made no new key.
    """

    tenant_id: str
    version: int
    resealed: int
    is_resumed: bool


class SealedSecrets(Protocol):
    """Every secret that is stored under a tenant's data key, wherever that is, within the unit of work."""

    async def older(self, tenant_id: str, version: int, limit: int) -> Sequence[SealedSecret]:
        """Those under a version below this one."""
        ...

    async def replace(self, secret: SealedSecret, ciphertext: bytes) -> bool:
        """Store another ciphertext in a secret's place, unless it has changed meanwhile."""
        ...


class TenantKeys(Protocol):
    """The tenants' wrapped data keys, within the unit of work."""

    async def active(self, tenant_id: str) -> DataKeyVersion:
        """The version that new secrets are encrypted with."""
        ...

    async def activate(self, key: DataKeyVersion) -> None:
        """Add a version and make it the active one."""
        ...

    async def complete(self, tenant_id: str, version: int) -> None:
        """Note that every secret of the tenant is under this version."""
        ...

    async def older_than(self, moment: datetime) -> Sequence[str]:
        """Ids of the tenants whose active data key is older, or not complete; none in provisioning."""
        ...

    async def not_under(self, kek_id: str, limit: int) -> Sequence[DataKeyVersion]:
        """Data keys, of all versions, that another key-encryption key wraps, held until the unit of work ends."""
        ...

    async def rewrap(self, key: DataKeyVersion, wrapped: WrappedKey) -> None:
        """Store a data key as wrapped anew."""
        ...


class Box(Protocol):
    """Encryption under a tenant's data keys, as other processes see them."""

    async def encrypt(self, place: Place, secret: bytes) -> bytes:
        """Under the active one."""
        ...

    async def decrypt(self, place: Place, ciphertext: bytes) -> bytes:
        """Under whichever it is."""
        ...


class RotateDataKey:
    """Gives a tenant a new data key and brings its secrets under it.

    Args:
        transaction: opens a unit of work.
    """

    def __init__(
        self,
        tenants: Tenants,
        keys: TenantKeys,
        sealed: SealedSecrets,
        *,
        management: KeyManagement,
        box: Box,
        transaction: Transaction,
    ) -> None:
        self._tenants = tenants
        self._keys = keys
        self._sealed = sealed
        self._management = management
        self._box = box
        self._transaction = transaction

    async def older_than(self, moment: datetime) -> Sequence[str]:
        """Ids of the tenants whose data key is older, or whose rotation broke off."""
        async with self._transaction():
            return await self._keys.older_than(moment)

    async def __call__(self, tenant_id: str) -> Rotation:
        """Rotate, or finish the rotation that broke off before.

        Raises:
            TenantNotFound: there is no such tenant, or it is still being provisioned.
            Internal: a secret does not open; all others are where they should be.
            DependencyUnavailable: Postgres or the key management is away.
        """
        async with self._transaction():
            await self._hold(tenant_id)
            key = await self._keys.active(tenant_id)
            is_resumed = not key.is_complete
            if not is_resumed:
                wrapped = await self._management.wrap(new_data_key(), tenant_id)
                key = DataKeyVersion(tenant_id, key.version + 1, wrapped, is_complete=False)
                await self._keys.activate(key)
        resealed = 0
        # From here on all encrypt under the new version; who began before holds the tenant, or is found next time.
        while batch := await self._reseal(tenant_id, key.version):
            resealed += batch
        async with self._transaction():
            await self._keys.complete(tenant_id, key.version)
        return Rotation(tenant_id, key.version, resealed, is_resumed)

    async def _reseal(self, tenant_id: str, version: int) -> int:
        async with self._transaction():
            # Held, because whoever replaces providers writes back what he has read.
            await self._hold(tenant_id)
            batch = await self._sealed.older(tenant_id, version, _BATCH)
            for secret in batch:
                opened = await self._box.decrypt(secret.place, secret.ciphertext)
                await self._sealed.replace(secret, await self._box.encrypt(secret.place, opened))
        return len(batch)

    async def _hold(self, tenant_id: str) -> None:
        tenant = await self._tenants.lock(tenant_id_of(tenant_id))
        if tenant is None or tenant.status is TenantStatus.PROVISIONING:
            raise TenantNotFound("there is no such tenant")


class RewrapDataKeys:
    """Brings every tenant's data keys under the active key-encryption key."""

    def __init__(self, keys: TenantKeys, management: KeyManagement, transaction: Transaction) -> None:
        self._keys = keys
        self._management = management
        self._transaction = transaction

    async def is_due(self) -> bool:
        """Whether some data key is under another key-encryption key."""
        kek_id = await self._active()
        async with self._transaction():
            return bool(await self._keys.not_under(kek_id, 1))

    async def __call__(self, tell: Callable[[int], None]) -> int:
        """Rewrap; the data keys themselves, and all secrets under them, stay as they are.

        Args:
            tell: called with the number of keys done so far.

        Returns:
            how many were rewrapped.

        Raises:
            Internal: a data key's key-encryption key is gone; those before it are done.
        """
        done, kek_id = 0, await self._active()
        while batch := await self._batch(kek_id):
            done += batch
            tell(done)
        return done

    async def _batch(self, kek_id: str) -> int:
        async with self._transaction():
            batch = await self._keys.not_under(kek_id, _BATCH)
            for key in batch:
                opened = await self._management.unwrap(key.wrapped, key.tenant_id)
                await self._keys.rewrap(key, await self._management.wrap(opened, key.tenant_id))
        return len(batch)

    async def _active(self) -> str:
        """Id of the active key-encryption key: what the service would wrap with now."""
        return (await self._management.wrap(new_data_key(), "")).kek_id
