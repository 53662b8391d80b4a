"""Corpora, their documents with versions, indexes, jobs and the stages of ingestion, and embeddings by content."""

from sqlalchemy import Connection

revision = "0001"
down_revision = None

_CREATE = (
    # Access lists are ids of groups; an empty one admits everybody of the tenant.
    """
    CREATE TABLE corpora (
        id uuid PRIMARY KEY,
        name text NOT NULL,
        description text NOT NULL DEFAULT '',
        groups text[] NOT NULL DEFAULT '{}',
        metadata jsonb NOT NULL DEFAULT '{}',
        active_index_id uuid,
        created_by text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE UNIQUE INDEX corpora_by_name ON corpora (lower(name))",
    """
    CREATE TABLE indexes (
        id uuid PRIMARY KEY,
        corpus_id uuid NOT NULL REFERENCES corpora ON DELETE CASCADE,
        settings jsonb NOT NULL,
        status text NOT NULL CHECK (status IN ('building', 'active', 'retired')),
        dimensions int,
        created_at timestamptz NOT NULL DEFAULT now(),
        activated_at timestamptz
    )
    """,
    "CREATE INDEX indexes_by_corpus ON indexes (corpus_id, id)",
    "CREATE UNIQUE INDEX indexes_one_active ON indexes (corpus_id) WHERE status = 'active'",
    """
    CREATE TABLE documents (
        id uuid PRIMARY KEY,
        corpus_id uuid NOT NULL REFERENCES corpora ON DELETE CASCADE,
        name text NOT NULL,
        source_uri text,
        metadata jsonb NOT NULL DEFAULT '{}',
        groups text[] NOT NULL DEFAULT '{}',
        version int NOT NULL,
        created_by text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (corpus_id, name)
    )
    """,
    "CREATE INDEX documents_by_corpus ON documents (corpus_id, id)",
    """
    CREATE TABLE document_versions (
        id uuid PRIMARY KEY,
        document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
        number int NOT NULL,
        media_type text NOT NULL,
        content_hash text,
        size bigint,
        detected_type text,
        language text,
        characters bigint,
        pages int,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (document_id, number)
    )
    """,
    "CREATE INDEX document_versions_by_hash ON document_versions (content_hash)",
    """
    CREATE TABLE jobs (
        id uuid PRIMARY KEY,
        corpus_id uuid NOT NULL REFERENCES corpora ON DELETE CASCADE,
        index_id uuid REFERENCES indexes ON DELETE CASCADE,
        kind text NOT NULL CHECK (kind IN ('upload', 'reindex')),
        cancelled_at timestamptz,
        created_by text,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX jobs_by_corpus ON jobs (corpus_id, id)",
    # What is left to do, how far it is, and for whom the gateway is asked. A lease that ran out is a dead process's.
    """
    CREATE TABLE ingestions (
        version_id uuid NOT NULL REFERENCES document_versions ON DELETE CASCADE,
        index_id uuid NOT NULL REFERENCES indexes ON DELETE CASCADE,
        document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
        job_id uuid REFERENCES jobs ON DELETE SET NULL,
        behalf jsonb NOT NULL,
        status text NOT NULL DEFAULT 'pending'
            CHECK (status IN ('pending', 'running', 'waiting', 'indexed', 'failed', 'cancelled', 'superseded')),
        stage text NOT NULL DEFAULT 'store' CHECK (stage IN ('store', 'parse', 'chunk', 'embed', 'index')),
        attempts int NOT NULL DEFAULT 0,
        lease uuid,
        leased_until timestamptz,
        retry_at timestamptz,
        reason text,
        detail text,
        chunks int,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (version_id, index_id)
    )
    """,
    "CREATE INDEX ingestions_by_job ON ingestions (job_id, document_id)",
    "CREATE INDEX ingestions_by_index ON ingestions (index_id, status)",
    "CREATE INDEX ingestions_by_document ON ingestions (document_id)",
    # Little-endian float32; `hash` is the SHA-256 of the embedded text.
    """
    CREATE TABLE embeddings (
        model text NOT NULL,
        hash bytea NOT NULL,
        vector bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (model, hash)
    )
    """,
)
_DROP = tuple(
    f"DROP TABLE {table}"
    for table in ("embeddings", "ingestions", "jobs", "document_versions", "documents", "indexes", "corpora")
)


def upgrade(connection: Connection) -> None:
    """Create all of it."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop all of it, with every corpus."""
    for statement in _DROP:
        connection.exec_driver_sql(statement)
