"""Reranking by a cross-encoder behind HTTP: the `/rerank` of Text Embeddings Inference, Infinity and others."""

from collections.abc import Sequence

import aiohttp
import orjson

from functions.kit.errors import DependencyUnavailable
from functions.kit.service_tokens import OnBehalf
from functions.knowledge.core.search_ports import Passage

_SECONDS = aiohttp.ClientTimeout(total=10, connect=2)


class HttpReranker:
    """Port `Reranker` by Text Embeddings Inference's protocol: `{query, texts}` to `[{index, score}]`."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def rerank(self, behalf: OnBehalf, query: str, passages: Sequence[Passage]) -> Sequence[float]:
        """The cross-encoder's score of each passage.

        Raises:
            DependencyUnavailable: it is away, or answers something else.
        """
        del behalf  # the model is the platform's own: nobody is billed for it
        body = {"query": query, "texts": [passage.chunk.text for passage in passages], "truncate": True}
        try:
            async with self._http.post(
                self._url, data=orjson.dumps(body), headers={"content-type": "application/json"}, timeout=_SECONDS
            ) as response:
                response.raise_for_status()
                scores = {int(entry["index"]): float(entry["score"]) for entry in orjson.loads(await response.read())}
                return [scores[at] for at in range(len(passages))]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _away(f"the reranker does not answer: {type(error).__name__}") from error
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise _away("the reranker does not answer with a score for each passage") from error


def _away(message: str) -> DependencyUnavailable:
    return DependencyUnavailable(message, details={"dependency": "reranker"})
