"""The prompt library: texts for models in versions, and which of them hold for which label."""

from sqlalchemy import Connection

revision = "0018"
down_revision = "0017"

_CREATE = (
    """
    CREATE TABLE prompts (
        id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        name text NOT NULL,
        description text NOT NULL,
        latest int NOT NULL,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL,
        UNIQUE (tenant_id, name)
    )
    """,
    """
    CREATE TABLE prompt_versions (
        prompt_id uuid NOT NULL REFERENCES prompts ON DELETE CASCADE,
        number int NOT NULL,
        template text NOT NULL,
        variables text[] NOT NULL,
        note text NOT NULL,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (prompt_id, number)
    )
    """,
    # What was done to labels, kept as it was; null is the version where a label was taken away. `previous_id` is what
    # rolling back returns to, so that doing it again goes further back and not to and fro.
    """
    CREATE TABLE prompt_deployments (
        id uuid PRIMARY KEY,
        prompt_id uuid NOT NULL REFERENCES prompts ON DELETE CASCADE,
        label text NOT NULL,
        version int,
        previous_id uuid,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL,
        UNIQUE (prompt_id, id),
        FOREIGN KEY (prompt_id, version) REFERENCES prompt_versions,
        FOREIGN KEY (prompt_id, previous_id) REFERENCES prompt_deployments (prompt_id, id)
    )
    """,
    """
    CREATE TABLE prompt_labels (
        prompt_id uuid NOT NULL,
        label text NOT NULL,
        deployment_id uuid NOT NULL,
        PRIMARY KEY (prompt_id, label),
        FOREIGN KEY (prompt_id, deployment_id) REFERENCES prompt_deployments (prompt_id, id) ON DELETE CASCADE
    )
    """,
    """
    CREATE VIEW runtime.prompts AS
        SELECT p.tenant_id, p.name, l.label, v.number AS version, v.template
        FROM prompt_labels l
        JOIN prompt_deployments d ON d.id = l.deployment_id
        JOIN prompts p ON p.id = l.prompt_id
        JOIN prompt_versions v ON v.prompt_id = l.prompt_id AND v.number = d.version
    """,
)
_DROP = (
    "DROP VIEW runtime.prompts",
    "DROP TABLE prompt_labels",
    "DROP TABLE prompt_deployments",
    "DROP TABLE prompt_versions",
    "DROP TABLE prompts",
)


def upgrade(connection: Connection) -> None:
    """Create the tables and the view."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop them, with every prompt."""
    for statement in _DROP:
        connection.exec_driver_sql(statement)
