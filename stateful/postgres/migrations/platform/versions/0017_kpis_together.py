"""Key figures of all tenants together: sums of `kpis` and `kpi_latency`, kept equal to them by triggers.

A thousand tenants' month is half a million rows; together it is some thousands. The tenants are dealt out to sixteen
shards, so that those who enter calls rarely wait for each other. One entry touches rows of a shard in several
statements (what is new, what has changed): the lock on it keeps two of them from waiting for each other in a circle.
"""

from sqlalchemy import Connection

revision = "0017"
down_revision = "0016"

_SUMS = (
    "requests",
    "internal_requests",
    "ok_requests",
    "failed_requests",
    "cached_requests",
    "prompt_tokens",
    "completion_tokens",
    "saved_tokens",
    "cost_micro_usd",
    "saved_micro_usd",
    "cached_prompt_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
# Minutes are read for two days and forgotten after two days and an hour: forgetting them need not lock anything.
_KEPT = "grain <> 'minute' OR bucket >= now() - interval '2 days 30 minutes'"
# Which rows each event of a table brings, and with which sign.
_EVENTS = {
    "insert": (("new_rows", "+"),),
    "update": (("new_rows", "+"), ("old_rows", "-")),
    "delete": (("old_rows", "-"),),
}
_REFERENCING = {
    "insert": "NEW TABLE AS new_rows",
    "update": "NEW TABLE AS new_rows OLD TABLE AS old_rows",
    "delete": "OLD TABLE AS old_rows",
}
_TABLES = {
    "kpis": ("kpis_together", ("provider", "model"), _SUMS),
    "kpi_latency": ("kpi_latency_together", ("slot",), ("calls",)),
}


def _adding(source: str, table: str, keys: tuple[str, ...], sums: tuple[str, ...]) -> str:
    all_keys = ", ".join(("grain", "bucket", "shard", *keys))
    added = ", ".join(f"sum({name})" for name in sums)
    return f"""
        INSERT INTO {table} AS t ({all_keys}, {", ".join(sums)})
        SELECT {all_keys}, {added}
        FROM (SELECT kpi_shard(tenant_id) AS shard, s.* FROM ({source}) s) c GROUP BY {all_keys} ORDER BY {all_keys}
        ON CONFLICT ({all_keys}) DO UPDATE SET {", ".join(f"{name} = t.{name} + excluded.{name}" for name in sums)}
    """  # noqa: S608 - made of this module's own text


def _rows(rows: str, sign: str, keys: tuple[str, ...], sums: tuple[str, ...]) -> str:
    signed = ", ".join(f"{sign} {name} AS {name}" for name in sums)
    return f"SELECT grain, bucket, tenant_id, {', '.join(keys)}, {signed} FROM {rows} WHERE {_KEPT}"  # noqa: S608 - own text


def _triggers() -> list[str]:
    statements = []
    for name, (table, keys, sums) in _TABLES.items():
        for event, parts in _EVENTS.items():
            source = " UNION ALL ".join(_rows(rows, sign, keys, sums) for rows, sign in parts)
            function = f"{table}_{event}"
            statements += [
                f"""
                CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    PERFORM pg_advisory_xact_lock(hashtext('kpis_together'), shard)
                    FROM (SELECT DISTINCT kpi_shard(tenant_id) AS shard FROM ({source}) c ORDER BY shard) s;
                    {_adding(source, table, keys, sums)};
                    RETURN NULL;
                END $$
                """,  # noqa: S608 - made of this module's own text
                f"""
                CREATE TRIGGER {function} AFTER {event} ON {name} REFERENCING {_REFERENCING[event]}
                FOR EACH STATEMENT EXECUTE FUNCTION {function}()
                """,
            ]
    return statements


_CREATE = (
    # The last bits of a UUIDv7 are random.
    """
    CREATE FUNCTION kpi_shard(tenant_id uuid) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN get_byte(uuid_send(tenant_id), 15) % 16
    """,
    f"""
    CREATE TABLE kpis_together (
        grain text NOT NULL,
        bucket timestamptz NOT NULL,
        shard smallint NOT NULL,
        provider text NOT NULL,
        model text NOT NULL,
        {", ".join(f"{name} bigint NOT NULL" for name in _SUMS)},
        PRIMARY KEY (grain, bucket, shard, provider, model)
    )
    """,
    """
    CREATE TABLE kpi_latency_together (
        grain text NOT NULL,
        bucket timestamptz NOT NULL,
        shard smallint NOT NULL,
        slot smallint NOT NULL,
        calls bigint NOT NULL,
        PRIMARY KEY (grain, bucket, shard, slot)
    )
    """,
    "LOCK TABLE kpis, kpi_latency IN SHARE ROW EXCLUSIVE MODE",
    *(_adding(f"TABLE {name}", table, keys, sums) for name, (table, keys, sums) in _TABLES.items()),
    *_triggers(),
    # Who called is read without the rows; of the others only minutes are looked for by time alone.
    "DROP INDEX kpi_users_by_time",
    "CREATE INDEX kpi_users_by_time ON kpi_users (grain, bucket, tenant_id, user_id)",
    "DROP INDEX kpis_by_time",
    "DROP INDEX kpi_latency_by_time",
    "CREATE INDEX kpis_minutes ON kpis (bucket) WHERE grain = 'minute'",
    "CREATE INDEX kpi_latency_minutes ON kpi_latency (bucket) WHERE grain = 'minute'",
)
_DROP = (
    *(f"DROP TRIGGER {table}_{event} ON {name}" for name, (table, _, _) in _TABLES.items() for event in _EVENTS),
    *(f"DROP FUNCTION {table}_{event}" for table, _, _ in _TABLES.values() for event in _EVENTS),
    "DROP TABLE kpis_together",
    "DROP TABLE kpi_latency_together",
    "DROP FUNCTION kpi_shard",
    "DROP INDEX kpis_minutes",
    "DROP INDEX kpi_latency_minutes",
    "DROP INDEX kpi_users_by_time",
    "CREATE INDEX kpi_users_by_time ON kpi_users (grain, bucket)",
    "CREATE INDEX kpis_by_time ON kpis (grain, bucket)",
    "CREATE INDEX kpi_latency_by_time ON kpi_latency (grain, bucket)",
)


def upgrade(connection: Connection) -> None:
    """Create the tables, fill them, and keep them equal from then on."""
    for statement in _CREATE:
        connection.exec_driver_sql(statement)


def downgrade(connection: Connection) -> None:
    """Drop them."""
    for statement in _DROP:
        connection.exec_driver_sql(statement)
