"""Chains of audit records. The functions may read, and append by `audit.append` alone; nobody changes what is there.

A chain's head is the SHA-256 of the head before and the record, from a beginning that names the chain. Its row is
locked from the append to the end of the transaction, so appending is the last thing that a transaction does.
"""

from sqlalchemy import Connection

revision = "0001"
down_revision = None

_CREATE = (
    "CREATE SCHEMA audit",
    # HOT updates: the row changes with every record and no index with it.
    """
    CREATE TABLE audit.chains (
        chain text PRIMARY KEY CHECK (chain ~ '^(platform|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$'),
        size bigint NOT NULL CHECK (size > 0),
        head bytea NOT NULL CHECK (length(head) = 32)
    ) WITH (fillfactor = 50)
    """,
    # `record` is what the hash is over, to the byte; the columns repeat parts of it to be searched by.
    """
    CREATE TABLE audit.records (
        chain text NOT NULL,
        seq bigint NOT NULL,
        at timestamptz NOT NULL,
        actor text,
        action text NOT NULL,
        resource text NOT NULL,
        outcome text NOT NULL,
        request_id text NOT NULL,
        record text NOT NULL,
        hash bytea NOT NULL,
        PRIMARY KEY (chain, seq)
    )
    """,
    "CREATE INDEX records_by_time ON audit.records (at, chain, seq)",
    "CREATE INDEX records_of_chain_by_time ON audit.records (chain, at, seq)",
    "CREATE INDEX records_by_request ON audit.records (request_id)",
    # `document` is signed, to the byte; `frontier` are the roots of its perfect subtrees, left to right (RFC 6962).
    """
    CREATE TABLE audit.checkpoints (
        chain text NOT NULL,
        size bigint NOT NULL,
        document text NOT NULL,
        frontier bytea[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        published_at timestamptz,
        PRIMARY KEY (chain, size)
    )
    """,
    "CREATE INDEX checkpoints_unpublished ON audit.checkpoints (chain, size) WHERE published_at IS NULL",
    """
    CREATE FUNCTION audit.append(in_chain text, entry text) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
        WITH head AS (
            INSERT INTO audit.chains AS c (chain, size, head)
            VALUES (in_chain, 1, sha256(sha256(convert_to('dcoder audit chain ' || in_chain, 'UTF8'))
                                        || convert_to(entry, 'UTF8')))
            ON CONFLICT (chain) DO UPDATE
                SET size = c.size + 1, head = sha256(c.head || convert_to(entry, 'UTF8'))
            RETURNING size, head
        )
        INSERT INTO audit.records (chain, seq, at, actor, action, resource, outcome, request_id, record, hash)
        SELECT in_chain, head.size, (said ->> 'time')::timestamptz, said #>> '{actor,subject}', said ->> 'action',
               said ->> 'resource', said ->> 'outcome', coalesce(said ->> 'requestId', ''), entry, head.head
        FROM head, (SELECT entry::jsonb AS said) AS parsed
        RETURNING seq
    $$
    """,
    "REVOKE ALL ON FUNCTION audit.append FROM PUBLIC",
    """
    CREATE FUNCTION audit.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% of audit.% is refused: it is only ever added to', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE FUNCTION audit.refuse_other_steps() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.chain <> OLD.chain OR NEW.size <> OLD.size + 1 THEN
            RAISE EXCEPTION 'a chain grows by one record at a time' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.records
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse()
    """,
    """
    CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON audit.chains
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse()
    """,
    """
    CREATE TRIGGER by_one BEFORE UPDATE ON audit.chains
    FOR EACH ROW EXECUTE FUNCTION audit.refuse_other_steps()
    """,
    """
    CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON audit.checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse()
    """,
)


def upgrade(connection: Connection) -> None:
    """Create the schema."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop the schema, with every record in it; the checkpoints outside stay."""
    connection.exec_driver_sql("DROP SCHEMA audit CASCADE")
