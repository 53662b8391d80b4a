"""Every database comes to the newest revision, whatever it was at, and back."""

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from stateful.postgres import schema
from stateful.postgres.cluster import ServerTooOld
from stateful.postgres.histories import History, Target, load_histories
from stateful.postgres.migrate import Migration, Options, main
from tests.integration.platform.postgres import Postgres
from tests.integration.stateful.postgres.conftest import Databases
from tests.platform import eventually

pytestmark = pytest.mark.integration

_A_TENANT = """
    INSERT INTO tenants (id, slug, name, status, plan, database, database_role, database_secret)
    VALUES ('01a21795-50de-7370-9ed5-386f41cb0c86', 'acme', 'Acme', 'active', 'standard', 'd', 'r', '')
"""

_ADDITION = '''"""More."""
revision = "0001"
down_revision = None


def upgrade(connection):
    connection.exec_driver_sql("CREATE TABLE notes (id int PRIMARY KEY, embedding vector(2))")


def downgrade(connection):
    connection.exec_driver_sql("DROP TABLE notes")
'''


@pytest.fixture
def with_notes(tmp_path: Path) -> tuple[History, ...]:
    """The histories and one more for tenants, added as any is: by a folder."""
    versions = tmp_path / "notes" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "notes" / "history.yaml").write_text("targets: [tenant]\n")
    (versions / "0001_notes.py").write_text(_ADDITION)
    return (*load_histories(), *load_histories(tmp_path))


async def clone(databases: Databases) -> str:
    """A tenant's database, made as provisioning does."""
    name = f"tenant_{secrets.token_hex(16)}"
    await databases.execute(f"CREATE DATABASE {name} TEMPLATE tenant_template STRATEGY WAL_LOG")
    return name


async def test_from_nothing_and_again(databases: Databases) -> None:
    first = await databases.migrate()
    assert set(first.changed) == {"platform", "tenant_template"}
    again = await databases.migrate()
    assert (again.changed, again.failed) == ({}, {})


async def test_up_down_up(databases: Databases, server: Postgres) -> None:
    await databases.migrate()
    whole = {name: server.schema(name) for name in ("platform", "tenant_template")}
    for history in load_histories():
        # Revision by revision, so that each one's downgrade is walked by itself.
        for revision in (*reversed(history.revisions[:-1]), None):
            outcome = await databases.migrate(Options(downgrade=(history, revision)))
            assert outcome.changed
            assert not outcome.failed
    for name in whole:
        assert "CREATE TABLE public" not in server.schema(name)
        assert "CREATE VIEW" not in server.schema(name)
    await databases.migrate()
    assert {name: server.schema(name) for name in whole} == whole


async def test_template_fresh_and_upgraded_tenants_are_alike(
    databases: Databases, server: Postgres, with_notes: tuple[History, ...]
) -> None:
    await databases.migrate()
    old = await clone(databases)
    outcome = await databases.migrate(histories=with_notes)
    assert set(outcome.changed) == {"tenant_template", old}
    fresh = await clone(databases)
    assert "CREATE TABLE public.notes" in server.schema("tenant_template")
    assert server.schema(fresh) == server.schema("tenant_template")
    assert server.schema(old) == server.schema("tenant_template")


async def test_a_tenant_as_old_as_the_first_revisions_comes_to_be_like_a_new_one(
    databases: Databases, server: Postgres
) -> None:
    """Old, and of every age between: a clone of the template at each revision of each history."""
    histories = [history for history in load_histories() if Target.TENANT in history.targets]
    clones = []
    for number in range(1, max(len(history.revisions) for history in histories) + 1):
        young = [replace(history, revisions=history.revisions[:number]) for history in histories]
        outcome = await databases.migrate(histories=tuple(young))
        assert not outcome.failed
        clones.append(await clone(databases))
    assert not (await databases.migrate()).failed
    wanted = server.schema("tenant_template")
    assert all(f"CREATE TABLE migrations.{history.name}" in wanted for history in histories)
    for name in [*clones, await clone(databases)]:
        assert server.schema(name) == wanted


