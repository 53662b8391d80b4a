"""Users and their groups, branding, keys that rotate, and API keys that belong to somebody and say when they were used.

A user who is removed leaves a row behind, without name and address: tokens live on for a while and must find it there.
`api_keys.user_id` of the first revision never held anything; `owner_id` takes its place and refers to a user.
"""

from sqlalchemy import Connection

revision = "0009"
down_revision = "0007"

_CREATE = (
    "ALTER TABLE tenants ADD COLUMN branding jsonb NOT NULL DEFAULT '{}'",
    """
    CREATE TABLE users (
        id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        subject text,
        email text,
        name text,
        role text NOT NULL CHECK (role IN ('superadmin', 'admin', 'user')),
        status text NOT NULL CHECK (status IN ('invited', 'active', 'deactivated', 'removed')),
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (tenant_id, id),
        CHECK (status = 'removed' OR email IS NOT NULL),
        CHECK (status <> 'active' OR subject IS NOT NULL)
    )
    """,
    "CREATE UNIQUE INDEX users_by_subject ON users (tenant_id, subject) WHERE status <> 'removed'",
    "CREATE UNIQUE INDEX users_by_email ON users (tenant_id, lower(email)) WHERE status <> 'removed'",
    # Those removed included: that is where a token of theirs must be found out.
    "CREATE INDEX users_of_subject ON users (tenant_id, subject)",
    """
    CREATE TABLE groups (
        id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        name text NOT NULL,
        description text NOT NULL DEFAULT '',
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (tenant_id, id)
    )
    """,
    "CREATE UNIQUE INDEX groups_by_name ON groups (tenant_id, lower(name))",
    # Both references hold the tenant: nobody is ever in another tenant's group.
    """
    CREATE TABLE group_members (
        tenant_id uuid NOT NULL,
        group_id uuid NOT NULL,
        user_id uuid NOT NULL,
        added_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (group_id, user_id),
        FOREIGN KEY (tenant_id, group_id) REFERENCES groups (tenant_id, id) ON DELETE CASCADE,
        FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX group_members_by_user ON group_members (tenant_id, user_id)",
    """
    ALTER TABLE api_keys
        ADD COLUMN owner_id uuid,
        ADD COLUMN group_id uuid,
        ADD COLUMN models text[] NOT NULL DEFAULT '{}',
        ADD COLUMN hint text,
        ADD COLUMN rotated_at timestamptz,
        ADD COLUMN last_used_at timestamptz,
        ADD FOREIGN KEY (tenant_id, owner_id) REFERENCES users (tenant_id, id) ON DELETE SET NULL (owner_id),
        ADD FOREIGN KEY (tenant_id, group_id) REFERENCES groups (tenant_id, id) ON DELETE SET NULL (group_id)
    """,
    "CREATE INDEX api_keys_by_owner ON api_keys (tenant_id, owner_id) WHERE owner_id IS NOT NULL",
    "CREATE INDEX api_keys_by_group ON api_keys (tenant_id, group_id) WHERE group_id IS NOT NULL",
    # What a key was before it was rotated, in force until its time of grace ends.
    """
    CREATE TABLE api_key_former_secrets (
        key_hash text PRIMARY KEY CHECK (key_hash ~ '^[0-9a-f]{64}$'),
        key_id uuid NOT NULL REFERENCES api_keys ON DELETE CASCADE,
        valid_until timestamptz NOT NULL
    )
    """,
    "CREATE INDEX api_key_former_secrets_by_key ON api_key_former_secrets (key_id)",
    # Set once every secret of the tenant is under this version: where it is not, a rotation broke off.
    "ALTER TABLE tenant_keys ADD COLUMN completed_at timestamptz",
    """
    CREATE VIEW runtime.users AS
        SELECT u.tenant_id, u.id::text AS user_id, u.subject, u.email, u.role, u.status,
               ARRAY(SELECT m.group_id::text FROM group_members m
                     WHERE m.tenant_id = u.tenant_id AND m.user_id = u.id) AS groups
        FROM users u
    """,
    # Replaced in place, new columns at the end: the functions keep their right to read it at every moment.
    """
    CREATE OR REPLACE VIEW runtime.api_keys AS
        SELECT s.key_hash, k.id AS key_id, k.tenant_id, k.owner_id::text AS user_id,
               CASE WHEN u.role = 'user' THEN ARRAY['user'] ELSE k.roles END AS roles,
               k.revoked_at IS NULL AND coalesce(u.status IN ('invited', 'active'), true) AS active,
               least(k.expires_at, s.valid_until) AS expires_at, t.status AS tenant_status, t.plan AS tenant_plan,
               ARRAY(SELECT m.group_id::text FROM group_members m
                     WHERE m.tenant_id = k.tenant_id AND m.user_id = k.owner_id
                     UNION SELECT k.group_id::text WHERE k.group_id IS NOT NULL) AS groups,
               k.models
        FROM (SELECT key_hash, id AS key_id, NULL::timestamptz AS valid_until FROM api_keys
              UNION ALL SELECT key_hash, key_id, valid_until FROM api_key_former_secrets) s
        JOIN api_keys k ON k.id = s.key_id
        JOIN tenants t ON t.id = k.tenant_id
        LEFT JOIN users u ON u.id = k.owner_id
    """,
)
# A view cannot lose columns by being replaced; who may read it is put right at the end of a migration.
_DROP = (
    "DROP VIEW runtime.api_keys",
    """
    CREATE VIEW runtime.api_keys AS
        SELECT k.key_hash, k.id AS key_id, k.tenant_id, k.user_id, k.roles, k.revoked_at IS NULL AS active,
               k.expires_at, t.status AS tenant_status, t.plan AS tenant_plan
        FROM api_keys k JOIN tenants t ON t.id = k.tenant_id
    """,
    "DROP VIEW runtime.users",
    "ALTER TABLE tenant_keys DROP COLUMN completed_at",
    "DROP TABLE api_key_former_secrets",
    """
    ALTER TABLE api_keys
        DROP COLUMN owner_id, DROP COLUMN group_id, DROP COLUMN models, DROP COLUMN hint, DROP COLUMN rotated_at,
        DROP COLUMN last_used_at
    """,
    "DROP TABLE group_members",
    "DROP TABLE groups",
    "DROP TABLE users",
    "ALTER TABLE tenants DROP COLUMN branding",
)


def upgrade(connection: Connection) -> None:
    """Create the tables and what of them is published."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop users and groups; keys stay, former secrets and limits to models do not."""
    for statement in _DROP:
        connection.exec_driver_sql(statement)
