"""The composition root of key rotation, for the command that rotates: it shares nothing with a function's process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from functions.kit.data_keys import PostgresDataKeys
from functions.kit.database import Databases, UnitOfWork
from functions.kit.secrets import FileKeyManagement, SecretBox
from functions.kit.settings import Settings
from functions.kit.tenancy import TenantDatabaseCredentials
from functions.platform.adapters.postgres_keys import PostgresSealedSecrets, PostgresTenantKeys
from functions.platform.adapters.postgres_tenants import PostgresTenants
from functions.platform.core.rotate_keys import RewrapDataKeys, RotateDataKey

_CONNECTIONS = 3


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """The use cases, and the platform database they work on."""

    rotate_data_key: RotateDataKey
    rewrap_data_keys: RewrapDataKeys
    databases: Databases


@asynccontextmanager
async def key_rotation(settings: Settings) -> AsyncIterator[KeyRotation]:
    """Wire them; the connections end with the block."""
    management = FileKeyManagement(settings.kek_file)
    keys = PostgresTenantKeys()

    async def credentials(database: str) -> tuple[str, str]:
        return await TenantDatabaseCredentials(databases, box)(database)

    databases = Databases(
        settings.database_url.get_secret_value(),
        pool_size=_CONNECTIONS,
        # The platform's and the one of the tenant that is being rotated.
        pools=2,
        timeout=settings.database_timeout_seconds,
        credentials=credentials,
    )
    box = SecretBox(PostgresDataKeys(databases, management))

    def transaction() -> UnitOfWork:
        return UnitOfWork(databases)

    try:
        yield KeyRotation(
            RotateDataKey(
                PostgresTenants(databases),
                keys,
                PostgresSealedSecrets(),
                management=management,
                box=box,
                transaction=transaction,
            ),
            RewrapDataKeys(keys, management, transaction),
            databases,
        )
    finally:
        await databases.close()
