"""Executions as a client has them."""

from dataclasses import dataclass
from typing import Any

from tests.platform import Api, Reply, eventually

CALCULATE = 'Use builtin_calculator with expression="2*21" please'
_ENDED = {"completed", "failed", "cancelled"}


def begin(graph: str, given: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An order."""
    return {
        "graphId": graph,
        "input": given,
        "options": {"model": "openai/gpt-4o-mini"} | more.pop("options", {}),
        **more,
    }


def approving(*names: str) -> dict[str, Any]:
    """Options that have somebody approve tools."""
    return {"options": {"approve": list(names), "wait": 30}}


@dataclass(frozen=True)
class Agent:
    """Calls the API of executions."""

    api: Api

    @staticmethod
    def path(execution_id: str) -> str:
        return f"/v1/agents/executions/{execution_id}"

    async def execute(self, graph: str, given: dict[str, Any], **more: Any) -> dict[str, Any]:
        """An execution that has ended, or waits for somebody."""
        body = begin(graph, given, **{"options": {"wait": 30}, **more})
        reply = await self.api.call("POST", "/v1/agents/execute", body)
        assert reply.status in {200, 202}, reply.body
        return await self.settled(reply.body["executionId"]) if reply.status == 202 else dict(reply.body)

    async def get(self, execution_id: str) -> dict[str, Any]:
        reply = await self.api.call("GET", self.path(execution_id))
        assert reply.status == 200, reply.body
        return dict(reply.body)

    async def settled(self, execution_id: str) -> dict[str, Any]:
        """Once it has ended or waits."""
        return await self._until(execution_id, _ENDED | {"waiting"})

    async def ended(self, execution_id: str) -> dict[str, Any]:
        """Once it has ended."""
        return await self._until(execution_id, _ENDED)

    async def answer(self, waiting: dict[str, Any], word: dict[str, Any]) -> Reply:
        path = f"{self.path(waiting['executionId'])}/interrupts/{waiting['interrupt']['id']}"
        return await self.api.call("POST", path, word)

    async def frames(self, execution_id: str, after: str = "") -> list[dict[str, str]]:
        """All server-sent events until the stream ends."""
        headers = {"authorization": f"Bearer {self.api.credential}"} | ({"last-event-id": after} if after else {})
        async with self.api.session.get(
            f"{self.api.base}{self.path(execution_id)}/events", headers=headers
        ) as response:
            text = await response.text()
        frames = [frame for frame in text.split("\n\n") if frame and not frame.startswith(":")]
        return [dict(line.split(": ", 1) for line in frame.splitlines()) for frame in frames]

    async def _until(self, execution_id: str, wanted: set[str]) -> dict[str, Any]:
        async def probe() -> dict[str, Any]:
            told = await self.get(execution_id)
            return told if told["status"] in wanted else {}

        return await eventually(probe, 60)