async def test_an_old_platform_comes_to_be_like_a_new_one(databases: Databases, server: Postgres) -> None:
    """From the first revision on, one at a time, as an installation does that takes every release."""
    await databases.migrate()
    wanted = server.schema("platform")
    await databases.execute("DROP DATABASE platform")
    longest = max(len(history.revisions) for history in load_histories())
    for number in range(1, longest + 1):
        # The tenants' template is new already, and no program goes back behind what a database has come to.
        step = tuple(
            replace(history, revisions=history.revisions[:number]) if Target.PLATFORM in history.targets else history
            for history in load_histories()
        )
        assert not (await databases.migrate(histories=step)).failed
    assert server.schema("platform") == wanted


async def test_down_and_up_again_keeps_what_is_there(databases: Databases, server: Postgres) -> None:
    """Every revision that has one before it, by itself, with a tenant in the platform database."""
    await databases.migrate()
    await databases.execute(_A_TENANT, "platform")
    whole = {name: server.schema(name) for name in ("platform", "tenant_template")}
    for history in load_histories():
        database = "platform" if Target.PLATFORM in history.targets else "tenant_template"
        for revision in reversed(history.revisions[:-1]):
            assert not (await databases.migrate(Options(downgrade=(history, revision)))).failed
            assert not (await databases.migrate()).failed
            assert server.schema(database) == whole[database], (history.name, revision)
    session = await asyncpg.connect(server.url("platform"))
    try:
        assert await session.fetchval("SELECT name FROM tenants") == "Acme"
    finally:
        await session.close()


async def test_a_run_tells_how_far_it_is(databases: Databases) -> None:
    await databases.migrate()
    tenants = {await clone(databases) for _ in range(3)}
    told: list[tuple[int, int]] = []
    migration = Migration(
        databases.cluster, load_histories(), Options(), lambda done: told.append((done.looked_at, done.tenants))
    )
    await migration.run()
    assert told == [(number, len(tenants)) for number in range(1, len(tenants) + 1)]


async def test_a_killed_run_is_finished_by_the_next(
    databases: Databases, server: Postgres, with_notes: tuple[History, ...]
) -> None:
    """Killed while it waits for a lock in one of the databases: the others stay done, the rest is done then."""
    await databases.migrate()
    tenants = [await clone(databases) for _ in range(3)]
    busy = await asyncpg.connect(server.url(tenants[1]))
    await busy.execute("BEGIN; LOCK TABLE pg_class IN SHARE MODE")
    run = asyncio.create_task(databases.migrate(histories=with_notes))

    async def others_are_done() -> bool:
        found = [await _has_notes(server, tenant) for tenant in tenants if tenant != tenants[1]]
        return all(found)

    await eventually(others_are_done)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await busy.close()
    outcome = await databases.migrate(histories=with_notes)
    assert not outcome.failed
    assert set(outcome.changed) == {tenants[1]}


