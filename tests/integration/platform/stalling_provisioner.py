"""A process that begins to provision the tenant of a slug, says so when its database is made, and never goes on.

Reads the settings from the environment, as a function does.
"""

import asyncio
import sys

from functions.kit.database import Databases, UnitOfWork
from functions.kit.runtime import Runtime
from functions.kit.settings import load_settings
from functions.platform.adapters.outbox import OutboxEvents
from functions.platform.adapters.postgres_server import PostgresServer
from functions.platform.adapters.postgres_tenants import PostgresTenants
from functions.platform.core.models import NewTenant
from functions.platform.core.provision_tenant import ProvisionTenant
from tests.integration.platform.broken import breaking


async def _say_so_and_stall() -> None:
    sys.stdout.write("made\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def main(slug: str) -> None:
    runtime = Runtime(load_settings())
    settings = runtime.settings
    assert settings.database_admin_url is not None
    server = PostgresServer(Databases(settings.database_admin_url.get_secret_value()))
    provision = ProvisionTenant(
        PostgresTenants(Databases(settings.database_url.get_secret_value())),
        breaking(server, "create_database", _say_so_and_stall),
        runtime.key_management,
        runtime.secrets,
        OutboxEvents(),
    )
    async with UnitOfWork(runtime.databases):
        await provision(NewTenant("Stalled", slug))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
