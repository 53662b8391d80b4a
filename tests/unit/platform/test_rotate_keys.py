"""Rotation of data keys and of the key-encryption key, step by step."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest

from functions.kit.errors import Internal
from functions.kit.secrets import (
    DataKey,
    FileKeyManagement,
    Place,
    SecretBox,
    WrappedKey,
    create_key_file,
    new_data_key,
    rotate_key_file,
)
from functions.platform.core.errors import TenantNotFound
from functions.platform.core.models import TenantStatus
from functions.platform.core.rotate_keys import DataKeyVersion, RewrapDataKeys, RotateDataKey, SealedSecret
from tests.unit.platform.doubles import MemoryPlatform, MemoryTenants
from tests.unit.platform.member_doubles import TENANT

MANY = 120


@dataclass
class Vault:
    """Ports `TenantKeys`, `SealedSecrets` and the kit's `DataKeys` on one tenant.

    Attributes:
        breaks_after: secrets that can be replaced before the process dies; None for all.
    """

    management: FileKeyManagement
    keys: list[DataKeyVersion] = field(default_factory=list)
    secrets: dict[str, SealedSecret] = field(default_factory=dict)
    breaks_after: int | None = None

    async def active(self, tenant_id: str) -> DataKeyVersion:
        return self.keys[-1]

    async def activate(self, key: DataKeyVersion) -> None:
        self.keys.append(key)

    async def complete(self, tenant_id: str, version: int) -> None:
        self.keys[version - 1] = replace(self.keys[version - 1], is_complete=True)

    async def older_than(self, moment: datetime) -> Sequence[str]:
        return [TENANT.id]

    async def not_under(self, kek_id: str, limit: int) -> Sequence[DataKeyVersion]:
        return [key for key in self.keys if key.wrapped.kek_id != kek_id][:limit]

    async def rewrap(self, key: DataKeyVersion, wrapped: WrappedKey) -> None:
        self.keys[key.version - 1] = replace(key, wrapped=wrapped)

    async def older(self, tenant_id: str, version: int, limit: int) -> Sequence[SealedSecret]:
        found = [each for each in self.secrets.values() if int.from_bytes(each.ciphertext[:4], "big") < version]
        return found[:limit]

    async def replace(self, secret: SealedSecret, ciphertext: bytes) -> bool:
        if self.breaks_after is not None:
            if self.breaks_after == 0:
                raise ConnectionResetError
            self.breaks_after -= 1
        self.secrets[secret.place.row] = replace(secret, ciphertext=ciphertext)
        return True

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield


class Keys:
    """The kit's `DataKeys`, out of the vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def active(self, tenant_id: str) -> DataKey:
        return await self.version(tenant_id, self._vault.keys[-1].version)

    async def version(self, tenant_id: str, version: int) -> DataKey:
        wrapped = self._vault.keys[version - 1].wrapped
        return DataKey(version, await self._vault.management.unwrap(wrapped, tenant_id))


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    create_key_file(tmp_path / "kek.json")
    return tmp_path / "kek.json"


@pytest.fixture
async def vault(key_file: Path) -> Vault:
    management = FileKeyManagement(key_file)
    vault = Vault(management, [DataKeyVersion(TENANT.id, 1, await management.wrap(new_data_key(), TENANT.id))])
    box = SecretBox(Keys(vault))
    for number in range(MANY):
        place = Place(TENANT.id, "providers", str(number), "secret")
        vault.secrets[str(number)] = SealedSecret(place, await box.encrypt(place, f"secret {number}".encode()))
    return vault


def rotation(vault: Vault, status: TenantStatus = TenantStatus.ACTIVE) -> RotateDataKey:
    tenants = MemoryTenants(MemoryPlatform(tenants={TENANT.id: replace(TENANT, status=status)}))
    return RotateDataKey(
        tenants,
        vault,
        vault,
        management=vault.management,
        box=SecretBox(Keys(vault)),
        transaction=vault.transaction,
    )


async def opened(vault: Vault) -> list[str]:
    box = SecretBox(Keys(vault))
    return [(await box.decrypt(each.place, each.ciphertext)).decode() for each in vault.secrets.values()]


def versions(vault: Vault) -> set[int]:
    return {int.from_bytes(each.ciphertext[:4], "big") for each in vault.secrets.values()}


async def test_every_secret_comes_under_the_new_key(vault: Vault) -> None:
    done = await rotation(vault)(TENANT.id)
    assert (done.version, done.resealed, done.is_resumed) == (2, MANY, False)
    assert versions(vault) == {2}
    assert await opened(vault) == [f"secret {number}" for number in range(MANY)]
    assert (await rotation(vault)(TENANT.id)).version == 3


async def test_what_broke_off_is_finished_under_the_same_key(vault: Vault) -> None:
    vault.breaks_after = 70
    with pytest.raises(ConnectionResetError):
        await rotation(vault)(TENANT.id)
    assert versions(vault) == {1, 2}
    assert await opened(vault) == [f"secret {number}" for number in range(MANY)]
    vault.breaks_after = None
    done = await rotation(vault)(TENANT.id)
    assert (done.version, done.resealed, done.is_resumed) == (2, MANY - 70, True)
    assert versions(vault) == {2}


async def test_a_secret_that_does_not_open_stops_it(vault: Vault) -> None:
    spoilt = vault.secrets["5"]
    vault.secrets["5"] = replace(spoilt, ciphertext=spoilt.ciphertext[:-1] + b"\0")
    with pytest.raises(Internal):
        await rotation(vault)(TENANT.id)


async def test_a_tenant_in_provisioning_is_left_alone(vault: Vault) -> None:
    with pytest.raises(TenantNotFound):
        await rotation(vault, TenantStatus.PROVISIONING)(TENANT.id)
    assert len(vault.keys) == 1


async def test_data_keys_of_all_versions_come_under_the_new_key_encryption_key(vault: Vault, key_file: Path) -> None:
    await rotation(vault)(TENANT.id)
    rewrap = RewrapDataKeys(vault, vault.management, vault.transaction)
    assert not await rewrap.is_due()
    name = rotate_key_file(key_file)
    assert await rewrap.is_due()
    told: list[int] = []
    assert await rewrap(told.append) == 2
    assert told == [2]
    assert {key.wrapped.kek_id for key in vault.keys} == {name}
    assert await opened(vault) == [f"secret {number}" for number in range(MANY)]
    assert await rewrap(told.append) == 0