async def test_a_server_that_is_too_old_is_refused_in_words(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stateful.postgres.cluster._OLDEST", 99)
    with pytest.raises(ServerTooOld, match="needs 99 or newer"):
        await databases.migrate()


async def _has_notes(server: Postgres, database: str) -> bool:
    session = await asyncpg.connect(server.url(database))
    try:
        return await session.fetchval("SELECT to_regclass('migrations.notes')") is not None
    finally:
        await session.close()


async def test_a_dry_run_changes_nothing(databases: Databases, server: Postgres) -> None:
    planned = await databases.migrate(Options(dry_run=True))
    assert set(planned.changed) == {"platform", "tenant_template"}
    session = await asyncpg.connect(server.url())
    assert not await session.fetchval("SELECT true FROM pg_database WHERE datname IN ('platform', 'tenant_template')")
    await session.close()
    await databases.migrate()
    assert not (await databases.migrate(Options(dry_run=True))).changed


async def test_runs_at_the_same_time_are_safe(databases: Databases) -> None:
    outcomes = await asyncio.gather(*(databases.migrate() for _ in range(3)))
    assert [outcome.failed for outcome in outcomes] == [{}, {}, {}]
    assert sum(bool(outcome.changed) for outcome in outcomes) == 1


async def test_tenants_only(databases: Databases, with_notes: tuple[History, ...]) -> None:
    await databases.migrate()
    await databases.migrate(Options(downgrade=(load_histories()[0], None)))
    tenant = await clone(databases)
    outcome = await databases.migrate(Options(tenants_only=True), with_notes)
    assert set(outcome.changed) == {"tenant_template", tenant}


async def test_one_that_fails_is_named_and_the_others_go_on(
    databases: Databases, with_notes: tuple[History, ...]
) -> None:
    await databases.migrate()
    tenants = [await clone(databases) for _ in range(4)]
    await databases.execute("CREATE TABLE notes (id int)", tenants[1])
    outcome = await databases.migrate(histories=with_notes)
    assert list(outcome.failed) == [tenants[1]]
    assert "notes" in outcome.failed[tenants[1]]
    assert set(outcome.changed) == {"tenant_template", *tenants} - {tenants[1]}

    await databases.execute("DROP TABLE notes", tenants[1])
    assert set((await databases.migrate(histories=with_notes)).changed) == {tenants[1]}


async def test_a_busy_database_is_waited_for_and_not_blocked(
    databases: Databases, server: Postgres, with_notes: tuple[History, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stateful.postgres.revisions.LOCK_SECONDS", 0.05)
    monkeypatch.setattr(schema, "_PAUSE_SECONDS", 0.05)
    await databases.migrate()
    tenant = await clone(databases)
    busy = await asyncpg.connect(server.url(tenant))
    await busy.execute("BEGIN; LOCK TABLE pg_class IN SHARE MODE")
    outcome = await databases.migrate(histories=with_notes)
    assert "lock timeout" in outcome.failed[tenant]
    await busy.close()
    assert not (await databases.migrate(histories=with_notes)).failed


async def test_what_a_newer_program_left_is_not_touched(databases: Databases) -> None:
    await databases.migrate()
    await databases.execute("UPDATE migrations.kit SET version_num = '9999'", "platform")
    outcome = await databases.migrate()
    assert list(outcome.failed) == ["platform"]
    assert "9999" in outcome.failed["platform"]


async def test_strangers_connect_to_nothing(databases: Databases, server: Postgres) -> None:
    await databases.migrate()
    await databases.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    try:
        for database in ("platform", "tenant_template", "postgres", "template1"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await asyncpg.connect(server.url(database, "stranger", "stranger"), timeout=5)
    finally:
        await databases.execute("DROP ROLE stranger")


async def test_the_functions_role_has_what_it_needs_and_no_more(databases: Databases, server: Postgres) -> None:
    await databases.migrate()
    session = await asyncpg.connect(databases.cluster.functions_url)
    try:
        assert await session.fetchval("SELECT count(*) FROM runtime.tenants") == 0
        await session.execute("DELETE FROM outbox")
        for refused in ("CREATE TABLE mine (id int)", "DELETE FROM migrations.kit", "DROP TABLE outbox"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await session.execute(refused)
    finally:
        await session.close()


async def test_a_changed_password_of_the_functions_takes_effect(databases: Databases, server: Postgres) -> None:
    await databases.migrate()
    await databases.execute("ALTER ROLE dcoder_platform PASSWORD 'older'")
    await databases.migrate()
    await (await asyncpg.connect(databases.cluster.functions_url)).close()


async def test_the_command(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from functions.kit.settings import load_settings

    load_settings.cache_clear()
    monkeypatch.setenv("DCODER_DATABASE_ADMIN_URL", databases.cluster.admin_url)
    monkeypatch.setenv("DCODER_DATABASE_URL", databases.cluster.functions_url)
    try:
        assert await asyncio.to_thread(main, []) == 0
        assert "platform: changed" in capsys.readouterr().out
        assert await asyncio.to_thread(main, ["--downgrade", "platform", "0002"]) == 0
        head = next(history for history in load_histories() if history.name == "platform").head
        assert f"platform {head} -> 0002" in capsys.readouterr().out
        with pytest.raises(SystemExit):
            await asyncio.to_thread(main, ["--downgrade", "platform", "0042"])
        await databases.execute("UPDATE migrations.platform SET version_num = '0042'", "platform")
        assert await asyncio.to_thread(main, []) == 1
        assert "platform: failed" in capsys.readouterr().err
    finally:
        load_settings.cache_clear()
