from openai import AsyncOpenAI

from tests.unit.local.simulator.conftest import Simulator


async def test_requests_are_kept_without_credentials(simulator: Simulator, openai: AsyncOpenAI, key: str) -> None:
    await openai.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hi"}])
    await simulator.post(f"/google/v1beta/models/gemini-2.5-flash:countTokens?key={key}", {"contents": [{}]}, {})
    first, second = (await simulator.get(f"/_sim/requests?key={key}"))["requests"]
    assert (first["method"], first["path"]) == ("POST", "/openai/v1/chat/completions")
    assert first["body"]["messages"] == [{"role": "user", "content": "Hi"}]
    assert second["query"] == {"key": "***"}
    assert key not in str(first) + str(second)


async def test_requests_are_limited_to_the_last_hundred(simulator: Simulator, key: str) -> None:
    for number in range(105):
        await simulator.get(f"/openai/v1/models/sim-{number}", authorization=f"Bearer {key}")
    kept = (await simulator.get(f"/_sim/requests?key={key}"))["requests"]
    assert len(kept) == 100
    assert kept[-1]["path"].endswith("/sim-104")


async def test_large_bodies_are_cut(simulator: Simulator, key: str) -> None:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x" * 50_000}]}
    await simulator.post("/openai/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
    (kept,) = (await simulator.get(f"/_sim/requests?key={key}"))["requests"]
    assert not kept["bodyComplete"]
    assert len(kept["body"]) == 32 * 1024


async def test_bills_can_be_reset(simulator: Simulator, openai: AsyncOpenAI, key: str) -> None:
    await openai.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hi"}])
    await openai.embeddings.create(model="text-embedding-3-small", input="Hi")
    bill = await simulator.bill(key)
    assert (bill["calls"], set(bill["byModel"])) == (2, {"gpt-4o", "text-embedding-3-small"})
    async with simulator.http.delete(f"{simulator.url}/_sim/usage?key={key}") as response:
        assert response.status == 204
    assert (await simulator.bill(key))["calls"] == 0


async def test_health(simulator: Simulator) -> None:
    assert (await simulator.get("/health/live"))["status"] == "ok"
    assert await simulator.get("/health/ready") == {"status": "ok", "checks": {"embeddings": {"status": "ok"}}}
