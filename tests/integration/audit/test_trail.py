"""What is recorded of calls, for whom, and who may read it."""

import asyncio
import csv
import io
import json
import logging
from typing import Any

import asyncpg
import pytest
from starlette.requests import Request
from starlette.responses import Response

from functions.kit.audit import record_of_success
from functions.kit.audit_trail import AuditTrail
from functions.kit.context import RequestContext, serving
from functions.kit.database import PLATFORM, Databases, UnitOfWork, connection
from functions.kit.identifiers import new_id
from functions.kit.principal import Principal, Role
from functions.kit.runtime import Runtime
from functions.kit.settings import Settings
from functions.platform.audit.csv_export import harmless
from tests.integration.conftest import NewTenant
from tests.platform import Api, Platform, Tenant, eventually


async def trail(api: Api, query: str = "") -> list[dict[str, Any]]:
    """All records that the caller reads, oldest first."""
    found = await api.call("GET", f"/v1/audit?limit=200&{query}")
    assert found.status == 200, found.body
    return list(reversed(found.body["items"]))


async def test_a_change_is_recorded_with_who_what_and_how_it_ended(as_tenant: Api, tenant: Tenant) -> None:
    done = await as_tenant.call("PATCH", f"/v1/tenants/{tenant.id}", {"name": "New name"}, user_agent="curl/8")
    record = (await trail(as_tenant, "action=tenants:update"))[-1]
    assert record["actor"]["apiKeyId"] == tenant.key_id
    assert record["actor"]["roles"] == ["admin"]
    assert (record["outcome"], record["status"], record["error"]) == ("success", 200, None)
    assert (record["method"], record["resource"]) == ("PATCH", f"/v1/tenants/{tenant.id}")
    assert (record["fields"], record["chain"]) == (["name"], tenant.id)
    assert (record["requestId"], record["traceId"]) == (done.headers["x-request-id"], done.headers["x-trace-id"])
    assert (record["ip"], record["userAgent"]) == ("127.0.0.1", "curl/8")


async def test_what_was_made_is_named(as_tenant: Api, tenant: Tenant) -> None:
    made = await as_tenant.call("POST", f"/v1/tenants/{tenant.id}/api-keys", {"name": "second"})
    record = (await trail(as_tenant, f"requestId={made.headers['x-request-id']}"))[-1]
    assert record["resourceId"] == made.body["id"]


async def test_refusals_and_denials_are_recorded_in_the_callers_chain(
    as_tenant: Api, tenant: Tenant, new_tenant: NewTenant, operator: Api
) -> None:
    other = await new_tenant()
    await as_tenant.call("PATCH", f"/v1/tenants/{tenant.id}", {"name": ""})
    await as_tenant.call("DELETE", f"/v1/tenants/{tenant.id}/api-keys/{new_id()}")
    await as_tenant.call("PATCH", f"/v1/tenants/{tenant.id}", {"plan": "enterprise"})
    await as_tenant.call("GET", f"/v1/tenants/{other.id}")
    found = [(record["outcome"], record["status"], record["error"]) for record in (await trail(as_tenant))[-4:]]
    assert found == [
        ("refused", 422, "validation_failed"),
        ("refused", 404, "api_key_not_found"),
        ("denied", 403, "forbidden"),
        ("denied", 403, "forbidden"),
    ]
    assert not await trail(operator, f"tenantId={other.id}&outcome=denied")


async def test_reading_and_calling_models_is_not_recorded(as_tenant: Api, tenant: Tenant) -> None:
    before = await trail(as_tenant)
    assert (await as_tenant.chat("Hello")).status == 200
    await as_tenant.call("GET", f"/v1/tenants/{tenant.id}")
    await as_tenant.call("GET", f"/v1/tenants/{tenant.id}/groups/{new_id()}")
    assert await trail(as_tenant) == before


