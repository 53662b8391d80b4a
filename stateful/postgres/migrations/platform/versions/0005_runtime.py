"""Schema `runtime`: what every other context and the kit may read of the platform's tables, and nothing else."""

from sqlalchemy import Connection

revision = "0005"
down_revision = "0004"

_CREATE = (
    "CREATE SCHEMA runtime",
    """
    CREATE VIEW runtime.tenants AS
        SELECT id, slug, name, status, plan, region, database, settings FROM tenants
    """,
    """
    CREATE VIEW runtime.tenant_databases AS
        SELECT id AS tenant_id, database, database_role AS role, database_secret AS secret
        FROM tenants WHERE database_secret IS NOT NULL
    """,
    """
    CREATE VIEW runtime.tenant_keys AS
        SELECT tenant_id, version, kek_id, wrapped, active FROM tenant_keys
    """,
    """
    CREATE VIEW runtime.api_keys AS
        SELECT k.key_hash, k.id AS key_id, k.tenant_id, k.user_id, k.roles, k.revoked_at IS NULL AS active,
               k.expires_at, t.status AS tenant_status, t.plan AS tenant_plan
        FROM api_keys k JOIN tenants t ON t.id = k.tenant_id
    """,
    """
    CREATE VIEW runtime.providers AS
        SELECT tenant_id, id, name, kind, position, base_url, secret, secret_ref, models, embedding_model,
               default_model, updated_at
        FROM providers
    """,
)


def upgrade(connection: Connection) -> None:
    """Create the views."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop the views."""
    connection.exec_driver_sql("DROP SCHEMA runtime CASCADE")
