"""Feature flags: what operators changed, tenants' overrides, webhooks, and the last document of a Flagsmith server.

Declarations are not here but in stateful/flagsmith/features.yaml. A revision moves with every change, however it is
made, so that functions can follow by asking for one number.
"""

from sqlalchemy import Connection

revision = "0007"
down_revision = "0006"

_NAME = "name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]{0,99}$')"
_TABLES = ("flag_defaults", "flag_segments", "flag_overrides")
_CREATE = (
    """
    CREATE TABLE flag_revision (
        only_one bool PRIMARY KEY DEFAULT true CHECK (only_one),
        revision bigint NOT NULL,
        updated_at timestamptz NOT NULL
    )
    """,
    "INSERT INTO flag_revision (revision, updated_at) VALUES (0, now())",
    f"""
    CREATE TABLE flag_defaults (
        {_NAME} PRIMARY KEY,
        enabled bool NOT NULL,
        value jsonb,
        percentage numeric(5, 2) CHECK (percentage BETWEEN 0 AND 100),
        rollout_by text NOT NULL DEFAULT 'tenant' CHECK (rollout_by IN ('tenant', 'user')),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CHECK (enabled OR percentage IS NULL)
    )
    """,
    # Flagsmith's SDKs know a segment by a number of 32 bits, for as long as the tenant lives.
    """
    CREATE TABLE flag_segments (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        tenant_id uuid NOT NULL UNIQUE REFERENCES tenants ON DELETE CASCADE
    )
    """,
    f"""
    CREATE TABLE flag_overrides (
        segment_id int NOT NULL REFERENCES flag_segments ON DELETE CASCADE,
        {_NAME},
        enabled bool NOT NULL,
        value jsonb,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (segment_id, name)
    )
    """,
    """
    CREATE TABLE flag_webhooks (
        tenant_id uuid PRIMARY KEY REFERENCES tenants ON DELETE CASCADE,
        url text NOT NULL,
        secret bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE flag_document (
        only_one bool PRIMARY KEY DEFAULT true CHECK (only_one),
        document jsonb NOT NULL,
        stored_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE FUNCTION flags_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE public.flag_revision SET revision = revision + 1, updated_at = clock_timestamp();
        RETURN NULL;
    END $$
    """,
    *(
        f"""
        CREATE TRIGGER flags_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION flags_changed()
        """
        for table in _TABLES
    ),
    "CREATE VIEW runtime.flag_revision AS SELECT revision, updated_at FROM flag_revision",
    "CREATE VIEW runtime.flag_defaults AS SELECT name, enabled, value, percentage, rollout_by FROM flag_defaults",
    """
    CREATE VIEW runtime.flag_overrides AS
        SELECT s.tenant_id, s.id AS segment_id, o.name, o.enabled, o.value
        FROM flag_overrides o JOIN flag_segments s ON s.id = o.segment_id
    """,
    "CREATE VIEW runtime.flag_document AS SELECT document, stored_at FROM flag_document",
)
_DROP = (
    "DROP VIEW runtime.flag_document",
    "DROP VIEW runtime.flag_overrides",
    "DROP VIEW runtime.flag_defaults",
    "DROP VIEW runtime.flag_revision",
    "DROP TABLE flag_document",
    "DROP TABLE flag_webhooks",
    "DROP TABLE flag_overrides",
    "DROP TABLE flag_segments",
    "DROP TABLE flag_defaults",
    "DROP FUNCTION flags_changed",
    "DROP TABLE flag_revision",
)


def upgrade(connection: Connection) -> None:
    """Create the tables and what of them is published."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop them, with what operators and tenants have set."""
    for statement in _DROP:
        connection.exec_driver_sql(statement)