async def test_what_the_operator_does_to_a_tenant_is_in_the_tenants_chain(
    as_tenant: Api, tenant: Tenant, operator: Api
) -> None:
    await operator.call("PATCH", f"/v1/tenants/{tenant.id}", {"plan": "enterprise"})
    record = (await trail(as_tenant))[-1]
    assert (record["actor"]["roles"], record["fields"]) == (["superadmin"], ["plan"])
    made = await trail(operator, "tenantId=platform&action=tenants:create")
    assert tenant.id in {record["resourceId"] for record in made}


async def test_a_revoked_key_and_a_suspended_tenant_are_denied_in_the_tenants_chain(
    platform: Platform, api: Api, as_tenant: Api, tenant: Tenant, operator: Api
) -> None:
    second = (await as_tenant.call("POST", f"/v1/tenants/{tenant.id}/api-keys", {"name": "second"})).body
    await as_tenant.call("DELETE", f"/v1/tenants/{tenant.id}/api-keys/{second['id']}")
    # Past the edge, which soon refuses both by itself.
    direct = Api(api.session, str(platform.status["components"]["api"]["address"]), second["secret"])

    async def is_denied() -> bool:
        return (await direct.call("GET", f"/v1/tenants/{tenant.id}")).status == 401

    await eventually(is_denied)
    denied = (await trail(as_tenant, "outcome=denied"))[-1]
    assert (denied["status"], denied["actor"]["apiKeyId"]) == (401, second["id"])
    await operator.call("PATCH", f"/v1/tenants/{tenant.id}", {"status": "suspended"})

    async def is_suspended() -> bool:
        answer = await direct.as_(tenant.key).call("GET", f"/v1/tenants/{tenant.id}")
        return answer.status == 403 and answer.code == "tenant_suspended"

    await eventually(is_suspended)
    denied = (await trail(operator, f"tenantId={tenant.id}&outcome=denied"))[-1]
    assert (denied["error"], denied["actor"]["apiKeyId"]) == ("tenant_suspended", tenant.key_id)


async def test_a_stranger_is_denied_in_the_platforms_chain(api: Api, platform: Platform, operator: Api) -> None:
    stranger = Api(api.session, str(platform.status["components"]["api"]["address"]), "dck_" + "0" * 40)
    denied = await stranger.call("GET", "/v1/tenants?secret=in-the-query")
    assert denied.status == 401
    record = (await trail(operator, f"tenantId=platform&requestId={denied.headers['x-request-id']}"))[0]
    assert (record["actor"], record["resource"]) == (None, "/v1/tenants")


async def test_an_answer_given_again_is_recorded_as_such(as_tenant: Api, tenant: Tenant) -> None:
    for _ in range(2):
        await as_tenant.call("POST", f"/v1/tenants/{tenant.id}/groups", {"name": "once"}, idempotency_key="the same")
    assert [record["outcome"] for record in (await trail(as_tenant, "action=groups:write"))] == ["success", "replayed"]


async def test_no_secret_and_no_body_is_recorded(as_tenant: Api, tenant: Tenant, owner: Any) -> None:
    secret = "sk-" + "very-secret-" * 3
    path = f"/v1/tenants/{tenant.id}"
    await as_tenant.call(
        "PUT", f"{path}/providers", {"providers": [{"name": secret, "kind": "openai", "apiKey": secret}]}
    )
    await as_tenant.call("PATCH", f"{path}/users/{secret}?q={secret}", {secret: secret}, user_agent=f"agent {secret}")
    rows = await owner.fetch("SELECT record FROM audit.records WHERE chain = $1", tenant.id)
    assert len(rows) >= 3
    for row in rows:
        assert "very-secret" not in row["record"]
        assert tenant.key not in row["record"]
        assert tenant.provider_key not in row["record"]


