"""Idempotency-Key: the first answer is the answer."""

import asyncio
import uuid
from contextlib import suppress
from datetime import datetime

import asyncpg
from starlette.requests import Request
from starlette.types import Message

from functions.kit.database import Databases
from functions.kit.errors import IdempotencyInProgress
from functions.kit.idempotency import Claim, Idempotency
from tests.platform import Api, Platform, Tenant, eventually


def body() -> dict[str, str]:
    slug = f"t-{uuid.uuid4().hex[:12]}"
    return {"name": slug, "slug": slug}


async def test_a_repeated_request_is_answered_again_and_done_once(operator: Api) -> None:
    key, wanted = str(uuid.uuid4()), body()
    first = await operator.call("POST", "/v1/tenants", wanted, idempotency_key=key)
    again = await operator.call("POST", "/v1/tenants", wanted, idempotency_key=key)
    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert again.headers["idempotent-replayed"] == "true"


async def test_other_parameters_under_the_same_key_are_refused(operator: Api) -> None:
    key = str(uuid.uuid4())
    await operator.call("POST", "/v1/tenants", body(), idempotency_key=key)
    other = await operator.call("POST", "/v1/tenants", body(), idempotency_key=key)
    assert (other.status, other.code) == (422, "idempotency_key_reused")


async def test_of_two_at_once_one_is_done_and_the_other_waits_or_is_told_so(operator: Api) -> None:
    key, wanted = str(uuid.uuid4()), body()
    replies = await asyncio.gather(
        *(operator.call("POST", "/v1/tenants", wanted, idempotency_key=key) for _ in range(8))
    )
    assert {reply.status for reply in replies} <= {201, 409}
    made = [reply for reply in replies if reply.status == 201]
    assert made
    assert len({reply.body["id"] for reply in made}) == 1
    assert all(reply.code == "idempotency_in_progress" for reply in replies if reply.status == 409)


async def test_a_refused_body_leaves_the_key_free(operator: Api) -> None:
    key, wanted = str(uuid.uuid4()), body()
    bad = await operator.call("POST", "/v1/tenants", {**wanted, "slug": "NOT A SLUG"}, idempotency_key=key)
    assert bad.status == 422
    assert (await operator.call("POST", "/v1/tenants", wanted, idempotency_key=key)).status == 201


async def test_a_key_belongs_to_its_tenant(api: Api, tenant: Tenant, operator: Api) -> None:
    key = str(uuid.uuid4())
    question = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "What is a quay?"}]}
    first = await api.as_(tenant.key).call("POST", "/v1/chat/completions", question, idempotency_key=key)
    again = await api.as_(tenant.key).call("POST", "/v1/chat/completions", question, idempotency_key=key)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.body == first.body
    assert (await operator.call("POST", "/v1/tenants", body(), idempotency_key=key)).status == 201


async def test_a_stream_cannot_be_replayed(as_tenant: Api) -> None:
    reply = await as_tenant.chat("What is a lock?", stream=True, headers={"idempotency_key": "k"})
    assert (reply.status, reply.code) == (400, "invalid_request")


async def test_a_secret_shown_once_is_not_readable_in_the_table(platform: Platform, operator: Api) -> None:
    key, wanted = str(uuid.uuid4()), body()
    made = await operator.call("POST", "/v1/tenants", wanted, idempotency_key=key)
    connection = await asyncpg.connect(platform.status["credentials"]["postgresUrl"])
    try:
        rows = await connection.fetch("SELECT scope, key, body, content_type FROM idempotency_keys")
    finally:
        await connection.close()
    stored = b"".join(str(row["scope"] + row["key"]).encode() + bytes(row["body"] or b"") for row in rows)
    assert rows
    assert made.body["apiKey"]["secret"].encode() not in stored
    assert key.encode() not in stored


async def test_a_key_belongs_to_its_caller(api: Api, tenant: Tenant) -> None:
    admin = api.as_(tenant.key)
    wanted = {"name": "other", "role": "user"}
    other = (await admin.call("POST", f"/v1/tenants/{tenant.id}/api-keys", wanted)).body["secret"]
    key = str(uuid.uuid4())
    question = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "What is a jetty?"}]}
    assert (await admin.call("POST", "/v1/chat/completions", question, idempotency_key=key)).status == 200
    # Policies may keep from one what another was answered: they are asked, and the call is its own.
    theirs = await api.as_(other).call("POST", "/v1/chat/completions", question, idempotency_key=key)
    assert theirs.status == 200
    assert "idempotent-replayed" not in theirs.headers


async def test_an_operators_key_belongs_to_the_tenant_that_is_named(operator: Api) -> None:
    tenants = [(await operator.call("POST", "/v1/tenants", body())).body["id"] for _ in range(2)]
    key, prompt = str(uuid.uuid4()), {"name": "greeting", "template": "Good day."}
    made = [
        await operator.call("POST", "/v1/prompts", prompt, idempotency_key=key, x_tenant_id=tenant)
        for tenant in tenants
    ]
    assert [reply.status for reply in made] == [201, 201]
    assert not [reply for reply in made if "idempotent-replayed" in reply.headers]


def public_request(key: str) -> Request:
    async def whole() -> Message:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    headers = [(b"idempotency-key", key.encode())]
    return Request({"type": "http", "method": "POST", "path": "/x", "query_string": b"", "headers": headers}, whole)


async def test_a_claim_stands_for_as_long_as_its_request_is_served_and_not_for_ever(platform: Platform) -> None:
    databases = Databases(platform.status["credentials"]["postgresUrl"], pool_size=2, pools=1)
    keys, key = Idempotency(databases, lock_seconds=4.0), str(uuid.uuid4())

    async def locked_until(claim: Claim) -> datetime:
        async with databases.acquire() as session:
            query = "SELECT locked_until FROM idempotency_keys WHERE key = $1"
            found: datetime = await session.fetchval(query, claim.key)
            return found

    async def claimed_again() -> Claim | None:
        with suppress(IdempotencyInProgress):
            return await keys.claim(public_request(key), None)  # type: ignore[return-value]
        return None

    try:
        claim = await keys.claim(public_request(key), None)
        assert isinstance(claim, Claim)
        first = await locked_until(claim)

        async def is_renewed() -> bool:
            return await locked_until(claim) > first

        async with keys.held(claim):
            await eventually(is_renewed)
            assert await claimed_again() is None
        # As where its process has died: nobody has settled it.
        again = await eventually(claimed_again)
        assert again is not None
        assert again.key == claim.key
    finally:
        await databases.close()
