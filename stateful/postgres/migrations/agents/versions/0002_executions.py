"""Executions and their steps: what workflows have come to, as everybody reads it."""

from sqlalchemy import Connection

revision = "0002"
down_revision = "0001"

_CREATE = (
    """
    CREATE TABLE executions (
        id uuid PRIMARY KEY,
        graph_id text NOT NULL,
        status text NOT NULL
            CHECK (status IN ('requested', 'running', 'waiting', 'completed', 'failed', 'cancelled')),
        -- Counts from 1; each retry is one more.
        run integer NOT NULL,
        resume_from integer,
        input jsonb NOT NULL,
        -- Null for those of the graph, or all.
        tools text[],
        options jsonb NOT NULL,
        -- For whom the gateway and the tools are called.
        behalf jsonb NOT NULL,
        owner text NOT NULL,
        output jsonb,
        error jsonb,
        interrupt jsonb,
        steps integer NOT NULL DEFAULT 0,
        prompt_tokens bigint NOT NULL DEFAULT 0,
        completion_tokens bigint NOT NULL DEFAULT 0,
        micro_usd bigint NOT NULL DEFAULT 0,
        llm_calls integer NOT NULL DEFAULT 0,
        tool_calls integer NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL,
        started_at timestamptz,
        ended_at timestamptz
    )
    """,
    "CREATE INDEX executions_by_owner ON executions (owner, id DESC)",
    "CREATE INDEX executions_by_status ON executions (status, id DESC)",
    """
    CREATE TABLE execution_steps (
        execution_id uuid NOT NULL REFERENCES executions ON DELETE CASCADE,
        run integer NOT NULL,
        number integer NOT NULL,
        -- 0 for the step, 1 for the gate behind it.
        part smallint NOT NULL,
        node text NOT NULL,
        -- What it changed of the graph's state.
        change jsonb NOT NULL,
        -- Tools that were called.
        uses jsonb NOT NULL,
        prompt_tokens bigint NOT NULL,
        completion_tokens bigint NOT NULL,
        micro_usd bigint NOT NULL,
        llm_calls integer NOT NULL,
        tool_calls integer NOT NULL,
        started_at timestamptz NOT NULL,
        ended_at timestamptz NOT NULL,
        PRIMARY KEY (execution_id, run, number, part)
    )
    """,
)


def upgrade(connection: Connection) -> None:
    """Create the tables."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop them, with every execution; workflows that run find no row and end."""
    for table in ("execution_steps", "executions"):
        connection.exec_driver_sql(f"DROP TABLE {table}")