async def test_no_fact_without_its_record(as_tenant: Api, tenant: Tenant, owner: Any) -> None:
    await owner.execute(
        f"CREATE TRIGGER broken BEFORE INSERT ON audit.records FOR EACH ROW "
        f"WHEN (NEW.chain = '{tenant.id}') EXECUTE FUNCTION audit.refuse()"
    )
    try:
        failed = await as_tenant.call("PATCH", f"/v1/tenants/{tenant.id}", {"name": "Unrecorded"})
        assert failed.status >= 500
    finally:
        await owner.execute("DROP TRIGGER broken ON audit.records")
    assert (await as_tenant.call("GET", f"/v1/tenants/{tenant.id}")).body["name"] == tenant.slug

    async def is_told() -> bool:
        return any(record["outcome"] == "failed" for record in await trail(as_tenant, "action=tenants:update"))

    # The failure itself waited until it could be written.
    await eventually(is_told)


async def test_calls_at_once_make_one_chain_without_a_gap(as_tenant: Api, tenant: Tenant, platform: Platform) -> None:
    await asyncio.gather(
        *(as_tenant.call("POST", f"/v1/tenants/{tenant.id}/groups", {"name": f"g{number}"}) for number in range(30))
    )
    sequence = sorted(record["sequence"] for record in await trail(as_tenant))
    assert sequence == list(range(1, len(sequence) + 1))
    assert len(sequence) >= 30


@pytest.mark.parametrize(
    "verb",
    [
        "UPDATE audit.records SET action = ''",
        "DELETE FROM audit.records",
        "TRUNCATE audit.records",
        "DELETE FROM audit.chains",
        "TRUNCATE audit.chains",
        "UPDATE audit.chains SET size = size + 2",
        "DELETE FROM audit.checkpoints",
    ],
)
async def test_nobody_changes_what_is_there(settings: Settings, owner: Any, chain: str, verb: str) -> None:
    functions = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await functions.execute(verb)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await functions.execute("INSERT INTO audit.chains VALUES ('platform', 1, sha256('x'))")
    finally:
        await functions.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.execute(verb)


async def test_a_change_in_a_tenants_database_is_recorded_from_there(
    settings: Settings, platform: Platform, as_tenant: Api, tenant: Tenant
) -> None:
    """As a function does whose facts are there: the record is committed with them, and travels."""
    runtime = Runtime(settings)
    scope = {
        "type": "http", "method": "POST", "path": f"/v1/tenants/{tenant.id}/documents", "headers": [],
        "query_string": b"", "path_params": {"tenantId": tenant.id},
    }  # fmt: skip
    who = Principal("somebody", "user", tenant.id, frozenset({Role.ADMIN}))
    try:
        with serving(RequestContext("from-the-tenant", principal=who)):
            record = record_of_success(Request(scope), "documents:write", Response(status_code=202))
            async with UnitOfWork(runtime.databases) as uow:
                await connection(tenant.database)
                await connection(PLATFORM)
                uow.record(record)
            async with UnitOfWork(runtime.databases) as uow:
                await connection(tenant.database)
                uow.record(record)
                uow.abandon()
    finally:
        await runtime.close()

    async def arrived() -> list[dict[str, Any]]:
        return await trail(as_tenant, "requestId=from-the-tenant")

    assert [found["action"] for found in await eventually(arrived)] == ["documents:write"]


async def test_a_flood_of_strangers_is_counted_and_not_kept(settings: Settings, owner: Any) -> None:
    before = await owner.fetchval("SELECT count(*) FROM audit.records WHERE chain = 'platform'")
    databases = Databases(settings.database_url.get_secret_value(), pool_size=2, pools=1)
    flooded = AuditTrail(databases, burst=5, refill_seconds=3600)
    with serving(RequestContext("flood")):
        for _ in range(200):
            await flooded.note_error(_request(), "tenants:list", 401, "unauthenticated")
    await flooded.close()
    await databases.close()
    rows = await owner.fetch("SELECT record FROM audit.records WHERE chain = 'platform' ORDER BY seq OFFSET $1", before)
    ours = [json.loads(row["record"]) for row in rows]
    ours = [said for said in ours if said.get("requestId") == "flood" or "suppressed" in said]
    assert len(ours) == 6
    assert sum(1 + said.get("suppressed", 0) - ("requestId" not in said) for said in ours) == 200


