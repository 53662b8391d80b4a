"""What tenants, and the platform, add to the default access policies: one document each."""

from sqlalchemy import Connection

revision = "0006"
down_revision = "0005"

_CREATE = (
    "CREATE SEQUENCE policy_versions",
    # No tenant stands for the platform itself.
    """
    CREATE TABLE policies (
        tenant_id uuid REFERENCES tenants ON DELETE CASCADE,
        version bigint NOT NULL,
        document jsonb NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE NULLS NOT DISTINCT (tenant_id)
    )
    """,
    "CREATE UNIQUE INDEX policies_by_version ON policies (version)",
    "CREATE VIEW runtime.policies AS SELECT tenant_id, version, document FROM policies",
)
_DROP = ("DROP VIEW runtime.policies", "DROP TABLE policies", "DROP SEQUENCE policy_versions")


def upgrade(connection: Connection) -> None:
    """Create the table and what others may read of it."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop both; the default policies alone hold."""
    for statement in _DROP:
        connection.exec_driver_sql(statement)
