"""The tenant's models, by way of the LLM gateway: its limits, its usage, its providers."""

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import aiohttp
import orjson

from functions.kit.service_tokens import OnBehalf, ServiceTokens
from functions.knowledge.core.ingest_ports import Vector
from functions.knowledge.core.reasons import CannotIngest, NotNow, Reason
from functions.knowledge.core.vectors import vector_of

_SERVICE = "knowledge-ingest"
_ACTIONS = frozenset({"llm:call"})
_SECONDS = aiohttp.ClientTimeout(total=180, connect=5)
# An outage of more than a day.
_WAITS = 36
_AT_ONCE = 4
_TRY_AGAIN = {408, 409, 425, 500, 502, 503, 504}
_QUESTION = (
    "Describe this picture so that somebody can find it by searching for what it shows. Say what kind of picture it "
    "is, what is on it, and every text, number and label that can be read, exactly. Answer with the description alone."
)


class GatewayModels:
    """Port `Models`."""

    def __init__(self, http: aiohttp.ClientSession, edge_url: str, tokens: ServiceTokens) -> None:
        # Whoever asks a question of the same provider is to find it free.
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._http = http
        self._edge_url = edge_url.rstrip("/")
        self._tokens = tokens

    async def embed(self, behalf: OnBehalf, model: str, texts: Sequence[str]) -> Sequence[Vector]:
        """An embedding a text, in their order."""
        answer = await self._ask(behalf, "/v1/embeddings", {"model": model, "input": list(texts)})
        try:
            data = sorted(answer["data"], key=lambda entry: entry["index"])
            vectors = [vector_of(entry["embedding"]) for entry in data]
        except (KeyError, TypeError, ValueError) as error:
            raise CannotIngest(Reason.MODEL_REFUSED, f"{model} does not answer with embeddings") from error
        if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) > 1:
            raise CannotIngest(Reason.MODEL_REFUSED, f"{model} does not answer with an embedding a text")
        return vectors

    async def describe(self, behalf: OnBehalf, model: str, jpeg: bytes) -> str:
        """What is on a picture."""
        picture = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
        content = [{"type": "text", "text": _QUESTION}, {"type": "image_url", "image_url": {"url": picture}}]
        body = {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": 1000}
        answer = await self._ask(behalf, "/v1/chat/completions", body)
        try:
            return str(answer["choices"][0]["message"]["content"] or "")
        except (KeyError, IndexError, TypeError) as error:
            raise CannotIngest(Reason.MODEL_REFUSED, f"{model} does not answer with a message") from error

    async def _ask(self, behalf: OnBehalf, path: str, body: dict[str, Any]) -> Any:
        try:
            async with self._at_once:
                return await self._post(self._tokens.mint(_SERVICE, behalf, _ACTIONS), path, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            detail = f"the gateway does not answer: {type(error).__name__}"
            raise NotNow(Reason.PROVIDER_UNAVAILABLE, detail, most_waits=_WAITS) from error

    async def _post(self, token: str, path: str, body: dict[str, Any]) -> Any:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        async with self._http.post(
            self._edge_url + path, data=orjson.dumps(body), headers=headers, timeout=_SECONDS
        ) as response:
            answer = _json(await response.read())
            if response.status == 200:
                return answer
            raise _refusal(response.status, response.headers.get("retry-after"), answer)


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}


def _refusal(status: int, retry_after: str | None, answer: Any) -> Exception:
    """What an answer other than 200 means for the document."""
    told = answer.get("error", {}) if isinstance(answer, dict) else {}
    detail = f"{told.get('code', status)}: {told.get('message', 'the gateway refuses')}"[:500]
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
    if status == 429:
        return NotNow(Reason.QUOTA_EXCEEDED, detail, seconds)
    if status in _TRY_AGAIN or told.get("code") == "tenant_suspended":
        return NotNow(Reason.PROVIDER_UNAVAILABLE, detail, seconds, most_waits=_WAITS)
    return CannotIngest(Reason.MODEL_REFUSED, detail)
