"""Flags in the platform database: the embedded adapter, which needs no Flagsmith server."""

from collections.abc import Mapping

from functions.kit.database import connection, unit_of_work
from functions.kit.errors import DependencyUnavailable
from functions.kit.events import Event
from functions.kit.flag_document import DefaultState, FlagDocument, OverrideState
from functions.kit.flag_registry import FlagRegistry
from functions.kit.flag_sources import read_rows
from functions.kit.secrets import Place, SecretBox
from functions.kit.subjects import FlagUpdated
from functions.kit.tenancy import TenantDirectory
from functions.platform.adapters.outbox import SOURCE
from functions.platform.core.flags_ports import Refreshable, Webhook

_HOLD = "SELECT revision FROM flag_revision FOR UPDATE"
_PUT_DEFAULT = """
    INSERT INTO flag_defaults (name, enabled, value, percentage, rollout_by, updated_at)
    VALUES ($1, $2, $3, $4::float8::numeric, $5, now())
    ON CONFLICT (name) DO UPDATE SET
        enabled = excluded.enabled, value = excluded.value, percentage = excluded.percentage,
        rollout_by = excluded.rollout_by, updated_at = excluded.updated_at
"""
_REMOVE_DEFAULT = "DELETE FROM flag_defaults WHERE name = $1"
_SEGMENT = """
    INSERT INTO flag_segments (tenant_id) VALUES ($1)
    ON CONFLICT (tenant_id) DO UPDATE SET tenant_id = excluded.tenant_id RETURNING id
"""
_PUT_OVERRIDE = """
    INSERT INTO flag_overrides (segment_id, name, enabled, value, updated_at) VALUES ($1, $2, $3, $4, now())
    ON CONFLICT (segment_id, name) DO UPDATE SET
        enabled = excluded.enabled, value = excluded.value, updated_at = excluded.updated_at
"""
_REMOVE_OVERRIDE = "DELETE FROM flag_overrides WHERE segment_id = $1 AND name = $2"
_KEEP = """
    INSERT INTO flag_document (document, stored_at) VALUES ($1, now())
    ON CONFLICT (only_one) DO UPDATE SET document = excluded.document, stored_at = excluded.stored_at
"""
_FIND_WEBHOOK = "SELECT url, secret, created_at, updated_at FROM flag_webhooks WHERE tenant_id = $1"
_PUT_WEBHOOK = """
    INSERT INTO flag_webhooks (tenant_id, url, secret, created_at, updated_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (tenant_id) DO UPDATE SET
        url = excluded.url, secret = excluded.secret, updated_at = excluded.updated_at
"""
_REMOVE_WEBHOOK = "DELETE FROM flag_webhooks WHERE tenant_id = $1 RETURNING true"


class PostgresFlags:
    """Port `FlagStore`.

    Args:
        following: what answers while the database is away.
    """

    def __init__(self, registry: FlagRegistry, environment: str, following: Refreshable) -> None:
        self._registry = registry
        self._environment = environment
        self._following = following

    async def hold(self) -> None:
        """Lock the revision, which every change moves."""
        await (await connection()).execute(_HOLD)

    async def latest(self) -> FlagDocument:
        """The rows as the unit of work sees them; what was known last while the database is away."""
        try:
            session = await connection()
        except DependencyUnavailable:
            return self._following.document
        return FlagDocument(await read_rows(session, self._registry, self._environment), self._registry)

    async def change_defaults(self, known: FlagDocument, changes: Mapping[str, DefaultState | None]) -> None:  # noqa: ARG002
        """Set rows; a flag without one is as declared."""
        session = await connection()
        for name, state in changes.items():
            if state is None:
                await session.execute(_REMOVE_DEFAULT, name)
            else:
                await session.execute(
                    _PUT_DEFAULT, name, state.enabled, state.value, state.percentage, state.rollout_by
                )

    async def change_overrides(
        self,
        known: FlagDocument,  # noqa: ARG002
        tenant_id: str,
        changes: Mapping[str, OverrideState | None],
    ) -> None:
        """Set rows of the tenant's segment, which is made with its first override and stays."""
        session = await connection()
        segment = await session.fetchval(_SEGMENT, tenant_id)
        for name, state in changes.items():
            if state is None:
                await session.execute(_REMOVE_OVERRIDE, segment, name)
            else:
                await session.execute(_PUT_OVERRIDE, segment, name, state.enabled, state.value)


class PostgresWebhooks:
    """Port `Webhooks`; the secret is stored under its tenant's data key."""

    def __init__(self, secrets: SecretBox) -> None:
        self._secrets = secrets

    async def find(self, tenant_id: str) -> Webhook | None:
        """The tenant's, if it has one."""
        row = await (await connection()).fetchrow(_FIND_WEBHOOK, tenant_id)
        if row is None:
            return None
        secret = await self._secrets.decrypt(_place(tenant_id), bytes(row["secret"]))
        return Webhook(row["url"], secret.decode(), row["created_at"], row["updated_at"])

    async def put(self, tenant_id: str, webhook: Webhook) -> None:
        """Register it, in place of another."""
        secret = await self._secrets.encrypt(_place(tenant_id), webhook.secret.encode())
        await (await connection()).execute(
            _PUT_WEBHOOK, tenant_id, webhook.url, secret, webhook.created_at, webhook.updated_at
        )

    async def remove(self, tenant_id: str) -> bool:
        """Forget it; whether there was one."""
        return bool(await (await connection()).fetchval(_REMOVE_WEBHOOK, tenant_id))


class KnownTenants:
    """Port `TenantPresence`: the directory that requests are admitted by."""

    def __init__(self, directory: TenantDirectory) -> None:
        self._directory = directory

    async def exists(self, tenant_id: str) -> bool:
        """Whether there is such a tenant."""
        return await self._directory.find(tenant_id) is not None


class OutboxFlagEvents:
    """Port `FlagEvents`."""

    def publish(self, update: FlagUpdated) -> None:
        """Say it if and only if the unit of work commits."""
        unit_of_work().emit(Event.of(update, tenant_id=update.tenant_id, source=SOURCE))


async def keep_document(document: FlagDocument) -> None:
    """Keep a Flagsmith server's document, for functions that start while the server is away."""
    await (await connection()).execute(_KEEP, document.raw)


def _place(tenant_id: str) -> Place:
    return Place(tenant_id, "flag_webhooks", tenant_id, "secret")