async def test_while_the_database_is_away_records_wait_and_are_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    databases = Databases("postgresql://nobody@127.0.0.1:1/nothing", pool_size=1, pools=1)
    waiting = AuditTrail(databases)
    with serving(RequestContext("waits")), caplog.at_level(logging.WARNING, "dcoder.audit"):
        await waiting.note_error(_request(), "tenants:list", 403, "forbidden")
    assert any("waits" in str(getattr(line, "record", "")) for line in caplog.records)
    await waiting.close()
    await databases.close()


def _request() -> Request:
    return Request({"type": "http", "method": "GET", "path": "/v1/tenants", "headers": [], "query_string": b""})


async def test_who_may_read_which_chain(
    platform: Platform, api: Api, as_tenant: Api, tenant: Tenant, new_tenant: NewTenant, operator: Api
) -> None:
    other = await new_tenant()
    user = api.as_(platform.token("--role", "user", "--tenant", tenant.id))
    assert (await user.call("GET", "/v1/audit")).status == 403
    for path in ("/v1/audit", "/v1/audit/checkpoints"):
        assert (await as_tenant.call("GET", f"{path}?tenantId={other.id}")).status == 403
        assert (await as_tenant.call("GET", f"{path}?tenantId=platform")).status == 403
        assert (await as_tenant.call("GET", f"{path}?tenantId={tenant.id}")).status == 200
        assert (await as_tenant.call("GET", f"{path}?tenantId=nonsense")).status == 422
    assert {record["chain"] for record in await trail(as_tenant)} == {tenant.id}
    assert {tenant.id, other.id} <= {record["chain"] for record in await trail(operator)}


async def test_filters_and_pages(as_tenant: Api, tenant: Tenant) -> None:
    for number in range(5):
        await as_tenant.call("POST", f"/v1/tenants/{tenant.id}/groups", {"name": f"g{number}"})
    everything = await trail(as_tenant)
    paged, query = [], "/v1/audit?limit=2"
    while True:
        page = (await as_tenant.call("GET", query)).body
        paged += page["items"]
        if page["nextCursor"] is None:
            break
        query = f"/v1/audit?limit=2&cursor={page['nextCursor']}"
    assert list(reversed(paged)) == everything
    assert len(await trail(as_tenant, f"resource=/v1/tenants/{tenant.id}/groups")) == 5
    assert len(await trail(as_tenant, f"actor={tenant.key_id}&action=groups:write&outcome=success")) == 5
    assert not await trail(as_tenant, "actor=nobody")
    third = everything[3]["time"]
    assert [record["time"] for record in await trail(as_tenant, f"from={third}")] == [r["time"] for r in everything[3:]]
    assert [record["time"] for record in await trail(as_tenant, f"to={third}")] == [r["time"] for r in everything[:3]]


@pytest.mark.parametrize("query", ["cursor=x", "cursor=WyJhIiwgImIiLCAxXQ", "from=2026-01-01", "limit=0", "outcome=x",
                                   "from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "actor=%00", "format=xml",
                                   "from=0001-01-01T00:00:00Z&format=csv"])  # fmt: skip
async def test_a_wrong_question_is_refused(as_tenant: Api, query: str) -> None:
    assert (await as_tenant.call("GET", f"/v1/audit?{query}")).status in {400, 422}


async def test_csv_has_all_of_it_and_runs_no_formula(as_tenant: Api, tenant: Tenant) -> None:
    await as_tenant.call("PATCH", f"/v1/tenants/{tenant.id}", {"name": "x"}, user_agent="=HYPERLINK(1)")
    for asked in ({"accept": "text/csv"}, {}):
        query = "" if asked else "?format=csv"
        answer = await as_tenant.call("GET", f"/v1/audit{query}", **asked)
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.body)))
        assert len(rows) == len(await trail(as_tenant))
        assert rows[0]["userAgent"] == "'=HYPERLINK(1)"
        assert rows[0]["fields"] == "name"


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", "|calc"])
def test_a_formula_becomes_text(cell: str) -> None:
    assert harmless(cell).startswith("'")
    assert harmless("2026-11-26") == "2026-11-26"
