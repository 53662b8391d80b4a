"""Asks a chat model through the platform's own gateway: the tenant's key, the tenant's limits, the tenant's bill."""

from typing import Any

import aiohttp
import orjson

from functions.guardrails.core.errors import DetectorUnavailable
from functions.kit.errors import DcoderError
from functions.kit.service_tokens import OnBehalf, ServiceTokens

_SERVICE = "guardrails-detection"
_ACTIONS = frozenset({"llm:call"})
_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)


class GatewayModels:
    """`Complete` for one tenant."""

    def __init__(self, session: aiohttp.ClientSession, tokens: ServiceTokens, base_url: str, tenant_id: str) -> None:
        self._session = session
        self._tokens = tokens
        self._url = f"{base_url.rstrip('/')}/v1/chat/completions"
        self._tenant_id = tenant_id

    async def __call__(self, model: str, messages: list[dict[str, Any]]) -> str:
        """The answer's text.

        Raises:
            DetectorUnavailable: there is none: the tenant has no such model, a limit is reached, or somebody is away.
        """
        try:
            token = self._tokens.mint(_SERVICE, OnBehalf(self._tenant_id), _ACTIONS)
            # Verdicts are not kept: the cache would compare what is to be judged by what it means.
            headers = {"authorization": f"Bearer {token}", "cache-control": "no-store"}
            body = {"model": model, "messages": messages, "temperature": 0}
            async with self._session.post(
                self._url, json=body, headers=headers, timeout=_TIMEOUT, allow_redirects=False
            ) as response:
                answer = orjson.loads(await response.read())
            if response.status != 200:
                raise DetectorUnavailable(f"the gateway answered {response.status} {answer['error']['code']}")
            return str(answer["choices"][0]["message"]["content"])
        except (TimeoutError, aiohttp.ClientError, DcoderError) as error:
            raise DetectorUnavailable(f"the gateway is away: {type(error).__name__}") from error
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise DetectorUnavailable("the gateway answered another format") from error
